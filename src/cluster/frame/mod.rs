//! Frames of the bus: their bytes, which are Redis's, protocol version 1.
//!
//! A frame has a header of 2256 bytes, which tells of the sender and the slots that it claims, and a body that its type
//! decides. Numbers are big-endian. What comes is somebody's claim: every length is held against what has arrived, nothing is
//! allocated because a frame says so, and a name or an address that could not be one makes the frame, or the part, unread.

mod read;
mod write;

use bytes::Bytes;

use super::node::NodeId;
use super::slots::SlotSet;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 2256;
/// Bytes that tell how long a frame is, what it is and how much gossip it has.
pub const PREFIX_BYTES: usize = 16;
/// Bytes of one node in a ping's gossip.
pub const GOSSIP_BYTES: usize = 104;
/// Bytes of an IP address as text, with the zero that ends it.
pub const IP_BYTES: usize = 46;
/// Most bytes that extensions may take.
const EXTENSION_BYTES_MAX: usize = 1 << 20;
/// Most bytes of a frame from somebody whose name is not known yet, beside gossip.
const STRANGER_BYTES_MAX: usize = 64 << 10;
/// Most bytes of a message to a channel, with the channel.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// The highest epoch that anybody takes or believes: CLUSTER SET-CONFIG-EPOCH knows none above it.
pub const EPOCH_MAX: u64 = i64::MAX as u64;
/// Nodes of which a ping from a stranger may tell, at most.
const STRANGER_GOSSIP_MAX: usize = 1024;

const VERSION: u16 = 1;
const SIGNATURE: &[u8] = b"RCmb";

/// Flags of a frame, in the first byte that headers have for them.
pub mod mark {
    /// The sender is a master that holds its clients back for a manual failover.
    pub const PAUSED: u8 = 1;
    /// A vote is asked for although the master works.
    pub const FORCE_ACK: u8 = 2;
    /// The sender understands extensions, and may have sent some.
    pub const EXTENSIONS: u8 = 4;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum FrameKind {
    Ping = 0,
    Pong = 1,
    Meet = 2,
    Fail = 3,
    Publish = 4,
    AuthRequest = 5,
    AuthAck = 6,
    Update = 7,
    ManualStart = 8,
    Module = 9,
    PublishShard = 10,
}

impl FrameKind {
    pub const ALL: [FrameKind; 11] = [
        FrameKind::Ping,
        FrameKind::Pong,
        FrameKind::Meet,
        FrameKind::Fail,
        FrameKind::Publish,
        FrameKind::AuthRequest,
        FrameKind::AuthAck,
        FrameKind::Update,
        FrameKind::ManualStart,
        FrameKind::Module,
        FrameKind::PublishShard,
    ];

    fn of(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// CLUSTER INFO's word.
    pub fn word(self) -> &'static str {
        match self {
            FrameKind::Ping => "ping",
            FrameKind::Pong => "pong",
            FrameKind::Meet => "meet",
            FrameKind::Fail => "fail",
            FrameKind::Publish => "publish",
            FrameKind::AuthRequest => "auth-req",
            FrameKind::AuthAck => "auth-ack",
            FrameKind::Update => "update",
            FrameKind::ManualStart => "mfstart",
            FrameKind::Module => "module",
            FrameKind::PublishShard => "publishshard",
        }
    }
}

/// What a sender says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    pub kind: FrameKind,
    pub sender: NodeId,
    pub current_epoch: u64,
    /// The epoch of its claim to the slots; of its master's, if it is a replica.
    pub config_epoch: u64,
    pub repl_offset: u64,
    /// What it claims, or what its master does.
    pub slots: SlotSet,
    pub master: Option<NodeId>,
    /// The address that it announces; empty if others shall find it out.
    pub ip: String,
    /// Clients' main port: the one over TLS where the bus speaks TLS.
    pub port: u16,
    /// Clients' other port; 0 for none.
    pub other_port: u16,
    pub bus_port: u16,
    pub flags: u16,
    pub is_ok: bool,
    pub marks: u8,
}

/// What a ping tells of a third node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gossip {
    pub id: NodeId,
    pub ping_sent_s: u32,
    pub pong_received_s: u32,
    pub ip: String,
    pub port: u16,
    pub other_port: u16,
    pub bus_port: u16,
    pub flags: u16,
}

/// What a ping has behind its gossip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension {
    Hostname(String),
    HumanName(String),
    /// A node that was forgotten, and for how many seconds it is to be.
    Forgotten {
        id: NodeId,
        seconds: u64,
    },
    Shard(NodeId),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameBody {
    /// Of a ping, pong or meet.
    Ping {
        gossip: Vec<Gossip>,
        extensions: Vec<Extension>,
    },
    Fail {
        id: NodeId,
    },
    Publish {
        channel: Bytes,
        message: Bytes,
    },
    Update {
        id: NodeId,
        config_epoch: u64,
        slots: SlotSet,
    },
    /// The type says it all, or it is a module's, of which there are none.
    Empty,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub header: FrameHeader,
    pub body: FrameBody,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFrame {
    /// It doesn't begin like one: nothing that follows can be found.
    Signature,
    /// It is shorter than a header, or longer than its type and its sender may make it.
    Length,
    /// What follows can be found; this frame can't be read.
    Content(&'static str),
}

#[cfg(test)]
mod tests;
