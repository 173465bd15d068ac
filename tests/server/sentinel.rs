//! Sentinels watch our servers: they find the replicas, fail over when the master is gone, and reconfigure whoever comes
//! back. The Sentinels are stock ones, ours, and both together; in clear, and over TLS with users that have passwords.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::common::{Client, free_port, our_server, real_redis, redis_is_missing};
use crate::tls::{Certs, connect};

/// Sentinels hear of each other every two seconds, and look at a new master every ten.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose Sentinel it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stock,
    Ours,
}

use Kind::{Ours, Stock};

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Sentinels and replicas have the rights that Redis's documents name.
const USERS: &str = "\
user default on >admin ~* &* +@all
user copy on >copies +psync +replconf +ping
user watch on >watches &* -@all +multi +slaveof +ping +exec +subscribe +config|rewrite +role +publish +info +client|setname +client|kill +script|kill
masteruser copy
masterauth copies
";

/// How everybody is reached.
struct Road {
    certs: Option<&'static Certs>,
    /// Lines of a server's file.
    server: String,
    /// What a client says first.
    login: Option<&'static str>,
    /// Lines of a Sentinel's file.
    sentinel: String,
}

impl Road {
    fn clear() -> Self {
        Road {
            certs: None,
            server: String::new(),
            login: None,
            sentinel: String::new(),
        }
    }

    /// Everything over TLS. Sentinels and replicas have users of their own.
    fn secured() -> Self {
        let certs = Certs::get();
        let file = |name| certs.text(name);
        let files = format!(
            "tls-replication yes\ntls-auth-clients no\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n",
            file("redis.crt"),
            file("redis.key"),
            file("ca.crt"),
        );
        let server = format!("port 0\n{files}{USERS}");
        let sentinel = format!("{files}sentinel auth-user m watch\nsentinel auth-pass m watches\n");
        Road {
            certs: Some(certs),
            server,
            login: Some("AUTH admin"),
            sentinel,
        }
    }

    fn connect(&self, port: u16) -> Option<Client> {
        let mut client = match self.certs {
            None => Client::connect(port).ok()?,
            Some(certs) => connect(port, certs, None).ok()?,
        };
        if let Some(login) = self.login {
            client.try_ask(&login.split(' ').collect::<Vec<_>>()).ok()?;
        }
        Some(client)
    }

    fn port_directive(&self) -> &'static str {
        match self.certs {
            None => "port",
            Some(_) => "tls-port",
        }
    }
}

/// A process that ends with the test.
struct Process {
    child: Child,
    port: u16,
    /// Taken when the process is killed and its files are to stay.
    dir: Option<TempDir>,
}

impl Process {
    fn start(program: &Path, first: &[String], port: u16, dir: TempDir) -> Self {
        let log = fs::File::create(dir.path().join("log")).expect("a log file");
        let child = Command::new(program)
            .args(first)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle"))
            .stdout(log)
            .spawn()
            .expect("it starts");
        Process {
            child,
            port,
            dir: Some(dir),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir
            .as_ref()
            .expect("it has a directory")
            .path()
            .join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Ends it as `kill -9` does, and keeps its files.
    fn kill(mut self) -> TempDir {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it ends");
        self.dir.take().expect("it has a directory")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One of ours, with a configuration file that Sentinel has rewritten, or a new one.
fn server(road: &Road, port: u16, dir: TempDir, master: Option<u16>) -> Process {
    let file = dir.path().join("redis.conf");
    if !file.exists() {
        let mut text = format!("bind 127.0.0.1\n{}", road.server);
        text += &format!("{} {port}\nappendonly yes\n", road.port_directive());
        text += &format!("repl-diskless-sync-delay 0\ndir {}\n", dir.path().display());
        if let Some(master) = master {
            text += &format!("replicaof 127.0.0.1 {master}\n");
        }
        fs::write(&file, text).expect("a file");
    }
    let words = [file.to_string_lossy().into_owned()];
    let started = Process::start(&our_server(), &words, port, dir);
    until("a server answers", || road.connect(port).is_some());
    started
}

/// A Sentinel. It is asked in clear, or over TLS as all others are.
fn sentinel(road: &Road, kind: Kind, master: u16) -> Process {
    let (port, dir) = (free_port(), TempDir::new().expect("a directory"));
    let own_port = match road.certs {
        None => format!("port {port}\n"),
        Some(_) => format!("port 0\ntls-port {port}\n"),
    };
    let text = format!(
        "{own_port}bind 127.0.0.1\nprotected-mode no\ndir {}\nsentinel monitor m 127.0.0.1 {master} 2\n\
         sentinel down-after-milliseconds m 1500\nsentinel failover-timeout m 6000\n{}",
        dir.path().display(),
        road.sentinel,
    );
    fs::write(dir.path().join("sentinel.conf"), text).expect("a file");
    start_sentinel(road, kind, port, dir)
}

/// A Sentinel with the file that it has written, or a new one.
fn start_sentinel(road: &Road, kind: Kind, port: u16, dir: TempDir) -> Process {
    let file = dir.path().join("sentinel.conf");
    let words = [file.to_string_lossy().into_owned(), "--sentinel".into()];
    let program = match kind {
        Stock => real_redis(),
        Ours => our_server(),
    };
    let started = Process::start(&program, &words, port, dir);
    until("a Sentinel answers", || ask(road, port, "PING").is_some());
    started
}

/// What the Sentinels say in which all of them must agree: where the master is, and since which failover.
fn agreed(road: &Road, sentinels: &[Process]) -> Option<String> {
    let said = sentinels.iter().map(|one| {
        let address = ask(road, one.port, "SENTINEL GET-MASTER-ADDR-BY-NAME m")?;
        let master = ask(road, one.port, "SENTINEL MASTER m")?;
        let (_, epoch) = master.split_once("\"config-epoch\" ")?;
        let epoch = epoch.split(' ').next()?;
        Some(format!("{address} {epoch}"))
    });
    let said: Vec<String> = said.collect::<Option<_>>()?;
    let same = said.iter().all(|one| *one == said[0]);
    same.then(|| said[0].clone())
}

/// Every Sentinel's file names the master, its replicas, and the other Sentinels.
fn check_files(sentinels: &[Process], master: u16) {
    for one in sentinels {
        let text = fs::read_to_string(one.path("sentinel.conf")).expect("its file");
        let lines = |head: &str| text.lines().filter(|line| line.starts_with(head)).count();
        assert_eq!(
            lines(&format!("sentinel monitor m 127.0.0.1 {master} 2")),
            1,
            "{text}"
        );
        assert_eq!(lines("sentinel myid "), 1, "{text}");
        assert_eq!(lines("sentinel known-replica m 127.0.0.1 "), 2, "{text}");
        assert_eq!(lines("sentinel known-sentinel m "), 2, "{text}");
        assert_eq!(
            lines("sentinel down-after-milliseconds m 1500"),
            1,
            "{text}"
        );
        assert_eq!(lines("sentinel current-epoch "), 1, "{text}");
    }
}

/// What a Sentinel answers; it has no users.
fn ask(road: &Road, port: u16, line: &str) -> Option<String> {
    let mut client = match road.certs {
        None => Client::connect(port).ok()?,
        Some(certs) => connect(port, certs, None).ok()?,
    };
    let reply = client.try_ask(&line.split(' ').collect::<Vec<_>>()).ok()?;
    Some(reply.value.to_string())
}

fn role(road: &Road, port: u16) -> String {
    let reply = road
        .connect(port)
        .and_then(|mut client| client.try_ask(&["ROLE"]).ok());
    reply.map_or_else(String::new, |reply| reply.value.to_string())
}

/// Three Sentinels, a master and two replicas: the master is killed, one of the others takes its place, and the old one comes back
/// as a replica with its file. Then the Sentinels are killed, and know from their files what they knew.
fn fails_over(road: &Road, kinds: [Kind; 3]) {
    let dir = || TempDir::new().expect("a directory");
    let ports = [free_port(), free_port(), free_port()];
    let first = server(road, ports[0], dir(), None);
    let others: Vec<Process> = ports[1..]
        .iter()
        .map(|port| server(road, *port, dir(), Some(ports[0])))
        .collect();
    let sentinels = kinds.map(|kind| sentinel(road, kind, ports[0]));
    let sentinels: Vec<Process> = sentinels.into();
    let told = || -> String { sentinels.iter().map(Process::log).collect() };

    until("Sentinels know the replicas and each other", || {
        sentinels.iter().all(|one| {
            let known = ask(road, one.port, "SENTINEL MASTER m").unwrap_or_default();
            known.contains("\"num-slaves\" \"2\"")
                && known.contains("\"num-other-sentinels\" \"2\"")
        })
    });
    let mut writer = road.connect(ports[0]).expect("the master answers");
    for n in 0..100 {
        writer.ask(&format!("SET key:{n} {n}"));
    }
    assert_eq!(writer.ask("WAIT 2 20000").to_string(), ":2");

    let kept = first.kill();
    let now = crate::common::awaited("another one is the master", || {
        let address = ask(
            road,
            sentinels[0].port,
            "SENTINEL GET-MASTER-ADDR-BY-NAME m",
        )?;
        let now = *ports[1..]
            .iter()
            .find(|port| address.contains(&port.to_string()))?;
        role(road, now).contains("master").then_some(now)
    });
    let mut writer = road.connect(now).expect("the new master answers");
    assert_eq!(writer.ask("GET key:99").text(), "99", "{}", told());
    assert_eq!(writer.ask("SET after failover").text(), "OK");

    let again = server(road, ports[0], kept, None);
    until("the old master follows the new one", || {
        let role = role(road, ports[0]);
        role.contains("slave") && role.contains(&now.to_string()) && role.contains("connected")
    });
    until("it has what was written meanwhile", || {
        let mut reader = road.connect(ports[0]).expect("it answers");
        reader.ask("GET after").text() == "failover"
    });
    let rewritten = fs::read_to_string(again.path("redis.conf")).expect("its file");
    assert!(
        rewritten.contains(&format!("replicaof 127.0.0.1 {now}")),
        "{rewritten}"
    );
    until("all Sentinels agree", || agreed(road, &sentinels).is_some());
    check_files(&sentinels, now);
    let before = agreed(road, &sentinels);
    let ports: Vec<u16> = sentinels.iter().map(|one| one.port).collect();
    let kept: Vec<TempDir> = sentinels.into_iter().map(Process::kill).collect();
    let again = kinds.into_iter().zip(ports).zip(kept);
    let sentinels: Vec<Process> = again
        .map(|((kind, port), dir)| start_sentinel(road, kind, port, dir))
        .collect();
    assert_eq!(agreed(road, &sentinels), before);
    drop(others);
}

#[test]
fn stock_sentinels_fail_over_and_bring_the_old_master_back() {
    if redis_is_missing() {
        return;
    }
    fails_over(&Road::clear(), [Stock; 3]);
}

#[test]
fn they_do_so_over_tls_with_users_of_few_rights() {
    if redis_is_missing() {
        return;
    }
    fails_over(&Road::secured(), [Stock; 3]);
}

#[test]
fn ours_do_what_stock_ones_do() {
    fails_over(&Road::clear(), [Ours; 3]);
}

#[test]
fn ours_do_so_over_tls() {
    fails_over(&Road::secured(), [Ours; 3]);
}

#[test]
fn ours_and_stock_ones_vote_together() {
    if redis_is_missing() {
        return;
    }
    fails_over(&Road::clear(), [Ours, Ours, Stock]);
    fails_over(&Road::clear(), [Stock, Stock, Ours]);
}
