//! What clients take together, and the largest of them: `maxmemory-clients`.
//!
//! Kept while there is a limit, and only then. Each connection tells its own size after what it did; whoever finds the
//! sum above the limit closes the largest. Sizes stand in buckets, each of twice the size of the one before it, so that
//! finding a large one costs nothing, and a client that grows a little changes nothing that is shared but the sum.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;

use super::client::{Client, NO_BUCKET, ReplicationPart};
use crate::util::ranked::{Mutex, rank};

/// Clients below 32 KB are in the first bucket, those from 4 GB on in the last.
const SMALLEST_LOG: u32 = 15;
const BUCKETS: usize = 19;

#[derive(Default)]
pub struct Weights {
    /// In bytes; 0 for none.
    limit: AtomicUsize,
    /// Of all clients but replicas and the master.
    total: AtomicUsize,
    /// Clients that may be closed, by their size.
    buckets: Mutex<[HashMap<u64, Arc<Client>>; BUCKETS], { rank("client weights") }>,
}

impl Weights {
    #[inline]
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub(super) fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    pub fn is_over(&self) -> bool {
        let limit = self.limit();
        limit > 0 && self.total.load(Ordering::Relaxed) > limit
    }

    /// Counts what a client takes now.
    pub fn weigh(&self, client: &Arc<Client>) {
        let bytes = match client.part() {
            _ if client.mailbox.is_closing() => 0,
            ReplicationPart::None => client.memory_bytes(),
            ReplicationPart::Replica | ReplicationPart::Master => 0,
        };
        self.count(client, bytes);
        let stays = bytes == 0 || client.profile.lock().no_evict;
        let bucket = if stays { NO_BUCKET } else { bucket_of(bytes) };
        if client.bucket.load(Ordering::Relaxed) != bucket {
            self.put(client, bucket);
        }
    }

    /// CLIENT NO-EVICT: from here on it is closed to save memory, or is not.
    pub fn spare(&self, client: &Arc<Client>, spared: bool) {
        client.profile.lock().no_evict = spared;
        if self.limit() > 0 {
            self.weigh(client);
        }
    }

    fn count(&self, client: &Client, bytes: usize) {
        let before = client.counted_bytes.swap(bytes, Ordering::Relaxed);
        let grown = bytes.wrapping_sub(before);
        self.total.fetch_add(grown, Ordering::Relaxed);
    }

    fn put(&self, client: &Arc<Client>, bucket: usize) {
        let mut buckets = self.buckets.lock();
        // It may have been closed since it was weighed.
        let bucket = if client.mailbox.is_closing() {
            NO_BUCKET
        } else {
            bucket
        };
        let before = client.bucket.swap(bucket, Ordering::Relaxed);
        if let Some(before) = buckets.get_mut(before) {
            before.remove(&client.id);
        }
        if let Some(after) = buckets.get_mut(bucket) {
            after.insert(client.id, client.clone());
        }
    }

    /// A client has left, or is about to.
    pub fn forget(&self, client: &Arc<Client>) {
        self.count(client, 0);
        self.put(client, NO_BUCKET);
    }

    /// Closes one of the largest while all together are above the limit, and says what it took.
    fn close_largest(&self) -> Option<(Arc<Client>, usize)> {
        // Whoever is spared from now on waits for this lock, and so does whoever else makes room: one client is closed
        // once, and nobody for what has gone already.
        let mut buckets = self.buckets.lock();
        if !self.is_over() {
            return None;
        }
        let mut largest = buckets.iter().rev().flat_map(HashMap::values);
        let client = largest.next()?.clone();
        // Closing comes first: whoever weighs it from now on finds nothing.
        client.mailbox.close();
        let bucket = client.bucket.swap(NO_BUCKET, Ordering::Relaxed);
        if let Some(bucket) = buckets.get_mut(bucket) {
            bucket.remove(&client.id);
        }
        let bytes = client.counted_bytes.load(Ordering::Relaxed);
        self.count(&client, 0);
        Some((client, bytes))
    }

    /// Closes the largest clients until the others are below the limit; returns how many.
    pub fn evict(&self) -> usize {
        let mut closed = 0;
        while self.is_over()
            && let Some((client, bytes)) = self.close_largest()
        {
            tracing::info!("Evicting client: {}, {bytes} bytes", client.address);
            closed += 1;
        }
        closed
    }
}

fn bucket_of(bytes: usize) -> usize {
    let log = usize::BITS - bytes.leading_zeros();
    (log.saturating_sub(SMALLEST_LOG) as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: u64, bytes: usize) -> Arc<Client> {
        let client = Client::new(id, "127.0.0.1:1".into(), String::new(), 1, 0, 0);
        client.query_capacity.store(bytes, Ordering::Relaxed);
        Arc::new(client)
    }

    #[test]
    fn the_largest_go_first_and_no_more_than_need_be() {
        let weights = Weights::default();
        let clients: Vec<_> = (0..8).map(|n| client(n, 20_000 << n)).collect();
        clients[6].profile.lock().no_evict = true;
        for client in &clients {
            weights.weigh(client);
        }
        assert_eq!(weights.evict(), 0, "there is no limit");
        let room = clients[..5].iter().chain([&clients[6]]);
        weights.set_limit(room.map(|client| client.memory_bytes()).sum());
        assert_eq!(weights.evict(), 2);
        let closed = clients.iter().map(|client| client.mailbox.is_closing());
        let expected = [false, false, false, false, false, true, false, true];
        assert_eq!(closed.collect::<Vec<_>>(), expected);
        clients.iter().for_each(|client| weights.forget(client));
        assert_eq!(weights.total.load(Ordering::Relaxed), 0);
    }
}
