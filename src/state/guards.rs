//! What is done to other clients, and to what clients may do, holds when it is answered.
//!
//! A command asks its guards before it locks anything: whether its client still lives, is paused, may do this, whether
//! this server takes writes. Whoever changes one of these (CLIENT KILL and PAUSE, ACL, REPLICAOF, CONFIG SET) moves
//! [`Guards`] once it has made its change, and before it answers it passes every shard's lock and every worker's turn.
//! A command that holds its locks, or its turn if it needs no lock, looks whether the guards have moved since it asked
//! them; if so it lets go, and asks again. So it has either ended before the change was answered, or knows of it.

use std::sync::atomic::{AtomicU64, Ordering};

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

    /// Waits for the turn of each worker to end that has one now.
    pub(super) fn pass_turns(&self) {
        self.turns.iter().for_each(|turn| drop(turn.lock()));
    }
}
