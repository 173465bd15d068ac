//! Some Sentinels and some servers in one process, with a network that can be cut and a clock that jumps from tick to tick.

use std::collections::{HashMap, HashSet, VecDeque};

use super::*;
use crate::resp::value::Value;
use crate::util::chance::Rng;

const STEP_MS: i64 = 50;
const START_MS: i64 = 1_000_000;
pub const MASTER: &str = "m";
const HOST: &str = "10.0.0.1";

/// A server, as far as Sentinels see it.
pub struct SimServer {
    pub up: bool,
    /// Whom it copies, by place.
    pub follows: Option<usize>,
    pub offset: u64,
    pub priority: i32,
    run_id: String,
}

/// Where a connection goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    Server(usize),
    Sentinel(usize),
}

struct SimWire {
    peer: Peer,
    subscribed: bool,
}

pub struct SentinelWorld {
    pub now_ms: i64,
    pub servers: Vec<SimServer>,
    pub sentinels: Vec<Sentinel>,
    /// Sentinels that nobody reaches, and who reach nobody.
    pub cut_off: HashSet<usize>,
    /// What the master calls its replicas; no name of a host comes to anything here.
    pub replica_host: &'static str,
    wires: HashMap<(usize, WireId), SimWire>,
    due_ms: Vec<i64>,
    /// What each Sentinel has told: channels and texts.
    pub told: Vec<Vec<(&'static str, String)>>,
    pub saves: Vec<usize>,
    actions: VecDeque<(usize, SentinelAction)>,
}

fn server_port(at: usize) -> u16 {
    6000 + at as u16
}

fn sentinel_port(at: usize) -> u16 {
    26000 + at as u16
}

pub fn id_of(at: usize) -> String {
    format!("{at:040x}")
}

pub fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

pub fn nowhere() -> Outside<'static> {
    Outside {
        look_up: &|_| None,
        is_program: &|_| true,
    }
}

impl SentinelWorld {
    /// The first of the servers is the master.
    pub fn new(servers: usize, sentinels: usize, quorum: usize, seed: u64) -> Self {
        let server = |at: usize| SimServer {
            up: true,
            follows: (at > 0).then_some(0),
            offset: 100,
            priority: 100,
            run_id: format!("{:040x}", at + 1000),
        };
        let mut world = SentinelWorld {
            now_ms: START_MS,
            servers: (0..servers).map(server).collect(),
            sentinels: Vec::new(),
            cut_off: HashSet::new(),
            replica_host: HOST,
            wires: HashMap::new(),
            due_ms: vec![START_MS; sentinels],
            told: vec![Vec::new(); sentinels],
            saves: vec![0; sentinels],
            actions: VecDeque::new(),
        };
        for at in 0..sentinels {
            let home = SentinelHome {
                port: sentinel_port(at),
                ..SentinelHome::default()
            };
            let rng = Rng::with_seed(seed * 100 + at as u64);
            let mut sentinel = Sentinel::new(home, rng, START_MS);
            let lines = [
                format!("monitor {MASTER} {HOST} {} {quorum}", server_port(0)),
                format!("down-after-milliseconds {MASTER} 1000"),
                format!("failover-timeout {MASTER} 10000"),
                format!("myid {}", id_of(at + 1)),
            ];
            for line in lines {
                sentinel.configure(&words(&line), &nowhere()).unwrap();
            }
            sentinel.finish();
            world.sentinels.push(sentinel);
        }
        world
    }

    /// Lets time pass.
    pub fn run(&mut self, time_ms: i64) {
        let end_ms = self.now_ms + time_ms;
        while self.now_ms < end_ms {
            self.now_ms += STEP_MS;
            for at in 0..self.sentinels.len() {
                if self.due_ms[at] <= self.now_ms {
                    let wait_ms = self.with(at, |sentinel| sentinel.tick());
                    self.due_ms[at] = self.now_ms + wait_ms as i64;
                }
            }
        }
    }

    /// Lets time pass until something holds.
    pub fn until(&mut self, what: &str, holds: impl Fn(&SentinelWorld) -> bool) {
        for _ in 0..2000 {
            if holds(self) {
                return;
            }
            self.run(STEP_MS);
        }
        panic!("never: {what}; {:?}", self.told);
    }

    /// Tells a Sentinel something, and has everything done that follows, wherever it leads.
    pub fn with<T>(&mut self, at: usize, tell: impl FnOnce(&mut Sentinel) -> T) -> T {
        let outcome = self.change(at, tell);
        while let Some((at, action)) = self.actions.pop_front() {
            self.act(at, action);
        }
        outcome
    }

    fn change<T>(&mut self, at: usize, tell: impl FnOnce(&mut Sentinel) -> T) -> T {
        let sentinel = &mut self.sentinels[at];
        sentinel.at_moment(self.now_ms);
        let outcome = tell(sentinel);
        let actions = sentinel.finish();
        self.saves[at] += usize::from(actions.save);
        let list = actions.list.into_iter();
        self.actions.extend(list.map(|action| (at, action)));
        outcome
    }

    fn act(&mut self, at: usize, action: SentinelAction) {
        match action {
            SentinelAction::Connect { wire, port, .. } => self.connect(at, wire, port),
            SentinelAction::Send { wire, words } => self.send(at, wire, &words),
            SentinelAction::Close { wire } => drop(self.wires.remove(&(at, wire))),
            SentinelAction::Event { channel, text, .. } => self.told[at].push((channel, text)),
            SentinelAction::LookUp { names, again } => {
                let answers = names.into_iter().map(|name| (name, None)).collect();
                self.change(at, |sentinel| sentinel.looked_up(answers, again));
            }
            _ => {}
        }
    }

    fn peer_at(&self, port: u16) -> Peer {
        match port {
            26000.. => Peer::Sentinel(usize::from(port - 26000)),
            _ => Peer::Server(usize::from(port - 6000)),
        }
    }

    fn reaches(&self, at: usize, peer: Peer) -> bool {
        !self.cut_off.contains(&at)
            && match peer {
                Peer::Server(server) => self.servers[server].up,
                Peer::Sentinel(other) => !self.cut_off.contains(&other),
            }
    }

    fn connect(&mut self, at: usize, wire: WireId, port: u16) {
        let peer = self.peer_at(port);
        if !self.reaches(at, peer) {
            return self.change(at, |sentinel| sentinel.closed(wire));
        }
        let subscribed = false;
        self.wires.insert((at, wire), SimWire { peer, subscribed });
        let ip = format!("10.1.0.{at}");
        self.change(at, |sentinel| sentinel.connected(wire, ip));
    }

    fn send(&mut self, at: usize, wire: WireId, words: &[Vec<u8>]) {
        let Some(open) = self.wires.get(&(at, wire)) else {
            return;
        };
        let peer = open.peer;
        if !self.reaches(at, peer) {
            // It is lost on its way.
            return;
        }
        let reply = match peer {
            Peer::Server(server) => self.ask_server(at, wire, server, words),
            Peer::Sentinel(other) => self.ask_sentinel(other, words),
        };
        self.change(at, |sentinel| sentinel.replied(wire, reply));
    }

    fn ask_server(&mut self, at: usize, wire: WireId, server: usize, words: &[Vec<u8>]) -> Value {
        let ok = Value::Simple(b"OK".to_vec());
        match &words[0][..] {
            b"PING" => Value::Simple(b"PONG".to_vec()),
            b"INFO" => Value::Bulk(self.info(server).into_bytes()),
            b"SUBSCRIBE" => {
                self.wires.get_mut(&(at, wire)).unwrap().subscribed = true;
                ok
            }
            b"PUBLISH" => {
                let heard: Vec<(usize, WireId)> = self
                    .wires
                    .iter()
                    .filter(|((who, _), open)| {
                        open.subscribed
                            && open.peer == Peer::Server(server)
                            && !self.cut_off.contains(who)
                    })
                    .map(|(key, _)| *key)
                    .collect();
                for (who, wire) in heard {
                    let parts = [b"message".to_vec(), words[1].clone(), words[2].clone()];
                    let message = Value::Array(parts.map(Value::Bulk).to_vec());
                    self.change(who, |sentinel| sentinel.replied(wire, message));
                }
                Value::Int(1)
            }
            b"SLAVEOF" => {
                let port = String::from_utf8_lossy(&words[2]);
                let port = port.parse::<u16>().ok();
                self.servers[server].follows = port.map(|port| usize::from(port - 6000));
                ok
            }
            _ => ok,
        }
    }

    fn ask_sentinel(&mut self, other: usize, words: &[Vec<u8>]) -> Value {
        match &words[0][..] {
            b"PING" => Value::Simple(b"PONG".to_vec()),
            b"PUBLISH" => {
                self.change(other, |sentinel| sentinel.take_hello(&words[2]));
                Value::Int(1)
            }
            b"SENTINEL" => {
                let text = |at: usize| String::from_utf8_lossy(&words[at]).into_owned();
                let port = text(3).parse().unwrap();
                let Ok(epoch) = text(4).parse::<i64>() else {
                    let why = b"ERR value is not an integer or out of range";
                    return Value::Error(why.to_vec());
                };
                let epoch = epoch as u64;
                let (down, leader, epoch) = self.change(other, |sentinel| {
                    sentinel.is_master_down(&text(2), port, epoch, &text(5))
                });
                let leader = leader.unwrap_or("*".into()).into_bytes();
                Value::Array(vec![
                    Value::Int(i64::from(down)),
                    Value::Bulk(leader),
                    Value::Int(epoch as i64),
                ])
            }
            _ => Value::Simple(b"OK".to_vec()),
        }
    }

    fn info(&self, at: usize) -> String {
        let server = &self.servers[at];
        let head = format!("# Server\r\nrun_id:{}\r\n", server.run_id);
        match server.follows {
            None => {
                let replicas = self.servers.iter().enumerate();
                let replicas = replicas.filter(|(_, one)| one.up && one.follows == Some(at));
                let lines = replicas.map(|(one, _)| {
                    let port = server_port(one);
                    let host = self.replica_host;
                    format!("slave{one}:ip={host},port={port},state=online\r\n")
                });
                format!("{head}role:master\r\n{}", lines.collect::<String>())
            }
            Some(master) => {
                let linked = self.servers[master].up;
                let status = if linked { "up" } else { "down" };
                format!(
                    "{head}role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:{}\r\nmaster_link_status:{status}\r\n\
                     slave_priority:{}\r\nslave_repl_offset:{}\r\n",
                    server_port(master),
                    server.priority,
                    server.offset
                )
            }
        }
    }

    /// Where a Sentinel thinks that the master is.
    pub fn master_of(&self, at: usize) -> usize {
        let (_, port) = self.sentinels[at].master_address(MASTER).unwrap();
        usize::from(port - 6000)
    }

    pub fn field(&self, at: usize, name: &str) -> String {
        let fields = self.sentinels[at].master(MASTER).unwrap();
        let found = fields.into_iter().find(|(field, _)| *field == name);
        found.map_or_else(String::new, |(_, value)| String::from_utf8(value).unwrap())
    }

    pub fn all_know(&self, replicas: usize) -> bool {
        let others = (self.sentinels.len() - 1).to_string();
        (0..self.sentinels.len()).all(|at| {
            self.field(at, "num-slaves") == replicas.to_string()
                && self.field(at, "num-other-sentinels") == others
        })
    }

    pub fn has_told(&self, at: usize, channel: &str) -> bool {
        self.told[at].iter().any(|(told, _)| *told == channel)
    }
}
