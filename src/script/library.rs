//! Libraries of functions: how their code is run, and what it registers.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use mlua::{Function, Lua, Result, Table, Value};

use super::host::{Host, State, syntax};
use super::kept::Kept;
use super::raise::raised;
use super::sandbox::Sandbox;
use super::shared::Functions;
use super::shebang::{BAD_NAME, Flags, Header, is_name};

/// What a library registers.
#[derive(Clone, Debug)]
pub struct Registered {
    pub name: String,
    pub description: Option<String>,
    pub flags: Flags,
}

/// A function that was registered, and the number under which it is kept.
#[derive(Clone)]
struct Made {
    registered: Registered,
    number: i64,
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
pub(super) struct Loading {
    names: HashSet<String>,
    made: Vec<Made>,
}

/// The functions that one worker has made of the shared libraries.
#[derive(Default)]
pub(super) struct Ready {
    /// The version of the shared libraries that they are made of.
    version: u64,
    by_name: HashMap<String, Made>,
    libraries: HashMap<String, Arc<Library>>,
}

impl Host {
    /// Runs a library's code, and tells what it registered.
    pub fn load_library(&self, code: &[u8]) -> std::result::Result<Library, String> {
        let (library, made) = self.register(code)?;
        // Every worker makes its own when they are called.
        made.iter().for_each(|made| self.kept.remove(made.number));
        Ok(library)
    }

    fn register(&self, body: &[u8]) -> std::result::Result<(Library, Vec<Made>), String> {
        let header = Header::of_library(body)?;
        let env = Some(&self.sandbox.functions_env);
        let function = self
            .compile(header.code, "@user_function", env)
            .map_err(|error| format!("Error compiling function: {}", syntax(&error)))?;
        *self.state.loading.borrow_mut() = Some(Loading::default());
        let done = self.run_loading(&function);
        let Loading { made, .. } = self.state.loading.borrow_mut().take().unwrap_or_default();
        let failed = if self.state.killed.get() {
            Some("FUNCTION LOAD timeout".into())
        } else if let Err(failure) = done {
            let text = String::from_utf8_lossy(&failure.text).into_owned();
            Some(format!("Error registering functions: {text}"))
        } else if made.is_empty() {
            Some("No functions registered".into())
        } else {
            None
        };
        if let Some(failed) = failed {
            made.iter().for_each(|made| self.kept.remove(made.number));
            return Err(failed);
        }
        let library = Library {
            name: header.name.unwrap_or_default(),
            code: body.to_vec(),
            functions: made.iter().map(|made| made.registered.clone()).collect(),
        };
        Ok((library, made))
    }

    /// The function of this name, in any case, of the libraries as they are now.
    pub fn function(&self, name: &[u8]) -> Option<(Registered, Function)> {
        let shared: Arc<Functions> = self.scripts.functions.load_full();
        if self.ready.borrow().version != shared.version {
            self.following.set(true);
            self.follow(&shared);
            self.following.set(false);
        }
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        let ready = self.ready.borrow();
        let made = ready.by_name.get(&name)?;
        let function = self.kept.get(made.number).ok()?;
        Some((made.registered.clone(), function))
    }

    /// Whether a library is being loaded that FUNCTION LOAD has accepted before.
    pub fn is_following(&self) -> bool {
        self.following.get()
    }

    /// Forgets libraries that are gone, and loads those that are new.
    fn follow(&self, shared: &Functions) {
        let mut ready = std::mem::take(&mut *self.ready.borrow_mut());
        ready.version = shared.version;
        ready.libraries.retain(|name, library| {
            let stays = shared
                .libraries
                .get(name)
                .is_some_and(|now| Arc::ptr_eq(now, library));
            if !stays {
                for held in &library.functions {
                    if let Some(made) = ready.by_name.remove(&held.name.to_ascii_lowercase()) {
                        self.kept.remove(made.number);
                    }
                }
            }
            stays
        });
        for library in shared.libraries.values() {
            if ready.libraries.contains_key(&library.name) {
                continue;
            }
            match self.register(&library.code) {
                Ok((_, made)) => {
                    let made = made.into_iter();
                    let named = made.map(|made| (made.registered.name.to_ascii_lowercase(), made));
                    ready.by_name.extend(named);
                    ready
                        .libraries
                        .insert(library.name.clone(), library.clone());
                }
                Err(why) => {
                    tracing::warn!("The library '{}' can't be loaded: {why}", library.name)
                }
            }
        }
        *self.ready.borrow_mut() = ready;
    }
}

/// `redis.register_function`, while a library is loaded.
pub(super) fn register_function(
    lua: &Lua,
    state: &State,
    sandbox: &Sandbox,
    kept: &Rc<Kept>,
) -> Result<()> {
    let (loading, kept) = (state.loading.clone(), kept.clone());
    let register = lua.create_function(move |lua, args: mlua::Variadic<Value>| {
        let (registered, callback) = match &args[..] {
            [Value::Table(table)] => by_name(table)?,
            [_] => {
                return Err(raised("ERR calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments)."));
            }
            [name, callback] => by_place(lua, name, callback)?,
            _ => return Err(raised("ERR wrong number of arguments to redis.register_function")),
        };
        enter(&loading, &kept, registered, &callback)
    })?;
    sandbox.redis_loading.raw_set("register_function", register)
}

fn enter(
    loading: &RefCell<Option<Loading>>,
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
