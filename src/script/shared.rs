//! What all workers know of scripts: their texts by SHA1, libraries of functions, and which one runs too long.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwap;
use hashbrown::HashMap;

use super::Library;
use super::shebang::Flags;
use crate::util::ranked::{Mutex, RwLock, rank};

/// The lower-case SHA1 by which a script is called.
pub fn sha1_hex(body: &[u8]) -> String {
    sha1_smol::Sha1::from(body).digest().to_string()
}

/// A script as it was loaded.
pub struct Held {
    pub sha: String,
    pub body: Vec<u8>,
    pub flags: Flags,
    /// Whether it is seen to touch declared keys alone; looked at when it first runs.
    pub contained: OnceLock<bool>,
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
pub struct Running {
    pub is_function: bool,
    /// The function's name.
    pub name: String,
    /// The command that called it.
    pub command: Vec<Vec<u8>>,
    pub started: Instant,
    /// It comes from a master or a log: nobody here may end it.
    pub obeyed: bool,
    /// It has changed something, so it can't be ended without leaving half its work: it isn't, whoever asks.
    pub wrote: AtomicBool,
    pub kill: AtomicBool,
}

#[derive(Default)]
pub struct Scripts {
    held: RwLock<HashMap<String, Arc<Held>>, { rank("scripts") }>,
    bytes: AtomicUsize,
    /// Grows when all are forgotten: workers then forget what they compiled.
    pub flushes: AtomicU64,
    pub functions: ArcSwap<Functions>,
    /// Changes of the functions come one after another.
    pub functions_lock: Mutex<(), { rank("functions") }>,
    busy: Mutex<Vec<Arc<Running>>, { rank("busy scripts") }>,
    busy_count: AtomicUsize,
    /// Rung when a long one has ended.
    pub ended: tokio::sync::Notify,
    /// The server stops without waiting for scripts: log and replicas hear nothing of those under way.
    pub cut: AtomicBool,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS: commands that scripts may not call are called.
    pub allow_denied: AtomicBool,
    /// Bytes of all Lua states.
    pub lua_bytes: AtomicUsize,
}

impl Scripts {
    pub fn get(&self, sha: &str) -> Option<Arc<Held>> {
        self.held.read().get(sha).cloned()
    }

    pub fn hold(&self, script: Held) -> Arc<Held> {
        let script = Arc::new(script);
        let before = self.held.write().insert(script.sha.clone(), script.clone());
        if before.is_none() {
            self.bytes
                .fetch_add(script.body.len() + 80, Ordering::Relaxed);
        }
        script
    }

    pub fn flush(&self) {
        self.held.write().clear();
        self.bytes.store(0, Ordering::Relaxed);
        self.flushes.fetch_add(1, Ordering::Release);
    }

    pub fn count(&self) -> usize {
        self.held.read().len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether some script has run for so long that others are told to come again.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.busy_count.load(Ordering::Acquire) > 0
    }

    pub fn busy(&self) -> Vec<Arc<Running>> {
        self.busy.lock().clone()
    }

    pub fn begin_busy(&self, running: Arc<Running>) {
        self.busy.lock().push(running);
        self.busy_count.fetch_add(1, Ordering::Release);
    }

    pub fn end_busy(&self, running: &Arc<Running>) {
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
