//! What `maxmemory` and its policy say at the moment.

use crate::config::MaxmemoryPolicy;
use crate::engine::Policy;
use crate::state::shared::Shared;
use crate::util::memory;

/// Whether memory is above its limit, and no key may go to make room.
pub(super) fn is_full(shared: &Shared) -> bool {
    policy(shared).is_none() && is_over(shared)
}

/// Whether more memory is taken than there is, whatever may be evicted.
pub(super) fn is_over(shared: &Shared) -> bool {
    let limit = shared.config.maxmemory.get();
    limit > 0
        && !ignores_memory(shared)
        && memory::used().saturating_sub(shared.held_for_replicas()) > limit
}

/// What may be given up, and in which order; nothing while data are imported, as in Valkey.
pub(super) fn policy(shared: &Shared) -> Option<(Policy, bool)> {
    let config = &shared.config;
    match config.import_mode.get() {
        true => None,
        false => meant(config.maxmemory_policy.get()),
    }
}

/// A replica leaves eviction to its master.
pub(super) fn ignores_memory(shared: &Shared) -> bool {
    shared.replication.is_replica() && shared.config.replica_ignore_maxmemory.get()
}

fn meant(policy: MaxmemoryPolicy) -> Option<(Policy, bool)> {
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
