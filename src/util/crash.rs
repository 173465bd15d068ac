//! The last words of a process that a signal ends: where it was, in the log.
//!
//! Signals that tell of broken memory can't be caught by the means that this crate allows itself. Those that somebody
//! sends can, and DEBUG SEGFAULT and DEBUG PANIC say what they do before they do it.

use std::backtrace::Backtrace;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

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
