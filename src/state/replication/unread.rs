//! Replicas that leave after a snapshot without a word: most likely they can't read it, and would ask for it for ever.
//!
//! Each time in a row they wait for longer before another one is begun for them.

use std::collections::HashMap;

use super::replica::Replica;
use crate::util::ranked::{Mutex, rank};

/// The longest wait.
const REST_MS_MAX: u64 = 60_000;
/// Who hasn't come back for so long is forgotten.
const FORGET_MS: u64 = 10 * REST_MS_MAX;

struct Failing {
    times: u32,
    last_ms: u64,
}

/// By the name that the log calls them by.
#[derive(Default)]
pub struct Unread(Mutex<HashMap<String, Failing>, { rank("failing replicas") }>);

impl Unread {
    /// A replica has left to which at least the beginning of a snapshot was sent. Returns how often in a row one has
    /// come to nothing.
    pub fn left(&self, replica: &Replica, now_ms: u64) -> u32 {
        let mut all = self.0.lock();
        all.retain(|_, one| now_ms < one.last_ms + FORGET_MS);
        let name = replica.name();
        if replica.has_acknowledged() {
            all.remove(&name);
            return 0;
        }
        let failing = all.entry(name).or_insert(Failing {
            times: 0,
            last_ms: now_ms,
        });
        failing.times += 1;
        failing.last_ms = now_ms;
        failing.times
    }

    /// How long the replica waits for its next snapshot: not at all after the first time, which may have been a broken link.
    pub fn rest_ms(&self, replica: &Replica) -> u64 {
        let all = self.0.lock();
        let times = all.get(&replica.name()).map_or(0, |one| one.times);
        match times {
            0 | 1 => 0,
            times => REST_MS_MAX.min(1000 << (times - 2).min(16)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::state::client::Client;

    #[test]
    fn waits_grow_until_a_snapshot_was_read() {
        let unread = Unread::default();
        let replica = || {
            let client = Client::new(7, String::new(), String::new(), -1, 0, 0);
            Replica::new(Arc::new(client), Default::default(), false, None, 0)
        };
        let mut rests = Vec::new();
        for times in 1..=9 {
            assert_eq!(unread.left(&replica(), 0), times);
            rests.push(unread.rest_ms(&replica()));
        }
        let wanted = [0, 1, 2, 4, 8, 16, 32, 60, 60].map(|seconds: u64| seconds * 1000);
        assert_eq!(rests, wanted);
        let reader = replica();
        reader.acknowledge(1, None, 0);
        assert_eq!(unread.left(&reader, 0), 0);
        assert_eq!(unread.rest_ms(&replica()), 0);
        unread.left(&replica(), 0);
        assert_eq!(unread.left(&replica(), FORGET_MS), 1, "it is long ago");
    }
}
