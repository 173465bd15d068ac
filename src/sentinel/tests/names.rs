//! Names of hosts: those that come to nothing, and those that strangers make up.

use super::super::sim::{SentinelWorld, id_of, nowhere, words};
use super::super::*;
use super::{lone, set_setting};
use crate::resp::value::Value;

/// The most that one master has, and that one text names.
const MEMBERS_MAX: usize = 1024;

/// A Sentinel that takes names.
fn by_name() -> Sentinel {
    let mut sentinel = lone();
    set_setting(&mut sentinel, "resolve-hostnames", "yes").unwrap();
    sentinel.finish();
    sentinel
}

/// Lets a moment pass; the wires that INFO is asked by, and what is to be looked up.
fn tick(sentinel: &mut Sentinel, now_ms: i64) -> (Vec<WireId>, Vec<(Vec<String>, Again)>) {
    sentinel.at_moment(now_ms);
    sentinel.tick();
    let (mut asked, mut looked_for) = (Vec::new(), Vec::new());
    for action in sentinel.finish().list {
        match action {
            SentinelAction::Send { wire, words } if words[0] == b"INFO" => asked.push(wire),
            // Replies come in the order of what was asked.
            SentinelAction::Send { wire, words }
                if words[0] != b"SUBSCRIBE" && !asked.contains(&wire) =>
            {
                sentinel.replied(wire, Value::Simple(b"PONG".to_vec()));
            }
            SentinelAction::LookUp { names, again } => looked_for.push((names, again)),
            _ => {}
        }
    }
    (asked, looked_for)
}

fn look_ups(sentinel: &mut Sentinel) -> Vec<(Vec<String>, Again)> {
    let list = sentinel.finish().list.into_iter();
    let look_ups = list.filter_map(|action| match action {
        SentinelAction::LookUp { names, again } => Some((names, again)),
        _ => None,
    });
    look_ups.collect()
}

/// What a master says that has many replicas.
fn info(master: usize, replicas: usize) -> Value {
    let mut text = "role:master\r\n".to_owned();
    for at in 0..replicas {
        text += &format!("slave{at}:ip=r{at}.of.{master},port=7000,state=online\r\n");
    }
    Value::Bulk(text.into_bytes())
}

fn found(names: Vec<String>, ip: Option<&str>) -> Vec<(String, Option<String>)> {
    let found = names.into_iter().map(|name| (name, ip.map(str::to_owned)));
    found.collect()
}

#[test]
fn an_info_full_of_names_is_looked_up_for_once_and_asked_for_no_more_meanwhile() {
    let mut sentinel = by_name();
    let (asked, _) = tick(&mut sentinel, 2000);
    sentinel.replied(asked[0], info(0, 50_000));
    let mut waiting = look_ups(&mut sentinel);
    let (names, again) = waiting.pop().expect("they are looked up");
    assert_eq!((names.len(), waiting.len()), (MEMBERS_MAX, 0));
    for now_ms in (2100..20_000).step_by(100) {
        let (asked, looked_for) = tick(&mut sentinel, now_ms);
        assert_eq!((asked, looked_for), (vec![], vec![]), "at {now_ms}");
    }
    sentinel.looked_up(found(names, None), again);
    assert_eq!(look_ups(&mut sentinel), []);
    assert_eq!(sentinel.replicas("m").unwrap().len(), MEMBERS_MAX);
}

#[test]
fn more_names_than_are_remembered_are_not_looked_up_for_ever() {
    let mut sentinel = by_name();
    for at in 1..6 {
        let monitor = format!("monitor m{at} 127.0.0.1 {} 1", 6379 + at);
        sentinel.configure(&words(&monitor), &nowhere()).unwrap();
    }
    let (asked, _) = tick(&mut sentinel, 2000);
    assert_eq!(asked.len(), 6);
    for (at, wire) in asked.into_iter().enumerate() {
        sentinel.replied(wire, info(at, 2 * MEMBERS_MAX));
    }
    let waiting = look_ups(&mut sentinel);
    assert_eq!(waiting.len(), 6);
    for (names, again) in waiting {
        sentinel.looked_up(found(names, Some("10.0.0.9")), again);
        assert_eq!(look_ups(&mut sentinel), []);
    }
}

#[test]
fn what_a_replica_says_of_replicas_of_its_own_is_not_looked_up() {
    let mut sentinel = by_name();
    let known = words("known-replica m 10.0.0.1 7000");
    sentinel.configure(&known, &nowhere()).unwrap();
    let (asked, _) = tick(&mut sentinel, 2000);
    for wire in asked {
        sentinel.replied(wire, info(0, 5));
    }
    assert_eq!(look_ups(&mut sentinel).len(), 1);
}

#[test]
fn few_hellos_wait_for_names_at_a_time() {
    let mut sentinel = by_name();
    let hello = |at: usize| {
        let (id, host) = (id_of(at + 100), format!("h{at}.other"));
        format!("{host},26379,{id},0,m,127.0.0.1,6379,0").into_bytes()
    };
    (0..5000).for_each(|at| sentinel.take_hello(&hello(at)));
    let waiting = look_ups(&mut sentinel);
    assert_eq!(waiting.len(), 64);
    for (names, again) in waiting {
        sentinel.looked_up(found(names, None), again);
    }
    assert_eq!(look_ups(&mut sentinel), []);
    // Nobody is taken for another one as both names come to nothing.
    assert_eq!(sentinel.sentinels("m").unwrap().len(), 64);
    sentinel.take_hello(&hello(4000));
    assert_eq!(look_ups(&mut sentinel).len(), 1);
}

#[test]
fn a_failover_ends_though_the_name_of_the_new_master_comes_to_nothing() {
    let mut world = SentinelWorld::new(3, 1, 1, 5);
    world.replica_host = "ghost";
    world.with(0, |sentinel| {
        set_setting(sentinel, "resolve-hostnames", "yes").unwrap();
    });
    world.until("the replicas are known", |world| world.all_know(2));
    world.run(11_000);
    world.servers[0].up = false;
    world.until("another one is the master", |world| {
        world.has_told(0, "+switch-master")
    });
    world.until("the failover is over", |world| {
        !world.field(0, "flags").contains("failover_in_progress")
    });
    world.run(10_000);
    let switches = world.told[0]
        .iter()
        .filter(|(told, _)| *told == "+switch-master");
    assert_eq!(switches.count(), 1, "{:?}", world.told);
    let (host, _) = world.sentinels[0].master_address("m").unwrap();
    assert_eq!(host, "ghost");
    assert_eq!(world.field(0, "num-slaves"), "2");
}

#[test]
fn a_replica_whose_name_is_understood_later_is_not_met_twice() {
    let mut sentinel = by_name();
    for host in ["one", "other"] {
        let known = words(&format!("known-replica m {host} 7000"));
        sentinel.configure(&known, &nowhere()).unwrap();
    }
    let count = |sentinel: &Sentinel| sentinel.replicas("m").unwrap().len();
    assert_eq!(count(&sentinel), 2);
    sentinel.learn("one", Some("10.0.0.1".into()));
    sentinel.learn("other", Some("10.0.0.2".into()));
    let (asked, _) = tick(&mut sentinel, 2000);
    let text = "role:master\r\nslave0:ip=one,port=7000,state=online\r\nslave1:ip=10.0.0.2,port=7000,state=online\r\n";
    sentinel.replied(asked[0], Value::Bulk(text.into()));
    assert_eq!(count(&sentinel), 2);
    let text = "role:master\r\nslave0:ip=10.0.0.3,port=7000,state=online\r\n";
    let (asked, _) = tick(&mut sentinel, 20_000);
    sentinel.replied(asked[0], Value::Bulk(text.into()));
    assert_eq!(count(&sentinel), 3);
}

#[test]
fn two_names_of_one_place_may_stand_in_the_file() {
    let mut sentinel = by_name();
    let outside = Outside {
        look_up: &|_| Some("10.0.0.1".to_owned()),
        ..nowhere()
    };
    for host in ["10.0.0.1", "one", "other"] {
        let known = words(&format!("known-replica m {host} 7000"));
        assert_eq!(sentinel.configure(&known, &outside), Ok(()), "{host}");
    }
    let known = words("known-replica m 10.0.0.1 7000");
    let twice = sentinel.configure(&known, &outside);
    assert_eq!(twice, Err("Duplicate hostname and port for replica."));
    assert_eq!(sentinel.replicas("m").unwrap().len(), 1);
}

#[test]
fn what_was_said_before_another_master_is_watched_is_left_out() {
    let mut sentinel = by_name();
    let (asked, _) = tick(&mut sentinel, 2000);
    sentinel.replied(asked[0], info(0, 3));
    let (names, again) = look_ups(&mut sentinel).pop().unwrap();
    sentinel.reset(b"*");
    sentinel.looked_up(found(names, None), again);
    assert_eq!(sentinel.replicas("m").unwrap().len(), 0);
}
