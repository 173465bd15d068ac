//! The globals that a script sees: Lua's and Redis's, and none of them can be changed.
//!
//! Lua 5.1 knows no readonly tables. So each is an empty one that a metatable guards, and what it holds stands
//! behind it, where no script reaches.

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, MultiValue, Result, Table, Value, Variadic};

use super::host::State;
use super::raise::{Killed, Raised, bad_argument, located, raised};
use super::{bits, cjson, cmsgpack, packed, sha1_hex};
use crate::config::REDIS_VERSION;

const READONLY: &str = "Attempt to modify a readonly table";

/// Longer patterns are refused: the matcher needs stack for each of their items.
const PATTERN_MAX: usize = 8192;

/// The globals that pass through as they are.
const PLAIN: &[&str] = &[
    "tostring",
    "tonumber",
    "unpack",
    "next",
    "assert",
    "rawequal",
    "rawget",
    "collectgarbage",
    "getmetatable",
    "type",
    "select",
    "gcinfo",
    "ipairs",
    "error",
    "_VERSION",
];

pub(super) struct Sandbox {
    /// What scripts have for their globals.
    pub env: Table,
    /// What stands behind `env`.
    pub globals: Table,
    /// What stands behind `redis` for scripts, and while a library is loaded.
    pub redis: Table,
    pub redis_loading: Table,
    /// What functions have for their globals, and the metatable that says what stands behind.
    pub functions_env: Table,
    pub functions_meta: Table,
    /// All that stands there while a library is loaded.
    pub loading: Table,
    pub handler: Function,
    pub xpcall: Function,
    pub run: Function,
}

struct Guards<'l> {
    lua: &'l Lua,
    /// What stands behind each readonly table.
    backing: Table,
    refuse: Function,
    /// What `getmetatable` shows of a guard: a readonly table, too.
    shown: Table,
}

impl Guards<'_> {
    /// A readonly table with this behind it.
    fn guard(&self, behind: &Table) -> Result<Table> {
        let guard = self.lua.create_table()?;
        let meta = self.lua.create_table()?;
        meta.raw_set("__index", behind)?;
        meta.raw_set("__newindex", &self.refuse)?;
        meta.raw_set("__metatable", &self.shown)?;
        guard.set_metatable(Some(meta))?;
        self.backing.raw_set(&guard, behind)?;
        Ok(guard)
    }
}

pub(super) fn build(lua: &Lua, state: &State) -> Result<Sandbox> {
    let outer = lua.globals();
    let weak = lua.create_table()?;
    let backing = lua.create_table()?;
    weak.raw_set("__mode", "k")?;
    backing.set_metatable(Some(weak))?;
    let refuse =
        lua.create_function(|lua, _: MultiValue| -> Result<()> { Err(located(lua, READONLY)) })?;
    let mut guards = Guards {
        lua,
        backing: backing.clone(),
        refuse,
        shown: lua.create_table()?,
    };
    guards.shown = guards.guard(&lua.create_table()?)?;
    let globals = lua.create_table()?;
    for name in PLAIN {
        globals.raw_set(*name, outer.raw_get::<Value>(*name)?)?;
    }
    let plain = plain(lua, state)?;
    let strings: Table = outer.raw_get("string")?;
    let coroutines: Table = outer.raw_get("coroutine")?;
    let xpcall: Function = outer.raw_get("xpcall")?;
    let (pcall, safe_xpcall, resume, pairs, run): (
        Function,
        Function,
        Function,
        Function,
        Function,
    ) = lua
        .load(include_str!("prelude.lua"))
        .set_name("@prelude")
        .call((
            outer.raw_get::<Function>("pcall")?,
            &xpcall,
            coroutines.raw_get::<Function>("resume")?,
            outer.raw_get::<Function>("next")?,
            plain,
            &backing,
            PATTERN_MAX,
            &strings,
        ))?;
    globals.raw_set("pcall", pcall)?;
    globals.raw_set("xpcall", safe_xpcall)?;
    globals.raw_set("pairs", pairs)?;
    coroutines.raw_set("resume", resume)?;
    random(lua, state, &outer.raw_get("math")?)?;
    for name in ["string", "coroutine", "table", "math"] {
        globals.raw_set(name, guards.guard(&outer.raw_get(name)?)?)?;
    }
    // Methods of strings look their names up behind the guard.
    let text_meta = lua.create_table()?;
    text_meta.raw_set("__index", &strings)?;
    text_meta.raw_set("__metatable", &guards.shown)?;
    lua.set_type_metatable::<mlua::LuaString>(Some(text_meta));
    let os = lua.create_table()?;
    os.raw_set(
        "clock",
        outer.raw_get::<Table>("os")?.raw_get::<Value>("clock")?,
    )?;
    globals.raw_set("os", guards.guard(&os)?)?;
    globals.raw_set("cjson", guards.guard(&cjson::library(lua)?)?)?;
    globals.raw_set("cmsgpack", guards.guard(&cmsgpack::library(lua)?)?)?;
    globals.raw_set("struct", guards.guard(&packed::library(lua)?)?)?;
    globals.raw_set("bit", guards.guard(&bits::library(lua)?)?)?;
    let redis = redis(lua, state)?;
    let redis_loading = lua.create_table()?;
    for name in [
        "log",
        "LOG_DEBUG",
        "LOG_VERBOSE",
        "LOG_NOTICE",
        "LOG_WARNING",
        "REDIS_VERSION",
        "REDIS_VERSION_NUM",
    ] {
        redis_loading.raw_set(name, redis.raw_get::<Value>(name)?)?;
    }
    let missing = missing(lua)?;
    let strict = lua.create_table()?;
    strict.raw_set("__index", &missing)?;
    redis_loading.set_metatable(Some(strict.clone()))?;
    let redis_guard = guards.guard(&redis)?;
    globals.raw_set("redis", &redis_guard)?;
    let loading = lua.create_table()?;
    loading.raw_set("redis", guards.guard(&redis_loading)?)?;
    loading.set_metatable(Some(strict.clone()))?;
    globals.set_metatable(Some(strict))?;
    let env = guards.guard(&globals)?;
    globals.raw_set("_G", &env)?;
    let functions_meta = lua.create_table()?;
    functions_meta.raw_set("__index", &globals)?;
    functions_meta.raw_set("__newindex", &guards.refuse)?;
    functions_meta.raw_set("__metatable", &guards.shown)?;
    let functions_env = lua.create_table()?;
    functions_env.set_metatable(Some(functions_meta.clone()))?;
    backing.raw_set(&functions_env, &globals)?;
    guarded_calls(lua, &globals, &backing, &outer)?;
    loaders(lua, &globals, &env)?;
    Ok(Sandbox {
        handler: handler(lua)?,
        env,
        globals,
        redis,
        redis_loading,
        functions_env,
        functions_meta,
        loading,
        xpcall,
        run,
    })
}

/// What is asked for a global that isn't there.
fn missing(lua: &Lua) -> Result<Function> {
    lua.create_function(|lua, (_, name): (Value, Value)| -> Result<()> {
        let name = lua.coerce_string(name)?;
        let name = name.map(|name| name.to_string_lossy()).unwrap_or_default();
        Err(located(
            lua,
            &format!("Script attempted to access nonexistent global variable '{name}'"),
        ))
    })
}

/// `rawset` and `setmetatable`, which would get round a guard.
fn guarded_calls(lua: &Lua, globals: &Table, backing: &Table, outer: &Table) -> Result<()> {
    for name in ["rawset", "setmetatable"] {
        let raw: Function = outer.raw_get(name)?;
        let backing = backing.clone();
        let checked = lua.create_function(move |_, args: Variadic<Value>| {
            if let Some(table @ Value::Table(_)) = args.first()
                && !backing.raw_get::<Value>(table)?.is_nil()
            {
                return Err(mlua::Error::RuntimeError(READONLY.into()));
            }
            raw.call::<MultiValue>(args)
        })?;
        globals.raw_set(name, checked)?;
    }
    Ok(())
}

/// `load` and `loadstring`: text only, and for the same globals.
fn loaders(lua: &Lua, globals: &Table, env: &Table) -> Result<()> {
    let compile = |lua: &Lua, env: &Table, code: &[u8], name: String| -> Result<(Value, Value)> {
        let name = name.split('\0').next().unwrap_or_default();
        let chunk = lua.load(code).set_name(name).set_mode(ChunkMode::Text);
        match chunk.set_environment(env.clone()).into_function() {
            Ok(function) => Ok((Value::Function(function), Value::Nil)),
            Err(mlua::Error::SyntaxError { message, .. }) => {
                Ok((Value::Nil, Value::String(lua.create_string(message)?)))
            }
            Err(error) => Err(error),
        }
    };
    let own = env.clone();
    let loadstring = lua.create_function(
        move |lua, (code, name): (mlua::LuaString, Option<mlua::LuaString>)| {
            let code = code.as_bytes();
            let name = name.map_or_else(
                || String::from_utf8_lossy(&code).into_owned(),
                |name| name.to_string_lossy(),
            );
            compile(lua, &own, &code, name)
        },
    )?;
    globals.raw_set("loadstring", loadstring)?;
    let own = env.clone();
    let load = lua.create_function(
        move |lua, (pieces, name): (Function, Option<mlua::LuaString>)| {
            let mut code = Vec::new();
            while let Value::String(piece) = pieces.call::<Value>(())? {
                if piece.as_bytes().is_empty() {
                    break;
                }
                code.extend_from_slice(&piece.as_bytes());
            }
            let name = name.map_or_else(|| "=(load)".into(), |name| name.to_string_lossy());
            compile(lua, &own, &code, name)
        },
    )?;
    globals.raw_set("load", load)
}

/// Numbers that only look random: `randomseed` repeats them.
fn random(lua: &Lua, state: &State, math: &Table) -> Result<()> {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let seed = state.seed.clone();
    let random = lua.create_function(move |lua, args: Variadic<f64>| {
        seed.set((seed.get().wrapping_mul(MULTIPLIER) + 0xb) & MASK);
        let max = f64::from(i32::MAX);
        let chance = (seed.get() >> 17) as f64 % max / max;
        match args[..] {
            [] => Ok(chance),
            [to] if to.trunc() >= 1.0 => Ok((chance * to.trunc()).floor() + 1.0),
            [_] => Err(bad_argument(lua, 1, "random", "interval is empty")),
            [from, to] if from.trunc() <= to.trunc() => {
                let width = to.trunc() - from.trunc() + 1.0;
                Ok((chance * width).floor() + from.trunc())
            }
            [_, _] => Err(bad_argument(lua, 2, "random", "interval is empty")),
            _ => Err(located(lua, "wrong number of arguments")),
        }
    })?;
    math.raw_set("random", random)?;
    let seed = state.seed.clone();
    let randomseed = lua.create_function(move |_, given: f64| {
        let low = super::number::to_int(given) as u32;
        seed.set(u64::from(low) << 16 | 0x330e);
        Ok(())
    })?;
    math.raw_set("randomseed", randomseed)
}

/// An error as a value that scripts can look at.
fn plain(lua: &Lua, state: &State) -> Result<Function> {
    let killed = state.killed.clone();
    lua.create_function(move |lua, (err, flat): (Value, bool)| {
        if killed.get() {
            return Err(mlua::Error::external(Killed));
        }
        let error = match err {
            Value::Error(error) => error,
            Value::Table(table) if flat => {
                return match table.raw_get("err")? {
                    text @ Value::String(_) => Ok(text),
                    _ => Ok(Value::Table(table)),
                };
            }
            other => return Ok(other),
        };
        if let Some(raised) = error.downcast_ref::<Raised>() {
            let text = Value::String(lua.create_string(&raised.text)?);
            if flat {
                return Ok(text);
            }
            let table = lua.create_table()?;
            table.raw_set("err", text)?;
            if raised.counted {
                table.raw_set("ignore_error_stats_update", true)?;
            }
            return Ok(Value::Table(table));
        }
        Ok(Value::String(lua.create_string(message(&error))?))
    })
}

/// The text of an error that is no command's.
pub(super) fn message(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } => message(cause),
        mlua::Error::RuntimeError(text) => text.clone(),
        mlua::Error::MemoryError(_) => "not enough memory".into(),
        mlua::Error::BadArgument { pos, cause, .. } => {
            format!("bad argument #{pos} ({})", message(cause))
        }
        mlua::Error::FromLuaConversionError { from, to, .. } => {
            format!("{to} expected, got {from}")
        }
        other => other.to_string(),
    }
}

/// Makes a table of whatever was raised, with the place where it was.
fn handler(lua: &Lua) -> Result<Function> {
    lua.create_function(|lua, err: Value| {
        let table = match err {
            Value::Table(table) => table,
            Value::Error(error) => {
                let table = lua.create_table()?;
                match error.downcast_ref::<Raised>() {
                    Some(raised) => {
                        table.raw_set("err", lua.create_string(&raised.text)?)?;
                        if raised.counted {
                            table.raw_set("ignore_error_stats_update", true)?;
                        }
                    }
                    None => table.raw_set("err", format!("ERR {}", message(&error)))?,
                }
                table
            }
            other => {
                let mut text = b"ERR ".to_vec();
                match lua.coerce_string(other.clone())? {
                    Some(held) => text.extend_from_slice(&held.as_bytes()),
                    None => text.extend_from_slice(other.to_string()?.as_bytes()),
                }
                let table = lua.create_table()?;
                table.raw_set("err", lua.create_string(text)?)?;
                table
            }
        };
        for level in 1..12 {
            let found = lua.inspect_stack(level, |frame| {
                let source = frame.source().source?.into_owned();
                Some((source, frame.current_line()?))
            });
            match found {
                None => break,
                Some(Some((source, line))) if source.starts_with("@user_") => {
                    table.raw_set("source", source)?;
                    table.raw_set("line", line)?;
                    break;
                }
                Some(_) => {}
            }
        }
        Ok(table)
    })
}

/// What `redis` offers without a command being run; the rest is added where commands are known.
fn redis(lua: &Lua, state: &State) -> Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in [
        ("LOG_DEBUG", 0),
        ("LOG_VERBOSE", 1),
        ("LOG_NOTICE", 2),
        ("LOG_WARNING", 3),
        ("REPL_NONE", 0),
        ("REPL_AOF", 1),
        ("REPL_SLAVE", 2),
        ("REPL_REPLICA", 2),
        ("REPL_ALL", 3),
    ] {
        table.raw_set(name, value)?;
    }
    let version = REDIS_VERSION
        .split('.')
        .fold(0u32, |n, part| n << 8 | part.parse().unwrap_or(0));
    table.raw_set("REDIS_VERSION", REDIS_VERSION)?;
    table.raw_set("REDIS_VERSION_NUM", version)?;
    let sha1 = lua.create_function(|lua, args: Variadic<Value>| {
        let [text] = &args[..] else {
            return Err(raised("ERR wrong number of arguments"));
        };
        let text = lua.coerce_string(text.clone())?;
        Ok(sha1_hex(
            &text
                .map(|text| text.as_bytes().to_vec())
                .unwrap_or_default(),
        ))
    })?;
    table.raw_set("sha1hex", sha1)?;
    table.raw_set("error_reply", single(lua, "err")?)?;
    table.raw_set("status_reply", single(lua, "ok")?)?;
    table.raw_set("log", log(lua)?)?;
    let resp3 = state.resp3.clone();
    let setresp = lua.create_function(move |lua, args: Variadic<Value>| {
        let [version] = &args[..] else {
            return Err(raised("ERR redis.setresp() requires one argument."));
        };
        match lua.coerce_integer(version.clone())? {
            Some(2) => resp3.set(false),
            Some(3) => resp3.set(true),
            _ => return Err(raised("ERR RESP version must be 2 or 3.")),
        }
        Ok(())
    })?;
    table.raw_set("setresp", setresp)?;
    let repl = state.repl.clone();
    let set_repl = lua.create_function(move |lua, args: Variadic<Value>| {
        let [flags] = &args[..] else {
            return Err(raised("ERR redis.set_repl() requires two arguments."));
        };
        match lua.coerce_integer(flags.clone())? {
            Some(flags @ 0..=3) => repl.set(flags as u8),
            _ => {
                return Err(raised("ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE."));
            }
        }
        Ok(())
    })?;
    table.raw_set("set_repl", set_repl)?;
    let yes = lua.create_function(|_, _: MultiValue| Ok(true))?;
    table.raw_set("replicate_commands", yes)?;
    let no = lua.create_function(|_, _: MultiValue| Ok(false))?;
    table.raw_set("breakpoint", no)?;
    let nothing = lua.create_function(|_, _: MultiValue| Ok(()))?;
    table.raw_set("debug", nothing)?;
    Ok(table)
}

/// `error_reply` and `status_reply`: a table with one field.
fn single(lua: &Lua, field: &'static str) -> Result<Function> {
    lua.create_function(move |lua, args: Variadic<Value>| {
        let table = lua.create_table()?;
        let [Value::String(text)] = &args[..] else {
            table.raw_set("err", "ERR wrong number or type of arguments")?;
            return Ok(table);
        };
        let bytes = text.as_bytes();
        if field == "ok" {
            table.raw_set(field, text)?;
            return Ok(table);
        }
        // A single word is no code, so it gets the general one.
        let bytes = bytes.strip_prefix(b"-").unwrap_or(&bytes);
        let mut line = match bytes.contains(&b' ') {
            true => bytes.to_vec(),
            false => [b"ERR ", bytes].concat(),
        };
        while matches!(line.last(), Some(b'\r' | b'\n')) {
            line.pop();
        }
        table.raw_set(field, lua.create_string(line)?)?;
        Ok(table)
    })
}

fn log(lua: &Lua) -> Result<Function> {
    lua.create_function(|lua, args: Variadic<Value>| {
        if args.len() < 2 {
            return Err(raised("ERR redis.log() requires two arguments or more."));
        }
        let Some(level) = lua.coerce_number(args[0].clone())? else {
            return Err(raised("ERR First argument must be a number (log level)."));
        };
        let mut words = Vec::new();
        for arg in &args[1..] {
            if let Some(word) = lua.coerce_string(arg.clone())? {
                words.push(word.to_string_lossy());
            }
        }
        let text = words.join(" ");
        match level as i64 {
            0 => tracing::trace!("{text}"),
            1 => tracing::debug!("{text}"),
            2 => tracing::info!("{text}"),
            3 => tracing::warn!("{text}"),
            _ => return Err(raised("ERR Invalid debug level.")),
        }
        Ok(())
    })
}
