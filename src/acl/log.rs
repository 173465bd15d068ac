//! ACL LOG: what was denied, newest first. What happens again and again is one entry with a count.

use crate::util::ranked::{Mutex, rank};
use std::collections::VecDeque;

/// What was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Command,
    Key,
    Channel,
    Database,
    /// A log-in.
    Auth,
    /// A log-in by a client's certificate.
    Certificate,
}

impl Reason {
    pub fn word(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Database => "database",
            Reason::Auth => "auth",
            Reason::Certificate => "tls-cert",
        }
    }
}

/// Where the command came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    Toplevel,
    Multi,
    Lua,
}

impl Context {
    pub fn word(self) -> &'static str {
        match self {
            Context::Toplevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

#[derive(Clone, Debug)]
pub struct AclLogEntry {
    pub id: u64,
    pub count: u64,
    pub reason: Reason,
    pub context: Context,
    /// The command, key or channel.
    pub object: Vec<u8>,
    pub user: Vec<u8>,
    /// The client's line of CLIENT LIST when it happened last.
    pub client: String,
    pub created_ms: u64,
    pub updated_ms: u64,
}

impl AclLogEntry {
    pub fn new(
        reason: Reason,
        context: Context,
        object: &[u8],
        user: &[u8],
        client: String,
        now_ms: u64,
    ) -> Self {
        AclLogEntry {
            id: 0,
            count: 1,
            reason,
            context,
            object: object.to_vec(),
            user: user.to_vec(),
            client,
            created_ms: now_ms,
            updated_ms: now_ms,
        }
    }

    fn is_like(&self, other: &AclLogEntry) -> bool {
        self.reason == other.reason
            && self.context == other.context
            && self.updated_ms.abs_diff(other.updated_ms) <= ALIKE_MS_MAX
            && self.object == other.object
            && self.user == other.user
    }
}

/// Only so long after the last time is it the same again.
const ALIKE_MS_MAX: u64 = 60_000;
/// So many of the newest entries are looked at for one that is alike.
const LOOKED_AT: usize = 10;

#[derive(Default)]
struct AclLogState {
    next_id: u64,
    entries: VecDeque<AclLogEntry>,
}

#[derive(Default)]
pub struct AclLog(Mutex<AclLogState, { rank("acl log") }>);

impl AclLog {
    pub fn push(&self, mut entry: AclLogEntry, len_max: usize) {
        let mut state = self.0.lock();
        let mut newest = state.entries.iter().take(LOOKED_AT);
        let alike = newest.position(|held| held.is_like(&entry));
        match alike.and_then(|at| state.entries.remove(at)) {
            Some(held) => {
                entry.count = held.count + 1;
                (entry.id, entry.created_ms) = (held.id, held.created_ms);
                state.entries.push_front(entry);
            }
            None => {
                entry.id = state.next_id;
                state.next_id += 1;
                state.entries.push_front(entry);
                state.entries.truncate(len_max);
            }
        }
    }

    pub fn newest(&self, count: usize) -> Vec<AclLogEntry> {
        self.0.lock().entries.iter().take(count).cloned().collect()
    }

    pub fn reset(&self) {
        self.0.lock().entries.clear();
    }
}
