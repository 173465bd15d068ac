//! All connected clients: who is there, who is blocked, and what they take together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hashbrown::HashMap;

use super::client::{Client, ReplicationPart, Unblock, Wait};
use super::weight::Weights;
use crate::util::ranked::{RwLock, rank};

/// Clients together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub count: usize,
    pub subscribers: usize,
    pub watching: usize,
    /// All that they take.
    pub bytes: usize,
    /// The largest room for a query, and the most that waits to be sent.
    pub input_bytes_max: usize,
    pub output_bytes_max: usize,
}

/// All connected clients, by their number.
#[derive(Default)]
pub struct Clients {
    by_id: RwLock<HashMap<u64, Arc<Client>>, { rank("clients") }>,
    /// Those that were let in, and are not yet in `by_id`.
    coming: AtomicUsize,
    next_id: AtomicU64,
    next_ticket: AtomicU64,
    blocked: AtomicUsize,
    pub weights: Weights,
}

impl Clients {
    /// A number that no client had before.
    pub fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A number for one wait of a client in a blocking command.
    pub fn new_ticket(&self) -> u64 {
        self.next_ticket.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Keeps a place for a client that comes, if there are fewer than `most`; [`Clients::arrived`] gives it back.
    pub fn expect(&self, most: usize) -> bool {
        let fits = |coming: usize| (self.len() + coming < most).then_some(coming + 1);
        self.coming
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, fits)
            .is_ok()
    }

    /// A client that was expected has been added, or has not come.
    pub fn arrived(&self) {
        self.coming.fetch_sub(1, Ordering::AcqRel);
    }

    pub fn add(&self, client: Arc<Client>) {
        self.by_id.write().insert(client.id, client);
    }

    pub fn remove(&self, id: u64) {
        if let Some(client) = self.by_id.write().remove(&id) {
            self.weights.forget(&client);
        }
    }

    /// The client of this number, unless it is about to be closed.
    pub fn get(&self, id: u64) -> Option<Arc<Client>> {
        let held = self.by_id.read();
        let client = held.get(&id)?;
        (!client.mailbox.is_closing()).then(|| client.clone())
    }

    pub fn len(&self) -> usize {
        self.by_id.read().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everyone who isn't about to be closed, in the order in which they came.
    pub fn all(&self) -> Vec<Arc<Client>> {
        let held = self.by_id.read();
        let stay = held.values().filter(|client| !client.mailbox.is_closing());
        let mut all: Vec<_> = stay.cloned().collect();
        all.sort_by_key(|client| client.id);
        all
    }

    /// Adds up those clients that replication has no part in, and that aren't about to be closed.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for client in self.by_id.read().values() {
            let profile = client.profile.lock();
            if profile.part != ReplicationPart::None || client.mailbox.is_closing() {
                continue;
            }
            tally.count += 1;
            tally.subscribers += usize::from(profile.is_subscribed());
            tally.watching += usize::from(profile.watched > 0);
            tally.bytes += client.memory_bytes_with(&profile);
            let input = client.query_capacity.load(Ordering::Relaxed);
            tally.input_bytes_max = tally.input_bytes_max.max(input);
            tally.output_bytes_max = tally.output_bytes_max.max(client.mailbox.bytes());
        }
        tally
    }

    /// Sets `maxmemory-clients`, and weighs everyone: while there was no limit nobody did.
    pub fn limit_memory(&self, bytes: usize) {
        self.weights.set_limit(bytes);
        if bytes > 0 {
            self.weigh_all();
        }
    }

    /// Weighs everyone, those that had nothing to do for long too.
    pub fn weigh_all(&self) {
        // Nobody leaves meanwhile: who has left must not be counted again.
        for client in self.by_id.read().values() {
            self.weights.weigh(client);
        }
    }

    /// Blocked clients; the connection says when one is blocked and when that ends.
    pub fn blocked(&self) -> usize {
        self.blocked.load(Ordering::Relaxed)
    }

    pub fn set_blocked(&self, client: &Client) {
        if !client.blocked.swap(true, Ordering::AcqRel) {
            self.blocked.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It is not blocked any more: whoever decides that says so, and its own connection once more.
    pub fn set_unblocked(&self, client: &Client) {
        client.blocked_bytes.store(0, Ordering::Relaxed);
        if client.blocked.swap(false, Ordering::AcqRel) {
            self.blocked.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A client begins to wait in a blocking command.
    pub fn block(&self, client: &Client) -> Arc<Wait> {
        let wait = client.begin_wait();
        self.set_blocked(client);
        wait
    }

    /// Wakes a client from a blocking command; false if it is not in one, or was served or woken before.
    pub fn unblock(&self, client: &Client, how: Unblock) -> bool {
        let woken = client.wake(how);
        if woken {
            self.set_unblocked(client);
            client.mailbox.ring();
        }
        woken
    }

    /// Has every client look whether it is still at the right node.
    pub fn ring_all(&self) {
        self.all().iter().for_each(|client| client.mailbox.ring());
    }

    /// Closes a client for good: from here on it is served nothing, hears nothing, runs nothing that is not under way
    /// yet, and is in no list.
    pub fn kill(&self, client: &Client) {
        client.mailbox.close();
        self.set_unblocked(client);
        self.remove(client.id);
    }
}
