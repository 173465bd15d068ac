//! Threads that do what no client waits for.

/// Sets the running thread behind the workers: one that has something to do gets the core. On a single core
/// this brings p99.9 of a GET during BGSAVE from milliseconds, a time slice, to a quarter of one: benches/persist.rs.
pub fn stand_back() {
    const NICENESS: i32 = 10;
    // Where this is refused, clients only wait a little longer for a core.
    let _ = rustix::process::setpriority_process(None, NICENESS);
}
