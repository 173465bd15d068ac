//! Why the scan of a snapshot ends early.

use crate::persist::rdb::fault::Fault;
use crate::persist::rdb::modules;

pub(super) enum LoadStop {
    Fault(Fault),
    Told(anyhow::Error),
}

impl From<Fault> for LoadStop {
    fn from(fault: Fault) -> Self {
        LoadStop::Fault(fault)
    }
}

/// What is said of a fault that ends the scan.
pub(super) fn told(fault: Fault) -> String {
    match fault {
        Fault::Module(id) => format!(
            "The RDB file contains module data I can't load: no matching module '{}'. Remove the module's keys with \
             the server that has it, and save again",
            modules::name(id)
        ),
        Fault::UnknownKind(kind) => {
            format!(
                "Unknown RDB encoding type {kind}: the file is damaged, or a newer server wrote it"
            )
        }
        fault => format!("Internal error in RDB reading: {fault}"),
    }
}
