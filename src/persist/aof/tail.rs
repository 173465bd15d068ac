//! The log's tail: what was appended to the journal, on its way to a file and to the disk.
//!
//! Whoever holds the tail's lock takes, seals and writes all that there is. What has not reached the disk is kept in
//! memory, so that after a failure the file is cut back to where it was whole, and written again: it never has a hole, and
//! a sync that failed is never taken for one that succeeded.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::course::LogCourse;
use super::increment::Increment;
use super::seal::Seal;
use crate::config::{AppendFsync, Config};
use crate::journal::{Journal, JournalReader, Seq};
use crate::persist::disk::DiskFile;
use crate::util::ranked::{Mutex, rank};
use crate::util::{clock, clock::Timer, crash};

/// A second handle on the file, for syncs.
type Second = Mutex<Box<dyn DiskFile>, { rank("log file") }>;

/// Memory that what is kept may hold on to while there is little of it.
const KEEP_BYTES: usize = 1 << 20;

/// A file with bytes that may not be on the disk. All but the last one get no more of them.
struct TailFile {
    number: u64,
    file: Box<dyn DiskFile>,
    second: Arc<Second>,
    /// The file's length up to which it is known to be whole; what follows is `kept`.
    whole: u64,
    /// How much of the file has reached the disk.
    durable: u64,
    /// Sealed pieces that follow `whole`, and how many of their bytes the file has.
    kept: Vec<u8>,
    written: usize,
    /// The file may have more than `whole` and `written` say.
    torn: bool,
    /// The end of the journal up to which everything is sealed.
    sealed_to: Seq,
}

impl TailFile {
    fn new(number: u64, from: Seq, increment: Increment) -> TailFile {
        TailFile {
            number,
            file: increment.file,
            second: Arc::new(Mutex::new(increment.second)),
            whole: increment.len,
            durable: increment.len,
            kept: Vec::new(),
            written: 0,
            torn: false,
            sealed_to: from,
        }
    }

    fn len(&self) -> u64 {
        self.whole + self.kept.len() as u64
    }

    fn is_unsynced(&self) -> bool {
        self.durable < self.len()
    }

    fn write(&mut self, course: &LogCourse) -> io::Result<()> {
        if self.torn {
            self.file.truncate(self.whole + self.written as u64)?;
            self.torn = false;
        }
        if self.written < self.kept.len() {
            // Until it is known to be otherwise.
            self.torn = true;
            course.sleep_for_tests();
            crash::point("log");
            let begun = course.is_syncing().then(Timer::start);
            self.file.write_all(&self.kept[self.written..])?;
            if let Some(begun) = begun {
                course.wrote_in_sync(begun.elapsed());
            }
            self.torn = false;
            self.written = self.kept.len();
        }
        Ok(())
    }

    /// After a failed sync nobody knows what the disk has of what it was given since the one before.
    fn doubt(&mut self) {
        self.torn = true;
        self.written = 0;
    }

    fn sync(&mut self) -> io::Result<()> {
        self.doubt();
        self.file.sync()?;
        self.torn = false;
        self.written = self.kept.len();
        self.synced(self.len());
        Ok(())
    }

    /// The disk has so much of the file, or nobody waits for it.
    fn synced(&mut self, len: u64) {
        self.durable = self.durable.max(len);
        self.let_go(len);
    }

    fn let_go(&mut self, len: u64) {
        let count = len.saturating_sub(self.whole) as usize;
        self.kept.drain(..count);
        self.written -= count;
        self.whole += count as u64;
        if self.kept.capacity() > KEEP_BYTES && self.kept.len() < KEEP_BYTES / 2 {
            self.kept.shrink_to(KEEP_BYTES);
        }
    }
}

/// A sync that goes on while others write.
pub struct Syncing {
    number: u64,
    pub file: Arc<Second>,
    len: u64,
    to: Seq,
}

pub struct Tail {
    journal: Arc<Journal>,
    config: Arc<Config>,
    course: Arc<LogCourse>,
    reader: Arc<JournalReader>,
    /// Oldest first. Never empty: the last one is the one to write to.
    parts: VecDeque<TailFile>,
    /// Taken from the journal, not yet sealed, and where the taking ended.
    taken: VecDeque<(Seq, Bytes)>,
    taken_to: Seq,
    /// The end of the journal up to which all is in a file, and up to which all is on the disk.
    written_to: Seq,
    durable_to: Seq,
    stamped_s: u64,
    /// When the oldest edit was made that came after the sync under way had begun; `None` if there is no sync.
    after_sync_ms: Option<u64>,
    /// The thread that syncs was told that there is something to do.
    pub(super) called: bool,
    pub(super) failed: bool,
}

impl Tail {
    pub fn new(
        journal: Arc<Journal>,
        config: Arc<Config>,
        course: Arc<LogCourse>,
        reader: Arc<JournalReader>,
        increment: Increment,
    ) -> Tail {
        let from = reader.position();
        journal.set_durable(Some(from));
        journal.gate.open_to(from);
        Tail {
            journal,
            config,
            course,
            reader,
            parts: VecDeque::from([TailFile::new(0, from, increment)]),
            taken: VecDeque::new(),
            taken_to: from,
            written_to: from,
            durable_to: from,
            stamped_s: 0,
            after_sync_ms: None,
            called: false,
            failed: false,
        }
    }

    fn last(&mut self) -> &mut TailFile {
        self.parts
            .back_mut()
            .expect("a tail has a file to write to")
    }

    /// Writes all that was appended, each part to the file that it belongs to.
    pub fn write(&mut self) -> io::Result<()> {
        self.take();
        loop {
            // Asked after taking: a switch is there before anything that follows its mark.
            let mark = self.course.next_mark();
            self.seal(mark.unwrap_or(Seq(u64::MAX)));
            for part in &mut self.parts {
                part.write(&self.course)?;
            }
            self.written_to = self.last().sealed_to;
            match mark.filter(|mark| *mark <= self.taken_to) {
                Some(_) => self.switch(),
                None => break,
            }
        }
        let len = self.last().len();
        self.course.wrote(len);
        Ok(())
    }

    fn take(&mut self) {
        let since_ms = self.journal.waiting_since_ms();
        let (taken, to) = self.reader.take();
        if !taken.is_empty() {
            let since_ms = since_ms.unwrap_or_else(clock::now_ms);
            self.course.waits_since(since_ms);
            if self.after_sync_ms == Some(0) {
                self.after_sync_ms = Some(since_ms);
            }
        }
        self.taken.extend(taken);
        self.taken_to = to;
    }

    /// Makes a piece of what was taken and begins before `limit`.
    fn seal(&mut self, limit: Seq) {
        let mut due = Vec::new();
        let mut sealed_to = self.last().sealed_to;
        while self.taken.front().is_some_and(|(begin, _)| *begin < limit)
            && let Some((begin, bytes)) = self.taken.pop_front()
        {
            sealed_to = Seq(begin.0 + bytes.len() as u64);
            due.push(bytes);
        }
        let body = match &due[..] {
            [] => return,
            [one] => one.clone(),
            several => Bytes::from(several.concat()),
        };
        let now_s = clock::now_ms() / 1000;
        let stamp = self.config.aof_timestamp_enabled.get() && now_s > self.stamped_s;
        let checksum = self.config.aof_checksum.get();
        if stamp {
            self.stamped_s = now_s;
        }
        let part = self.last();
        if stamp {
            let stamp = format!("#TS:{now_s}\r\n");
            part.kept.extend_from_slice(stamp.as_bytes());
        }
        if checksum {
            Seal::write(&body, part.durable, &mut part.kept);
        }
        part.kept.extend_from_slice(&body);
        part.sealed_to = sealed_to;
    }

    /// Goes on in the file that comes next. The one before is written, and its sync comes before the next one's.
    fn switch(&mut self) {
        if let Some(switch) = self.course.next_switch() {
            let last = self.last();
            let len = last.len();
            let next = TailFile::new(last.number + 1, last.sealed_to, switch.to);
            self.course.settle(len);
            self.parts.push_back(next);
            self.retire();
        }
    }

    /// Lets go of files that get no more bytes and have all of them on the disk.
    fn retire(&mut self) {
        while self.parts.len() > 1 && !self.parts[0].is_unsynced() {
            self.parts.pop_front();
        }
    }

    /// A new base has the edits of all files before the last one.
    pub fn forget_older(&mut self) {
        let last = self.parts.len() - 1;
        if self.parts.drain(..last).count() > 0 && !self.parts[0].is_unsynced() {
            self.durable_to = self.written_to;
        }
    }

    /// Whether a file other than the one being written waits for its sync.
    pub fn has_older(&self) -> bool {
        self.parts.len() > 1
    }

    pub fn is_unsynced(&self) -> bool {
        self.parts.iter().any(TailFile::is_unsynced)
    }

    /// Syncs all that is written, here and now.
    pub fn sync(&mut self) -> io::Result<()> {
        for part in &mut self.parts {
            if part.is_unsynced() {
                part.sync()?;
            }
        }
        self.retire();
        self.durable_to = self.written_to;
        self.after_sync_ms = None;
        self.course.all_safe(0);
        self.journal.set_durable(Some(self.durable_to));
        Ok(())
    }

    /// Begins a sync of the oldest file that wants one, to go on while others write.
    pub fn begin_sync(&mut self) -> Option<Syncing> {
        let last = self.parts.len() - 1;
        let at = self.parts.iter().position(TailFile::is_unsynced)?;
        let part = &self.parts[at];
        if self.failed || part.torn || part.written < part.kept.len() {
            // It is written first.
            return None;
        }
        if at == last {
            self.after_sync_ms = Some(0);
        }
        Some(Syncing {
            number: part.number,
            file: part.second.clone(),
            len: part.len(),
            to: part.sealed_to,
        })
    }

    pub fn end_sync(&mut self, syncing: Syncing, done: io::Result<()>) -> io::Result<()> {
        let is_last = self.last().number == syncing.number;
        let mut parts = self.parts.iter_mut();
        let Some(part) = parts.find(|part| part.number == syncing.number) else {
            // A new base has come in its place meanwhile.
            return Ok(());
        };
        if let Err(error) = done {
            part.doubt();
            return Err(error);
        }
        if part.torn {
            // Another sync of it failed meanwhile, or a write did: all of it is written and synced again.
            return Ok(());
        }
        part.synced(syncing.len);
        self.durable_to = self.durable_to.max(syncing.to);
        self.retire();
        if is_last {
            self.course.all_safe(self.after_sync_ms.take().unwrap_or(0));
        }
        self.journal.set_durable(Some(self.durable_to));
        Ok(())
    }

    /// Lets go of what nobody will sync.
    pub fn forget_written(&mut self) {
        let last = self.last();
        if !last.torn && last.written == last.kept.len() {
            last.let_go(last.len());
            self.course.all_safe(0);
        }
    }

    /// Opens the gate as far as replies may pass under this policy.
    pub fn open_gate(&self, policy: AppendFsync) {
        let late = policy == AppendFsync::Everysec && self.course.is_late();
        self.journal.gate.open_to(match policy {
            AppendFsync::Always => self.durable_to,
            _ if late => self.durable_to,
            _ => self.written_to,
        });
    }
}
