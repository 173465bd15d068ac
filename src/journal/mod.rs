//! The journal: one order of all edits, for whoever reads it.
//!
//! `append` runs while the edited shards are locked, so that log order is edit order. It copies bytes to
//! memory and takes a sequence number, and never does I/O. A reader has a position of its own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::engine::Record;

/// The offset, in bytes, of the journal's end after an append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq(pub u64);

#[derive(Default)]
struct State {
    end: Seq,
    /// The database that the last record selected.
    selected: Option<usize>,
    /// What some reader has yet to take, oldest first, with the offset at which it begins.
    waiting: VecDeque<(Seq, Bytes)>,
    /// Readers' positions by their number. Those that left hold `None`.
    readers: Vec<Option<Seq>>,
}

#[derive(Default)]
pub struct Journal {
    state: Mutex<State>,
    readers: AtomicUsize,
}

impl Journal {
    /// Whether anyone reads: otherwise nothing needs to be recorded.
    #[inline]
    pub fn has_readers(&self) -> bool {
        self.readers.load(Ordering::Relaxed) > 0
    }

    /// Appends a unit's records, as one MULTI ... EXEC if there are several, and returns the new end.
    pub fn append(&self, records: &[Record]) -> Seq {
        let mut state = self.state.lock();
        if records.is_empty() || state.readers.iter().all(Option::is_none) {
            return state.end;
        }
        let mut bytes = Vec::new();
        let group = records.len() > 1;
        if state.selected != Some(records[0].db) {
            select(records[0].db, &mut bytes);
        }
        let mut selected = records[0].db;
        if group {
            encode(&["MULTI"], &mut bytes);
        }
        for record in records {
            if record.db != selected {
                select(record.db, &mut bytes);
                selected = record.db;
            }
            encode(&record.args, &mut bytes);
        }
        if group {
            encode(&["EXEC"], &mut bytes);
        }
        state.selected = Some(selected);
        let begin = state.end;
        state.end.0 += bytes.len() as u64;
        state.waiting.push_back((begin, bytes.into()));
        state.end
    }

    /// A new reader, from the present end on. Its first record selects its database.
    pub fn reader(&self) -> Reader<'_> {
        let mut state = self.state.lock();
        let end = state.end;
        state.readers.push(Some(end));
        state.selected = None;
        self.readers.fetch_add(1, Ordering::Relaxed);
        Reader {
            journal: self,
            id: state.readers.len() - 1,
        }
    }
}

impl State {
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
            .waiting
            .front()
            .is_some_and(|(begin, _)| *begin < slowest)
        {
            self.waiting.pop_front();
        }
    }
}

fn select(db: usize, out: &mut Vec<u8>) {
    encode(&["SELECT", &db.to_string()], out);
}

fn encode(args: &[impl AsRef<[u8]>], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        let arg: &[u8] = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

/// A reader of the journal, with a position of its own.
pub struct Reader<'j> {
    journal: &'j Journal,
    id: usize,
}

impl Reader<'_> {
    /// All that was appended since the last call.
    pub fn take(&mut self) -> Vec<Bytes> {
        let mut state = self.journal.state.lock();
        let from = state.readers[self.id].expect("a reader that lives has a position");
        let taken = state
            .waiting
            .iter()
            .filter(|(begin, _)| *begin >= from)
            .map(|(_, bytes)| bytes.clone());
        let taken = taken.collect();
        state.readers[self.id] = Some(state.end);
        state.trim();
        taken
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut state = self.journal.state.lock();
        state.readers[self.id] = None;
        self.journal.readers.fetch_sub(1, Ordering::Relaxed);
        state.trim();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Bstr;

    fn record(db: usize, words: &[&str]) -> Record {
        Record {
            db,
            args: words
                .iter()
                .map(|word| Bstr::new(word.as_bytes()))
                .collect(),
        }
    }

    #[test]
    fn readers_see_edits_in_order_from_where_they_began() {
        let journal = Journal::default();
        assert_eq!(
            journal.append(&[record(0, &["SET", "a", "1"])]),
            Seq(0),
            "nobody reads yet"
        );
        let mut first = journal.reader();
        journal.append(&[record(0, &["DEL", "a"])]);
        let mut second = journal.reader();
        journal.append(&[record(1, &["DEL", "b"]), record(1, &["DEL", "c"])]);
        let text = |reader: &mut Reader<'_>| {
            String::from_utf8(reader.take().concat())
                .unwrap()
                .replace("\r\n", " ")
        };
        let tail = "*2 $6 SELECT $1 1 *1 $5 MULTI *2 $3 DEL $1 b *2 $3 DEL $1 c *1 $4 EXEC ";
        assert_eq!(
            text(&mut first),
            format!("*2 $6 SELECT $1 0 *2 $3 DEL $1 a {tail}")
        );
        assert_eq!(text(&mut second), tail);
        assert_eq!(text(&mut first), "");
        assert!(
            journal.state.lock().waiting.is_empty(),
            "what all have read is let go"
        );
    }
}
