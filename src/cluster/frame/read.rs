//! Frames, read: from anybody, so each byte is held against what there may be.

use bytes::Bytes;

use super::super::node::NodeId;
use super::super::slots::{SLOT_BYTES, SlotSet};
use super::{
    BadFrame, EPOCH_MAX, EXTENSION_BYTES_MAX, Extension, Frame, FrameBody, FrameHeader, FrameKind,
    GOSSIP_BYTES, Gossip, HEADER_BYTES, IP_BYTES, MESSAGE_BYTES_MAX, PREFIX_BYTES, SIGNATURE,
    STRANGER_BYTES_MAX, STRANGER_GOSSIP_MAX, VERSION, mark,
};

/// Longest name of a host or a node that is taken.
const NAME_MAX: usize = 255;

/// Bytes that are left to be read, from the front.
struct RestOfFrame<'b>(&'b [u8]);

impl<'b> RestOfFrame<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        self.take(LEN)?.try_into().ok()
    }

    fn short(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn int(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A name, or forty zeros where there is none; `None` inside if it can be neither.
    fn name(&mut self) -> Option<Result<Option<NodeId>, ()>> {
        let bytes = self.take(NodeId::BYTES)?;
        Some(match bytes.iter().all(|byte| *byte == 0) {
            true => Ok(None),
            false => NodeId::parse(bytes).map(Some).ok_or(()),
        })
    }

    fn ip(&mut self) -> Option<Result<String, ()>> {
        self.take(IP_BYTES).map(|bytes| ended(bytes, IP_BYTES - 1))
    }
}

/// The text before a zero: of letters, digits and what else stands in addresses and names of hosts.
fn ended(bytes: &[u8], len_max: usize) -> Result<String, ()> {
    let end = memchr::memchr(0, bytes).ok_or(())?;
    let text = &bytes[..end];
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".:-_%".contains(byte);
    if end > len_max || !text.iter().all(plain) {
        return Err(());
    }
    Ok(String::from_utf8_lossy(text).into_owned())
}

const SHORT: BadFrame = BadFrame::Content("it is shorter than what it says it has");

const NO_EPOCH: &str = "it has an epoch that could be none";

impl Frame {
    /// How long the frame is that begins so; none while that can't be told. `known`: its sender is one of the cluster.
    pub fn length(begin: &[u8], known: bool) -> Result<Option<usize>, BadFrame> {
        let signature = &begin[..begin.len().min(SIGNATURE.len())];
        if *signature != SIGNATURE[..signature.len()] {
            return Err(BadFrame::Signature);
        }
        let mut rest = RestOfFrame(begin);
        if begin.len() < PREFIX_BYTES {
            return Ok(None);
        }
        let (_, len) = (rest.int(), rest.int().unwrap_or(0) as usize);
        let (version, _) = (rest.short(), rest.short());
        let (kind, count) = (rest.short().unwrap_or(0), rest.short().unwrap_or(0));
        let most = match FrameKind::of(kind) {
            Some(FrameKind::Ping | FrameKind::Pong | FrameKind::Meet) => {
                let count = usize::from(count);
                match known {
                    true => GOSSIP_BYTES * count + EXTENSION_BYTES_MAX,
                    false => GOSSIP_BYTES * count.min(STRANGER_GOSSIP_MAX) + STRANGER_BYTES_MAX,
                }
            }
            Some(FrameKind::Publish | FrameKind::PublishShard) if known => MESSAGE_BYTES_MAX,
            _ => STRANGER_BYTES_MAX,
        };
        let most = HEADER_BYTES
            + if version == Some(VERSION) {
                most
            } else {
                STRANGER_BYTES_MAX
            };
        match (HEADER_BYTES..=most).contains(&len) {
            true => Ok(Some(len)),
            false => Err(BadFrame::Length),
        }
    }

    /// Reads one whole frame, of the length that it says.
    pub fn read(bytes: &Bytes) -> Result<Self, BadFrame> {
        let header = read_header(bytes)?;
        let body = read_body(&header, bytes)?;
        Ok(Frame { header, body })
    }
}

fn read_header(bytes: &[u8]) -> Result<FrameHeader, BadFrame> {
    let mut rest = RestOfFrame(bytes);
    let mut read = || {
        rest.take(SIGNATURE.len() + 4)?;
        let (version, port, kind, _count) =
            (rest.short()?, rest.short()?, rest.short()?, rest.short()?);
        let (current_epoch, config_epoch, repl_offset) = (rest.long()?, rest.long()?, rest.long()?);
        let sender = rest.name()?;
        let slots = SlotSet::of_bytes(rest.take(SLOT_BYTES)?);
        let (master, ip, _extensions) = (rest.name()?, rest.ip()?, rest.short()?);
        rest.take(30)?;
        let (other_port, bus_port, flags) = (rest.short()?, rest.short()?, rest.short()?);
        let [state, marks, _, _] = rest.array()?;
        let bad = |why| Some(Err(BadFrame::Content(why)));
        if version != VERSION {
            return bad("it is of another version");
        }
        let Some(kind) = FrameKind::of(kind) else {
            return bad("it is of an unknown type");
        };
        let (Ok(Some(sender)), Ok(master), Ok(ip)) = (sender, master, ip) else {
            return bad("its sender has no name or address that could be one");
        };
        if current_epoch.max(config_epoch) > EPOCH_MAX {
            return bad(NO_EPOCH);
        }
        Some(Ok(FrameHeader {
            kind,
            sender,
            current_epoch,
            config_epoch,
            repl_offset,
            slots,
            master,
            ip,
            port,
            other_port,
            bus_port,
            flags,
            is_ok: state == 0,
            marks,
        }))
    };
    read().unwrap_or(Err(SHORT))
}

/// Where the header has its numbers of gossip and of extensions.
const COUNT_AT: usize = 14;
const EXTENSIONS_AT: usize = 2214;

fn read_body(header: &FrameHeader, bytes: &Bytes) -> Result<FrameBody, BadFrame> {
    let mut rest = RestOfFrame(bytes.get(HEADER_BYTES..).ok_or(SHORT)?);
    let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let body = match header.kind {
        FrameKind::Ping | FrameKind::Pong | FrameKind::Meet => {
            let gossip = read_gossip(number(COUNT_AT), &mut rest)?;
            let extensions = match header.marks & mark::EXTENSIONS {
                0 => Vec::new(),
                _ => read_extensions(number(EXTENSIONS_AT), &mut rest)?,
            };
            FrameBody::Ping { gossip, extensions }
        }
        FrameKind::Fail => FrameBody::Fail {
            id: read_name(&mut rest)?,
        },
        FrameKind::Publish | FrameKind::PublishShard => read_message(&mut rest, bytes)?,
        FrameKind::Update => {
            let config_epoch = rest.long().ok_or(SHORT)?;
            if config_epoch > EPOCH_MAX {
                return Err(BadFrame::Content(NO_EPOCH));
            }
            let id = read_name(&mut rest)?;
            let slots = SlotSet::of_bytes(rest.take(SLOT_BYTES).ok_or(SHORT)?);
            FrameBody::Update {
                id,
                config_epoch,
                slots,
            }
        }
        FrameKind::Module => {
            rest.0 = &[];
            FrameBody::Empty
        }
        FrameKind::AuthRequest | FrameKind::AuthAck | FrameKind::ManualStart => FrameBody::Empty,
    };
    match rest.0.is_empty() {
        true => Ok(body),
        false => Err(BadFrame::Content("it is longer than what it says it has")),
    }
}

fn read_name(rest: &mut RestOfFrame<'_>) -> Result<NodeId, BadFrame> {
    match rest.name().ok_or(SHORT)? {
        Ok(Some(id)) => Ok(id),
        _ => Err(BadFrame::Content("it is about a node without a name")),
    }
}

/// Reads what is told of other nodes. One whose name or address can't be one is left out.
fn read_gossip(count: u16, rest: &mut RestOfFrame<'_>) -> Result<Vec<Gossip>, BadFrame> {
    let all = rest.take(GOSSIP_BYTES * usize::from(count)).ok_or(SHORT)?;
    let read = |piece| {
        let mut rest = RestOfFrame(piece);
        let (id, ping_sent_s, pong_received_s) = (rest.name()?.ok()??, rest.int()?, rest.int()?);
        Some(Gossip {
            id,
            ping_sent_s,
            pong_received_s,
            ip: rest.ip()?.ok()?,
            port: rest.short()?,
            bus_port: rest.short()?,
            flags: rest.short()?,
            other_port: rest.short()?,
        })
    };
    Ok(all.chunks_exact(GOSSIP_BYTES).filter_map(read).collect())
}

/// Reads extensions. Those of kinds that are not known are left out.
fn read_extensions(count: u16, rest: &mut RestOfFrame<'_>) -> Result<Vec<Extension>, BadFrame> {
    let mut found = Vec::new();
    for _ in 0..count {
        let (Some(len), Some(kind), Some(_)) = (rest.int(), rest.short(), rest.short()) else {
            return Err(SHORT);
        };
        let len = (len as usize).checked_sub(8).filter(|len| len % 8 == 0);
        let len = len.ok_or(BadFrame::Content(
            "an extension has no length that could be one",
        ))?;
        found.extend(read_extension(kind, rest.take(len).ok_or(SHORT)?));
    }
    Ok(found)
}

fn read_extension(kind: u16, data: &[u8]) -> Option<Extension> {
    let mut rest = RestOfFrame(data);
    match kind {
        0 => Some(Extension::Hostname(ended(data, NAME_MAX).ok()?)),
        1 => Some(Extension::HumanName(human_name(data)?)),
        2 => Some(Extension::Forgotten {
            id: rest.name()?.ok()??,
            seconds: rest.long()?,
        }),
        3 => Some(Extension::Shard(rest.name()?.ok()??)),
        _ => None,
    }
}

/// A name that people gave a node: whatever doesn't end a word in the file of nodes.
fn human_name(data: &[u8]) -> Option<String> {
    let name = &data[..memchr::memchr(0, data)?];
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b",=\"'\\".contains(byte);
    let fits = name.len() <= NAME_MAX && name.iter().all(plain);
    fits.then(|| String::from_utf8_lossy(name).into_owned())
}

fn read_message(rest: &mut RestOfFrame<'_>, bytes: &Bytes) -> Result<FrameBody, BadFrame> {
    let (Some(channel), Some(message)) = (rest.int(), rest.int()) else {
        return Err(SHORT);
    };
    let channel = rest.take(channel as usize).ok_or(SHORT)?;
    let message = rest.take(message as usize).ok_or(SHORT)?;
    Ok(FrameBody::Publish {
        channel: bytes.slice_ref(channel),
        message: bytes.slice_ref(message),
    })
}
