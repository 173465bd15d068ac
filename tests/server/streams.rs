//! Work handed out by a stream, while those who do it and the server are killed: every entry is processed at
//! least once, none is lost, and what is pending adds up.
//!
//! `SOAK_SECONDS` sets for how long.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fastrand::Rng;
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::common::{Client, Server, Value, our_server, setting};

const PRODUCERS: usize = 8;
const CONSUMERS: usize = 8;
const OPTIONS: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];
/// Entries unacknowledged for this long are given to another consumer.
const IDLE_MS: &str = "200";

/// What the clients of the soak know of each other.
#[derive(Default)]
struct Board {
    /// Where the server listens now.
    port: AtomicU64,
    producing: AtomicBool,
    consuming: AtomicBool,
    /// Ids that producers were told of.
    added: Mutex<BTreeSet<String>>,
    /// Ids that a consumer had in hand before it acknowledged them.
    processed: Mutex<BTreeSet<String>>,
    /// Acknowledgements that were answered with a 1.
    acknowledged: AtomicU64,
}

impl Board {
    fn connect(&self) -> Option<Client> {
        let client = Client::connect(self.port.load(Ordering::Relaxed) as u16).ok();
        if client.is_none() {
            std::thread::sleep(Duration::from_millis(10));
        }
        client
    }
}

fn produce(board: &Board, id: usize) {
    let mut n = 0;
    while board.producing.load(Ordering::Relaxed) {
        let Some(mut client) = board.connect() else {
            continue;
        };
        while board.producing.load(Ordering::Relaxed) {
            n += 1;
            let (producer, number) = (id.to_string(), n.to_string());
            let Ok(reply) = client.try_ask(&["XADD", "work", "*", "by", &producer, "n", &number])
            else {
                break;
            };
            let Value::Bulk(entry) = reply.value else {
                break;
            };
            let entry = String::from_utf8(entry).expect("an id is text");
            assert!(board.added.lock().insert(entry), "an id was given twice");
        }
    }
}

/// Ids of the entries in a list of them.
fn ids(entries: &Value) -> Vec<String> {
    let id = |entry: &Value| entry.items().first().map(Value::text);
    entries.items().iter().filter_map(id).collect()
}

/// One life of a consumer: it reads, takes over what others left, and dies with work in its hands.
fn consume(board: &Board, name: &str, rng: &mut Rng) -> Option<()> {
    let mut client = board.connect()?;
    let lives = rng.usize(5..60);
    for _ in 0..lives {
        if !board.consuming.load(Ordering::Relaxed) {
            return Some(());
        }
        let read: &[&str] = match rng.u8(..4) {
            0 => &[
                "XAUTOCLAIM",
                "work",
                "crew",
                name,
                IDLE_MS,
                "-",
                "COUNT",
                "20",
            ],
            _ => &[
                "XREADGROUP",
                "GROUP",
                "crew",
                name,
                "COUNT",
                "10",
                "BLOCK",
                "20",
                "STREAMS",
                "work",
                ">",
            ],
        };
        let reply = client.try_ask(read).ok()?.value;
        assert!(
            !reply.is_error() || reply.text().starts_with("LOADING"),
            "{reply}"
        );
        let found = match read[0] {
            "XAUTOCLAIM" => reply.items().get(1).map(ids),
            _ => reply
                .items()
                .first()
                .and_then(|stream| stream.items().get(1).map(ids)),
        };
        for id in found.unwrap_or_default() {
            if rng.u8(..100) == 0 {
                return None;
            }
            board.processed.lock().insert(id.clone());
            let reply = client.try_ask(&["XACK", "work", "crew", &id]).ok()?;
            if reply.value == Value::Int(1) {
                board.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    None
}

fn crew(board: &Arc<Board>, seed: u64) -> Vec<JoinHandle<()>> {
    let mut threads = Vec::new();
    for id in 0..PRODUCERS {
        let board = board.clone();
        threads.push(std::thread::spawn(move || produce(&board, id)));
    }
    for id in 0..CONSUMERS {
        let board = board.clone();
        threads.push(std::thread::spawn(move || {
            let mut rng = Rng::with_seed(seed + id as u64);
            while board.consuming.load(Ordering::Relaxed) {
                // It comes back under its own name, with what it left behind.
                consume(&board, &format!("consumer{id}"), &mut rng);
            }
        }));
    }
    threads
}

/// What the group says is pending, summed up from both sides.
fn pending(client: &mut Client) -> (i64, i64) {
    let told = client.ask("XPENDING work crew").items();
    if told[0] == Value::Int(0) {
        // Then nobody is named at all.
        return (0, 0);
    }
    let owned: i64 = told[3]
        .items()
        .iter()
        .map(|owner| owner.items()[1].text().parse::<i64>().expect("a count"))
        .sum();
    (told[0].int(), owned)
}

/// Adds entries and counts them, and reads some and counts those, each in one transaction.
fn count_up(port: u16, stop: &AtomicBool) {
    let mut client = Client::connect(port).expect("the server listens");
    while !stop.load(Ordering::Relaxed) {
        for line in [
            "MULTI",
            "XADD log * name value",
            "INCR added",
            "EXEC",
            "MULTI",
            "XREADGROUP GROUP g ann COUNT 1 STREAMS log >",
            "INCR delivered",
            "EXEC",
        ] {
            client.ask(line);
        }
    }
}

#[test]
fn a_snapshot_of_a_stream_that_is_written_to_is_exact() {
    let server = Server::start(&["--rdb-key-save-delay", "200", "--save", ""]);
    let mut client = server.client();
    client.ask("XGROUP CREATE log g 0 MKSTREAM");
    for n in 0..400 {
        client.ask(&format!("SET filler{n} x"));
    }
    for _ in 0..3000 {
        client.ask("XADD log * name value");
        client.ask("INCR added");
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (stop, port) = (stop.clone(), server.port);
        std::thread::spawn(move || count_up(port, &stop))
    };
    std::thread::sleep(Duration::from_millis(50));
    client.ask("BGSAVE");
    let begun = Instant::now();
    while !client
        .ask("INFO persistence")
        .text()
        .contains("rdb_bgsave_in_progress:0")
    {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never ends");
        std::thread::sleep(Duration::from_millis(5));
    }
    let later = client.ask("XLEN log").int();
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("the writer");

    let server = Server::start_on(&our_server(), server.kill(), &[]);
    let mut client = server.client();
    let added = client.ask("XLEN log").int();
    assert_eq!(client.ask("GET added").text(), added.to_string());
    let pending = client.ask("XPENDING log g").items()[0].clone();
    assert_eq!(
        client.ask("GET delivered").text(),
        pending.int().to_string()
    );
    assert!((3001..later).contains(&added), "{added} of {later}");
}

#[test]
fn no_entry_is_lost_though_consumers_and_the_server_are_killed() {
    let seconds = setting("SOAK_SECONDS", 3);
    let seed = setting("FIRST", 1);
    let mut rng = Rng::with_seed(seed);
    let board = Arc::new(Board::default());
    board.producing.store(true, Ordering::Relaxed);
    board.consuming.store(true, Ordering::Relaxed);

    let mut server = Server::start_on(&our_server(), TempDir::new().expect("a folder"), OPTIONS);
    let made = server.client().ask("XGROUP CREATE work crew 0 MKSTREAM");
    assert_eq!(made.to_string(), "+OK");
    let point = |server: &Server| board.port.store(server.port.into(), Ordering::Relaxed);
    point(&server);
    let threads = crew(&board, seed);

    let begun = Instant::now();
    let mut kills = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_millis(rng.u64(300..1200)));
        let dir = server.kill();
        server = Server::start_on(&our_server(), dir, OPTIONS);
        let mut client = server.client();
        let (all, owned) = pending(&mut client);
        assert_eq!(all, owned, "after kill {kills}");
        kills += 1;
        point(&server);
    }
    board.producing.store(false, Ordering::Relaxed);

    let mut client = server.client();
    let drained = Instant::now();
    loop {
        let lag = client.ask("XINFO GROUPS work").items()[0].items()[11].clone();
        if lag == Value::Int(0) && pending(&mut client) == (0, 0) {
            break;
        }
        assert!(drained.elapsed() < Duration::from_secs(60), "lag {lag}");
        std::thread::sleep(Duration::from_millis(50));
    }
    board.consuming.store(false, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("a client of the soak");
    }

    let (added, processed) = (board.added.lock(), board.processed.lock());
    let there: BTreeSet<String> = ids(&client.ask("XRANGE work - +")).into_iter().collect();
    let count = |n: usize| i64::try_from(n).expect("a count");
    assert_eq!(client.ask("XLEN work"), Value::Int(count(there.len())));
    // More may be there than was told of: the server died before it could say so.
    assert!(added.is_subset(&there), "an entry that was told of is gone");
    assert_eq!(
        there, *processed,
        "what is there was processed, and nothing else"
    );
    assert!(board.acknowledged.load(Ordering::Relaxed) <= there.len() as u64);
    println!(
        "{} entries, {} told of, {} acknowledged, {kills} kills",
        there.len(),
        added.len(),
        board.acknowledged.load(Ordering::Relaxed)
    );
}
