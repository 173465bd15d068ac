//! The globals that a script sees: Lua's and Redis's, and none of them can be changed.
//!
//! Every table that scripts share is read-only for every way of writing: Lua itself refuses (src/lua).

use mlua::{Function, Lua, MultiValue, Result, Table, Value, Variadic};

use super::raise::{Killed, Raised, bad_argument, located, raised};
use super::state::ScriptState;
use super::{bits, cjson, cmsgpack, packed, sha1_hex};
use crate::config::REDIS_VERSION;

/// The globals of Lua that scripts have.
const ALLOWED: &[&str] = &[
    "_G",
    "_VERSION",
    "assert",
    "collectgarbage",
    "coroutine",
    "error",
    "gcinfo",
    "getmetatable",
    "ipairs",
    "load",
    "loadstring",
    "math",
    "next",
    "os",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawset",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "xpcall",
];

/// What `redis` holds for scripts and not for functions.
const SCRIPTS_ALONE: &[&str] = &["breakpoint", "debug", "replicate_commands"];

/// What `redis` holds while a library is loaded, beside `register_function`.
const LOADING: &[&str] = &[
    "log",
    "LOG_DEBUG",
    "LOG_VERBOSE",
    "LOG_NOTICE",
    "LOG_WARNING",
    "REDIS_VERSION",
    "REDIS_VERSION_NUM",
];

pub(super) struct Sandbox {
    /// `redis` for scripts, for functions, and while a library is loaded.
    pub redis: Table,
    pub functions_redis: Table,
    pub redis_loading: Table,
    /// The globals of functions.
    pub functions: Table,
    /// All that stands there while a library is loaded.
    pub loading: Table,
    /// What the code of libraries has for its globals: an empty table, and the metatable that says which stand behind it.
    pub functions_env: Table,
    pub functions_meta: Table,
    pub handler: Function,
    /// Calls a script, and its handler with what it raises: src/lua.
    pub protected: Function,
    /// Lets nobody write to a table from here on: src/lua.
    readonly: Function,
    /// Tables that scripts share.
    shared: Vec<Table>,
}

impl Sandbox {
    /// Lets nobody write to what scripts share.
    pub fn close(&self) -> Result<()> {
        let tables = [
            &self.redis,
            &self.functions_redis,
            &self.redis_loading,
            &self.functions,
            &self.loading,
            &self.functions_env,
        ];
        for table in tables.into_iter().chain(&self.shared) {
            self.readonly.call::<()>(table)?;
        }
        Ok(())
    }
}

/// Makes the state's globals those of scripts, and what else scripts and functions see. All of it can be written until
/// [`Sandbox::close`] is called.
pub(super) fn build(lua: &Lua, state: &ScriptState) -> Result<Sandbox> {
    let globals = lua.globals();
    let (readonly, protected) = (globals.raw_get("readonly")?, globals.raw_get("protected")?);
    // What pcall and its like make of errors of ours.
    lua.set_named_registry_value("error_value", plain(lua, state)?)?;
    leave_out(&globals)?;
    let os: Table = globals.raw_get("os")?;
    for name in names(&os)?.iter().filter(|name| *name != "clock") {
        os.raw_set(name.as_str(), Value::Nil)?;
    }
    random(lua, state, &globals.raw_get("math")?)?;
    globals.raw_set("cjson", cjson::library(lua)?)?;
    globals.raw_set("cmsgpack", cmsgpack::library(lua)?)?;
    globals.raw_set("struct", packed::library(lua)?)?;
    globals.raw_set("bit", bits::library(lua)?)?;
    let strict = lua.create_table()?;
    strict.raw_set("__index", missing(lua)?)?;
    let redis = redis(lua, state)?;
    let functions_redis = copy(lua, &redis, |name| !SCRIPTS_ALONE.contains(&name))?;
    let redis_loading = copy(lua, &redis, |name| LOADING.contains(&name))?;
    redis_loading.set_metatable(Some(strict.clone()))?;
    let functions = copy(lua, &globals, |name| name != "_G")?;
    functions.raw_set("_G", &functions)?;
    functions.raw_set("redis", &functions_redis)?;
    functions.set_metatable(Some(strict.clone()))?;
    globals.raw_set("redis", &redis)?;
    // Always there: while a script runs they hold what it was given.
    globals.raw_set("KEYS", false)?;
    globals.raw_set("ARGV", false)?;
    globals.set_metatable(Some(strict.clone()))?;
    let loading = lua.create_table()?;
    loading.raw_set("redis", &redis_loading)?;
    loading.set_metatable(Some(strict.clone()))?;
    let functions_meta = lua.create_table()?;
    functions_meta.raw_set("__index", &functions)?;
    let functions_env = lua.create_table()?;
    functions_env.set_metatable(Some(functions_meta.clone()))?;
    let mut shared = vec![globals.clone(), strict];
    shared.extend(lua.type_metatable::<mlua::LuaString>());
    for pair in globals.pairs::<String, Value>() {
        // Scripts reach each of them by this name, and through the globals of functions.
        if let (_, Value::Table(library)) = pair?
            && library != globals
        {
            shared.push(library);
        }
    }
    Ok(Sandbox {
        redis,
        functions_redis,
        redis_loading,
        functions,
        loading,
        functions_env,
        functions_meta,
        handler: handler(lua)?,
        protected,
        readonly,
        shared,
    })
}

fn names(table: &Table) -> Result<Vec<String>> {
    let pairs = table.pairs::<String, Value>();
    pairs.map(|pair| pair.map(|(name, _)| name)).collect()
}

/// Takes away the globals that scripts must not have.
fn leave_out(globals: &Table) -> Result<()> {
    let names = names(globals)?;
    for name in names.iter().filter(|name| !ALLOWED.contains(&&name[..])) {
        globals.raw_set(name.as_str(), Value::Nil)?;
    }
    Ok(())
}

/// A table with what stands in another under the wanted names.
fn copy(lua: &Lua, from: &Table, wanted: impl Fn(&str) -> bool) -> Result<Table> {
    let table = lua.create_table()?;
    for pair in from.pairs::<String, Value>() {
        let (name, value) = pair?;
        if wanted(&name) {
            table.raw_set(name, value)?;
        }
    }
    Ok(table)
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

/// Numbers that only look random: `randomseed` repeats them.
fn random(lua: &Lua, state: &ScriptState, math: &Table) -> Result<()> {
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
fn plain(lua: &Lua, state: &ScriptState) -> Result<Function> {
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
        // Where it was raised; a function in C says where it was called.
        let mut found = place_of(lua, 1);
        if found.as_ref().is_some_and(|(is_c, ..)| *is_c) {
            found = place_of(lua, 2).or(found);
        }
        if let Some((_, source, line)) = found {
            table.raw_set("source", source)?;
            table.raw_set("line", line)?;
        }
        Ok(table)
    })
}

/// Whether the function of that level is one in C, where its code comes from, and the line that it is at.
fn place_of(lua: &Lua, level: usize) -> Option<(bool, String, i64)> {
    lua.inspect_stack(level, |frame| {
        let source = frame.source();
        let line = frame.current_line().map_or(-1, |line| line as i64);
        let text = source.source.unwrap_or_default().into_owned();
        (source.what == "C", text, line)
    })
}

/// What `redis` offers without a command being run; the rest is added where commands are known.
fn redis(lua: &Lua, state: &ScriptState) -> Result<Table> {
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
            return Err(raised("ERR redis.set_repl() requires one argument."));
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
            _ => return Err(raised("ERR Invalid log level.")),
        }
        Ok(())
    })
}
