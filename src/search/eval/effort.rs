//! What an evaluation may take.

use std::cell::Cell;

use crate::search::grammar::Refusal;
use crate::util::turns::Turns;

/// Whatever an index holds, a query may have lists of so many documents.
const ENTRIES_MIN: usize = 4 << 20;
/// And of so many for each document of the index.
const ENTRIES_EACH: usize = 32;
/// What a part of a query takes beside its list, in documents.
const PART: usize = 16;

/// How much an evaluation may hold, and others' turns.
pub struct Effort<'t> {
    pub turns: &'t Turns<'t>,
    left: Cell<usize>,
    over: Cell<bool>,
}

impl<'t> Effort<'t> {
    /// Of a query on an index of so many documents, whose lists may take no more bytes than this.
    pub fn new(turns: &'t Turns<'t>, docs: usize, bytes_max: usize) -> Self {
        let entries = ENTRIES_MIN.max(docs.saturating_mul(ENTRIES_EACH));
        Effort {
            turns,
            left: Cell::new(entries.min(bytes_max / size_of::<u64>())),
            over: Cell::new(false),
        }
    }

    /// A list of so many documents is held until the query is done.
    pub fn hold(&self, entries: usize) {
        let all = entries + PART;
        match self.left.get().checked_sub(all) {
            Some(left) => self.left.set(left),
            None => self.over.set(true),
        }
        self.turns.tick(all);
    }

    /// Whether it held more than it may: nothing more is looked for.
    pub fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Refuses a query that held more than it may.
    pub fn check(&self) -> Result<(), Refusal> {
        match self.is_over() {
            true => Err(
                "Query takes too much memory: too many of its parts find too many documents".into(),
            ),
            false => Ok(()),
        }
    }
}
