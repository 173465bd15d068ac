//! How late keys vanish, and what a million keys due at once cost other clients.
//!
//! `cargo bench --bench expiry` runs the real redis-server and ours in turn, five rounds, and prints medians.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const ROUNDS: usize = 5;
const KEYS_SPREAD: usize = 2000;
const KEYS_AT_ONCE: usize = 1_000_000;

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(program: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new(program)
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let server = Server { child, port };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{program} does not listen");
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            bytes: Vec::new(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Client {
    fn send(&mut self, lines: &str) {
        self.stream.write_all(lines.as_bytes()).unwrap();
    }

    /// Reads up to and with the next line end.
    fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=at).collect();
                return String::from_utf8_lossy(&line).trim_end().to_string();
            }
            let mut chunk = [0; 65536];
            let read = self.stream.read(&mut chunk).unwrap();
            assert!(read > 0, "the server closed the connection");
            self.bytes.extend_from_slice(&chunk[..read]);
        }
    }

    fn ask(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r\n"));
        self.line()
    }
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64
}

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

fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
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
            let server = Server::start(program);
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
