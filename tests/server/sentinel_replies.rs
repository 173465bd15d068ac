//! A Sentinel of ours answers as that of Redis 8.2 does, byte for byte, over both protocols. Both watch a master that isn't there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::common::{Client, Value, awaited, encode, eventually, free_port, our_server, redis_8};

struct Sentinel {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Sentinel {
    /// Starts one with these lines, and an id that is the same for all.
    fn start(program: &Path, lines: &str) -> Self {
        let (port, dir) = (free_port(), TempDir::new().expect("a directory"));
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel myid {:040x}\n{lines}",
            dir.path().display(),
            5
        );
        fs::write(dir.path().join("sentinel.conf"), text).expect("a file");
        let mut started = Sentinel {
            child: spawn(program, &dir.path().join("sentinel.conf")),
            port,
            dir,
        };
        started.wait();
        started
    }

    fn wait(&mut self) {
        let port = self.port;
        eventually("a Sentinel answers", || {
            let mut client = Client::connect(port).ok();
            client
                .as_mut()
                .is_some_and(|client| client.try_ask(&["PING"]).is_ok())
        });
    }

    fn file(&self) -> String {
        fs::read_to_string(self.path("sentinel.conf")).expect("its file")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn client(&self) -> Client {
        Client::connect(self.port).expect("it answers")
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Path, file: &Path) -> Child {
    Command::new(program)
        .arg(file)
        .arg("--sentinel")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// Nobody listens on port 1.
const LINES: &str = "sentinel monitor m 127.0.0.1 1 2\nsentinel known-replica m 127.0.0.1 2\n\
    sentinel known-sentinel m 127.0.0.1 3 0000000000000000000000000000000000000009\n";

/// What is asked of both, in this order.
const ASKED: &str = "\
PING
PING hello
ROLE
GET key
SET key value
NOSUCH
CONFIG GET port
MULTI
SELECT 0
QUIT
ECHO a
RESET
COMMAND COUNT
CLIENT CAPA redirect
CLIENT GETNAME
ACL WHOAMI
DEBUG SLEEP 0
SENTINEL
SENTINEL HELP
SENTINEL NOSUCH
SENTINEL MYID
SENTINEL MYID x
SENTINEL MASTER
SENTINEL MASTER n
SENTINEL MASTERS x
SENTINEL REPLICAS n
SENTINEL SLAVES n
SENTINEL SENTINELS n
SENTINEL GET-MASTER-ADDR-BY-NAME m
SENTINEL GET-MASTER-ADDR-BY-NAME n
SENTINEL GET-MASTER-ADDR-BY-NAME
SENTINEL CKQUORUM m
SENTINEL CKQUORUM n
SENTINEL FAILOVER m
SENTINEL FAILOVER n
SENTINEL RESET nothing*
SENTINEL RESET
SENTINEL PENDING-SCRIPTS
SENTINEL INFO-CACHE n
SENTINEL INFO-CACHE
SENTINEL CONFIG
SENTINEL CONFIG GET
SENTINEL CONFIG GET *
SENTINEL CONFIG GET announce-*
SENTINEL CONFIG SET nosuch 1
SENTINEL CONFIG SET announce-port x
SENTINEL CONFIG SET announce-port 70000
SENTINEL CONFIG SET resolve-hostnames maybe
SENTINEL CONFIG SET announce-ip 10.0.0.5
SENTINEL CONFIG SET announce-port 5 announce-ip 10.0.0.6
SENTINEL CONFIG SET announce-port 6 announce-port 7
SENTINEL CONFIG SET announce-ip 10.0.0.7 announce-port
SENTINEL CONFIG SET announce-ip 10.0.0.7 nosuch 1
SENTINEL CONFIG SET LOGLEVEL nosuch
SENTINEL CONFIG SET loglevel verbose
SENTINEL CONFIG GET loglevel announce-ip log*
SENTINEL CONFIG NOSUCH announce-ip 1
SENTINEL CONFIG GET ANNOUNCE-*
SENTINEL DEBUG
SENTINEL DEBUG nosuch 1
SENTINEL DEBUG ping-period
SENTINEL DEBUG ping-period 0
SENTINEL DEBUG info-period 20000 tilt-period x
SENTINEL DEBUG
SENTINEL SET m
SENTINEL SET m quorum
SENTINEL SET m quorum x
SENTINEL SET m quorum 0
SENTINEL SET m nosuch 1
SENTINEL SET n quorum 1
SENTINEL SET m quorum 3 parallel-syncs 2
SENTINEL SET m notification-script /bin/true
SENTINEL SET m rename-command CONFIG
SENTINEL SET m rename-command CONFIG hidden
SENTINEL SET m auth-pass secret
SENTINEL SET m auth-user user
SENTINEL SET m master-reboot-down-after-period -1
SENTINEL SET m master-reboot-down-after-period 500
SENTINEL SET m down-after-milliseconds 60000 failover-timeout 70000
SENTINEL CKQUORUM m
SENTINEL MONITOR a
SENTINEL MONITOR a 127.0.0.1 x 2
SENTINEL MONITOR a 127.0.0.1 6379 x
SENTINEL MONITOR a 127.0.0.1 6379 0
SENTINEL MONITOR a nosuch.host.invalid 6379 1
SENTINEL MONITOR a 127.0.0.1 70000 1
SENTINEL MONITOR m 127.0.0.1 6379 1
SENTINEL MONITOR a 127.0.0.1 4 1
SENTINEL MONITOR a 127.0.0.1 4 1
SENTINEL REMOVE nosuch
SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0
SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 x 0 *
SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 x *
SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0 *
SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 99 5 *
SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 5 0000000000000000000000000000000000000009
SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 5 0000000000000000000000000000000000000008
SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 4 0000000000000000000000000000000000000008
SENTINEL SIMULATE-FAILURE
SENTINEL SIMULATE-FAILURE help
SENTINEL SIMULATE-FAILURE nosuch
SENTINEL SIMULATE-FAILURE crash-after-election
SENTINEL FLUSHCONFIG
SENTINEL FLUSHCONFIG x
PUBLISH channel message
PUBLISH __sentinel__:hello nonsense
PUBLISH __sentinel__:hello
SENTINEL REMOVE a
ROLE
SENTINEL RESET m
SENTINEL SENTINELS m
SENTINEL REPLICAS m
";

/// Asks both, and compares.
fn compare(ours: &Sentinel, stock: &Sentinel, first: &str) {
    let (mut one, mut other) = (ours.client(), stock.client());
    one.ask(first);
    other.ask(first);
    let mut differences = Vec::new();
    for line in ASKED.lines() {
        let (said, expected) = (one.ask(line), other.ask(line));
        if said != expected {
            differences.push(format!("{line}\n  ours:  {said}\n  stock: {expected}"));
        }
    }
    assert_eq!(differences, [""; 0], "{}", differences.join("\n"));
}

#[test]
fn replies_are_those_of_a_stock_sentinel() {
    let Some(redis) = redis_8() else { return };
    for first in ["PING", "HELLO 3"] {
        let ours = Sentinel::start(&our_server(), LINES);
        let stock = Sentinel::start(&redis, LINES);
        compare(&ours, &stock, first);
    }
}

/// The names of the fields of whoever is shown, without their values.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => match items.first() {
            Some(Value::Array(_)) => names(&items[0]),
            _ => items.iter().step_by(2).map(Value::to_string).collect(),
        },
        other => vec![other.to_string()],
    }
}

#[test]
fn whoever_is_watched_is_shown_with_the_fields_of_a_stock_sentinel() {
    let Some(redis) = redis_8() else { return };
    let lines = format!("{LINES}sentinel down-after-milliseconds m 200\n");
    let ours = Sentinel::start(&our_server(), &lines);
    let stock = Sentinel::start(&redis, &lines);
    let (mut one, mut other) = (ours.client(), stock.client());
    for client in [&mut one, &mut other] {
        eventually("all are down", || {
            ["MASTER m", "REPLICAS m", "SENTINELS m"]
                .iter()
                .all(|what| {
                    client
                        .ask(&format!("SENTINEL {what}"))
                        .to_string()
                        .contains("s_down")
                })
        });
    }
    for what in ["MASTER m", "MASTERS", "REPLICAS m", "SENTINELS m"] {
        let line = format!("SENTINEL {what}");
        assert_eq!(names(&one.ask(&line)), names(&other.ask(&line)), "{what}");
    }
    let section = |text: &Value| {
        let text = text.text().to_owned();
        let begin = text.find("# Sentinel").expect("the section is there");
        text[begin..].to_owned()
    };
    assert_eq!(section(&one.ask("INFO")), section(&other.ask("INFO")));
    assert_eq!(
        section(&one.ask("INFO sentinel")),
        section(&other.ask("INFO sentinel"))
    );
    assert_eq!(one.ask("INFO keyspace"), other.ask("INFO keyspace"));
    let titles = |text: &Value| -> Vec<String> {
        let lines = text.text().lines().map(str::to_owned).collect::<Vec<_>>();
        lines
            .into_iter()
            .filter(|line| line.starts_with('#'))
            .collect()
    };
    assert_eq!(titles(&one.ask("INFO")), titles(&other.ask("INFO")));
}

#[test]
fn the_file_is_rewritten_as_a_stock_sentinel_does_it() {
    let Some(redis) = redis_8() else { return };
    let lines = format!(
        "# A comment.\n{LINES}\n\nsentinel failover-timeout m 180000\nsentinel known-slave m 127.0.0.1 7\nsentinel announce-port 0\nmaxclients 500\n"
    );
    let rewritten = |program: &Path| {
        let sentinel = Sentinel::start(program, &lines);
        let mut client = sentinel.client();
        client.ask("SENTINEL SET m parallel-syncs 3");
        client.ask("SENTINEL MONITOR a 127.0.0.1 5 1");
        client.ask("SENTINEL CONFIG SET announce-ip 1.2.3.4");
        client.ask("SENTINEL FLUSHCONFIG");
        let own = [
            (sentinel.port.to_string(), "PORT"),
            (sentinel.dir.path().display().to_string(), "DIR"),
        ];
        let mut text = sentinel.file();
        for (value, name) in own {
            text = text.replace(&value, name);
        }
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        // Rights are told in other words since 7.4, and instances in no order.
        lines.retain(|line| !line.starts_with("user "));
        lines.sort();
        lines
    };
    assert_eq!(rewritten(&our_server()), rewritten(&redis));
}

#[test]
fn a_file_that_a_sentinel_can_not_start_with_is_told_of() {
    let dir = TempDir::new().expect("a directory");
    let told = |words: &[&str]| {
        let output = Command::new(our_server())
            .args(words)
            .current_dir(dir.path())
            .output()
            .expect("it runs");
        assert!(!output.status.success());
        let (out, err) = (output.stdout, output.stderr);
        String::from_utf8_lossy(&[out, err].concat()).into_owned()
    };
    assert!(
        told(&["--sentinel"])
            .contains("Sentinel needs config file on disk to save state. Exiting...")
    );
    let file = dir.path().join("sentinel.conf");
    let name = file.to_str().expect("a name");
    fs::write(&file, "port 0\nsentinel monitor m nowhere 1 1\n").expect("a file");
    let said = told(&[name, "--sentinel"]);
    assert!(
        said.contains(">>> 'sentinel monitor m nowhere 1 1'\nCan't resolve instance hostname."),
        "{said}"
    );
    let said = told(&[name]);
    assert!(
        said.contains("sentinel directive while not in sentinel mode"),
        "{said}"
    );
}

#[test]
fn a_master_may_be_named_and_is_answered_for_in_its_turn() {
    let sentinel = Sentinel::start(&our_server(), "sentinel resolve-hostnames yes\n");
    let mut client = sentinel.client();
    for line in [
        "SENTINEL MONITOR m localhost 4 1",
        "PING",
        "SENTINEL MONITOR n nosuch.host.invalid 5 1",
        "SENTINEL MONITOR m localhost 4 1",
        "SENTINEL MONITOR o other.localhost 4 4294967297",
        "SENTINEL CKQUORUM m",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        client.send(&encode(&words)).expect("it is sent");
    }
    let mut next = || client.receive().expect("a reply").value.to_string();
    let said: Vec<String> = (0..6).map(|_| next()).collect();
    let expected = [
        "+OK",
        "+PONG",
        "-ERR Invalid IP address or hostname specified",
        "-ERR Duplicate master name.",
        "-ERR Invalid quorum",
        "+OK 1 usable Sentinels. Quorum and failover authorization can be reached",
    ];
    assert_eq!(said, expected);
    let place = client.ask("SENTINEL GET-MASTER-ADDR-BY-NAME m").to_string();
    assert!(
        place.contains("127.0.0.1") || place.contains("::1"),
        "{place}"
    );
    assert!(
        sentinel.file().contains("sentinel monitor m "),
        "it is kept"
    );
    assert_eq!(
        client
            .ask("SENTINEL CONFIG SET resolve-hostnames no")
            .text(),
        "OK"
    );
}

#[test]
fn scripts_hear_of_events() {
    let script = |dir: &Path| {
        let path = dir.join("script");
        fs::write(&path, "#!/bin/sh\necho \"$@\" >> told\n").expect("a script");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode).expect("it may be run");
        path
    };
    let sentinel = Sentinel::start(&our_server(), "sentinel deny-scripts-reconfig no\n");
    let path = script(sentinel.dir.path());
    let mut client = sentinel.client();
    client.ask("SENTINEL MONITOR m 127.0.0.1 1 1");
    let set = format!("SENTINEL SET m notification-script {}", path.display());
    assert_eq!(client.ask(&set).text(), "OK");
    client.ask("SENTINEL SET m down-after-milliseconds 100");
    awaited("the script hears that the master is down", || {
        let told = fs::read_to_string(sentinel.path("told")).ok()?;
        told.contains("+odown master m 127.0.0.1 1 #quorum 1/1")
            .then_some(())
    });
    eventually("no script is left", || {
        client.ask("SENTINEL PENDING-SCRIPTS").to_string() == "*[]"
    });
}
