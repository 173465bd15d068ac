//! The journal: one order of all edits, for whoever reads it.
//!
//! `append` runs while the edited shards are locked, so that log order is edit order. It copies bytes to
//! memory and takes a sequence number, and never does I/O. A reader has a position of its own.

mod answer;
mod backlog;
mod gate;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Condvar;

pub use answer::Answer;
pub use backlog::{Backlog, BacklogPosition, Epoch, Extent};
pub use gate::{Depends, Gate, Pass, Porter};

use crate::engine::{Reach, Records};
use crate::resp::encode;
use crate::util::ranked::{Mutex, rank};

/// Room made at once for a chunk, at most.
const USUAL_MAX: usize = 128 * 1024;

/// An offset in the journal, in bytes: its end after an append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq(pub u64);

#[derive(Default)]
struct JournalState {
    end: Seq,
    /// The database that the last record selected.
    selected: Option<usize>,
    /// What was appended since some reader took last, and where it begins.
    open: Vec<u8>,
    open_begin: Seq,
    /// The length of the chunk before: the next one gets as much room at once.
    usual: usize,
    /// What some reader has yet to take, oldest first, with the offset at which it begins.
    closed: VecDeque<(Seq, Bytes)>,
    /// Readers' positions by their number. Those that left hold `None`.
    readers: Vec<Option<Seq>>,
    /// Whether a reader sleeps until something is appended.
    awaited: bool,
    /// Whether the journal was rung since a reader slept last.
    rung: bool,
}

#[derive(Default)]
pub struct Journal {
    state: Mutex<JournalState, { rank("journal") }>,
    bell: Condvar,
    /// Readers, and one more while edits go to the backlog.
    readers: AtomicUsize,
    feeding: AtomicBool,
    recording: AtomicBool,
    end: AtomicU64,
    /// When the oldest record was appended that nobody has taken; 0 for none.
    waiting_since_ms: AtomicU64,
    pub gate: Gate,
    /// Up to where the log is on the disk, and one more; 0 without a log.
    durable: AtomicU64,
    /// What replicas read.
    pub backlog: Arc<Backlog>,
}

impl Journal {
    /// Whether anyone reads: otherwise nothing needs to be recorded.
    #[inline]
    pub fn has_readers(&self) -> bool {
        self.readers.load(Ordering::Relaxed) > 0
    }

    /// The offset after the last append.
    #[inline]
    pub fn end(&self) -> Seq {
        Seq(self.end.load(Ordering::Acquire))
    }

    /// When the oldest record was appended that nobody has taken.
    pub fn waiting_since_ms(&self) -> Option<u64> {
        let since = self.waiting_since_ms.load(Ordering::Relaxed);
        (since > 0).then_some(since)
    }

    /// Whether the log's disk has everything up to here.
    pub fn is_durable_to(&self, end: u64) -> bool {
        self.durable.load(Ordering::Acquire) > end
    }

    /// Told by who writes the log.
    pub fn set_durable(&self, to: Option<Seq>) {
        let durable = to.map_or(0, |to| to.0 + 1);
        self.durable.store(durable, Ordering::Release);
    }

    /// Bytes that some reader has yet to take.
    pub fn backlog_bytes(&self) -> u64 {
        let state = self.state.lock();
        let oldest = state.closed.front().map(|(begin, _)| *begin);
        let begin = oldest.unwrap_or(state.open_begin);
        state.end.0 - begin.0
    }

    /// Appends a unit's records, as one MULTI ... EXEC if there are several, and returns the new end.
    pub fn append(&self, records: Records<'_>, now_ms: u64) -> Seq {
        if records.is_empty() || !self.has_readers() {
            return self.end();
        }
        let end = self.log(records, now_ms);
        // After the log: who reads an edit here finds its end there.
        if self.feeding.load(Ordering::Acquire) {
            self.backlog.append(records);
        }
        end
    }

    fn log(&self, records: Records<'_>, now_ms: u64) -> Seq {
        let mut state = self.state.lock();
        if state.readers.iter().all(Option::is_none) {
            return state.end;
        }
        let JournalState {
            open,
            usual,
            selected,
            ..
        } = &mut *state;
        let before = open.len();
        if before == 0 {
            open.reserve(*usual);
        }
        let hears = |reach: Reach| reach.log;
        write(records, hears, selected, |bytes| {
            open.extend_from_slice(bytes);
        });
        if state.open.len() == before {
            return state.end;
        }
        state.end.0 += (state.open.len() - before) as u64;
        self.end.store(state.end.0, Ordering::Release);
        if before == 0 {
            self.waiting_since_ms.store(now_ms, Ordering::Relaxed);
        }
        if state.awaited {
            state.awaited = false;
            self.bell.notify_all();
        }
        state.end
    }

    /// A new reader, from the present end on. Its first record selects its database.
    pub fn reader(self: &Arc<Self>) -> JournalReader {
        let mut state = self.state.lock();
        state.close();
        let end = state.end;
        state.readers.push(Some(end));
        self.readers.fetch_add(1, Ordering::Relaxed);
        JournalReader {
            journal: self.clone(),
            id: state.readers.len() - 1,
        }
    }

    /// Marks the present end: what is taken from here on begins a chunk, and selects its database.
    pub fn mark(&self) -> Seq {
        let mut state = self.state.lock();
        state.close();
        state.end
    }

    /// Wakes the reader that sleeps, or is about to, for another reason than an append.
    pub fn ring(&self) {
        self.state.lock().rung = true;
        self.bell.notify_all();
    }
}

impl JournalState {
    /// Ends the chunk that is being filled.
    fn close(&mut self) {
        self.selected = None;
        if !self.open.is_empty() {
            let chunk = std::mem::take(&mut self.open);
            self.usual = chunk.len().min(USUAL_MAX);
            self.closed.push_back((self.open_begin, chunk.into()));
        }
        self.open_begin = self.end;
    }
    /// Lets go of what every reader has taken.
    fn trim(&mut self) {
        let slowest = self
            .readers
            .iter()
            .flatten()
            .min()
            .copied()
            .unwrap_or(self.end);
        while self
            .closed
            .front()
            .is_some_and(|(begin, _)| *begin < slowest)
        {
            self.closed.pop_front();
        }
    }
}

/// Puts what a reader hears of a unit's records, as one MULTI ... EXEC if that is several, each in its database.
/// `selected` is the one that the reader has selected.
fn write(
    records: Records<'_>,
    hears: impl Fn(Reach) -> bool,
    selected: &mut Option<usize>,
    mut put: impl FnMut(&[u8]),
) {
    let heard = || records.iter().filter(|(record, _)| hears(record.reach));
    let group = heard().nth(1).is_some();
    for (n, (record, bytes)) in heard().enumerate() {
        if selected.replace(record.db) != Some(record.db) {
            let mut select = Vec::new();
            let mut digits = itoa::Buffer::new();
            encode(
                &[b"SELECT", digits.format(record.db).as_bytes()],
                &mut select,
            );
            put(&select);
        }
        if group && n == 0 {
            put(b"*1\r\n$5\r\nMULTI\r\n");
        }
        put(bytes);
    }
    if group {
        put(b"*1\r\n$4\r\nEXEC\r\n");
    }
}

/// A reader of the journal, with a position of its own.
pub struct JournalReader {
    journal: Arc<Journal>,
    id: usize,
}

impl JournalReader {
    /// Up to where it has taken.
    pub fn position(&self) -> Seq {
        let position = self.journal.state.lock().readers[self.id];
        position.expect("a reader that lives has a position")
    }

    /// All that was appended since the last call, with the offset at which each chunk begins, and where it ends.
    pub fn take(&self) -> (Vec<(Seq, Bytes)>, Seq) {
        let mut state = self.journal.state.lock();
        let selected = state.selected;
        state.close();
        // A chunk that ends because it was taken is continued by the next one.
        state.selected = selected;
        self.journal.waiting_since_ms.store(0, Ordering::Relaxed);
        let from = state.readers[self.id].expect("a reader that lives has a position");
        let taken = state.closed.iter().filter(|(begin, _)| *begin >= from);
        let taken = taken.cloned().collect();
        state.readers[self.id] = Some(state.end);
        state.trim();
        (taken, state.end)
    }

    /// Sleeps until something is appended that was not taken, the journal is rung, or the time is up; whether it was rung.
    pub fn wait(&self, time: Duration) -> bool {
        let mut state = self.journal.state.lock();
        if !state.rung && state.readers[self.id] == Some(state.end) {
            state.awaited = true;
            state.wait_for(&self.journal.bell, time);
            state.awaited = false;
        }
        std::mem::take(&mut state.rung)
    }

    /// Sleeps until the journal is rung or the time is up, whatever is appended.
    pub fn rest(&self, time: Duration) {
        let mut state = self.journal.state.lock();
        let rung = |state: &mut JournalState| !state.rung;
        state.wait_while_for(&self.journal.bell, rung, time);
        state.rung = false;
    }
}

impl Drop for JournalReader {
    fn drop(&mut self) {
        let mut state = self.journal.state.lock();
        state.close();
        state.readers[self.id] = None;
        self.journal.readers.fetch_sub(1, Ordering::Relaxed);
        state.trim();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::UnitLog;

    fn log(records: &[(usize, &[&str])]) -> UnitLog {
        let mut log = UnitLog::default();
        records.iter().for_each(|(db, args)| log.push(*db, args));
        log
    }

    #[test]
    fn readers_see_edits_in_order_from_where_they_began() {
        let journal = Arc::new(Journal::default());
        assert_eq!(
            journal.append(log(&[(0, &["SET", "a", "1"])]).whole(), 1),
            Seq(0),
            "nobody reads yet"
        );
        let first = journal.reader();
        journal.append(log(&[(0, &["DEL", "a"])]).whole(), 1);
        let second = journal.reader();
        journal.append(log(&[(1, &["DEL", "b"]), (1, &["DEL", "c"])]).whole(), 1);
        let text = |reader: &JournalReader| {
            let chunks: Vec<_> = reader
                .take()
                .0
                .into_iter()
                .map(|(_, bytes)| bytes)
                .collect();
            String::from_utf8(chunks.concat())
                .unwrap()
                .replace("\r\n", " ")
        };
        let tail = "*2 $6 SELECT $1 1 *1 $5 MULTI *2 $3 DEL $1 b *2 $3 DEL $1 c *1 $4 EXEC ";
        assert_eq!(
            text(&first),
            format!("*2 $6 SELECT $1 0 *2 $3 DEL $1 a {tail}")
        );
        assert_eq!(text(&second), tail);
        assert_eq!(text(&first), "");
        assert!(
            journal.state.lock().closed.is_empty(),
            "what all have read is let go"
        );
    }
}
