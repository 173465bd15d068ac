//! Time, read in one place.
//!
//! Wall time decides when keys die. It is the system's until somebody moves it: a test, or DEBUG CLOCK. Who waits for a
//! time of day waits here, too, and wakes when the clock has been moved past it. The clock is the process's.
//!
//! Work is measured by a [`Timer`] or a [`Stopwatch`], which nobody moves.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::ranked::{Mutex, rank};

/// Whether the clock was ever moved. Until then, reading it costs this one load more than the system's.
static MOVED: AtomicBool = AtomicBool::new(false);
static HANDS: Mutex<Hands, { rank("clock") }> = Mutex::new(Hands::SYSTEM);
/// Wake those who wait for a time of day. Whoever waits takes its thread's bell, as each is a lock; moving the clock rings all.
static BELLS: [Notify; BELL_COUNT] = [const { Notify::const_new() }; BELL_COUNT];
/// More threads than this share bells.
const BELL_COUNT: usize = 64;
/// The last microsecond that it shows, some 292,000 years away: deadlines can be counted from there.
const END_US: u64 = i64::MAX as u64;

/// What a moved clock shows, in microseconds since the Unix epoch.
#[derive(Clone, Copy)]
enum Hands {
    /// It goes, and is so far from the system's.
    Running {
        ahead_us: i64,
    },
    Standing {
        at_us: u64,
    },
}

impl Hands {
    const SYSTEM: Hands = Hands::Running { ahead_us: 0 };

    fn now_us(self) -> u64 {
        match self {
            Hands::Running { ahead_us } => system_us().saturating_add_signed(ahead_us),
            Hands::Standing { at_us } => at_us,
        }
    }

    fn moved_to(self, at_us: u64) -> Self {
        let at_us = at_us.min(END_US);
        match self {
            Hands::Running { .. } => Hands::running_at(at_us),
            Hands::Standing { .. } => Hands::Standing { at_us },
        }
    }

    fn running_at(at_us: u64) -> Self {
        Hands::Running {
            ahead_us: (at_us as i64).saturating_sub(system_us() as i64),
        }
    }
}

/// Milliseconds since the Unix epoch.
#[inline]
pub fn now_ms() -> u64 {
    now_us() / 1000
}

/// Microseconds since the Unix epoch.
#[inline]
pub fn now_us() -> u64 {
    match MOVED.load(Ordering::Relaxed) {
        false => system_us(),
        true => moved_us(),
    }
}

fn system_us() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock set before 1970 reads as 1970.
    since_epoch.unwrap_or_default().as_micros() as u64
}

#[cold]
fn moved_us() -> u64 {
    HANDS.lock().now_us()
}

/// Has the clock stand still, at this time or where it is.
pub fn freeze(at_ms: Option<u64>) {
    turn(|hands| Hands::Standing {
        at_us: at_ms.map_or_else(|| hands.now_us(), to_us).min(END_US),
    });
}

/// Moves the clock ahead; it stands or goes on as before.
pub fn advance(by_ms: u64) {
    turn(|hands| hands.moved_to(hands.now_us().saturating_add(to_us(by_ms))));
}

/// Sets the clock to a time; it stands or goes on as before.
pub fn set(at_ms: u64) {
    turn(|hands| hands.moved_to(to_us(at_ms)));
}

/// Has the clock go on from where it is.
pub fn run() {
    turn(|hands| Hands::running_at(hands.now_us()));
}

fn to_us(ms: u64) -> u64 {
    ms.saturating_mul(1000)
}

fn turn(change: impl FnOnce(Hands) -> Hands) {
    let mut hands = HANDS.lock();
    *hands = change(*hands);
    MOVED.store(true, Ordering::Relaxed);
    drop(hands);
    BELLS.iter().for_each(Notify::notify_waiters);
}

/// Waits until the clock is moved from now on.
pub fn moved() -> Notified<'static> {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static BELL: usize = THREADS.fetch_add(1, Ordering::Relaxed) % BELL_COUNT;
    }
    BELLS[BELL.with(|bell| *bell)].notified()
}

/// How long to sleep for a time of day; `None` while the clock stands before it.
pub fn left(deadline_ms: u64) -> Option<Duration> {
    let left = || Duration::from_millis(deadline_ms.saturating_sub(now_ms()));
    if !MOVED.load(Ordering::Relaxed) {
        return Some(left());
    }
    match *HANDS.lock() {
        Hands::Standing { at_us } if at_us < to_us(deadline_ms) => None,
        hands => Some(Duration::from_micros(
            to_us(deadline_ms).saturating_sub(hands.now_us()),
        )),
    }
}

/// Waits for a time of day.
pub async fn until(deadline_ms: u64) {
    loop {
        // Before the clock is looked at, so that no move is missed.
        let moved = moved();
        match left(deadline_ms) {
            Some(Duration::ZERO) => return,
            Some(time) => {
                let _ = tokio::time::timeout(time, moved).await;
            }
            None => moved.await,
        }
    }
}

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Timer(Instant);

impl Timer {
    pub fn start() -> Self {
        Timer(Instant::now())
    }

    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Measures intervals with the processor's counter: a few nanoseconds a reading.
#[derive(Clone)]
pub struct Stopwatch {
    clock: quanta::Clock,
}

/// A reading of a [`Stopwatch`].
#[derive(Clone, Copy)]
pub struct Reading(u64);

impl Default for Stopwatch {
    fn default() -> Self {
        Stopwatch {
            clock: quanta::Clock::new(),
        }
    }
}

impl Stopwatch {
    #[inline]
    pub fn read(&self) -> Reading {
        Reading(self.clock.raw())
    }

    /// Microseconds from one reading to a later one.
    #[inline]
    pub fn micros(&self, from: Reading, to: Reading) -> u64 {
        self.clock.delta_as_nanos(from.0, to.0) / 1000
    }

    #[inline]
    pub fn nanos(&self, from: Reading, to: Reading) -> u64 {
        self.clock.delta_as_nanos(from.0, to.0)
    }
}
