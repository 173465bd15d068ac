//! Clients that have not logged in: what they may send, and how much may wait for them.

use std::io;

use crate::common::{Client, Server, encode, eventually};

const REFUSAL: &[u8] = b"-NOAUTH Authentication required.\r\n";

/// A server that wants a password, and an open connection of someone who knows the password.
fn locked_and_known() -> (Server, Client) {
    let server = Server::start(&[]);
    let mut known = server.client();
    known.ask("CONFIG SET requirepass secret");
    (server, known)
}

/// All that is answered to these bytes until the server closes the connection.
fn told(server: &Server, bytes: &[u8]) -> io::Result<String> {
    let mut client = server.client();
    // The server may close before all of it was sent.
    let _ = client.send(bytes);
    client.drain().map(|all| all.escape_ascii().to_string())
}

/// Whether the connection is still open after these bytes; all of `refusals` were read.
fn stays(server: &Server, bytes: &[u8], refusals: usize) {
    let mut client = server.client();
    client.send(bytes).expect("sent");
    for _ in 0..refusals {
        let reply = client.receive().expect("a reply");
        assert_eq!(reply.raw, REFUSAL);
    }
    assert_eq!(client.ask("AUTH secret").text(), "OK");
    assert_eq!(client.ask("PING").text(), "PONG");
}

#[test]
fn what_a_client_announces_before_it_has_logged_in_is_bounded() {
    let (server, _known) = locked_and_known();
    let refusal = String::from_utf8_lossy(REFUSAL)
        .escape_default()
        .to_string();
    let count = "-ERR Protocol error: unauthenticated multibulk length\\r\\n";
    let length = "-ERR Protocol error: unauthenticated bulk length\\r\\n";
    for (bytes, answer) in [
        ("*11\r\n", count.to_owned()),
        ("*2147483647\r\n", count.to_owned()),
        ("*10\r\n$16385\r\n", length.to_owned()),
        ("*2\r\n$4\r\nAUTH\r\n$16385\r\n", length.to_owned()),
        ("*-1\r\n*11\r\n", count.to_owned()),
        ("*1\r\n$4\r\nPING\r\n*11\r\n", format!("{refusal}{count}")),
        ("PING\r\n*1\r\n$20000\r\n", format!("{refusal}{length}")),
        (
            "AUTH secret\r\nRESET\r\n*11\r\n",
            format!("+OK\\r\\n+RESET\\r\\n{count}"),
        ),
        (
            "AUTH secret\r\nRESET\r\n*1\r\n$20000\r\n",
            format!("+OK\\r\\n+RESET\\r\\n{length}"),
        ),
        (
            "AUTH wrong\r\n*11\r\n",
            format!("-WRONGPASS invalid username-password pair or user is disabled.\\r\\n{count}"),
        ),
    ] {
        assert_eq!(
            told(&server, bytes.as_bytes()).expect("an end"),
            answer,
            "{bytes:?}"
        );
    }
}

#[test]
fn what_is_announced_after_the_log_in_of_one_pipeline_is_not_bounded() {
    let (server, _known) = locked_and_known();
    let mut client = server.client();
    let mut bytes = encode(&["AUTH", "secret"]);
    bytes.extend(encode(&["DEL"; 50]));
    bytes.extend(encode(&["ECHO", &"x".repeat(100_000)]));
    client.send(&bytes).expect("sent");
    assert_eq!(client.receive().expect("a reply").raw, b"+OK\r\n");
    assert_eq!(client.receive().expect("a reply").raw, b":0\r\n");
    assert_eq!(client.receive().expect("a reply").raw.len(), 100_000 + 11);
}

#[test]
fn replies_that_wait_for_a_client_that_has_not_logged_in_are_bounded() {
    let (server, mut known) = locked_and_known();
    let fit = 16 * 1024 / REFUSAL.len();
    stays(&server, &b"PING\r\n".repeat(fit), fit);
    for bytes in [
        b"PING\r\n".repeat(fit + 1),
        encode(&["PING"]).repeat(fit + 1),
        b"PING\r\n".repeat(20_000),
        [
            b"AUTH secret\r\nRESET\r\n".to_vec(),
            b"PING\r\n".repeat(fit + 1),
        ]
        .concat(),
    ] {
        assert_eq!(
            told(&server, &bytes).expect("an end"),
            "",
            "of {}",
            bytes.len()
        );
    }
    assert!(
        server
            .log()
            .contains("scheduled to be closed ASAP for overcoming of output buffer limits.")
    );
    let stats = known.ask("INFO stats").text();
    assert!(
        stats.contains("client_output_buffer_limit_disconnections:4\r\n"),
        "{stats}"
    );
}

#[test]
fn replies_after_the_log_in_of_one_pipeline_are_not_bounded() {
    let (server, _known) = locked_and_known();
    let mut client = server.client();
    let mut bytes = encode(&["AUTH", "secret"]);
    bytes.extend(encode(&["ECHO", &"x".repeat(1000)]).repeat(100));
    client.send(&bytes).expect("sent");
    assert_eq!(client.receive().expect("a reply").raw, b"+OK\r\n");
    for _ in 0..100 {
        assert_eq!(client.receive().expect("a reply").value.text().len(), 1000);
    }
}

#[test]
fn a_client_that_never_logs_in_and_never_reads_is_closed() {
    let (server, mut known) = locked_and_known();
    let mut lazy = server.client();
    let pings = b"PING\r\n".repeat(100);
    let mut sent = 0;
    while lazy.send(&pings).is_ok() {
        sent += pings.len();
        assert!(sent < 64 << 20, "nobody closes it");
    }
    eventually("the client stays", || {
        let text = known.ask("CLIENT LIST").text();
        text.lines().count() == 1
    });
}
