//! Memory told apart: the figures behind INFO, MEMORY STATS and MEMORY DOCTOR.

use crate::command::{Fail, ReadCall};
use crate::engine::{Census, GaveUp};
use crate::state::clients::Tally;
use crate::state::shared::Shared;
use crate::util::memory::{self, Measured};

/// Counts what the keyspace holds.
pub fn census(call: &ReadCall<'_>) -> Result<Census, Fail> {
    let scripts = &call.server.scripts;
    let census = call.db.census(&|| scripts.is_busy());
    let mut census = census.map_err(|GaveUp| call.server.busy_fail())?;
    // Of keys that no client reaches, none hears.
    let databases = call.server.config.databases.get() as usize;
    census.databases.truncate(databases);
    Ok(census)
}

/// Bytes, each a part of what the process takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub used: u64,
    pub peak: u64,
    /// In use before there was data.
    pub startup: u64,
    /// Of the process, as the kernel sees it.
    pub resident: u64,
    pub clients: u64,
    /// Kept for slow replicas, and on its way to them.
    pub replicas: u64,
    /// Tables and their indexes, without keys and values.
    pub tables: u64,
    /// What the allocator gave out, the pages that stands on, and the pages it holds.
    pub allocated: u64,
    pub active: u64,
    pub held: u64,
    pub keys: u64,
}

impl Figures {
    /// `used` was asked for before anything else: the answer that is being made isn't a part of it.
    pub fn take(server: &Shared, census: &Census, clients: &Tally, used: u64) -> Self {
        let Measured {
            resident,
            allocated,
            active,
            held,
        } = memory::measured();
        Figures {
            used,
            peak: memory::peak(),
            startup: memory::startup(),
            resident,
            clients: clients.bytes as u64,
            replicas: server.held_for_replicas(),
            tables: census.table_bytes() as u64,
            allocated,
            active,
            held,
            keys: census.keys() as u64,
        }
    }

    /// All that is not keys and values.
    pub fn overhead(&self) -> u64 {
        self.startup + self.clients + self.tables
    }

    pub fn dataset(&self) -> u64 {
        self.used.saturating_sub(self.overhead())
    }

    pub fn dataset_percent(&self) -> f64 {
        (ratio(self.dataset(), self.used.saturating_sub(self.startup)) * 100.0).min(100.0)
    }

    pub fn peak_percent(&self) -> f64 {
        ratio(self.used, self.peak) * 100.0
    }

    pub fn bytes_per_key(&self) -> u64 {
        self.used
            .saturating_sub(self.startup)
            .checked_div(self.keys)
            .unwrap_or(0)
    }

    /// Where more is taken than was asked for: the name of the place, the ratio and the bytes.
    pub fn losses(&self) -> [Loss; 4] {
        let loss = |name, taken: u64, of: u64| Loss {
            name,
            ratio: ratio(taken, of),
            bytes: taken as i64 - of as i64,
        };
        [
            loss("allocator-fragmentation", self.active, self.allocated),
            loss("allocator-rss", self.held, self.active),
            loss("rss-overhead", self.resident, self.held),
            loss("fragmentation", self.resident, self.used),
        ]
    }
}

pub struct Loss {
    pub name: &'static str,
    pub ratio: f64,
    pub bytes: i64,
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// Bytes as people read them: `1.04M`.
pub fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "K", "M", "G", "T"] {
        if value < 1024.0 {
            return if unit == "B" {
                format!("{bytes}B")
            } else {
                format!("{value:.2}{unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.2}P")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_well() {
        assert_eq!(human(0), "0B");
        assert_eq!(human(1023), "1023B");
        assert_eq!(human(1_089_024), "1.04M");
        assert_eq!(human(u64::MAX), "16384.00P");
    }
}
