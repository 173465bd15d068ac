//! Making room: keys given up one by one until memory is below `maxmemory`.

use std::cell::{Cell, RefCell};

use super::Worker;
use super::limit::{ignores_memory, policy};
use crate::command::Fail;
use crate::engine::{Busy, Policy, ShardKey, ShardSet, Victims};
use crate::state::shared::Shared;
use crate::types::Bstr;
use crate::util::{crash, memory};

/// Keys given up on one command's time. The next command goes on where this one stopped, and
/// as each makes more room than it needs, memory goes down.
const VICTIMS_MAX: usize = 64;

/// A search that found no key to give up: as long as all of this is the same, another would find none either, but for what a
/// search leaves to chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Barren {
    policy: (Policy, bool),
    /// How many edits there were before it.
    edits: u64,
    /// The time, in pieces: a search takes as long as many commands, and one in each piece is enough.
    piece: u64,
}

/// What a worker knows of keys to give up.
#[derive(Default)]
pub(super) struct Eviction {
    victims: RefCell<Victims>,
    /// When there was none.
    barren: Cell<Option<Barren>>,
    /// Memory was short when the command under way was let in, and no room could be made.
    short: Cell<bool>,
}

/// How long it is remembered that there is nothing to give up.
const PIECE_MS: u64 = 50;

impl Eviction {
    /// Whether memory is below its limit, or was brought there. Fails while a long script holds the keys that would go. Nothing
    /// may be locked by this thread but what a script holds that it has left.
    pub(super) fn make_room(&self, worker: &Worker) -> Result<bool, Fail> {
        let config = &worker.shared.config;
        let limit = config.maxmemory.get();
        let surplus = || {
            memory::publish();
            // What waits for slow replicas is not the keys' fault.
            match memory::used().saturating_sub(limit) {
                0 => 0,
                over => over.saturating_sub(worker.shared.held_for_replicas()),
            }
        };
        let over = surplus();
        if over == 0 || evicts_nothing(worker) {
            return Ok(true);
        }
        let Some(policy) = policy(&worker.shared) else {
            return Ok(false);
        };
        let present = Barren {
            policy,
            edits: worker.shared.stats.totals().dirty,
            piece: worker.now_ms() / PIECE_MS,
        };
        if self.barren.get() == Some(present) {
            return Ok(false);
        }
        // Clients hear of them at the end: what tells them takes memory, for which more keys would have to go.
        let mut gone = Vec::new();
        let mut freed = 0;
        let mut made = Ok(true);
        for _ in 0..VICTIMS_MAX {
            match self.evict_one(worker, present, &mut gone) {
                Ok(Some(bytes)) => freed += bytes,
                Ok(None) => made = Ok(false),
                Err(fail) => made = Err(fail),
            }
            if !matches!(made, Ok(true)) || freed >= over || surplus() == 0 {
                break;
            }
        }
        if !gone.is_empty() {
            worker.shared.tracking.changed(&gone, 0, None);
        }
        // Where it stays above the limit, but is getting there, that is not a reason to refuse.
        made
    }

    /// Gives up one key, and says how many bytes that freed; nothing if there is none that may go. If clients track
    /// keys, it is added to `keys_gone`.
    fn evict_one(
        &self,
        worker: &Worker,
        present: Barren,
        keys_gone: &mut Vec<Bstr>,
    ) -> Result<Option<u64>, Fail> {
        let samples = worker.shared.config.maxmemory_samples.get() as usize;
        let (_, volatile_only) = present.policy;
        // A candidate may be gone by the time its turn comes: then the next is tried.
        for _ in 0..32 {
            let (rules, scripts) = (worker.present.rules(), &worker.shared.scripts);
            let mut search = self.victims.borrow_mut();
            let chosen = search.choose(
                &worker.engine,
                present.policy,
                samples,
                worker.shared.config.databases.get() as usize,
                &rules.access,
                worker.now_ms(),
                &|| scripts.is_busy(),
            );
            let Some(victim) = chosen.map_err(|Busy| worker.shared.busy_fail())? else {
                self.barren.set(Some(present));
                return Ok(None);
            };
            let at = ShardKey::of(&victim.key);
            let mut unit = worker.begin_write(ShardSet::of(at))?;
            if evicts_nothing(worker) || policy(&worker.shared).is_none() {
                worker.let_go_of(unit);
                return Ok(Some(0));
            }
            // Not what choosing took, which remembers candidates.
            memory::publish();
            let before = memory::used();
            let crate::exec::unit::Unit { locked, effects } = &mut unit;
            use crate::engine::Shards;
            let gone = locked
                .shard_mut(at.shard())
                .evict(&victim, volatile_only, effects);
            crash::point("evict");
            super::commit::note_for_moves(worker, &unit.effects);
            let aside: usize = unit.effects.changed.iter().map(Bstr::heap_bytes).sum();
            keys_gone.append(&mut unit.effects.changed);
            worker.commit_alone(unit);
            if gone {
                memory::publish();
                let after = memory::used().saturating_sub(aside as u64);
                return Ok(Some(before.saturating_sub(after)));
            }
        }
        Ok(None)
    }

    /// Sees whether memory is short as a command is let in, and makes room where it can be made.
    pub(super) fn look(&self, worker: &Worker) -> Result<bool, Fail> {
        let short = !ignores_memory(&worker.shared) && !self.make_room(worker)?;
        self.short.set(short);
        Ok(short)
    }

    /// Whether memory was short when the command under way was let in. Nothing is given up for what it consists of: a
    /// transaction's scripts run under the transaction's locks.
    pub(super) fn is_short(&self, shared: &Shared) -> bool {
        shared.config.maxmemory.get() > 0 && self.short.get()
    }
}

/// While clients are paused or data are read, no key goes.
fn evicts_nothing(worker: &Worker) -> bool {
    worker.is_loading() || worker.shared.pause.active(worker.now_ms()).is_some()
}
