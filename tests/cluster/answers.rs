//! What a node answers, byte for byte as Redis 8.2.3 does: every subcommand of CLUSTER, and every way of sending a client
//! elsewhere. The conversations are in `one.txt` (a node that knows nobody), `two.txt` (a master whose other node can't be
//! reached) and `copy.txt` (a replica of such a node).
//!
//! A line is a command, in words as redis-cli takes them. `2>` before it has another client say it. `send` waits for no
//! reply and `recv` for one; `await COMMAND => TEXT` asks until the text is in the reply.

use std::path::Path;

use tempfile::TempDir;

use crate::common::{Client, Server, awaited, encode, escape, our_server, redis_8};
use crate::node::{node, node_on};

const ME: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const SHARDS: [&str; 2] = [
    "cccccccccccccccccccccccccccccccccccccccc",
    "dddddddddddddddddddddddddddddddddddddddd",
];

/// A node with its clients.
struct Side {
    server: Server,
    clients: Vec<Client>,
    id: String,
    shard: String,
    bus: String,
}

impl Side {
    fn new(server: Server) -> Side {
        let mut client = server.client();
        let id = client.ask("CLUSTER MYID").text();
        let shard = client.ask("CLUSTER MYSHARDID").text();
        let nodes = client.ask("CLUSTER NODES").text();
        let mine = nodes.lines().find(|line| line.contains("myself"));
        let address = mine.and_then(|line| line.split(' ').nth(1));
        let (_, bus) = address
            .and_then(|text| text.split_once('@'))
            .expect("a port");
        let bus = bus.split(',').next().unwrap_or_default().to_owned();
        Side {
            clients: (0..4).map(|_| server.client()).collect(),
            server,
            id,
            shard,
            bus,
        }
    }

    /// A reply without what is this node's alone.
    fn plain(&self, raw: &[u8]) -> String {
        let text = escape(raw);
        let port = self.server.port.to_string();
        let names = [
            (self.id.as_str(), "MYID"),
            (self.shard.as_str(), "MYSHARD"),
            (self.bus.as_str(), "MYBUS"),
            (port.as_str(), "MYPORT"),
        ];
        let replace = |text: String, (what, with): &(&str, &str)| text.replace(what, with);
        names.iter().fold(text, replace)
    }

    /// Does what a line says, and returns what came of it.
    fn take(&mut self, line: &str) -> Option<String> {
        let (client, line) = match line.split_once("> ") {
            Some((number, line)) if number.len() == 1 => {
                (number.parse().expect("a client's number"), line)
            }
            _ => (0, line),
        };
        let line = line.replace("MYID", &self.id);
        if let Some(wish) = line.strip_prefix("await ") {
            let (command, text) = wish.split_once(" => ").expect("what is awaited");
            let client = &mut self.clients[client];
            awaited(wish, || {
                client.ask(command).text().contains(text).then_some(())
            });
            return None;
        }
        if line == "recv" {
            let reply = self.clients[client].receive().expect("a reply");
            return Some(self.plain(&reply.raw));
        }
        if let Some(line) = line.strip_prefix("send ") {
            let sent = self.clients[client].send(&encode(&words(line)));
            sent.expect("the server reads");
            return None;
        }
        let reply = self.clients[client].try_ask(&words(&line));
        let reply = reply.unwrap_or_else(|error| panic!("{line}: {error}"));
        Some(self.plain(&reply.raw))
    }
}

/// A line's words, with quotes as redis-cli takes them.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let (mut quoted, mut escaped) = (false, false);
    for sign in line.chars() {
        if escaped {
            let meant = if sign == 'n' { '\n' } else { sign };
            word.get_or_insert_default().push(meant);
            escaped = false;
            continue;
        }
        match sign {
            '\\' if quoted => escaped = true,
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            sign => word.get_or_insert_default().push(sign),
        }
    }
    words.extend(word);
    words
}

fn agree(theirs: Server, ours: Server, lines: &str) {
    let (mut theirs, mut ours) = (Side::new(theirs), Side::new(ours));
    let mut differ = Vec::new();
    for line in lines
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (said, expected) = (ours.take(line), theirs.take(line));
        if said != expected {
            differ.push(format!("{line}\n  theirs {expected:?}\n  ours   {said:?}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn a_node_that_knows_nobody() {
    let Some(redis) = redis_8() else { return };
    let lines = include_str!("one.txt");
    agree(node(&redis, &[]), node(&our_server(), &[]), lines);
}

/// A node that finds this file.
fn with_file(program: &Path, lines: &[String]) -> Server {
    let dir = TempDir::new().expect("a temporary directory");
    let text = format!("{}vars currentEpoch 2 lastVoteEpoch 0\n", lines.concat());
    std::fs::write(dir.path().join("nodes.conf"), text).expect("a file");
    let options = [
        "--cluster-node-timeout",
        "600000",
        "--cluster-replica-no-failover",
        "yes",
    ];
    node_on(program, dir, &options)
}

fn other(slots: &str) -> String {
    let shard = SHARDS[1];
    format!(
        "{OTHER} 127.0.0.1:1@2,,tls-port=0,shard-id={shard} master - 0 1700000000000 2 connected {slots}\n"
    )
}

#[test]
fn a_master_with_half_of_the_slots() {
    let Some(redis) = redis_8() else { return };
    let shard = SHARDS[0];
    let me = format!(
        "{ME} 127.0.0.1:3@4,,tls-port=0,shard-id={shard} myself,master - 0 0 1 connected 0-8191\n"
    );
    let file = [me, other("8192-16383")];
    let lines = include_str!("two.txt").replace("OTHERID", OTHER);
    agree(
        with_file(&redis, &file),
        with_file(&our_server(), &file),
        &lines,
    );
}

#[test]
fn a_replica_that_waits_for_its_master() {
    let Some(redis) = redis_8() else { return };
    let shard = SHARDS[1];
    let me = format!(
        "{ME} 127.0.0.1:3@4,,tls-port=0,shard-id={shard} myself,slave {OTHER} 0 0 2 connected\n"
    );
    let file = [me, other("0-16383")];
    let lines = include_str!("copy.txt").replace("OTHERID", OTHER);
    agree(
        with_file(&redis, &file),
        with_file(&our_server(), &file),
        &lines,
    );
}
