//! Moves of whole slots that don't come to their end: the slots stay their owner's, nothing of what came stays, and nothing
//! of it is seen meanwhile. DEBUG SLOTMIGRATION PREVENT-PAUSE, which Valkey's tests have, too, keeps a move on its way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use crate::common::{
    Client, Server, awaited, eventually, our_server, real_redis, redis_is_missing,
};
use crate::node::{checks, cluster, id, join, node, node_on, ours, owner_of, words};
use crate::whole::{
    KEYS, Written, agrees, all_there, digest, ended, field, fill, has_ended, import, owner,
    replica_of, write,
};

/// Three masters of a short node timeout and their logs, with so many replicas each.
pub fn nodes(replicas: usize) -> Vec<Server> {
    let options = options();
    let count = 3 * (replicas + 1);
    let nodes = (0..count).map(|_| node(&our_server(), &options));
    join(nodes.collect(), replicas)
}

pub fn options() -> [&'static str; 8] {
    [
        // A writer goes on while a node that has other slots is not there.
        "--cluster-require-full-coverage",
        "no",
        "--appendonly",
        "yes",
        "--cluster-node-timeout",
        "2000",
        "--repl-diskless-sync-delay",
        "0",
    ]
}

/// A slot with keys on its way, which stays so.
pub struct Way {
    pub nodes: Vec<Server>,
    pub from: usize,
    pub to: usize,
    pub slot: i64,
    pub task: String,
    /// Keys of the slot beside those that it had at first.
    pub more: usize,
    /// What the destination had before.
    pub before: String,
}

impl Way {
    pub fn begin(nodes: Vec<Server>) -> Way {
        let mut way = Way::ready(nodes);
        way.stays(true);
        way.import();
        way
    }

    pub fn ready(nodes: Vec<Server>) -> Way {
        let (from, to, slot) = owner_of(&nodes[..3], "{x}");
        let at = |port| nodes.iter().position(|node| node.port == port);
        let (from, to) = (at(from.port).expect("a node"), at(to.port).expect("a node"));
        fill(&nodes[from], "x");
        let own = awaited("a key of the destination", || {
            let mut client = nodes[to].client();
            (0..1000)
                .map(|n| format!("own:{n}"))
                .find(|key| client.ask(&format!("SET {key} 1")).text() == "OK")
        });
        let mut client = nodes[to].client();
        assert_eq!(client.ask(&format!("SET {own} 1")).text(), "OK");
        Way {
            from,
            to,
            slot,
            task: String::new(),
            more: 0,
            before: digest(&nodes[to]),
            nodes,
        }
    }

    pub fn stays(&self, on: bool) {
        let order = format!("DEBUG SLOTMIGRATION PREVENT-PAUSE {}", u8::from(on));
        assert_eq!(self.source().ask(&order).text(), "OK");
    }

    pub fn import(&mut self) {
        self.task = import(&mut self.dest(), &format!("{} {}", self.slot, self.slot));
        eventually("keys have come", || {
            digest(&self.nodes[self.to]) != self.before
        });
    }

    pub fn source(&self) -> Client {
        self.nodes[self.from].client()
    }

    pub fn dest(&self) -> Client {
        self.nodes[self.to].client()
    }

    pub fn state(&self, at: usize) -> String {
        field(&mut self.nodes[at].client(), &self.task, "state")
    }

    /// The source has the slot and its keys, and the destination has nothing of them.
    pub fn came_to_nothing(&self) {
        eventually("what has come has gone", || {
            digest(&self.nodes[self.to]) == self.before
        });
        let masters: Vec<&Server> = self.nodes[..3].iter().collect();
        assert_eq!(owner(&masters, "{x}"), self.nodes[self.from].port);
        let others = masters.into_iter();
        let others: Vec<&Server> = others
            .filter(|node| node.port != self.nodes[self.from].port)
            .collect();
        all_there(&self.nodes[self.from], &others, "x", self.slot, self.more);
    }

    /// And so it goes another time.
    pub fn moves_after_all(&mut self) {
        self.stays(false);
        let order = format!("{} {}", self.slot, self.slot);
        self.task = awaited("no other move is in the way", || {
            let reply = self
                .dest()
                .ask(&format!("CLUSTER MIGRATION IMPORT {order}"));
            (!reply.is_error()).then(|| reply.text())
        });
        assert_eq!(ended(&self.nodes[self.to], &self.task), "completed");
        let masters: Vec<&Server> = self.nodes[..3].iter().collect();
        assert_eq!(owner(&masters, "{x}"), self.nodes[self.to].port);
        let others = masters.into_iter();
        let others: Vec<&Server> = others
            .filter(|node| node.port != self.nodes[self.to].port)
            .collect();
        all_there(&self.nodes[self.to], &others, "x", self.slot, self.more);
    }

    pub fn restart(&mut self, at: usize) {
        let dir = self.nodes.remove(at).kill();
        self.nodes
            .insert(at, node_on(&our_server(), dir, &options()));
    }
}

#[test]
fn keys_on_their_way_are_seen_by_nobody() {
    let mut way = Way::ready(cluster(&ours(3), 0));
    let index = [
        "FT.CREATE",
        "idx",
        "PREFIX",
        "1",
        "{x}",
        "SCHEMA",
        "v",
        "TEXT",
    ];
    for at in [way.from, way.to] {
        assert_eq!(way.nodes[at].client().ask_args(&index).text(), "OK");
    }
    assert_eq!(way.source().ask("HSET {x}doc v hello").int(), 1);
    assert_eq!(way.source().ask("SET {x}dies 1 PX 50").text(), "OK");
    let mut heard: Vec<Client> = [way.from, way.to].map(|at| way.nodes[at].client()).into();
    for (at, client) in [way.from, way.to].into_iter().zip(&mut heard) {
        let order = "CONFIG SET notify-keyspace-events KEAn";
        assert_eq!(way.nodes[at].client().ask(order).text(), "OK");
        client.ask("PSUBSCRIBE __key*");
    }
    eventually("one has died", || {
        way.source().ask("EXISTS {x}dies").int() == 0
    });
    way.stays(true);
    way.import();
    let mut client = way.dest();
    let asked = [
        ("DBSIZE", "1"),
        ("CLUSTER COUNTKEYSINSLOT NUMBER", "0"),
        ("CLUSTER GETKEYSINSLOT NUMBER 10", ""),
        ("FT.SEARCH idx *", "0"),
        ("SELECT 1", "ERR SELECT is not allowed in cluster mode"),
    ];
    for (order, answer) in asked {
        let order = order.replace("NUMBER", &way.slot.to_string());
        assert_eq!(words(&client.ask(&order)), answer, "{order}");
    }
    for order in ["KEYS *", "RANDOMKEY"] {
        assert!(words(&client.ask(order)).starts_with("own:"), "{order}");
    }
    let mut cursor = "0".to_owned();
    loop {
        let reply = client.ask(&format!("SCAN {cursor} COUNT 1000"));
        let keys = reply.items()[1].items();
        assert!(keys.iter().all(|key| key.text().starts_with("own:")));
        cursor = reply.items()[0].text();
        if cursor == "0" {
            break;
        }
    }
    let info = client.ask("INFO keyspace").text();
    assert!(
        info.contains("db0:keys=1,") && !info.contains("db1"),
        "{info}"
    );
    // All that can be evicted goes, which is nothing of these. A move for which there is no memory would end.
    eventually("all have come", || way.state(way.from) == "send-stream");
    for order in [
        "CONFIG SET maxmemory-policy allkeys-random",
        "CONFIG SET maxmemory 1",
    ] {
        assert_eq!(client.ask(order).text(), "OK");
    }
    eventually("there is nothing to evict", || {
        client.ask("PING");
        client.ask("DBSIZE").int() == 0
    });
    assert_eq!(client.ask("CONFIG SET maxmemory 0").text(), "OK");
    way.stays(false);
    assert_eq!(ended(&way.nodes[way.to], &way.task), "completed");
    assert_eq!(client.ask("DBSIZE").int() as usize, KEYS + 1);
    assert_eq!(
        words(&client.ask("FT.SEARCH idx hello")),
        "1 {x}doc v hello"
    );
    let count = format!("CLUSTER COUNTKEYSINSLOT {}", way.slot);
    eventually("the source has dropped them", || {
        way.source().ask(&count).int() == 0
    });
    assert_eq!(way.source().ask("FT.SEARCH idx *").items()[0].int(), 0);
    // Each side hears of the keys that clients themselves have written, and of the one evicted.
    for at in [way.from, way.to] {
        way.nodes[at].client().ask("PUBLISH __keyend x");
    }
    for mut client in heard {
        let mut events = Vec::new();
        loop {
            let text = words(&client.receive().expect("a message").value);
            if text.ends_with("__keyend x") {
                break;
            }
            events.push(text);
        }
        let moved = |text: &&String| text.contains("{x}") && !text.contains("dies");
        assert_eq!(events.iter().find(moved), None);
    }
}

#[test]
fn a_move_is_cancelled_on_either_side() {
    let mut way = Way::begin(nodes(0));
    let task = way.task.clone();
    let by_name = format!("CLUSTER MIGRATION CANCEL ID {task}");
    assert_eq!(way.dest().ask(&by_name).int(), 1);
    assert_eq!(ended(&way.nodes[way.to], &task), "canceled");
    assert_eq!(ended(&way.nodes[way.from], &task), "failed");
    let error = field(&mut way.dest(), &task, "last_error");
    assert_eq!(error, "Cancelled due to user request");
    way.came_to_nothing();
    for order in [
        "CLUSTER MIGRATION CANCEL ALL",
        "CLUSTER CANCELSLOTMIGRATIONS",
    ] {
        way.import();
        let reply = way.source().ask(order);
        assert!(!reply.is_error(), "{}", reply.text());
        assert_eq!(ended(&way.nodes[way.from], &way.task), "canceled");
        assert_eq!(ended(&way.nodes[way.to], &way.task), "failed");
        way.came_to_nothing();
    }
    assert_eq!(
        way.source().ask("CLUSTER CANCELSLOTMIGRATIONS").text(),
        "ERR No migrations ongoing"
    );
    way.moves_after_all();
}

#[test]
fn what_else_is_done_to_slots_and_keys_ends_a_move() {
    let mut way = Way::begin(nodes(0));
    let (from, to) = (id(&way.nodes[way.from]), id(&way.nodes[way.to]));
    let slot = way.slot;
    for (at, order) in [
        (way.from, format!("SETSLOT {slot} MIGRATING {to}")),
        (way.to, format!("SETSLOT {slot} IMPORTING {from}")),
    ] {
        assert_eq!(
            way.nodes[at]
                .client()
                .ask(&format!("CLUSTER {order}"))
                .text(),
            "OK"
        );
        for side in [way.from, way.to] {
            assert_eq!(ended(&way.nodes[side], &way.task), "failed", "{order}");
        }
        let order = format!("CLUSTER SETSLOT {slot} STABLE");
        assert_eq!(way.nodes[at].client().ask(&order).text(), "OK");
        way.came_to_nothing();
        way.import();
    }
    // The link is cut.
    assert!(way.source().ask("CLIENT KILL TYPE normal SKIPME yes").int() > 0);
    assert_eq!(ended(&way.nodes[way.to], &way.task), "failed");
    assert!(field(&mut way.dest(), &way.task, "last_error").contains("was lost"));
    assert_eq!(ended(&way.nodes[way.from], &way.task), "failed");
    way.came_to_nothing();
    way.import();
    assert_eq!(way.dest().ask("FLUSHALL").text(), "OK");
    assert_eq!(ended(&way.nodes[way.to], &way.task), "canceled");
    assert_eq!(ended(&way.nodes[way.from], &way.task), "failed");
    way.before = "0".repeat(40);
    way.came_to_nothing();
    way.import();
    assert_eq!(way.source().ask("FLUSHALL").text(), "OK");
    assert_eq!(ended(&way.nodes[way.from], &way.task), "canceled");
    assert_eq!(ended(&way.nodes[way.to], &way.task), "failed");
    eventually("what has come has gone", || {
        digest(&way.nodes[way.to]) == way.before
    });
    fill(&way.nodes[way.from], "x");
    way.moves_after_all();
}

#[test]
fn a_source_that_dies_ends_a_move() {
    let mut way = Way::begin(nodes(0));
    way.restart(way.from);
    assert_eq!(ended(&way.nodes[way.to], &way.task), "failed");
    way.came_to_nothing();
    // One that stands still, too.
    way.stays(true);
    way.import();
    kill_process(way.nodes[way.from].id(), Signal::STOP).expect("it is ours");
    assert_eq!(ended(&way.nodes[way.to], &way.task), "failed");
    kill_process(way.nodes[way.from].id(), Signal::CONT).expect("it is ours");
    assert_eq!(ended(&way.nodes[way.from], &way.task), "failed");
    way.came_to_nothing();
    way.moves_after_all();
}

#[test]
fn a_destination_that_dies_has_nothing_of_a_move_when_it_is_back() {
    let mut way = Way::begin(nodes(0));
    assert_eq!(words(&way.dest().ask("DEBUG LOADAOF")), "OK");
    assert_ne!(digest(&way.nodes[way.to]), way.before);
    way.restart(way.to);
    way.came_to_nothing();
    let task = way.task.clone();
    way.moves_after_all();
    let mut client = way.source();
    assert_eq!(field(&mut client, &task, "state"), "failed");
    assert_eq!(
        field(&mut client, &task, "last_error"),
        "the other node began anew"
    );
}

/// Each step in which the destination may die: the slots are one node's, with all keys, and which one's depends on whether
/// it had taken them. Clients that wrote meanwhile find all that they were answered, once.
fn dies_at(place: &str) {
    let mut way = Way::ready(nodes(0));
    let mut client = way.dest();
    assert_eq!(client.ask(&format!("DEBUG PANIC-AT {place}")).text(), "OK");
    let over = AtomicBool::new(false);
    let writes = place != "slots-taken";
    let (task, written) = std::thread::scope(|scope| {
        let (over, from) = (&over, &way.nodes[way.from]);
        let writer = scope.spawn(move || match writes {
            true => write(from, 0, over),
            // It would be sent to a node that is not there.
            false => Written::new(),
        });
        let slots = format!("{} {}", way.slot, way.slot);
        let task = import(&mut client, &slots);
        eventually("it dies", || {
            way.nodes[way.to].log().contains("was planted at")
        });
        if writes {
            let mut client = way.source();
            let raised = client.ask("GET {x}c0:0").text();
            eventually("they write on", || {
                client.ask("GET {x}c0:0").text() != raised
            });
        }
        over.store(true, Ordering::Relaxed);
        (task, writer.join().expect("it writes"))
    });
    way.task = task;
    way.more = written.len();
    way.restart(way.to);
    let served = awaited("the slot is served", || {
        let masters: Vec<&Server> = way.nodes.iter().collect();
        let port = owner(&masters, "{x}");
        let mut client = Client::connect(port).ok()?;
        client.set_patience(std::time::Duration::from_secs(1));
        let reply = client.try_ask(&["SET", "{x}:0", "value:0"]).ok()?;
        (reply.value.text() == "OK").then_some(port)
    });
    // It has held nobody back in the first case: then it waits until the other side has been silent for long.
    if place != "slots-brought" {
        eventually("the owner says how it ended", || {
            has_ended(&way.state(way.from))
        });
    }
    match place {
        "slots-taken" => {
            assert_eq!(served, way.nodes[way.to].port);
            assert_eq!(way.state(way.from), "completed");
            let others: Vec<&Server> = way.nodes.iter().filter(|one| one.port != served).collect();
            all_there(&way.nodes[way.to], &others, "x", way.slot, 0);
            checks(&way.nodes[0]);
        }
        _ => {
            assert_eq!(served, way.nodes[way.from].port);
            way.came_to_nothing();
            agrees(&mut way.source(), &written);
            way.moves_after_all();
            agrees(&mut way.dest(), &written);
        }
    }
}

#[test]
fn a_destination_dies_before_commands_are_held_back() {
    dies_at("slots-brought");
}

#[test]
fn a_destination_dies_when_it_has_all() {
    dies_at("slots-whole");
}

#[test]
fn a_destination_dies_with_leave_to_take_the_slots() {
    dies_at("slots-granted");
}

#[test]
fn a_destination_dies_once_it_has_taken_the_slots() {
    dies_at("slots-taken");
}

#[test]
fn a_failover_of_either_side_ends_a_move() {
    let mut way = Way::begin(nodes(1));
    for side in [way.to, way.from] {
        let master = id(&way.nodes[side]);
        let told = replica_of(&way.nodes[side], &master);
        let named = |node: &Server| told.starts_with(&id(node));
        let replica = way.nodes.iter().position(named).expect("it has one");
        eventually(
            &format!("replica {replica} has what its master {side} has"),
            || digest(&way.nodes[replica]) == digest(&way.nodes[side]),
        );
        let mut client = way.nodes[replica].client();
        // It is given up after five seconds, which a busy machine may need.
        let mut asked: Option<Instant> = None;
        eventually("it has taken over", || {
            let takes_over = client.ask("ROLE").items()[0].text() == "master";
            if !takes_over && asked.is_none_or(|at| at.elapsed() > Duration::from_secs(6)) {
                assert_eq!(client.ask("CLUSTER FAILOVER").text(), "OK");
                asked = Some(Instant::now());
            }
            takes_over
        });
        for side in [way.from, way.to] {
            assert_eq!(ended(&way.nodes[side], &way.task), "failed");
        }
        way.nodes.swap(side, replica);
        if side == way.to {
            way.came_to_nothing();
            way.nodes
                .iter()
                .filter(|node| named(node))
                .for_each(|node| {
                    eventually("its replica has none of them, either", || {
                        digest(node) == way.before
                    });
                });
            way.import();
        }
    }
    way.came_to_nothing();
    way.moves_after_all();
}

#[test]
fn a_server_of_another_make_is_told_apart() {
    if redis_is_missing() {
        return;
    }
    let programs = [our_server(), our_server(), real_redis()];
    let nodes = cluster(&programs, 0);
    let task = import(&mut nodes[0].client(), "15000 15000");
    assert_eq!(ended(&nodes[0], &task), "failed");
    let error = field(&mut nodes[0].client(), &task, "last_error");
    assert!(
        error.starts_with("the other node can't move slots whole: "),
        "{error}"
    );
    let mut client = nodes[0].client();
    let order = format!("CLUSTER MIGRATESLOTS SLOTSRANGE 1 1 NODE {}", id(&nodes[2]));
    assert_eq!(client.ask(&order).text(), "OK");
    let told = awaited("it comes to nothing", || {
        let told = words(&client.ask("CLUSTER GETSLOTMIGRATIONS"));
        told.contains("EXPORT")
            .then_some(told)
            .filter(|told| told.matches("state failed").count() == 2)
    });
    assert!(
        told.contains("message the other node can't move slots whole: "),
        "{told}"
    );
    checks(&nodes[0]);
}

/// Whatever may be evicted: what is on its way may not, and there is not enough of the rest.
#[test]
fn a_destination_without_memory_takes_nothing() {
    let nodes = cluster(&ours(3), 0);
    let (from, to, slot) = owner_of(&nodes, "{x}");
    fill(from, "x");
    let before = digest(from);
    let mut there = to.client();
    for policy in ["noeviction", "allkeys-lru"] {
        there.ask(&format!("CONFIG SET maxmemory-policy {policy}"));
        there.ask("CONFIG SET maxmemory 1");
        let task = import(&mut there, &format!("{slot} {slot}"));
        assert_eq!(ended(to, &task), "failed", "{policy}");
        let why = field(&mut there, &task, "last_error");
        assert_eq!(why, "there is no memory for the keys", "{policy}");
        there.ask("CONFIG SET maxmemory 0");
        eventually("nothing of it stays", || digest(to) == "0".repeat(40));
        assert_eq!(digest(from), before);
    }
    let task = import(&mut there, &format!("{slot} {slot}"));
    assert_eq!(ended(to, &task), "completed");
    all_there(to, &[from], "x", slot, 0);
}
