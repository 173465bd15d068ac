//! Peers that are slow, that come back, and that come all at once.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustls::{HandshakeKind, StreamOwned};

use super::certs::Certs;
use super::{client_of, connect, named, open, pong, spoken, start, trusting};
use crate::common::{eventually, our_server};

/// What a client says first.
fn hello(certs: &Certs) -> (rustls::ClientConnection, Vec<u8>) {
    let config = Arc::new(trusting(Some(named(certs, "client"))));
    let mut tls = client_of(config).expect("a client");
    let mut bytes = Vec::new();
    tls.write_tls(&mut bytes).expect("it is written");
    (tls, bytes)
}

/// One that says its hello byte by byte is served in the end, and others are served meanwhile; one that stops in the midst
/// of it is sent away.
#[test]
fn a_slow_peer_is_waited_for_but_not_for_ever() {
    let certs = Certs::get();
    let options = ["--io-threads", "1", "--tls-handshake-timeout", "10"];
    let server = start(&our_server(), certs, &options);
    let mut plain = server.client();
    let port = open(&mut plain);
    let mut other = connect(port, certs, Some("client")).expect("a client");

    let (tls, bytes) = hello(certs);
    let mut slow = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    slow.set_nodelay(true).expect("no delay");
    let mut stops = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stops.write_all(&bytes[..bytes.len() / 2]).expect("sent");
    for byte in &bytes {
        slow.write_all(&[*byte]).expect("it is still wanted");
        assert!(pong(&other.ask("PING")));
    }
    let mut slow = spoken(StreamOwned::new(tls, slow)).expect("a client");
    assert!(pong(&slow.ask("PING")));

    eventually("it is sent away", || {
        let late = "the handshake has not come to an end in time";
        server.log().matches(late).count() == 1
    });
    // A word of farewell may come before the end.
    let _ = stops.read_to_end(&mut Vec::new());
    assert!(pong(&slow.ask("PING")) && pong(&other.ask("PING")));
}

/// A session goes on as long as the certificate that was shown at its beginning.
#[test]
fn a_session_ends_with_its_certificate() {
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let certs = Certs::get();
        certs.issue("brief", "ca", "client", 1);
        let options = ["--enable-debug-command", "yes", "--tls-protocols", protocol];
        let server = start(&our_server(), certs, &options);
        let mut plain = server.client();
        let port = open(&mut plain);
        let config = Arc::new(trusting(Some(named(certs, "brief"))));
        let come = || {
            let mut socket = TcpStream::connect(("127.0.0.1", port))?;
            let mut tls = client_of(config.clone())?;
            while tls.is_handshaking() {
                tls.complete_io(&mut socket)?;
            }
            let kind = tls.handshake_kind();
            let client = spoken(StreamOwned::new(tls, socket))?;
            io::Result::Ok((kind, client))
        };
        let (kind, _client) = come().expect("it comes");
        assert_ne!(kind, Some(HandshakeKind::Resumed));
        let (kind, mut client) = come().expect("it comes again");
        assert_eq!(kind, Some(HandshakeKind::Resumed), "{protocol}");
        assert!(pong(&client.ask("PING")));
        let two_days = 2 * 24 * 3600 * 1000;
        plain.ask(&format!("DEBUG CLOCK ADVANCE {two_days}"));
        assert!(come().is_err(), "{protocol}");
        eventually("the log says why", || {
            server.log().contains("certificate has expired")
        });
        // Whoever is in, stays.
        assert!(pong(&client.ask("PING")));
    }
}

/// Two thousand come at the same time: each of them is served, and whoever is in already is served meanwhile.
#[test]
fn two_thousand_may_come_at_once() {
    const PEERS: usize = 2000;
    let certs = Certs::get();
    let server = start(&our_server(), certs, &["--tls-handshake-timeout", "120"]);
    let mut plain = server.client();
    let port = open(&mut plain);
    let mut inside = connect(port, certs, Some("client")).expect("a client");
    let config = Arc::new(trusting(Some(named(certs, "client"))));
    let sockets: Vec<TcpStream> = (0..PEERS)
        .map(|_| TcpStream::connect(("127.0.0.1", port)).expect("a connection"))
        .collect();
    let done = AtomicBool::new(false);
    let served = thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(Ordering::Relaxed) {
                assert!(pong(&inside.ask("PING")) && pong(&plain.ask("PING")));
                asked += 1;
            }
            asked
        });
        let mut parts = Vec::new();
        let mut sockets = sockets.into_iter();
        for _ in 0..4 {
            let part: Vec<TcpStream> = sockets.by_ref().take(PEERS / 4).collect();
            let config = &config;
            parts.push(scope.spawn(move || {
                let mut clients = Vec::new();
                for socket in part {
                    let tls = client_of(config.clone()).expect("a client");
                    clients.push(spoken(StreamOwned::new(tls, socket)).expect("it is let in"));
                }
                clients
            }));
        }
        let clients: Vec<_> = parts
            .into_iter()
            .map(|part| part.join().expect("they come"))
            .collect();
        done.store(true, Ordering::Relaxed);
        assert!(asking.join().expect("it was served") > 0);
        clients.iter().map(Vec::len).sum::<usize>()
    });
    assert_eq!(served, PEERS);
}
