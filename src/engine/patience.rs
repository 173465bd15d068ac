//! Who may wait for shards for as long as others hold them.
//!
//! A script that runs for long is left half-way with its shards locked, and only its own thread goes on with it. A thread
//! that serves clients may be that thread, and it is by such threads that clients end the script. So none of them ever
//! waits for shards without an end: it tries, and gives up once a script is busy ([`super::Engine::lock_unless`]). What it could not
//! do is refused, or done later. Threads without clients have [`Patience`].

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    /// Whether the running thread serves clients.
    static SERVES: Cell<bool> = const { Cell::new(false) };
}

/// The running thread serves clients for as long as this lives.
pub struct Service(PhantomData<*const ()>);

impl Service {
    pub fn begin() -> Self {
        SERVES.set(true);
        Service(PhantomData)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        SERVES.set(false);
    }
}

/// Leave to wait for shards without an end. It can't be sent to another thread.
#[derive(Clone, Copy)]
pub struct Patience(PhantomData<*const ()>);

impl Patience {
    /// The running thread serves no clients.
    pub fn of_this_thread() -> Self {
        assert!(
            !SERVES.get(),
            "a thread that serves clients must not wait for shards without an end: it may have left a script that holds them"
        );
        Patience(PhantomData)
    }
}
