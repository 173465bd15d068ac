//! Frames that redis-server 7.0.15 and 8.2.3 and Valkey 9.1.2 have sent, and what else may come.
//!
//! `captured.txt` has a line for each: the server, the type, and the bytes in hexadecimal, with the number of zeros in
//! brackets where there are several. A line `id` names the node, its shard and its port.

use super::*;
use crate::cluster::flag;
use crate::util::chance::Rng;

const CAPTURED: &str = include_str!("captured.txt");

fn bytes_of(text: &str) -> Bytes {
    let mut bytes = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(run) = rest.strip_prefix('(') {
            let (count, after) = run.split_once(')').unwrap();
            bytes.resize(bytes.len() + count.parse::<usize>().unwrap(), 0);
            rest = after;
        } else {
            bytes.push(u8::from_str_radix(&rest[..2], 16).unwrap());
            rest = &rest[2..];
        }
    }
    bytes.into()
}

/// The words of the lines of one type.
fn lines(kind: &str) -> Vec<Vec<&'static str>> {
    let lines = CAPTURED.lines().map(|line| line.split(' ').collect());
    lines.filter(|words: &Vec<&str>| words[1] == kind).collect()
}

fn frames() -> Vec<Bytes> {
    let kinds = ["meet", "ping", "publish"];
    let lines = kinds.iter().flat_map(|kind| lines(kind));
    lines.map(|words| bytes_of(words[2])).collect()
}

fn captured(server: &str, kind: &str) -> Frame {
    let lines = lines(kind);
    let line = lines.iter().find(|words| words[0] == server).unwrap();
    Frame::read(&bytes_of(line[2])).unwrap()
}

#[test]
fn frames_of_stock_nodes_are_read_and_written_byte_for_byte() {
    assert_eq!(frames().len(), 9);
    for bytes in frames() {
        assert_eq!(Frame::length(&bytes[..15], false), Ok(None));
        assert_eq!(Frame::length(&bytes[..16], false), Ok(Some(bytes.len())));
        let frame = Frame::read(&bytes).unwrap();
        assert_eq!(frame.to_bytes(), bytes);
    }
}

#[test]
fn frames_of_stock_nodes_say_what_their_senders_know() {
    for words in lines("id") {
        let (server, id, shard, port) = (words[0], words[2], words[3], words[4]);
        let Frame { header, body } = captured(server, "ping");
        assert_eq!(header.sender.as_str(), id);
        assert_eq!(header.port.to_string(), port);
        assert_eq!(header.bus_port, header.port + 10000);
        assert_eq!(header.slots.to_string(), "0-100 200");
        assert_eq!(header.flags & (flag::MYSELF | flag::MASTER), 0x11);
        assert!(header.master.is_none() && !header.is_ok);
        let FrameBody::Ping { gossip, extensions } = body else {
            panic!("a ping has gossip");
        };
        assert_eq!(gossip.len(), 1);
        assert_eq!(gossip[0].ip, "127.0.0.1");
        assert_eq!(gossip[0].port, header.port + 1);
        assert_ne!(gossip[0].pong_received_s, 0);
        match server {
            "7.0" => assert_eq!(extensions, [Extension::Hostname("seven.example".into())]),
            "8.2" => assert_eq!(header.ip, "127.0.0.1"),
            _ => {
                let shard = NodeId::parse(shard.as_bytes()).unwrap();
                assert_eq!(extensions, [Extension::Shard(shard)]);
            }
        }
        let FrameBody::Publish { channel, message } = captured(server, "publish").body else {
            panic!("a message has a channel");
        };
        assert_eq!((&channel[..], &message[..]), (&b"chan"[..], &b"hello"[..]));
        assert_eq!(captured(server, "meet").header.kind, FrameKind::Meet);
    }
}

#[test]
fn every_kind_of_body_is_read_as_it_was_written() {
    let mut rng = Rng::with_seed(1);
    let id = NodeId::random(&mut rng);
    let header = captured("9.1", "ping").header;
    let extensions = vec![
        Extension::Hostname("a.example".into()),
        Extension::HumanName("the-first".into()),
        Extension::Forgotten { id, seconds: 59 },
        Extension::Shard(id),
    ];
    let update = FrameBody::Update {
        id,
        config_epoch: 7,
        slots: SlotSet::all(),
    };
    for (kind, body) in [
        (
            FrameKind::Pong,
            FrameBody::Ping {
                gossip: vec![],
                extensions,
            },
        ),
        (FrameKind::Fail, FrameBody::Fail { id }),
        (FrameKind::Update, update),
        (FrameKind::AuthRequest, FrameBody::Empty),
        (FrameKind::AuthAck, FrameBody::Empty),
        (FrameKind::ManualStart, FrameBody::Empty),
    ] {
        let header = FrameHeader {
            kind,
            master: Some(id),
            repl_offset: u64::MAX,
            ..header.clone()
        };
        let frame = Frame { header, body };
        assert_eq!(Frame::read(&frame.to_bytes()), Ok(frame));
    }
}

#[test]
fn no_frame_may_be_longer_than_its_type_and_its_sender_make_it() {
    let mut begin = frames()[0][..16].to_vec();
    let mut length = |len: u32, kind: u16, count: u16, known: bool| {
        begin[4..8].copy_from_slice(&len.to_be_bytes());
        begin[12..14].copy_from_slice(&kind.to_be_bytes());
        begin[14..16].copy_from_slice(&count.to_be_bytes());
        Frame::length(&begin, known)
    };
    assert_eq!(length(2255, 0, 0, true), Err(BadFrame::Length));
    assert_eq!(length(2256, 0, 0, false), Ok(Some(2256)));
    assert_eq!(length(u32::MAX, 0, 65535, true), Err(BadFrame::Length));
    assert_eq!(length(5_000_000, 0, 65535, true), Ok(Some(5_000_000)));
    assert_eq!(length(200_000, 0, 65535, false), Err(BadFrame::Length));
    assert_eq!(length(100_000, 0, 1000, false), Ok(Some(100_000)));
    assert_eq!(length(10_000_000, 4, 0, false), Err(BadFrame::Length));
    assert_eq!(length(10_000_000, 4, 0, true), Ok(Some(10_000_000)));
    assert_eq!(length(u32::MAX, 4, 0, true), Err(BadFrame::Length));
    assert_eq!(length(10_000_000, 3, 0, true), Err(BadFrame::Length));
    assert_eq!(length(10_000_000, 99, 0, true), Err(BadFrame::Length));
    for begin in [&b"G"[..], b"GET / HTTP/1.1\r\n", b"RCmc"] {
        assert_eq!(Frame::length(begin, true), Err(BadFrame::Signature));
    }
    assert_eq!(Frame::length(b"RCm", false), Ok(None));
}

#[test]
fn an_epoch_that_nobody_can_have_come_to_is_refused() {
    for bytes in frames() {
        let frame = Frame::read(&bytes).unwrap();
        let mut header = frame.header.clone();
        header.current_epoch = EPOCH_MAX;
        let read = |header: &FrameHeader, body: &FrameBody| {
            let (header, body) = (header.clone(), body.clone());
            Frame::read(&Frame { header, body }.to_bytes())
        };
        assert!(read(&header, &frame.body).is_ok());
        header.config_epoch = EPOCH_MAX + 1;
        assert!(read(&header, &frame.body).is_err());
        header.config_epoch = 0;
        header.current_epoch = u64::MAX;
        assert!(read(&header, &frame.body).is_err());
        if let FrameBody::Update { id, slots, .. } = frame.body {
            let config_epoch = u64::MAX;
            let body = FrameBody::Update {
                id,
                config_epoch,
                slots,
            };
            assert!(read(&frame.header, &body).is_err());
        }
    }
}

#[test]
fn whatever_comes_is_a_frame_or_an_error() {
    let mut rng = Rng::with_seed(11);
    for bytes in frames() {
        for len in 0..bytes.len() {
            assert!(Frame::read(&bytes.slice(..len)).is_err(), "cut to {len}");
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert!(Frame::read(&longer.into()).is_err());
        for _ in 0..2000 {
            let mut broken = bytes.to_vec();
            for _ in 0..rng.usize(1..6) {
                // The parts where lengths are, and all others.
                let at = match rng.bool() {
                    true => rng.usize(0..broken.len()),
                    false => *rng.choice(&[12, 13, 14, 15, 2214, 2215, 2253]).unwrap(),
                };
                broken[at] = rng.u8(..);
            }
            if rng.bool() {
                let end = rng.usize(HEADER_BYTES..=broken.len());
                let more = rng.usize(0..300);
                broken.truncate(end);
                broken.resize(end + more, rng.u8(..));
            }
            if let Ok(frame) = Frame::read(&broken.into()) {
                let names = frame.header.sender.as_bytes().iter();
                assert!(names.clone().all(u8::is_ascii_alphanumeric));
            }
        }
    }
}
