//! Leave to take slots whole, which an owner notes and tells its replicas before it gives it.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Signal, kill_process};

use crate::broken_off::{Way, nodes, options};
use crate::common::{
    Client, Server, eventually, our_server, real_redis, redis_is_missing, valkey_9,
};
use crate::doubts::in_doubt;
use crate::node::{checks, id, is_ok, join, node, node_on};
use crate::whole::{KEYS, all_there, digest, ended, field, owner};

fn with_a_replica(masters: usize, options: &[&str]) -> Vec<Server> {
    with_replica(masters, node(&our_server(), options), options)
}

/// Masters, the last of which comes first, as it has the slot of these tests, and last of all a replica of that one.
fn with_replica(masters: usize, replica: Server, options: &[&str]) -> Vec<Server> {
    let started = (0..masters).map(|_| node(&our_server(), options));
    let mut nodes = join(started.collect(), 0);
    nodes.reverse();
    let (mut client, master) = (replica.client(), nodes[0].port);
    let bus = nodes[0].client().ask("CONFIG GET cluster-port").items()[1].text();
    let meet = format!("CLUSTER MEET 127.0.0.1 {master} {bus}");
    assert_eq!(client.ask(&meet).text(), "OK");
    let order = format!("CLUSTER REPLICATE {}", id(&nodes[0]));
    eventually("they have met", || client.ask(&order).text() == "OK");
    eventually("the replica follows, and all know it", || {
        let name = id(&replica);
        let knows = |node: &Server| node.client().ask("CLUSTER NODES").text().contains(&name);
        client.info("master_link_status") == "up" && nodes.iter().all(knows)
    });
    nodes.push(replica);
    nodes
}

fn file(node: &Server) -> PathBuf {
    node.dir().join("nodes.conf")
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).expect("a file of nodes")
}

fn epoch(client: &mut Client, name: &str) -> u64 {
    let told = client.ask("CLUSTER INFO").text();
    let mut lines = told.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|number| number.parse().ok())
        .expect("an epoch")
}

/// The file of nodes of the destination as it is once it has taken the slot: it has told nobody.
fn take(file: &Path, slot: i64, epoch: u64) {
    let mut lines = Vec::new();
    for line in text(file).lines() {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        if words[0] == "vars" {
            words[2] = epoch.to_string();
        } else if words[2].contains("myself") {
            words[6] = epoch.to_string();
            words.push(slot.to_string());
        } else if let Some(last) = words.last_mut().filter(|word| word.ends_with("-16383")) {
            let first = last.trim_end_matches("-16383").to_owned();
            *last = format!("{first}-{} {}-16383", slot - 1, slot + 1);
        }
        lines.push(words.join(" "));
    }
    fs::write(file, lines.join("\n") + "\n").expect("it can be written");
}

/// The destination had taken the slot and told nobody; the source dies, too. What is written to the one that takes the source's
/// place is not lost when the destination is back.
#[test]
fn a_replica_that_takes_the_place_of_a_source_in_doubt_claims_its_slots_anew() {
    let mut way = in_doubt(with_a_replica(5, &options()));
    let (slot, replica) = (way.slot, &way.nodes[5]);
    let leave = format!(" leave {}:{slot}\n", id_of(&way, way.to));
    assert!(text(&file(replica)).contains(&leave));
    let mut client = replica.client();
    let before = epoch(&mut client, "cluster_current_epoch");
    let dir = way.nodes.remove(way.from).kill();
    way.to -= 1;
    let mut told = Vec::new();
    eventually("the replica leads, and knows whose the slots are", || {
        let reply = client.ask("SET {x}:0 value:0").text();
        let ends = reply == "OK";
        told.push(reply);
        ends
    });
    assert!(
        told.iter().any(|one| one.starts_with("TRYAGAIN ")),
        "{told:?}"
    );
    assert!(epoch(&mut client, "cluster_my_epoch") > before + 1);
    assert_eq!(client.ask("SET {x}new 1").text(), "OK");
    let replica = &way.nodes[4];
    eventually("its file has nothing of it any more", || {
        !text(&file(replica)).contains(" leave ")
    });
    take(&file(&way.nodes[way.to]), slot, before + 1);
    way.restart(way.to);
    let masters: Vec<&Server> = way.nodes.iter().collect();
    assert_eq!(owner(&masters, "{x}"), masters[4].port);
    let others = &masters[..4];
    all_there(masters[4], others, "x", slot, 1);
    assert_eq!(client.ask("GET {x}new").text(), "1");
    let back = node_on(&our_server(), dir, &options());
    eventually("the source is its replica", || {
        back.client().info("master_port") == masters[4].port.to_string()
    });
    checks(&way.nodes[0]);
}

fn id_of(way: &Way, at: usize) -> String {
    let port = format!(":{}@", way.nodes[at].port);
    let told = way.nodes[way.from].client().ask("CLUSTER NODES").text();
    let mut lines = told.lines();
    let line = lines
        .find(|line| line.contains(&port))
        .expect("it is known");
    line.split(' ').next().unwrap_or_default().to_owned()
}

/// Once the slots have gone, the replica is told so: it would not doubt them.
#[test]
fn replicas_hear_when_leave_does_not_matter_any_more() {
    let mut way = Way::ready(with_a_replica(3, &options()));
    way.moves_after_all();
    let replica = &way.nodes[3];
    eventually("its file has nothing of it any more", || {
        !text(&file(replica)).contains(" leave ")
    });
    assert!(replica.log().is_empty() || !replica.log().contains("It is not known yet"));
    assert_eq!(
        replica.client().ask("CLUSTER SYNCSLOTS LEAVES x").text(),
        "ERR syntax error"
    );
    let master = id(&way.nodes[1]);
    let order = format!("CLUSTER SYNCSLOTS LEAVES {master}");
    for node in [replica, &way.nodes[0]] {
        assert_eq!(
            node.client().ask(&order).text(),
            "ERR This node is no replica of that one"
        );
    }
}

/// It is not held for dead yet, and might take the source's place.
#[test]
fn no_leave_is_given_that_a_replica_did_not_hear_of() {
    let mut options = options();
    options[5] = "30000";
    let mut way = Way::ready(with_a_replica(3, &options));
    let stopped = way.nodes[3].id();
    kill_process(stopped, Signal::STOP).expect("it is there");
    let slots = format!("{} {}", way.slot, way.slot);
    way.task = crate::whole::import(&mut way.dest(), &slots);
    assert_eq!(ended(&way.nodes[way.from], &way.task), "failed");
    let why = field(&mut way.source(), &way.task, "last_error");
    assert!(why.contains("could not be told"), "{why}");
    assert_eq!(ended(&way.nodes[way.to], &way.task), "failed");
    assert!(!text(&file(&way.nodes[way.from])).contains(" leave "));
    kill_process(stopped, Signal::CONT).expect("it is there");
    way.came_to_nothing();
    way.moves_after_all();
}

#[test]
fn replicas_of_other_makes_are_in_nobodys_way() {
    if redis_is_missing() {
        return;
    }
    for program in [Some(real_redis()), valkey_9()].into_iter().flatten() {
        let options = options();
        let theirs = [
            "--cluster-node-timeout",
            "2000",
            "--enable-debug-command",
            "yes",
        ];
        let replica = node(&program, &theirs);
        let mut way = Way::ready(with_replica(3, replica, &options));
        way.moves_after_all();
        let log = way.nodes[way.from].log();
        let told = "doesn't know what leave to take slots is";
        assert!(log.contains(told), "{log}");
    }
}

/// A node that can't note what it says ends, and has not said it.
#[test]
fn no_leave_is_given_that_can_not_be_noted() {
    let mut way = Way::begin(nodes(0));
    let file = file(&way.nodes[way.from]);
    let kept = text(&file);
    fs::remove_file(&file).expect("it is there");
    fs::create_dir_all(file.join("in the way")).expect("it can be made");
    way.stays(false);
    eventually("it ends", || {
        let log = way.nodes[way.from].log();
        log.contains("Fatal: can't update cluster config file")
    });
    assert_eq!(ended(&way.nodes[way.to], &way.task), "failed");
    fs::remove_dir_all(&file).expect("it is there");
    fs::write(&file, kept).expect("it can be written");
    way.restart(way.from);
    eventually("it serves again", || is_ok(&mut way.source()));
    way.came_to_nothing();
    assert_eq!(way.source().ask("DBSIZE").int(), KEYS as i64);
    assert_ne!(digest(&way.nodes[way.from]), "0".repeat(40));
    way.moves_after_all();
}
