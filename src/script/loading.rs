//! What a library registers while its code runs.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use mlua::{Function, Lua, Result, Table, Value};

use super::kept::Kept;
use super::raise::raised;
use super::shebang::{BAD_NAME, Flags, is_name};

/// What a library registers.
#[derive(Clone, Debug)]
pub struct Registered {
    pub name: String,
    pub description: Option<String>,
    pub flags: Flags,
}

/// A function that was registered, and the number under which it is kept.
#[derive(Clone)]
pub(super) struct Made {
    pub registered: Registered,
    pub number: i64,
}

/// A library of functions, as it was loaded.
#[derive(Debug)]
pub struct Library {
    pub name: String,
    pub code: Vec<u8>,
    pub functions: Vec<Registered>,
}

/// What the library has registered that is being loaded.
#[derive(Default)]
pub(super) struct LoadingLibrary {
    names: HashSet<String>,
    pub made: Vec<Made>,
}

/// The functions that one worker has made of the shared libraries.
#[derive(Default)]
pub(super) struct ReadyFunctions {
    /// The version of the shared libraries that they are made of.
    pub version: u64,
    pub by_name: HashMap<String, Made>,
    pub libraries: HashMap<String, Arc<Library>>,
}

/// `redis.register_function`, while a library is loaded.
pub(super) fn register_function(
    lua: &Lua,
    loading: Rc<RefCell<Option<LoadingLibrary>>>,
    kept: Rc<Kept>,
) -> Result<Function> {
    lua.create_function(move |lua, args: mlua::Variadic<Value>| {
        let (registered, callback) = match &args[..] {
            [Value::Table(table)] => by_name(table)?,
            [_] => {
                return Err(raised("ERR calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments)."));
            }
            [name, callback] => by_place(lua, name, callback)?,
            _ => return Err(raised("ERR wrong number of arguments to redis.register_function")),
        };
        enter(&loading, &kept, registered, &callback)
    })
}

fn enter(
    loading: &RefCell<Option<LoadingLibrary>>,
    kept: &Kept,
    registered: Registered,
    callback: &Function,
) -> Result<()> {
    if !is_name(&registered.name) {
        return Err(raised(format!("ERR {BAD_NAME}")));
    }
    let mut loading = loading.borrow_mut();
    let Some(loading) = loading.as_mut() else {
        return Err(raised(
            "ERR redis.register_function can only be called on FUNCTION LOAD command",
        ));
    };
    if !loading.names.insert(registered.name.clone()) {
        return Err(raised("ERR Function already exists in the library"));
    }
    let number = kept.put(callback)?;
    loading.made.push(Made { registered, number });
    Ok(())
}

/// `redis.register_function(name, callback)`.
fn by_place(lua: &Lua, name: &Value, callback: &Value) -> Result<(Registered, Function)> {
    let Some(name) = lua.coerce_string(name.clone())? else {
        return Err(raised(
            "ERR first argument to redis.register_function must be a string",
        ));
    };
    let Value::Function(callback) = callback else {
        return Err(raised(
            "ERR second argument to redis.register_function must be a function",
        ));
    };
    let registered = Registered {
        name: name.to_string_lossy(),
        description: None,
        flags: Flags::default(),
    };
    Ok((registered, callback.clone()))
}

/// `redis.register_function{function_name=..., callback=...}`.
fn by_name(table: &Table) -> Result<(Registered, Function)> {
    let (mut name, mut callback, mut description) = (None, None, None);
    let mut flags = Flags::default();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Value::String(key) = key else {
            return Err(raised(
                "ERR named argument key given to redis.register_function is not a string",
            ));
        };
        match (&*key.as_bytes(), value) {
            (b"function_name", Value::String(given)) => name = Some(given.to_string_lossy()),
            (b"function_name", _) => {
                return Err(raised(
                    "ERR function_name argument given to redis.register_function must be a string",
                ));
            }
            (b"description", Value::String(given)) => description = Some(given.to_string_lossy()),
            (b"description", _) => {
                return Err(raised(
                    "ERR description argument given to redis.register_function must be a string",
                ));
            }
            (b"callback", Value::Function(given)) => callback = Some(given),
            (b"callback", _) => {
                return Err(raised(
                    "ERR callback argument given to redis.register_function must be a function",
                ));
            }
            (b"flags", Value::Table(given)) => {
                for flag in given.sequence_values::<Value>() {
                    let known = matches!(flag?, Value::String(flag) if flags.set(&flag.as_bytes()));
                    if !known {
                        return Err(raised("ERR unknown flag given"));
                    }
                }
            }
            (b"flags", _) => {
                return Err(raised(
                    "ERR flags argument to redis.register_function must be a table representing function flags",
                ));
            }
            _ => {
                return Err(raised(
                    "ERR unknown argument given to redis.register_function",
                ));
            }
        }
    }
    let Some(name) = name else {
        return Err(raised(
            "ERR redis.register_function must get a function name argument",
        ));
    };
    let Some(callback) = callback else {
        return Err(raised(
            "ERR redis.register_function must get a callback argument",
        ));
    };
    let registered = Registered {
        name,
        description,
        flags,
    };
    Ok((registered, callback))
}
