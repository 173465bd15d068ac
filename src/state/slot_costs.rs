//! What the slots of a cluster's node cost: counted while `cluster-slot-stats-enabled` is on, for CLUSTER SLOT-STATS.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cluster::SLOTS;

/// What one slot has cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlotCost {
    pub nanos: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

#[derive(Default)]
struct CostCounter {
    nanos: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// The counts of all slots. They take memory once something is counted.
#[derive(Default)]
pub struct SlotCosts {
    slots: OnceLock<Box<[CostCounter]>>,
}

impl SlotCosts {
    pub fn add(&self, slot: u16, cost: SlotCost) {
        let fresh = || (0..SLOTS).map(|_| CostCounter::default()).collect();
        let counted = &self.slots.get_or_init(fresh)[usize::from(slot)];
        counted.nanos.fetch_add(cost.nanos, Ordering::Relaxed);
        counted.bytes_in.fetch_add(cost.bytes_in, Ordering::Relaxed);
        counted
            .bytes_out
            .fetch_add(cost.bytes_out, Ordering::Relaxed);
    }

    pub fn of(&self, slot: u16) -> SlotCost {
        let Some(slots) = self.slots.get() else {
            return SlotCost::default();
        };
        let counted = &slots[usize::from(slot)];
        SlotCost {
            nanos: counted.nanos.load(Ordering::Relaxed),
            bytes_in: counted.bytes_in.load(Ordering::Relaxed),
            bytes_out: counted.bytes_out.load(Ordering::Relaxed),
        }
    }

    /// Forgets what was counted: CONFIG RESETSTAT.
    pub fn reset(&self) {
        for counted in self.slots.get().into_iter().flatten() {
            counted.nanos.store(0, Ordering::Relaxed);
            counted.bytes_in.store(0, Ordering::Relaxed);
            counted.bytes_out.store(0, Ordering::Relaxed);
        }
    }
}
