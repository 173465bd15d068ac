//! What other servers load as modules, and is built in here. Clients and libraries ask for these before they use them.

use crate::resp::Reply;

/// A module by the name and version that clients look for.
pub struct BuiltIn {
    pub name: &'static str,
    pub version: i64,
    /// How its commands begin.
    pub prefix: &'static str,
}

pub const BUILT_IN: &[BuiltIn] = &[BuiltIn {
    name: "ReJSON",
    version: 20803,
    prefix: "json.",
}];

/// What MODULE LIST and HELLO tell of them. There is no file that they were loaded from.
pub fn list(out: &mut Reply) {
    out.array(BUILT_IN.len());
    for module in BUILT_IN {
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
