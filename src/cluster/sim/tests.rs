//! What a cluster of many nodes comes to, under cuts, delays, losses and kills. `CLUSTER_SEEDS=200` runs more of them.

use super::*;

#[test]
fn nodes_that_meet_agree() {
    let sim = Sim::with_shards(3, 1, 1);
    assert!(sim.nodes.iter().all(|node| node.cluster.is_ok()));
    assert_eq!(sim.nodes[5].follows, Some(FIRST_PORT + 2));
}

#[test]
fn a_replica_takes_a_dead_masters_place_and_the_master_comes_back_as_its_replica() {
    let mut sim = Sim::with_shards(3, 2, 2);
    sim.kill(0);
    let replaced = |sim: &Sim| matches!(sim.master_of(0, 1), Some(3 | 6));
    assert!(sim.run_until(15_000, replaced), "{}", sim.told());
    assert!(sim.agree_within(15_000), "{}", sim.told());
    let master = sim.master_of(0, 1).unwrap();
    sim.restart(0);
    assert!(sim.agree_within(15_000), "{}", sim.told());
    assert_eq!(sim.nodes[0].follows, Some(FIRST_PORT + master as u16));
    assert!(sim.nodes[0].cluster.me().is_replica());
}

#[test]
fn a_minority_serves_nothing_and_learns_what_the_others_have_decided() {
    let mut sim = Sim::with_shards(3, 1, 3);
    sim.isolate(&[0]);
    let alone = |sim: &Sim| !sim.nodes[0].cluster.is_ok();
    assert!(sim.run_until(TIMEOUT_MS * 3, alone), "{}", sim.told());
    let replaced = |sim: &Sim| sim.master_of(0, 1) == Some(3) && sim.nodes[1].cluster.is_ok();
    assert!(sim.run_until(20_000, replaced), "{}", sim.told());
    assert_eq!(sim.master_of(0, 0), Some(0));
    sim.cuts.clear();
    assert!(sim.agree_within(20_000), "{}", sim.told());
    assert_eq!(sim.master_of(0, 0), Some(3));
}

#[test]
fn whoever_lacks_most_masters_takes_nobodys_place() {
    let mut sim = Sim::with_shards(3, 1, 4);
    sim.isolate(&[0, 3, 4]);
    sim.kill(0);
    // For no longer than their data stay good.
    sim.run(8000);
    assert!(sim.nodes[3].cluster.me().is_replica());
    assert!(sim.nodes[4].cluster.me().is_replica());
    sim.cuts.clear();
    assert!(sim.agree_within(30_000), "{}", sim.told());
    assert_eq!(sim.master_of(0, 1), Some(3));
}

#[test]
fn a_manual_failover_of_each_way_ends_with_the_replica_as_master() {
    for way in [
        FailoverWay::Agreed,
        FailoverWay::Force,
        FailoverWay::Takeover,
    ] {
        let mut sim = Sim::with_shards(3, 1, 5);
        sim.order(3, |cluster, moment| cluster.failover(way, moment))
            .unwrap();
        let swapped = |sim: &Sim| sim.master_of(0, 1) == Some(3) && sim.agrees();
        assert!(sim.run_until(5000, swapped), "{way:?}: {}", sim.told());
        assert!(sim.nodes[0].cluster.me().is_replica());
        // And back at once.
        sim.order(0, |cluster, moment| cluster.failover(way, moment))
            .unwrap();
        let back = |sim: &Sim| sim.master_of(0, 1) == Some(0) && sim.agrees();
        assert!(sim.run_until(5000, back), "{way:?}: {}", sim.told());
    }
}

#[test]
fn a_replica_moves_to_a_master_that_has_lost_its_last() {
    let mut sim = Sim::with_shards(3, 2, 6);
    sim.kill(3);
    sim.kill(6);
    let moved = |sim: &Sim| {
        let me = sim.nodes[0].cluster.me().id;
        let moved = sim.nodes.iter().filter(|node| node.alive).filter(|node| {
            let nodes = node.cluster.nodes();
            let master = node.cluster.me().master.map(|master| nodes[master].id);
            master == Some(me)
        });
        moved.count() == 1
    };
    assert!(sim.run_until(30_000, moved), "{}", sim.told());
    sim.run(20_000);
    assert!(moved(&sim), "one moves, and no others: {}", sim.told());
}

#[test]
fn masters_of_one_epoch_part() {
    let mut sim = Sim::new(5, 7);
    for at in 0..5 {
        let first = at * 3276;
        let last = if at == 4 { 16383 } else { first + 3275 };
        sim.order(at as usize, |cluster, _| {
            cluster.add_slots(&[(first, last)]).unwrap();
        });
    }
    sim.meet_all();
    let parted = |sim: &Sim| {
        let epochs = sim.nodes.iter().map(|node| node.cluster.me().config_epoch);
        let mut epochs: Vec<u64> = epochs.collect();
        epochs.sort_unstable();
        epochs.dedup();
        epochs.len() == 5 && sim.agrees()
    };
    assert!(sim.run_until(30_000, parted), "{}", sim.told());
}

#[test]
fn a_node_that_is_forgotten_by_one_is_forgotten_by_all_and_stays_away() {
    let mut sim = Sim::with_shards(3, 1, 8);
    let gone = sim.nodes[5].cluster.me().id;
    sim.kill(5);
    sim.order(0, |cluster, moment| cluster.forget(gone.as_bytes(), moment))
        .unwrap();
    let unknown = |sim: &Sim| {
        let living = sim.nodes.iter().filter(|node| node.alive);
        living
            .clone()
            .all(|node| node.cluster.nodes().find(&gone).is_none())
    };
    assert!(sim.run_until(20_000, unknown), "{}", sim.told());
    sim.run(20_000);
    assert!(unknown(&sim));
}

#[test]
fn a_slot_that_has_another_owner_is_not_taken_under_a_lower_epoch() {
    let mut sim = Sim::with_shards(3, 0, 10);
    sim.order(0, |cluster, _| cluster.del_slots(&[(100, 100)]))
        .unwrap();
    // The others see that it isn't claimed any more.
    sim.run(2 * TIMEOUT_MS);
    for at in [1, 2] {
        sim.order(at, |cluster, _| {
            cluster.del_slots(&[(100, 100)]).unwrap();
            cluster.add_slots(&[(100, 100)]).unwrap();
            if at == 1 {
                assert_eq!(cluster.bump_epoch(), (true, 4));
            }
        });
    }
    let healed = |sim: &Sim| sim.agrees() && sim.master_of(100, 0) == Some(1);
    assert!(sim.run_until(20_000, healed), "{}", sim.told());
}

/// Cuts, slow links, kills and restarts by chance, with orders in between; then all heals.
fn troubled(seed: u64) {
    let mut sim = Sim::with_shards(5, 2, seed);
    let count = sim.nodes.len();
    for _ in 0..25 {
        let at = sim.rng.usize(0..count);
        match sim.rng.u32(0..8) {
            0 => sim.cuts.clear(),
            1 => {
                let size = sim.rng.usize(1..6);
                let group: Vec<usize> = (0..size).map(|_| sim.rng.usize(0..count)).collect();
                sim.isolate(&group);
            }
            2 => {
                // One way.
                let other = sim.rng.usize(0..count);
                sim.cuts.push((at, other));
            }
            3 if sim.nodes.iter().filter(|node| !node.alive).count() < 4 => sim.kill(at),
            4 | 5 => {
                if let Some(dead) = sim.nodes.iter().position(|node| !node.alive) {
                    sim.restart(dead);
                }
            }
            6 => sim.delay_ms = 0..sim.rng.u64(2..400),
            _ => {
                if sim.nodes[at].alive {
                    let way = match sim.rng.bool() {
                        true => FailoverWay::Agreed,
                        false => FailoverWay::Force,
                    };
                    // A master refuses it.
                    let _ = sim.order(at, |cluster, moment| cluster.failover(way, moment));
                }
            }
        }
        let rest_ms = sim.rng.u64(100..4000);
        sim.run(rest_ms);
    }
    sim.cuts.clear();
    sim.delay_ms = 0..3;
    for at in 0..count {
        if !sim.nodes[at].alive {
            sim.restart(at);
        }
    }
    assert!(sim.agree_within(90_000), "seed {seed}: {}", sim.told());
}

#[test]
fn after_any_trouble_all_nodes_agree_and_no_slot_had_two_masters_in_one_epoch() {
    let seeds = std::env::var("CLUSTER_SEEDS").map_or(3, |seeds| seeds.parse().unwrap());
    (100..100 + seeds).for_each(troubled);
}

#[test]
fn a_hundred_nodes_agree_and_say_little() {
    let mut sim = Sim::with_shards(50, 1, 9);
    let (frames, began_ms) = (sim.frames, sim.now_ms);
    sim.run(5000);
    let seconds = (sim.now_ms - began_ms) / 1000;
    let each = (sim.frames - frames) / seconds / 100;
    // A ping and a pong for each other node in half a node timeout, and those of two directions.
    assert!(
        each <= 99 * 2 * 2 * 1000 / TIMEOUT_MS + 10,
        "{each} frames a second"
    );
    sim.kill(7);
    let replaced = |sim: &Sim| sim.master_of(sim.watched[7], 0) == Some(57);
    assert!(
        sim.run_until(15_000, replaced),
        "the failure is known to most in time"
    );
    assert!(sim.agree_within(15_000));
}

/// A frame that says anything about anybody.
fn any_frame(rng: &mut Rng, names: &[NodeId]) -> Frame {
    let name = |rng: &mut Rng| *rng.choice(names).unwrap();
    let epoch = |rng: &mut Rng| match rng.u32(0..4) {
        0 => i64::MAX as u64,
        _ => rng.u64(0..20),
    };
    let slots = |rng: &mut Rng| match rng.u32(0..3) {
        0 => SlotSet::default(),
        1 => SlotSet::all(),
        _ => (0..50).map(|_| rng.u16(0..SLOTS as u16)).collect(),
    };
    let kind = *rng.choice(&FrameKind::ALL).unwrap();
    let gossip = |rng: &mut Rng| Gossip {
        id: name(rng),
        ping_sent_s: rng.u32(..),
        pong_received_s: rng.u32(..),
        ip: "127.0.0.1".into(),
        port: rng.u16(..),
        other_port: rng.u16(..),
        bus_port: rng.u16(..),
        flags: rng.u16(..),
    };
    let extension = |rng: &mut Rng| match rng.bool() {
        true => Extension::Shard(name(rng)),
        false => Extension::Forgotten {
            id: name(rng),
            seconds: epoch(rng),
        },
    };
    let count = rng.usize(0..4);
    let body = match kind {
        FrameKind::Ping | FrameKind::Pong | FrameKind::Meet => FrameBody::Ping {
            gossip: (0..count).map(|_| gossip(rng)).collect(),
            extensions: (0..count).map(|_| extension(rng)).collect(),
        },
        FrameKind::Fail => FrameBody::Fail { id: name(rng) },
        FrameKind::Update => FrameBody::Update {
            id: name(rng),
            config_epoch: epoch(rng),
            slots: slots(rng),
        },
        FrameKind::Publish | FrameKind::PublishShard => FrameBody::Publish {
            channel: "c".into(),
            message: "m".into(),
        },
        _ => FrameBody::Empty,
    };
    let header = FrameHeader {
        kind,
        sender: name(rng),
        current_epoch: epoch(rng),
        config_epoch: epoch(rng),
        repl_offset: epoch(rng),
        slots: slots(rng),
        master: rng.bool().then(|| name(rng)),
        ip: String::new(),
        port: rng.u16(..),
        other_port: rng.u16(..),
        bus_port: rng.u16(..),
        flags: rng.u16(..),
        is_ok: rng.bool(),
        // It understands extensions, as it may have some.
        marks: rng.u8(..) | 4,
    };
    Frame { header, body }
}

#[test]
fn whatever_frames_say_no_node_breaks() {
    let sim = Sim::with_shards(3, 1, 10);
    let mut rng = Rng::with_seed(3);
    let mut names: Vec<NodeId> = sim.nodes.iter().map(|node| node.cluster.me().id).collect();
    names.extend((0..3).map(|_| NodeId::random(&mut rng)));
    for (at, node) in sim.nodes.iter().cycle().take(60).enumerate() {
        let text = node.cluster.file_text();
        let settings = settings(FIRST_PORT);
        let mut cluster = Cluster::read(&text, settings, Rng::with_seed(at as u64), 1).unwrap();
        let me = cluster.me().id;
        let mut links = Vec::new();
        let mut now_ms = sim.now_ms;
        for _ in 0..200 {
            now_ms += rng.u64(0..600);
            let moment = Moment {
                now_ms,
                repl_offset: rng.u64(0..30),
                ..Moment::default()
            };
            if links.is_empty() || rng.u32(0..20) == 0 {
                links.push(cluster.accepted("127.0.0.1".into(), "127.0.0.1".into(), moment));
            }
            match rng.u32(0..12) {
                0 => cluster.tick(moment),
                1 => cluster.hurry(),
                2 => drop(cluster.failover(FailoverWay::Agreed, moment)),
                _ => {
                    let link = *rng.choice(&links).unwrap();
                    let bytes = any_frame(&mut rng, &names).to_bytes();
                    if let Ok(frame) = Frame::read(&bytes) {
                        cluster.receive(link, frame, moment);
                    }
                }
            }
            for action in cluster.finish(moment).list {
                match action {
                    Action::Connect { link, .. } => {
                        links.push(link);
                        let ip = || "127.0.0.1".to_owned();
                        cluster.connected(link, ip(), ip(), moment);
                    }
                    Action::Close { link } => links.retain(|held| *held != link),
                    _ => {}
                }
            }
            let view = cluster.view();
            assert_eq!(view.me().id, me);
            assert_ne!(view.me().is_master(), view.me().is_replica());
            let again = Cluster::read(
                &cluster.file_text(),
                cluster.settings().clone(),
                Rng::new(),
                1,
            );
            assert_eq!(again.map(|again| again.me().id), Ok(me));
        }
    }
}
