//! One node by itself: its orders, its file, and strangers that come to it.

use super::*;
use crate::util::chance::Rng;

fn lone() -> Cluster {
    let mut rng = Rng::with_seed(7);
    let settings = ClusterSettings {
        full_coverage: true,
        lone: true,
        tcp_port: 7000,
        bus_port: 17000,
        ..ClusterSettings::default()
    };
    let (id, shard) = (NodeId::random(&mut rng), NodeId::random(&mut rng));
    Cluster::new(id, shard, settings, rng)
}

fn at(now_ms: u64) -> Moment {
    Moment {
        now_ms,
        ..Moment::default()
    }
}

#[test]
fn a_lone_node_is_ok_once_every_slot_is_its_own() {
    let mut cluster = lone();
    cluster.add_slots(&[(0, 16382)]).unwrap();
    let actions = cluster.finish(at(1000));
    assert!(actions.save && actions.view && !cluster.is_ok());
    cluster.add_slots(&[(16383, 16383)]).unwrap();
    cluster.finish(at(1000));
    assert!(cluster.is_ok());
    let view = cluster.view();
    assert!(view.is_ok && view.owns(0) && view.owns(16383) && view.size == 1);
    assert_eq!(cluster.figures().slots_ok, SLOTS);
    let why = cluster.add_slots(&[(5, 5)]).unwrap_err();
    assert_eq!(why.0, "Slot 5 is already busy");
    let why = cluster.del_slots(&[(5, 5), (5, 5)]).unwrap_err();
    assert_eq!(why.0, "Slot 5 specified multiple times");
    cluster.del_slots(&[(5, 5)]).unwrap();
    assert_eq!(cluster.view().owner(5), NONE);
    let why = cluster.failover(FailoverWay::Force, at(1)).unwrap_err();
    assert_eq!(why.0, "You should send CLUSTER FAILOVER to a replica");
}

#[test]
fn the_disk_is_waited_for_where_others_depend_on_what_the_file_says() {
    let mut cluster = lone();
    let mut after = |order: &dyn Fn(&mut Cluster)| {
        order(&mut cluster);
        let actions = cluster.finish(at(1));
        (actions.save, actions.sync)
    };
    assert_eq!(
        after(&|cluster| cluster.add_slots(&[(0, 9)]).unwrap()),
        (true, false)
    );
    assert_eq!(
        after(&|cluster| cluster.del_slots(&[(5, 5)]).unwrap()),
        (true, false)
    );
    let bump = |cluster: &mut Cluster| assert!(cluster.bump_epoch().0);
    assert_eq!(after(&bump), (true, true));
    // Nothing is left over.
    assert_eq!(
        after(&|cluster| cluster.del_slots(&[(6, 6)]).unwrap()),
        (true, false)
    );
}

#[test]
fn an_order_that_changes_nothing_costs_no_write() {
    let mut cluster = lone();
    cluster.finish(at(1));
    cluster.set_stable(5).unwrap();
    let actions = cluster.finish(at(1));
    assert!(!actions.save && !actions.list.contains(&Action::Save));
}

#[test]
fn a_slot_that_was_lost_has_remains_until_its_keys_have_gone() {
    let mut cluster = lone();
    let lose = |cluster: &mut Cluster, slot: u16| {
        cluster.drop_keys(SlotSet::one(slot));
        let actions = cluster.finish(at(1)).list;
        let loss = actions.iter().find_map(|action| match action {
            Action::DropKeys { loss, .. } => Some(*loss),
            _ => None,
        });
        loss.expect("its keys are to go")
    };
    let (first, other) = (lose(&mut cluster, 5), lose(&mut cluster, 9));
    assert!(cluster.is_dropping(5, first) && !cluster.is_dropping(5, other));
    assert!(cluster.has_remains(&[(0, 1), (4, 6)]) && !cluster.has_remains(&[(6, 8)]));
    // Lost once more, before the keys of the first time have gone.
    let again = lose(&mut cluster, 5);
    cluster.dropped(first);
    assert!(cluster.has_remains(&[(5, 5)]) && cluster.is_dropping(5, again));
    cluster.dropped(again);
    assert!(!cluster.has_remains(&[(5, 5)]) && cluster.has_remains(&[(9, 9)]));
}

#[test]
fn leave_that_was_given_is_known_at_the_next_start() {
    let read = |text: &str| Cluster::read(text, ClusterSettings::default(), Rng::new(), 5);
    let mut cluster = lone();
    let leave = |name: &str, slots: &[u16]| GivenLeave {
        dest: NodeId::parse(name.repeat(40).as_bytes()).expect("a name"),
        slots: slots.iter().copied().collect(),
    };
    let leaves = vec![leave("b", &[1, 2, 700]), leave("c", &[9])];
    give_leave(&mut cluster, leaves.clone());
    let actions = cluster.finish(at(1));
    assert!(actions.save && actions.sync, "before anybody hears of it");
    let text = cluster.file_text();
    let told = format!(
        " leave {}:1-2,700 leave {}:9\n",
        "b".repeat(40),
        "c".repeat(40)
    );
    assert!(text.ends_with(&told), "{text}");
    assert_eq!(leaves_given(&read(&text).unwrap()), leaves);
    keep_leaves(&mut cluster, Vec::new());
    assert!(!cluster.file_text().contains("leave"));
    let other = "b".repeat(40);
    for slots in ["", ":", ":5-3", ":16384"] {
        let text = text.replace(&told, &format!(" leave {other}{slots}\n"));
        assert!(read(&text).is_err(), "{slots}");
    }
}

/// Nobody is known to be dead then, and nobody to live.
#[test]
fn a_node_that_has_just_begun_reaches_nobody_before_it_has_heard_them() {
    let mut text = lone().file_text();
    for (name, slot) in [("b", 0), ("c", 1)] {
        let id = name.repeat(40);
        let line = format!("{id} 127.0.0.1:7@17 master - 0 0 3 connected {slot}\n");
        text.insert_str(0, &line);
    }
    let mut cluster = Cluster::read(&text, ClusterSettings::default(), Rng::new(), 5).unwrap();
    let mine = cluster.myself;
    cluster.free_slot(2);
    cluster.give_slot(2, mine);
    assert!(!cluster.view().hears_most);
    let other = cluster.nodes.all().into_iter().find(|at| *at != mine);
    cluster.nodes[other.expect("a node")].data_received_ms = 6;
    assert!(cluster.view().hears_most);
}

#[test]
fn keys_that_were_being_deleted_go_on_going_at_the_next_start() {
    let read = |text: &str| Cluster::read(text, ClusterSettings::default(), Rng::new(), 5);
    let mut cluster = lone();
    for slot in [5, 6, 9, 700] {
        cluster.drop_keys(SlotSet::one(slot));
    }
    let text = cluster.file_text();
    assert!(text.ends_with(" undroppedslots 5-6,9,700\n"), "{text}");
    // All slots are another node's, but for one that has come back.
    let other = "b".repeat(40);
    let line = format!("{other} 127.0.0.1:7@17 master - 0 0 3 connected 0-8 10-16383\n");
    let mut cluster = read(&(line + &text)).unwrap();
    cluster.free_slot(9);
    cluster.give_slot(9, cluster.myself);
    cluster.find_keys(&[5, 8, 9, 700].into_iter().collect());
    let actions = cluster.finish(at(1)).list;
    let dropped = actions.iter().find_map(|action| match action {
        Action::DropKeys { slots, .. } => Some(slots.to_string()),
        _ => None,
    });
    assert_eq!(dropped.as_deref(), Some("5 700"));
    assert!(cluster.importing.keys().eq([&8]));
    assert!(cluster.file_text().contains(" undroppedslots 5,700\n"));
    for bad in ["16384", "5-", "x", "9-16384", ""] {
        let text = text.replace("5-6,9,700", bad);
        assert!(read(&text).is_err(), "{bad}");
    }
}

#[test]
fn there_is_an_end_to_epochs() {
    let mut cluster = lone();
    cluster.set_config_epoch(i64::MAX).unwrap();
    let end = i64::MAX as u64;
    assert_eq!(cluster.bump_epoch(), (false, end));
    cluster.me_mut().config_epoch = 1;
    assert_eq!(cluster.bump_epoch(), (false, 1));
    assert_eq!(cluster.raise_epoch(), None);
    let text = cluster.file_text();
    assert!(Cluster::read(&text, ClusterSettings::default(), Rng::new(), 5).is_ok());
    let above = text.replace(&end.to_string(), &(end + 1).to_string());
    assert_ne!(text, above);
    assert!(Cluster::read(&above, ClusterSettings::default(), Rng::new(), 5).is_err());
}

#[test]
fn a_file_that_names_a_node_twice_is_refused_with_the_line() {
    let text = lone().file_text();
    let own = text.lines().next().unwrap();
    let id = lone().me().id.to_string();
    let other = own.replace(&id, &"a".repeat(40));
    let read = |text: &str| {
        let read = Cluster::read(text, ClusterSettings::default(), Rng::new(), 5);
        read.err()
    };
    let with = |line: &str| read(&format!("{text}{line}\n"));
    let says = |line: &str| Some(format!("line 3: {line}"));
    assert_eq!(with(own), says(own));
    assert_eq!(with(&other), says(&other), "another myself");
    let other = other.replace("myself,", "");
    assert_eq!(with(&other), None);
    let replica = other.replace("master -", &format!("slave {}", "a".repeat(40)));
    assert_ne!(replica, other);
    assert_eq!(with(&replica), says(&replica), "its own master");
}

#[test]
fn strangers_that_say_nothing_keep_nobody_out() {
    let mut cluster = lone();
    cluster.settings.node_timeout_ms = 5000;
    let stranger = |cluster: &mut Cluster, now_ms: u64| {
        cluster.accepted("10.0.0.1".into(), "10.0.0.2".into(), at(now_ms))
    };
    let first = stranger(&mut cluster, 1);
    for now_ms in 2..=1100 {
        stranger(&mut cluster, now_ms);
    }
    let last = stranger(&mut cluster, 1101);
    assert_eq!(cluster.strangers(), 1024);
    let closed = cluster.finish(at(1101)).list;
    assert!(closed.contains(&Action::Close { link: first }));
    assert!(cluster.waiting(last).is_some());
    cluster.tick(at(6500));
    assert_eq!(cluster.strangers(), 0);
}

#[test]
fn a_stranger_that_wants_to_be_met_costs_no_file_and_no_picture_of_its_own() {
    let mut cluster = lone();
    let mut other = lone();
    other
        .nodes
        .rename(other.myself, NodeId::random(&mut other.rng));
    let header = other.header(FrameKind::Meet, at(1));
    let ip = || "127.0.0.1".to_owned();
    let link = cluster.accepted(ip(), ip(), at(1));
    // What is noted at first: settings, and the address by which it was met.
    let meet = |cluster: &mut Cluster| {
        let (gossip, extensions) = (Vec::new(), Vec::new());
        let body = FrameBody::Ping { gossip, extensions };
        let header = header.clone();
        cluster.receive(link, Frame { header, body }, at(2));
        cluster.finish(at(2))
    };
    meet(&mut cluster);
    cluster.nodes.all().into_iter().for_each(|at| {
        if at != cluster.myself {
            cluster.remove_node(at);
        }
    });
    cluster.finish(at(2));
    let actions = meet(&mut cluster);
    assert_eq!(cluster.nodes.len(), 2);
    assert!(!actions.save && !actions.view, "{actions:?}");
    assert!(!actions.list.contains(&Action::Save), "{actions:?}");
    cluster.tick(at(3));
    assert!(cluster.finish(at(3)).view);
}

#[test]
fn nothing_much_waits_for_a_stranger() {
    let mut cluster = lone();
    let mut other = lone();
    other
        .nodes
        .rename(other.myself, NodeId::random(&mut other.rng));
    let header = other.header(FrameKind::Ping, at(1));
    let ip = || "127.0.0.1".to_owned();
    let link = cluster.accepted(ip(), ip(), at(1));
    for _ in 0..1000 {
        let body = FrameBody::Ping {
            gossip: Vec::new(),
            extensions: Vec::new(),
        };
        let header = header.clone();
        cluster.receive(link, Frame { header, body }, at(2));
    }
    let sent = cluster.finish(at(2)).list;
    let bytes = sent.iter().map(|action| match action {
        Action::Send { frame, .. } => frame.len(),
        _ => 0,
    });
    let bytes: usize = bytes.sum();
    assert!((2256..80_000).contains(&bytes), "{bytes}");
    assert!(sent.contains(&Action::Close { link }));
}

#[test]
fn what_is_written_is_what_is_read() {
    let mut cluster = lone();
    cluster.add_slots(&[(0, 100), (102, 102)]).unwrap();
    let me = cluster.myself;
    let other = "127.0.0.1".parse().unwrap();
    let other = cluster.begin_handshake(other, 7001, 17001, at(1)).unwrap();
    cluster.nodes[other].flags = flag::REPLICA;
    cluster.nodes[other].master = Some(me);
    cluster.nodes[other].shard = cluster.me().shard;
    cluster.nodes[other].hostname = "other.example".into();
    let id = cluster.nodes[other].id;
    let own = cluster.me().id;
    cluster.set_migrating(7, own.as_bytes()).unwrap();
    assert_eq!(cluster.bump_epoch(), (true, 1));
    assert_eq!(cluster.bump_epoch(), (false, 1));
    let text = cluster.file_text();
    let read = Cluster::read(&text, cluster.settings.clone(), Rng::with_seed(1), 5).unwrap();
    assert_eq!(read.file_text(), text);
    assert_eq!(
        read.find(id.as_bytes())
            .map(|at| read.nodes[at].is_replica()),
        Some(true)
    );
    assert_eq!(read.me().config_epoch, 1);
    for bad in [
        "",
        "x y\n",
        "vars currentEpoch\n",
        &text.replace("0-100", "0-16384"),
    ] {
        assert!(Cluster::read(bad, ClusterSettings::default(), Rng::new(), 5).is_err());
    }
}

#[test]
fn a_replica_that_takes_its_masters_place_ends_the_deletion_of_keys_of_lost_slots() {
    let name = |letter: &str| letter.repeat(40);
    let (me, master, other) = (name("a"), name("b"), name("c"));
    let file = format!(
        "{me} 127.0.0.1:7000@17000 myself,slave {master} 0 0 2 connected\n\
         {master} 127.0.0.1:7001@17001 master - 0 0 2 connected 0-99\n\
         {other} 127.0.0.1:7002@17002 master - 0 0 3 connected 100-199\n\
         vars currentEpoch 3 lastVoteEpoch 0\n"
    );
    let settings = ClusterSettings::default();
    let mut cluster = Cluster::read(&file, settings, Rng::with_seed(1), 1).unwrap();
    let by = cluster.find(other.as_bytes()).expect("it is known");
    let mut claimed = SlotSet::one(5);
    (7..10).chain(100..200).for_each(|slot| {
        claimed.add(slot);
    });
    cluster.take_claim(by, 4, &claimed);
    let drops = |cluster: &mut Cluster| {
        let actions = cluster.finish(at(1)).list.into_iter();
        let slots = actions.filter_map(|action| match action {
            Action::DropKeys { slots, .. } => Some(slots.ranges()),
            _ => None,
        });
        slots.collect::<Vec<_>>()
    };
    assert!(
        drops(&mut cluster).is_empty(),
        "they are its master's to delete"
    );
    // One of them comes back to the master.
    let by = cluster.find(master.as_bytes()).expect("it is known");
    let mut claimed = SlotSet::one(8);
    (0..100)
        .filter(|slot| ![5, 7, 9].contains(slot))
        .for_each(|slot| {
            claimed.add(slot);
        });
    cluster.take_claim(by, 5, &claimed);
    cluster.failover(FailoverWay::Takeover, at(1)).unwrap();
    assert_eq!(drops(&mut cluster), [vec![(5, 5), (7, 7), (9, 9)]]);
}
