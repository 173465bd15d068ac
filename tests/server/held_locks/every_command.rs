//! Every command in every state of the server, alone, in a transaction that holds all shards, and called by a script that does:
//! it is answered, and so is everybody else. Debug builds check the order of locks on the way.
//!
//! Usually most states are tried with a third of that each, and with 1, 2 or 4 workers. `STATES=all`, or `STATES=Full,Blocked`,
//! tries all of it, and what comes in the first moments of a script, before that is a long one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::arguments::{Words, every_command};
use super::{assert_ends, client, text};
use crate::common::{Client, Server, encode, eventually};

/// It touches a key that it doesn't declare, so it holds every shard.
const CALL: &str = "redis.call('exists', 'undeclared' .. #ARGV) return redis.pcall(unpack(ARGV))";
const ENDLESS: &str = "redis.call('exists', 'undeclared' .. #ARGV) while true do end";
const LIBRARY: &str = "#!lua name=lib\nredis.register_function('f', function(keys) return redis.call('set', keys[1], '1') end) redis.register_function{function_name='g', callback=function(keys) return redis.call('get', keys[1]) end, flags={'no-writes'}}";
/// Keys of every type, for commands to find.
const KEYS: &[&str] = &[
    "SET s 1",
    "RPUSH l a b c",
    "SADD set a b c",
    "ZADD z 1 a 2 b",
    "HSET h f 1 g 2",
    "XADD x * f v",
    "XGROUP CREATE x g 0",
    "PFADD hll a b",
    "GEOADD geo 1 1 m 2 2 n",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Plain,
    Rewriting,
    Saving,
    Full,
    Evicting,
    Blocked,
    LongScript,
    /// A script that nobody knows yet to be a long one.
    NewScript,
    Master,
    Replica,
}

const STATES: [State; 9] = [
    State::Plain,
    State::Rewriting,
    State::Saving,
    State::Full,
    State::Evicting,
    State::Blocked,
    State::LongScript,
    State::Master,
    State::Replica,
];

const WORKERS: [&str; 3] = ["1", "2", "4"];

/// How a command comes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Alone,
    InTransaction,
    InScript,
}

const WAYS: [Way; 3] = [Way::Alone, Way::InTransaction, Way::InScript];

/// A server in its state.
struct Scene {
    state: State,
    workers: &'static str,
    server: Server,
    /// The server's master or replica.
    peer: Option<Server>,
    /// Sets the scene again after each command.
    hand: Client,
    /// On every worker, as connections are dealt out in turn.
    others: Vec<Client>,
    /// Runs an endless script.
    busy: Option<Client>,
    over: Arc<AtomicBool>,
    blocked: Vec<JoinHandle<()>>,
    /// Commands that were carried out, in some form and way.
    done: BTreeSet<String>,
}

impl Scene {
    fn set(state: State, workers: &'static str) -> Scene {
        let mut options = vec!["--io-threads", workers, "--repl-diskless-sync-delay", "0"];
        options.extend(match state {
            // A log that is being begun keeps the server from ending otherwise, as it does Redis.
            State::Rewriting => &["--appendonly", "yes", "--shutdown-on-sigterm", "force"][..],
            State::Saving => &["--save", "3600 1"],
            State::Evicting => &["--maxmemory-policy", "allkeys-lru"],
            State::LongScript => &["--busy-reply-threshold", "1"],
            State::NewScript => &["--busy-reply-threshold", "30"],
            _ => &[],
        });
        let server = Server::start(&options);
        let mut hand = client(&server);
        for words in KEYS {
            hand.ask(words);
        }
        hand.ask_args(&["FUNCTION", "LOAD", LIBRARY]);
        assert_eq!(text(&mut hand, "DEBUG POPULATE 100 many"), "OK");
        let mut scene = Scene {
            state,
            workers,
            peer: None,
            others: (0..4).map(|_| client(&server)).collect(),
            hand,
            server,
            busy: None,
            over: Arc::default(),
            blocked: Vec::new(),
            done: BTreeSet::new(),
        };
        scene.begin();
        scene
    }

    fn begin(&mut self) {
        match self.state {
            State::Rewriting | State::Saving => {
                self.hand.ask("CONFIG SET rdb-key-save-delay 10000");
            }
            State::Full => {
                self.hand.ask("CONFIG SET maxmemory 1");
            }
            State::Evicting => {
                let info = text(&mut self.hand, "INFO memory");
                let used = info
                    .lines()
                    .find_map(|line| line.strip_prefix("used_memory:"));
                let used: u64 = used.expect("a field").parse().expect("a number");
                let limit = used + 200_000;
                self.hand.ask(&format!("CONFIG SET maxmemory {limit}"));
            }
            State::Blocked => {
                for words in [
                    "BLPOP blocked l d 0",
                    "BLMOVE blocked d LEFT RIGHT 0",
                    "BZPOPMIN blockedz z 0",
                    "XREAD BLOCK 0 STREAMS x $",
                    "WAIT 1 0",
                ] {
                    self.blocked.push(self.block(words));
                }
            }
            State::Master | State::Replica => {
                let peer = Server::start(&["--repl-diskless-sync-delay", "0"]);
                let (master, mut replica) = match self.state {
                    State::Master => (self.server.port, client(&peer)),
                    _ => (peer.port, client(&self.server)),
                };
                replica.ask(&format!("REPLICAOF 127.0.0.1 {master}"));
                eventually("the link is up", || {
                    text(&mut replica, "INFO replication").contains("master_link_status:up")
                });
                self.peer = Some(peer);
            }
            State::Plain | State::LongScript | State::NewScript => {}
        }
    }

    /// A client that blocks again and again.
    fn block(&self, words: &'static str) -> JoinHandle<()> {
        let (port, over) = (self.server.port, self.over.clone());
        std::thread::spawn(move || {
            let args: Vec<&str> = words.split(' ').collect();
            while !over.load(Ordering::Relaxed) {
                let Ok(mut client) = Client::connect(port) else {
                    return;
                };
                client.set_patience(std::time::Duration::from_millis(500));
                while !over.load(Ordering::Relaxed) && client.try_ask(&args).is_ok() {}
            }
        })
    }

    /// Brings back what the command before may have ended.
    fn set_again(&mut self) {
        match self.state {
            State::Rewriting => {
                for words in ["CONFIG SET appendonly yes", "BGREWRITEAOF"] {
                    self.tell(words);
                }
            }
            State::Saving => self.tell("BGSAVE"),
            State::Evicting => self.tell("DEBUG POPULATE 60 more 5000"),
            State::LongScript | State::NewScript => self.run_endless(),
            State::Replica => {
                let master = self.peer.as_ref().expect("its master").port;
                self.tell(&format!("REPLICAOF 127.0.0.1 {master}"));
            }
            _ => {}
        }
    }

    /// Begins a script that never ends, if there is none.
    fn run_endless(&mut self) {
        if let Some(busy) = &mut self.busy {
            busy.set_patience(std::time::Duration::from_millis(1));
            match busy.receive() {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
                // It still runs.
                Err(_) if self.state == State::LongScript => return,
                Err(_) => {
                    self.busy = None;
                    eventually("the script before is killed", || {
                        text(&mut self.hand, "SCRIPT KILL").starts_with("NOTBUSY")
                    });
                }
            }
        }
        let mut busy = self.server.client();
        busy.send(&encode(&["EVAL", ENDLESS, "0"])).expect("sent");
        self.busy = Some(busy);
        if self.state == State::LongScript {
            eventually("the script is a long one", || {
                text(&mut self.hand, "GET s").starts_with("BUSY")
            });
        }
    }

    fn tell(&mut self, words: &str) {
        let args: Vec<&str> = words.split(' ').collect();
        if self.hand.try_ask(&args).is_err() {
            self.hand = client(&self.server);
            self.hand.ask(words);
        }
    }

    /// Sends a command on a connection of its own, and looks whether it and everybody else is answered.
    fn try_out(&mut self, words: &Words, way: Way) {
        let mut asked = client(&self.server);
        let mut sent = Vec::new();
        let replies = match way {
            Way::Alone => {
                sent.extend(encode(words));
                1
            }
            Way::InTransaction => {
                sent.extend(encode(&["MULTI"]));
                sent.extend(encode(&["KEYS", "none"]));
                sent.extend(encode(words));
                sent.extend(encode(&["EXEC"]));
                4
            }
            Way::InScript => {
                let mut call: Vec<&str> = vec!["EVAL", CALL, "0"];
                call.extend(words.iter().map(String::as_str));
                sent.extend(encode(&call));
                1
            }
        };
        let what = format!(
            "{words:?} {way:?}, {:?}, {} workers",
            self.state, self.workers
        );
        asked.send(&sent).expect("sent");
        let mut last = None;
        for _ in 0..replies {
            if words[0] == "SYNC" || words[0] == "PSYNC" {
                // What follows is a snapshot.
                asked
                    .receive_raw(&mut Vec::new())
                    .unwrap_or_else(|error| self.fail(&what, &error));
                break;
            }
            match asked.receive() {
                Ok(reply) => last = Some(reply.value),
                // It may have been told to leave.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => self.fail(&what, &error),
            }
        }
        if last.is_some_and(|value| !value.is_error()) {
            self.done.insert(words[0].clone());
        }
        for at in 0..self.others.len() {
            let answered = self.others[at].try_ask(&["PING"]);
            if answered.is_err() {
                // It may have been killed; the next one comes in its place.
                self.others[at] = client(&self.server);
                let answered = self.others[at].try_ask(&["PING"]);
                answered.unwrap_or_else(|error| self.fail(&format!("PING after {what}"), &error));
            }
        }
    }

    fn fail(&self, what: &str, error: &std::io::Error) -> ! {
        panic!("{what}: {error}; the server's log:\n{}", self.server.log());
    }

    fn end(mut self) -> BTreeSet<String> {
        self.set_again();
        let log = self.server.log();
        self.over.store(true, Ordering::Relaxed);
        assert!(!log.contains("panicked"), "{:?}: {log}", self.state);
        assert_ends(self.server);
        for blocked in self.blocked {
            blocked.join().expect("a client that lives");
        }
        self.done
    }
}

/// Tries commands out in a state: each in every way, or each in the one of the three whose turn it is.
fn run(state: State, workers: &'static str, turn: Option<usize>) -> BTreeSet<String> {
    let mut scene = Scene::set(state, workers);
    let all = every_command(&mut scene.hand);
    assert!(all.len() > 500, "the table was read: {}", all.len());
    for (n, words) in all.iter().enumerate() {
        if n % 20 == 0 && !matches!(state, State::LongScript | State::NewScript) {
            for words in KEYS {
                scene.tell(words);
            }
        }
        for (at, way) in WAYS.into_iter().enumerate() {
            if turn.is_none_or(|turn| (n + turn) % WAYS.len() == at) {
                scene.set_again();
                scene.try_out(words, way);
            }
        }
    }
    scene.end()
}

#[test]
fn every_command_is_answered_in_every_state() {
    let Ok(wanted) = std::env::var("STATES") else {
        for (n, state) in STATES.into_iter().enumerate() {
            let turn = (state != State::Plain).then_some(n);
            let done = run(state, WORKERS[n % 3], turn);
            assert!(
                state != State::Plain || done.len() > 180,
                "only these commands were carried out: {done:?}"
            );
        }
        return;
    };
    for state in STATES.into_iter().chain([State::NewScript]) {
        for (n, workers) in WORKERS.into_iter().enumerate() {
            if wanted == "all" || wanted.split(',').any(|name| name == format!("{state:?}")) {
                let begun = std::time::Instant::now();
                run(state, workers, (state == State::NewScript).then_some(n));
                println!("{state:?}, {workers} workers: {:?}", begun.elapsed());
            }
        }
    }
}
