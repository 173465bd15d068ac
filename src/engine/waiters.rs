//! Clients blocked on keys: BLPOP and its kin.
//!
//! A blocked client is queued under the shard lock that its failed attempt held, so no wake-up is lost.
//! Serving one may touch all its keys: `reach` says which shards a writer must hold beforehand.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use super::place::Place;
use super::shard_set::ShardSet;

/// What `exec` needs to run a blocked client's command again; the engine doesn't look inside.
pub trait BlockedCommand: std::any::Any + Send + Sync {
    fn as_any(&self) -> &dyn std::any::Any;
}

#[derive(Clone)]
pub struct Waiter {
    /// The client's ticket, one for each time it is blocked.
    pub ticket: u64,
    /// Shards of all the keys that serving it may touch.
    pub reach: ShardSet,
    pub command: Arc<dyn BlockedCommand>,
}

/// Parked clients of one key, oldest first. Never empty.
#[derive(Default)]
struct Queue {
    waiters: VecDeque<Waiter>,
    /// Covers every waiter's reach; may cover more after one left.
    reach: ShardSet,
}

/// Parked clients of one shard's keys.
#[derive(Default)]
pub struct Waiters {
    queues: HashMap<Place, Queue>,
}

impl Waiters {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    pub fn len(&self) -> usize {
        self.queues.len()
    }

    pub fn holds(&self, place: &Place) -> bool {
        self.queues.contains_key(place)
    }

    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.queues.keys()
    }

    /// All blocked clients' reach, for units that may write any key of the shard.
    pub fn whole_reach(&self) -> ShardSet {
        let mut all = ShardSet::EMPTY;
        self.queues
            .values()
            .for_each(|queue| all.union(queue.reach));
        all
    }

    /// Whether every queue has somebody in it, and reaches as far as each of them.
    pub fn is_sound(&self) -> bool {
        self.queues.values().all(|queue| {
            let mut waiters = queue.waiters.iter();
            !queue.waiters.is_empty() && waiters.all(|waiter| queue.reach.covers(waiter.reach))
        })
    }

    pub fn park(&mut self, place: Place, waiter: Waiter) {
        let queue = self.queues.entry(place).or_default();
        queue.reach.union(waiter.reach);
        queue.waiters.push_back(waiter);
    }

    pub fn leave(&mut self, place: &Place, ticket: u64) {
        if let Some(queue) = self.queues.get_mut(place) {
            queue.waiters.retain(|waiter| waiter.ticket != ticket);
            if queue.waiters.is_empty() {
                self.queues.remove(place);
            }
        }
    }

    /// The blocked clients of a key, oldest first.
    pub fn of(&self, place: &Place) -> Vec<Waiter> {
        self.queues
            .get(place)
            .map_or(Vec::new(), |queue| queue.waiters.iter().cloned().collect())
    }
}
