//! How a snapshot is read.

use std::sync::Arc;

use crate::engine::Rules;

/// Whether a command is one that a log may hold; if not, what it is called.
pub type Admit = Arc<dyn Fn(&[&[u8]]) -> Result<(), String> + Send + Sync>;

#[derive(Clone)]
pub struct LoadRules {
    /// Bytes of the file; nothing for a stream whose end is found when it comes.
    pub len: Option<u64>,
    pub rules: Rules,
    pub databases: usize,
    pub checksum: bool,
    /// Keys past their deadline are kept: a log that follows may still speak of them.
    pub keep_dead: bool,
    /// So are those of a history that replicas know: they must hear that the keys are gone.
    pub continues: bool,
    /// Keys take the place of those that are there.
    pub replace: bool,
    pub now_ms: u64,
    pub threads: usize,
    /// `key-load-delay`.
    pub key_delay_us: u64,
    /// `hide-user-data-from-log`.
    pub hide_names: bool,
    /// `rdb-skip-unknown`: keys of kinds that we don't have are left out.
    pub skip_unknown: bool,
    /// Asked about each command that stands in the snapshot.
    pub admit: Option<Admit>,
}
