//! How an instance is reached: one connection for commands, one for what is published there.
//!
//! Another Sentinel that watches several masters is an instance for each of them, and all of these share one link: it is pinged
//! once, and is down for all of them or for none.

/// One connection; no number is given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WireId(pub(super) u64);

/// A link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkKey(pub(super) u64);

#[derive(Debug)]
pub struct InstanceLink {
    /// The instances that share it.
    pub owners: usize,
    /// One of its connections has to be opened.
    pub disconnected: bool,
    pub pending: usize,
    pub commands: Option<WireId>,
    pub commands_since_ms: i64,
    pub pubsub: Option<WireId>,
    pub pubsub_since_ms: i64,
    pub pubsub_heard_ms: i64,
    /// When it last answered a PING as it should.
    pub last_avail_ms: i64,
    /// When the PING was sent that nothing has answered yet; 0 for none.
    pub act_ping_ms: i64,
    pub last_ping_ms: i64,
    /// When it last answered a PING, in whatever way.
    pub last_pong_ms: i64,
    pub last_reconn_ms: i64,
    /// The address of this end.
    pub local_ip: Option<String>,
}

impl InstanceLink {
    /// A link that has yet to be opened. A PING is held to be under way, so that who is never reached is down in time.
    pub fn new(now_ms: i64) -> Self {
        InstanceLink {
            owners: 1,
            disconnected: true,
            pending: 0,
            commands: None,
            commands_since_ms: 0,
            pubsub: None,
            pubsub_since_ms: 0,
            pubsub_heard_ms: 0,
            last_avail_ms: now_ms,
            act_ping_ms: now_ms,
            last_ping_ms: 0,
            last_pong_ms: now_ms,
            last_reconn_ms: 0,
            local_ip: None,
        }
    }
}
