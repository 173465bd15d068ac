//! Making room: keys given up one by one until memory is below `maxmemory`.

use super::Worker;
use crate::command::Fail;
use crate::config::MaxmemoryPolicy;
use crate::engine::{Busy, Policy, ShardKey, ShardSet, Victims};
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
    victims: Victims,
    /// When there was none.
    barren: Option<Barren>,
}

/// How long it is remembered that there is nothing to give up.
const PIECE_MS: u64 = 50;

impl Worker {
    /// Whether memory is below its limit, or was brought there. Fails while a long script holds the keys that would go. Nothing
    /// may be locked by this thread but what a script holds that it has left.
    pub(super) fn make_room(&self) -> Result<bool, Fail> {
        let config = &self.shared.config;
        let limit = config.maxmemory.get();
        let surplus = || {
            memory::publish();
            // What waits for slow replicas is not the keys' fault.
            match memory::used().saturating_sub(limit) {
                0 => 0,
                over => over.saturating_sub(self.shared.held_for_replicas()),
            }
        };
        let over = surplus();
        if over == 0 || self.evicts_nothing() {
            return Ok(true);
        }
        let Some(policy) = self.policy() else {
            return Ok(false);
        };
        let present = Barren {
            policy,
            edits: self.shared.stats.totals().dirty,
            piece: self.now_ms() / PIECE_MS,
        };
        if self.eviction.borrow().barren == Some(present) {
            return Ok(false);
        }
        // Clients hear of them at the end: what tells them takes memory, for which more keys would have to go.
        let mut gone = Vec::new();
        let mut freed = 0;
        let mut made = Ok(true);
        for _ in 0..VICTIMS_MAX {
            match self.evict_one(present, &mut gone) {
                Ok(Some(bytes)) => freed += bytes,
                Ok(None) => made = Ok(false),
                Err(fail) => made = Err(fail),
            }
            if !matches!(made, Ok(true)) || freed >= over || surplus() == 0 {
                break;
            }
        }
        if !gone.is_empty() {
            self.shared.tracking.changed(&gone, 0, None);
        }
        // Where it stays above the limit, but is getting there, that is not a reason to refuse.
        made
    }

    /// What may be given up, and in which order; nothing while data are imported, as in Valkey.
    pub(super) fn policy(&self) -> Option<(Policy, bool)> {
        let config = &self.shared.config;
        match config.import_mode.get() {
            true => None,
            false => policy(config.maxmemory_policy.get()),
        }
    }

    /// While clients are paused or data are read, no key goes.
    fn evicts_nothing(&self) -> bool {
        self.is_loading() || self.shared.pause.active(self.now_ms()).is_some()
    }

    /// Gives up one key, and says how many bytes that freed; nothing if there is none that may go. If clients track
    /// keys, it is added to `keys_gone`.
    fn evict_one(&self, present: Barren, keys_gone: &mut Vec<Bstr>) -> Result<Option<u64>, Fail> {
        let samples = self.shared.config.maxmemory_samples.get() as usize;
        let (policy, volatile_only) = present.policy;
        // A candidate may be gone by the time its turn comes: then the next is tried.
        for _ in 0..32 {
            let (rules, scripts) = (self.rules.borrow(), &self.shared.scripts);
            let mut search = self.eviction.borrow_mut();
            let chosen = search.victims.choose(
                &self.engine,
                (policy, volatile_only),
                samples,
                &rules.access,
                self.now_ms(),
                &|| scripts.is_busy(),
            );
            let Some(victim) = chosen.map_err(|Busy| self.shared.busy_fail())? else {
                search.barren = Some(present);
                return Ok(None);
            };
            let at = ShardKey::of(&victim.key);
            let mut unit = self.begin_write(ShardSet::of(at))?;
            if self.evicts_nothing() || self.policy().is_none() {
                self.let_go_of(unit);
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
            let aside: usize = unit.effects.changed.iter().map(Bstr::heap_bytes).sum();
            keys_gone.append(&mut unit.effects.changed);
            self.commit_alone(unit);
            if gone {
                memory::publish();
                let after = memory::used().saturating_sub(aside as u64);
                return Ok(Some(before.saturating_sub(after)));
            }
        }
        Ok(None)
    }
}

fn policy(policy: MaxmemoryPolicy) -> Option<(Policy, bool)> {
    Some(match policy {
        MaxmemoryPolicy::Noeviction => return None,
        MaxmemoryPolicy::AllkeysLrm => (Policy::Lru, false),
        MaxmemoryPolicy::VolatileLrm => (Policy::Lru, true),
        MaxmemoryPolicy::AllkeysLru => (Policy::Lru, false),
        MaxmemoryPolicy::AllkeysLfu => (Policy::Lfu, false),
        MaxmemoryPolicy::AllkeysRandom => (Policy::Random, false),
        MaxmemoryPolicy::VolatileLru => (Policy::Lru, true),
        MaxmemoryPolicy::VolatileLfu => (Policy::Lfu, true),
        MaxmemoryPolicy::VolatileRandom => (Policy::Random, true),
        MaxmemoryPolicy::VolatileTtl => (Policy::Ttl, true),
    })
}
