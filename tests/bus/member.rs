//! Nodes for tests, and whether they agree.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::common::{Client, Server, Value, awaited, eventually, free_port};

/// Long enough that a machine with much else to do holds nobody for dead.
const TIMEOUT_MS: &str = "5000";

pub struct Member {
    pub program: PathBuf,
    pub server: Server,
    pub id: String,
    pub bus_port: u16,
}

impl Member {
    pub fn start(program: &Path, options: &[&str]) -> Member {
        let dir = TempDir::new().expect("a temporary directory");
        Member::start_on(program, dir, options)
    }

    /// Starts at ports of its own, on files that may be there.
    pub fn start_on(program: &Path, dir: TempDir, options: &[&str]) -> Member {
        let bus_port = free_port();
        let bus = bus_port.to_string();
        let mut all = vec!["--cluster-enabled", "yes", "--cluster-port", &bus];
        all.extend(["--cluster-node-timeout", TIMEOUT_MS]);
        all.extend(options);
        let server = Server::start_on(program, dir, &all);
        let id = server.client().ask("CLUSTER MYID").text();
        Member {
            program: program.to_owned(),
            server,
            id,
            bus_port,
        }
    }

    pub fn ask(&self, words: &str) -> Value {
        self.server.client().ask(words)
    }

    pub fn order(&self, words: &str) {
        let reply = self.ask(words);
        assert_eq!(reply.text(), "OK", "{words}");
    }

    /// The line of CLUSTER NODES about a node, in words.
    pub fn line(&self, id: &str) -> Option<Vec<String>> {
        let text = self.ask("CLUSTER NODES").text();
        let line = text.lines().find(|line| line.starts_with(id))?;
        Some(line.split(' ').map(str::to_owned).collect())
    }

    pub fn holds_for_master(&self, id: &str) -> bool {
        let line = self.line(id);
        line.is_some_and(|words| words[2].contains("master") && words.len() > 8)
    }

    /// Kills the process, and starts another one on its files, which has other ports.
    pub fn kill_and_restart(self) -> Member {
        let dir = self.server.kill();
        Member::start_on(&self.program, dir, &[])
    }
}

/// One primary and one replica of it.
pub type Shard = (Member, Member);

/// A cluster of shards with equal parts of the slots, and the same keys in every test.
pub fn cluster(programs: &[(PathBuf, PathBuf)]) -> Vec<Shard> {
    let start = |program: &PathBuf| Member::start(program, &[]);
    let shards: Vec<Shard> = programs
        .iter()
        .map(|(primary, replica)| (start(primary), start(replica)))
        .collect();
    joined(shards)
}

/// Makes these shards into a cluster.
pub fn joined(shards: Vec<Shard>) -> Vec<Shard> {
    let share = 16384 / shards.len();
    for (at, (primary, _)) in shards.iter().enumerate() {
        let last = match at + 1 == shards.len() {
            true => 16383,
            false => (at + 1) * share - 1,
        };
        primary.order(&format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1));
        primary.order(&format!("CLUSTER ADDSLOTSRANGE {} {last}", at * share));
    }
    let all = all(&shards);
    for member in &all[1..] {
        meet(all[0], member);
    }
    let know = |member: &&Member| all.iter().all(|one| member.line(&one.id).is_some());
    eventually("all nodes know each other", || all.iter().all(know));
    for (primary, replica) in &shards {
        replica.order(&format!("CLUSTER REPLICATE {}", primary.id));
    }
    agree(&all);
    shards
}

/// Makes two nodes know each other. A handshake that takes too long comes to nothing, so it is begun again.
pub fn meet(one: &Member, other: &Member) {
    let (port, bus) = (other.server.port, other.bus_port);
    let mut tries = 0;
    eventually("two nodes know each other", || {
        if tries % 300 == 0 {
            one.order(&format!("CLUSTER MEET 127.0.0.1 {port} {bus}"));
        }
        tries += 1;
        one.line(&other.id).is_some() && other.line(&one.id).is_some()
    });
}

pub fn all(shards: &[Shard]) -> Vec<&Member> {
    shards
        .iter()
        .flat_map(|(one, other)| [one, other])
        .collect()
}

/// Waits until these serve, see the same owners, and have the same data as their primaries.
pub fn agree(members: &[&Member]) {
    eventually("all nodes see the same cluster", || {
        let pictures: BTreeSet<String> = members.iter().map(|member| picture(member)).collect();
        pictures.len() == 1 && !pictures.first().is_some_and(String::is_empty)
    });
    eventually("every replica has what its primary has", || {
        members.iter().all(|member| {
            let told = member.ask("INFO replication").text();
            told.contains("role:master") || told.contains("master_link_status:up")
        })
    });
}

/// What a node says of who owns what; nothing if it doesn't serve.
fn picture(member: &Member) -> String {
    if !member
        .ask("CLUSTER INFO")
        .text()
        .contains("cluster_state:ok")
    {
        return String::new();
    }
    let text = member.ask("CLUSTER NODES").text();
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let flags = words[2].replace("myself,", "");
            format!("{} {flags} {} {}", words[0], words[3], words[8..].join(" "))
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

/// Asks whoever has the key's slot.
pub fn ask_owner(members: &[&Member], words: &str) -> Value {
    let mut client = members[0].server.client();
    awaited(words, || {
        let reply = client.ask(words);
        let text = match &reply {
            Value::Error(_) => reply.text(),
            _ => return Some(reply),
        };
        if let Some(moved) = text.strip_prefix("MOVED ") {
            let (_, port) = moved.rsplit_once(':').expect("an address");
            let port = port.parse().expect("a port");
            client = Client::connect(port).expect("a node that lets us in");
        } else {
            // For a moment a node may miss the others.
            assert!(text.starts_with("CLUSTERDOWN"), "{words}: {text}");
        }
        None
    })
}

const KEYS: usize = 60;

pub fn write_keys(members: &[&Member]) {
    for at in 0..KEYS {
        ask_owner(members, &format!("SET key:{at} {at}"));
    }
}

pub fn has_keys(members: &[&Member]) {
    for at in 0..KEYS {
        let reply = ask_owner(members, &format!("GET key:{at}"));
        assert_eq!(reply.text(), at.to_string(), "key:{at}");
    }
}
