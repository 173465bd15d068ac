//! A node of the cluster, as another one knows it.

use std::collections::HashMap;
use std::fmt;
use std::ops::{Index, IndexMut};

use super::slots::SlotSet;
use crate::util::chance::Rng;

/// A connection of the bus. Numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Characters of a node's name.
const ID_BYTES: usize = 40;

/// A node's name: forty characters, hexadecimal digits wherever Redis or this server made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; ID_BYTES]);

impl NodeId {
    pub const BYTES: usize = ID_BYTES;

    /// Reads a name; none if it has another length or other characters than Redis takes.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let name: [u8; ID_BYTES] = text.try_into().ok()?;
        name.iter().all(plain).then_some(NodeId(name))
    }

    /// A new name.
    pub fn random(rng: &mut Rng) -> Self {
        NodeId(std::array::from_fn(|_| {
            char::from_digit(rng.u32(0..16), 16).unwrap_or('0') as u8
        }))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("a node's name is ASCII: NodeId::parse checks it")
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.as_str()[..8])
    }
}

/// What a node is, one bit each, with the numbers that frames have.
pub mod flag {
    pub const MASTER: u16 = 1;
    pub const REPLICA: u16 = 2;
    /// It has been silent for too long for this node.
    pub const PFAIL: u16 = 4;
    /// It has been silent for too long for most masters.
    pub const FAIL: u16 = 8;
    pub const MYSELF: u16 = 16;
    /// Its first pong, which tells its real name, has yet to come.
    pub const HANDSHAKE: u16 = 32;
    pub const NO_ADDRESS: u16 = 64;
    /// The first frame that is sent to it is a MEET.
    pub const MEET: u16 = 128;
    /// A master that has, or had, replicas: others may move to it.
    pub const MIGRATE_TO: u16 = 256;
    pub const NO_FAILOVER: u16 = 512;
    /// It understands extensions behind the gossip of a ping.
    pub const EXTENSIONS: u16 = 1024;

    /// Words of CLUSTER NODES, in its order.
    pub const WORDS: &[(u16, &str)] = &[
        (MYSELF, "myself"),
        (MASTER, "master"),
        (REPLICA, "slave"),
        (PFAIL, "fail?"),
        (FAIL, "fail"),
        (HANDSHAKE, "handshake"),
        (NO_ADDRESS, "noaddr"),
        (NO_FAILOVER, "nofailover"),
    ];
}

/// The words for flags, with commas between them.
pub fn flag_words(flags: u16) -> String {
    let words = flag::WORDS.iter().filter(|(bit, _)| flags & bit != 0);
    let words: Vec<&str> = words.map(|(_, word)| *word).collect();
    match words.is_empty() {
        true => "noflags".into(),
        false => words.join(","),
    }
}

/// A node's place in [`Nodes`].
pub type At = u16;

/// Where a node is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAddress {
    pub ip: String,
    /// Clients' port in clear; 0 for none.
    pub tcp_port: u16,
    /// Clients' port over TLS; 0 for none.
    pub tls_port: u16,
    /// The bus's.
    pub bus_port: u16,
}

/// A master that another node holds for dead.
#[derive(Clone, Copy, Debug)]
pub struct FailureReport {
    pub by: At,
    pub at_ms: u64,
}

#[derive(Clone, Debug)]
pub struct ClusterNode {
    pub id: NodeId,
    pub flags: u16,
    pub place: NodeAddress,
    pub hostname: String,
    pub human_name: String,
    /// Names the master and its replicas together.
    pub shard: NodeId,
    pub config_epoch: u64,
    pub slots: SlotSet,
    /// Whom it copies, if it is a replica and its master is known.
    pub master: Option<At>,
    pub created_ms: u64,
    /// When the ping was sent that it has not answered yet; 0 for none.
    pub ping_sent_ms: u64,
    pub pong_received_ms: u64,
    pub data_received_ms: u64,
    pub failed_ms: u64,
    /// When this node last voted for one of its replicas.
    pub voted_ms: u64,
    /// Since when it is a master with slots and no working replica; 0 if it isn't.
    pub orphaned_ms: u64,
    pub repl_offset: u64,
    pub repl_offset_ms: u64,
    pub reports: Vec<FailureReport>,
    /// The connection to it.
    pub link: Option<LinkId>,
    /// The connection that it has opened.
    pub inbound: Option<LinkId>,
    /// The number of the last ping that told of it.
    pub gossiped: u64,
}

impl ClusterNode {
    pub fn new(id: NodeId, flags: u16, now_ms: u64) -> Self {
        ClusterNode {
            id,
            flags,
            place: NodeAddress::default(),
            hostname: String::new(),
            human_name: String::new(),
            shard: id,
            config_epoch: 0,
            slots: SlotSet::default(),
            master: None,
            created_ms: now_ms,
            ping_sent_ms: 0,
            pong_received_ms: 0,
            data_received_ms: 0,
            failed_ms: 0,
            voted_ms: 0,
            orphaned_ms: 0,
            repl_offset: 0,
            repl_offset_ms: 0,
            reports: Vec::new(),
            link: None,
            inbound: None,
            gossiped: 0,
        }
    }

    /// Whether any of these flags is set.
    #[inline]
    pub fn is(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    pub fn is_master(&self) -> bool {
        self.is(flag::MASTER)
    }

    pub fn is_replica(&self) -> bool {
        self.is(flag::REPLICA)
    }

    /// Whether it has a say: a master with slots.
    pub fn votes(&self) -> bool {
        self.is_master() && !self.slots.is_empty()
    }

    /// Sets or clears flags; whether that changed anything.
    pub fn put(&mut self, flags: u16, on: bool) -> bool {
        let before = self.flags;
        match on {
            true => self.flags |= flags,
            false => self.flags &= !flags,
        }
        self.flags != before
    }

    /// What logs call it: its name, and the name that people gave it.
    pub fn called(&self) -> String {
        format!("{} ({})", self.id, self.human_name)
    }
}

/// All nodes that one knows, itself among them. A node keeps its place as long as it is known.
#[derive(Default)]
pub struct Nodes {
    places: Vec<Option<ClusterNode>>,
    by_id: HashMap<NodeId, At>,
}

impl Nodes {
    /// Most nodes that are taken note of: places are numbers of 16 bits, and one more means none.
    pub const MAX: usize = At::MAX as usize - 1;

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn find(&self, id: &NodeId) -> Option<At> {
        self.by_id.get(id).copied()
    }

    /// Adds a node whose name is new; none if there are too many.
    pub fn add(&mut self, node: ClusterNode) -> Option<At> {
        debug_assert!(!self.by_id.contains_key(&node.id));
        let free = self.places.iter().position(Option::is_none);
        let at = free.unwrap_or(self.places.len());
        if at >= Self::MAX {
            return None;
        }
        self.by_id.insert(node.id, at as At);
        match free {
            Some(at) => self.places[at] = Some(node),
            None => self.places.push(Some(node)),
        }
        Some(at as At)
    }

    pub fn remove(&mut self, at: At) -> Option<ClusterNode> {
        let node = self.places.get_mut(usize::from(at))?.take()?;
        self.by_id.remove(&node.id);
        Some(node)
    }

    pub fn rename(&mut self, at: At, id: NodeId) {
        let before = self[at].id;
        self.by_id.remove(&before);
        self.by_id.insert(id, at);
        self[at].id = id;
    }

    pub fn iter(&self) -> impl Iterator<Item = (At, &ClusterNode)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(at, node)| Some((at as At, node.as_ref()?)))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (At, &mut ClusterNode)> {
        let places = self.places.iter_mut().enumerate();
        places.filter_map(|(at, node)| Some((at as At, node.as_mut()?)))
    }

    /// Everybody's place, for loops that change what they look at.
    pub fn all(&self) -> Vec<At> {
        self.iter().map(|(at, _)| at).collect()
    }

    pub fn replicas(&self, master: At) -> impl Iterator<Item = (At, &ClusterNode)> {
        let is = move |(_, node): &(At, &ClusterNode)| node.master == Some(master);
        self.iter().filter(is)
    }

    /// Notes whose replica a node is. A master that gets one is a place that others may move to, until its last has
    /// left; if that dies, it stays one.
    pub fn set_master(&mut self, replica: At, master: Option<At>) {
        let before = std::mem::replace(&mut self[replica].master, master);
        if let Some(before) = before.filter(|before| Some(*before) != master)
            && self.replicas(before).next().is_none()
        {
            self[before].put(flag::MIGRATE_TO, false);
        }
        if let Some(master) = master {
            self[master].put(flag::MIGRATE_TO, true);
        }
    }

    /// Replicas that are not held for dead.
    pub fn working_replicas(&self, master: At) -> usize {
        let replicas = self.replicas(master);
        replicas.filter(|(_, node)| !node.is(flag::FAIL)).count()
    }
}

impl Index<At> for Nodes {
    type Output = ClusterNode;

    fn index(&self, at: At) -> &ClusterNode {
        let node = self.places[usize::from(at)].as_ref();
        node.expect("a node that was forgotten: Cluster::remove_node clears what points to it")
    }
}

impl IndexMut<At> for Nodes {
    fn index_mut(&mut self, at: At) -> &mut ClusterNode {
        let node = self.places[usize::from(at)].as_mut();
        node.expect("a node that was forgotten: Cluster::remove_node clears what points to it")
    }
}
