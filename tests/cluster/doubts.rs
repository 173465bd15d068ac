//! Slots that move whole, where one of the two nodes dies at a bad moment: clients are answered, keys go where they belong
//! without anybody's help, and nobody sees what is on its way.

use std::collections::BTreeSet;
use std::fs;

use crate::broken_off::{Way, nodes};
use crate::common::{Client, Server, awaited, eventually, our_server};
use crate::node::{checks, cluster, id, is_ok, join, node, node_on, ours, owner_of, words};
use crate::whole::{KEYS, all_there, digest, ended, fill, has_ended, import};

fn dies(way: &Way, at: usize, place: &str) {
    let order = format!("DEBUG PANIC-AT {place}");
    assert_eq!(way.nodes[at].client().ask(&order).text(), "OK");
}

/// The destination has leave to take a slot, and is dead.
pub fn in_doubt(nodes: Vec<Server>) -> Way {
    let mut way = Way::ready(nodes);
    dies(&way, way.to, "slots-granted");
    way.task = import(&mut way.dest(), &format!("{} {}", way.slot, way.slot));
    eventually("it dies", || {
        way.nodes[way.to].log().contains("was planted at")
    });
    way
}

#[test]
fn clients_of_slots_in_doubt_are_told_so_until_it_is_known_whose_they_are() {
    let way = in_doubt(nodes(0));
    let mut client = way.source();
    let told = client.ask("SET {x}:0 value:0").text();
    let doubt =
        "TRYAGAIN It is not known yet whether another node has taken the slots of these keys";
    assert_eq!(told, doubt);
    // Whoever blocked meanwhile would have waited; what may touch any key is refused, too.
    for order in ["GET {x}:0", "BLPOP {x}list 0", "FLUSHALL"] {
        let told = client.ask(order).text();
        assert!(told == doubt || has_ended(&way.state(way.from)), "{told}");
    }
    assert_eq!(client.ask("PING").text(), "PONG");
    assert_eq!(ended(&way.nodes[way.from], &way.task), "failed");
    assert_eq!(client.ask("SET {x}:0 value:0").text(), "OK");
}

/// Its file of nodes says that it had given leave.
#[test]
fn a_source_that_is_restarted_in_doubt_does_not_take_writes_before_it_knows_more() {
    // It does not serve within two seconds after a start, and is in doubt for longer than that.
    let options = ["--appendonly", "yes", "--cluster-node-timeout", "6000"];
    let options = [&options[..], &["--cluster-require-full-coverage", "no"]].concat();
    let started = (0..3).map(|_| node(&our_server(), &options));
    let mut way = in_doubt(join(started.collect(), 0));
    let (from, to) = (way.from, id(&way.nodes[way.to]));
    let file = way.nodes[from].dir().join("nodes.conf");
    let text = || fs::read_to_string(&file).expect("a file of nodes");
    let epoch = |way: &Way| {
        let told = way.source().ask("CLUSTER INFO").text();
        let line = told
            .lines()
            .find(|line| line.starts_with("cluster_my_epoch:"));
        line.and_then(|line| line.rsplit(':').next()?.parse::<u64>().ok())
    };
    let before = epoch(&way);
    let leave = format!(" leave {to}:{}\n", way.slot);
    assert!(text().contains(&leave), "{}", text());
    let dir = way.nodes.remove(from).kill();
    way.nodes
        .insert(from, node_on(&our_server(), dir, &options));
    let mut client = way.source();
    let doubt = awaited("it serves again", || {
        let told = client.ask("SET {x}:0 value:0").text();
        (!told.starts_with("CLUSTERDOWN ")).then_some(told)
    });
    assert!(doubt.starts_with("TRYAGAIN "), "{doubt}");
    let list = client.ask("CLUSTER MIGRATION STATUS ALL").to_string();
    assert!(list.contains(&to), "{list}");
    eventually("it claims its slots anew", || {
        client.ask("SET {x}:0 value:0").text() == "OK"
    });
    assert!(epoch(&way) > before);
    eventually("the file has nothing of it any more", || {
        !text().contains(" leave ")
    });
    way.restart(way.to);
    way.came_to_nothing();
    way.moves_after_all();
}

/// The destination had other slots, so that the cluster doesn't serve without it: that holds nobody back.
#[test]
fn a_move_comes_to_its_end_though_the_cluster_misses_the_destination() {
    let options = ["--appendonly", "yes", "--cluster-node-timeout", "2000"];
    let nodes = (0..3).map(|_| node(&our_server(), &options));
    let mut way = in_doubt(join(nodes.collect(), 0));
    let mut client = way.source();
    let told = client.ask("SET {x}:0 value:0").text();
    assert!(
        told.starts_with("CLUSTERDOWN ") || told.starts_with("TRYAGAIN "),
        "{told}"
    );
    assert_eq!(ended(&way.nodes[way.from], &way.task), "failed");
    way.restart(way.to);
    way.came_to_nothing();
    way.moves_after_all();
}

/// Its log and its file of nodes say what is left to be done.
#[test]
fn a_source_that_dies_while_it_deletes_goes_on_when_it_is_back() {
    let mut way = Way::ready(nodes(0));
    dies(&way, way.from, "slots-dropping");
    let mut client = way.dest();
    way.task = import(&mut client, &format!("{} {}", way.slot, way.slot));
    assert_eq!(ended(&way.nodes[way.to], &way.task), "completed");
    eventually("it dies", || {
        way.nodes[way.from].log().contains("was planted at")
    });
    let file = way.nodes[way.from].dir().join("nodes.conf");
    let undropped = format!(" undroppedslots {}\n", way.slot);
    assert!(
        fs::read_to_string(&file)
            .expect("a file of nodes")
            .contains(&undropped)
    );
    way.restart(way.from);
    let mut client = way.source();
    eventually("it serves again", || is_ok(&mut client));
    let count = format!("CLUSTER COUNTKEYSINSLOT {}", way.slot);
    eventually("the rest has gone", || client.ask(&count).int() == 0);
    assert!(!client.ask("CLUSTER NODES").text().contains("-<-"));
    let others: Vec<&Server> = way
        .nodes
        .iter()
        .filter(|node| node.port != way.nodes[way.to].port)
        .collect();
    all_there(&way.nodes[way.to], &others, "x", way.slot, 0);
    checks(&way.nodes[0]);
    eventually("the file has nothing of it any more", || {
        fs::read_to_string(&file).is_ok_and(|text| !text.contains("undropped"))
    });
    // So that the slot may come back, with what is written to it meanwhile.
    assert_eq!(way.dest().ask("SET {x}new 1").text(), "OK");
    let task = awaited("it may come back", || {
        let order = format!("CLUSTER MIGRATION IMPORT {0} {0}", way.slot);
        let reply = client.ask(&order);
        (!reply.is_error()).then(|| reply.text())
    });
    assert_eq!(ended(&way.nodes[way.from], &task), "completed");
    all_there(
        &way.nodes[way.from],
        &[&way.nodes[way.to]],
        "x",
        way.slot,
        1,
    );
    way.restart(way.from);
    eventually("it serves again", || is_ok(&mut way.source()));
    all_there(
        &way.nodes[way.from],
        &[&way.nodes[way.to]],
        "x",
        way.slot,
        1,
    );
}

/// Keys that were on their way are in the data files, which are read all the same, and then they are dropped.
#[test]
fn a_node_without_its_file_of_nodes_drops_keys_that_were_on_their_way() {
    for logs in ["yes", "no"] {
        let options = ["--appendonly", logs, "--cluster-node-timeout", "2000"];
        let nodes = (0..3).map(|_| node(&our_server(), &options));
        let mut way = Way::begin(join(nodes.collect(), 0));
        let order = match logs {
            "yes" => "BGREWRITEAOF",
            _ => "SAVE",
        };
        assert!(!way.dest().ask(order).is_error());
        eventually("the files are written", || {
            let told = way.dest().ask("INFO persistence").text();
            told.contains("aof_rewrite_in_progress:0") && told.contains("aof_rewrite_scheduled:0")
        });
        let dir = way.nodes.remove(way.to).kill();
        fs::remove_file(dir.path().join("nodes.conf")).expect("it is there");
        let server = node_on(&our_server(), dir, &options);
        eventually("only its own key is left", || digest(&server) == way.before);
        eventually("the log says so", || {
            server
                .log()
                .contains("had come here by moves that are over")
        });
        assert_eq!(server.client().ask("DBSIZE").int(), 1);
    }
}

fn plain_replica(of: &Server) -> Server {
    let port = of.port.to_string();
    let options = ["--replicaof", "127.0.0.1", &port];
    Server::start(&options)
}

/// What there is, by databases.
fn keyspace(client: &mut Client) -> String {
    client.ask("INFO keyspace").text()
}

#[test]
fn a_replica_outside_of_the_cluster_sees_no_keys_on_their_way() {
    let way = Way::begin(nodes(0));
    let replica = plain_replica(&way.nodes[way.to]);
    eventually("it is refused", || {
        let log = way.nodes[way.to].log();
        log.contains("is refused for now: keys of slots that move whole are on their way here")
    });
    let mut client = replica.client();
    assert!(!keyspace(&mut client).contains("db"));
    way.stays(false);
    assert_eq!(ended(&way.nodes[way.to], &way.task), "completed");
    eventually("it has all", || {
        client.ask("DBSIZE").text() == (KEYS + 1).to_string()
    });
    assert!(!keyspace(&mut client).contains("db1"));
    // Now that it is there, nothing comes: the node has one of these slots at most.
    let told = [0, 16383].map(|slot| {
        let order = format!("CLUSTER MIGRATION IMPORT {slot} {slot}");
        way.dest().ask(&order).text()
    });
    let refused = "ERR slots come whole to a node only if all of its replicas are nodes of a cluster, of its own make";
    assert!(told.iter().any(|one| one == refused), "{told:?}");
}

/// The slots are its own by then, and keys of some have yet to come to where clients find them.
#[test]
fn a_destination_that_dies_while_keys_land_has_all_when_it_is_back() {
    let mut way = Way::ready(nodes(0));
    let first = match way.slot {
        16000.. => way.slot - 100,
        _ => way.slot,
    };
    let last = first + 100;
    let mut client = way.source();
    // Some of them are the source's, and some of these of the slots that move.
    for n in 0..10_000 {
        client.ask(&format!("SET key:{n} {n}"));
    }
    let count = |client: &mut Client| {
        let count = (first..=last).map(|slot| {
            let order = format!("CLUSTER COUNTKEYSINSLOT {slot}");
            client.ask(&order).int()
        });
        count.sum::<i64>()
    };
    let before = count(&mut client);
    assert!(before > KEYS as i64);
    let order = "DEBUG PANIC-AT slots-landing 2";
    assert_eq!(way.dest().ask(order).text(), "OK");
    let slots = format!("{first} {last}");
    way.task = import(&mut way.dest(), &slots);
    eventually("it dies", || {
        way.nodes[way.to].log().contains("was planted at")
    });
    way.restart(way.to);
    let (mut there, mut source) = (way.dest(), way.source());
    eventually("it serves again", || is_ok(&mut there));
    eventually("the source has none", || count(&mut source) == 0);
    assert_eq!(count(&mut there), before);
    all_there(&way.nodes[way.to], &[], "x", way.slot, 0);
}

/// What is to be given is listed a part at a time, so that nobody waits for the whole list. Keys that go meanwhile, by which
/// others change their places, hide none.
#[test]
fn a_slot_is_listed_in_parts() {
    let nodes = cluster(&ours(3), 0);
    let (from, to, slot) = owner_of(&nodes, "{x}");
    let script = "for n = 1, 20000 do redis.call('set', KEYS[1] .. n, n) end";
    let mut client = from.client();
    assert!(!client.ask_args(&["EVAL", script, "1", "{x}"]).is_error());
    let order = format!("CLUSTER SYNCSLOTS BEGIN task {} {slot} {slot}", id(to));
    assert_eq!(client.ask(&order).text(), "OK");
    let (mut names, mut gone, mut round) = (BTreeSet::new(), 0, 0);
    loop {
        let reply = client.ask("CLUSTER SYNCSLOTS NEXT task");
        let items = reply.items();
        assert!(items[1].int() < 5000, "{} keys are listed", items[1].int());
        if items.len() == 2 {
            break;
        }
        for key in items[2..].chunks(4) {
            match key[3].text().is_empty() {
                true => names.remove(&key[0].text()),
                false => names.insert(key[0].text()),
            };
        }
        round += 1;
        for n in [round, 20_001 - round] {
            gone += client.ask(&format!("DEL {{x}}{n}")).int();
        }
    }
    assert!(round > 20 && gone > 20);
    assert_eq!(names.len() as i64, 20_000 - gone);
    client.ask("CLUSTER SYNCSLOTS CANCEL task");
}

/// A slot of many keys, of which others go while they are listed a part at a time.
#[test]
fn a_large_slot_comes_whole_while_its_keys_go() {
    let nodes = nodes(0);
    let (from, to, slot) = owner_of(&nodes, "{x}");
    fill(from, "x");
    let script = "for n = ARGV[1], ARGV[2] do redis.call('set', '{x}more:' .. n, n) end";
    let mut client = from.client();
    for part in 0..10 {
        let (first, last) = (part * 2000, part * 2000 + 1999);
        let ends = [first.to_string(), last.to_string()];
        let reply = client.ask_args(&["EVAL", script, "1", "{x}", &ends[0], &ends[1]]);
        assert!(!reply.is_error(), "{}", reply.text());
    }
    let task = import(&mut to.client(), &format!("{slot} {slot}"));
    let mut gone = 0;
    for n in (0..20_000).step_by(3) {
        let reply = client.ask(&format!("DEL {{x}}more:{n}"));
        if reply.is_error() {
            break;
        }
        gone += reply.int();
    }
    assert_eq!(ended(to, &task), "completed");
    let mut there = to.client();
    let count = format!("CLUSTER COUNTKEYSINSLOT {slot}");
    assert_eq!(there.ask(&count).int(), KEYS as i64 + 20_000 - gone);
    for n in (1..20_000).step_by(1501).filter(|n| n % 3 != 0) {
        let reply = there.ask(&format!("GET {{x}}more:{n}"));
        assert_eq!(words(&reply), n.to_string());
    }
}
