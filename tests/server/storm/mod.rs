//! A storm: thirty clients do everything at once, to a server with a log and a replica. Afterwards the replica and the
//! log, read again, hold what memory holds, and what is counted is what is there.
//!
//! `STORM_SEEDS` says how many, `STORM_FIRST` the first, `STORM_SECONDS` how long each. A seed fixes what each client
//! asks; how the clients come between each other it can't.

mod acts;
mod after;
mod watch;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::common::{Client, Server, Value, escape, setting};

use acts::{Act, Author};
use watch::Watch;

const CLIENTS: u64 = 30;
/// Far above what any of the commands takes: they wait a second at most.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often scripts are ended from outside: while one runs that never ends, blocked clients wait beyond their time, as in
/// Redis, and none of the clients may be left who would end it.
const SCRIPTS_END_EVERY: Duration = Duration::from_secs(3);

/// The servers of one seed, and what went wrong.
struct Storm {
    seed: u64,
    master: Server,
    replica: Server,
    over: AtomicBool,
    /// Clients that have not seen that it is over.
    living: AtomicU64,
    /// What was not answered, and by whom.
    silent: Mutex<Vec<String>>,
}

impl Storm {
    fn start(seed: u64) -> Storm {
        let options = [
            "--io-threads",
            "2",
            "--appendonly",
            "yes",
            "--busy-reply-threshold",
            "100",
            "--repl-diskless-sync-delay",
            "0",
            "--shutdown-timeout",
            "0",
        ];
        Storm {
            seed,
            master: Server::start(&options),
            replica: Server::start(&options[..2]),
            over: AtomicBool::new(false),
            living: AtomicU64::new(CLIENTS),
            silent: Mutex::new(Vec::new()),
        }
    }

    fn server(&self, of_replica: bool) -> &Server {
        if of_replica {
            &self.replica
        } else {
            &self.master
        }
    }

    /// One client's life; it comes again when it is closed.
    fn live(&self, id: u64, directives: Vec<(String, Vec<String>)>) {
        let _alive = Alive(&self.living);
        let mut author = Author::new(
            Rng::with_seed(self.seed * 1000 + id),
            self.master.port,
            id,
            directives,
        );
        let mut client = None;
        while !self.over.load(Ordering::Relaxed) {
            let act = author.next();
            if act.alone || act.of_replica {
                // It leaves its connection in a state that is of no use to what comes next.
                if let Some(mut own) = self.connect(act.of_replica) {
                    self.play(&mut own, &act);
                }
                continue;
            }
            if client.is_none() {
                client = self.connect(false);
            }
            let closed = client
                .as_mut()
                .is_some_and(|client| !self.play(client, &act));
            if closed {
                client = None;
            }
        }
    }

    fn connect(&self, of_replica: bool) -> Option<Client> {
        let client = Client::connect(self.server(of_replica).port).ok()?;
        client.set_patience(PATIENCE);
        Some(client)
    }

    /// Sends all of an act at once and reads its replies; false when the connection was closed.
    fn play(&self, client: &mut Client, act: &Act) -> bool {
        if client.send(&act.bytes()).is_err() {
            return false;
        }
        let mut replies = 0;
        while replies < act.replies() {
            match client.receive() {
                Ok(reply) => replies += usize::from(!matches!(reply.value, Value::Push(_))),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    let shown: Vec<String> =
                        act.commands.iter().map(|command| show(command)).collect();
                    let mut silent = self.silent.lock().expect("nobody panics with it");
                    silent.push(format!("reply {replies} of: {}", shown.join("; ")));
                    return false;
                }
                Err(_) => return false,
            }
        }
        true
    }
}

/// A client that has not seen that the storm is over.
struct Alive<'s>(&'s AtomicU64);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn show(command: &[Vec<u8>]) -> String {
    command
        .iter()
        .map(|word| escape(word))
        .collect::<Vec<_>>()
        .join(" ")
}

fn play(seed: u64, length: Duration) {
    let storm = Storm::start(seed);
    let watch = Watch::begin(
        seed,
        length + PATIENCE * 4,
        &[storm.master.id(), storm.replica.id()],
    );
    let before = after::prepare(&storm.master, &storm.replica);
    std::thread::scope(|scope| {
        for id in 0..CLIENTS {
            let storm = &storm;
            let directives = acts::directives(&before.directives);
            scope.spawn(move || storm.live(id, directives));
        }
        let begun = Instant::now();
        let mut ended = begun;
        while begun.elapsed() < length
            && storm
                .silent
                .lock()
                .expect("nobody panics with it")
                .is_empty()
        {
            std::thread::sleep(Duration::from_millis(20));
            if ended.elapsed() > SCRIPTS_END_EVERY {
                ended = Instant::now();
                after::end_scripts(&storm.master);
                after::end_scripts(&storm.replica);
            }
        }
        storm.over.store(true, Ordering::Relaxed);
        while storm.living.load(Ordering::Relaxed) > 0 {
            after::let_go(&storm.master);
            after::let_go(&storm.replica);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let silent = storm.silent.into_inner().expect("nobody panics with it");
    if !silent.is_empty() {
        watch.show("a client was not answered");
        panic!("seed {seed}: no answer to\n{}", silent.join("\n"));
    }
    after::check(seed, storm.master, storm.replica, before);
    drop(watch);
}

#[test]
fn after_a_storm_replica_log_and_counts_are_what_memory_is() {
    let length = Duration::from_secs(setting("STORM_SECONDS", 4));
    let first = setting("STORM_FIRST", 1);
    for seed in first..first + setting("STORM_SEEDS", 10) {
        println!("storm {seed}");
        play(seed, length);
    }
}
