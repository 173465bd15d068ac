//! The backlog: the stream of edits as replicas get it, and as much of its past as `repl-backlog-size` says.
//!
//! Offsets count bytes of the stream and are the ones that replicas acknowledge. A master appends its edits here; a
//! replica passes its master's bytes on as they came, so that replicas of replicas count alike. Each replica reads at a
//! position of its own. What some replica has yet to read is kept beyond the size; whoever serves it watches the distance.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

use super::{Journal, write};
use crate::engine::{Reach, Records};
use crate::resp::encode;
use crate::util::ranked::{Mutex, rank};

/// Most bytes of one block: what is let go at a time.
const BLOCK_BYTES: usize = 16 * 1024;
/// Blocks of one backlog, so that it isn't much larger than its size, unless they would be smaller than this.
const BLOCKS: u64 = 16;
const BLOCK_BYTES_MIN: usize = 1024;
/// The list of blocks is made shorter when it has room for so many times what is in it.
const LIST_SPARE: usize = 8;

/// Which master's stream is being passed on; another number for each change of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epoch(pub u64);

#[derive(Default)]
struct BacklogState {
    active: bool,
    /// The stream comes from a master: own edits are not part of it.
    relaying: bool,
    epoch: Epoch,
    /// All bytes of the stream so far.
    end: u64,
    /// The first byte that is still here.
    first: u64,
    /// The database that the stream has selected; `None` if the next record must select its own.
    selected: Option<usize>,
    blocks: VecDeque<(u64, Vec<u8>)>,
    /// Bytes that the blocks take, full or not.
    block_bytes: u64,
    /// Replicas' positions by their number. Those that left hold `None`.
    readers: Vec<Option<u64>>,
    size: u64,
}

#[derive(Default)]
pub struct Backlog {
    state: Mutex<BacklogState, { rank("backlog") }>,
    end: AtomicU64,
    /// A replica waits for more.
    awaited: AtomicBool,
    bell: Notify,
}

/// What INFO tells of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extent {
    pub active: bool,
    pub end: u64,
    pub first: u64,
    /// Bytes that some replica has yet to read and that are older than what is kept anyway.
    pub held: u64,
}

impl BacklogState {
    fn push(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        if let Some((_, block)) = self.blocks.back_mut() {
            // Blocks never grow: one that did would be half empty.
            let room = block.capacity() - block.len();
            let (head, rest) = bytes.split_at(room.min(bytes.len()));
            block.extend_from_slice(head);
            self.end += head.len() as u64;
            bytes = rest;
        }
        if !bytes.is_empty() {
            let mut block = Vec::with_capacity(self.block_size().max(bytes.len()));
            block.extend_from_slice(bytes);
            self.block_bytes += block.capacity() as u64;
            self.blocks.push_back((self.end, block));
            self.end += bytes.len() as u64;
        }
    }

    fn block_size(&self) -> usize {
        ((self.size / BLOCKS) as usize).clamp(BLOCK_BYTES_MIN, BLOCK_BYTES)
    }

    /// Lets go of whole blocks that nobody needs.
    fn trim(&mut self) {
        let slowest = self.readers.iter().flatten().min().copied();
        let needed = slowest.unwrap_or(self.end);
        while self.blocks.len() > 1 {
            let (begin, block) = &self.blocks[0];
            let block_end = begin + block.len() as u64;
            if block_end > needed || self.end - block_end < self.size {
                break;
            }
            self.first = block_end;
            self.block_bytes -= block.capacity() as u64;
            self.blocks.pop_front();
        }
        // A replica that was far behind leaves a long list, which nobody would hold against it any more.
        if self.blocks.capacity() > LIST_SPARE * self.blocks.len().max(BLOCKS as usize) {
            self.blocks.shrink_to(2 * self.blocks.len());
        }
    }

    /// What is taken for slow replicas alone: all but the size and the block that is being filled.
    fn held_bytes(&self) -> u64 {
        if self.readers.iter().all(Option::is_none) {
            return 0;
        }
        let list_bytes = self.blocks.capacity() * size_of::<(u64, Vec<u8>)>();
        let kept_anyway = self.size + self.block_size() as u64;
        (self.block_bytes + list_bytes as u64).saturating_sub(kept_anyway)
    }

    fn attach(&mut self, at: u64) -> usize {
        let free = self.readers.iter().position(Option::is_none);
        let id = free.unwrap_or_else(|| {
            self.readers.push(None);
            self.readers.len() - 1
        });
        self.readers[id] = Some(at);
        id
    }

    fn clear(&mut self, end: u64) {
        self.blocks.clear();
        self.block_bytes = 0;
        self.first = end;
        self.end = end;
        self.selected = None;
    }
}

impl Backlog {
    /// The offset of the stream's last byte: `master_repl_offset`.
    #[inline]
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Memory taken for slow replicas alone.
    pub fn held(&self) -> u64 {
        self.state.lock().held_bytes()
    }

    pub fn extent(&self) -> Extent {
        let state = self.state.lock();
        let held = state.readers.iter().flatten().min();
        let held = held.map_or(0, |at| (state.end - at).saturating_sub(state.size));
        Extent {
            active: state.active,
            end: state.end,
            first: state.first,
            held,
        }
    }

    /// The database that the stream has selected.
    pub fn selected(&self) -> Option<usize> {
        self.state.lock().selected
    }

    pub fn epoch(&self) -> Epoch {
        self.state.lock().epoch
    }

    fn told(&self, end: u64) {
        self.end.store(end, Ordering::Release);
        if self.awaited.swap(false, Ordering::AcqRel) {
            self.bell.notify_waiters();
        }
    }

    /// Appends a unit's records, as the log does, unless the stream is a master's.
    pub(super) fn append(&self, records: Records<'_>) {
        let mut state = self.state.lock();
        if !state.active || state.relaying {
            return;
        }
        let (before, mut selected) = (state.end, state.selected);
        let hears = |reach: Reach| reach.replicas;
        write(records, hears, &mut selected, |bytes| state.push(bytes));
        if state.end == before {
            return;
        }
        state.selected = selected;
        state.trim();
        self.told(state.end);
    }

    /// Appends what is no edit and goes to replicas alone: PING, REPLCONF GETACK.
    pub fn say(&self, words: &[&[u8]]) -> bool {
        let mut state = self.state.lock();
        if !state.active || state.relaying {
            return false;
        }
        let mut out = Vec::new();
        encode(words, &mut out);
        state.push(&out);
        state.trim();
        self.told(state.end);
        true
    }

    /// Passes a master's bytes on; `false` if that master is not the one to follow any more.
    pub fn relay(&self, epoch: Epoch, bytes: &[u8], selected: usize) -> bool {
        let mut state = self.state.lock();
        if state.epoch != epoch || !state.relaying {
            return false;
        }
        if state.active {
            state.push(bytes);
        } else {
            let end = state.end + bytes.len() as u64;
            state.clear(end);
        }
        state.selected = Some(selected);
        state.trim();
        self.told(state.end);
        true
    }

    /// A replica that begins at the present end, or, if it has seen `at` bytes, after those: `None` if they are
    /// not all here.
    pub fn attach(self: &Arc<Self>, at: Option<u64>) -> Option<BacklogPosition> {
        let mut state = self.state.lock();
        let at = match at {
            None => {
                if !state.relaying {
                    // A snapshot tells nothing of the database in which the stream goes on.
                    state.selected = None;
                }
                state.end
            }
            Some(at) if state.active && (state.first..=state.end).contains(&at) => at,
            Some(_) => return None,
        };
        debug_assert!(at <= state.end);
        Some(BacklogPosition {
            backlog: self.clone(),
            id: state.attach(at),
            at: AtomicU64::new(at),
        })
    }

    /// Waits for more than `at`.
    pub async fn grown(&self, at: u64) {
        let mut bell = std::pin::pin!(self.bell.notified());
        bell.as_mut().enable();
        self.awaited.store(true, Ordering::Release);
        if self.end() <= at {
            bell.await;
        }
    }

    /// `repl-backlog-size` was set.
    pub fn set_size(&self, size: u64) {
        let mut state = self.state.lock();
        state.size = size;
        state.trim();
    }
}

impl Journal {
    /// Begins to keep the stream; whether it wasn't kept. On a master that serves, every shard is locked meanwhile: no unit
    /// under way may miss that its edits are wanted. A replica's units have no part in the stream, and at start there are none.
    pub fn begin_backlog(&self, size: u64) -> bool {
        let mut state = self.backlog.state.lock();
        state.size = size;
        if state.active {
            return false;
        }
        state.active = true;
        let end = state.end;
        state.clear(end);
        self.set_feeding(&state);
        true
    }

    /// Lets go of it: nobody has come back for `repl-backlog-ttl`.
    pub fn end_backlog(&self) -> bool {
        let mut state = self.backlog.state.lock();
        if !state.active || state.relaying || state.readers.iter().any(Option::is_some) {
            return false;
        }
        state.active = false;
        let end = state.end;
        state.clear(end);
        self.set_feeding(&state);
        true
    }

    /// From here on the stream comes from a master, or again from our own edits.
    pub fn set_relaying(&self, relaying: bool) -> Epoch {
        let mut state = self.backlog.state.lock();
        state.relaying = relaying;
        state.epoch.0 += 1;
        if !relaying {
            // Replicas that come from elsewhere may be told of another database than the one that was selected.
            state.selected = None;
        }
        self.set_feeding(&state);
        state.epoch
    }

    /// The stream goes on at another offset: what a full sync or a snapshot's header says.
    pub fn move_stream(&self, end: u64, selected: Option<usize>) {
        let mut state = self.backlog.state.lock();
        state.clear(end);
        state.selected = selected;
        self.backlog.told(end);
    }

    /// The stream goes on at another offset with all of its past forgotten, if this is still the master to follow.
    pub fn restart_stream(&self, epoch: Epoch, end: u64, size: u64) -> bool {
        let mut state = self.backlog.state.lock();
        if state.epoch != epoch {
            return false;
        }
        state.active = true;
        state.size = size;
        state.clear(end);
        self.backlog.told(end);
        self.set_feeding(&state);
        true
    }

    /// Whether units must record their edits though nobody reads them.
    pub fn set_recording(&self, on: bool) {
        self.count_reader(&self.recording, on);
    }

    fn count_reader(&self, counted: &AtomicBool, on: bool) {
        if counted.swap(on, Ordering::AcqRel) == on {
            return;
        }
        if on {
            self.readers.fetch_add(1, Ordering::AcqRel);
        } else {
            self.readers.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn set_feeding(&self, state: &BacklogState) {
        self.count_reader(&self.feeding, state.active && !state.relaying);
    }
}

/// A replica's place in the stream. While it lives, what follows is kept.
pub struct BacklogPosition {
    backlog: Arc<Backlog>,
    id: usize,
    at: AtomicU64,
}

impl BacklogPosition {
    pub fn at(&self) -> u64 {
        self.at.load(Ordering::Acquire)
    }

    /// Bytes of the stream that it has yet to read.
    pub fn behind(&self) -> u64 {
        self.backlog.end().saturating_sub(self.at())
    }

    /// Copies at most about `most` bytes that follow; `false` if they are gone, as the stream moved elsewhere.
    pub fn read(&self, most: usize, out: &mut Vec<u8>) -> bool {
        let mut state = self.backlog.state.lock();
        let mut at = self.at();
        if at < state.first || at > state.end {
            return false;
        }
        let before = out.len();
        let mut block = state
            .blocks
            .partition_point(|(begin, block)| begin + block.len() as u64 <= at);
        while let Some((begin, bytes)) = state.blocks.get(block)
            && out.len() - before < most
        {
            let from = (at - begin) as usize;
            let to = bytes.len().min(from + most - (out.len() - before));
            out.extend_from_slice(&bytes[from..to]);
            at += (to - from) as u64;
            block += 1;
        }
        self.at.store(at, Ordering::Release);
        state.readers[self.id] = Some(at);
        state.trim();
        true
    }
}

impl Drop for BacklogPosition {
    fn drop(&mut self) {
        let mut state = self.backlog.state.lock();
        state.readers[self.id] = None;
        state.trim();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::UnitLog;

    fn set(db: usize, key: &str) -> UnitLog {
        let mut log = UnitLog::default();
        log.push(db, &["SET", key, "v"]);
        log
    }

    fn text(position: &BacklogPosition) -> String {
        let mut out = Vec::new();
        assert!(position.read(usize::MAX >> 1, &mut out));
        String::from_utf8(out).unwrap().replace("\r\n", " ")
    }

    #[test]
    fn replicas_read_at_their_own_positions_and_come_back_to_what_is_kept() {
        let journal = Journal::default();
        journal.append(set(0, "unseen").whole(), 1);
        assert_eq!(journal.backlog.end(), 0, "nobody has asked for it");
        assert!(journal.begin_backlog(16 * 1024));
        let first = journal.backlog.attach(None).unwrap();
        journal.append(set(3, "a").whole(), 1);
        let seen = journal.backlog.end();
        let whole = "*2 $6 SELECT $1 3 *3 $3 SET $1 a $1 v ";
        assert_eq!(text(&first), whole);
        journal.backlog.say(&[b"PING"]);
        assert_eq!(text(&first), "*1 $4 PING ");
        drop(first);
        let back = journal.backlog.attach(Some(seen)).unwrap();
        assert_eq!(text(&back), "*1 $4 PING ");
        assert!(journal.backlog.attach(Some(seen + 1000)).is_none());
        drop(back);
        for n in 0..2000 {
            journal.append(set(3, &n.to_string()).whole(), 1);
        }
        assert!(journal.backlog.attach(Some(seen)).is_none(), "it is gone");
        let extent = journal.backlog.extent();
        let kept = extent.end - extent.first;
        assert!((16 * 1024..48 * 1024).contains(&kept), "{kept}");
    }

    #[test]
    fn what_is_kept_for_a_slow_replica_counts_as_its_and_goes_with_it() {
        let journal = Journal::default();
        journal.begin_backlog(16 * 1024);
        let slow = journal.backlog.attach(None).unwrap();
        let mut edits = 0;
        while journal.backlog.end() < 4 << 20 {
            journal.append(set(0, &edits.to_string()).whole(), 1);
            edits += 1;
        }
        let held = journal.backlog.held();
        assert!(held > (4 << 20) - 32 * 1024, "{held}");
        drop(slow);
        assert_eq!(journal.backlog.held(), 0);
        let state = journal.backlog.state.lock();
        let sum: usize = state.blocks.iter().map(|(_, block)| block.capacity()).sum();
        assert_eq!(state.block_bytes, sum as u64);
        assert!(sum <= 17 * 1024, "{sum}");
        assert!(state.blocks.capacity() < 256);
    }

    #[test]
    fn a_replica_passes_on_what_its_master_says_and_nothing_of_its_own() {
        let journal = Journal::default();
        journal.begin_backlog(1 << 20);
        let epoch = journal.set_relaying(true);
        assert!(!journal.has_readers());
        assert!(journal.restart_stream(epoch, 100, 1 << 20));
        assert!(journal.backlog.relay(epoch, b"*1\r\n$4\r\nPING\r\n", 0));
        journal.append(set(0, "own").whole(), 1);
        assert_eq!(journal.backlog.end(), 114);
        journal.set_relaying(false);
        assert!(!journal.backlog.relay(epoch, b"late", 0));
        assert!(journal.has_readers());
        let position = journal.backlog.attach(Some(114)).unwrap();
        journal.append(set(0, "own").whole(), 1);
        assert_eq!(text(&position), "*2 $6 SELECT $1 0 *3 $3 SET $3 own $1 v ");
    }
}
