//! Threads that do what no client waits for.

use std::cell::Cell;
use std::num::NonZeroU64;
use std::time::Duration;

use super::clock::Timer;

/// A thread of these has the core for about so long at a time.
const PORTION: Duration = Duration::from_micros(250);
/// Long enough that whoever waits gets the core. Where nobody does, the core falls asleep, and waking it takes longer than
/// that: BGSAVE of a million keys on an idle server takes half a second, and 0.3 without rests.
const REST: Duration = Duration::from_micros(20);

thread_local! {
    /// When the portion under way began, in a thread that works in portions.
    static BEGAN: Cell<Option<Timer>> = const { Cell::new(None) };
}

/// Sets the running thread behind the workers, where cores are scarce, and has it work in portions.
pub fn stand_back() {
    // A quarter of a core that a worker wants whole: a snapshot then takes as long as Redis's child does. With 10, a tenth, it
    // took three times as long, and clients waited no less.
    const NICENESS: i32 = 5;
    // Where this is refused, clients only wait a little longer for a core.
    let _ = rustix::process::setpriority_process(None, NICENESS);
    work_in_portions();
}

/// From here on the running thread rests when it calls [`rest`].
pub fn work_in_portions() {
    // As long a rest as was asked for: the kernel adds 50 microseconds otherwise, and does if this is refused.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    BEGAN.set(Some(Timer::start()));
}

/// Lets go of the core for a moment, in a thread that works in portions and has had it for one. To be called between
/// two steps, while nothing is locked. A thread that has a core keeps it for a time slice otherwise, some milliseconds, however far
/// behind it stands: `benches/versus/run pauses`.
pub fn rest() {
    if BEGAN.get().is_some_and(|began| began.elapsed() >= PORTION) {
        std::thread::sleep(REST);
        BEGAN.set(Some(Timer::start()));
    }
}

/// Drops many things, and rests between them.
pub fn drop_each<T>(things: impl Iterator<Item = T>) {
    for thing in things {
        drop(thing);
        rest();
    }
}
