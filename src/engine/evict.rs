//! Which key to give up when memory is short.
//!
//! Each round samples a few keys of a random shard, uniformly, and keeps the best candidates of
//! recent rounds, so that the choice approaches the true oldest at a small cost, as Redis's pool does.

use super::access::AccessRules;
use super::effects::{Class, Effects};
use super::place::{SHARDS, ShardKey};
use super::shard::Shard;
use super::shard_set::ShardSet;
use super::{Engine, Shards, Table};
use crate::types::Bstr;
use crate::util::chance;

/// `maxmemory-policy`, without `noeviction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Lru,
    Lfu,
    Random,
    /// The nearest deadline goes first.
    Ttl,
}

/// Candidates kept between rounds.
const POOL: usize = 16;

/// A key that may be given up; the higher the score, the sooner.
#[derive(Clone, Debug)]
pub struct Victim {
    score: u64,
    pub db: usize,
    pub key: Bstr,
}

/// Others hold a shard for longer than one may wait.
#[derive(Clone, Copy, Debug)]
pub struct Busy;

/// The best candidates of recent rounds, best last.
#[derive(Default)]
pub struct Victims {
    pool: Vec<Victim>,
}

impl Victims {
    /// Samples keys of so many databases and returns the best candidate so far; nothing if no key may go. Fails if
    /// `give_up` says so while others hold a shard.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another side of the choice"
    )]
    pub fn choose(
        &mut self,
        engine: &Engine,
        (policy, volatile_only): (Policy, bool),
        samples: usize,
        databases: usize,
        rules: &AccessRules,
        now_ms: u64,
        give_up: &dyn Fn() -> bool,
    ) -> Result<Option<Victim>, Busy> {
        let start = chance::within(0..SHARDS);
        let mut seen = 0;
        for step in 0..SHARDS {
            let id = (start + step * 37) % SHARDS;
            if engine.keys_in(id) == 0 {
                continue;
            }
            let locked = engine.lock_unless(ShardSet::one(id), give_up);
            let locked = locked.ok_or(Busy)?;
            let tables = locked.shard(id).tables();
            let (tables, left) = (&tables[..databases.min(tables.len())], samples - seen);
            seen += self.sample(tables, policy, volatile_only, left, rules, now_ms);
            if seen >= samples {
                break;
            }
        }
        Ok(self.pool.pop())
    }

    fn sample(
        &mut self,
        tables: &[Table],
        policy: Policy,
        volatile_only: bool,
        samples: usize,
        rules: &AccessRules,
        now_ms: u64,
    ) -> usize {
        let total: usize = tables.iter().map(Table::len).sum();
        let mut seen = 0;
        // Where few keys are volatile, or many are blessed, several draws find none: that many are tried.
        let mut draws = if volatile_only { samples * 8 } else { samples };
        let mut spared = samples * 8;
        while draws > 0 {
            draws -= 1;
            if seen >= samples || total == 0 {
                break;
            }
            let mut at = chance::within(0..total);
            for (db, table) in tables.iter().enumerate() {
                if at >= table.len() {
                    at -= table.len();
                    continue;
                }
                let entry = table.at(at);
                let deadline = table.deadline(entry);
                if entry.is_blessed() {
                    if spared > 0 {
                        spared -= 1;
                        draws += 1;
                    }
                    break;
                }
                if !volatile_only || deadline.is_some() {
                    let score = match policy {
                        Policy::Random => chance::number(),
                        Policy::Lru => entry.access().idle_seconds(now_ms),
                        Policy::Lfu => 255 - u64::from(entry.access().frequency(rules, now_ms)),
                        Policy::Ttl => u64::MAX - deadline.unwrap_or(u64::MAX),
                    };
                    self.offer(Victim {
                        score,
                        db,
                        key: Bstr::new(entry.key_name()),
                    });
                    seen += 1;
                }
                break;
            }
        }
        seen
    }

    fn offer(&mut self, victim: Victim) {
        if self
            .pool
            .iter()
            .any(|held| held.db == victim.db && held.key == victim.key)
        {
            return;
        }
        let at = self.pool.partition_point(|held| held.score <= victim.score);
        self.pool.insert(at, victim);
        if self.pool.len() > POOL {
            self.pool.remove(0);
        }
    }
}

impl Shard {
    /// Removes a key to make room; false if it is gone already, or may not go any more.
    pub fn evict(&mut self, victim: &Victim, volatile_only: bool, effects: &mut Effects) -> bool {
        let Some(table) = self.table(victim.db) else {
            return false;
        };
        let Some(pos) = table.find(ShardKey::of(&victim.key).hash(), &victim.key) else {
            return false;
        };
        let entry = table.at(pos);
        if entry.is_blessed() || volatile_only && table.deadline(entry).is_none() {
            return false;
        }
        self.leaves(victim.db, pos, effects);
        effects.dirty -= 1;
        let entry = self.remove(victim.db, pos);
        effects.evicted += 1;
        effects.announce(Class::Evicted, "evicted", victim.db, &victim.key);
        if effects.wanted.log {
            effects.log.push(victim.db, &[b"DEL", &victim.key[..]]);
        }
        effects.discard(entry);
        true
    }
}
