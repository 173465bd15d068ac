//! Refusals that are the same wherever a command is refused: to a client, to a script, and to who was blocked.

use crate::command::Fail;
use crate::persist::DiskTrouble;

pub(super) const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";
pub(super) const LOADING: &str = "LOADING Redis is loading the dataset in memory";
pub(super) const STALE: &str =
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";

/// The data files can't be written, so nothing may change.
pub(super) fn refused_by_disk(trouble: DiskTrouble) -> Fail {
    match trouble {
        DiskTrouble::Snapshot => Fail::code(
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.",
        ),
        DiskTrouble::Log(why) => {
            Fail::code(format!("MISCONF Errors writing to the AOF file: {why}"))
        }
    }
}
