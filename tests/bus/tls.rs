//! A bus over TLS (`tls-cluster yes`), among ours and stock nodes: who shows no certificate of theirs is no node.

use std::path::Path;

use crate::certs::Certs;
use crate::common::{Client, eventually, free_port, our_server, real_redis};
use crate::member::{Member, Shard, agree, all, has_keys, joined, write_keys};

fn start(program: &Path, certs: &Certs) -> Member {
    let port = free_port().to_string();
    let (cert, key, authority) = (
        certs.text("redis.crt"),
        certs.text("redis.key"),
        certs.text("ca.crt"),
    );
    let options = [
        ["--tls-port", &port],
        ["--tls-cluster", "yes"],
        ["--tls-replication", "yes"],
        ["--tls-cert-file", &cert],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &authority],
    ];
    Member::start(program, options.as_flattened())
}

/// Shards of ours with stock replicas, and the other way round.
fn mixed(certs: &Certs) -> Vec<Shard> {
    let (ours, stock) = (our_server(), real_redis());
    let pairs = [(&ours, &stock), (&stock, &ours), (&ours, &ours)];
    let pairs = pairs.map(|(one, other)| (start(one, certs), start(other, certs)));
    joined(pairs.into())
}

#[test]
fn ours_and_stock_nodes_speak_tls_on_the_bus() {
    let certs = Certs::get();
    let mut shards = mixed(certs);
    write_keys(&all(&shards));
    has_keys(&all(&shards));
    for at in 0..2 {
        let (primary, replica) = shards.remove(at);
        replica.order("CLUSTER FAILOVER");
        let mut everybody = all(&shards);
        everybody.extend([&primary, &replica]);
        eventually("the replica has taken over", || {
            let knows = |one: &&Member| one.holds_for_master(&replica.id);
            everybody.iter().all(knows) && !primary.holds_for_master(&primary.id)
        });
        agree(&everybody);
        has_keys(&everybody);
        shards.insert(at, (replica, primary));
    }
    // One of each kind dies, and comes back.
    let (dies, lives) = shards.remove(0);
    drop(dies.server.kill());
    let mut living = all(&shards);
    living.push(&lives);
    eventually("a dead primary is replaced", || {
        living.iter().all(|one| one.holds_for_master(&lives.id))
    });
    agree(&living);
    has_keys(&living);
}

#[test]
fn a_node_in_clear_does_not_get_in() {
    let certs = Certs::get();
    let shards = joined(vec![
        (start(&our_server(), certs), start(&our_server(), certs)),
        (start(&our_server(), certs), start(&our_server(), certs)),
    ]);
    let stranger = Member::start(&our_server(), &[]);
    let order = format!(
        "CLUSTER MEET 127.0.0.1 {} {}",
        shards[0].0.server.port, shards[0].0.bus_port
    );
    stranger.order(&order);
    eventually("the stranger has given up", || {
        stranger
            .ask("CLUSTER INFO")
            .text()
            .contains("cluster_known_nodes:1\r")
    });
    for member in all(&shards) {
        assert!(member.line(&stranger.id).is_none());
    }
}

/// Nobody listens in clear meanwhile. The source's replica hears of its leave.
#[test]
fn slots_move_whole_over_tls() {
    let certs = Certs::get();
    let shard = || (start(&our_server(), certs), start(&our_server(), certs));
    let shards = joined(vec![shard(), shard(), shard()]);
    let members = all(&shards);
    write_keys(&members);
    let mut clients: Vec<Client> = members.iter().map(|one| one.server.client()).collect();
    let ports: Vec<String> = members
        .iter()
        .map(|one| one.server.port.to_string())
        .collect();
    for client in &mut clients {
        assert_eq!(client.ask("CONFIG SET port 0").text(), "OK");
    }
    let task = clients[2].ask("CLUSTER MIGRATION IMPORT 0 2000").text();
    let order = format!("CLUSTER MIGRATION STATUS ID {task}");
    eventually("the slots have come", || {
        clients[2].ask(&order).to_string().contains("completed")
    });
    for (client, port) in clients.iter_mut().zip(&ports) {
        let order = format!("CONFIG SET port {port}");
        assert_eq!(client.ask(&order).text(), "OK");
    }
    eventually("all know the ports again", || {
        let told = |member: &Member| member.ask("CLUSTER NODES").text();
        let knows = |told: String| ports.iter().all(|port| told.contains(&format!(":{port}@")));
        members.iter().all(|member| knows(told(member)))
    });
    agree(&members);
    has_keys(&members);
    let line = members[0].line(&members[2].id).expect("it is known");
    assert!(line[8..].contains(&"0-2000".to_owned()), "{line:?}");
}
