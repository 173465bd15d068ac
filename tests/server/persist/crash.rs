//! Killed at random moments under load: what was promised is there, and what is there is a prefix of what happened.
//!
//! `KILLS` sets how many times, in each mode.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use crate::common::{Client, Server, our_server, setting};

const WRITERS: usize = 4;

/// What one client was told: its last write of each kind that was acknowledged, and those it had begun.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    begun: u64,
    acknowledged: u64,
    /// Where the history stood after its last acknowledged entry.
    position: u64,
}

/// A client of the load: pairs of keys in shards of their own, and one list that all append to.
fn write(port: u16, id: usize, from: u64, stop: &AtomicBool) -> Told {
    let mut told = Told {
        begun: from,
        acknowledged: from,
        position: 0,
    };
    let Ok(mut client) = Client::connect(port) else {
        return told;
    };
    while !stop.load(Ordering::Relaxed) {
        let n = told.begun + 1;
        told.begun = n;
        let (first, second) = (format!("first:{id}"), format!("second:{id}"));
        let commands: [&[&str]; 5] = [
            &["SET", &first, &n.to_string()],
            &["SET", &second, &n.to_string()],
            &["MULTI"],
            &["RPUSH", "history", &format!("{id}:{n}")],
            &["EXEC"],
        ];
        for command in commands {
            let Ok(reply) = client.try_ask(command) else {
                return told;
            };
            if command[0] == "EXEC" {
                let items = reply.value.items();
                told.position = items[0].text().parse().expect("a length");
            }
        }
        told.acknowledged = n;
    }
    told
}

struct Load {
    threads: Vec<JoinHandle<Told>>,
    stop: Arc<AtomicBool>,
    background: JoinHandle<()>,
}

impl Load {
    fn start(port: u16, from: u64) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..WRITERS)
            .map(|id| {
                let stop = stop.clone();
                std::thread::spawn(move || write(port, id, from, &stop))
            })
            .collect();
        let background = {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let Ok(mut client) = Client::connect(port) else {
                    return;
                };
                while !stop.load(Ordering::Relaxed) {
                    for job in ["BGSAVE", "BGREWRITEAOF"] {
                        // It ends with the server.
                        if client.try_ask(&[job]).is_err() {
                            return;
                        }
                    }
                    std::thread::sleep(Duration::from_millis(3));
                }
            })
        };
        Load {
            threads,
            stop,
            background,
        }
    }

    fn end(self) -> Vec<Told> {
        self.stop.store(true, Ordering::Relaxed);
        self.background.join().expect("the background client");
        self.threads
            .into_iter()
            .map(|thread| thread.join().expect("a writer"))
            .collect()
    }
}

fn number(client: &mut Client, key: &str) -> u64 {
    client
        .ask(&format!("GET {key}"))
        .text()
        .parse()
        .unwrap_or(0)
}

/// Holds the state after a restart against what clients were told.
fn check(client: &mut Client, told: &[Told]) {
    let history: Vec<String> = client
        .ask("LRANGE history 0 -1")
        .items()
        .iter()
        .map(|item| item.text())
        .collect();
    let positions: Vec<u64> = told.iter().map(|told| told.position).collect();
    let shape = || {
        let told: Vec<String> = told.iter().map(|told| format!("{told:?}")).collect();
        let around = |at: u64| {
            let from = (at as usize).saturating_sub(6);
            history
                .iter()
                .skip(from)
                .take(12)
                .cloned()
                .collect::<Vec<_>>()
                .join(" ")
        };
        let places: Vec<String> = (0..WRITERS).map(|id| around(positions[id])).collect();
        format!(
            "{} entries; {}; {}",
            history.len(),
            told.join(", "),
            places.join(" | ")
        )
    };
    for (id, told) in told.iter().enumerate() {
        let first = number(client, &format!("first:{id}"));
        let second = number(client, &format!("second:{id}"));
        let mine: Vec<u64> = history
            .iter()
            .filter_map(|item| item.strip_prefix(&format!("{id}:")))
            .map(|n| n.parse().expect("a number"))
            .collect();
        let last = mine.last().copied().unwrap_or(0);
        // In order, and none left out: the first key leads, the second follows, the history comes last.
        assert!(
            mine.is_sorted() && mine.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "{id}: {mine:?}"
        );
        assert!(
            first >= second && first - second <= 1,
            "{id}: {first} {second}"
        );
        assert!(
            second >= last && second - last <= 1,
            "{id}: {second} {last}"
        );
        assert!(first <= told.begun, "{id}: {first} was never written");
        if told.position > 0 && history.len() as u64 >= told.position {
            let there = &history[told.position as usize - 1];
            assert_eq!(
                there,
                &format!("{id}:{}", told.acknowledged),
                "{id}: another place in the history"
            );
        }
        assert!(
            last >= told.acknowledged,
            "{id}: {} was acknowledged, {last} is there",
            told.acknowledged
        );
        assert!(history.len() as u64 >= told.position, "{id}: {}", shape());
    }
}

fn kill_and_look(policy: &str) {
    let options = [
        "--appendonly",
        "yes",
        "--appendfsync",
        policy,
        "--save",
        "1 1",
    ];
    let mut random = fastrand::Rng::with_seed(setting("SEED", 7));
    let mut dir = TempDir::new().expect("a temporary directory");
    let mut from = 0;
    for kill in 0..setting("KILLS", 5) {
        let server = Server::start_on(&our_server(), dir, &options);
        let load = Load::start(server.port, from);
        std::thread::sleep(Duration::from_millis(random.u64(20..400)));
        dir = server.kill();
        let told = load.end();
        let server = Server::start_on(&our_server(), dir, &options);
        check(&mut server.client(), &told);
        // The next round begins where all clients stand alike.
        from = 1 + told.iter().map(|told| told.begun).max().unwrap_or(from);
        let mut client = server.client();
        client.ask("DEL history");
        for id in 0..WRITERS {
            client.ask(&format!("MSET first:{id} {from} second:{id} {from}"));
            client.ask(&format!("RPUSH history {id}:{from}"));
        }
        dir = server.stop();
        assert_whole(dir.path(), kill);
    }
}

/// No drafts stay behind a clean stop.
fn assert_whole(dir: &Path, kill: u64) {
    for folder in [dir.to_owned(), dir.join("appendonlydir")] {
        for file in std::fs::read_dir(folder).expect("a folder") {
            let name = file
                .expect("a file")
                .file_name()
                .to_string_lossy()
                .into_owned();
            assert!(!name.starts_with("temp-"), "kill {kill} left {name}");
        }
    }
}

#[test]
fn always_keeps_all_that_was_acknowledged() {
    kill_and_look("always");
}

#[test]
fn everysec_keeps_all_that_was_acknowledged() {
    kill_and_look("everysec");
}

#[test]
fn no_sync_keeps_all_that_was_acknowledged() {
    kill_and_look("no");
}
