//! What keeping the data costs: latency and memory while a snapshot is written, loading, commits to the disk.
//!
//! `cargo bench --bench persist` runs the real redis-server and ours in turn, five rounds, and prints medians.
//! The server has one core and the load the other.

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::{Client, SERVERS, Server, median, stay_off_the_servers_core};

const ROUNDS: usize = 5;
const KEYS: usize = 1_000_000;
const BATCH: usize = 500;
/// Latencies taken while snapshots run, and the SETs before each.
const PROBES: usize = 20_000;
const WRITES: usize = 20;

/// Puts a million small strings into a server.
fn fill(client: &mut Client) {
    for from in (0..KEYS).step_by(BATCH) {
        let lines: String = (from..from + BATCH)
            .map(|n| format!("SET key:{n:012} value-of-thirty-two-bytes-{n:06}\r\n"))
            .collect();
        client.send(&lines);
        (0..BATCH).for_each(|_| drop(client.line()));
    }
}

/// Snapshots under writes: a GET's latencies in microseconds (p50, p99.9, worst), and the most memory held,
/// relative to that before.
fn snapshots(server: &Server) -> (f64, f64, f64, f64) {
    let mut client = server.connect();
    let before = server.memory_bytes();
    let mut took = Vec::with_capacity(PROBES);
    let mut peak = before;
    let mut looked = Instant::now();
    let mut n = 0;
    assert!(client.ask("BGSAVE").starts_with('+'));
    while took.len() < PROBES {
        // One thread writes and asks in turn: a second one would only measure who gets the core.
        let lines: String = (0..WRITES)
            .map(|_| {
                n = (n * 5 + 7919) % KEYS;
                format!("SET key:{n:012} another-of-thirty-two-bytes{n:06}\r\n")
            })
            .collect();
        client.send(&lines);
        (0..WRITES).for_each(|_| drop(client.line()));
        let asked = Instant::now();
        client.ask("GET key:000000000001");
        client.line();
        took.push(asked.elapsed().as_secs_f64() * 1e6);
        if looked.elapsed() > Duration::from_millis(25) {
            looked = Instant::now();
            peak = peak.max(server.memory_bytes());
            if !is_saving(&mut client) {
                assert!(client.ask("BGSAVE").starts_with('+'));
            }
        }
    }
    while is_saving(&mut client) {
        std::thread::sleep(Duration::from_millis(20));
    }
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    (at(0.5), at(0.999), at(1.0), peak as f64 / before as f64)
}

fn is_saving(client: &mut Client) -> bool {
    let length: usize = client.ask("INFO persistence")[1..].parse().unwrap();
    let (mut read, mut saving) = (0, true);
    while read < length + 2 {
        let line = client.line();
        read += line.len() + 2;
        saving &= line != "rdb_bgsave_in_progress:0";
    }
    saving
}

/// Seconds from the start of the process until it serves the keys of a file.
fn load(program: &str, options: &[&str]) -> f64 {
    let begun = Instant::now();
    let server = Server::start(program, options);
    let mut client = server.connect();
    while client.ask("DBSIZE") != format!(":{KEYS}") {
        std::thread::sleep(Duration::from_millis(2));
    }
    begun.elapsed().as_secs_f64()
}

/// SETs a second with `appendfsync always`, of so many clients.
fn commits(program: &str, dir: &str, clients: usize) -> f64 {
    let options = [
        "--dir",
        dir,
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
    ];
    let server = Server::start(program, &options);
    let count = (clients * 400).clamp(2000, 40_000);
    let out = Command::new("taskset")
        .args([
            "-c",
            "1",
            "redis-benchmark",
            "-t",
            "set",
            "--csv",
            "-d",
            "64",
        ])
        .args([
            "-p",
            &server.port.to_string(),
            "-c",
            &clients.to_string(),
            "-n",
            &count.to_string(),
        ])
        .output()
        .expect("redis-benchmark runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("\"SET\""));
    let field = line
        .and_then(|line| line.split(',').nth(1))
        .expect("a rate");
    field.trim_matches('"').parse().expect("a number")
}

fn main() {
    // `cargo test --benches` runs this as a test, which must not take minutes.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    stay_off_the_servers_core();
    let mut results = SERVERS.map(|_| Vec::new());
    for round in 1..=ROUNDS {
        for ((name, program), result) in SERVERS.iter().zip(&mut results) {
            let dir = tempfile::TempDir::new().unwrap();
            let dir = dir.path().to_str().unwrap();
            let mut server = Server::start(program, &["--dir", dir]);
            fill(&mut server.connect());
            let (p50, p999, worst, memory) = snapshots(&server);
            server.kill();
            let from_snapshot = load(program, &["--dir", dir]);
            let log = tempfile::TempDir::new().unwrap();
            let log = log.path().to_str().unwrap();
            let rates = [1, 16, 256].map(|clients| commits(program, log, clients));
            let row = [
                p50,
                p999,
                worst,
                memory,
                from_snapshot,
                rates[0],
                rates[1],
                rates[2],
            ];
            println!("round {round} {name}: {row:.2?}");
            result.push(row);
        }
    }
    println!("\nmedians of {ROUNDS} rounds, a million keys");
    println!(
        "| server | GET during BGSAVE: p50 | p99.9 | worst (us) | peak memory | load (s) | commits/s: 1 | 16 | 256 clients |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for ((name, _), rows) in SERVERS.iter().zip(results) {
        let at = |column: usize| median(rows.iter().map(|row| row[column]).collect());
        println!(
            "| {name} | {:.0} | {:.0} | {:.0} | {:.2}x | {:.2} | {:.0} | {:.0} | {:.0} |",
            at(0),
            at(1),
            at(2),
            at(3),
            at(4),
            at(5),
            at(6),
            at(7)
        );
    }
}
