//! One worker's Lua: the state, what it has compiled, and how a script is run and its failure told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;
use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, Lua, LuaOptions, Result, StdLib, Table, Value, VmState};

use super::raise::{Killed, Raised, raised};
use super::sandbox::{self, Sandbox};
use super::shared::{Functions, Held, Scripts, sha1_hex};
use super::shebang::{BAD_NAME, Flags, Header, is_name};

/// Bytes that one Lua state may hold.
const MEMORY_MAX: usize = 512 << 20;
/// Instructions between two looks at the clock.
const TICK_INSTRUCTIONS: u32 = 100_000;

/// What a library registers.
#[derive(Clone, Debug)]
pub struct Registered {
    pub name: String,
    pub description: Option<String>,
    pub flags: Flags,
}

/// A function that was registered, and what Lua calls.
type Made = (Registered, Function);

/// A library of functions, as it was loaded.
#[derive(Debug)]
pub struct Library {
    pub name: String,
    pub code: Vec<u8>,
    pub functions: Vec<Registered>,
}

/// Why a script ended before it was done.
pub struct Failure {
    pub text: Vec<u8>,
    /// `@user_script` and the line.
    pub place: Option<(String, i64)>,
    /// It was counted where a command failed.
    pub counted: bool,
    /// The script did not stop there: it answered with it.
    pub returned: bool,
}

/// What functions of `redis` and the run share.
#[derive(Default)]
pub(super) struct State {
    pub resp3: Rc<Cell<bool>>,
    pub repl: Rc<Cell<u8>>,
    pub seed: Rc<Cell<u64>>,
    pub killed: Rc<Cell<bool>>,
    loading: Rc<RefCell<Option<Vec<Made>>>>,
    /// Called every so many instructions; true ends the script.
    tick: Rc<RefCell<Option<Function>>>,
}

pub struct Host {
    pub lua: Lua,
    sandbox: Sandbox,
    state: State,
    scripts: Arc<Scripts>,
    compiled: RefCell<HashMap<String, (Arc<Held>, Function)>>,
    /// Flushes of the shared scripts that `compiled` has seen.
    flushes: Cell<u64>,
    functions: RefCell<HashMap<String, Made>>,
    /// The version of the shared functions that `functions` was made of.
    version: Cell<u64>,
}

impl Host {
    pub fn new(scripts: Arc<Scripts>) -> Result<Self> {
        let libs = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
        let lua = Lua::new_with(libs, LuaOptions::new())?;
        let state = State::default();
        state.seed.set(fastrand::u64(..));
        let sandbox = sandbox::build(&lua, &state)?;
        register_function(&lua, &state, &sandbox)?;
        let (tick, killed) = (state.tick.clone(), state.killed.clone());
        let every = HookTriggers::new().every_nth_instruction(TICK_INSTRUCTIONS);
        lua.set_global_hook(every, move |_, _| {
            let tick = tick.borrow().clone();
            if let Some(tick) = tick
                && tick.call::<bool>(())?
            {
                killed.set(true);
                return Err(mlua::Error::external(Killed));
            }
            Ok(VmState::Continue)
        })?;
        Ok(Host {
            lua,
            sandbox,
            state,
            scripts,
            compiled: RefCell::default(),
            flushes: Cell::new(0),
            functions: RefCell::default(),
            version: Cell::new(0),
        })
    }

    /// Hands in what runs commands, and what is asked now and then whether the script must end.
    pub fn attach(
        &self,
        call: Function,
        pcall: Function,
        acl: Function,
        tick: Function,
    ) -> Result<()> {
        self.sandbox.redis.raw_set("call", call)?;
        self.sandbox.redis.raw_set("pcall", pcall)?;
        self.sandbox.redis.raw_set("acl_check_cmd", acl)?;
        *self.state.tick.borrow_mut() = Some(tick);
        Ok(())
    }

    pub fn is_resp3(&self) -> bool {
        self.state.resp3.get()
    }

    /// Whether the log and whether replicas are to hear of what the script does from here on.
    pub fn reach(&self) -> (bool, bool) {
        let set = self.state.repl.get();
        (set & 1 != 0, set & 2 != 0)
    }

    fn forget_flushed(&self) {
        let flushes = self.scripts.flushes.load(Ordering::Acquire);
        if self.flushes.replace(flushes) != flushes {
            self.compiled.borrow_mut().clear();
            // What they held is garbage now; a failure to collect it shows at the next allocation.
            let _ = self.lua.gc_collect();
        }
    }

    /// The script of this text, compiled, and known to all by its SHA1 from now on.
    pub fn load(&self, body: &[u8]) -> std::result::Result<(Arc<Held>, Function), String> {
        self.forget_flushed();
        let sha = sha1_hex(body);
        if let Some((held, function)) = self.compiled.borrow().get(&sha) {
            return Ok((held.clone(), function.clone()));
        }
        let header = Header::of_script(body)?;
        let function = self
            .compile(header.code, "@user_script", &self.sandbox.env)
            .map_err(|error| {
                format!("Error compiling script (new function): {}", syntax(&error))
            })?;
        let held = self.scripts.hold(Held {
            sha: sha.clone(),
            body: body.to_vec(),
            flags: header.flags,
            contained: OnceLock::new(),
        });
        let made = (held, function);
        self.compiled.borrow_mut().insert(sha, made.clone());
        Ok(made)
    }

    /// The script with this SHA1, in any case of letters.
    pub fn find(&self, sha: &[u8]) -> Option<(Arc<Held>, Function)> {
        self.forget_flushed();
        let sha = std::str::from_utf8(sha).ok()?.to_ascii_lowercase();
        if let Some(made) = self.compiled.borrow().get(&sha) {
            return Some(made.clone());
        }
        let held = self.scripts.get(&sha)?;
        self.load(&held.body).ok()
    }

    fn compile(&self, code: &[u8], name: &str, env: &Table) -> Result<Function> {
        self.lua
            .load(code)
            .set_name(name)
            .set_mode(ChunkMode::Text)
            .set_environment(env.clone())
            .into_function()
    }

    /// Lets the state hold no more than it may, or whatever it needs.
    ///
    /// Under a limit every step of ours that allocates must be guarded against a failure, which costs more than
    /// the step. So it holds while Lua runs, and not while arguments and replies are handed over.
    fn limit(&self, on: bool) {
        let limit = if on { MEMORY_MAX } else { 0 };
        self.lua
            .set_memory_limit(limit)
            .expect("the state has our allocator");
    }

    /// Hands something to a script that runs.
    pub fn hand_over<T>(&self, make: impl FnOnce() -> T) -> T {
        self.limit(false);
        let made = make();
        self.limit(true);
        made
    }

    fn begin(&self) {
        self.limit(false);
        self.state.resp3.set(false);
        self.state.repl.set(3);
        self.state.killed.set(false);
    }

    fn end(&self) {
        self.scripts
            .lua_bytes
            .store(self.lua.used_memory(), Ordering::Relaxed);
    }

    fn strings(&self, values: &[&[u8]]) -> Result<Table> {
        let table = self.lua.create_table_with_capacity(values.len(), 0)?;
        for (at, value) in values.iter().enumerate() {
            table.raw_set(at + 1, self.lua.create_string(value)?)?;
        }
        Ok(table)
    }

    /// Runs a script to its value.
    pub fn run_script(
        &self,
        script: &Function,
        keys: &[&[u8]],
        args: &[&[u8]],
    ) -> std::result::Result<Value, Failure> {
        self.begin();
        let run = || {
            let globals = &self.sandbox.globals;
            globals.raw_set("KEYS", self.strings(keys)?)?;
            globals.raw_set("ARGV", self.strings(args)?)?;
            self.limit(true);
            let done = self.sandbox.xpcall.call((script, &self.sandbox.handler));
            self.limit(false);
            let done: (bool, Value) = done?;
            globals.raw_set("KEYS", Value::Nil)?;
            globals.raw_set("ARGV", Value::Nil)?;
            Ok(done)
        };
        let done = self.outcome(run());
        self.end();
        done
    }

    /// Runs a function of a library to its value.
    pub fn run_function(
        &self,
        function: &Function,
        keys: &[&[u8]],
        args: &[&[u8]],
    ) -> std::result::Result<Value, Failure> {
        self.begin();
        let run = || {
            let (keys, args) = (self.strings(keys)?, self.strings(args)?);
            let handler = &self.sandbox.handler;
            self.limit(true);
            let done = self.sandbox.run.call((function, handler, keys, args));
            self.limit(false);
            done
        };
        let done = self.outcome(run());
        self.end();
        done
    }

    fn outcome(&self, done: Result<(bool, Value)>) -> std::result::Result<Value, Failure> {
        let failed = match done {
            Ok((true, value)) => return Ok(value),
            Ok((false, failed)) => failed,
            Err(error) => Value::Error(Box::new(error)),
        };
        Err(self.failure(&failed).unwrap_or_else(|error| Failure {
            text: format!("ERR {}", sandbox::message(&error)).into_bytes(),
            place: None,
            counted: false,
            returned: false,
        }))
    }

    /// The error that a script's answer is, if it is one.
    pub fn error_in(&self, answer: &Value) -> Option<Failure> {
        let Value::Table(table) = answer else {
            return None;
        };
        match table.raw_get("err") {
            Ok(Value::String(_)) => self.failure(answer).ok().map(|failure| Failure {
                returned: true,
                ..failure
            }),
            _ => None,
        }
    }

    fn failure(&self, failed: &Value) -> Result<Failure> {
        let mut failure = Failure {
            text: b"ERR unknown error".to_vec(),
            place: None,
            counted: false,
            returned: false,
        };
        match failed {
            Value::Table(table) => {
                if let Value::String(text) = table.raw_get("err")? {
                    failure.text = text.as_bytes().to_vec();
                }
                if let (Some(source), Some(line)) =
                    (table.raw_get("source")?, table.raw_get("line")?)
                {
                    failure.place = Some((source, line));
                }
                failure.counted =
                    table.raw_get::<Option<bool>>("ignore_error_stats_update")? == Some(true);
            }
            Value::Error(error) => match error.downcast_ref::<Raised>() {
                Some(raised) => failure.text = raised.text.clone(),
                None => failure.text = format!("ERR {}", sandbox::message(error)).into_bytes(),
            },
            Value::String(text) => {
                failure.text = [b"ERR ", &text.as_bytes()[..]].concat();
                // It ran out of memory, most likely.
                let _ = self.lua.gc_collect();
            }
            _ => {}
        }
        Ok(failure)
    }

    /// Runs a library's code, and tells what it registered.
    pub fn load_library(&self, code: &[u8]) -> std::result::Result<Library, String> {
        self.register(code).map(|(library, _)| library)
    }

    fn register(&self, body: &[u8]) -> std::result::Result<(Library, Vec<Made>), String> {
        let header = Header::of_library(body)?;
        let function = self
            .compile(header.code, "@user_function", &self.sandbox.functions_env)
            .map_err(|error| format!("Error compiling function: {}", syntax(&error)))?;
        self.begin();
        *self.state.loading.borrow_mut() = Some(Vec::new());
        let sandbox = &self.sandbox;
        let run = || {
            sandbox
                .functions_meta
                .raw_set("__index", &sandbox.loading)?;
            self.limit(true);
            let done = sandbox
                .xpcall
                .call::<(bool, Value)>((&function, &sandbox.handler));
            self.limit(false);
            sandbox
                .functions_meta
                .raw_set("__index", &sandbox.globals)?;
            done
        };
        let done = self.outcome(run());
        let registered = self.state.loading.borrow_mut().take().unwrap_or_default();
        self.end();
        if self.state.killed.get() {
            return Err("FUNCTION LOAD timeout".into());
        }
        if let Err(failure) = done {
            let text = String::from_utf8_lossy(&failure.text).into_owned();
            return Err(format!("Error registering functions: {text}"));
        }
        if registered.is_empty() {
            return Err("No functions registered".into());
        }
        let library = Library {
            name: header.name.unwrap_or_default(),
            code: body.to_vec(),
            functions: registered.iter().map(|(held, _)| held.clone()).collect(),
        };
        Ok((library, registered))
    }

    /// The function of this name, in any case, of the libraries as they are now.
    pub fn function(&self, name: &[u8]) -> Option<(Registered, Function)> {
        let shared: Arc<Functions> = self.scripts.functions.load_full();
        if self.version.replace(shared.version) != shared.version {
            let mut functions = self.functions.borrow_mut();
            functions.clear();
            for library in shared.libraries.values() {
                match self.register(&library.code) {
                    Ok((_, registered)) => functions.extend(
                        registered
                            .into_iter()
                            .map(|made| (made.0.name.to_ascii_lowercase(), made)),
                    ),
                    Err(why) => {
                        tracing::warn!("The library '{}' can't be loaded: {why}", library.name)
                    }
                }
            }
        }
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        self.functions.borrow().get(&name).cloned()
    }
}

fn syntax(error: &mlua::Error) -> String {
    match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => sandbox::message(other),
    }
}

/// `redis.register_function`, while a library is loaded.
fn register_function(lua: &Lua, state: &State, sandbox: &Sandbox) -> Result<()> {
    let loading = state.loading.clone();
    let register = lua.create_function(move |lua, args: mlua::Variadic<Value>| {
        let made = match &args[..] {
            [Value::Table(table)] => by_name(table)?,
            [_] => {
                return Err(raised("ERR calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments)."));
            }
            [name, callback] => {
                let Some(name) = lua.coerce_string(name.clone())? else {
                    return Err(raised("ERR first argument to redis.register_function must be a string"));
                };
                let Value::Function(callback) = callback else {
                    return Err(raised("ERR second argument to redis.register_function must be a function"));
                };
                let registered = Registered {
                    name: name.to_string_lossy(),
                    description: None,
                    flags: Flags::default(),
                };
                (registered, callback.clone())
            }
            _ => return Err(raised("ERR wrong number of arguments to redis.register_function")),
        };
        if !is_name(&made.0.name) {
            return Err(raised(format!("ERR {BAD_NAME}")));
        }
        let mut loading = loading.borrow_mut();
        let Some(loading) = loading.as_mut() else {
            return Err(raised("ERR redis.register_function can only be called on FUNCTION LOAD command"));
        };
        if loading.iter().any(|(held, _)| held.name == made.0.name) {
            return Err(raised("ERR Function already exists in the library"));
        }
        loading.push(made);
        Ok(())
    })?;
    sandbox.redis_loading.raw_set("register_function", register)
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
