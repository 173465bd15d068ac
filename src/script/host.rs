//! One worker's Lua: the state, what it has compiled, and how a script is run and its failure told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashMap;
use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, Lua, LuaOptions, Result, StdLib, Table, Value, VmState};

use super::kept::Kept;
use super::loading::{ReadyFunctions, register_function};
use super::raise::{Killed, Raised};
use super::sandbox::{self, Sandbox};
use super::shared::{LoadedScript, Scripts, sha1_hex};
use super::shebang::Header;
use super::state::ScriptState;
use crate::util::{chance, memory};

/// Bytes that one Lua state may hold.
const MEMORY_MAX: usize = 512 << 20;
/// Garbage that may lie about between scripts, in bytes, beside as much as is in use.
const GARBAGE_MAX: usize = 2 << 20;
/// Compiled scripts that are held no more, before they are looked for.
const GONE_MAX: usize = 64;
/// Instructions between two looks at the clock.
const TICK_INSTRUCTIONS: u32 = 100_000;

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

pub struct Host {
    pub lua: Lua,
    pub(super) sandbox: Sandbox,
    pub(super) state: ScriptState,
    pub(super) scripts: Arc<Scripts>,
    pub(super) kept: Rc<Kept>,
    /// What was compiled, by its SHA1: the script, and the number under which its function is kept.
    compiled: RefCell<HashMap<String, (Arc<LoadedScript>, i64)>>,
    /// Flushes of the shared scripts that `compiled` has seen.
    flushes: Cell<u64>,
    pub(super) ready: RefCell<ReadyFunctions>,
    /// Libraries that were accepted before are being loaded here, too.
    pub(super) following: Cell<bool>,
    /// Bytes that the state held after it was last collected.
    live: Cell<usize>,
    /// Bytes that are counted apart for it.
    counted: Cell<usize>,
}

impl Drop for Host {
    fn drop(&mut self) {
        // The state goes, and its bytes with it.
        memory::count_apart(self.counted.get(), 0);
    }
}

impl Host {
    pub fn new(scripts: Arc<Scripts>) -> Result<Self> {
        let libs = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
        let lua = Lua::new_with(libs, LuaOptions::new())?;
        let state = ScriptState::default();
        state.seed.set(chance::number());
        let sandbox = sandbox::build(&lua, &state)?;
        let kept = Rc::new(Kept::new(&lua)?);
        let register = register_function(&lua, state.loading.clone(), kept.clone())?;
        sandbox
            .redis_loading
            .raw_set("register_function", register)?;
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
            flushes: Cell::new(scripts.flushes.load(Ordering::Acquire)),
            scripts,
            kept,
            compiled: RefCell::default(),
            ready: RefCell::default(),
            following: Cell::new(false),
            live: Cell::new(0),
            counted: Cell::new(0),
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
        for redis in [&self.sandbox.redis, &self.sandbox.functions_redis] {
            redis.raw_set("call", &call)?;
            redis.raw_set("pcall", &pcall)?;
            redis.raw_set("acl_check_cmd", &acl)?;
        }
        *self.state.tick.borrow_mut() = Some(tick);
        self.close()
    }

    /// Lets nobody write from here on to what scripts share: before the first of them runs.
    pub fn close(&self) -> Result<()> {
        self.sandbox.close()?;
        self.collect();
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

    /// Whether there is something to [`Self::tidy`].
    pub fn is_untidy(&self) -> bool {
        self.flushes.get() != self.scripts.flushes.load(Ordering::Acquire)
            || self.lua.used_memory() > self.live.get() + self.live.get() / 8
    }

    /// Forgets what was flushed, and collects garbage: for moments in which no script wants to run.
    pub fn tidy(&self) {
        self.forget_flushed();
        if self.is_untidy() {
            self.collect();
        }
    }

    fn forget_flushed(&self) {
        let flushes = self.scripts.flushes.load(Ordering::Acquire);
        if self.flushes.replace(flushes) != flushes {
            self.forget_gone();
            self.collect();
        }
    }

    fn forget_gone(&self) {
        self.compiled.borrow_mut().retain(|_, (held, number)| {
            if held.is_gone() {
                self.kept.remove(*number);
            }
            !held.is_gone()
        });
    }

    fn collect(&self) {
        // Objects of ours are freed by the first, what they held by the second. A failure shows at the next allocation.
        let _ = self.lua.gc_collect();
        let _ = self.lua.gc_collect();
        self.live.set(self.lua.used_memory());
        self.account();
    }

    /// Counts what Lua holds apart from data. To be called before anybody may look: when commands run, when the script
    /// is left, and when it has ended.
    #[inline]
    pub fn account(&self) {
        let now = self.lua.used_memory();
        memory::count_apart(self.counted.replace(now), now);
    }

    /// The script of this text, compiled, and known to all by its SHA1 from now on; `lasting` if SCRIPT LOAD brought it.
    pub fn load(
        &self,
        body: &[u8],
        lasting: bool,
    ) -> std::result::Result<(Arc<LoadedScript>, Function), String> {
        self.forget_flushed();
        let sha = sha1_hex(body);
        if let Some(made) = self.known(&sha) {
            if lasting {
                self.scripts.keep(&made.0);
            }
            return Ok(made);
        }
        let header = Header::of_script(body)?;
        let told = |error: mlua::Error| {
            format!("Error compiling script (new function): {}", syntax(&error))
        };
        let function = self
            .compile(header.code, "@user_script", None)
            .map_err(told)?;
        let number = self.kept.put(&function).map_err(told)?;
        let held = LoadedScript::new(sha.clone(), body, header.flags);
        let held = self.scripts.hold(held, lasting);
        let mut compiled = self.compiled.borrow_mut();
        compiled.insert(sha, (held.clone(), number));
        if compiled.len() > self.scripts.count() + GONE_MAX {
            drop(compiled);
            self.forget_gone();
        }
        Ok((held, function))
    }

    /// The script with this SHA1, in any case of letters.
    pub fn find(&self, sha: &[u8]) -> Option<(Arc<LoadedScript>, Function)> {
        self.forget_flushed();
        let sha = std::str::from_utf8(sha).ok()?.to_ascii_lowercase();
        if let Some(made) = self.known(&sha) {
            return Some(made);
        }
        let held = self.scripts.get(&sha)?;
        self.load(&held.body, false).ok()
    }

    /// A script that was compiled here, and is still held.
    fn known(&self, sha: &str) -> Option<(Arc<LoadedScript>, Function)> {
        let mut compiled = self.compiled.borrow_mut();
        let (held, number) = compiled.get(sha)?;
        if held.is_gone() {
            self.kept.remove(*number);
            compiled.remove(sha);
            return None;
        }
        self.scripts.touch(held);
        Some((held.clone(), self.kept.get(*number).ok()?))
    }

    /// Compiles code; without other globals it has those of scripts.
    pub(super) fn compile(&self, code: &[u8], name: &str, env: Option<&Table>) -> Result<Function> {
        let chunk = self.lua.load(code).set_name(name).set_mode(ChunkMode::Text);
        match env {
            Some(env) => chunk.set_environment(env.clone()).into_function(),
            None => chunk.into_function(),
        }
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

    /// A script has ended. What a heavy one leaves is collected at once: that takes less time than it took to make.
    fn end(&self) {
        if self.lua.used_memory() > 2 * self.live.get() + GARBAGE_MAX {
            self.collect();
        }
        self.account();
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
            let (keys, args) = (self.strings(keys)?, self.strings(args)?);
            let handler = &self.sandbox.handler;
            self.limit(true);
            let done = self
                .sandbox
                .protected
                .call((script, handler, keys, args, true));
            self.limit(false);
            done
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
            let done = self.sandbox.protected.call((function, handler, keys, args));
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

    /// Runs the code of a library, which sees what is there while it is loaded.
    pub(super) fn run_loading(&self, function: &Function) -> std::result::Result<Value, Failure> {
        self.begin();
        let sandbox = &self.sandbox;
        let run = || {
            sandbox
                .functions_meta
                .raw_set("__index", &sandbox.loading)?;
            self.limit(true);
            let done = sandbox.protected.call((function, &sandbox.handler));
            self.limit(false);
            sandbox
                .functions_meta
                .raw_set("__index", &sandbox.functions)?;
            done
        };
        let done = self.outcome(run());
        self.end();
        done
    }
}

pub(super) fn syntax(error: &mlua::Error) -> String {
    match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => sandbox::message(other),
    }
}
