//! `nodes.conf`: what a node knows of its cluster, kept over restarts, in the format that Redis 8 writes.
//!
//! One line a node, as CLUSTER NODES shows them, and one for the epochs (and for slots
//! whose keys are still to be deleted, of which others know nothing). Redis 7.0's and 7.2's files are read as well.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::frame::EPOCH_MAX;
use super::leave::GivenLeave;
use super::node::{At, ClusterNode, NodeAddress, NodeId, flag, flag_words};
use super::owners::undropped;
use super::settings::ClusterSettings;
use super::slots::{read_range, read_ranges, read_slot};
use super::state::Cluster;
use crate::util::chance::Rng;
use crate::util::words;

/// Added to clients' port where no other one is given for the bus.
const BUS_PORT_ABOVE: u16 = 10000;
/// Fields of a line, before the slots.
const FIELDS: usize = 8;

/// Of the line that has the epochs: slots that were given away, whose keys were still being deleted.
const UNDROPPED: &str = "undroppedslots";
/// Of the same line: a node that has leave to take slots, and which.
const LEAVE: &str = "leave";

/// For whom nodes are described.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NodesReader {
    /// The file, which also has what clients don't see.
    File,
    /// A client that speaks TLS, or doesn't.
    Client { tls: bool },
}

impl Cluster {
    /// The file's text.
    pub fn file_text(&self) -> String {
        let mut text = self.describe_nodes(NodesReader::File, flag::HANDSHAKE);
        let (current, voted) = (self.current_epoch, self.last_vote_epoch);
        let _ = write!(text, "vars currentEpoch {current} lastVoteEpoch {voted}");
        let undropped = undropped(self);
        if !undropped.is_empty() {
            // Others' programs skip what they don't know here.
            let _ = write!(text, " {UNDROPPED} {}", undropped.to_word());
        }
        for leave in &self.leaves {
            let _ = write!(text, " {LEAVE} {leave}");
        }
        text.push('\n');
        text
    }

    /// CLUSTER NODES: a line for each node, but those that have any of these flags.
    pub fn describe_nodes(&self, reader: NodesReader, without: u16) -> String {
        let mut text = String::new();
        for (at, _) in self.nodes.iter().filter(|(_, node)| !node.is(without)) {
            text.push_str(&self.describe(at, reader));
            text.push('\n');
        }
        text
    }

    /// A node's line, without its end.
    pub fn describe(&self, at: At, reader: NodesReader) -> String {
        let node = &self.nodes[at];
        let mut line = format!("{} {}", node.id, self.address(node, reader));
        let master = node.master.map(|master| self.nodes[master].id);
        let epoch = match node.master {
            Some(master) if node.is_replica() => self.nodes[master].config_epoch,
            _ => node.config_epoch,
        };
        let linked = at == self.myself || self.is_linked(at);
        let _ = write!(
            line,
            " {} {} {} {} {epoch} {}",
            flag_words(node.flags),
            master.as_ref().map_or("-", NodeId::as_str),
            node.ping_sent_ms,
            node.pong_received_ms,
            if linked { "connected" } else { "disconnected" }
        );
        if !node.slots.is_empty() {
            let _ = write!(line, " {}", node.slots);
        }
        if at == self.myself {
            for (moves, sign) in [(&self.migrating, "->-"), (&self.importing, "-<-")] {
                for (slot, other) in moves {
                    let _ = write!(line, " [{slot}{sign}{}]", self.nodes[*other].id);
                }
            }
        }
        line
    }

    fn address(&self, node: &ClusterNode, reader: NodesReader) -> String {
        let place = &node.place;
        let tls = match reader {
            NodesReader::File => self.settings.tls,
            NodesReader::Client { tls } => tls,
        };
        let port = match tls {
            true => place.tls_port,
            false => place.tcp_port,
        };
        let mut text = format!("{}:{port}@{}", place.ip, place.bus_port);
        if !node.hostname.is_empty() || reader == NodesReader::File {
            let _ = write!(text, ",{}", node.hostname);
        }
        if reader == NodesReader::File {
            match self.settings.tls {
                true => write!(text, ",tcp-port={}", place.tcp_port),
                false => write!(text, ",tls-port={}", place.tls_port),
            }
            .unwrap_or_default();
            if !node.human_name.is_empty() {
                let _ = write!(text, ",nodename={}", node.human_name);
            }
            let _ = write!(text, ",shard-id={}", node.shard);
        }
        text
    }

    /// Reads the file; the error says which line can't be read.
    pub fn read(
        text: &str,
        settings: ClusterSettings,
        mut rng: Rng,
        now_ms: u64,
    ) -> Result<Self, String> {
        let mut lines = Vec::new();
        let (mut me, mut seen) = (None, BTreeSet::new());
        for (number, line) in text.lines().enumerate() {
            let bad = || format!("line {}: {line}", number + 1);
            let words = words::split(line.as_bytes()).ok_or_else(bad)?;
            let words: Option<Vec<String>> = words
                .into_iter()
                .map(|word| String::from_utf8(word).ok())
                .collect();
            let words = words.ok_or_else(bad)?;
            if words.is_empty() {
                continue;
            }
            // Each node has one line.
            let is_node = !words[0].eq_ignore_ascii_case("vars");
            if is_node && !seen.insert(words[0].clone()) {
                return Err(bad());
            }
            let mut flags = words.get(2).into_iter().flat_map(|word| word.split(','));
            if flags.any(|flag| flag == "myself") {
                let own = NodeId::parse(words[0].as_bytes());
                // A node is one of them.
                if own.is_none() || me.is_some() {
                    return Err(bad());
                }
                me = own;
            }
            lines.push((bad(), words));
        }
        let me = me.ok_or("no line is this node's own")?;
        let shard = NodeId::random(&mut rng);
        let mut cluster = Cluster::new(me, shard, ClusterSettings::default(), rng);
        for (bad, words) in &lines {
            cluster.read_line(words, settings.tls, now_ms).ok_or(bad)?;
        }
        cluster.agree_on_shards();
        cluster.current_epoch = cluster.highest_epoch();
        cluster.configure(settings);
        Ok(cluster)
    }

    fn read_line(&mut self, words: &[String], tls: bool, now_ms: u64) -> Option<()> {
        if words[0].eq_ignore_ascii_case("vars") {
            return self.read_vars(&words[1..]);
        }
        if words.len() < FIELDS {
            return None;
        }
        let at = self.named(&words[0], now_ms)?;
        self.read_address(at, &words[1], tls)?;
        let marks = self.nodes[at].flags & flag::MIGRATE_TO;
        self.nodes[at].flags = read_flags(&words[2])? | marks;
        if self.nodes[at].is(flag::FAIL) {
            self.nodes[at].failed_ms = now_ms;
        }
        if words[3] != "-" {
            let master = self.named(&words[3], now_ms)?;
            if master == at {
                return None;
            }
            self.nodes.set_master(at, Some(master));
        }
        let is_set = |word: &String| word.parse::<u64>().is_ok_and(|time| time != 0);
        let node = &mut self.nodes[at];
        node.ping_sent_ms = if is_set(&words[4]) { now_ms } else { 0 };
        node.pong_received_ms = if is_set(&words[5]) { now_ms } else { 0 };
        if !(node.is_replica() && node.master.is_some()) {
            node.config_epoch = read_epoch(&words[6])?;
        }
        for word in &words[FIELDS..] {
            match word.strip_prefix('[') {
                Some(word) => self.read_move(word.strip_suffix(']')?, now_ms)?,
                None => self.read_slots(at, word)?,
            }
        }
        Some(())
    }

    /// Finds a node, or makes it: others may be named before their own line comes.
    fn named(&mut self, id: &str, now_ms: u64) -> Option<At> {
        let id = NodeId::parse(id.as_bytes())?;
        let found = self.nodes.find(&id);
        found.or_else(|| {
            let mut node = ClusterNode::new(id, 0, now_ms);
            node.shard = NodeId::random(&mut self.rng);
            self.nodes.add(node)
        })
    }

    fn read_vars(&mut self, words: &[String]) -> Option<()> {
        if !words.len().is_multiple_of(2) {
            return None;
        }
        for pair in words.chunks(2) {
            match pair[0].to_ascii_lowercase().as_str() {
                "currentepoch" => self.current_epoch = read_epoch(&pair[1])?,
                "lastvoteepoch" => self.last_vote_epoch = read_epoch(&pair[1])?,
                UNDROPPED => self.remains.join(&read_ranges(&pair[1])?),
                LEAVE => self.leaves.push(GivenLeave::parse(&pair[1])?),
                other => tracing::warn!("Skipping unknown cluster config variable '{other}'"),
            }
        }
        Some(())
    }

    /// `ip:port[@bus port][,hostname[,name=value]*]`
    fn read_address(&mut self, at: At, text: &str, tls: bool) -> Option<()> {
        let mut parts = text.split(',');
        let (ip, ports) = parts.next()?.rsplit_once(':')?;
        let (port, bus_port) = match ports.split_once('@') {
            Some((port, bus_port)) => (port.parse().ok()?, bus_port.parse().ok()?),
            None => {
                let port: u16 = ports.parse().ok()?;
                (port, port.wrapping_add(BUS_PORT_ABOVE))
            }
        };
        let node = &mut self.nodes[at];
        node.place = NodeAddress {
            ip: ip.to_owned(),
            tcp_port: if tls { 0 } else { port },
            tls_port: if tls { port } else { 0 },
            bus_port,
        };
        node.hostname = parts.next().unwrap_or("").to_owned();
        for part in parts {
            let (name, value) = part.split_once('=')?;
            match name {
                "shard-id" => node.shard = NodeId::parse(value.as_bytes())?,
                "nodename" => node.human_name = value.to_owned(),
                "tcp-port" => node.place.tcp_port = value.parse().ok()?,
                "tls-port" => node.place.tls_port = value.parse().ok()?,
                // Of a later version.
                _ => {}
            }
        }
        Some(())
    }

    /// `slot->-node` or `slot-<-node`
    fn read_move(&mut self, text: &str, now_ms: u64) -> Option<()> {
        let (slot, rest) = text.split_once('-')?;
        let slot = read_slot(slot)?;
        let (sign, id) = rest.split_once('-')?;
        let other = self.named(id, now_ms)?;
        match sign {
            ">" => self.migrating.insert(slot, other),
            "<" => self.importing.insert(slot, other),
            _ => return None,
        };
        Some(())
    }

    fn read_slots(&mut self, at: At, text: &str) -> Option<()> {
        let (first, last) = read_range(text)?;
        for slot in first..=last {
            self.free_slot(slot);
            self.give_slot(slot, at);
        }
        Some(())
    }

    /// A replica is in its master's shard, whatever an older file says.
    fn agree_on_shards(&mut self) {
        for at in self.nodes.all() {
            if let Some(master) = self.nodes[at].master {
                self.nodes[at].shard = self.nodes[master].shard;
            }
        }
    }
}

fn read_epoch(text: &str) -> Option<u64> {
    let epoch = text.parse().ok();
    epoch.filter(|epoch| *epoch <= EPOCH_MAX)
}

fn read_flags(text: &str) -> Option<u16> {
    if text == "noflags" {
        return Some(0);
    }
    let mut flags = 0;
    for word in text.split(',') {
        let (bit, _) = flag::WORDS.iter().find(|(_, known)| *known == word)?;
        flags |= bit;
    }
    Some(flags)
}
