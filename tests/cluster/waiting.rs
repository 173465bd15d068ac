//! Clients that wait when a slot goes: blocked ones, and those that listen to sharded channels.

use crate::common::{Client, Server};
use crate::node::{begin, blocked, cluster, id, ours, owner_of};

fn gives_slot(owner: &Server, other: &Server, slot: i64) {
    let to = id(other);
    for node in [other, owner] {
        let order = format!("CLUSTER SETSLOT {slot} NODE {to}");
        assert_eq!(node.client().ask(&order).text(), "OK");
    }
}

#[test]
fn whoever_is_blocked_is_sent_to_the_new_owner() {
    let nodes = cluster(&ours(3), 0);
    let (owner, other, slot) = owner_of(&nodes, "{w}");
    let lines = [
        "BLPOP {w}list 0",
        "BZPOPMIN {w}z {w}zz 0",
        "XREAD BLOCK 0 STREAMS {w}s 0",
        "BLMOVE {w}a {w}b LEFT LEFT 0",
    ];
    let mut clients: Vec<Client> = lines.iter().map(|_| owner.client()).collect();
    for (client, line) in clients.iter_mut().zip(lines) {
        begin(client, line);
    }
    blocked(owner, lines.len());
    gives_slot(owner, other, slot);
    for (client, line) in clients.iter_mut().zip(lines) {
        let reply = client.receive().expect("an answer").value;
        assert_eq!(
            reply.text(),
            format!("MOVED {slot} 127.0.0.1:{}", other.port),
            "{line}"
        );
        assert_eq!(client.ask("PING").text(), "PONG");
    }
    // And one that comes afterwards is sent there at once, where it is served.
    let mut client = other.client();
    begin(&mut client, "BLPOP {w}list 0");
    blocked(other, 1);
    assert_eq!(other.client().ask("RPUSH {w}list x").int(), 1);
    let served = client.receive().expect("an answer").value.items();
    assert_eq!(served[1].text(), "x");
}

#[test]
fn a_transaction_and_a_watch_notice_that_the_slot_went() {
    let nodes = cluster(&ours(3), 0);
    let (owner, other, slot) = owner_of(&nodes, "{t}");
    let mut client = owner.client();
    assert_eq!(client.ask("WATCH {t}a").text(), "OK");
    assert_eq!(client.ask("MULTI").text(), "OK");
    assert_eq!(client.ask("SET {t}a 1").text(), "QUEUED");
    gives_slot(owner, other, slot);
    let moved = format!("MOVED {slot} 127.0.0.1:{}", other.port);
    assert_eq!(client.ask("EXEC").text(), moved);
    assert_eq!(client.ask("EXEC").text(), "ERR EXEC without MULTI");
    assert_eq!(client.ask("MULTI").text(), "OK");
    assert_eq!(client.ask("SET {t}a 1").text(), moved);
    let aborted = client.ask("EXEC").text();
    assert_eq!(
        aborted,
        "EXECABORT Transaction discarded because of previous errors."
    );
}

#[test]
fn sharded_channels_go_with_their_slot() {
    let nodes = cluster(&ours(3), 0);
    let (owner, other, slot) = owner_of(&nodes, "{c}");
    let mut listener = owner.client();
    for (at, channel) in ["{c}one", "{c}two"].iter().enumerate() {
        let reply = listener.ask(&format!("SSUBSCRIBE {channel}")).items();
        assert_eq!(reply[2].int(), at as i64 + 1);
    }
    // Another node takes no subscription, and no message.
    let moved = format!("MOVED {slot} 127.0.0.1:{}", owner.port);
    assert_eq!(other.client().ask("SSUBSCRIBE {c}one").text(), moved);
    assert_eq!(other.client().ask("SPUBLISH {c}one x").text(), moved);
    assert_eq!(owner.client().ask("SPUBLISH {c}one x").int(), 1);
    let message = listener.receive().expect("a message").value.items();
    assert_eq!(message[2].text(), "x");
    gives_slot(owner, other, slot);
    let mut left: Vec<String> = (0..2)
        .map(|_| {
            let reply = listener.receive().expect("it is told").value.items();
            assert_eq!(reply[0].text(), "sunsubscribe");
            reply[1].text()
        })
        .collect();
    left.sort();
    assert_eq!(left, ["{c}one", "{c}two"]);
    assert_eq!(
        listener.ask("GET {c}x").text(),
        format!("MOVED {slot} 127.0.0.1:{}", other.port)
    );
    assert_eq!(owner.client().ask("PUBSUB SHARDCHANNELS").items().len(), 0);
    let mut listener = other.client();
    assert_eq!(listener.ask("SSUBSCRIBE {c}one").items()[2].int(), 1);
    assert_eq!(other.client().ask("SPUBLISH {c}one y").int(), 1);
}
