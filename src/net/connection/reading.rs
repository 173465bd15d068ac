//! The buffer that a connection reads into: what others see of it, and how it is given back.

use std::sync::atomic::Ordering;

use super::Connection;

impl Connection {
    pub(super) fn give_back_input(&mut self) {
        if self.input.is_empty() {
            let buf = std::mem::take(&mut self.input);
            self.buffers.keep_input(buf, self.keep_bytes());
        }
        self.codec.shrink();
        self.tell_input();
    }

    /// What others see of the query buffer. What was announced is taken already: it will be needed before anything
    /// can be done about it, and a reply to someone else must not depend on how much of it has come.
    pub(super) fn tell_input(&self) {
        let have = self.input.len();
        let argv_bytes = self.codec.before_large().min(have);
        let query_bytes = have - argv_bytes;
        let announced = have.saturating_add(self.codec.wanted(have));
        let client = &self.client;
        client.argv_bytes.store(argv_bytes, Ordering::Relaxed);
        client.query_bytes.store(query_bytes, Ordering::Relaxed);
        client
            .query_capacity
            .store(self.input.capacity().max(announced), Ordering::Relaxed);
    }
}
