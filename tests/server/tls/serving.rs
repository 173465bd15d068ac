//! Clients over TLS, and what the configuration says of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use super::certs::Certs;
use super::{connect, open, options, pong, start};
use crate::common::{Client, Value, encode, eventually, free_port, our_server};

/// Whether a reply has this text in it.
fn says(reply: &Value, text: &str) -> bool {
    reply.leaves().iter().any(|leaf| leaf.text() == text)
}

#[test]
fn clients_over_tls_are_served_as_others_are() {
    let certs = Certs::get();
    let server = start(&our_server(), certs, &["--io-threads", "2"]);
    let mut plain = server.client();
    let port = open(&mut plain);
    let tls = || connect(port, certs, Some("client")).expect("a client");
    let (mut one, mut two) = (tls(), tls());
    // Many requests at once, and replies longer than a record.
    let large = "v".repeat(3 << 20);
    assert_eq!(one.ask(&format!("SET large {large}")).text(), "OK");
    let mut requests = Vec::new();
    for n in 0..1000 {
        requests.extend(encode(&[
            "SET".to_owned(),
            format!("key:{n}"),
            n.to_string(),
        ]));
        requests.extend(encode(&["GET".to_owned(), format!("key:{n}")]));
    }
    requests.extend(encode(&["GET", "large"]));
    one.send(&requests).expect("sent");
    for n in 0..1000 {
        assert_eq!(one.receive().expect("OK").value.text(), "OK");
        assert_eq!(one.receive().expect("a value").value.text(), n.to_string());
    }
    assert_eq!(
        one.receive().expect("a value").value.text().len(),
        large.len()
    );
    // One that waits is served by another, and what is published is pushed.
    two.send(&encode(&["BLPOP", "queue", "20"])).expect("sent");
    eventually("it waits", || {
        plain
            .ask("INFO clients")
            .text()
            .contains("blocked_clients:1")
    });
    one.ask("RPUSH queue element");
    assert!(says(&two.receive().expect("served").value, "element"));
    two.ask("SUBSCRIBE channel");
    plain.ask("PUBLISH channel message");
    assert!(says(&two.receive().expect("pushed").value, "message"));
    assert_eq!(two.ask("RESET").text(), "RESET");
    // A half-closed connection is answered to the end.
    let mut half = tls();
    half.send(&encode(&["GET", "key:7"])).expect("sent");
    let rest = half.finish().expect("the rest");
    assert!(String::from_utf8_lossy(&rest).contains('7'));
    // One that is killed is closed.
    let id = two.ask("CLIENT ID");
    assert_eq!(
        plain.ask(&format!("CLIENT KILL ID {}", id.int())),
        Value::Int(1)
    );
    assert!(two.try_ask(&["PING"]).is_err());
}

/// A client that reads nothing is closed by its limit, and holds nobody up.
#[test]
fn a_client_over_tls_that_does_not_read_is_closed() {
    let certs = Certs::get();
    let server = start(
        &our_server(),
        certs,
        &["--client-output-buffer-limit", "normal 8mb 0 0"],
    );
    let mut plain = server.client();
    let port = open(&mut plain);
    let mut slow = connect(port, certs, Some("client")).expect("a client");
    plain.ask(&format!("SET large {}", "v".repeat(1 << 20)));
    for _ in 0..40 {
        // It may be closed already.
        let _ = slow.send(&encode(&["GET", "large"]));
    }
    eventually("it is closed", || {
        plain
            .ask("INFO stats")
            .text()
            .contains("client_output_buffer_limit_disconnections:1")
    });
    assert!(pong(&plain.ask("PING")));
}

#[test]
fn certificates_are_asked_for_as_configured() {
    let certs = Certs::get();
    let server = start(&our_server(), certs, &[]);
    let mut plain = server.client();
    let port = open(&mut plain);
    let comes = |shown| connect(port, certs, shown).is_ok();
    assert!(comes(Some("client")) && !comes(None) && !comes(Some("server")));
    assert_eq!(
        plain.ask("CONFIG SET tls-auth-clients optional").text(),
        "OK"
    );
    assert!(comes(Some("client")) && comes(None) && !comes(Some("server")));
    assert_eq!(plain.ask("CONFIG SET tls-auth-clients no").text(), "OK");
    assert!(comes(Some("client")) && comes(None) && comes(Some("server")));
}

#[test]
fn a_certificate_may_name_the_user() {
    let certs = Certs::get();
    certs.issue_for("uri", "nobody", "ca", "uri", 365);
    let server = start(&our_server(), certs, &["--tls-auth-clients-user", "CN"]);
    let mut plain = server.client();
    let port = open(&mut plain);
    plain.ask("ACL SETUSER client on >secret ~app:* +@all");
    plain.ask("ACL SETUSER redis off >secret +@all");
    let whoami = |shown: &str| {
        let mut client = connect(port, certs, Some(shown)).expect("a client");
        client.ask("ACL WHOAMI").text()
    };
    assert_eq!(whoami("client"), "client");
    // A user who may not log in, and a name that is no user's, leave the client who it was.
    assert_eq!(whoami("redis"), "default");
    assert_eq!(whoami("uri"), "default");
    assert!(
        plain
            .ask("INFO stats")
            .text()
            .contains("acl_access_denied_tls_cert:2")
    );
    let log = plain.ask("ACL LOG");
    assert!(says(&log, "tls-cert") && says(&log, "nobody"), "{log:?}");
    plain.ask("CONFIG SET tls-auth-clients-user URI");
    plain.ask("ACL SETUSER spiffe://cluster/app on nopass +@all");
    assert_eq!(whoami("uri"), "spiffe://cluster/app");
    plain.ask("CONFIG SET tls-auth-clients-user off");
    assert_eq!(whoami("client"), "default");
}

/// What can't be used is refused as a whole, by Redis's words, and what was there goes on.
#[test]
fn a_configuration_that_cannot_be_is_refused() {
    let certs = Certs::get();
    let server = start(&our_server(), certs, &[]);
    let mut plain = server.client();
    let port = open(&mut plain);
    let set = |client: &mut Client, words: &[&str]| {
        let mut all = vec!["CONFIG", "SET"];
        all.extend(words);
        client.ask_args(&all).text()
    };
    let failed = |name: &str| {
        format!(
            "ERR CONFIG SET failed (possibly related to argument '{name}') - Unable to update TLS configuration. Check server logs."
        )
    };
    for (name, value, logged) in [
        (
            "tls-cert-file",
            "/nonexistent",
            "Failed to load certificate: /nonexistent: ",
        ),
        (
            "tls-key-file",
            &certs.text("client.key"),
            "key values mismatch",
        ),
        (
            "tls-ca-cert-file",
            "",
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified",
        ),
        ("tls-cert-file", "", "No tls-cert-file configured!"),
        ("tls-protocols", "TLSv1.1", "TLSv1.1 is not spoken here"),
        ("tls-ciphers", "RC4-MD5", "Failed to configure ciphers"),
        (
            "tls-ciphersuites",
            "NO_SUCH",
            "Failed to configure ciphersuites",
        ),
    ] {
        let before = plain.ask(&format!("CONFIG GET {name}"));
        // Nor is what stood beside it taken.
        let refused = set(&mut plain, &["hz", "77", name, value]);
        assert_eq!(refused, failed(name));
        assert!(server.log().contains(logged), "{logged}");
        assert_eq!(plain.ask(&format!("CONFIG GET {name}")), before);
        assert!(says(&plain.ask("CONFIG GET hz"), "10"));
        assert!(connect(port, certs, Some("client")).is_ok());
    }
    // A port that is taken.
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let number = taken.local_addr().expect("an address").port().to_string();
    let refused = set(&mut plain, &["tls-port", &number]);
    assert!(
        refused.contains("Unable to listen on this port"),
        "{refused}"
    );
    assert!(connect(port, certs, Some("client")).is_ok());
    // And without one it is closed.
    assert_eq!(set(&mut plain, &["tls-port", "0"]), "OK");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_start_that_cannot_be_says_why() {
    let certs = Certs::get();
    let mut all = options(certs);
    all.extend(["--tls-port".to_owned(), free_port().to_string()]);
    for (left_out, told) in [
        ("--tls-cert-file", "No tls-cert-file configured!"),
        ("--tls-key-file", "No tls-key-file configured!"),
        (
            "--tls-ca-cert-file",
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or tls-auth-clients are enabled!",
        ),
    ] {
        let at = all
            .iter()
            .position(|word| word == left_out)
            .expect("an option");
        let mut words = all.clone();
        words.drain(at..at + 2);
        let output = Command::new(our_server())
            .args(["--port", "0", "--save", ""])
            .args(&words)
            .output()
            .expect("it starts");
        let log = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(log.contains(told), "{log}");
        assert!(
            log.contains("Failed to configure TLS. Check logs for more info."),
            "{log}"
        );
    }
}

#[test]
fn keys_under_a_passphrase_are_read() {
    let certs = Certs::get();
    assert!(certs.openssl(
        "pkcs8 -topk8 -in redis.key -out locked.key -v2 aes-256-cbc -passout pass:secret"
    ));
    let server = start(&our_server(), certs, &["--tls-key-file-pass", "secret"]);
    let mut plain = server.client();
    let port = open(&mut plain);
    let locked = certs.text("locked.key");
    assert_eq!(
        plain
            .ask(&format!("CONFIG SET tls-key-file {locked}"))
            .text(),
        "OK"
    );
    assert!(connect(port, certs, Some("client")).is_ok());
    assert!(plain.ask("CONFIG SET tls-key-file-pass wrong").is_error());
    assert!(connect(port, certs, Some("client")).is_ok());
}

/// New files are taken without a word from anybody, and bad ones leave what was in use.
#[test]
fn files_that_change_are_read_anew() {
    let certs = Certs::chains();
    let server = start(&our_server(), &certs, &["--tls-auto-reload-interval", "1"]);
    let mut plain = server.client();
    let port = open(&mut plain);
    let serial = |client: &mut Client| {
        let info = client.ask("INFO server").text();
        let line = info
            .lines()
            .find(|line| line.starts_with("tls_server_cert_serial:"));
        line.expect("a serial number").to_owned()
    };
    let first = serial(&mut plain);
    std::fs::write(
        certs.path("redis.crt"),
        "-----BEGIN CERTIFICATE-----\nnonsense",
    )
    .expect("written");
    eventually("the log tells", || server.log().contains("can't be taken"));
    assert_eq!(serial(&mut plain), first);
    assert!(connect(port, &certs, Some("client")).is_ok());
    certs.issue("redis", "ca", "", 20);
    eventually("it is taken", || serial(&mut plain) != first);
    assert!(connect(port, &certs, Some("client")).is_ok());
    eventually("the log warns", || {
        server.log().contains("expires in 20 day(s)")
    });
}

/// Who speaks what the port doesn't is told of in the log, and holds nobody up.
#[test]
fn the_wrong_language_is_told_of_in_the_log() {
    let certs = Certs::get();
    let server = start(&our_server(), certs, &[]);
    let mut plain = server.client();
    let port = open(&mut plain);
    let mut clear = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    clear.write_all(b"*1\r\n$4\r\nPING\r\n").expect("sent");
    let mut rest = Vec::new();
    clear.read_to_end(&mut rest).expect("it is closed");
    assert_eq!(
        rest, b"",
        "whoever speaks no TLS would take an alert for a reply"
    );
    assert!(server.log().contains("what came is not TLS"));
    assert!(connect(server.port, certs, Some("client")).is_err());
    assert!(
        server
            .log()
            .contains("A client speaks TLS to a port that has none")
    );
    assert!(pong(&plain.ask("PING")));
}

/// Connections that say nothing take nobody's turn, and are closed in the end.
#[test]
fn silent_connections_hold_nobody_up() {
    let certs = Certs::get();
    let server = start(
        &our_server(),
        certs,
        &["--maxclients", "202", "--tls-handshake-timeout", "3"],
    );
    let mut plain = server.client();
    let port = open(&mut plain);
    let silent: Vec<TcpStream> = (0..200)
        .map(|_| TcpStream::connect(("127.0.0.1", port)).expect("a connection"))
        .collect();
    let mut one = connect(port, certs, Some("client")).expect("a client");
    assert!(pong(&one.ask("PING")));
    let mut refused = TcpStream::connect(("127.0.0.1", server.port)).expect("a connection");
    let mut told = String::new();
    refused.read_to_string(&mut told).expect("it is closed");
    assert_eq!(told, "-ERR max number of clients reached\r\n");
    eventually("they count, and are closed in time", || {
        server
            .log()
            .matches("the handshake has not come to an end in time")
            .count()
            == 200
    });
    for mut stream in silent {
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a timeout");
        // A word of farewell may come before the end.
        let _ = stream.read_to_end(&mut Vec::new());
        assert_ne!(
            stream.read(&mut [0]).map_err(|error| error.kind()),
            Err(std::io::ErrorKind::WouldBlock)
        );
    }
    assert!(pong(&one.ask("PING")));
    eventually("their places are free", || {
        let mut others: Vec<Client> = (0..200).map(|_| server.client()).collect();
        others.iter_mut().all(|other| {
            other
                .try_ask(&["PING"])
                .is_ok_and(|reply| pong(&reply.value))
        })
    });
}

/// Of two configurations that are set at once, the one that stays is the one that is in force.
#[test]
fn the_configuration_that_stays_is_in_force() {
    let certs = Certs::get();
    let server = start(&our_server(), certs, &["--io-threads", "2"]);
    let mut plain = server.client();
    let port = open(&mut plain);
    for _ in 0..20 {
        std::thread::scope(|scope| {
            for answer in ["yes", "no"] {
                let mut client = server.client();
                let set = format!("CONFIG SET tls-auth-clients {answer}");
                scope.spawn(move || assert_eq!(client.ask(&set).text(), "OK"));
            }
        });
        let stays = plain.ask("CONFIG GET tls-auth-clients").to_string();
        let admitted = connect(port, certs, None).is_ok();
        assert_eq!(admitted, stays.contains("\"no\""), "{stays}");
    }
}
