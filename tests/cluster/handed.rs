//! What passes from node to node: slots that come back, keys on their way while their node stops or is replaced, and a
//! node that was replaced while it stood still.

use std::io::Write;

use rustix::process::{Signal, kill_process};

use crate::common::{Server, eventually, our_server};
use crate::node::{
    Slow, begin, blocked, cluster, id, is_ok, join, node, ours, owner_of, whole, whole_on,
};

/// The other node takes a slot.
fn claims(owner: &Server, other: &Server, slot: i64) {
    let (from, to) = (id(owner), id(other));
    let mut client = other.client();
    for order in [format!("IMPORTING {from}"), format!("NODE {to}")] {
        let reply = client.ask(&format!("CLUSTER SETSLOT {slot} {order}"));
        assert_eq!(reply.text(), "OK");
    }
}

/// The other node takes a slot, and the owner hears of it.
fn takes(owner: &Server, other: &Server, slot: i64) {
    claims(owner, other, slot);
    let mut client = owner.client();
    eventually("the owner has heard of it", || {
        let slots = client.ask("CLUSTER NODES").text();
        let mine = slots.lines().find(|line| line.contains("myself"));
        let ranges = mine.expect("a node knows itself").split(' ').skip(8);
        !ranges
            .filter_map(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                Some(first.parse::<i64>().ok()?..=last.parse().ok()?)
            })
            .any(|range| range.contains(&slot))
    });
}

#[test]
fn a_slot_that_comes_back_keeps_what_was_written_since() {
    const KEYS: usize = 200_000;
    let nodes = cluster(&ours(3), 0);
    let (owner, other, slot) = owner_of(&nodes, "{b}");
    let mut client = owner.client();
    assert_eq!(
        client.ask(&format!("DEBUG POPULATE {KEYS} {{b}}")).text(),
        "OK"
    );
    // A slot of the same node, whose keys go after those.
    let last = (0..1000)
        .map(|n| format!("last:{n}"))
        .find(|key| client.ask(&format!("SET {key} 1")).text() == "OK")
        .expect("the node has a third of the slots");
    takes(owner, other, slot);
    // It comes back while its keys are being deleted: only once they have gone, as they may be there no more since.
    claims(other, owner, slot);
    let count = format!("CLUSTER COUNTKEYSINSLOT {slot}");
    assert_eq!(client.ask(&count).int(), 0);
    let written: Vec<String> = (0..1000)
        .map(|n| format!("{{b}}:{}", n * KEYS / 1000))
        .collect();
    for key in &written {
        assert_eq!(client.ask(&format!("SET {key} new")).text(), "OK");
    }
    let slot = client.ask(&format!("CLUSTER KEYSLOT {last}")).int();
    takes(owner, other, slot);
    eventually("all that is to go has gone", || {
        client.ask(&format!("CLUSTER COUNTKEYSINSLOT {slot}")).int() == 0
    });
    for key in &written {
        assert_eq!(client.ask(&format!("GET {key}")).text(), "new", "{key}");
    }
}

#[test]
fn a_node_that_stood_still_takes_no_write_once_another_has_its_slots() {
    let options = ["--cluster-node-timeout", "2000"];
    let nodes: Vec<Server> = (0..6).map(|_| node(&our_server(), &options)).collect();
    let nodes = join(nodes, 1);
    let (owner, other, _) = owner_of(&nodes, "x");
    let mut client = owner.client();
    assert_eq!(client.ask("SET x 1").text(), "OK");
    assert_eq!(client.ask("WAIT 1 10000").int(), 1);
    kill_process(owner.id(), Signal::STOP).expect("it is ours");
    let mut asks = other.client();
    eventually("another node has the slots", || {
        let answer = asks.ask("GET x").text();
        !answer.starts_with("CLUSTERDOWN") && !answer.ends_with(&format!(":{}", owner.port))
    });
    begin(&mut client, "SET x 2");
    kill_process(owner.id(), Signal::CONT).expect("it is ours");
    let mut reply = client.receive().expect("an answer").value.text();
    while !reply.starts_with("MOVED ") {
        assert_eq!(reply, "CLUSTERDOWN The cluster is down");
        reply = client.ask("SET x 2").text();
    }
}

#[test]
fn a_failover_waits_for_keys_on_their_way() {
    let master = whole(&[]);
    let replica = node(&our_server(), &[]);
    let mut client = replica.client();
    let bus = master.client().ask("CONFIG GET cluster-port").items()[1].text();
    let meet = format!("CLUSTER MEET 127.0.0.1 {} {bus}", master.port);
    assert_eq!(client.ask(&meet).text(), "OK");
    let order = format!("CLUSTER REPLICATE {}", id(&master));
    eventually("they have met", || client.ask(&order).text() == "OK");
    let (mut mover, slow) = (master.client(), Slow::new());
    assert_eq!(mover.ask("SET k v").text(), "OK");
    eventually("the replica follows", || {
        is_ok(&mut client)
            && client
                .ask("INFO replication")
                .text()
                .contains("master_link_status:up")
    });
    begin(
        &mut mover,
        &format!("MIGRATE 127.0.0.1 {} k 0 20000", slow.port()),
    );
    let mut there = slow.called("k");
    assert_eq!(client.ask("CLUSTER FAILOVER").text(), "OK");
    // The mover, and a writer once the master holds writers back.
    let mut writer = master.client();
    eventually("writers are held back", || {
        begin(&mut writer, "SET other 1");
        writer.set_patience(std::time::Duration::from_millis(300));
        writer.receive().is_err()
    });
    there.write_all(b"+OK\r\n+OK\r\n").expect("it hears");
    let reply = mover.receive().expect("an answer").value.text();
    assert_eq!(reply, "OK");
    eventually("the replica has taken over", || {
        client.ask("ROLE").items()[0].text() == "master"
    });
    assert_eq!(client.ask("EXISTS k").int(), 0);
}

#[test]
fn a_stop_waits_for_keys_on_their_way() {
    let options = ["--appendonly", "yes", "--save", "3600 1"];
    let (server, slow) = (whole(&options), Slow::new());
    let mut mover = server.client();
    assert_eq!(mover.ask("SET k v").text(), "OK");
    begin(
        &mut mover,
        &format!("MIGRATE 127.0.0.1 {} k 0 20000", slow.port()),
    );
    let mut there = slow.called("k");
    kill_process(server.id(), Signal::TERM).expect("it is ours");
    eventually(
        "it has done what it does before it waits for them, or doesn't wait",
        || {
            let log = server.log();
            log.contains("Waiting for keys on their way") || log.contains("DB saved on disk")
        },
    );
    there.write_all(b"+OK\r\n+OK\r\n").expect("it hears");
    assert_eq!(mover.receive().expect("an answer").value.text(), "OK");
    let again = whole_on(server.stop(), &options);
    assert_eq!(again.client().ask("EXISTS k").int(), 0);
}

#[test]
fn a_script_waits_for_keys_of_its_own_slot_alone() {
    let (server, slow) = (whole(&[]), Slow::new());
    let mut mover = server.client();
    assert_eq!(mover.ask("MSET {a}k 1 {a}l 2").text(), "OK");
    assert_eq!(mover.ask("SET b 3").text(), "OK");
    let line = format!("MIGRATE 127.0.0.1 {} {{a}}k 0 20000", slow.port());
    begin(&mut mover, &line);
    let mut there = slow.called("{a}k");
    let declared = "#!lua\nreturn redis.call('get', KEYS[1])";
    let mut client = server.client();
    let read = client.ask_args(&["EVAL", declared, "1", "b"]);
    assert_eq!(read.text(), "3");
    let waiting = [
        vec!["EVAL", declared, "1", "{a}l"],
        vec!["EVAL", "return 1", "1", "b"],
        vec![
            "EVAL",
            "#!lua flags=allow-cross-slot-keys\nreturn 1",
            "1",
            "b",
        ],
        vec!["EVAL", "#!lua\nreturn 1", "0"],
    ];
    let mut clients: Vec<_> = waiting.iter().map(|_| server.client()).collect();
    for (one, args) in clients.iter_mut().zip(&waiting) {
        one.send(&crate::common::encode(args))
            .expect("the server reads");
    }
    blocked(&server, 1 + waiting.len());
    there.write_all(b"+OK\r\n+OK\r\n").expect("it hears");
    for one in &mut clients {
        assert!(!one.receive().expect("an answer").value.is_error());
    }
}

#[test]
fn a_slot_that_leaves_for_its_own_node_stays_where_it_is() {
    let server = whole(&[]);
    let mut client = server.client();
    let slot = client.ask("CLUSTER KEYSLOT k").int();
    let order = format!("CLUSTER SETSLOT {slot} MIGRATING {}", id(&server));
    assert_eq!(client.ask(&order).text(), "OK");
    assert_eq!(client.ask("EXISTS k").int(), 0);
    assert_eq!(client.ask("SET k 1").text(), "OK");
    assert_eq!(client.ask("MULTI").text(), "OK");
    assert_eq!(client.ask("DEL {k}l").text(), "QUEUED");
    assert_eq!(client.ask("EXEC").items()[0].int(), 0);
}

#[test]
fn asking_holds_for_one_request_even_if_that_is_no_command() {
    let nodes = cluster(&ours(3), 0);
    let (owner, other, slot) = owner_of(&nodes, "bar");
    let mut client = other.client();
    let order = format!("CLUSTER SETSLOT {slot} IMPORTING {}", id(owner));
    assert_eq!(client.ask(&order).text(), "OK");
    for between in ["NOSUCH", "CLUSTER NOSUCH", "GET"] {
        assert_eq!(client.ask("ASKING").text(), "OK");
        assert!(client.ask(between).is_error());
        let moved = format!("MOVED {slot} 127.0.0.1:{}", owner.port);
        assert_eq!(client.ask("GET bar").text(), moved, "{between}");
    }
    assert_eq!(client.ask("ASKING").text(), "OK");
    assert_eq!(client.ask("EXISTS bar").int(), 0);
}

#[test]
fn a_port_that_lets_nobody_in_is_an_error_of_writing() {
    let server = whole(&[]);
    let mut client = server.client();
    let order = "MIGRATE 127.0.0.1 1 k 0 1000";
    let refused = "IOERR error or timeout writing to target instance";
    assert_eq!(client.ask("SET k v").text(), "OK");
    assert_eq!(client.ask(order).text(), refused);
    assert_eq!(client.ask("MULTI").text(), "OK");
    assert_eq!(client.ask(order).text(), "QUEUED");
    assert_eq!(client.ask("EXEC").items()[0].text(), refused);
    assert!(server.log().contains("Running mode=cluster, port="));
}
