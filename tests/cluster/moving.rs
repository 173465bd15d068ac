//! Slots that move between nodes, ours and stock ones, by redis-cli --cluster, while clients write.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::{Server, Value, our_server, real_redis, redis_8, valkey_9};
use crate::node::{Follower, address, checks, cli, cluster, id, is_ok, node, ours, try_cli};

const KEYS: usize = 300;

fn fill(nodes: &[Server]) {
    let mut client = Follower::new(&nodes[0]);
    for n in 0..KEYS {
        assert_eq!(client.ask(&format!("SET key:{n} {n}")).text(), "OK");
        client.ask(&format!("RPUSH {{list}}:{n} {n} x"));
        client.ask(&format!("EXPIRE {{list}}:{n} 1000"));
    }
}

fn holds(nodes: &[Server]) {
    let mut client = Follower::new(&nodes[0]);
    for n in 0..KEYS {
        assert_eq!(client.ask(&format!("GET key:{n}")).text(), n.to_string());
        assert_eq!(client.ask(&format!("LLEN {{list}}:{n}")).int(), 2);
        assert!(client.ask(&format!("TTL {{list}}:{n}")).int() > 0);
    }
    let counts = nodes.iter().map(|node| node.client().ask("DBSIZE").int());
    assert_eq!(counts.sum::<i64>(), 2 * KEYS as i64);
}

fn reshard(from: &Server, to: &Server, slots: usize) {
    let (slots, target) = (slots.to_string(), address(from));
    let (from, to) = (id(from), id(to));
    let args = ["--cluster", "reshard", &target, "--cluster-from", &from];
    let more = [
        "--cluster-to",
        &to,
        "--cluster-slots",
        &slots,
        "--cluster-yes",
    ];
    cli(&[&args[..], &more[..]].concat());
}

/// Moves some slots from each node to the next, and all of one small range there and back.
fn moves_around(programs: &[PathBuf]) {
    let nodes = cluster(programs, 0);
    fill(&nodes);
    checks(&nodes[0]);
    for at in 0..nodes.len() {
        let next = (at + 1) % nodes.len();
        reshard(&nodes[at], &nodes[next], 40);
        checks(&nodes[at]);
    }
    holds(&nodes);
    let list = nodes[0].client().ask("CLUSTER KEYSLOT list").int();
    for to in &nodes {
        move_slot(&nodes, list, to);
        holds(&nodes);
    }
    let target = address(&nodes[0]);
    cli(&[
        "--cluster",
        "rebalance",
        &target,
        "--cluster-threshold",
        "1",
    ]);
    checks(&nodes[0]);
    holds(&nodes);
}

/// Moves one slot as redis-cli does, with the node that has it now as the source.
pub fn move_slot(nodes: &[Server], slot: i64, to: &Server) {
    let key = format!("COUNTKEYSINSLOT {slot}");
    let holder = nodes
        .iter()
        .max_by_key(|node| node.client().ask(&format!("CLUSTER {key}")).int());
    let from = holder.expect("somebody has it");
    if from.port == to.port {
        return;
    }
    let ids = (id(from), id(to));
    let (mut source, mut target) = (from.client(), to.client());
    let order = format!("CLUSTER SETSLOT {slot} IMPORTING {}", ids.0);
    assert_eq!(target.ask(&order).text(), "OK");
    let order = format!("CLUSTER SETSLOT {slot} MIGRATING {}", ids.1);
    assert_eq!(source.ask(&order).text(), "OK");
    loop {
        let keys = source
            .ask(&format!("CLUSTER GETKEYSINSLOT {slot} 17"))
            .items();
        if keys.is_empty() {
            break;
        }
        let names: Vec<String> = keys.iter().map(Value::text).collect();
        let order = format!(
            "MIGRATE 127.0.0.1 {}  0 20000 KEYS {}",
            to.port,
            names.join(" ")
        );
        assert_eq!(source.ask(&order).text(), "OK");
    }
    let order = format!("CLUSTER SETSLOT {slot} NODE {}", ids.1);
    assert_eq!(target.ask(&order).text(), "OK");
    // A source that has heard of it already and has no slot left is the new owner's replica by now:
    // redis-cli, too, takes this error as done.
    let told = source.ask(&order).text();
    let is_replica = told == "ERR Please use SETSLOT only with masters.";
    assert!(told == "OK" || is_replica, "{told}");
    for node in nodes {
        checks(node);
    }
}

#[test]
fn slots_move_among_our_nodes() {
    moves_around(&ours(3));
}

#[test]
fn slots_move_between_ours_and_stock_nodes() {
    let mut programs = vec![our_server(), real_redis(), our_server()];
    programs.extend(redis_8());
    moves_around(&programs);
}

#[test]
fn slots_move_between_ours_and_valkeys_nodes() {
    let Some(valkey) = valkey_9() else { return };
    // Each reads what the other writes: values of kinds that both families have.
    moves_around(&[our_server(), valkey.clone(), our_server()]);
}

#[test]
fn writers_lose_nothing_while_slots_move() {
    let nodes = cluster(&ours(3), 0);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (stop, mut client) = (stop.clone(), Follower::new(&nodes[writer]));
            std::thread::spawn(move || {
                let mut counts = [0i64; 50];
                while !stop.load(Ordering::Relaxed) {
                    for (key, count) in counts.iter_mut().enumerate() {
                        // All of them are in slots that move.
                        let reply = client.ask(&format!("INCR {{s{}}}:{writer}:{key}", key % 5));
                        *count += 1;
                        assert_eq!(reply, Value::Int(*count), "writer {writer}, key {key}");
                    }
                }
                counts
            })
        })
        .collect();
    let mut client = nodes[0].client();
    for round in 0..3 {
        for tag in 0..5 {
            let slot = client.ask(&format!("CLUSTER KEYSLOT s{tag}")).int();
            move_slot(&nodes, slot, &nodes[(tag + round) % 3]);
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut client = Follower::new(&nodes[0]);
    for (writer, thread) in writers.into_iter().enumerate() {
        let counts = thread.join().expect("the writer ends well");
        for (key, count) in counts.iter().enumerate() {
            let reply = client.ask(&format!("GET {{s{}}}:{writer}:{key}", key % 5));
            assert_eq!(reply.text(), count.to_string());
        }
    }
}

/// Waits until every node has heard of a new one.
fn known(nodes: &[Server], new: &Server) {
    let id = id(new);
    for node in nodes {
        let mut client = node.client();
        crate::common::eventually("every node knows the new one", || {
            let text = client.ask("CLUSTER NODES").text();
            let line = text.lines().find(|line| line.starts_with(&id));
            line.is_some_and(|line| !line.contains("handshake") && line.contains(" connected"))
        });
    }
    checks(new);
    let mut client = new.client();
    crate::common::eventually("the new one serves", || is_ok(&mut client));
}

#[test]
fn nodes_are_added_and_taken_away() {
    let mut nodes = cluster(&[our_server(), real_redis(), our_server()], 0);
    fill(&nodes);
    let more = node(&our_server(), &[]);
    let (target, place) = (address(&nodes[1]), address(&more));
    cli(&["--cluster", "add-node", &place, &target]);
    known(&nodes, &more);
    nodes.push(more);
    let list = nodes[0].client().ask("CLUSTER KEYSLOT list").int();
    move_slot(&nodes, list, &nodes[3]);
    let mut more = nodes[3].client();
    assert_eq!(more.ask("DBSIZE").int(), KEYS as i64);
    // A copy of it, which is no master.
    let copy = node(&our_server(), &[]);
    let (place, master) = (address(&copy), id(&nodes[3]));
    let slave = ["--cluster-slave", "--cluster-master-id", &master];
    cli(&[&["--cluster", "add-node", &place, &target][..], &slave[..]].concat());
    known(&nodes, &copy);
    let mut copied = copy.client();
    crate::common::eventually("the replica has its master's keys", || {
        copied.ask("DBSIZE") == Value::Int(KEYS as i64)
    });
    let elsewhere = copied.ask("LLEN {list}:1").text();
    assert!(elsewhere.starts_with("MOVED "), "{elsewhere}");
    assert_eq!(copied.ask("READONLY").text(), "OK");
    assert_eq!(copied.ask("LLEN {list}:1").int(), 2);
    let refused = copied.ask("RPUSH {list}:1 y").text();
    assert!(refused.starts_with("MOVED "), "{refused}");
    let copy_id = id(&copy);
    cli(&["--cluster", "del-node", &target, &copy_id]);
    // All that the new one has goes back, and it leaves.
    move_slot(&nodes, list, &nodes[1]);
    cli(&["--cluster", "del-node", &target, &master]);
    let left = nodes.pop().expect("it was the last one");
    checks(&nodes[2]);
    holds(&nodes);
    assert_eq!(left.client().ask("DBSIZE").int(), 0);
}

#[test]
fn an_open_slot_is_mended_and_keys_are_brought_in() {
    let nodes = cluster(&ours(3), 0);
    fill(&nodes);
    let list = nodes[0].client().ask("CLUSTER KEYSLOT list").int();
    let has = |node: &&Server| node.client().ask("LLEN {list}:1") == Value::Int(2);
    let from = nodes.iter().find(has).expect("somebody has it");
    let to = nodes
        .iter()
        .find(|node| node.port != from.port)
        .expect("another one");
    let order = format!("CLUSTER SETSLOT {list} IMPORTING {}", id(from));
    assert_eq!(to.client().ask(&order).text(), "OK");
    let order = format!("CLUSTER SETSLOT {list} MIGRATING {}", id(to));
    assert_eq!(from.client().ask(&order).text(), "OK");
    let order = format!(
        "MIGRATE 127.0.0.1 {}  0 5000 KEYS {{list}}:1 {{list}}:2",
        to.port
    );
    assert_eq!(from.client().ask(&order).text(), "OK");
    let (fine, text) = try_cli(&["--cluster", "check", &address(to)]);
    assert!(!fine && text.contains("open slots"), "{text}");
    cli(&["--cluster", "fix", &address(to)]);
    checks(from);
    holds(&nodes);
    // From a server that is no cluster's.
    let alone = Server::start(&[]);
    for n in 0..20 {
        alone.client().ask(&format!("SET other:{n} {n}"));
    }
    let (target, source) = (address(&nodes[0]), address(&alone));
    cli(&["--cluster", "import", &target, "--cluster-from", &source]);
    let mut client = Follower::new(&nodes[0]);
    assert_eq!(client.ask("GET other:7").text(), "7");
    assert_eq!(alone.client().ask("DBSIZE").int(), 0);
}
