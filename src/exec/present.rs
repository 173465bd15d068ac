//! The moment that a worker's commands run at: the time and the rules, read once for all requests of a batch, and again
//! where a command has taken long.

use std::cell::{Cell, Ref, RefCell};
use std::sync::Arc;

use crate::engine::{Now, Rules};
use crate::state::shared::Shared;
use crate::util::clock::{self, Reading, Stopwatch};

/// The clock is read anew after commands that took longer than this: deadlines are milliseconds.
const TIME_NANOS_MAX: u64 = 500_000;

pub(super) struct Present {
    watch: Stopwatch,
    /// The time of the command under way: that of the batch, read anew after commands that took a while.
    now: Cell<Now>,
    /// What commands took since it was read.
    nanos: Cell<u64>,
    rules: RefCell<Arc<Rules>>,
}

impl Present {
    pub fn new(rules: Arc<Rules>) -> Self {
        Present {
            watch: Stopwatch::default(),
            now: Cell::new(Now::Live(clock::now_ms())),
            nanos: Cell::new(0),
            rules: RefCell::new(rules),
        }
    }

    #[inline]
    pub fn now(&self) -> Now {
        self.now.get()
    }

    #[inline]
    pub fn rules(&self) -> Ref<'_, Arc<Rules>> {
        self.rules.borrow()
    }

    #[inline]
    pub fn read_watch(&self) -> Reading {
        self.watch.read()
    }

    #[inline]
    pub fn nanos(&self, from: Reading, to: Reading) -> u64 {
        self.watch.nanos(from, to)
    }

    #[inline]
    pub fn micros(&self, from: Reading, to: Reading) -> u64 {
        self.watch.micros(from, to)
    }

    /// The time since `started`, which becomes now.
    #[inline]
    pub fn lap(&self, started: &mut Reading) -> u64 {
        let ended = self.read_watch();
        let nanos = self.nanos(*started, ended);
        *started = ended;
        nanos
    }

    /// Comes to the present time.
    pub fn read_clock(&self) {
        self.now.set(Now::Live(clock::now_ms()));
        self.nanos.set(0);
    }

    /// A command has taken so long. What comes after some that took a while happens at a later time.
    #[inline]
    pub fn pass(&self, nanos: u64) {
        self.nanos.set(self.nanos.get() + nanos);
        if self.nanos.get() > TIME_NANOS_MAX {
            self.read_clock();
        }
    }

    /// Reads the clock for a command of its own within a unit, but for what is replayed: a master's stream has no time.
    pub fn read_clock_if_live(&self) {
        if self.now.get().is_live() {
            self.now.set(Now::Live(clock::now_ms()));
        }
    }

    /// From here on what a log or a master says is replayed.
    pub fn replay_from(&self, now_ms: u64) {
        self.now.set(Now::Replaying(now_ms));
    }

    #[inline]
    pub fn read_rules(&self, shared: &Shared) {
        let mut rules = self.rules.borrow_mut();
        let current = shared.rules.load();
        if !Arc::ptr_eq(&rules, &current) {
            *rules = Arc::clone(&current);
        }
    }

    /// Does something at the present time, and comes back to this one.
    pub fn leave_for(&self, act: impl FnOnce()) {
        let (now, rules) = (self.now.get(), self.rules.borrow().clone());
        act();
        self.now.set(now);
        self.rules.replace(rules);
    }
}
