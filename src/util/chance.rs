//! Chance, drawn in one place.
//!
//! Each thread has a generator of its own. [`seed`] has each of them begin anew, from a number and the thread's name. The
//! environment's `VERMILION_SEED` does so from the start, and seeds the hash of keys, too, so that a server with one
//! thread for its clients repeats a run: the same requests, the same replies.
//!
//! What must differ between servers, or be unknown to clients, is not drawn here: see [`identity`].

use std::cell::Cell;
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub use fastrand::Rng;

use super::ranked::{Mutex, rank};

/// From the environment, for a server whose run is to be repeated.
static AT_START: LazyLock<Option<u64>> = LazyLock::new(|| {
    let word = std::env::var("VERMILION_SEED").ok()?;
    word.parse().ok()
});
/// What threads begin from; without one, from what the system has.
static SEED: LazyLock<Mutex<Option<u64>, { rank("seed") }>> =
    LazyLock::new(|| Mutex::new(*AT_START));
/// Counts how often a seed was given.
static SEEDED: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The count that this thread's generator began at.
    static BEGUN: Cell<u64> = const { Cell::new(0) };
}

/// Has every thread's generator begin anew from a number.
pub fn seed(number: u64) {
    *SEED.lock() = Some(number);
    SEEDED.fetch_add(1, Ordering::Release);
}

/// The number that the server was started with, if it was.
pub fn at_start() -> Option<u64> {
    *AT_START
}

#[inline]
fn begin() {
    let seeded = SEEDED.load(Ordering::Relaxed);
    if BEGUN.get() != seeded {
        begin_anew(seeded);
    }
}

#[cold]
fn begin_anew(seeded: u64) {
    BEGUN.set(seeded);
    if let Some(number) = *SEED.lock() {
        let thread = std::thread::current();
        fastrand::seed(of_thread(number, thread.name().unwrap_or_default()));
    }
}

/// Threads of one seed draw different numbers.
fn of_thread(number: u64, name: &str) -> u64 {
    name.bytes().fold(number, |mixed, byte| {
        (mixed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A number of the range, which isn't empty.
#[inline]
pub fn within(range: Range<usize>) -> usize {
    begin();
    fastrand::usize(range)
}

#[inline]
pub fn number() -> u64 {
    begin();
    fastrand::u64(..)
}

/// A number from 0 up to 1, which it never is.
#[inline]
pub fn fraction() -> f64 {
    begin();
    fastrand::f64()
}

/// A generator for who draws many numbers.
pub fn generator() -> Rng {
    Rng::with_seed(number())
}

/// Forty hexadecimal digits that no other server and no other run has, whatever the seed.
pub fn identity() -> String {
    let mut random = Rng::with_seed(unforeseen());
    (0..40)
        .map(|_| char::from_digit(random.u32(0..16), 16).unwrap_or('0'))
        .collect()
}

/// From the system's own randomness.
fn unforeseen() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_what_was_drawn_but_for_identities_and_threads_draw_their_own() {
        let drawn = |name: &str| {
            let draw = || -> Vec<u64> { (0..10).map(|_| number()).collect() };
            let thread = std::thread::Builder::new().name(name.into()).spawn(draw);
            thread.unwrap().join().unwrap()
        };
        seed(7);
        let (first, again, other) = (drawn("one"), drawn("one"), drawn("two"));
        assert_eq!(first, again);
        assert_ne!(first, other);
        seed(8);
        assert_ne!(drawn("one"), first);
        // The seed is the process's: no other test may set it meanwhile.
        let id = || {
            seed(7);
            identity()
        };
        assert_ne!(id(), id());
    }
}
