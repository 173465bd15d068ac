//! Failovers, agreement and hostile words, by a clock that jumps.

mod epochs;
mod file;
mod names;

use super::sim::{MASTER, SentinelWorld, id_of, nowhere, words};
use super::*;
use crate::resp::value::Value;
use crate::util::chance::Rng;

fn lone() -> Sentinel {
    let mut sentinel = Sentinel::new(SentinelHome::default(), Rng::with_seed(1), 1000);
    let configured = sentinel.configure(&words("monitor m 127.0.0.1 6379 2"), &nowhere());
    configured.unwrap();
    sentinel.begin(id_of(7));
    sentinel.finish();
    sentinel
}

fn set_setting(sentinel: &mut Sentinel, name: &str, value: &str) -> Result<(), SentinelRefused> {
    sentinel.set_settings(&[(name.as_bytes(), value.as_bytes())])
}

/// The lines that it would write.
fn lines_of(sentinel: &Sentinel) -> Vec<String> {
    let lines = sentinel.lines().into_iter().filter(|line| line.needed);
    let lines =
        lines.map(|line| format!("{} {}", line.option, String::from_utf8_lossy(&line.words)));
    lines.collect()
}

/// One that begins with the file of another one, where no name of a host comes to anything.
fn started_again(sentinel: &Sentinel) -> Sentinel {
    let mut again = Sentinel::new(SentinelHome::default(), Rng::with_seed(1), 1000);
    let mut lines: Vec<Vec<Vec<u8>>> = lines_of(sentinel)
        .iter()
        .map(|line| crate::util::words::split(line.as_bytes()).unwrap())
        .collect();
    lines.sort_by_key(|words| turn(words));
    for line in lines {
        let read = again.configure(&line, &nowhere());
        assert_eq!(read, Ok(()), "{line:?}");
    }
    again
}

#[test]
fn they_find_replicas_and_each_other() {
    let mut world = SentinelWorld::new(3, 3, 2, 1);
    world.until("all know all", |world| world.all_know(2));
    assert!(world.saves.iter().all(|saves| *saves > 0));
}

#[test]
fn a_dead_master_is_replaced_and_comes_back_as_a_replica() {
    for seed in 0..20 {
        let mut world = SentinelWorld::new(4, 5, 3, seed);
        world.until("all know all", |world| world.all_know(3));
        world.servers[2].offset = 200;
        world.run(11_000);
        world.servers[0].up = false;
        world.until("all agree on the one with the most data", |world| {
            (0..5).all(|at| world.master_of(at) == 2)
        });
        assert_eq!(world.servers[2].follows, None);
        world.until("the others follow it", |world| {
            [1, 3]
                .iter()
                .all(|at| world.servers[*at].follows == Some(2))
        });
        let leaders = (0..5).filter(|at| world.has_told(*at, "+promoted-slave"));
        assert_eq!(leaders.count(), 1, "seed {seed}: {:?}", world.told);
        world.servers[0].up = true;
        world.until("the old master follows it, too", |world| {
            world.servers[0].follows == Some(2)
        });
        let epochs: Vec<String> = (0..5).map(|at| world.field(at, "config-epoch")).collect();
        assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
    }
}

#[test]
fn no_epoch_has_two_leaders_and_a_minority_does_nothing() {
    for seed in 0..20 {
        let mut world = SentinelWorld::new(3, 3, 2, seed);
        world.until("all know all", |world| world.all_know(2));
        world.run(11_000);
        world.cut_off.insert(0);
        world.run(30_000);
        // The one that sees nobody thinks that all are down, and can't do anything.
        assert_eq!(world.master_of(0), 0);
        assert!(!world.has_told(0, "+elected-leader"));
        assert!(!world.has_told(1, "+odown"));
        world.servers[0].up = false;
        world.until("the two others agree on another one", |world| {
            world.master_of(1) != 0 && world.master_of(1) == world.master_of(2)
        });
        world.cut_off.clear();
        world.until("the third one learns of it", |world| {
            world.master_of(0) == world.master_of(1)
        });
        assert!(world.has_told(0, "+config-update-from"));
    }
}

#[test]
fn who_has_rank_zero_is_never_promoted() {
    let mut world = SentinelWorld::new(3, 3, 2, 5);
    world.servers[1].priority = 0;
    world.servers[1].offset = 1000;
    world.until("all know all", |world| world.all_know(2));
    world.run(11_000);
    world.servers[0].up = false;
    world.until("the other one is the master", |world| {
        (0..3).all(|at| world.master_of(at) == 2)
    });
}

#[test]
fn a_forced_failover_needs_no_votes() {
    let mut world = SentinelWorld::new(2, 1, 5, 5);
    world.until("the replica is known", |world| world.all_know(1));
    world.run(11_000);
    let begun = world.with(0, |sentinel| sentinel.force_failover(MASTER));
    assert_eq!(begun, Some(Ok(())));
    let again = world.with(0, |sentinel| sentinel.force_failover(MASTER));
    let why = "INPROG Failover already in progress".to_owned();
    assert_eq!(again, Some(Err(SentinelRefused::Code(why))));
    world.until("it is done", |world| world.master_of(0) == 1);
    world.until("the old master follows", |world| {
        world.servers[0].follows == Some(1)
    });
}

#[test]
fn a_clock_that_jumps_stops_everything_for_a_while() {
    let mut world = SentinelWorld::new(2, 3, 2, 5);
    world.until("all know all", |world| world.all_know(1));
    world.now_ms += 60_000;
    world.run(1000);
    assert!((0..3).all(|at| world.has_told(at, "+tilt")));
    world.servers[0].up = false;
    world.run(20_000);
    assert!(!world.has_told(0, "+sdown"));
    world.until("it acts again", |world| world.master_of(0) == 1);
    assert!(world.has_told(0, "-tilt"));
}

#[test]
fn a_vote_is_given_once_in_an_epoch() {
    let mut sentinel = lone();
    let (one, other) = (id_of(1), id_of(2));
    let vote = sentinel.is_master_down("127.0.0.1", 6379, 5, &one);
    assert_eq!(vote, (false, Some(one.clone()), 5));
    assert!(sentinel.finish().save, "it outlives this process");
    let vote = sentinel.is_master_down("127.0.0.1", 6379, 5, &other);
    assert_eq!(vote, (false, Some(one.clone()), 5));
    let vote = sentinel.is_master_down("127.0.0.1", 6379, 4, &other);
    assert_eq!(vote, (false, Some(one), 5));
    let vote = sentinel.is_master_down("127.0.0.1", 6379, 6, &other);
    assert_eq!(vote, (false, Some(other), 6));
    let vote = sentinel.is_master_down("127.0.0.1", 1, 7, "*");
    assert_eq!(vote, (false, None, 0));
}

#[test]
fn the_file_says_all_and_is_read_back() {
    let mut sentinel = lone();
    let more = [
        "down-after-milliseconds m 1000",
        "failover-timeout m 2000",
        "parallel-syncs m 3",
        "auth-pass m secret",
        "auth-user m watcher",
        "config-epoch m 4",
        "leader-epoch m 5",
        "known-slave m 10.0.0.1 7000",
        "rename-command m CONFIG hidden",
        "master-reboot-down-after-period m 9",
        "announce-ip 1.2.3.4",
        "announce-port 77",
        "sentinel-user u",
        "sentinel-pass p",
        "deny-scripts-reconfig no",
        "current-epoch 12",
    ];
    for line in more {
        sentinel.configure(&words(line), &nowhere()).unwrap();
    }
    let known = format!("known-sentinel m ::1 26379 {}", id_of(3));
    sentinel.configure(&words(&known), &nowhere()).unwrap();
    let lines = lines_of(&sentinel);
    let expected = [
        "myid 0000000000000000000000000000000000000007",
        "deny-scripts-reconfig no",
        "monitor m 127.0.0.1 6379 2",
        "down-after-milliseconds m 1000",
        "failover-timeout m 2000",
        "parallel-syncs m 3",
        "auth-pass m secret",
        "auth-user m watcher",
        "master-reboot-down-after-period m 9",
        "config-epoch m 4",
        "leader-epoch m 5",
        "known-replica m 10.0.0.1 7000",
        "known-sentinel m ::1 26379 0000000000000000000000000000000000000003",
        "rename-command m CONFIG hidden",
        "current-epoch 12",
        "announce-ip \"1.2.3.4\"",
        "announce-port 77",
        "sentinel-user u",
        "sentinel-pass p",
    ];
    assert_eq!(lines, expected);
    assert_eq!(lines_of(&started_again(&sentinel)), expected);
}

#[test]
fn lines_that_make_no_sense_are_refused() {
    let mut sentinel = lone();
    for (line, why) in [
        ("monitor m 127.0.0.1 1 2", "Duplicate master name."),
        ("monitor n 127.0.0.1 1 0", "Quorum must be 1 or greater."),
        ("monitor n host 1 1", "Can't resolve instance hostname."),
        ("monitor n 127.0.0.1 65536 1", "Invalid port number."),
        (
            "monitor n 127.0.0.1 1",
            "Unrecognized sentinel configuration statement.",
        ),
        (
            "nosuch m 1",
            "Unrecognized sentinel configuration statement.",
        ),
        ("auth-pass n 1", "No such master with specified name."),
        ("failover-timeout m 0", "negative or zero time parameter."),
        ("myid abc", "Malformed Sentinel id in myid option."),
        (
            "resolve-hostnames x",
            "Please specify yes or no for the resolve-hostnames option.",
        ),
    ] {
        assert_eq!(
            sentinel.configure(&words(line), &nowhere()),
            Err(why),
            "{line}"
        );
    }
}

#[test]
fn hostile_hellos_are_not_taken_in() {
    let mut sentinel = lone();
    let good = id_of(1);
    for hello in [
        String::new(),
        ",,,,,,,".to_owned(),
        format!("127.0.0.1,1,{good},0,n,127.0.0.1,6379,0"),
        format!("127.0.0.1 x,1,{good},0,m,127.0.0.1,6379,0"),
        format!("127.0.0.1,70000,{good},0,m,127.0.0.1,6379,0"),
        format!("host\n,1,{good},0,m,127.0.0.1,6379,0"),
        "127.0.0.1,1,short,0,m,127.0.0.1,6379,0".to_owned(),
        format!("127.0.0.1,1,{good},18446744073709551615,m,127.0.0.1,6379,0"),
        format!("127.0.0.1,1,{good},0,m,127.0.0.1,6379,x"),
        format!("127.0.0.1,1,{good},0,m,127.0.0.1,6379,0,"),
        "x".repeat(100_000),
    ] {
        sentinel.take_hello(hello.as_bytes());
        assert_eq!(sentinel.finish().list, [], "{hello}");
    }
    sentinel.take_hello(format!("127.0.0.1,1,{good},0,m,127.0.0.1,6379,0").as_bytes());
    assert!(sentinel.finish().save);
    // A name that is no address says nothing of where the master is.
    let hello = format!("127.0.0.1,1,{good},0,m,nowhere,6379,9");
    sentinel.take_hello(hello.as_bytes());
    assert_eq!(
        sentinel.master_address("m"),
        Some(("127.0.0.1".into(), 6379))
    );
    for at in 0..5000 {
        let hello = format!(
            "127.0.0.1,{},{:040x},0,m,127.0.0.1,6379,0",
            at + 2,
            at + 100
        );
        sentinel.take_hello(hello.as_bytes());
    }
    assert_eq!(sentinel.sentinels("m").unwrap().len(), 1024);
}

#[test]
fn a_sentinel_that_moves_is_met_at_its_new_address() {
    let mut sentinel = lone();
    let id = id_of(1);
    for port in [1, 2] {
        let hello = format!("127.0.0.1,{port},{id},0,m,127.0.0.1,6379,0");
        sentinel.take_hello(hello.as_bytes());
    }
    let known = sentinel.sentinels("m").unwrap();
    assert_eq!(known.len(), 1);
    assert!(known[0].contains(&("port", b"2".to_vec())));
    let told = sentinel.finish().list;
    let switched = |action: &SentinelAction| {
        matches!(
            action,
            SentinelAction::Event {
                channel: "+sentinel-address-switch",
                ..
            }
        )
    };
    assert!(told.iter().any(switched));
}

#[test]
fn names_of_hosts_are_looked_up_before_a_hello_is_taken_in() {
    let mut sentinel = lone();
    set_setting(&mut sentinel, "resolve-hostnames", "yes").unwrap();
    sentinel.finish();
    let hello = format!("other,1,{},0,m,127.0.0.1,6379,0", id_of(1));
    sentinel.take_hello(hello.as_bytes());
    let list = sentinel.finish().list;
    let [SentinelAction::LookUp { names, again }] = &list[..] else {
        panic!("{list:?}");
    };
    assert_eq!(names, &["other"]);
    let answers = vec![("other".to_owned(), Some("10.0.0.9".to_owned()))];
    sentinel.looked_up(answers, again.clone());
    let known = sentinel.sentinels("m").unwrap();
    assert!(known[0].contains(&("ip", b"10.0.0.9".to_vec())));
}

#[test]
fn scripts_are_run_again_later_and_later() {
    let mut sentinel = lone();
    let script = sentinel.configure(&words("notification-script m /bin/x"), &nowhere());
    script.unwrap();
    assert!(sentinel.unmonitor("m"));
    let mut now_ms = 1000;
    let mut runs = Vec::new();
    for _ in 0..100_000 {
        now_ms += 1000;
        sentinel.at_moment(now_ms);
        sentinel.tick();
        for action in sentinel.finish().list {
            if let SentinelAction::RunScript { job, argv } = action {
                assert_eq!(argv[..2], [b"/bin/x".to_vec(), b"-monitor".to_vec()]);
                runs.push(now_ms);
                sentinel.script_began(job, 1);
                sentinel.script_ended(job, 1, 0);
            }
        }
    }
    assert_eq!(runs.len(), 10);
    let waits: Vec<i64> = runs
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) / 1000)
        .collect();
    assert_eq!(waits[..4], [30, 60, 120, 240]);
    assert!(sentinel.pending_scripts().is_empty());
}

#[test]
fn options_before_a_bad_one_are_set() {
    let mut sentinel = lone();
    let words: [&[u8]; 4] = [b"quorum", b"5", b"parallel-syncs", b"x"];
    let set = sentinel.set("m", &words, &|_| true);
    let why = "Invalid argument 'x' for SENTINEL SET 'parallel-syncs'".to_owned();
    assert_eq!(set, Some(Err(SentinelRefused::Says(why))));
    let fields = sentinel.master("m").unwrap();
    assert!(fields.contains(&("quorum", b"5".to_vec())));
    let actions = sentinel.finish();
    assert!(actions.save);
    let text = "master m 127.0.0.1 6379 quorum 5".to_owned();
    assert!(actions.list.contains(&SentinelAction::Event {
        level: EventLevel::Warning,
        channel: "+set",
        text,
    }));
    assert_eq!(sentinel.set("n", &words, &|_| true), None);
}

/// A text with some of its bytes changed, left out or repeated.
fn garbled(text: &str, rng: &mut Rng) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..rng.usize(0..4) {
        let at = rng.usize(0..bytes.len());
        let odd = [b',', b':', b'\r', b'\n', b' ', b'"', b'-', b'9', 0, 0xff];
        match rng.u8(0..4) {
            0 => bytes[at] = odd[rng.usize(0..odd.len())],
            1 => bytes.insert(at, odd[rng.usize(0..odd.len())]),
            2 => drop(bytes.remove(at)),
            _ => bytes.extend_from_within(at..),
        }
    }
    bytes
}

/// Gives a garbled reply to everything that was asked.
fn answer(sentinel: &mut Sentinel, rng: &mut Rng) {
    let info = "run_id:000000000000000000000000000000000000000a\r\nrole:master\r\nslave0:ip=10.0.0.1,port=7000,state=online\r\n";
    let replica = "run_id:000000000000000000000000000000000000000b\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:6379\r\n\
        master_link_status:up\r\nslave_priority:1\r\nslave_repl_offset:5\r\n";
    for action in sentinel.finish().list {
        match action {
            SentinelAction::Connect { wire, .. } => sentinel.connected(wire, "10.0.0.2".into()),
            SentinelAction::Send { wire, words } => {
                let text = if rng.bool() { info } else { replica };
                let reply = match &words[0][..] {
                    b"PING" if rng.u8(0..9) > 0 => Value::Simple(b"PONG".to_vec()),
                    b"SENTINEL" => Value::Array(vec![
                        Value::Int(rng.i64(0..2)),
                        Value::Bulk(garbled(&id_of(7), rng)),
                        Value::Int(rng.i64(..)),
                    ]),
                    b"SUBSCRIBE" if rng.u8(0..9) == 0 => Value::NullArray,
                    _ => Value::Bulk(garbled(text, rng)),
                };
                sentinel.replied(wire, reply);
            }
            SentinelAction::LookUp { names, again } => {
                let found = |name: String| (name, rng.bool().then(|| "10.0.0.3".to_owned()));
                let answers = names.into_iter().map(found).collect();
                sentinel.looked_up(answers, again);
            }
            _ => {}
        }
    }
}

#[test]
fn whatever_is_said_the_file_can_be_read_again() {
    for names in ["yes", "no"] {
        let mut rng = Rng::with_seed(3);
        let mut sentinel = lone();
        set_setting(&mut sentinel, "resolve-hostnames", names).unwrap();
        let mut now_ms = 1000;
        for round in 0..5000 {
            now_ms += rng.i64(0..1500);
            sentinel.at_moment(now_ms);
            sentinel.tick();
            for _ in 0..3 {
                answer(&mut sentinel, &mut rng);
            }
            let (id, port) = (id_of(rng.usize(1..9)), rng.u16(..));
            let hello = format!("other.host,{port},{id},7,m,127.0.0.1,6379,3");
            sentinel.take_hello(&garbled(&hello, &mut rng));
            if rng.u8(0..50) == 0 {
                let option = ["resolve-hostnames", "announce-hostnames"][rng.usize(0..2)];
                // It may be refused.
                let _ = set_setting(&mut sentinel, option, ["yes", "no"][rng.usize(0..2)]);
            }
            if round % 100 > 0 {
                continue;
            }
            started_again(&sentinel);
        }
        assert!(sentinel.replicas("m").is_some());
    }
}

#[test]
fn who_may_not_subscribe_is_disconnected() {
    let mut sentinel = lone();
    sentinel.at_moment(3000);
    sentinel.tick();
    let list = sentinel.finish().list;
    let subscribed = list.iter().find_map(|action| match action {
        SentinelAction::Send { wire, words } if words[0] == b"SUBSCRIBE" => Some(*wire),
        _ => None,
    });
    let wire = subscribed.unwrap();
    let is_connected = |sentinel: &Sentinel| {
        let fields = sentinel.master("m").unwrap();
        fields.contains(&("flags", b"master".to_vec()))
    };
    assert!(is_connected(&sentinel));
    // The name of the connection is told first.
    sentinel.replied(
        wire,
        Value::Error(b"NOAUTH Authentication required.".to_vec()),
    );
    assert!(is_connected(&sentinel));
    sentinel.replied(
        wire,
        Value::Error(b"NOAUTH Authentication required.".to_vec()),
    );
    assert!(!is_connected(&sentinel));
    let closes = SentinelAction::Close { wire };
    assert!(sentinel.finish().list.contains(&closes));
}
