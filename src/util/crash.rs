//! The end of a process that has a bug, or that a signal ends: where it was, in the log.
//!
//! A panic is our mistake. Where a command panics that has changed nothing, it costs its connection alone. Everywhere else
//! it ends the process: a server whose memory and log differ, or that has lost a part of itself, would do more harm than
//! one that is started again and reads its files.
//!
//! Signals that tell of broken memory can't be caught by the means that this crate allows itself. Those that somebody
//! sends can, and DEBUG SEGFAULT and DEBUG PANIC say what they do before they do it.

use std::backtrace::Backtrace;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

thread_local! {
    /// Somebody on this thread catches a panic, and knows what to do then.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Logs every panic from here on, with its place, and ends the process by those that nobody catches. `reports` says
/// whether the stack is to be logged, too.
pub fn watch_panics(reports: impl Fn() -> bool + Send + Sync + 'static) {
    std::panic::set_hook(Box::new(move |panic| {
        match reports() {
            true => report(&panic.to_string()),
            false => tracing::error!("{panic}"),
        }
        if !CAUGHT.get() {
            end("Nobody can go on from here: the server ends.");
        }
    }));
}

/// Does what may panic without harm to anyone else; a panic is the error.
#[inline(always)]
pub fn catch<T>(act: impl FnOnce() -> T) -> std::thread::Result<T> {
    let before = CAUGHT.replace(true);
    let done = catch_unwind(AssertUnwindSafe(act));
    CAUGHT.set(before);
    done
}

/// Goes on with a panic that was caught only to be looked at.
pub fn pass_on(panic: Box<dyn std::any::Any + Send>) -> ! {
    if !CAUGHT.get() {
        end("Nobody can go on from here: the server ends.");
    }
    std::panic::resume_unwind(panic)
}

/// Ends the process, as it must not go on.
#[cold]
pub fn end(why: &str) -> ! {
    tracing::error!("{why}");
    std::process::abort()
}

/// Panics planted by DEBUG PANIC-AT, in builds for tests.
#[cfg(debug_assertions)]
mod planted {
    use std::sync::atomic::{AtomicBool, Ordering};

    use crate::util::ranked::{Mutex, rank};

    static ANY: AtomicBool = AtomicBool::new(false);
    /// The place, and how often it is passed before.
    static PLACE: Mutex<Option<(String, u64)>, { rank("planted panic") }> = Mutex::new(None);

    /// Plants a panic at a place, once it has been passed so often.
    pub fn plant(place: &str, passes: u64) {
        *PLACE.lock() = Some((place.to_owned(), passes));
        ANY.store(true, Ordering::Release);
    }

    /// A place at which a panic can be planted.
    pub fn point(place: &str) {
        if !ANY.load(Ordering::Acquire) {
            return;
        }
        let mut held = PLACE.lock();
        match &mut *held {
            Some((planted, 0)) if planted == place => {}
            Some((planted, passes)) if planted == place => {
                *passes -= 1;
                return;
            }
            _ => return,
        }
        *held = None;
        ANY.store(false, Ordering::Release);
        drop(held);
        panic!("a panic was planted at {place}");
    }
}

#[cfg(debug_assertions)]
pub use planted::{plant, point};

/// A place at which tests can plant a panic.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_place: &str) {}

/// Writes a report of this thread's stack to the log, a line at a time, as whoever reads it expects.
pub fn report(what: &str) {
    tracing::error!("=== REDIS BUG REPORT START: Cut & paste starting from here ===");
    tracing::error!("{what}");
    tracing::error!("------ STACK TRACE ------");
    tracing::error!("{}:", std::thread::current().name().unwrap_or("a thread"));
    for line in Backtrace::force_capture().to_string().lines() {
        tracing::error!("{line}");
    }
    tracing::error!("=== REDIS BUG REPORT END. Make sure to include from START to END. ===");
}

/// What a report says of a signal.
pub fn by_signal(version: &str, signal: Signal) -> String {
    format!("{version} crashed by signal: {}", signal.as_raw())
}

/// Ends the process by this signal.
pub fn end_by(signal: Signal) -> ! {
    // The first may find somebody who hears it, who then puts things back to how the kernel has them.
    for _ in 0..10 {
        let _ = kill_process(getpid(), signal);
        std::thread::sleep(Duration::from_millis(10));
    }
    std::process::abort()
}
