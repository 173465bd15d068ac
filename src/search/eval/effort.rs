//! What an evaluation may take.

use std::cell::Cell;
use std::time::Duration;

use crate::search::grammar::Refusal;
use crate::util::clock::Timer;
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
    /// When it began, and for how long it may go on.
    time: Option<(Timer, Duration)>,
    late: Cell<bool>,
    /// Work since the clock was last asked.
    unasked: Cell<usize>,
}

/// Work between two looks at the clock.
const ASK_EACH: usize = 4096;

impl<'t> Effort<'t> {
    /// Of a query on an index of so many documents, whose lists may take no more bytes than this.
    pub fn new(turns: &'t Turns<'t>, docs: usize, bytes_max: usize) -> Self {
        let entries = ENTRIES_MIN.max(docs.saturating_mul(ENTRIES_EACH));
        Effort {
            turns,
            left: Cell::new(entries.min(bytes_max / size_of::<u64>())),
            over: Cell::new(false),
            time: None,
            late: Cell::new(false),
            unasked: Cell::new(0),
        }
    }

    /// It is given up after so many milliseconds; never, if there are none.
    pub fn until(mut self, timeout_ms: u64) -> Self {
        let limit = Duration::from_millis(timeout_ms);
        self.time = (timeout_ms > 0).then(|| (Timer::start(), limit));
        self
    }

    /// So much work was done: others have their turns, and the time may be up.
    pub fn tick(&self, work: usize) {
        self.turns.tick(work);
        let Some((begun, limit)) = &self.time else {
            return;
        };
        let unasked = self.unasked.get() + work;
        self.unasked.set(unasked % ASK_EACH);
        if unasked >= ASK_EACH && begun.elapsed() >= *limit {
            self.late.set(true);
        }
    }

    /// Whether the time is up: nothing more is looked for.
    pub fn is_late(&self) -> bool {
        self.late.get()
    }

    /// A list of so many documents is held until the query is done.
    pub fn hold(&self, entries: usize) {
        let all = entries + PART;
        match self.left.get().checked_sub(all) {
            Some(left) => self.left.set(left),
            None => self.over.set(true),
        }
        self.tick(all);
    }

    /// Whether it held more than it may, or is late: nothing more is looked for.
    pub fn is_over(&self) -> bool {
        self.over.get() || self.is_late()
    }

    /// Refuses a query that held more than it may.
    pub fn check(&self) -> Result<(), Refusal> {
        match self.over.get() {
            true => Err(
                "Query takes too much memory: too many of its parts find too many documents".into(),
            ),
            false => Ok(()),
        }
    }
}
