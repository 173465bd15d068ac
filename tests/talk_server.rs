//! Talk with a server about itself and its connections: CLIENT, CONFIG, COMMAND, INFO, DEBUG and their kin.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use vermilion::resp::value::Value;
use vermilion::testing::{Talker, TestServer, show, talk};

/// What a command answers, on a connection of its own.
fn answer(server: &TestServer, line: &str) -> String {
    let mut client = server.connect();
    client.say(line);
    show(&client.hear())
}

#[test]
fn connections_have_names_and_libraries() {
    talk(
        "> CLIENT GETNAME
         nil
         > CLIENT SETNAME \"a b\"
         -ERR Client names cannot contain spaces, newlines or special characters.
         > CLIENT SETNAME ann
         +OK
         > CLIENT GETNAME
         \"ann\"
         > CLIENT SETINFO LIB-NAME carmine
         +OK
         > CLIENT SETINFO lib-ver \"1 2\"
         -ERR lib-ver cannot contain spaces, newlines or special characters.
         > CLIENT SETINFO color red
         -ERR Unrecognized option 'color'
         > CLIENT INFO
         \"id=*
         > CLIENT NO-TOUCH maybe
         -ERR syntax error
         > CLIENT NOSUCH
         -ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.",
    );
}

#[test]
fn a_line_of_client_list_says_who_that_is() {
    let server = TestServer::start("");
    let mut client = server.connect();
    for line in ["CLIENT SETNAME ann", "CLIENT NO-EVICT on", "CLIENT LIST"] {
        client.say(line);
        let heard = show(&client.hear());
        if line == "CLIENT LIST" {
            for part in [
                " name=ann ",
                " flags=e ",
                " cmd=client|list ",
                " resp=2 ",
                " multi=-1 watch=0 ",
            ] {
                assert!(heard.contains(part), "{part} in {heard}");
            }
        }
    }
}

#[test]
fn filters_of_client_kill_must_all_hold() {
    talk(
        "b> PING
         +PONG
         > CLIENT KILL TYPE master
         :0
         > CLIENT KILL TYPE normal MAXAGE 100
         :0
         > CLIENT KILL ID 0
         -ERR client-id should be greater than 0
         > CLIENT KILL USER nosuch
         -ERR No such user 'nosuch'
         > CLIENT KILL 1.2.3.4:5
         -ERR No such client
         > CLIENT KILL TYPE normal
         :1
         > PING
         +PONG",
    );
}

#[test]
fn prefixes_of_one_client_do_not_overlap() {
    talk(
        "> CLIENT TRACKING on PREFIX a
         -ERR PREFIX option requires BCAST mode to be enabled
         > CLIENT TRACKING on BCAST PREFIX foo PREFIX foobar
         -ERR Prefix 'foo' overlaps with another provided prefix 'foobar'. Prefixes for a single client must not overlap.
         > CLIENT TRACKING on BCAST PREFIX foo
         +OK
         > CLIENT TRACKING on BCAST PREFIX foobar
         -ERR Prefix 'foobar' overlaps with an existing prefix 'foo'. Prefixes for a single client must not overlap.
         > CLIENT TRACKINGINFO
         [\"flags\" [\"on\" \"bcast\"] \"redirect\" :0 \"prefixes\" [\"foo\"]]
         > CLIENT GETREDIR
         :0
         > CLIENT TRACKING off
         +OK
         > CLIENT GETREDIR
         :-1",
    );
}

#[test]
fn wait_has_no_replicas_to_wait_for() {
    talk(
        "> WAIT 0 0
         :0
         > WAIT 1 10
         :0
         > WAIT 1 -1
         -ERR timeout is negative",
    );
}

#[test]
fn config_set_is_all_or_nothing() {
    talk(
        "> CONFIG SET maxmemory 1mb hz x
         -ERR CONFIG SET failed (possibly related to argument 'hz') - argument couldn't be parsed into an integer
         > CONFIG GET maxmemory
         [\"maxmemory\" \"0\"]
         > CONFIG SET maxmemory 1mb unixsocket x
         -ERR CONFIG SET failed (possibly related to argument 'unixsocket') - *
         > CONFIG GET MaxMemory hz
         [\"MaxMemory\" \"0\" \"hz\" \"10\"]
         > CONFIG SET maxmemory
         -ERR wrong number of arguments for 'config|set' command
         > CONFIG REWRITE
         -ERR The server is running without a config file",
    );
}

#[test]
fn commands_tell_of_their_keys() {
    talk(
        "> COMMAND GETKEYS SET k v
         [\"k\"]
         > COMMAND GETKEYS PING x
         -ERR The command has no key arguments
         > COMMAND GETKEYS NOSUCH x
         -ERR Invalid command specified
         > COMMAND GETKEYS SET k
         -ERR Invalid number of arguments specified for command
         > COMMAND GETKEYSANDFLAGS GETDEL k
         [[\"k\" [+RW +access +delete]]]
         > COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0 OVERFLOW FAIL
         [[\"k\" [+RO +access]]]
         > COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0 NOSUCH
         [[\"k\" [+RW +access +update]]]
         > COMMAND LIST FILTERBY PATTERN config|re*
         [\"config|resetstat\" \"config|rewrite\"]
         > COMMAND INFO nosuch
         [nil]",
    );
}

#[test]
fn databases_are_swapped_and_flushed() {
    talk(
        "> SET k 1
         +OK
         > SWAPDB 0 3
         +OK
         > DBSIZE
         :0
         > SELECT 3
         +OK
         > GET k
         \"1\"
         > SWAPDB x 0
         -ERR invalid first DB index
         > SWAPDB 0 99
         -ERR DB index is out of range
         > FLUSHALL later
         -ERR syntax error
         > FLUSHALL ASYNC
         +OK
         > DBSIZE
         :0",
    );
}

#[test]
fn info_counts_keys_and_their_lives() {
    let server = TestServer::start("");
    server
        .talk("> SET a 1\n +OK\n > SET b 1 PX 100000\n +OK\n > SELECT 1\n +OK\n > SET c 1\n +OK\n");
    let heard = answer(&server, "INFO keyspace");
    assert!(heard.contains("db0:keys=2,expires=1,avg_ttl="), "{heard}");
    assert!(
        heard.contains("db1:keys=1,expires=0,avg_ttl=0,subexpiry=0"),
        "{heard}"
    );
    let usual = answer(&server, "INFO");
    assert!(
        usual.contains("# Server") && usual.contains("# Keyspace"),
        "{usual}"
    );
    assert!(!usual.contains("# Commandstats"), "{usual}");
    let all = answer(&server, "INFO everything");
    assert!(all.contains("cmdstat_set:calls=3,"), "{all}");
    assert!(all.contains("expiry_lag_p99_us:"), "{all}");
}

#[test]
fn equal_data_has_equal_digests() {
    let servers = [TestServer::start(""), TestServer::start("")];
    servers[0].talk("> MSET a 1 b 2 c 3\n +OK\n");
    servers[1].talk(
        "> SET c 3\n +OK\n > SET x 9\n +OK\n > SET b 2\n +OK\n > SET a 1\n +OK\n > DEL x\n :1\n",
    );
    let digests = servers
        .each_ref()
        .map(|server| answer(server, "DEBUG DIGEST"));
    assert_eq!(digests[0], digests[1]);
    servers[1].talk("> SET c 4\n +OK\n");
    assert_ne!(digests[0], answer(&servers[1], "DEBUG DIGEST"));
}

#[test]
fn slow_commands_are_kept() {
    talk(
        "> CONFIG SET slowlog-log-slower-than 20000 latency-monitor-threshold 20
         +OK
         > DEBUG SLEEP 0.03
         +OK
         > SLOWLOG LEN
         :1
         > SLOWLOG GET -1
         [[:0 *
         > LATENCY RESET
         :1
         > SLOWLOG RESET
         +OK
         > SLOWLOG GET
         []",
    );
}

#[test]
fn monitors_see_commands() {
    let server = TestServer::start("");
    let mut monitor = server.connect();
    monitor.say("MONITOR");
    assert_eq!(show(&monitor.hear()), "+OK");
    server.talk("> SET k \"a b\"\n +OK\n");
    let heard = show(&monitor.hear());
    assert!(heard.ends_with("\"SET\" \"k\" \"a b\""), "{heard}");
}

#[test]
fn every_type_of_reply_can_be_asked_for() {
    talk(
        "> DEBUG PROTOCOL map
         [:0 :0 :1 :1 :2 :0]
         > DEBUG PROTOCOL push
         -ERR RESP2 is not supported by this command
         > DEBUG PROTOCOL nosuch
         -ERR Wrong protocol type name. *
         > DEBUG ERROR \"CODE text\"
         -CODE text
         > DEBUG NOSUCH
         -ERR unknown subcommand or wrong number of arguments for 'NOSUCH'. Try DEBUG HELP.",
    );
}

#[test]
fn what_a_client_holds_is_counted() {
    let server = TestServer::start("");
    let (mut client, mut other) = (server.connect(), server.connect());
    let mut ask = |line: &str| {
        client.say(line);
        client.hear();
    };
    ask("CLIENT SETNAME one");
    let value = "x".repeat(10_000);
    for line in ["WATCH a", "MULTI", &format!("SET a {value}")] {
        ask(line);
    }
    let of_one = |other: &mut vermilion::testing::Talker, name: &str| -> usize {
        other.say("CLIENT LIST");
        let lines = show(&other.hear());
        let line = lines.split("\\n").find(|line| line.contains("name=one"));
        let line = line.expect("it is connected");
        let found = line.split(' ').find_map(|part| part.strip_prefix(name));
        found.and_then(|n| n.parse().ok()).expect("a number")
    };
    assert_eq!(of_one(&mut other, "multi="), 1);
    let queued = of_one(&mut other, "multi-mem=");
    assert!((10_000..12_000).contains(&queued), "{queued}");
    assert!(of_one(&mut other, "tot-mem=") > queued);
    ask("DISCARD");
    assert_eq!(of_one(&mut other, "multi-mem="), 0);
    let idle = of_one(&mut other, "tot-mem=");
    for n in 0..100 {
        ask(&format!("SUBSCRIBE channel-{n}"));
    }
    assert!(of_one(&mut other, "tot-mem=") > idle + 100 * 32);
}

#[test]
fn the_largest_clients_go_and_those_stay_that_may() {
    let server = TestServer::start("");
    let (mut judge, mut large, mut kept) = (server.connect(), server.connect(), server.connect());
    let value = "x".repeat(400_000);
    for (client, name) in [(&mut large, "large"), (&mut kept, "kept")] {
        for line in [
            format!("CLIENT SETNAME {name}"),
            "MULTI".to_owned(),
            format!("SET a {value}"),
        ] {
            client.say(&line);
            client.hear();
        }
    }
    let mut ask = |line: &str| {
        judge.say(line);
        show(&judge.hear())
    };
    ask("CLIENT NO-EVICT on");
    assert_eq!(ask("CONFIG SET maxmemory-clients 10mb"), "+OK");
    assert!(ask("CLIENT LIST").contains("name=large"));
    assert_eq!(ask("CONFIG SET maxmemory-clients 600kb"), "+OK");
    let left = ask("CLIENT LIST");
    let stay = ["name=large", "name=kept"].map(|name| left.contains(name));
    assert!(stay[0] != stay[1], "one of two goes: {left}");
    assert!(ask("INFO stats").contains("evicted_clients:1"));
    assert_eq!(ask("CONFIG SET maxmemory-clients 1"), "+OK");
    let left = ask("CLIENT LIST");
    assert!(!left.contains("name=large") && !left.contains("name=kept"));
}

#[test]
fn a_file_is_read_back_into_what_is_there() {
    talk(
        "> SET a 1
         +OK
         > SET b 1
         +OK
         > DEBUG RELOAD NOFLUSH
         -ERR Error trying to load the RDB dump, check server logs.
         > SET a 2
         +OK
         > SET c 1
         +OK
         > DEBUG RELOAD NOSAVE NOFLUSH MERGE
         +OK
         > MGET a b c
         [\"1\" \"1\" \"1\"]
         > DEBUG RELOAD LATER
         -ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
    );
}

#[test]
fn a_long_reply_is_whole_whatever_happens_meanwhile() {
    const MEMBERS: usize = 20_000;
    let server = TestServer::start("");
    let (mut client, mut other) = (server.connect(), server.connect());
    let words = |numbers: std::ops::Range<usize>| -> String {
        numbers.map(|n| format!(" member:{n}")).collect()
    };
    for from in (0..MEMBERS).step_by(2000) {
        client.say(&format!("SADD set{}", words(from..from + 2000)));
        client.say(&format!("HSET hash{}", words(from..from + 2000)));
        assert_eq!(show(&client.hear()), ":2000");
        assert_eq!(show(&client.hear()), ":1000");
    }
    client.say("HELLO 3");
    client.hear();
    client.say("SUBSCRIBE news");
    client.hear();
    // All at once: what comes behind a long reply must neither change it nor stand in it.
    for line in [
        "SMEMBERS set",
        "SADD set another",
        "PUBLISH news mine",
        "HGETALL hash",
        "DEL set hash",
        "SMEMBERS set",
    ] {
        client.say(line);
    }
    for _ in 0..100 {
        other.say("PUBLISH news theirs");
        other.hear();
    }
    let (mut replies, mut messages) = (Vec::new(), 0);
    while replies.len() < 6 {
        match client.hear() {
            Value::Push(_) => messages += 1,
            reply => replies.push(reply),
        }
    }
    let Value::Set(members) = &replies[0] else {
        panic!("SMEMBERS answers with a set");
    };
    let members: std::collections::BTreeSet<String> = members.iter().map(show).collect();
    assert_eq!(members.len(), MEMBERS);
    assert!(members.contains("\"member:0\"") && !members.contains("\"another\""));
    let Value::Map(pairs) = &replies[3] else {
        panic!("HGETALL answers with a map");
    };
    assert_eq!(pairs.len(), MEMBERS / 2);
    let rest = [1, 2, 4, 5].map(|at: usize| show(&replies[at]));
    assert_eq!(rest, [":1", ":1", ":2", "~[]"]);
    // The other's messages come in time, too: none of them is lost.
    while messages < 101 {
        assert!(matches!(client.hear(), Value::Push(_)));
        messages += 1;
    }
}

#[test]
fn a_long_reply_that_is_broken_off_counts_all_the_same() {
    const TIMES: usize = 40;
    let server = TestServer::start("");
    let mut other = server.connect();
    let members: String = (0..60_000).map(|n| format!(" member:{n}")).collect();
    other.say(&format!("SADD set{members}"));
    assert_eq!(show(&other.hear()), ":60000");
    for _ in 0..TIMES {
        let mut client = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        client.write_all(b"CLIENT ID\r\nSMEMBERS set\r\n").unwrap();
        // The number, and the first part of the reply, from which on the rest may be broken off.
        let mut seen = Vec::new();
        while seen.len() < 100 {
            let mut bytes = [0; 100];
            let read = client.read(&mut bytes).unwrap();
            seen.extend_from_slice(&bytes[..read]);
        }
        let line = seen.split(|byte| *byte == b'\r').next().unwrap();
        let id = std::str::from_utf8(&line[1..]).unwrap();
        other.say(&format!("CLIENT KILL ID {id}"));
        assert_eq!(show(&other.hear()), ":1");
    }
    // The last one may be at it still.
    for _ in 0..100 {
        let stats = answer(&server, "INFO commandstats");
        if stats.contains(&format!("cmdstat_smembers:calls={TIMES},")) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{}", answer(&server, "INFO commandstats"));
}

#[test]
fn a_long_reply_is_written_at_once_where_it_cannot_wait() {
    let server = TestServer::start("");
    let mut client = server.connect();
    let members: String = (0..9000).map(|n| format!(" {n}")).collect();
    client.say("CONFIG SET set-max-intset-entries 4");
    client.say(&format!("SADD set{members}"));
    for line in ["MULTI", "SMEMBERS set", "SCARD set", "EXEC"] {
        client.say(line);
    }
    client.say("EVAL \"return #redis.call('SMEMBERS', KEYS[1])\" 1 set");
    for line in ["CLIENT REPLY SKIP", "SMEMBERS set", "PING"] {
        client.say(line);
    }
    (0..5).for_each(|_| drop(client.hear()));
    let Value::Array(done) = client.hear() else {
        panic!("EXEC answers with an array");
    };
    assert_eq!(
        (show(&done[0]).matches('"').count(), show(&done[1])),
        (18_000, ":9000".into())
    );
    assert_eq!(show(&client.hear()), ":9000");
    assert_eq!(show(&client.hear()), "+PONG");
}

#[test]
fn a_server_without_cluster_says_so_to_those_who_ask() {
    talk(
        "> CLUSTER INFO
         -ERR This instance has cluster support disabled
         > cluster slots
         -ERR This instance has cluster support disabled
         > CLUSTER SHARDS
         -ERR This instance has cluster support disabled
         > CLUSTER HELP
         -ERR This instance has cluster support disabled
         > CLUSTER SETSLOT 1 STABLE
         -ERR This instance has cluster support disabled
         > READONLY
         -ERR This instance has cluster support disabled
         > READWRITE
         -ERR This instance has cluster support disabled
         > ASKING
         -ERR This instance has cluster support disabled
         > CLUSTER
         -ERR wrong number of arguments for 'cluster' command
         > CLUSTER INFO now
         -ERR wrong number of arguments for 'cluster|info' command
         > CLUSTER SETSLOT 1
         -ERR wrong number of arguments for 'cluster|setslot' command
         > CLUSTER NOSUCH
         -ERR unknown subcommand 'NOSUCH'. Try CLUSTER HELP.
         > READONLY now
         -ERR wrong number of arguments for 'readonly' command
         > MULTI
         +OK
         > CLUSTER MYID
         +QUEUED
         > PING
         +QUEUED
         > EXEC
         [-ERR This instance has cluster support disabled +PONG]
         > EVAL \"return redis.pcall('cluster', 'nodes')\" 0
         -ERR This instance has cluster support disabled
         > EVAL \"return redis.pcall('cluster', 'reset')\" 0
         -ERR This Redis command is not allowed from script*
         > CONFIG GET cluster-enabled
         [\"cluster-enabled\" \"no\"]
         > CONFIG SET cluster-enabled yes
         -ERR CONFIG SET failed (possibly related to argument 'cluster-enabled') - can't set immutable config",
    );
    let server = TestServer::start("");
    assert!(answer(&server, "INFO cluster").contains("cluster_enabled:0"));
}

#[test]
fn rules_name_commands_of_cluster() {
    talk(
        "> ACL SETUSER ann on nopass ~* +@all -readonly -cluster +cluster|info
         +OK
         a> AUTH ann any
         +OK
         a> CLUSTER INFO
         -ERR This instance has cluster support disabled
         a> CLUSTER NODES
         -NOPERM User ann has no permissions to run the 'cluster|nodes' command*
         a> READONLY
         -NOPERM User ann has no permissions to run the 'readonly' command*
         a> READWRITE
         -ERR This instance has cluster support disabled",
    );
}

/// A server with so many keys that KEYS answers in parts.
fn with_keys(count: usize) -> TestServer {
    with_keys_and("", count)
}

fn with_keys_and(lines: &str, count: usize) -> TestServer {
    let server = TestServer::start(lines);
    let mut client = server.connect();
    for from in (0..count).step_by(5000) {
        let pairs: String = (from..from + 5000).map(|n| format!(" key:{n} v")).collect();
        client.say(&format!("MSET{pairs}"));
        assert_eq!(show(&client.hear()), "+OK");
    }
    server
}

fn names(value: Value) -> Vec<String> {
    let Value::Array(names) = value else {
        panic!("KEYS answers with an array: {}", show(&value));
    };
    names.iter().map(show).collect()
}

#[test]
fn keys_answers_as_of_one_moment_whatever_happens_meanwhile() {
    const COUNT: usize = 30_000;
    let server = with_keys(COUNT);
    let mut client = server.connect();
    client.say("MSET from:0 v pair:0 v");
    client.hear();
    let stop = AtomicBool::new(false);
    let until_stopped = |turn: &dyn Fn(&mut Talker, usize)| {
        let mut other = server.connect();
        let mut turns = 0;
        while !stop.load(Ordering::Relaxed) {
            turn(&mut other, turns);
            turns += 1;
        }
        turns
    };
    let ask = |client: &mut Talker, line: &str| {
        client.say(line);
        show(&client.hear())
    };
    let rename = move |other: &mut Talker, n: usize| {
        let done = ask(other, &format!("RENAME from:{n} from:{}", n + 1));
        assert_eq!(done, "+OK");
    };
    let replace = move |other: &mut Talker, n: usize| {
        // One that is there in passing, too, and comes to where another one was.
        let (next, key) = (n + 1, n * 7 % COUNT);
        for (line, answer) in [
            ("MULTI".into(), "+OK"),
            (format!("DEL pair:{n}"), "+QUEUED"),
            (format!("SET pair:{next} v"), "+QUEUED"),
            (format!("RENAME key:{key} passing"), "+QUEUED"),
            ("EXEC".into(), "[:1 +OK +OK]"),
            (format!("RENAME passing key:{key}"), "+OK"),
        ] {
            assert_eq!(ask(other, &line), answer);
        }
    };
    // Two walk over all keys at the same time.
    let walk = |pattern: &str| {
        let mut client = server.connect();
        for _ in 0..20 {
            client.say(&format!("KEYS {pattern}"));
            let names = names(client.hear());
            let with = |start: &str| {
                let found = names.iter().filter(|name| name[1..].starts_with(start));
                found.count()
            };
            assert_eq!((with("from:"), with("pair:")), (1, 1));
            assert_eq!(with("key:") + with("passing"), COUNT);
            let unique: BTreeSet<_> = names.iter().collect();
            assert_eq!((unique.len(), names.len()), (COUNT + 2, COUNT + 2));
        }
    };
    std::thread::scope(|scope| {
        let writers = [
            scope.spawn(|| until_stopped(&rename)),
            scope.spawn(|| until_stopped(&replace)),
        ];
        let walkers = [scope.spawn(|| walk("*")), scope.spawn(|| walk("*[a-z]*"))];
        let walked = walkers.map(|walker| walker.join());
        stop.store(true, Ordering::Relaxed);
        let turns = writers.map(|writer| writer.join().expect("a writer's answers are right"));
        assert!(walked.iter().all(|walked| walked.is_ok()));
        assert!(turns.iter().all(|turns| *turns > 100), "{turns:?}");
    });
}

#[test]
fn keys_tells_what_was_there_before_it_was_flushed_or_swapped() {
    const COUNT: usize = 50_000;
    for meanwhile in [
        "FLUSHALL",
        "FLUSHDB",
        "SWAPDB 0 1",
        "DEBUG RELOAD",
        "DEBUG RELOAD NOSAVE",
    ] {
        let server = with_keys(COUNT);
        let (mut client, mut other) = (server.connect(), server.connect());
        other.say("SAVE");
        other.hear();
        for _ in 0..3 {
            client.say("KEYS key*");
        }
        // Whenever this comes, each of them has all or none of them.
        other.say(meanwhile);
        assert_eq!(show(&other.hear()), "+OK");
        for _ in 0..3 {
            let answer = client.hear();
            if meanwhile.starts_with("DEBUG") && show(&answer).starts_with("-LOADING") {
                continue;
            }
            let names = names(answer);
            let unique: BTreeSet<_> = names.iter().collect();
            assert_eq!(unique.len(), names.len());
            assert!(
                names.is_empty() || names.len() == COUNT,
                "{meanwhile}: {}",
                names.len()
            );
        }
    }
}

#[test]
fn keys_that_is_broken_off_leaves_nothing_behind() {
    const TIMES: usize = 30;
    const COUNT: usize = 50_000;
    let server = with_keys(COUNT);
    let mut other = server.connect();
    for turn in 0..TIMES {
        let mut client = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        client.write_all(b"CLIENT ID\r\n").unwrap();
        let mut bytes = [0; 100];
        let read = client.read(&mut bytes).unwrap();
        let id = String::from_utf8_lossy(&bytes[1..read - 2]).into_owned();
        client.write_all(b"KEYS *\r\n").unwrap();
        std::thread::sleep(std::time::Duration::from_micros(turn as u64 * 400));
        other.say(&format!("CLIENT KILL ID {id}"));
        assert_eq!(show(&other.hear()), ":1");
    }
    let mut client = server.connect();
    client.say("KEYS *");
    assert_eq!(names(client.hear()).len(), COUNT);
    // Those that were asked count, though nobody took the answer.
    for _ in 0..100 {
        let stats = answer(&server, "INFO commandstats");
        let line = stats.split("cmdstat_keys:calls=").nth(1).unwrap_or("0,");
        let calls: usize = line.split(',').next().unwrap().parse().unwrap();
        if calls > TIMES / 2 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{}", answer(&server, "INFO commandstats"));
}

#[test]
fn keys_answers_at_once_where_it_cannot_wait() {
    let server = with_keys(20_000);
    let mut client = server.connect();
    for line in ["MULTI", "KEYS key*", "DBSIZE", "EXEC"] {
        client.say(line);
    }
    client.say("EVAL \"return #redis.call('KEYS', '*')\" 0");
    for line in [
        "CLIENT REPLY SKIP",
        "KEYS *",
        "KEYS key:77",
        "KEYS nothing",
        "KEYS no*",
    ] {
        client.say(line);
    }
    (0..3).for_each(|_| drop(client.hear()));
    let Value::Array(done) = client.hear() else {
        panic!("EXEC answers with an array");
    };
    assert_eq!(show(&done[1]), ":20000");
    assert_eq!(names(done[0].clone()).len(), 20_000);
    assert_eq!(show(&client.hear()), ":20000");
    for expected in ["[\"key:77\"]", "[]", "[]"] {
        assert_eq!(show(&client.hear()), expected);
    }
}

#[test]
fn keys_of_a_client_that_may_not_keep_so_much_is_refused() {
    let server = with_keys(60_000);
    let mut client = server.connect();
    for line in [
        "CONFIG SET client-output-buffer-limit \"normal 300000 0 0\"",
        "KEYS no*",
    ] {
        client.say(line);
    }
    assert_eq!(show(&client.hear()), "+OK");
    assert_eq!(show(&client.hear()), "[]");
    client.say("KEYS *");
    assert!(client.is_closed());
    let stats = answer(&server, "INFO stats");
    assert!(
        stats.contains("client_output_buffer_limit_disconnections:1"),
        "{stats}"
    );
}

#[test]
fn keys_waits_for_a_script_that_its_worker_has_left() {
    const COUNT: usize = 50_000;
    let server = with_keys_and("io-threads 1\nbusy-reply-threshold 2", COUNT);
    let (mut client, mut other) = (server.connect(), server.connect());
    let script = "EVAL \"for n = 1, 3000000 do end return redis.call('DBSIZE')\" 0";
    let mut whole = 0;
    for _ in 0..8 {
        client.say("KEYS *");
        other.say(script);
        let answer = client.hear();
        if !show(&answer).starts_with("-BUSY") {
            assert_eq!(names(answer).len(), COUNT);
            whole += 1;
        }
        assert_eq!(show(&other.hear()), format!(":{COUNT}"));
    }
    assert!(whole > 0, "the script was always first");
}

#[test]
fn others_have_their_turn_in_the_middle_of_a_long_pipeline() {
    const STEPS: usize = 50;
    let server = TestServer::start("io-threads 1\nenable-debug-command yes");
    let (mut busy, mut other) = (server.connect(), server.connect());
    let long = format!("ECHO {}", "x".repeat(20_000));
    for _ in 0..STEPS {
        busy.say("INCR step");
        busy.say(&long);
        busy.say("DEBUG SLEEP 0.005");
    }
    let mut seen = std::collections::BTreeSet::new();
    while !seen.contains(&STEPS.to_string()) {
        other.say("GET step");
        if let Value::Bulk(step) = other.hear() {
            seen.insert(String::from_utf8_lossy(&step).into_owned());
        }
    }
    assert!(seen.len() > STEPS / 4, "only these were seen: {seen:?}");
    for step in 1..=STEPS {
        assert_eq!(show(&busy.hear()), format!(":{step}"));
        assert!(matches!(busy.hear(), Value::Bulk(_)));
        assert_eq!(show(&busy.hear()), "+OK");
    }
}

#[test]
fn a_long_pipeline_whose_answers_wait_for_the_disk_goes_on() {
    const STEPS: usize = 10;
    let dir = tempfile::tempdir().unwrap();
    let lines = format!(
        "io-threads 1\nenable-debug-command yes\nappendonly yes\nappendfsync always\ndir {}",
        dir.path().display()
    );
    let server = TestServer::start(&lines);
    let mut clients = [server.connect(), server.connect()];
    clients[0].say("SETRANGE large 300000 x");
    clients[0].hear();
    for _ in 0..STEPS {
        for client in &mut clients {
            client.say("INCR step");
            // So much is sent on the way: once it is safe, which it is while the other client has its turn.
            client.say("GET large");
            client.say("DEBUG SLEEP 0.01");
        }
    }
    for client in &mut clients {
        for _ in 0..STEPS {
            assert!(matches!(client.hear(), Value::Int(_)));
            assert!(matches!(client.hear(), Value::Bulk(_)));
            assert_eq!(show(&client.hear()), "+OK");
        }
    }
}
