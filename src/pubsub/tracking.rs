//! Client-side caching: who must hear when which key changes.
//!
//! In the default mode the table remembers which clients read a key, and forgets them once
//! they were told. In BCAST mode clients register prefixes and hear of every change under them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hashbrown::{HashMap, HashSet};

use super::mailbox::Mailbox;
use crate::resp::Reply;
use crate::types::Bstr;
use crate::util::ranked::{Mutex, rank};

/// How a client tracks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackingMode {
    pub bcast: bool,
    pub opt_in: bool,
    pub opt_out: bool,
    pub no_loop: bool,
    /// Messages go to this client instead.
    pub redirect: Option<u64>,
    pub prefixes: Vec<Vec<u8>>,
}

/// Where a tracking client's messages go.
struct Target {
    mailbox: Arc<Mailbox>,
    /// The mailbox belongs to this other client: a RESP2 one hears on `__redis__:invalidate`.
    redirect: Option<u64>,
    /// The tracking client's own.
    own: Arc<Mailbox>,
    no_loop: bool,
    bcast: bool,
    /// Prefixes of a BCAST client; an empty one is every key.
    prefixes: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Tables {
    clients: HashMap<u64, Target>,
    /// Readers of each key, in the default mode. Never holds an empty set.
    readers: HashMap<Vec<u8>, HashSet<u64>>,
    /// Pairs in `readers`.
    items: usize,
    /// Somebody else wants to know what changes: see [`Tracking::note_all`].
    noted: bool,
}

impl Tables {
    fn active(&self) -> usize {
        self.clients.len() + usize::from(self.noted)
    }
}

#[derive(Default)]
pub struct Tracking {
    tables: Mutex<Tables, { rank("tracking") }>,
    /// Clients that track, and who else is to hear of changes, so that nobody pays when there is none.
    active: AtomicUsize,
}

impl Tracking {
    #[inline]
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed) > 0
    }

    /// Has units note which keys they change, or no longer, whether clients track any or not.
    pub fn note_all(&self, on: bool) {
        let mut tables = self.tables.lock();
        tables.noted = on;
        self.active.store(tables.active(), Ordering::SeqCst);
    }

    /// Starts, or changes, a client's tracking.
    pub fn enable(
        &self,
        client: u64,
        mode: &TrackingMode,
        own: &Arc<Mailbox>,
        redirect: Option<&Arc<Mailbox>>,
    ) {
        let mut tables = self.tables.lock();
        let target = Target {
            mailbox: redirect.unwrap_or(own).clone(),
            redirect: mode.redirect,
            own: own.clone(),
            no_loop: mode.no_loop,
            bcast: mode.bcast,
            prefixes: mode.prefixes.clone(),
        };
        tables.clients.insert(client, target);
        self.active.store(tables.active(), Ordering::Relaxed);
    }

    /// Ends a client's tracking. What it read is forgotten as the keys change.
    pub fn disable(&self, client: u64) {
        let mut tables = self.tables.lock();
        tables.clients.remove(&client);
        if tables.clients.is_empty() {
            tables.readers = HashMap::new();
            tables.items = 0;
        }
        self.active.store(tables.active(), Ordering::Relaxed);
    }

    /// A client in the default mode read a key. Keys beyond `keys_max` (0: no limit) push out others,
    /// whose readers are told.
    pub fn remember(&self, client: u64, key: &[u8], keys_max: usize) {
        let mut tables = self.tables.lock();
        if !tables.clients.contains_key(&client) {
            return;
        }
        if tables.readers.entry_ref(key).or_default().insert(client) {
            tables.items += 1;
        }
        tables.limit(keys_max, Some(key));
    }

    /// Forgets keys beyond `keys_max`, as that has changed.
    pub fn limit(&self, keys_max: usize) {
        if self.is_active() {
            self.tables.lock().limit(keys_max, None);
        }
    }

    /// Keys changed, all at once, by a client or on their own. Readers of the first `told` have heard of it.
    pub fn changed(&self, keys: &[Bstr], told: usize, by: Option<u64>) {
        let mut tables = self.tables.lock();
        tables.tell_all(&keys[told..], by);
        let changed: BTreeSet<&[u8]> = keys.iter().map(|key| &key[..]).collect();
        tables.broadcast(&changed, by);
    }

    /// Tells readers of keys that these changed, in the midst of more. Clients of prefixes hear of all of it at once.
    pub fn tell_readers(&self, keys: &[Bstr], by: Option<u64>) {
        self.tables.lock().tell_all(keys, by);
    }

    /// Everything changed: clients hear a null.
    pub fn flushed(&self) {
        let mut tables = self.tables.lock();
        tables.readers = HashMap::new();
        tables.items = 0;
        for target in tables.clients.values() {
            target.send(None);
        }
    }

    /// Clients, keys, pairs of client and key, and prefixes: what INFO shows.
    pub fn counts(&self) -> (usize, usize, usize, usize) {
        let tables = self.tables.lock();
        let prefixes: HashSet<&Vec<u8>> = tables
            .clients
            .values()
            .filter(|target| target.bcast)
            .flat_map(|target| &target.prefixes)
            .collect();
        (
            tables.clients.len(),
            tables.readers.len(),
            tables.items,
            prefixes.len(),
        )
    }
}

impl Tables {
    /// Tells readers of keys beyond `keys_max` (0: no limit), as if they had changed; `spared` is not one of them.
    fn limit(&mut self, keys_max: usize, spared: Option<&[u8]>) {
        while keys_max > 0 && self.readers.len() > keys_max {
            let mut held = self.readers.keys();
            let victim = held.find(|held| spared != Some(&held[..])).cloned();
            let Some(victim) = victim else {
                break;
            };
            self.tell(&victim, None);
        }
    }

    fn tell_all(&mut self, keys: &[Bstr], by: Option<u64>) {
        // Whoever was told is forgotten, so that a key that comes twice is told once.
        keys.iter().for_each(|key| self.tell(key, by));
    }

    fn tell(&mut self, key: &[u8], by: Option<u64>) {
        if let Some(readers) = self.readers.remove(key) {
            self.items -= readers.len();
            for client in readers {
                if let Some(target) = self.clients.get(&client)
                    && !target.bcast
                    && !(target.no_loop && by == Some(client))
                {
                    target.send(Some(&[key]));
                }
            }
        }
    }

    /// Tells clients of prefixes: one message for each prefix.
    fn broadcast(&self, changed: &BTreeSet<&[u8]>, by: Option<u64>) {
        for (client, target) in &self.clients {
            if !target.bcast || target.no_loop && by == Some(*client) {
                continue;
            }
            let prefixes: &[Vec<u8>] = match &target.prefixes[..] {
                [] => &[Vec::new()],
                some => some,
            };
            for prefix in prefixes {
                let under = |key: &&&[u8]| key.starts_with(prefix);
                let keys: Vec<&[u8]> = changed.iter().filter(under).copied().collect();
                if !keys.is_empty() {
                    target.send(Some(&keys));
                }
            }
        }
    }
}

impl Target {
    /// Sends the invalidation of some keys, or of all of them.
    fn send(&self, keys: Option<&[&[u8]]>) {
        if self.own.is_closing() {
            return;
        }
        if let Some(id) = self.redirect
            && self.mailbox.is_closing()
        {
            return self.tell_broken(id);
        }
        let mut out = Reply::new(self.mailbox.resp3());
        if out.resp3() {
            out.push(2);
            out.bulk(b"invalidate");
        } else if self.redirect.is_some() {
            out.array(3);
            out.bulk(b"message");
            out.bulk(b"__redis__:invalidate");
        } else {
            // A RESP2 client that redirects nowhere can't hear.
            return;
        }
        match keys {
            Some(keys) => {
                out.array(keys.len());
                keys.iter().for_each(|key| out.bulk(key));
            }
            None if out.resp3() => out.null(),
            None => out.null_array(),
        }
        self.mailbox.push(Bytes::from(out.into_bytes()));
    }

    /// Who should have heard is gone.
    fn tell_broken(&self, id: u64) {
        let mut out = Reply::new(self.own.resp3());
        if out.resp3() {
            out.push(2);
            out.bulk(b"tracking-redir-broken");
            out.int(id as i64);
            self.own.push(Bytes::from(out.into_bytes()));
        }
    }
}
