//! Somebody who is watched: a master, one of its replicas, or another Sentinel that watches that master, too.

use std::sync::Arc;

use super::address::InstanceAddress;
use super::link::LinkKey;

/// An instance, for as long as it is known; no number is given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub(super) u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceKind {
    Master,
    Replica,
    Sentinel,
}

impl InstanceKind {
    /// The word that events have for it.
    pub fn word(self) -> &'static str {
        match self {
            InstanceKind::Master => "master",
            InstanceKind::Replica => "slave",
            InstanceKind::Sentinel => "sentinel",
        }
    }
}

/// How far a replica has come with following the new master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconf {
    Sent,
    InProgress,
    Done,
}

/// A replica's rank for promotion unless it says another one.
const PRIORITY: i32 = 100;

/// Times are in milliseconds; 0 is never.
#[derive(Debug)]
pub struct Instance {
    pub kind: InstanceKind,
    /// The name of the master that it belongs to, or is.
    pub group: Arc<str>,
    /// A master's name, a replica's address, a Sentinel's id.
    pub name: String,
    pub run_id: Option<String>,
    pub address: InstanceAddress,
    pub link: LinkKey,
    /// When a hello was last published there.
    pub last_pub_ms: i64,
    pub s_down: bool,
    pub s_down_since_ms: i64,
    pub o_down: bool,
    pub o_down_since_ms: i64,
    pub script_kill_sent: bool,
    pub rebooted: bool,
    pub rebooted_since_ms: i64,
    /// The number of what it has said of itself and waits for names of hosts.
    pub waiting_info: Option<u64>,
    /// What it last said of itself, and when.
    pub info: Option<Vec<u8>>,
    pub info_ms: i64,
    /// The role that it says it has.
    pub reported: Option<InstanceKind>,
    pub reported_ms: i64,
    pub replica: ReplicaFacts,
    pub voter: VoterFacts,
}

/// What is known of a replica.
#[derive(Debug)]
pub struct ReplicaFacts {
    pub master_host: Option<String>,
    pub master_port: i32,
    /// When it was last seen to follow somebody else.
    pub conf_changed_ms: i64,
    pub link_down_ms: i64,
    pub link_up: bool,
    pub priority: i32,
    pub announced: i32,
    pub offset: u64,
    pub promoted: bool,
    pub reconf: Option<Reconf>,
    pub reconf_sent_ms: i64,
}

/// What is known of another Sentinel.
#[derive(Debug)]
pub struct VoterFacts {
    pub last_hello_ms: i64,
    /// It thinks that the master is down.
    pub master_down: bool,
    pub last_down_reply_ms: i64,
    /// Whom it has voted for.
    pub leader: Option<String>,
    pub leader_epoch: u64,
}

impl Instance {
    pub fn new(
        kind: InstanceKind,
        group: Arc<str>,
        name: String,
        address: InstanceAddress,
        link: LinkKey,
        now_ms: i64,
    ) -> Self {
        Instance {
            kind,
            group,
            name,
            run_id: None,
            address,
            link,
            last_pub_ms: now_ms,
            s_down: false,
            s_down_since_ms: 0,
            o_down: false,
            o_down_since_ms: 0,
            script_kill_sent: false,
            rebooted: false,
            rebooted_since_ms: 0,
            waiting_info: None,
            info: None,
            info_ms: 0,
            reported: (kind != InstanceKind::Sentinel).then_some(kind),
            reported_ms: now_ms,
            replica: ReplicaFacts {
                master_host: None,
                master_port: 0,
                conf_changed_ms: now_ms,
                link_down_ms: 0,
                link_up: false,
                priority: PRIORITY,
                announced: 1,
                offset: 0,
                promoted: false,
                reconf: None,
                reconf_sent_ms: 0,
            },
            voter: VoterFacts {
                last_hello_ms: now_ms,
                master_down: false,
                last_down_reply_ms: now_ms,
                leader: None,
                leader_epoch: 0,
            },
        }
    }

    /// Whether nothing was wrong with it for so long.
    pub fn was_up_for(&self, time_ms: i64, now_ms: i64) -> bool {
        let last_ms = self.s_down_since_ms.max(self.o_down_since_ms);
        last_ms == 0 || now_ms - last_ms > time_ms
    }
}
