//! Processor time, as the kernel counts it.

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Processor time in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    pub user_us: u64,
    pub system_us: u64,
}

impl CpuTime {
    /// Of all threads of this process.
    pub fn of_process() -> Self {
        Self::of(UsageWho::RUSAGE_SELF)
    }

    /// Of the thread that asks.
    pub fn of_thread() -> Self {
        Self::of(UsageWho::RUSAGE_THREAD)
    }

    fn of(who: UsageWho) -> Self {
        let micros = |time: TimeVal| time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64;
        let told = |usage: Usage| CpuTime {
            user_us: micros(usage.user_time()),
            system_us: micros(usage.system_time()),
        };
        // The kernel refuses nobody who asks for one of these.
        getrusage(who).map(told).unwrap_or_default()
    }
}
