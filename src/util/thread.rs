//! How threads begin, and those that do what no client waits for.

use std::cell::Cell;
use std::io;
use std::num::NonZeroU64;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::clock::Timer;
use super::memory;
use super::ranked::{Mutex, rank};

/// A thread of these has the core for about so long at a time.
const PORTION: Duration = Duration::from_micros(250);
/// Long enough that whoever waits gets the core. Where nobody does, the core falls asleep, and waking it takes longer than
/// that: BGSAVE of a million keys on an idle server takes half a second, and 0.3 without rests.
const REST: Duration = Duration::from_micros(20);

thread_local! {
    /// When the portion under way began, in a thread that works in portions.
    static BEGAN: Cell<Option<Timer>> = const { Cell::new(None) };
}

/// Starts a thread of the server: what it takes and frees of memory counts.
pub fn start<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let counted = || {
        memory::publish();
        body()
    };
    Builder::new().name(name.into()).spawn(counted)
}

/// Does what may take long, or wait, on a thread beside those that run tasks: what it takes and frees of memory counts.
pub fn start_aside<T: Send + 'static>(
    act: impl FnOnce() -> T + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::task::spawn_blocking(|| {
        let done = act();
        // The thread stays for others.
        memory::publish();
        done
    })
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

/// Does the same with each of these on so many threads, the running one among them, and returns what came of each, in their order.
/// A thread takes `at_once` of them before it asks for more.
pub fn share_out<T: Send, R: Send>(
    threads: usize,
    things: Vec<T>,
    at_once: usize,
    act: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let mut slots: Vec<WorkSlot<T, R>> = things.into_iter().map(WorkSlot::To).collect();
    let parts = slots.chunks_mut(at_once);
    let threads = threads.min(parts.len());
    let parts: Mutex<_, { rank("shares of work") }> = Mutex::new(parts);
    let work = || {
        loop {
            let part = parts.lock().next();
            let Some(part) = part else { return };
            part.iter_mut().for_each(|slot| slot.act(&act));
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| {
                scope.spawn(|| {
                    memory::publish();
                    work();
                })
            })
            .collect();
        work();
        for other in others {
            if let Err(panic) = other.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    let done = slots.into_iter().map(WorkSlot::done);
    done.collect()
}

/// A thing, and then what came of it.
enum WorkSlot<T, R> {
    To(T),
    Under,
    Done(R),
}

impl<T, R> WorkSlot<T, R> {
    fn act(&mut self, act: impl Fn(T) -> R) {
        if let WorkSlot::To(thing) = std::mem::replace(self, WorkSlot::Under) {
            *self = WorkSlot::Done(act(thing));
        }
    }

    fn done(self) -> R {
        match self {
            WorkSlot::Done(done) => done,
            _ => unreachable!("all of them were taken"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_out_comes_back_in_order_and_its_memory_is_counted_here() {
        let published = || {
            memory::publish();
            memory::used()
        };
        let before = published();
        let blocks = share_out(4, (0..64_usize).collect(), 3, |at| {
            // Some of it is shared out once more.
            share_out(2, vec![at; 4], 1, |at| vec![at as u8; 1 << 20])
        });
        assert!(published() >= before + (200 << 20));
        for (at, block) in blocks.iter().enumerate() {
            assert!(block.iter().all(|block| block[0] == at as u8));
        }
        drop(blocks);
        assert!(published() < before + (56 << 20));
    }
}
