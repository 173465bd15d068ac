//! A count of what the keyspace holds: everything that INFO tells of it, in one walk over the shards.
//!
//! Its cost depends on shards and databases, not on keys.

use super::shard::Shard;
use super::table::Table;

/// What one database holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contents {
    pub keys: usize,
    /// Keys with a deadline, and the sum of their deadlines.
    pub volatile: usize,
    deadline_sum_ms: u128,
    /// Hashes with fields that have a deadline.
    pub volatile_hashes: usize,
    /// Sets with members that have a deadline.
    pub volatile_sets: usize,
    /// Whether a stream may be there that only files of later versions carry whole.
    pub later_streams: bool,
    /// Bytes of the tables themselves, entries included, keys and values not.
    pub table_bytes: usize,
}

impl Contents {
    fn count(&mut self, table: &Table) {
        self.keys += table.len();
        self.table_bytes += table.heap_bytes();
        self.later_streams |= table.has_later_streams();
        if let Some(wheel) = table.wheel() {
            self.volatile += wheel.keys();
            self.deadline_sum_ms += wheel.deadline_sum_ms();
            self.volatile_hashes += wheel.hashes();
            self.volatile_sets += wheel.sets();
        }
    }

    /// The mean time to live of the keys that have a deadline.
    pub fn mean_ttl_ms(&self, now_ms: u64) -> u64 {
        let mean = self
            .deadline_sum_ms
            .checked_div(self.volatile as u128)
            .unwrap_or(0);
        u64::try_from(mean)
            .unwrap_or(u64::MAX)
            .saturating_sub(now_ms)
    }
}

/// What all databases hold.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// By database number, as far as any was ever used.
    pub databases: Vec<Contents>,
    pub watched_keys: usize,
    /// Keys that clients are blocked on.
    pub awaited_keys: usize,
    /// Deadlines that have passed and whose keys, fields or members still stand.
    pub due: usize,
}

impl Census {
    pub(super) fn count(&mut self, shard: &Shard, now_ms: u64) {
        let tables = shard.tables();
        if self.databases.len() < tables.len() {
            self.databases.resize(tables.len(), Contents::default());
        }
        for (contents, table) in self.databases.iter_mut().zip(tables) {
            contents.count(table);
            self.due += table.due_count(now_ms);
        }
        self.watched_keys += shard.watchers.len();
        self.awaited_keys += shard.waiters.len();
    }

    pub fn keys(&self) -> usize {
        self.databases.iter().map(|contents| contents.keys).sum()
    }

    pub fn table_bytes(&self) -> usize {
        self.databases
            .iter()
            .map(|contents| contents.table_bytes)
            .sum()
    }
}
