//! What a worker reads once for all requests of a batch: the clock and the rules.

use std::sync::Arc;

use super::Worker;
use crate::engine::Now;
use crate::util::clock::{self, Reading};

impl Worker {
    /// Reads the clock and the configuration, once for all requests of a batch.
    pub fn begin_batch(&self) -> Reading {
        self.read_clock();
        self.read_rules();
        self.ended_watches.look_again(self);
        self.watch.read()
    }

    pub(super) fn read_clock(&self) {
        self.now.set(Now::Live(clock::now_ms()));
        self.nanos.set(0);
    }

    pub(super) fn read_rules(&self) {
        let mut rules = self.rules.borrow_mut();
        let current = self.shared.rules.load();
        if !Arc::ptr_eq(&rules, &current) {
            *rules = Arc::clone(&current);
        }
    }

    /// Makes this thread's memory count.
    pub fn end_batch(&self) {
        crate::util::memory::publish();
    }
}
