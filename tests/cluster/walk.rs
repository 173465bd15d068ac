//! CLUSTERSCAN, CLUSTER FLUSHSLOT and CLUSTER REPLICATE NO ONE, which are Valkey's.

use std::collections::BTreeSet;

use crate::common::{Server, Value, awaited, eventually, our_server, redis_8, valkey_9};
use crate::moving::move_slot;
use crate::node::{Follower, checks, cluster, id, node, ours};

/// Goes on with a walk for so many steps, or to its end; returns the cursor.
fn walk(
    client: &mut Follower,
    cursor: &str,
    options: &str,
    steps: usize,
    found: &mut BTreeSet<String>,
) -> String {
    let mut cursor = cursor.to_owned();
    for _ in 0..steps {
        let reply = client.ask(format!("CLUSTERSCAN {cursor} {options}").trim_end());
        assert!(!reply.is_error(), "{}", reply.text());
        let parts = reply.items();
        found.extend(parts[1].items().iter().map(Value::text));
        cursor = parts[0].text();
        if cursor == "0" {
            break;
        }
    }
    cursor
}

const STEPS_MAX: usize = 100_000;

fn walked(client: &mut Follower, options: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    assert_eq!(walk(client, "0", options, STEPS_MAX, &mut found), "0");
    found
}

#[test]
fn a_walk_finds_every_key_of_a_cluster_though_slots_move_meanwhile() {
    let nodes = cluster(&ours(3), 0);
    let mut client = Follower::new(&nodes[0]);
    let names: BTreeSet<String> = (0..600).map(|n| format!("key:{n}")).collect();
    for name in &names {
        client.ask(&format!("SET {name} 1"));
    }
    for n in 0..300 {
        client.ask(&format!("RPUSH {{list}}:{n} 1"));
    }
    assert_eq!(walked(&mut client, "TYPE string"), names);
    assert_eq!(walked(&mut client, "MATCH key:1*").len(), 111);
    assert_eq!(walked(&mut client, "COUNT 1000").len(), 900);
    let slot = client.ask("CLUSTER KEYSLOT list").int();
    assert_eq!(
        walked(&mut client, &format!("SLOT {slot} COUNT 7")).len(),
        300
    );
    let empty = (0..16384).find(|slot| {
        let slot = format!("CLUSTER COUNTKEYSINSLOT {slot}");
        nodes.iter().all(|node| node.client().ask(&slot).int() == 0)
    });
    assert_eq!(
        walked(&mut client, &format!("SLOT {}", empty.unwrap())).len(),
        0
    );
    // Slots with keys go from node to node while somebody walks.
    let mut found = BTreeSet::new();
    let mut cursor = "0".to_owned();
    for round in 0..12 {
        cursor = walk(&mut client, &cursor, "", 25, &mut found);
        let slot = client
            .ask(&format!("CLUSTER KEYSLOT key:{}", round * 7))
            .int();
        move_slot(&nodes, slot, &nodes[round % 3]);
        let slot = client.ask("CLUSTER KEYSLOT list").int();
        move_slot(&nodes, slot, &nodes[round % 3]);
    }
    if cursor != "0" {
        assert_eq!(walk(&mut client, &cursor, "", STEPS_MAX, &mut found), "0");
    }
    assert_eq!(found.len(), 900);
}

#[test]
fn a_walk_goes_on_at_the_replica_that_has_taken_over() {
    let nodes = cluster(&ours(6), 1);
    let mut client = Follower::new(&nodes[0]);
    for n in 0..300 {
        client.ask(&format!("SET {{a}}:{n} 1"));
    }
    let holds = |node: &&Server| node.client().ask("EXISTS {a}:1") == Value::Int(1);
    let owner = nodes.iter().find(holds).expect("somebody has it");
    let slot = client.ask("CLUSTER KEYSLOT a").int();
    let mut found = BTreeSet::new();
    let options = format!("SLOT {slot}");
    let cursor = walk(&mut client, "0", &options, 5, &mut found);
    assert!(cursor != "0" && !cursor.starts_with("0-"));
    let replica = awaited("its replica follows", || {
        let replicas = owner.client().ask("ROLE").items()[2].items();
        let place = replicas.first()?.items();
        (place[2].text() != "0").then(|| place[1].text())
    });
    let replica = nodes
        .iter()
        .find(|node| node.port.to_string() == replica)
        .unwrap();
    assert_eq!(replica.client().ask("CLUSTER FAILOVER").text(), "OK");
    eventually("the replica has taken over", || {
        replica.client().ask("ROLE").items()[0].text() == "master"
            && owner.client().ask("ROLE").items()[0].text() == "slave"
    });
    assert_eq!(
        walk(&mut client, &cursor, &options, STEPS_MAX, &mut found),
        "0"
    );
    assert_eq!(found.len(), 300);
}

#[test]
fn a_slot_is_emptied_and_a_replica_leaves_its_master() {
    let nodes = cluster(&ours(3), 0);
    let mut client = Follower::new(&nodes[0]);
    for n in 0..100 {
        client.ask(&format!("SET {{a}}:{n} 1"));
        client.ask(&format!("SET {{b}}:{n} 1"));
    }
    let holds = |node: &&Server| node.client().ask("EXISTS {a}:1") == Value::Int(1);
    let owner = nodes.iter().find(holds).expect("somebody has it");
    let more = node(&our_server(), &[]);
    let (place, target) = (crate::node::address(&more), crate::node::address(owner));
    let slave = ["--cluster-slave", "--cluster-master-id", &id(owner)];
    crate::node::cli(&[&["--cluster", "add-node", &place, &target][..], &slave[..]].concat());
    let mut copy = more.client();
    let keys = owner.client().ask("DBSIZE").int();
    eventually("the replica has all keys", || {
        copy.ask("DBSIZE") == Value::Int(keys)
    });
    let slot = client.ask("CLUSTER KEYSLOT a").int();
    assert_eq!(
        owner
            .client()
            .ask(&format!("CLUSTER FLUSHSLOT {slot} SYNC"))
            .text(),
        "OK"
    );
    assert_eq!(owner.client().ask("DBSIZE").int(), keys - 100);
    eventually("the replica follows", || {
        copy.ask("DBSIZE") == Value::Int(keys - 100)
    });
    let shard = copy.ask("CLUSTER MYSHARDID").text();
    assert_eq!(copy.ask("CLUSTER REPLICATE NO ONE").text(), "OK");
    assert_eq!(copy.ask("ROLE").items()[0].text(), "master");
    assert_ne!(copy.ask("CLUSTER MYSHARDID").text(), shard);
    eventually("its keys have gone", || copy.ask("DBSIZE") == Value::Int(0));
    eventually("the others know", || {
        let nodes = owner.client().ask("CLUSTER NODES").text();
        let line = nodes.lines().find(|line| line.starts_with(&id(&more)));
        line.is_some_and(|line| line.contains(" master - "))
    });
    checks(owner);
}

#[test]
fn mistakes_get_the_answers_of_valkey() {
    let Some(valkey) = valkey_9() else { return };
    let servers = [our_server(), valkey].map(|program| {
        let server = node(&program, &[]);
        server.client().ask("CLUSTER ADDSLOTSRANGE 0 16383");
        eventually("it serves", || crate::node::is_ok(&mut server.client()));
        server
    });
    for words in [
        "CLUSTERSCAN",
        "CLUSTERSCAN x",
        "CLUSTERSCAN 5",
        "CLUSTERSCAN 0-{a}",
        "CLUSTERSCAN 0-{a}-x",
        "CLUSTERSCAN 0-{a}-0-0",
        "CLUSTERSCAN 0-{a}-0 SLOT 5",
        "CLUSTERSCAN 0-{a}-0 SLOT 15495",
        "CLUSTERSCAN 0 SLOT 16384",
        "CLUSTERSCAN 0 SLOT x",
        "CLUSTERSCAN 0 COUNT 0",
        "CLUSTERSCAN 0 COUNT x",
        "CLUSTERSCAN 0 COUNT 0 SLOT 99999",
        "CLUSTERSCAN 0 SLOT 99999 COUNT 0",
        "CLUSTERSCAN 0 TYPE none",
        "CLUSTERSCAN 0 MORE",
        "CLUSTER FLUSHSLOT",
        "CLUSTER FLUSHSLOT x",
        "CLUSTER FLUSHSLOT 16384",
        "CLUSTER FLUSHSLOT 0 MORE",
        "CLUSTER FLUSHSLOT 0 SYNC MORE",
        "CLUSTER FLUSHSLOT 0",
        "CLUSTER FLUSHSLOT 0 ASYNC",
        "CLUSTER REPLICATE NO ONE",
        "CLUSTER REPLICATE NO TWO",
        "CLUSTER REPLICATE x",
        "COMMAND INFO CLUSTERSCAN",
        "COMMAND INFO CLUSTER|FLUSHSLOT",
        "COMMAND GETKEYS CLUSTERSCAN 0",
    ] {
        let [ours, theirs] = [&servers[0], &servers[1]].map(|server| server.client().ask(words));
        assert_eq!(ours, theirs, "{words}");
    }
    let other = crate::common::Server::start(&[]);
    let refused = other.client().ask("CLUSTERSCAN 0").text();
    assert_eq!(refused, "ERR This instance has cluster support disabled");
    // Redis has none of these.
    if let Some(redis) = redis_8() {
        let server = node(&redis, &[]);
        assert!(server.client().ask("CLUSTERSCAN 0").is_error());
    }
}
