//! Frames, written.

use super::super::node::NodeId;
use super::{
    Extension, Frame, FrameBody, FrameHeader, GOSSIP_BYTES, Gossip, HEADER_BYTES, IP_BYTES,
    SIGNATURE, VERSION, mark,
};
use bytes::Bytes;

impl Frame {
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(HEADER_BYTES + GOSSIP_BYTES * self.gossip_count());
        self.header.write(self, &mut out);
        debug_assert_eq!(out.len(), HEADER_BYTES);
        match &self.body {
            FrameBody::Ping { gossip, extensions } => {
                gossip.iter().for_each(|one| one.write(&mut out));
                extensions.iter().for_each(|one| one.write(&mut out));
            }
            FrameBody::Fail { id } => out.extend_from_slice(id.as_bytes()),
            FrameBody::Publish { channel, message } => {
                out.extend_from_slice(&(channel.len() as u32).to_be_bytes());
                out.extend_from_slice(&(message.len() as u32).to_be_bytes());
                out.extend_from_slice(channel);
                out.extend_from_slice(message);
            }
            FrameBody::Update {
                id,
                config_epoch,
                slots,
            } => {
                out.extend_from_slice(&config_epoch.to_be_bytes());
                out.extend_from_slice(id.as_bytes());
                out.extend_from_slice(&slots.to_bytes());
            }
            FrameBody::Empty => {}
        }
        let len = out.len() as u32;
        out[4..8].copy_from_slice(&len.to_be_bytes());
        out.into()
    }

    fn gossip_count(&self) -> usize {
        match &self.body {
            FrameBody::Ping { gossip, .. } => gossip.len(),
            _ => 0,
        }
    }
}

impl FrameHeader {
    fn write(&self, frame: &Frame, out: &mut Vec<u8>) {
        let extensions = match &frame.body {
            FrameBody::Ping { extensions, .. } => extensions.len() as u16,
            _ => 0,
        };
        let short = |number: u16, out: &mut Vec<u8>| out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(SIGNATURE);
        // The length, once it is known.
        out.extend_from_slice(&[0; 4]);
        short(VERSION, out);
        short(self.port, out);
        short(self.kind as u16, out);
        short(frame.gossip_count() as u16, out);
        for number in [self.current_epoch, self.config_epoch, self.repl_offset] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(self.sender.as_bytes());
        out.extend_from_slice(&self.slots.to_bytes());
        match &self.master {
            Some(master) => out.extend_from_slice(master.as_bytes()),
            None => out.extend_from_slice(&[0; NodeId::BYTES]),
        }
        write_ip(&self.ip, out);
        short(extensions, out);
        out.extend_from_slice(&[0; 30]);
        short(self.other_port, out);
        short(self.bus_port, out);
        short(self.flags, out);
        out.push(u8::from(!self.is_ok));
        out.extend_from_slice(&[self.marks, 0, 0]);
        debug_assert!(extensions == 0 || self.marks & mark::EXTENSIONS != 0);
    }
}

impl Gossip {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(&self.ping_sent_s.to_be_bytes());
        out.extend_from_slice(&self.pong_received_s.to_be_bytes());
        write_ip(&self.ip, out);
        for number in [self.port, self.bus_port, self.flags, self.other_port, 0] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

impl Extension {
    fn write(&self, out: &mut Vec<u8>) {
        let (number, mut data) = match self {
            Extension::Hostname(name) => (0u16, ended(name)),
            Extension::HumanName(name) => (1, ended(name)),
            Extension::Forgotten { id, seconds } => {
                let mut data = id.as_bytes().to_vec();
                data.extend_from_slice(&seconds.to_be_bytes());
                (2, data)
            }
            Extension::Shard(id) => (3, id.as_bytes().to_vec()),
        };
        data.resize(data.len().next_multiple_of(8), 0);
        out.extend_from_slice(&(data.len() as u32 + 8).to_be_bytes());
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&data);
    }
}

/// A text with the zero that ends it.
fn ended(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn write_ip(ip: &str, out: &mut Vec<u8>) {
    let mut bytes = [0; IP_BYTES];
    // A longer one could not be announced; the last byte stays zero.
    let len = ip.len().min(IP_BYTES - 1);
    bytes[..len].copy_from_slice(&ip.as_bytes()[..len]);
    out.extend_from_slice(&bytes);
}
