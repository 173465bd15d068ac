//! A client as others see it: CLIENT LIST, KILL and PAUSE work on these, from any worker.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::stats::Counters;
use crate::acl::User;
use crate::config::OutputLimit;
use crate::pubsub::Mailbox;
use crate::util::ranked::{Mutex, MutexGuard, rank};

/// What changes rarely about a client.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    pub name: String,
    pub lib_name: String,
    pub lib_ver: String,
    /// Nobody for this server's master.
    pub user: Option<Arc<User>>,
    pub channels: usize,
    pub patterns: usize,
    pub shard_channels: usize,
    /// Commands queued by MULTI; -1 outside of it.
    pub multi: i64,
    pub watched: usize,
    /// Raised when one of them changes.
    pub watch_broken: Option<Arc<AtomicBool>>,
    pub tracking: bool,
    pub tracking_bcast: bool,
    pub redirect: i64,
    pub monitor: bool,
    pub no_evict: bool,
    pub no_touch: bool,
    pub imports: bool,
    pub resp3: bool,
    /// CLIENT CAPA redirect.
    pub follows_redirects: bool,
    pub part: ReplicationPart,
}

impl Profile {
    pub(super) fn is_subscribed(&self) -> bool {
        self.channels + self.patterns + self.shard_channels > 0
    }
}

/// What a connection is to replication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplicationPart {
    #[default]
    None,
    /// A replica of this server is at the other end.
    Replica,
    /// This server's master.
    Master,
}

/// How a blocked client was woken from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unblock {
    Timeout,
    Error,
    /// The server has become a replica.
    Moved,
    /// What it waits for is another node's now.
    Elsewhere,
    /// Clients were paused when there was something for it: the command runs anew once they no longer are.
    Again,
}

/// What became of a blocked client.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Fate {
    #[default]
    Blocked,
    /// This is its reply.
    Served(Vec<u8>),
    Woken(Unblock),
}

/// One wait of a client in a blocking command. What becomes of it is decided once, by whoever comes first; whoever
/// serves it keeps its fate locked for as long as that takes.
#[derive(Debug, Default)]
pub struct Wait {
    fate: Mutex<Fate, { rank("blocked client's fate") }>,
}

impl Wait {
    pub fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock()
    }

    pub fn is_decided(&self) -> bool {
        *self.fate.lock() != Fate::Blocked
    }

    /// Decides it; false if it was decided before.
    pub fn decide(&self, fate: Fate) -> bool {
        let mut held = self.fate.lock();
        let first = *held == Fate::Blocked;
        if first {
            *held = fate;
        }
        first
    }
}

/// One connection, seen from outside.
pub struct Client {
    pub id: u64,
    pub address: String,
    pub local_address: String,
    pub unix: bool,
    pub descriptor: i32,
    pub worker: usize,
    pub born_ms: u64,
    pub mailbox: Arc<Mailbox>,
    pub profile: Mutex<Profile, { rank("client profile") }>,
    pub db: AtomicUsize,
    /// The number of the last command's entry; `NO_COMMAND` before the first.
    pub last_command: AtomicU32,
    pub active_ms: AtomicU64,
    /// Bytes of the query read but not yet run, those of arguments before a large one, and the room for both.
    pub query_bytes: AtomicUsize,
    pub argv_bytes: AtomicUsize,
    pub query_capacity: AtomicUsize,
    /// Arguments of the command in which it is blocked.
    pub blocked_bytes: AtomicUsize,
    /// The room for replies, whether they fill it or not.
    pub reply_capacity: AtomicUsize,
    /// What MULTI queued, and the list of watched keys.
    pub multi_bytes: AtomicUsize,
    /// Subscriptions, and prefixes of tracking.
    pub listening_bytes: AtomicUsize,
    /// What of it is counted for `maxmemory-clients`, and the bucket that it is in.
    pub(super) counted_bytes: AtomicUsize,
    pub(super) bucket: AtomicUsize,
    pub input_bytes: AtomicU64,
    pub output_bytes: AtomicU64,
    /// Commands that it had run when its last batch began.
    pub commands: AtomicU64,
    /// Whether it is blocked in a command.
    pub blocked: AtomicBool,
    /// Its wait in a blocking command, if it is in one.
    wait: Mutex<Option<Arc<Wait>>, { rank("client wait") }>,
}

pub const NO_COMMAND: u32 = u32::MAX;
/// The bucket of a client that isn't to be closed.
pub(super) const NO_BUCKET: usize = usize::MAX;

impl Client {
    pub fn new(
        id: u64,
        address: String,
        local_address: String,
        descriptor: i32,
        worker: usize,
        now_ms: u64,
    ) -> Self {
        Client {
            id,
            unix: address.ends_with(":0") && address.starts_with('/'),
            address,
            local_address,
            descriptor,
            worker,
            born_ms: now_ms,
            mailbox: Arc::default(),
            profile: Mutex::new(Profile {
                multi: -1,
                redirect: -1,
                ..Profile::default()
            }),
            db: AtomicUsize::new(0),
            last_command: AtomicU32::new(NO_COMMAND),
            active_ms: AtomicU64::new(now_ms),
            query_bytes: AtomicUsize::new(0),
            argv_bytes: AtomicUsize::new(0),
            query_capacity: AtomicUsize::new(0),
            blocked_bytes: AtomicUsize::new(0),
            reply_capacity: AtomicUsize::new(0),
            multi_bytes: AtomicUsize::new(0),
            listening_bytes: AtomicUsize::new(0),
            counted_bytes: AtomicUsize::new(0),
            bucket: AtomicUsize::new(NO_BUCKET),
            input_bytes: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            wait: Mutex::default(),
        }
    }

    /// Bytes read of requests that have not run when its last batch began: none of these is larger.
    #[inline]
    pub fn unread(&self) -> u64 {
        let parts = [&self.query_bytes, &self.argv_bytes];
        parts
            .map(|part| part.load(Ordering::Relaxed) as u64)
            .iter()
            .sum()
    }

    /// Whether it connects from this machine.
    pub fn is_local(&self) -> bool {
        self.unix || self.address.starts_with("127.") || self.address.starts_with("[::1]")
    }

    pub fn part(&self) -> ReplicationPart {
        self.profile.lock().part
    }

    pub fn is_subscriber(&self) -> bool {
        self.profile.lock().is_subscribed()
    }

    /// Bytes that keeping it takes, its buffers aside.
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes_with(&self.profile.lock())
    }

    fn heap_bytes_with(&self, profile: &Profile) -> usize {
        let words = [
            &self.address,
            &self.local_address,
            &profile.name,
            &profile.lib_name,
            &profile.lib_ver,
        ];
        size_of::<Self>() + words.iter().map(|word| word.capacity()).sum::<usize>()
    }

    /// All that it takes: what `maxmemory-clients` counts.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes_with(&self.profile.lock())
    }

    /// All that it takes, for who has locked its profile.
    pub fn memory_bytes_with(&self, profile: &Profile) -> usize {
        self.heap_bytes_with(profile) + self.buffer_bytes()
    }

    fn buffer_bytes(&self) -> usize {
        let parts = [
            &self.query_capacity,
            &self.blocked_bytes,
            &self.reply_capacity,
            &self.multi_bytes,
            &self.listening_bytes,
        ];
        let parts = parts.iter().map(|part| part.load(Ordering::Relaxed));
        parts.sum::<usize>() + self.mailbox.waiting_bytes()
    }

    /// Begins a wait in a blocking command.
    pub(super) fn begin_wait(&self) -> Arc<Wait> {
        let wait = Arc::<Wait>::default();
        *self.wait.lock() = Some(wait.clone());
        wait
    }

    /// Ends its wait in a blocking command; false if it is in none, or was served or woken before.
    pub(super) fn wake(&self, how: Unblock) -> bool {
        let wait = self.wait.lock().clone();
        wait.is_some_and(|wait| wait.decide(Fate::Woken(how)))
    }

    /// Whether more waits for the client than may. It is asked to close then, and counted by whoever saw it first: the
    /// cron looks, and so does the connection.
    pub fn overflows(&self, limit: OutputLimit, now_ms: u64, counters: &Counters) -> bool {
        let overflows = self.mailbox.check(limit, now_ms).is_err();
        if overflows {
            self.overflowed(counters);
        }
        overflows
    }

    /// Asks the client to close, as more waited for it than might.
    pub fn overflowed(&self, counters: &Counters) {
        if self.mailbox.close() {
            counters.output_buffer_limit_disconnections.add(1);
            tracing::warn!(
                "Client {self} scheduled to be closed ASAP for overcoming of output buffer limits."
            );
        }
    }
}

/// As the log names it.
impl fmt::Display for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let profile = self.profile.lock();
        let name = |user: &Arc<User>| String::from_utf8_lossy(user.name()).into_owned();
        let user = profile.user.as_ref().map(name);
        write!(
            out,
            "id={} addr={} laddr={} fd={} name={} db={} user={}",
            self.id,
            self.address,
            self.local_address,
            self.descriptor,
            profile.name,
            self.db.load(Ordering::Relaxed),
            user.as_deref().unwrap_or("(superuser)")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_overflows_is_counted_once_by_whoever_sees_it() {
        let client = Client::new(1, "a:1".into(), "b:2".into(), 3, 0, 0);
        let counters = Counters::default();
        let limit = OutputLimit {
            hard_bytes: 100,
            soft_bytes: 0,
            soft_seconds: 0,
        };
        client.mailbox.set_unsent(100);
        assert!(!client.overflows(limit, 0, &counters));
        assert!(!client.mailbox.is_closing());
        client.mailbox.set_unsent(101);
        for _ in 0..2 {
            assert!(client.overflows(limit, 0, &counters));
        }
        assert!(client.mailbox.is_closing());
        assert_eq!(counters.output_buffer_limit_disconnections.get(), 1);
    }
}
