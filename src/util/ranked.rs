//! Locks in one order. In debug builds, whoever takes one that comes before one that he holds, or that he holds, panics.
//!
//! Two threads that take the same two locks in different orders may wait for each other for ever, and a thread that takes what it
//! has waits for itself. Tests rarely meet the moment; but they do meet each order. Release builds check nothing.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use parking_lot::{Condvar, RwLockReadGuard, RwLockWriteGuard};

/// All locks, each before those that are taken while it is held.
pub const ORDER: &[&str] = &[
    // What waits for shards.
    "loads",
    "one snapshot at a time",
    // A worker's, while it runs a command without shards.
    "turns",
    // In the order of their numbers.
    "shards",
    "cluster",
    "slot moves",
    "sentinel",
    // What units do under their shards, and background threads without any.
    "functions",
    "tls",
    "doors",
    "oom score",
    "backup's end",
    "backup",
    "log threads",
    "log tail",
    "log switches",
    "job under way",
    "jobs",
    "saves",
    "own keys",
    "acknowledgement waiters",
    "replicas",
    "replication",
    "replica orders",
    "replica position",
    "users",
    "clients",
    "client profile",
    "client weights",
    "broker",
    "monitors",
    "tracking",
    "stopping",
    "pause",
    "journal",
    "backlog",
    "search indexes",
    // Nothing is taken under these.
    "search cursors",
    "search settings",
    "log manifest",
    "log file",
    "log sync",
    "log error",
    "saved functions",
    "loaded functions",
    "loaded origin",
    "scripts",
    "busy scripts",
    "client wait",
    "blocked client's fate",
    "mailbox",
    "sessions",
    "names",
    "key counts",
    "links",
    "cluster file",
    "failing replicas",
    "slow log",
    "hot keys",
    "acl log",
    "latency",
    "error counts",
    "expiry lag",
    "rates",
    "first worker's time",
    "alarm",
    "measured memory",
    "memory",
    "shares of work",
    "planted panic",
    "seed",
    "clock",
];

/// A lock's place in the order.
pub const fn rank(name: &str) -> u8 {
    let mut at = 0;
    while at < ORDER.len() {
        if is_same(ORDER[at].as_bytes(), name.as_bytes()) {
            return at as u8;
        }
        at += 1;
    }
    panic!("a lock that ORDER does not name")
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// To be called before a wait for another thread, which takes no lock before the one of this rank.
pub fn wait_for_thread(rank: u8) {
    drop(HeldLock::take(rank, 0));
}

/// A lock that has a rank.
#[derive(Debug, Default)]
pub struct Ranked<L, const RANK: u8>(L);

pub type Mutex<T, const RANK: u8> = Ranked<parking_lot::Mutex<T>, RANK>;
pub type RwLock<T, const RANK: u8> = Ranked<parking_lot::RwLock<T>, RANK>;
pub type MutexGuard<'a, T> = Guard<parking_lot::MutexGuard<'a, T>>;

/// What it gives out. The lock is let go before its rank is.
pub struct Guard<G> {
    guard: G,
    _held: HeldLock,
}

impl<T, const RANK: u8> Mutex<T, RANK> {
    pub const fn new(value: T) -> Self {
        Ranked(parking_lot::Mutex::new(value))
    }

    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let held = HeldLock::take(RANK, 0);
        let guard = self.0.lock();
        Guard { guard, _held: held }
    }

    /// Takes the lock if nobody has it, whatever this thread holds.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let guard = self.0.try_lock()?;
        let held = HeldLock::taken(RANK, 0);
        Some(Guard { guard, _held: held })
    }
}

impl<T, const RANK: u8> RwLock<T, RANK> {
    pub const fn new(value: T) -> Self {
        Ranked(parking_lot::RwLock::new(value))
    }

    #[inline]
    pub fn read(&self) -> Guard<RwLockReadGuard<'_, T>> {
        let held = HeldLock::take(RANK, 0);
        let guard = self.0.read();
        Guard { guard, _held: held }
    }

    #[inline]
    pub fn write(&self) -> Guard<RwLockWriteGuard<'_, T>> {
        let held = HeldLock::take(RANK, 0);
        let guard = self.0.write();
        Guard { guard, _held: held }
    }
}

impl<T> MutexGuard<'_, T> {
    /// Lets go of the lock until the bell rings and the condition no longer holds.
    pub fn wait_while(&mut self, bell: &Condvar, condition: impl FnMut(&mut T) -> bool) {
        bell.wait_while(&mut self.guard, condition);
    }

    /// Waits no longer than this for it.
    pub fn wait_while_for(
        &mut self,
        bell: &Condvar,
        condition: impl FnMut(&mut T) -> bool,
        time: Duration,
    ) {
        bell.wait_while_for(&mut self.guard, condition, time);
    }

    /// Lets go of the lock until the bell rings or the time is up.
    pub fn wait_for(&mut self, bell: &Condvar, time: Duration) {
        bell.wait_for(&mut self.guard, time);
    }
}

impl<G: Deref> Deref for Guard<G> {
    type Target = G::Target;
    #[inline]
    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: DerefMut> DerefMut for Guard<G> {
    #[inline]
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

pub use held::{HeldLock, PutAside};

#[cfg(debug_assertions)]
mod held {
    use std::cell::RefCell;

    use super::ORDER;

    thread_local! {
        /// What the running thread holds: rank, and number among those of the same rank.
        static HELD: RefCell<Vec<(u8, u8)>> = const { RefCell::new(Vec::new()) };
    }

    /// A lock is held by this thread.
    pub struct HeldLock(u8, u8);

    impl HeldLock {
        /// About to wait for a lock.
        pub fn take(rank: u8, number: u8) -> Self {
            let name = |rank: u8| ORDER[usize::from(rank)];
            // A thread that ends may have lost its list.
            let _ = HELD.try_with(|held| {
                if let Some(last) = held.borrow().iter().max() {
                    assert!(
                        *last < (rank, number),
                        "the lock '{}' {number} is taken while '{}' {} is held",
                        name(rank),
                        name(last.0),
                        last.1
                    );
                }
            });
            HeldLock::taken(rank, number)
        }

        /// It was free.
        pub fn taken(rank: u8, number: u8) -> Self {
            let _ = HELD.try_with(|held| held.borrow_mut().push((rank, number)));
            HeldLock(rank, number)
        }
    }

    impl Drop for HeldLock {
        fn drop(&mut self) {
            let _ = HELD.try_with(|held| {
                let held = &mut *held.borrow_mut();
                let at = held.iter().rposition(|one| *one == (self.0, self.1));
                let at = at.expect("a lock is let go by the thread that holds it");
                held.swap_remove(at);
            });
        }
    }

    /// What a script holds that was left half-way: its thread holds none of it meanwhile.
    pub struct PutAside(Vec<(u8, u8)>);

    impl PutAside {
        pub fn all() -> Self {
            PutAside(HELD.take())
        }

        pub fn take_back(self) {
            let held = HELD.replace(self.0);
            assert!(
                held.is_empty(),
                "a script goes on while other locks are held: {held:?}"
            );
        }
    }
}

#[cfg(not(debug_assertions))]
mod held {
    pub struct HeldLock;

    impl HeldLock {
        #[inline(always)]
        pub fn take(_: u8, _: u8) -> Self {
            HeldLock
        }

        #[inline(always)]
        pub fn taken(_: u8, _: u8) -> Self {
            HeldLock
        }
    }

    pub struct PutAside;

    impl PutAside {
        pub fn all() -> Self {
            PutAside
        }

        pub fn take_back(self) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: u8 = rank("shards");
    const SECOND: u8 = rank("log tail");

    #[test]
    fn locks_are_taken_in_their_order() {
        let (first, second) = (
            Mutex::<i32, FIRST>::default(),
            Mutex::<i32, SECOND>::default(),
        );
        let _first = first.lock();
        drop(second.lock());
        *second.lock() += 1;
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic = "the lock 'shards' 0 is taken while 'log tail' 0 is held"]
    fn one_that_comes_before_is_refused() {
        let (first, second) = (
            Mutex::<i32, FIRST>::default(),
            Mutex::<i32, SECOND>::default(),
        );
        let _second = second.lock();
        first.lock();
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic = "the lock 'shards' 0 is taken while 'shards' 0 is held"]
    fn one_that_is_held_is_refused() {
        let lock = Mutex::<i32, FIRST>::default();
        let _held = lock.lock();
        lock.lock();
    }
}
