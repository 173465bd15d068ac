//! Whoever connects to the bus and is no node: he is heard no further than Redis hears him, and harms nobody.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::{eventually, our_server};
use crate::member::Member;

const HEADER: usize = 2256;

fn connect(member: &Member) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", member.bus_port)).expect("the bus lets us in");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    stream
}

/// A frame of a node that nobody knows.
fn frame(kind: u16, len: u32) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..4].copy_from_slice(b"RCmb");
    bytes[4..8].copy_from_slice(&len.to_be_bytes());
    bytes[8..10].copy_from_slice(&1u16.to_be_bytes());
    bytes[12..14].copy_from_slice(&kind.to_be_bytes());
    // An epoch above all others.
    bytes[16..24].copy_from_slice(&i64::MAX.to_be_bytes());
    bytes[24..32].copy_from_slice(&i64::MAX.to_be_bytes());
    bytes[40..80].fill(b'a');
    bytes[80..2128].fill(0xff);
    bytes[2251] = 1;
    bytes
}

fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(count) => count == 0,
        // There was more that nobody had read.
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn unharmed(member: &Member) {
    let told = member.ask("CLUSTER INFO").text();
    assert!(told.contains("cluster_known_nodes:1\r\n"), "{told}");
    assert!(told.contains("cluster_current_epoch:0\r\n"), "{told}");
    let owner = member.line(&member.id).expect("a node knows itself");
    assert_eq!(owner.last().map(String::as_str), Some("0-16383"));
}

fn whole() -> Member {
    let member = Member::start(&our_server(), &[]);
    member.order("CLUSTER ADDSLOTSRANGE 0 16383");
    member
}

#[test]
fn bytes_that_are_no_frame_close_the_connection() {
    let member = whole();
    let too_long = frame(4, u32::MAX)[..16].to_vec();
    let too_short = frame(0, 100);
    for bytes in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), too_long, too_short] {
        let mut stream = connect(&member);
        stream.write_all(&bytes).expect("it is read");
        assert!(is_closed(&mut stream));
    }
    unharmed(&member);
}

#[test]
fn what_an_unknown_node_claims_changes_nothing() {
    let member = whole();
    let mut stream = connect(&member);
    // FAIL, AUTH_REQUEST, AUTH_ACK, UPDATE, MFSTART, and types that there are none of.
    for (kind, body) in [(3, 40), (5, 0), (6, 0), (7, 2096), (8, 0), (99, 0), (9, 13)] {
        let mut bytes = frame(kind, (HEADER + body) as u32);
        bytes.resize(HEADER + body, 0xff);
        stream.write_all(&bytes).expect("it is read");
    }
    // A ping is answered, as Redis does.
    stream
        .write_all(&frame(0, HEADER as u32))
        .expect("it is read");
    let mut answer = vec![0; HEADER];
    stream.read_exact(&mut answer).expect("a pong");
    assert_eq!(&answer[12..14], &1u16.to_be_bytes());
    unharmed(&member);
}

#[test]
fn a_node_that_is_met_and_never_answers_is_forgotten() {
    let member = whole();
    let mut stream = connect(&member);
    let mut meet = frame(2, HEADER as u32);
    // Nobody listens there.
    meet[2248..2250].copy_from_slice(&1u16.to_be_bytes());
    stream.write_all(&meet).expect("it is read");
    let known = |count: &str| {
        let told = member.ask("CLUSTER INFO").text();
        told.contains(&format!("cluster_known_nodes:{count}\r\n"))
    };
    eventually("a handshake begins", || known("2"));
    eventually("it comes to nothing", || known("1"));
    unharmed(&member);
}
