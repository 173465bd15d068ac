//! What modules bring elsewhere and is built in here: clients ask for it by the modules' names.

use super::CommandEntry;
use super::registry::MODULE_GROUP;
use crate::resp::Reply;

/// A module of another server, whose commands and type this one has.
pub struct Module {
    pub name: &'static str,
    pub version: i64,
    /// How its commands' names begin.
    prefix: &'static str,
    /// INFO's words for what it can do.
    pub options: &'static str,
}

pub const MODULES: &[Module] = &[
    Module {
        name: "vectorset",
        version: 1,
        prefix: "v",
        options: "handle-io-errors|handle-repl-async-load",
    },
    Module {
        name: "ReJSON",
        version: 20803,
        prefix: "json.",
        options: "handle-io-errors",
    },
    Module {
        name: "search",
        version: 21005,
        prefix: "ft.",
        options: "handle-io-errors",
    },
];

impl Module {
    pub fn has(&self, entry: &CommandEntry) -> bool {
        entry.family.group == MODULE_GROUP && entry.full_name.starts_with(self.prefix)
    }
}

/// The module whose command this is.
pub fn of(entry: &CommandEntry) -> Option<&'static Module> {
    MODULES.iter().find(|module| module.has(entry))
}

/// Answers with all of them, as MODULE LIST and HELLO do.
pub fn list(out: &mut Reply) {
    out.array(MODULES.len());
    for module in MODULES {
        out.map(4);
        out.bulk("name");
        out.bulk(module.name);
        out.bulk("ver");
        out.int(module.version);
        out.bulk("path");
        out.bulk("");
        out.bulk("args");
        out.array(0);
    }
}
