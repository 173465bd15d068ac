//! An edit that the writer of a snapshot heard of while it wrote.

use std::sync::Arc;

/// A command in a database.
#[derive(Debug)]
pub struct Update {
    pub db: usize,
    /// What several updates say, they share.
    pub args: Vec<Arc<[u8]>>,
}

impl Update {
    /// Whether it edits functions, which are not a part of any keyspace.
    pub fn is_of_functions(&self) -> bool {
        self.args[0].eq_ignore_ascii_case(b"FUNCTION")
    }

    /// Whether it begins or ends a transaction, which says nothing where nobody looks on.
    pub fn is_bracket(&self) -> bool {
        let is = |name: &[u8]| self.args.len() == 1 && self.args[0].eq_ignore_ascii_case(name);
        is(b"MULTI") || is(b"EXEC")
    }
}
