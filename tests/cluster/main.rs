//! Nodes of a cluster as their clients and each other see them: real processes on 127.0.0.1, ours and stock ones.
#![forbid(unsafe_code)]

mod answers;
mod broken_off;
#[expect(dead_code, unused_imports, reason = "the larger target uses the rest")]
#[path = "../server/common/mod.rs"]
mod common;
mod copies;
mod cut;
mod doubts;
mod handed;
mod hostile;
mod keys;
mod leaves;
mod loaded;
mod lone;
mod moving;
mod node;
mod waiting;
mod walk;
mod whole;
