//! What an evaluation may take.

use std::cell::Cell;
use std::time::Duration;

use crate::search::words::Refusal;
use crate::util::clock::Timer;
use crate::util::turns::Turns;

/// Whatever an index holds, a query may have lists of so many documents.
const ENTRIES_MIN: usize = 4 << 20;
/// And of so many for each document of the index.
const ENTRIES_EACH: usize = 32;
/// What a part of a query takes beside its list, in documents.
const PART: usize = 16;

/// To make so many bytes of a row is a unit of work.
const ROW_UNIT_BYTES: usize = 64;

/// How much an evaluation may hold, and others' turns.
pub struct Effort<'t> {
    pub turns: &'t Turns<'t>,
    left: Cell<usize>,
    /// Bytes that rows may still take.
    rows_left: Cell<usize>,
    /// What of it is too much.
    over: Cell<Option<&'static str>>,
    /// When it began, and for how long it may go on.
    time: Option<(Cell<Timer>, Duration)>,
    late: Cell<bool>,
    /// Work since the clock was last asked.
    unasked: Cell<usize>,
}

/// Work between two looks at the clock.
const ASK_EACH: usize = 4096;

impl<'t> Effort<'t> {
    /// Of a query on an index of so many documents, whose lists may take no more bytes than this, nor may its rows.
    pub fn new(turns: &'t Turns<'t>, docs: usize, bytes_max: usize) -> Self {
        let entries = ENTRIES_MIN.max(docs.saturating_mul(ENTRIES_EACH));
        Effort {
            turns,
            left: Cell::new(entries.min(bytes_max / size_of::<u64>())),
            rows_left: Cell::new(bytes_max),
            over: Cell::new(None),
            time: None,
            late: Cell::new(false),
            unasked: Cell::new(0),
        }
    }

    /// It is given up after so many milliseconds; never, if there are none.
    pub fn until(mut self, timeout_ms: u64) -> Self {
        let limit = Duration::from_millis(timeout_ms);
        self.time = (timeout_ms > 0).then(|| (Cell::new(Timer::start()), limit));
        self
    }

    /// Whether the time was up. It begins anew then, for what comes next.
    pub fn go_on(&self) -> bool {
        let late = self.late.take();
        if late && let Some((begun, _)) = &self.time {
            begun.set(Timer::start());
        }
        late
    }

    /// So much work was done: others have their turns, and the time may be up.
    pub fn tick(&self, work: usize) {
        self.turns.tick(work);
        let Some((begun, limit)) = &self.time else {
            return;
        };
        let unasked = self.unasked.get() + work;
        self.unasked.set(unasked % ASK_EACH);
        if unasked >= ASK_EACH && begun.get().elapsed() >= *limit {
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
            None => self
                .over
                .set(Some("too many of its parts find too many documents")),
        }
        self.tick(all);
    }

    /// So many bytes are held in rows. It fails if that is too much.
    pub fn hold_in_row(&self, bytes: usize) -> Result<(), Refusal> {
        match self.rows_left.get().checked_sub(bytes) {
            Some(left) => self.rows_left.set(left),
            None => self.over.set(Some("its rows hold too much")),
        }
        self.tick(bytes / ROW_UNIT_BYTES);
        self.check()
    }

    /// Whether it held more than it may, or is late: nothing more is looked for.
    pub fn is_over(&self) -> bool {
        self.over.get().is_some() || self.is_late()
    }

    /// Refuses a query that held more than it may.
    pub fn check(&self) -> Result<(), Refusal> {
        match self.over.get() {
            Some(what) => Err(format!("Query takes too much memory: {what}")),
            None => Ok(()),
        }
    }
}
