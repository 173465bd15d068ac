//! What is done to other clients, and to what clients may do, holds when it is answered.
//!
//! A command asks its guards before it locks anything: whether its client still lives, is paused, may do this, whether
//! this server takes writes. Whoever changes one of these (CLIENT KILL and PAUSE, ACL, REPLICAOF, CONFIG SET) moves
//! [`Guards`] once it has made its change, and before it answers it passes every shard's lock and every worker's turn.
//! A command that holds its locks, or its turn if it needs no lock, looks whether the guards have moved since it asked
//! them; if so it lets go, and asks again. So it has either ended before the change was answered, or knows of it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::pause::{PauseFor, PauseMode};
use super::shared::Shared;
use crate::engine::{SHARDS, ShardSet};
use crate::util::ranked::{Mutex, MutexGuard, rank};

/// On a cache line of its own: every command reads it twice, and hardly anyone writes it.
#[repr(align(128))]
pub struct Guards {
    moves: AtomicU64,
    /// One for each worker, held while it runs a command that needs no lock but that others notice.
    turns: Box<[Mutex<(), { rank("turns") }>]>,
}

impl Guards {
    pub fn new(workers: usize) -> Self {
        Guards {
            moves: AtomicU64::new(0),
            turns: (0..workers).map(|_| Mutex::default()).collect(),
        }
    }

    /// How often they have moved: to be read before they are asked.
    #[inline]
    pub fn moves(&self) -> u64 {
        self.moves.load(Ordering::Acquire)
    }

    /// Something that they ask about has changed.
    pub fn moved(&self) {
        self.moves.fetch_add(1, Ordering::AcqRel);
    }

    /// The turn of a worker, while it runs a command that needs no lock.
    pub fn turn(&self, worker: usize) -> MutexGuard<'_, ()> {
        self.turns[worker].lock()
    }
}

impl Shared {
    /// Holds clients back until a time.
    pub fn hold_back(&self, by: PauseFor, until_ms: u64, mode: PauseMode, now_ms: u64) {
        self.pause.start(by, until_ms, mode, now_ms);
        self.guards.moved();
    }

    /// Waits until every command that may have asked the guards before they moved has ended. The caller holds no shard
    /// and no turn. What a long script holds is passed over: it had begun long before.
    pub fn pass_guards(&self) {
        for id in 0..SHARDS {
            let shard = ShardSet::one(id);
            drop(
                self.store
                    .engine
                    .lock_unless(shard, &|| self.scripts.is_busy()),
            );
        }
        self.guards.turns.iter().for_each(|turn| drop(turn.lock()));
    }
}
