//! The thread that writes the log: takes what was appended to the journal, seals it, writes it, syncs it.
//!
//! What has not reached the disk is kept in memory, so that after a failure the file is cut back to where it was
//! whole, and written again: it never has a hole, and a sync that failed is never taken for one that succeeded.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::seal::Seal;
use crate::config::AppendFsync;
use crate::config::special::reason;
use crate::journal::{Reader, Seq};
use crate::persist::Store;
use crate::persist::disk::DiskFile;
use crate::util::{clock, memory};

/// Syncs under `everysec` come twice a second, so that nothing waits for longer than one even if the disk is slow.
const SYNC_EVERY: Duration = Duration::from_millis(500);
/// Between attempts to write to a disk that refuses.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// Appends gathered into one write, where no reply waits for it.
const GATHER: Duration = Duration::from_millis(1);
const IDLE: Duration = Duration::from_secs(1);

/// The file being written.
pub struct Increment {
    pub file: Box<dyn DiskFile>,
    pub len: u64,
}

/// What the writer is told to do.
pub enum Order {
    /// From this point of the journal on, write to another file, once the log's manifest names it.
    Switch {
        mark: Seq,
        to: Increment,
        /// Makes the manifest name the new file.
        publish: Box<dyn FnOnce() -> io::Result<()> + Send>,
        done: SyncSender<io::Result<()>>,
    },
    /// Write and sync what there is, and end.
    Stop { done: SyncSender<io::Result<()>> },
}

impl Order {
    pub fn mark(&self) -> Option<Seq> {
        match self {
            Order::Switch { mark, .. } => Some(*mark),
            Order::Stop { .. } => None,
        }
    }

    pub fn set_mark(&mut self, at: Seq) {
        if let Order::Switch { mark, .. } = self {
            *mark = at;
        }
    }
}

pub struct Writer {
    store: Arc<Store>,
    reader: Reader,
    file: Box<dyn DiskFile>,
    /// The file's length up to which it is known to be whole; what follows is `kept`.
    whole: u64,
    /// How much of the file has reached the disk.
    durable: u64,
    /// Sealed pieces that follow `whole`, and how many of their bytes the file has.
    kept: Vec<u8>,
    written: usize,
    /// The file may have more than `whole` and `written` say.
    torn: bool,
    /// Taken from the journal, not yet sealed.
    taken: VecDeque<(Seq, Bytes)>,
    /// The end of the journal up to which everything is sealed, and up to which all is on the disk.
    sealed_to: Seq,
    durable_to: Seq,
    synced_at: Instant,
    stamped_s: u64,
    failed: bool,
}

impl Writer {
    pub fn new(store: Arc<Store>, reader: Reader, increment: Increment) -> Self {
        let from = store.journal.end();
        store.journal.set_durable(Some(from));
        if store.config.appendfsync.get() == AppendFsync::Always {
            store.journal.gate.open_to(from);
        }
        Writer {
            store,
            reader,
            file: increment.file,
            whole: increment.len,
            durable: increment.len,
            kept: Vec::new(),
            written: 0,
            torn: false,
            taken: VecDeque::new(),
            sealed_to: from,
            durable_to: from,
            synced_at: Instant::now(),
            stamped_s: 0,
            failed: false,
        }
    }

    /// Writes until told to stop: the body of the writer's thread.
    pub fn run(mut self) {
        loop {
            let order = self.store.log.order();
            let done = self.round(order.as_ref());
            self.report(&done);
            match (order, done) {
                (None, _) => {}
                (Some(Order::Stop { done: told }), done) => {
                    self.store.journal.gate.open_to(Seq(u64::MAX));
                    self.store.journal.gate.set_failed(false);
                    self.store.journal.set_durable(None);
                    // Whoever asked may have given up waiting.
                    let _ = told.send(done);
                    return;
                }
                (
                    Some(Order::Switch {
                        to,
                        publish,
                        done: told,
                        ..
                    }),
                    done,
                ) => {
                    let switched = done.and_then(|()| self.switch(to, publish));
                    let _ = told.send(switched);
                    continue;
                }
            }
            memory::publish();
            self.rest();
        }
    }

    /// Waits for something to do.
    fn rest(&mut self) {
        let time = match self.policy() {
            _ if self.failed => RETRY_AFTER,
            AppendFsync::Everysec if self.is_unsynced() => {
                SYNC_EVERY.saturating_sub(self.synced_at.elapsed())
            }
            _ => IDLE,
        };
        if self.failed {
            std::thread::sleep(RETRY_AFTER);
            return;
        }
        self.reader.wait(time.max(GATHER));
        if self.policy() != AppendFsync::Always && !self.store.log.has_order() {
            std::thread::sleep(GATHER);
        }
    }

    fn policy(&self) -> AppendFsync {
        let config = &self.store.config;
        if config.no_appendfsync_on_rewrite.get() && self.store.is_busy() {
            return AppendFsync::No;
        }
        config.appendfsync.get()
    }

    fn is_unsynced(&self) -> bool {
        self.durable < self.whole + self.kept.len() as u64
    }

    /// Takes, seals, writes, and syncs if that is due. An order makes it due.
    fn round(&mut self, order: Option<&Order>) -> io::Result<()> {
        let since_ms = self.store.journal.waiting_since_ms();
        self.taken.extend(self.reader.take());
        if !self.taken.is_empty() {
            self.store
                .log
                .waits_since(since_ms.unwrap_or_else(clock::now_ms));
        }
        // Asked after taking: an order is there before anything that follows its mark.
        let mark = order
            .and_then(Order::mark)
            .or_else(|| self.store.log.next_mark());
        self.seal(mark.unwrap_or(Seq(u64::MAX)));
        if self.torn {
            self.file.truncate(self.whole)?;
            self.torn = false;
        }
        if self.written < self.kept.len() {
            // Until it is known to be otherwise.
            self.torn = true;
            self.store.log.sleep_for_tests();
            self.file.write_all(&self.kept[self.written..])?;
            self.torn = false;
            self.written = self.kept.len();
        }
        let policy = self.policy();
        let due = match policy {
            AppendFsync::Always => true,
            AppendFsync::Everysec => self.synced_at.elapsed() >= SYNC_EVERY || self.failed,
            AppendFsync::No => false,
        };
        if (due || order.is_some()) && self.is_unsynced() {
            // After a failed sync nobody knows what the disk has of the pages.
            self.torn = true;
            self.file.sync()?;
            self.torn = false;
            self.synced_at = Instant::now();
            self.durable = self.whole + self.kept.len() as u64;
            self.durable_to = self.sealed_to;
            self.store.journal.set_durable(Some(self.durable_to));
        }
        if self.durable == self.whole + self.kept.len() as u64 || policy == AppendFsync::No {
            self.whole += self.kept.len() as u64;
            self.kept.clear();
            self.kept.shrink_to(1 << 20);
            self.written = 0;
            self.store.log.all_safe();
        }
        self.store.log.wrote(self.whole + self.kept.len() as u64);
        self.store.journal.gate.open_to(match policy {
            AppendFsync::Always => self.durable_to,
            _ => Seq(u64::MAX),
        });
        Ok(())
    }

    /// Makes pieces of what was taken and begins before `limit`.
    fn seal(&mut self, limit: Seq) {
        let mut due = Vec::new();
        while self.taken.front().is_some_and(|(begin, _)| *begin < limit)
            && let Some((begin, bytes)) = self.taken.pop_front()
        {
            self.sealed_to = Seq(begin.0 + bytes.len() as u64);
            due.push(bytes);
        }
        let body = match &due[..] {
            [] => return,
            [one] => one.clone(),
            several => Bytes::from(several.concat()),
        };
        let config = &self.store.config;
        let now_s = clock::now_ms() / 1000;
        if config.aof_timestamp_enabled.get() && now_s > self.stamped_s {
            self.stamped_s = now_s;
            self.kept
                .extend_from_slice(format!("#TS:{now_s}\r\n").as_bytes());
        }
        if config.aof_checksum.get() {
            Seal::write(&body, self.durable, &mut self.kept);
        }
        self.kept.extend_from_slice(&body);
    }

    /// Goes on in another file; everything before it is on the disk.
    fn switch(
        &mut self,
        to: Increment,
        publish: Box<dyn FnOnce() -> io::Result<()> + Send>,
    ) -> io::Result<()> {
        publish()?;
        self.file = to.file;
        self.whole = to.len;
        self.durable = to.len;
        Ok(())
    }

    fn report(&mut self, done: &io::Result<()>) {
        match done {
            Ok(()) if self.failed => {
                self.failed = false;
                self.store.journal.gate.set_failed(false);
                self.store.log.set_error(None);
                tracing::warn!("AOF write error looks solved. The server can write again.");
            }
            Ok(()) => {}
            Err(error) => {
                self.written = 0;
                if !std::mem::replace(&mut self.failed, true) {
                    tracing::error!("Error writing to the AOF file: {}", reason(error));
                }
                self.store.log.set_error(Some(reason(error)));
                self.store.journal.gate.set_failed(true);
            }
        }
    }
}
