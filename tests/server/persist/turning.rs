//! The append only file turned on and off: in vain, again and again, and by many at once.

use std::fs;
use std::thread::spawn;
use std::time::{Duration, Instant};

use crate::common::{Client, Server, eventually, our_server, setting};

/// Threads of the server that have this name.
fn threads(server: &Server, name: &str) -> usize {
    let folder = format!("/proc/{}/task", server.id());
    let tasks = fs::read_dir(folder).expect("the server runs");
    let names = tasks.flatten().filter_map(|task| {
        // It may have ended since it was listed.
        fs::read_to_string(task.path().join("comm")).ok()
    });
    names.filter(|found| found.trim_end() == name).count()
}

fn writers(server: &Server) -> [usize; 2] {
    ["aof", "aof-sync"].map(|name| threads(server, name))
}

/// As with Redis, `appendonly` says which files are read; whoever forgets it finds no data, and is told of the log.
#[test]
fn a_log_that_is_not_read_is_named() {
    const NOT_READ: &str =
        "There is an append only log beside the snapshot file, which is not read";
    let logged = ["--appendonly", "yes", "--save", ""];
    let server = Server::start(&logged);
    server.client().ask("SET k v");
    assert!(!server.log().contains(NOT_READ));
    let server = Server::start_on(&our_server(), server.stop(), &["--save", ""]);
    assert_eq!(server.client().ask("DBSIZE").int(), 0);
    assert!(server.log().contains(NOT_READ));
    let server = Server::start_on(&our_server(), server.stop(), &logged);
    assert_eq!(server.client().ask("GET k").text(), "v");
}

#[test]
fn log_writers_end_before_others_begin() {
    let server = Server::start(&["--appendfsync", "everysec", "--io-threads", "2"]);
    let (port, seconds) = (server.port, setting("SECONDS", 4));
    let turn = |commands: &'static [&'static str]| {
        spawn(move || {
            let mut client = Client::connect(port).expect("the server listens");
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(seconds) {
                for command in commands {
                    client.ask(command);
                }
            }
        })
    };
    let turners = [
        turn(&["CONFIG SET appendonly yes", "CONFIG SET appendonly no"]),
        turn(&[
            "CONFIG SET appendonly yes",
            "INCR a",
            "CONFIG SET appendonly no",
        ]),
        turn(&["BGREWRITEAOF", "INCR b"]),
        turn(&[
            "INCR c",
            "CONFIG SET appendfsync always",
            "CONFIG SET appendfsync no",
        ]),
    ];
    for turner in turners {
        turner.join().expect("every command is answered");
    }
    let mut client = server.client();
    client.ask("CONFIG SET appendonly no");
    eventually("a log that is off has no writers", || {
        writers(&server) == [0, 0]
    });
    client.ask("CONFIG SET appendonly yes");
    eventually("a log that is on has one of each", || {
        writers(&server) == [1, 1]
    });
    eventually("its first base is written", || {
        client
            .ask("INFO persistence")
            .text()
            .contains("aof_rewrite_in_progress:0")
    });
    assert_eq!(client.ask("INCR a").text(), client.ask("GET a").text());
    let held: Vec<String> = ["a", "b", "c"]
        .map(|key| client.ask(&format!("GET {key}")).text())
        .into();
    let dir = server.kill();
    let again = Server::start_on(&our_server(), dir, &["--appendonly", "yes"]);
    let mut client = again.client();
    let there: Vec<String> = ["a", "b", "c"]
        .map(|key| client.ask(&format!("GET {key}")).text())
        .into();
    assert_eq!(there, held);
}

#[test]
fn a_log_that_can_not_be_begun_is_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("SET k v");
    let folder = server.dir().join("appendonlydir");
    let refused = "ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. Check server logs.";
    // A file stands in the folder's place, which stops root as well.
    fs::write(&folder, "").unwrap();
    let all = "CONFIG SET maxmemory 100mb appendonly yes appendfsync always";
    assert_eq!(client.ask(all).text(), refused);
    let shown = |client: &mut Client, name: &str| {
        client.ask(&format!("CONFIG GET {name}")).items()[1].text()
    };
    for (name, before) in [
        ("appendonly", "no"),
        ("maxmemory", "0"),
        ("appendfsync", "everysec"),
    ] {
        assert_eq!(shown(&mut client, name), before, "{name}");
    }
    assert!(
        client
            .ask("INFO persistence")
            .text()
            .contains("aof_enabled:0")
    );
    assert!(
        server.log().contains("Can't open the append-only file"),
        "{}",
        server.log()
    );
    assert_eq!(writers(&server), [0, 0]);
    assert_eq!(
        client.ask("SET k w").text(),
        "OK",
        "nothing is refused for it"
    );

    fs::remove_file(&folder).unwrap();
    assert_eq!(client.ask("CONFIG SET appendonly yes").text(), "OK");
    eventually("its first base is written", || {
        folder.join("appendonly.aof.manifest").exists()
    });
}

#[test]
fn a_log_that_is_turned_on_again_outlives_the_history() {
    let options = ["--appendonly", "yes", "--aof-disable-auto-gc", "yes"];
    let server = Server::start(&options);
    let mut client = server.client();
    let rewritten = |client: &mut Client| {
        eventually("no rewrite is under way", || {
            let info = client.ask("INFO persistence").text();
            let calm = ["aof_rewrite_in_progress:0\r", "aof_rewrite_scheduled:0\r"];
            calm.iter().all(|line| info.contains(line))
        });
    };
    rewritten(&mut client);
    for command in [
        "BGREWRITEAOF",
        "CONFIG SET appendonly no",
        // Its base has no increment, and the increments before it are history.
        "BGREWRITEAOF",
        "CONFIG SET appendonly yes",
    ] {
        client.ask(command);
        rewritten(&mut client);
    }
    client.ask("SET k v");
    assert_eq!(client.ask("CONFIG SET aof-disable-auto-gc no").text(), "OK");
    client.ask("SET k w");
    let server = Server::start_on(&our_server(), server.kill(), &options);
    assert_eq!(server.client().ask("GET k").text(), "w");
}
