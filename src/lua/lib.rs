//! Lua 5.1.5 with the patches that a server needs whose users send scripts, and how it is built.
//!
//! mlua builds Lua by the crate `lua-src`; `[patch.crates-io]` puts this one in its place. `c/` holds the sources of Lua
//! 5.1.5 (MIT, the notice stands in `c/lua.h`). Each line of ours there is marked `PATCH`, with one of these words:
//!
//! | Mark | Where | What it answers |
//! |---|---|---|
//! | read-only tables | `ltable.c`, `lapi.c`, `lbaselib.c` | CVE-2022-24735, CVE-2025-46818: what scripts share can't be written by `rawset`, `table.insert`, `setmetatable` or any other way. Redis has the same as `lua_enablereadonlytable`. The three functions through which every write goes ask the flag, so no caller can forget it |
//! | CVE-2025-46817 | `lbaselib.c`, `ltable.c` | `unpack` with a range of 2^31 elements; bug 5.1.5-2 of lua.org/bugs.html |
//! | CVE-2025-49844 | `lparser.c` | the name of a chunk is kept from the collector while it is parsed |
//! | CVE-2025-46819 | `llex.c` | delimiters of long strings are counted in `size_t` |
//! | CVE-2015-4335 | `ldo.c` | bytecode is not loaded, whoever brings it; it is read as text, as in Redis |
//! | CVE-2024-46981 | `lstate.c`, `lgc.c` | a collection under way does not go on while a state is closed |
//! | CVE-2014-5461 | `ldo.c` | the stack has room for the fixed arguments of vararg functions (came with these sources) |
//! | bug 5.1.5-1 | `lzio.c` | a reader that has said that its input ends is not asked again |
//! | pattern depth | `lstrlib.c` | the matcher recurses on the C stack for each item of a pattern |
//! | long loops | `lstrlib.c` | `string.rep` of nothing took as long as its count |
//! | sizes of blocks | `lmem.c` | the allocator is asked for the sizes that it has, so that bytes counted are bytes gone |
//! | memory given back | `lgc.c` | the table of strings shrinks in one collection |
//!
//! What else Redis has changed in its copy is no part of Lua here: `cjson`, `cmsgpack`, `struct` and `bit`
//! (CVE-2015-8080, CVE-2018-11218, CVE-2018-11219, CVE-2020-14147, CVE-2022-24834, CVE-2024-31449) are written in safe Rust
//! in `src/script`; values that come in and go out are checked against the stack's limit by mlua (CVE-2021-32626);
//! scripts are compiled as they are, not as text between the lines of a function (CVE-2022-24736); and the
//! globals that are left out (`print`, `loadfile`, `dofile`, `newproxy`, `getfenv`, `setfenv`, `module`, `require`,
//! `debug`, `io`, `package`, all of `os` but `clock`) are left out by `src/script/sandbox.rs`.

#![forbid(unsafe_code)]

use std::env;
use std::fs;
use std::path::PathBuf;

/// The versions that there are sources of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Lua51,
}
pub use Version::Lua51;

/// How Lua is built.
#[derive(Default)]
pub struct Build;

/// What was built, and where it lies.
pub struct Artifacts {
    lib_dir: PathBuf,
    include_dir: PathBuf,
}

const LIBRARY: &str = "lua5.1";

impl Build {
    pub fn new() -> Self {
        Build
    }

    /// Compiles the sources. For build scripts: Cargo's environment says for which machine.
    pub fn build(&self, _: Version) -> Artifacts {
        let out = PathBuf::from(env::var_os("OUT_DIR").expect("a build script has an OUT_DIR"));
        let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("c");
        println!("cargo:rerun-if-changed={}", sources.display());
        let (lib_dir, include_dir) = (out.join("lib"), out.join("include"));
        let mut compiler = cc::Build::new();
        compiler
            .warnings(false)
            .cargo_metadata(false)
            .include(&sources)
            .out_dir(&lib_dir);
        if env::var("CARGO_CFG_UNIX").is_ok() {
            // No dynamic libraries, temporary files or line editing: what scripts can't reach need not be there.
            compiler.define("LUA_USE_ULONGJMP", None);
        }
        if cfg!(debug_assertions) {
            compiler.define("LUA_USE_APICHECK", None);
        }
        let listed = fs::read_dir(&sources).expect("the sources of Lua lie beside this crate's");
        let mut files: Vec<PathBuf> = listed
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
        // In order, so that what is built twice is equal.
        files.sort();
        compiler.files(files).compile(LIBRARY);
        fs::create_dir_all(&include_dir).expect("a folder under OUT_DIR can be made");
        for header in ["lauxlib.h", "lua.h", "luaconf.h", "lualib.h"] {
            fs::copy(sources.join(header), include_dir.join(header))
                .expect("headers can be copied");
        }
        Artifacts {
            lib_dir,
            include_dir,
        }
    }
}

impl Artifacts {
    /// Tells Cargo what to link.
    pub fn print_cargo_metadata(&self) {
        println!("cargo:rustc-link-search=native={}", self.lib_dir.display());
        println!("cargo:rustc-link-lib=static={LIBRARY}");
        println!("cargo:include={}", self.include_dir.display());
        println!("cargo:lib={}", self.lib_dir.display());
    }
}
