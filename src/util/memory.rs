//! Memory in use, from the allocator's own counters.
//!
//! Each thread publishes the bytes it took less those it gave back; the sum over threads is the bytes in
//! use, exact up to what threads have not published yet, at the cost of two loads.

use bytes::BytesMut;
use std::cell::{Cell, OnceCell};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tikv_jemalloc_ctl::thread::ThreadLocal;
use tikv_jemalloc_ctl::{Access, AsName};

use super::clock::{self, Timer};
use super::ranked::{Mutex, rank};

static THREADS: Mutex<Vec<Arc<ThreadCounts>>, { rank("memory") }> = Mutex::new(Vec::new());
/// Of threads that have ended. It changes under the lock of [`THREADS`].
static ENDED: ThreadCounts = ThreadCounts {
    net: AtomicI64::new(0),
    vacant: AtomicI64::new(0),
    apart: AtomicI64::new(0),
};
static PEAK: AtomicU64 = AtomicU64::new(0);
/// When [`PEAK`] was reached.
static PEAK_AT_MS: AtomicU64 = AtomicU64::new(0);
static STARTUP: OnceLock<u64> = OnceLock::new();

/// What a thread has published.
#[derive(Default)]
struct ThreadCounts {
    net: AtomicI64,
    vacant: AtomicI64,
    apart: AtomicI64,
}

struct Meter {
    taken: ThreadLocal<u64>,
    given: ThreadLocal<u64>,
    counts: Arc<ThreadCounts>,
}

thread_local! {
    static METER: OnceCell<Option<Meter>> = const { OnceCell::new() };
    static VACANT: Cell<i64> = const { Cell::new(0) };
    static APART: Cell<i64> = const { Cell::new(0) };
}

impl Meter {
    fn publish(&self) {
        let net = self.taken.get() as i64 - self.given.get() as i64;
        self.counts.net.store(net, Ordering::Relaxed);
        self.counts.vacant.store(VACANT.get(), Ordering::Relaxed);
        self.counts.apart.store(APART.get(), Ordering::Relaxed);
    }
}

/// What a thread took and others have, or the other way round, counts beyond its end.
impl Drop for Meter {
    fn drop(&mut self) {
        self.publish();
        let mut threads = THREADS.lock();
        threads.retain(|counts| !Arc::ptr_eq(counts, &self.counts));
        for (all, own) in [
            (&ENDED.net, &self.counts.net),
            (&ENDED.vacant, &self.counts.vacant),
            (&ENDED.apart, &self.counts.apart),
        ] {
            all.fetch_add(own.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

fn meter() -> Option<Meter> {
    let taken = tikv_jemalloc_ctl::thread::allocatedp::read().ok()?;
    let given = tikv_jemalloc_ctl::thread::deallocatedp::read().ok()?;
    let counts = Arc::new(ThreadCounts::default());
    THREADS.lock().push(counts.clone());
    Some(Meter {
        taken,
        given,
        counts,
    })
}

/// Makes this thread's allocations count. Every thread calls it when it begins (see [`super::thread::start`]), and one that
/// lives long, and holds data or frees them, now and then.
#[inline]
pub fn publish() {
    METER.with(|cell| {
        if let Some(meter) = cell.get_or_init(meter) {
            meter.publish();
        }
    });
}

/// Says that a table now has `now` bytes to spare, where it had `before`.
#[inline]
pub fn vacate(before: usize, now: usize) {
    // A thread that ends, and its tables with it, takes part in no count.
    let _ = VACANT.try_with(|vacant| vacant.set(vacant.get() + now as i64 - before as i64));
}

/// Says that a part of the server which is no data now has `now` bytes, where it had `before`: Lua.
#[inline]
pub fn count_apart(before: usize, now: usize) {
    let _ = APART.try_with(|apart| apart.set(apart.get() + now as i64 - before as i64));
}

/// Bytes that all threads count apart.
pub fn apart() -> u64 {
    sum(|counts| &counts.apart)
}

/// Bytes in use, over all threads, without those that tables have to spare and those that are counted apart.
pub fn used() -> u64 {
    let used = sum(|counts| &counts.net).saturating_sub(vacant() + apart());
    if PEAK.fetch_max(used, Ordering::Relaxed) < used {
        PEAK_AT_MS.store(clock::now_ms(), Ordering::Relaxed);
    }
    STARTUP.get_or_init(|| used);
    used
}

/// Bytes that tables have to spare: new keys take these first, and giving up keys makes more of them.
pub fn vacant() -> u64 {
    sum(|counts| &counts.vacant)
}

fn sum(count: impl Fn(&ThreadCounts) -> &AtomicI64) -> u64 {
    let threads = THREADS.lock();
    let all = threads.iter().map(|counts| &**counts).chain([&ENDED]);
    let sum: i64 = all
        .map(|counts| count(counts).load(Ordering::Relaxed))
        .sum();
    sum.max(0) as u64
}

/// What [`used`] returned first: the bytes that a server without data takes.
pub fn startup() -> u64 {
    STARTUP.get().copied().unwrap_or_else(used)
}

/// The most that [`used`] ever returned.
pub fn peak() -> u64 {
    PEAK.load(Ordering::Relaxed).max(used())
}

/// When that was, in milliseconds since the Unix epoch.
pub fn peak_at_ms() -> u64 {
    PEAK_AT_MS.load(Ordering::Relaxed)
}

/// What the kernel and the allocator say of the process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Pages in memory.
    pub resident: u64,
    /// What the allocator gave out, the pages that stands on, and the pages it holds.
    pub allocated: u64,
    pub active: u64,
    pub held: u64,
}

/// Asking the kernel and the allocator takes some 20 microseconds: what they said holds for as long as in Redis.
const MEASURED_FOR: Duration = Duration::from_millis(100);
static MEASURED: Mutex<Option<(Timer, Measured)>, { rank("measured memory") }> = Mutex::new(None);

/// What was measured last, at most a tenth of a second ago.
pub fn measured() -> Measured {
    let mut last = MEASURED.lock();
    match *last {
        Some((at, measured)) if at.elapsed() < MEASURED_FOR => measured,
        _ => {
            let measured = measure();
            *last = Some((Timer::start(), measured));
            measured
        }
    }
}

fn measure() -> Measured {
    let resident = resident();
    let (allocated, active, held) = allocator().unwrap_or((used(), resident, resident));
    Measured {
        resident,
        allocated,
        active,
        held,
    }
}

/// The memory of this machine, in bytes.
pub fn of_system() -> u64 {
    static TOTAL: OnceLock<u64> = OnceLock::new();
    *TOTAL.get_or_init(|| {
        let system = rustix::system::sysinfo();
        system.totalram * u64::from(system.mem_unit)
    })
}

/// Pages of this process in memory, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|field| field.parse().ok())
        .unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// What the allocator gave out, the pages that stands on, and the pages it holds, in bytes.
fn allocator() -> Option<(u64, u64, u64)> {
    tikv_jemalloc_ctl::epoch::advance().ok()?;
    let allocated = tikv_jemalloc_ctl::stats::allocated::read().ok()?;
    let active = tikv_jemalloc_ctl::stats::active::read().ok()?;
    let resident = tikv_jemalloc_ctl::stats::resident::read().ok()?;
    Some((allocated as u64, active as u64, resident as u64))
}

/// Lets the allocator give unused pages back in threads of its own, or only when somebody asks it for memory.
pub fn purge_in_background(on: bool) {
    // Where it was built without threads, it goes on as it does.
    let _ = tikv_jemalloc_ctl::background_thread::write(on);
}

/// Gives the allocator's unused pages back to the system.
///
/// Setting an arena's decay time to zero makes it do so at once; then it gets its old time back.
pub fn purge() {
    let arenas = tikv_jemalloc_ctl::arenas::narenas::read().unwrap_or(0);
    for arena in 0..arenas {
        for pages in ["dirty", "muzzy"] {
            let name = format!("arena.{arena}.{pages}_decay_ms\0");
            let name = name.as_bytes().name();
            // An arena that no thread uses has nothing to give, and says so.
            let before: tikv_jemalloc_ctl::Result<isize> = name.read();
            if let Ok(before) = before {
                let _ = name.write(0isize);
                let _ = name.write(before);
            }
        }
    }
    *MEASURED.lock() = None;
}

/// The allocator's report on itself.
pub fn report() -> std::io::Result<Vec<u8>> {
    let mut report = Vec::new();
    let options = tikv_jemalloc_ctl::stats_print::Options::default();
    tikv_jemalloc_ctl::stats_print::stats_print(&mut report, options)?;
    Ok(report)
}

/// Makes room for so many bytes more and no others: `reserve` would take up to twice what that needs.
pub fn grow_exactly(buf: &mut BytesMut, more: usize) {
    let mut exact = BytesMut::with_capacity(buf.len() + more);
    exact.extend_from_slice(buf);
    *buf = exact;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purging_gives_pages_back() {
        let resident = || allocator().map_or(0, |(_, _, resident)| resident);
        let blocks: Vec<Vec<u8>> = (0..200_000).map(|_| vec![1; 200]).collect();
        drop(blocks);
        let before = resident();
        purge();
        // Other tests take memory meanwhile, but not that much.
        assert!(
            resident() + (16 << 20) < before,
            "{} of {before}",
            resident()
        );
    }
}
