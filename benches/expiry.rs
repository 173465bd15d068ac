//! How late keys vanish, and what a million keys due at once cost other clients.
//!
//! `cargo bench --bench expiry` runs the real redis-server and ours in turn, five rounds, and prints medians.

mod common;

use std::time::{Duration, Instant};

use common::{Server, median, now_ms};

const ROUNDS: usize = 5;
const KEYS_SPREAD: usize = 2000;
const KEYS_AT_ONCE: usize = 1_000_000;

/// Lags of `expired` events behind deadlines that are spread over a second, sorted, in milliseconds.
fn lags(server: &Server) -> Vec<u64> {
    let mut client = server.connect();
    client.ask("CONFIG SET notify-keyspace-events Ex");
    let mut listener = server.connect();
    listener.send("SUBSCRIBE __keyevent@0__:expired\r\n");
    (0..6).for_each(|_| drop(listener.line()));
    let start = now_ms() + 300;
    for n in 0..KEYS_SPREAD {
        let deadline = start + (n * 1000 / KEYS_SPREAD) as u64;
        client.ask(&format!("SET k:{deadline}:{n} v PXAT {deadline}"));
    }
    let mut lags: Vec<u64> = (0..KEYS_SPREAD)
        .map(|_| {
            loop {
                let line = listener.line();
                if let Some(rest) = line.strip_prefix("k:") {
                    let deadline: u64 = rest.split(':').next().unwrap().parse().unwrap();
                    break now_ms().saturating_sub(deadline);
                }
            }
        })
        .collect();
    lags.sort_unstable();
    lags
}

/// The worst pause that a steady GET loop sees while a million keys fall due within one second, and how
/// long after it the last of them was gone; in milliseconds.
fn million(server: &Server) -> (f64, u64) {
    let mut client = server.connect();
    client.ask("SET steady value");
    let due = now_ms() + 14_000;
    let batch = 1000;
    for from in (0..KEYS_AT_ONCE).step_by(batch) {
        let lines: String = (from..from + batch)
            .map(|n| {
                format!(
                    "SET key:{n:012} value-{n:08} PXAT {}\r\n",
                    due + (n % 1000) as u64
                )
            })
            .collect();
        client.send(&lines);
        (0..batch).for_each(|_| drop(client.line()));
    }
    assert!(
        now_ms() < due,
        "this machine is too slow to load a million keys before they fall due"
    );
    while now_ms() + 200 < due {
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut worst = Duration::ZERO;
    let mut gone = 0;
    let mut look = Instant::now();
    while now_ms() < due + 20_000 {
        let asked = Instant::now();
        client.ask("GET steady");
        client.line();
        worst = worst.max(asked.elapsed());
        if now_ms() > due + 1000 && look.elapsed() > Duration::from_millis(20) {
            look = Instant::now();
            if client.ask("DBSIZE") == ":1" {
                gone = now_ms() - due - 1000;
                break;
            }
        }
    }
    (worst.as_secs_f64() * 1000.0, gone)
}

fn main() {
    // `cargo test --benches` runs this as a test, which must not take minutes.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let servers = [
        ("redis-server", "redis-server"),
        ("vermilion", env!("CARGO_BIN_EXE_vermilion")),
    ];
    let mut results = servers.map(|_| (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new()));
    for round in 1..=ROUNDS {
        for ((name, program), result) in servers.iter().zip(&mut results) {
            let server = Server::start(program, &[]);
            let lags = lags(&server);
            let (worst, gone) = million(&server);
            let at = |percent: usize| lags[(lags.len() - 1) * percent / 100];
            println!(
                "round {round} {name}: lag p50 {} p99 {} max {} ms; a million: worst pause {worst:.1} ms, last gone after {gone} ms",
                at(50),
                at(99),
                at(100)
            );
            result.0.push(at(50));
            result.1.push(at(99));
            result.2.push(at(100));
            result.3.push(worst);
            result.4.push(gone);
        }
    }
    println!("\nmedians of {ROUNDS} rounds, in ms");
    println!("| server | lag p50 | p99 | max | worst pause, a million due | last gone after |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for ((name, _), (p50, p99, max, worst, gone)) in servers.iter().zip(results) {
        let (worst, gone) = (median(worst), median(gone));
        println!(
            "| {name} | {} | {} | {} | {worst:.1} | {gone} |",
            median(p50),
            median(p99),
            median(max)
        );
    }
}
