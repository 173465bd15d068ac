//! Clusters of ours and stock nodes: each takes the other's place, when it is asked to and when the other dies.
//!
//! Redis 8 and Valkey 9 are not put into one cluster: they use one number for different extensions of a ping, and each
//! writes the other's into its file. Redis 7.0 is no replica of later ones, whose snapshots it can't read.

use std::path::PathBuf;

use crate::common::{eventually, our_server, real_redis, redis_8, valkey_9};
use crate::member::{Member, Shard, agree, all, cluster, has_keys, write_keys};

/// The replica takes its primary's place, and the primary becomes its replica.
fn swap(shards: &mut [Shard], at: usize, way: &str) {
    let (primary, replica) = &shards[at];
    let order = format!("CLUSTER FAILOVER {way}");
    replica.order(order.trim_end());
    let everybody = all(shards);
    eventually(&format!("a failover by {order:?}"), || {
        let knows = |member: &&Member| member.holds_for_master(&replica.id);
        everybody.iter().all(knows) && !primary.holds_for_master(&primary.id)
    });
    agree(&everybody);
    let pair = &mut shards[at];
    std::mem::swap(&mut pair.0, &mut pair.1);
}

fn each_way(programs: &[(PathBuf, PathBuf)]) {
    let mut shards = cluster(programs);
    write_keys(&all(&shards));
    for at in 0..shards.len() {
        // There and back, twice. Masters vote about one master once in two node timeouts: the last two don't ask them.
        for way in ["", "FORCE", "TAKEOVER", "TAKEOVER"] {
            swap(&mut shards, at, way);
        }
        has_keys(&all(&shards));
    }
    for at in 0..shards.len() {
        let (primary, replica) = shards.remove(at);
        eventually("the replica has everything", || {
            primary.ask("WAIT 1 1000").text() == "1"
        });
        let (program, dir) = (primary.program.clone(), primary.server.kill());
        let mut living = all(&shards);
        living.push(&replica);
        eventually("a dead primary is replaced", || {
            living.iter().all(|one| one.holds_for_master(&replica.id))
        });
        agree(&living);
        has_keys(&living);
        // It comes back at other ports.
        let primary = Member::start_on(&program, dir, &[]);
        living.push(&primary);
        eventually("it comes back as a replica", || {
            let line = primary.line(&primary.id).expect("a node knows itself");
            line[2].contains("slave") && line[3] == replica.id
        });
        agree(&living);
        has_keys(&living);
        shards.insert(at, (replica, primary));
    }
}

#[test]
fn ours_take_each_others_places() {
    let ours = our_server();
    each_way(&vec![(ours.clone(), ours); 3]);
}

#[test]
fn ours_and_redis_7_and_8_take_each_others_places() {
    let (ours, seven) = (our_server(), real_redis());
    let Some(eight) = redis_8() else {
        return;
    };
    each_way(&[
        (ours.clone(), seven.clone()),
        (seven, ours.clone()),
        (eight, ours),
    ]);
}

#[test]
fn ours_and_valkey_9_take_each_others_places() {
    let (ours, seven) = (our_server(), real_redis());
    let Some(nine) = valkey_9() else {
        return;
    };
    each_way(&[
        (ours.clone(), nine.clone()),
        (nine, ours.clone()),
        (seven, ours),
    ]);
}

#[test]
fn a_node_that_is_forgotten_is_forgotten_by_ours_and_theirs() {
    let Some(eight) = redis_8() else {
        return;
    };
    let ours = our_server();
    let shards = cluster(&[(ours.clone(), eight.clone()), (eight, ours)]);
    let everybody = all(&shards);
    let gone = &everybody[1].id;
    everybody[2].order(&format!("CLUSTER FORGET {gone}"));
    eventually("the others forget it, too", || {
        everybody[2].line(gone).is_none() && everybody[3].line(gone).is_none()
    });
}
