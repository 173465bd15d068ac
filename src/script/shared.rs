//! What all workers know of scripts: their texts by SHA1, libraries of functions, and which one runs too long.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use hashbrown::HashMap;

use super::loading::Library;
use super::shebang::Flags;
use crate::util::clock::Timer;
use crate::util::ranked::{Mutex, RwLock, rank};

/// The lower-case SHA1 by which a script is called.
pub fn sha1_hex(body: &[u8]) -> String {
    sha1_smol::Sha1::from(body).digest().to_string()
}

/// A script as it was loaded.
pub struct LoadedScript {
    pub sha: String,
    pub body: Vec<u8>,
    pub flags: Flags,
    /// Whether it is seen to touch declared keys alone; looked at when it first runs.
    pub contained: OnceLock<bool>,
    /// SCRIPT LOAD brought it: it stays until all are forgotten.
    lasting: AtomicBool,
    /// The turn at which it last ran.
    turn: AtomicU64,
    /// It is held no more: workers forget what they compiled of it.
    gone: AtomicBool,
}

impl LoadedScript {
    pub fn new(sha: String, body: &[u8], flags: Flags) -> Self {
        LoadedScript {
            sha,
            body: body.to_vec(),
            flags,
            contained: OnceLock::new(),
            lasting: AtomicBool::new(false),
            turn: AtomicU64::new(0),
            gone: AtomicBool::new(false),
        }
    }

    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// What it takes, with its name and its place in the table.
    fn bytes(&self) -> usize {
        self.body.len() + self.sha.len() + size_of::<LoadedScript>()
    }
}

/// Scripts that EVAL brought are held as long as there are no more than this; then the one that ran longest ago goes.
const EVALS_MAX: usize = 500;

/// The scripts by their SHA1.
#[derive(Default)]
struct Cache {
    held: HashMap<String, Arc<LoadedScript>>,
    /// How many of them may go.
    passing: usize,
    bytes: usize,
}

impl Cache {
    fn drop_oldest(&mut self) {
        let passing = self
            .held
            .values()
            .filter(|held| !held.lasting.load(Ordering::Relaxed));
        let oldest = passing.min_by_key(|held| held.turn.load(Ordering::Relaxed));
        let Some(oldest) = oldest.cloned() else {
            return;
        };
        oldest.gone.store(true, Ordering::Release);
        self.held.remove(&oldest.sha);
        self.passing -= 1;
        self.bytes -= oldest.bytes();
    }
}

/// What is there already.
pub enum Clash {
    Library(String),
    Function(String),
}

/// Libraries by name: what FUNCTION LIST shows. Replaced whole at every change.
#[derive(Clone, Default)]
pub struct Functions {
    pub libraries: BTreeMap<String, Arc<Library>>,
    /// Grows with every change.
    pub version: u64,
}

impl Functions {
    /// The library that has a function of this name, in any case.
    pub fn library_of(&self, function: &str) -> Option<&Arc<Library>> {
        self.libraries.values().find(|library| {
            let mut names = library.functions.iter().map(|held| &held.name);
            names.any(|name| name.eq_ignore_ascii_case(function))
        })
    }

    /// Bytes of the libraries' code.
    pub fn bytes(&self) -> usize {
        self.libraries
            .values()
            .map(|library| library.code.len())
            .sum()
    }

    pub fn count(&self) -> usize {
        self.libraries
            .values()
            .map(|library| library.functions.len())
            .sum()
    }

    /// Adds a library, in the place of the one of its name if that may be.
    pub fn add(&mut self, library: Arc<Library>, replace: bool) -> Result<(), Clash> {
        let before = self.libraries.get(&library.name);
        if before.is_some() && !replace {
            return Err(Clash::Library(library.name.clone()));
        }
        for function in &library.functions {
            let elsewhere = self
                .library_of(&function.name)
                .is_some_and(|other| other.name != library.name);
            if elsewhere {
                return Err(Clash::Function(function.name.clone()));
            }
        }
        self.libraries.insert(library.name.clone(), library);
        self.version += 1;
        Ok(())
    }
}

/// A script that has run for longer than others should wait.
pub struct RunningScript {
    pub is_function: bool,
    /// The function's name.
    pub name: String,
    /// The command that called it.
    pub command: Vec<Vec<u8>>,
    pub started: Timer,
    /// It comes from a master or a log: nobody here may end it.
    pub obeyed: bool,
    /// It has changed something, so it can't be ended without leaving half its work: it isn't, whoever asks.
    pub wrote: AtomicBool,
    pub kill: AtomicBool,
}

#[derive(Default)]
pub struct Scripts {
    cache: RwLock<Cache, { rank("scripts") }>,
    /// The turn of the script that ran last.
    turn: AtomicU64,
    /// Scripts that had to go since the server started, or since statistics were set back.
    pub evicted: AtomicU64,
    /// Grows when all are forgotten: workers then forget what they compiled.
    pub flushes: AtomicU64,
    /// Rung at each flush.
    pub flushed: tokio::sync::Notify,
    pub functions: ArcSwap<Functions>,
    /// Changes of the functions come one after another.
    pub functions_lock: Mutex<(), { rank("functions") }>,
    busy: Mutex<Vec<Arc<RunningScript>>, { rank("busy scripts") }>,
    busy_count: AtomicUsize,
    /// Rung when a long one has ended.
    pub ended: tokio::sync::Notify,
    /// The server stops without waiting for scripts: log and replicas hear nothing of those under way.
    pub cut: AtomicBool,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS: commands that scripts may not call are called.
    pub allow_denied: AtomicBool,
}

impl Scripts {
    pub fn get(&self, sha: &str) -> Option<Arc<LoadedScript>> {
        self.cache.read().held.get(sha).cloned()
    }

    /// Holds a script that EVAL or, for good, SCRIPT LOAD has brought.
    pub fn hold(&self, script: LoadedScript, lasting: bool) -> Arc<LoadedScript> {
        let mut cache = self.cache.write();
        if let Some(known) = cache.held.get(&script.sha).cloned() {
            if lasting && !known.lasting.swap(true, Ordering::Relaxed) {
                cache.passing -= 1;
            }
            self.touch(&known);
            return known;
        }
        if !lasting {
            if cache.passing >= EVALS_MAX {
                cache.drop_oldest();
                self.evicted.fetch_add(1, Ordering::Relaxed);
            }
            cache.passing += 1;
        }
        script.lasting.store(lasting, Ordering::Relaxed);
        cache.bytes += script.bytes();
        let script = Arc::new(script);
        self.touch(&script);
        cache.held.insert(script.sha.clone(), script.clone());
        script
    }

    /// Keeps a script that EVAL has brought for good.
    pub fn keep(&self, script: &LoadedScript) {
        if !script.lasting.load(Ordering::Relaxed) {
            let mut cache = self.cache.write();
            if !script.is_gone() && !script.lasting.swap(true, Ordering::Relaxed) {
                cache.passing -= 1;
            }
        }
    }

    /// A script runs: it is the last of those that may go. No line of memory is written where it ran last, too.
    #[inline]
    pub fn touch(&self, script: &LoadedScript) {
        let last = self.turn.load(Ordering::Relaxed);
        if last == 0 || script.turn.load(Ordering::Relaxed) != last {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) + 1;
            script.turn.store(turn, Ordering::Relaxed);
        }
    }

    pub fn flush(&self) {
        let forgotten = std::mem::take(&mut *self.cache.write());
        for script in forgotten.held.values() {
            script.gone.store(true, Ordering::Release);
        }
        self.flushes.fetch_add(1, Ordering::Release);
        self.flushed.notify_waiters();
    }

    pub fn count(&self) -> usize {
        self.cache.read().held.len()
    }

    pub fn bytes(&self) -> usize {
        self.cache.read().bytes
    }

    /// Whether some script has run for so long that others are told to come again.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.busy_count.load(Ordering::Acquire) > 0
    }

    pub fn busy(&self) -> Vec<Arc<RunningScript>> {
        self.busy.lock().clone()
    }

    pub fn begin_busy(&self, running: Arc<RunningScript>) {
        self.busy.lock().push(running);
        self.busy_count.fetch_add(1, Ordering::Release);
    }

    pub fn end_busy(&self, running: &Arc<RunningScript>) {
        self.busy.lock().retain(|held| !Arc::ptr_eq(held, running));
        self.busy_count.fetch_sub(1, Ordering::Release);
        self.ended.notify_waiters();
    }

    /// Ends every long script that has changed nothing.
    pub fn kill_all(&self) {
        for running in self.busy() {
            running.kill.store(true, Ordering::Release);
        }
    }
}
