//! Slots that move whole: by Redis 8.4's CLUSTER MIGRATION (as its documentation, its src/cluster_asm.c and its
//! tests/unit/cluster/atomic-slot-migration.tcl say; no program of that version is at hand) and by Valkey 9's CLUSTER
//! MIGRATESLOTS, which is asked over a socket.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::{Client, Server, awaited, eventually, our_server, valkey_9};
use crate::node::{
    Follower, checks, cluster, id, is_ok, join, node, node_on, ours, owner_of, words,
};

pub const KEYS: usize = 3000;

/// The value of a field of the one move of this name.
pub fn field(client: &mut Client, task: &str, name: &str) -> String {
    let reply = client.ask(&format!("CLUSTER MIGRATION STATUS ID {task}"));
    let fields = reply.items().first().map_or(Vec::new(), |one| one.items());
    let mut pairs = fields.chunks(2);
    let pair = pairs.find(|pair| pair[0].text() == name);
    pair.map_or(String::new(), |pair| pair[1].text())
}

pub fn import(client: &mut Client, slots: &str) -> String {
    let reply = client.ask(&format!("CLUSTER MIGRATION IMPORT {slots}"));
    assert!(!reply.is_error(), "{}", reply.text());
    reply.text()
}

pub fn has_ended(state: &str) -> bool {
    ["completed", "failed", "canceled"].contains(&state)
}

/// Waits until a move has ended on a side, and returns how.
pub fn ended(server: &Server, task: &str) -> String {
    let mut client = server.client();
    let mut state = String::new();
    eventually("the move has ended", || {
        state = field(&mut client, task, "state");
        has_ended(&state)
    });
    state
}

/// All nodes name one owner of the slot, and serve; its port.
pub fn owner(nodes: &[&Server], key: &str) -> u16 {
    let mut found = 0;
    eventually("all nodes name one owner", || {
        let mut ports: Vec<u16> = nodes
            .iter()
            .filter(|node| is_ok(&mut node.client()))
            .map(|node| {
                let reply = node.client().ask(&format!("TYPE {key}")).text();
                let moved = reply
                    .strip_prefix("MOVED ")
                    .and_then(|text| text.rsplit_once(':'));
                moved.map_or(node.port, |(_, port)| port.parse().expect("a port"))
            })
            .collect();
        let all = ports.len() == nodes.len();
        ports.dedup();
        found = ports.first().copied().unwrap_or(0);
        all && ports.len() == 1
    });
    found
}

/// Gives a slot keys, as a client does: DEBUG POPULATE tells neither log nor replicas.
pub fn fill(owner: &Server, tag: &str) {
    let script =
        "for n = 0, ARGV[1] - 1 do redis.call('set', KEYS[1] .. ':' .. n, 'value:' .. n) end";
    let (tag, keys) = (format!("{{{tag}}}"), KEYS.to_string());
    let mut client = owner.client();
    let reply = client.ask_args(&["EVAL", script, "1", &tag, &keys]);
    assert!(!reply.is_error(), "{}", reply.text());
}

pub fn digest(server: &Server) -> String {
    server.client().ask("DEBUG DIGEST").text()
}

/// Every key of the slot is where it belongs, and nowhere else.
pub fn all_there(owner: &Server, others: &[&Server], tag: &str, slot: i64, more: usize) {
    let mut client = owner.client();
    for number in [0, 1, KEYS / 2, KEYS - 1] {
        let reply = client.ask(&format!("GET {{{tag}}}:{number}"));
        assert_eq!(reply.text(), format!("value:{number}"));
    }
    let count = format!("CLUSTER COUNTKEYSINSLOT {slot}");
    assert_eq!(client.ask(&count).int() as usize, KEYS + more);
    for other in others {
        let mut client = other.client();
        eventually("nobody else has any of them", || {
            client.ask(&count).int() == 0
        });
    }
}

/// What clients that track keys aren't told of changes a key, too.
#[test]
fn groups_of_streams_come_as_they_are_at_last() {
    let nodes = cluster(&ours(3), 0);
    let (from, to, slot) = owner_of(&nodes, "{x}");
    let mut client = from.client();
    for order in [
        "XADD {x}s 1-1 k v",
        "XADD {x}s 2-1 k v",
        "XGROUP CREATE {x}s g 0",
        "XREADGROUP GROUP g ann COUNT 1 STREAMS {x}s >",
        "DEBUG SLOTMIGRATION PREVENT-PAUSE 1",
    ] {
        assert!(!client.ask(order).is_error(), "{order}");
    }
    let task = import(&mut to.client(), &format!("{slot} {slot}"));
    eventually("the stream has come", || digest(to) != "0".repeat(40));
    let before = digest(to);
    for order in [
        "XACK {x}s g 1-1",
        "XREADGROUP GROUP g bob COUNT 1 STREAMS {x}s >",
    ] {
        assert!(!client.ask(order).is_error(), "{order}");
    }
    eventually("it has come again", || digest(to) != before);
    client.ask("DEBUG SLOTMIGRATION PREVENT-PAUSE 0");
    assert_eq!(ended(to, &task), "completed");
    let mut there = to.client();
    let pending = words(&there.ask("XPENDING {x}s g"));
    assert_eq!(pending, "1 2-1 2-1 bob 1");
}

/// Keys that expire all the time change while commands are held back, too.
#[test]
fn slots_whose_keys_expire_move_all_the_same() {
    let nodes = cluster(&ours(3), 0);
    let (from, to, slot) = owner_of(&nodes, "{x}");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut client = from.client();
            let mut written = 0;
            while !over.load(Ordering::Relaxed) {
                let reply = client.ask(&format!("SET {{x}}:{} value PX 50", written % 5000));
                written += 1;
                if reply.text().starts_with("MOVED") {
                    break;
                }
            }
            written
        });
        eventually("keys expire", || {
            let told = from.client().ask("INFO stats").text();
            let expired = told.split("expired_keys:").nth(1).unwrap_or_default();
            !expired.starts_with("0\r")
        });
        let task = import(&mut to.client(), &format!("{slot} {slot}"));
        let state = ended(to, &task);
        over.store(true, Ordering::Relaxed);
        assert!(writer.join().expect("it ends") > 0);
        let why = field(&mut to.client(), &task, "last_error");
        assert_eq!(state, "completed", "{why}");
    });
}

/// What a writer was answered: how often each of its counters was raised, and how long each of its lists is.
pub type Written = BTreeMap<String, i64>;

/// Raises counters and lengthens lists of a slot as long as `over` is not set, and fails if an answer shows that a write was
/// lost or done twice.
pub fn write(from: &Server, number: usize, over: &AtomicBool) -> Written {
    let mut follower = Follower::new(from);
    let mut written = Written::new();
    while !over.load(Ordering::Relaxed) {
        for key in 0..20 {
            let (verb, name) = match key % 2 {
                0 => ("INCR", format!("{{x}}c{number}:{key}")),
                _ => ("RPUSH", format!("{{x}}l{number}:{key}")),
            };
            let count = written.entry(name.clone()).or_insert(0);
            *count += 1;
            let order = match verb {
                "INCR" => format!("INCR {name}"),
                _ => format!("RPUSH {name} {count}"),
            };
            assert_eq!(follower.ask(&order).int(), *count, "{order}");
        }
    }
    written
}

/// Every element stands once, in the order in which it came.
pub fn agrees(client: &mut Client, written: &Written) {
    for (key, count) in written {
        if key.contains("}c") {
            assert_eq!(client.ask(&format!("GET {key}")).text(), count.to_string());
            continue;
        }
        let list = client.ask(&format!("LRANGE {key} 0 -1")).items();
        let list: Vec<i64> = list
            .iter()
            .map(|one| one.text().parse().expect("a number"))
            .collect();
        assert_eq!(list, (1..=*count).collect::<Vec<_>>(), "{key}");
    }
}

/// Moves a slot while clients write to it, and returns what they wrote once it has moved.
fn move_under_writes(from: &Server, to: &Server, moves: impl FnOnce()) -> Written {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = &over;
        let writers: Vec<_> = (0..3)
            .map(|number| scope.spawn(move || write(from, number, over)))
            .collect();
        let mut client = from.client();
        eventually("they write", || {
            client.ask("EXISTS {x}c0:0 {x}c1:0 {x}c2:0").int() == 3
        });
        moves();
        let mut there = to.client();
        let raised = there.ask("GET {x}c0:0").text();
        eventually("they write on", || {
            there.ask("GET {x}c0:0").text() != raised
        });
        over.store(true, Ordering::Relaxed);
        let all = writers
            .into_iter()
            .flat_map(|one| one.join().expect("it writes"));
        all.collect()
    })
}

#[test]
fn slots_move_whole_under_writes_with_logs_and_replicas() {
    let options = ["--appendonly", "yes", "--repl-diskless-sync-delay", "0"];
    let nodes: Vec<Server> = (0..6).map(|_| node(&our_server(), &options)).collect();
    let mut nodes = join(nodes, 1);
    let masters = |nodes: &[Server]| {
        let (from, to, slot) = owner_of(&nodes[..3], "{x}");
        let at = |port| {
            nodes
                .iter()
                .position(|node| node.port == port)
                .expect("a node")
        };
        (at(from.port), at(to.port), slot)
    };
    let (from, to, slot) = masters(&nodes);
    fill(&nodes[from], "x");
    let mut client = nodes[from].client();
    for order in [
        "SET {x}dies 1 PX 3600000",
        "HSET {x}h f v g w",
        "HPEXPIRE {x}h 3600000 FIELDS 1 f",
        "ZADD {x}z 1 a 2 b",
        "XADD {x}s 5-1 k v",
        "SADD {x}set 1 2 three",
    ] {
        assert!(!client.ask(order).is_error(), "{order}");
    }
    let there = nodes[to].port;
    let mut task = String::new();
    let written = move_under_writes(&nodes[from], &nodes[to], || {
        task = import(&mut nodes[to].client(), &format!("{slot} {slot}"));
        assert_eq!(ended(&nodes[to], &task), "completed");
    });
    assert_eq!(ended(&nodes[from], &task), "completed");
    let everybody: Vec<&Server> = nodes.iter().collect();
    assert_eq!(owner(&everybody, "{x}"), there);
    let mut client = nodes[to].client();
    agrees(&mut client, &written);
    assert!(client.ask("PTTL {x}dies").int() > 3_000_000);
    assert_eq!(words(&client.ask("HGETALL {x}h")), "f v g w");
    assert!(client.ask("HPTTL {x}h FIELDS 1 f").items()[0].int() > 3_000_000);
    assert_eq!(words(&client.ask("ZRANGE {x}z 0 -1 WITHSCORES")), "a 1 b 2");
    assert_eq!(words(&client.ask("XRANGE {x}s - +")), "5-1 k v");
    assert_eq!(client.ask("SCARD {x}set").int(), 3);
    let others: Vec<&Server> = nodes[..3]
        .iter()
        .filter(|node| node.port != there)
        .collect();
    all_there(&nodes[to], &others, "x", slot, written.len() + 5);
    checks(&nodes[0]);
    for at in [from, to] {
        agree_with_replica_and_log(&mut nodes, at, &options);
    }
}

/// What a master says of its replica.
pub fn replica_of(node: &Server, master: &str) -> String {
    awaited("it has a replica", || {
        let told = node.client().ask(&format!("CLUSTER REPLICAS {master}"));
        told.items().first().map(|one| one.text())
    })
}

/// What a master has in memory, its replica has, and its log.
fn agree_with_replica_and_log(nodes: &mut Vec<Server>, at: usize, options: &[&str]) {
    let master = id(&nodes[at]);
    let told = replica_of(&nodes[at], &master);
    let replica = nodes
        .iter()
        .find(|node| told.starts_with(&id(node)))
        .expect("it has one");
    eventually("the replica has what its master has", || {
        digest(replica) == digest(&nodes[at])
    });
    let before = digest(&nodes[at]);
    assert_eq!(nodes[at].client().ask("DEBUG LOADAOF").text(), "OK");
    assert_eq!(digest(&nodes[at]), before);
    let dir = nodes.remove(at).kill();
    nodes.insert(at, node_on(&our_server(), dir, options));
    eventually("it has read its log", || digest(&nodes[at]) == before);
}

#[test]
fn slots_are_given_away_in_valkeys_words_under_writes() {
    let nodes = cluster(&ours(3), 0);
    let (from, to, slot) = owner_of(&nodes, "{x}");
    fill(from, "x");
    let written = move_under_writes(from, to, || {
        let mut client = from.client();
        let order = format!(
            "CLUSTER MIGRATESLOTS SLOTSRANGE {slot} {slot} NODE {}",
            id(to)
        );
        assert_eq!(client.ask(&order).text(), "OK");
        eventually("the slot has gone", || {
            words(&client.ask("CLUSTER GETSLOTMIGRATIONS")).contains("state success")
        });
    });
    let told = words(&from.client().ask("CLUSTER GETSLOTMIGRATIONS"));
    let mut there = to.client();
    eventually("the other side is done, too", || {
        words(&there.ask("CLUSTER GETSLOTMIGRATIONS")).contains("state success")
    });
    let other = words(&there.ask("CLUSTER GETSLOTMIGRATIONS"));
    for (text, side) in [(&told, "EXPORT"), (&other, "IMPORT")] {
        let ranges = format!("operation {side} slot_ranges {slot}-{slot}");
        assert!(text.contains(&ranges), "{text}");
        assert!(text.contains(&format!("target_node {} source_node {}", id(to), id(from))));
    }
    let everybody: Vec<&Server> = nodes.iter().collect();
    assert_eq!(owner(&everybody, "{x}"), to.port);
    agrees(&mut there, &written);
    let others: Vec<&Server> = nodes.iter().filter(|node| node.port != to.port).collect();
    all_there(to, &others, "x", slot, written.len());
}

/// As Valkey does, each of several orders of one command is a move of its own.
#[test]
fn several_moves_are_ordered_at_once() {
    let nodes = cluster(&ours(3), 0);
    let mut client = nodes[0].client();
    let (second, third) = (id(&nodes[1]), id(&nodes[2]));
    let order = format!(
        "CLUSTER MIGRATESLOTS SLOTSRANGE 1 2 5 7 NODE {second} SLOTSRANGE 10 10 NODE {second} SLOTSRANGE 20 29 NODE {third}"
    );
    assert_eq!(client.ask(&order).text(), "OK");
    eventually("all have moved", || {
        let told = words(&client.ask("CLUSTER GETSLOTMIGRATIONS"));
        told.matches("state success").count() == 3
    });
    let told = words(&client.ask("CLUSTER GETSLOTMIGRATIONS"));
    for ranges in [
        "slot_ranges 1-2 5-7 target",
        "slot_ranges 10-10 target",
        "slot_ranges 20-29 target",
    ] {
        assert!(told.contains(ranges), "{told}");
    }
    checks(&nodes[0]);
    let mut other = nodes[1].client();
    let slots = words(&other.ask("CLUSTER SLOTS"));
    for range in ["1 2 127", "5 7 127", "10 10 127", "20 29 127"] {
        assert!(slots.contains(range), "{slots}");
    }
}

/// What is refused, in the words of Redis 8.4's sources.
#[test]
fn a_move_that_makes_no_sense_is_refused() {
    let nodes = cluster(&ours(3), 0);
    let mut client = nodes[0].client();
    let arity = "ERR wrong number of arguments for 'cluster|migration' command";
    let refused = [
        ("IMPORT", arity),
        ("IMPORT 100", arity),
        ("IMPORT 100 200 300", arity),
        (
            "IMPORT 200 100",
            "ERR start slot number 200 is greater than end slot number 100",
        ),
        ("IMPORT 14000 18000", "ERR Invalid or out of range slot"),
        ("IMPORT sd sd", "ERR Invalid or out of range slot"),
        (
            "IMPORT 100 200",
            "ERR this node is already the owner of the slot range",
        ),
        (
            "IMPORT 7000 15000",
            "ERR slots belong to different source nodes",
        ),
        (
            "IMPORT 7000 8000 8000 9000",
            "ERR Slot 8000 specified multiple times",
        ),
        ("CANCEL NONE", "ERR unknown argument"),
        ("CANCEL ALL 1", arity),
        ("STATUS ID", arity),
        ("NOTHING ALL", "ERR unknown argument"),
    ];
    for (order, why) in refused {
        let reply = client.ask(&format!("CLUSTER MIGRATION {order}"));
        assert_eq!(reply.text(), why, "{order}");
    }
    assert_eq!(client.ask("CLUSTER MIGRATION STATUS ALL").items().len(), 0);
    let status = client.ask("CLUSTER MIGRATION STATUS ID none");
    assert_eq!(status.items().len(), 0);
    assert_eq!(client.ask("CLUSTER MIGRATION CANCEL ALL").int(), 0);
    let order = format!("CLUSTER SETSLOT 15000 IMPORTING {}", id(&nodes[2]));
    assert_eq!(client.ask(&order).text(), "OK");
    assert_eq!(
        client.ask("CLUSTER MIGRATION IMPORT 7000 7000").text(),
        "ERR all slot states must be STABLE to start a slot migration task."
    );
}

/// Valkey 9.1 is asked, too.
#[test]
fn what_is_said_of_migrateslots_is_valkeys() {
    let Some(nine) = valkey_9() else {
        return;
    };
    let orders = [
        "MIGRATESLOTS",
        "MIGRATESLOTS SLOTSRANGE 1",
        "MIGRATESLOTS SLOTSRANGE 1 2",
        "MIGRATESLOTS SLOTSRANGE 1 2 NODE",
        "MIGRATESLOTS SLOTSRANGE 1 2 NODE xxx",
        "MIGRATESLOTS SLOTSRANGE 2 1 NODE OTHER",
        "MIGRATESLOTS SLOTSRANGE 1 99999 NODE OTHER",
        "MIGRATESLOTS SLOTSRANGE 1 x NODE OTHER",
        "MIGRATESLOTS SLOTSRANGE 1 2 NODE MYSELF",
        "MIGRATESLOTS SLOTSRANGE 9000 9001 NODE OTHER",
        "MIGRATESLOTS SLOTSRANGE 1 2 2 3 NODE OTHER",
        "MIGRATESLOTS FOO 1 2 NODE OTHER",
        "MIGRATESLOTS SLOTSRANGE 1 2 NODE OTHER SLOTSRANGE 2 3 NODE OTHER",
        "MIGRATESLOTS SLOTSRANGE 1 2 NODE OTHER more",
        "CANCELSLOTMIGRATIONS",
        "CANCELSLOTMIGRATIONS ALL",
        "GETSLOTMIGRATIONS",
        "GETSLOTMIGRATIONS x",
        "SYNCSLOTS",
    ];
    let answers = |program: &std::path::PathBuf| {
        let nodes = cluster(&vec![program.clone(); 3], 0);
        let mut client = nodes[0].client();
        let answers = orders.map(|order| {
            let order = order.replace("OTHER", &id(&nodes[1]));
            let order = order.replace("MYSELF", &id(&nodes[0]));
            words(&client.ask(&format!("CLUSTER {order}")))
        });
        let names = [
            "migrateslots",
            "cancelslotmigrations",
            "getslotmigrations",
            "syncslots",
        ];
        let infos = names.map(|name| words(&client.ask(&format!("COMMAND INFO cluster|{name}"))));
        let hidden = |text: String| {
            text.replace(&id(&nodes[1]), "OTHER")
                .replace(&id(&nodes[0]), "MYSELF")
        };
        (answers.map(hidden), infos)
    };
    let (ours, theirs) = (answers(&our_server()), answers(&nine));
    for (order, (ours, theirs)) in orders.iter().zip(ours.0.iter().zip(&theirs.0)) {
        assert_eq!(ours, theirs, "{order}");
    }
    let sorted = |info: &String| {
        let mut words: Vec<String> = info.split(' ').map(str::to_owned).collect();
        words.sort();
        words
    };
    for (ours, theirs) in ours.1.iter().zip(&theirs.1) {
        assert_eq!(sorted(ours), sorted(theirs));
    }
}
