//! The gate that replies pass once what they depend on is safe.
//!
//! Whoever writes the log opens it as far as the log is safe: on the disk under `appendfsync always`, in the file otherwise.
//! Nothing waits while there is no log.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::Seq;

/// What a reply depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depends {
    /// The end of the log after the client's own last edit.
    wrote: Seq,
    /// The end of the log after the last edit, of whichever client, that the client has seen.
    saw: Seq,
}

impl Depends {
    /// The reply tells of edits up to here.
    #[inline]
    pub fn saw(&mut self, saw: Seq) {
        self.saw = self.saw.max(saw);
    }

    /// The client's own edits reach up to here.
    #[inline]
    pub fn wrote(&mut self, wrote: Seq) {
        self.wrote = self.wrote.max(wrote);
    }
}

/// Whether a reply may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    Open,
    Wait,
    /// The edit could not be made safe: the client must not hear that it was.
    Broken,
}

pub struct Gate {
    open_to: AtomicU64,
    failed: AtomicBool,
    /// Somebody wants to hear the bell: ringing it for nobody would wake every worker.
    awaited: AtomicBool,
    bell: Notify,
}

impl Default for Gate {
    fn default() -> Self {
        Gate {
            open_to: AtomicU64::new(u64::MAX),
            failed: AtomicBool::new(false),
            awaited: AtomicBool::new(false),
            bell: Notify::new(),
        }
    }
}

impl Gate {
    #[inline]
    pub fn pass(&self, depends: Depends) -> Pass {
        let open_to = Seq(self.open_to.load(Ordering::SeqCst));
        if depends.wrote.max(depends.saw) <= open_to {
            Pass::Open
        } else if !self.failed.load(Ordering::SeqCst) {
            Pass::Wait
        } else if depends.wrote <= open_to {
            // Reads go on while the log can't be written, and then see what is not safe.
            Pass::Open
        } else {
            Pass::Broken
        }
    }

    /// As [`Gate::pass`], for who goes to sleep if the answer is to wait: [`Porter::moved`], enabled before, wakes him.
    pub fn pass_or_wake(&self, depends: Depends) -> Pass {
        // Before the gate is looked at: who moves it looks afterwards for who waits.
        self.awaited.store(true, Ordering::SeqCst);
        self.pass(depends)
    }

    /// Lets through what depends on nothing after `seq`.
    pub fn open_to(&self, seq: Seq) {
        if self.open_to.swap(seq.0, Ordering::SeqCst) != seq.0 {
            self.ring();
        }
    }

    /// Says whether the log can't be written at present.
    pub fn set_failed(&self, failed: bool) {
        if self.failed.swap(failed, Ordering::SeqCst) != failed {
            self.ring();
        }
    }

    fn ring(&self) {
        if self.awaited.load(Ordering::SeqCst) && self.awaited.swap(false, Ordering::SeqCst) {
            self.bell.notify_waiters();
        }
    }
}

/// Hears that the gate has moved, and tells all who wait on this thread: waking a thread is a system call, and this
/// takes one for all of them.
#[derive(Default)]
pub struct Porter {
    bell: Notify,
}

impl Porter {
    /// Returns when the gate has moved; to be enabled before asking [`Gate::pass_or_wake`].
    pub fn moved(&self) -> Notified<'_> {
        self.bell.notified()
    }

    /// Listens for as long as it is polled.
    pub async fn listen(&self, gate: &Gate) {
        loop {
            let mut moved = pin!(gate.bell.notified());
            moved.as_mut().enable();
            // It may have moved before.
            self.bell.notify_waiters();
            moved.await;
        }
    }
}
