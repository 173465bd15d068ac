//! The documents that a search has found, read as they were when it found them.
//!
//! A search holds no shards, so that nobody waits for it. It finds documents first, and reads them then, one after
//! another: each under its shard's lock, where it is asked whether it is still the document that was found. If not, the
//! search is done again; and in the end, where documents change all the time, while all shards are locked.

use std::time::Duration;

use crate::command::{Fail, ReadCall};
use crate::engine::{TOGETHER, document_of};
use crate::search::{Document, LiveIndex, SourceKind};
use crate::util::clock::Timer;

/// So often a search is done again because documents change all the time, at most.
const TRIES: usize = 64;
/// And no longer than this, unless it has been done less often.
const TRIES_TIME: Duration = Duration::from_millis(100);
const TRIES_MIN: usize = 4;
/// Reading a document is so many units of work.
pub const READ_UNITS: usize = 32;

/// The tries of one search.
pub struct Tries {
    done: usize,
    begun: Timer,
}

impl Tries {
    pub fn begin() -> Self {
        Tries {
            done: 0,
            begun: Timer::start(),
        }
    }

    /// Whether it is tried once more after one in vain.
    pub fn go_on(&mut self) -> bool {
        self.done += 1;
        self.done < TRIES_MIN || self.done < TRIES && self.begun.elapsed() <= TRIES_TIME
    }
}

/// A document that was found, and where.
#[derive(Clone, Copy)]
pub struct DocumentPlace<'h> {
    pub index: &'h [u8],
    pub kind: SourceKind,
    pub key: &'h [u8],
    pub doc: u64,
    /// The number of the last change of the index in which it was found.
    pub edits: u64,
}

/// What became of a document that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFate {
    Read,
    /// Its time is up, though it was not removed yet.
    Dead,
    /// It has changed since it was found, which it can't while all is locked.
    Changed,
}

/// So many documents that are about to be read are looked at together.
pub const READ_AHEAD: usize = TOGETHER;

/// Looks at documents that are about to be read, so many, and at an attribute of each.
pub fn look_ahead<'h>(
    call: &ReadCall<'_>,
    keys: impl Iterator<Item = &'h [u8]>,
    path: Option<&[u8]>,
) {
    call.db.warm(keys.take(READ_AHEAD), path);
}

/// Reads a document that was found.
pub fn read(
    call: &ReadCall<'_>,
    place: DocumentPlace<'_>,
    visit: &mut dyn FnMut(&dyn Document),
) -> Result<ReadFate, Fail> {
    let scripts = &call.server.scripts;
    let mut fate = ReadFate::Changed;
    let looked = call.db.look_at(place.key, &|| scripts.is_busy(), |entry| {
        let catalog = call.server.search.catalog.read();
        let is_held = |index: &LiveIndex| index.holds(place.doc, place.key, place.edits);
        let is_same = catalog.get(place.index).is_some_and(is_held);
        drop(catalog);
        if !is_same {
            return;
        }
        fate = ReadFate::Dead;
        if let Some(entry) = entry {
            document_of(
                entry.value(),
                place.kind,
                call.db.now_ms(),
                &mut |document| {
                    visit(document);
                    fate = ReadFate::Read;
                },
            );
        }
    });
    match looked {
        Ok(()) => Ok(fate),
        Err(_) => Err(call.server.busy_fail()),
    }
}
