//! `nodes.conf`: kept over restarts, locked, and exchanged with redis-server.

use std::fs;
use std::process::{Command, Stdio};

use crate::common::{eventually, free_port, our_server, real_redis, redis_8};
use crate::member::Member;

#[test]
fn a_node_keeps_its_name_its_slots_and_its_epoch() {
    let member = Member::start(&our_server(), &[]);
    member.order("CLUSTER ADDSLOTSRANGE 0 100 200 16383");
    member.order("CLUSTER SET-CONFIG-EPOCH 7");
    let (id, line) = (member.id.clone(), member.line(&member.id));
    let member = member.kill_and_restart();
    assert_eq!(member.id, id);
    let slots = |line: Option<Vec<String>>| line.map(|words| words[8..].join(" "));
    assert_eq!(slots(member.line(&id)), slots(line));
    assert!(
        member
            .ask("CLUSTER INFO")
            .text()
            .contains("cluster_my_epoch:7\r\n")
    );
}

#[test]
fn a_file_that_a_node_has_is_no_other_nodes() {
    let member = Member::start(&our_server(), &[]);
    let second = Command::new(our_server())
        .args(["--cluster-enabled", "yes", "--bind", "127.0.0.1"])
        .args(["--port", &free_port().to_string()])
        .args(["--cluster-port", &free_port().to_string()])
        .args(["--dir", &member.server.dir().to_string_lossy()])
        .stdin(Stdio::null())
        .output()
        .expect("our server runs");
    assert!(!second.status.success());
    let told = String::from_utf8_lossy(&second.stdout) + String::from_utf8_lossy(&second.stderr);
    assert!(
        told.contains("already used by a different Redis Cluster node"),
        "{told}"
    );
    // Its own file is still locked after it was written anew.
    member.order("CLUSTER ADDSLOTS 5");
    assert!(fs::read_to_string(member.server.dir().join("nodes.conf")).is_ok());
}

#[test]
fn a_file_that_cannot_be_read_stops_the_start() {
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    fs::write(dir.path().join("nodes.conf"), "no file of nodes\n").expect("a file");
    let options = [
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &free_port().to_string(),
    ];
    let refused = crate::common::Server::try_start_on(&our_server(), dir, &options);
    let log = refused.err().expect("it does not start");
    assert!(log.contains("corrupted cluster config file"), "{log}");
}

#[test]
fn a_stock_nodes_file_is_taken_over_and_back() {
    let programs = [Some(real_redis()), redis_8()];
    for program in programs.into_iter().flatten() {
        let stock = Member::start(&program, &[]);
        stock.order("CLUSTER ADDSLOTSRANGE 0 16383");
        assert_eq!(stock.ask("CLUSTER BUMPEPOCH").text(), "BUMPED 1");
        stock.order("CLUSTER SETSLOT 77 STABLE");
        let id = stock.id.clone();
        let ours = Member::start_on(&our_server(), stock.server.stop(), &[]);
        assert_eq!(ours.id, id);
        eventually("it serves", || {
            ours.ask("CLUSTER INFO").text().contains("cluster_state:ok")
        });
        let line = ours.line(&id).expect("a node knows itself");
        assert_eq!((line[6].as_str(), line[8].as_str()), ("1", "0-16383"));
        ours.order("CLUSTER SAVECONFIG");
        let dir = ours.server.stop();
        // Redis 7.0 knows less than what is written behind an address: it takes it for a part of the host's name.
        let stock = Member::start_on(&program, dir, &[]);
        assert_eq!(stock.id, id);
        let line = stock.line(&id).expect("a node knows itself");
        assert_eq!((line[6].as_str(), line[8].as_str()), ("1", "0-16383"));
    }
}
