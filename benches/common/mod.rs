//! What the benchmarks share: a server on one core, a client that reads lines, medians.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A server on the first core, without files of its own unless it is told so.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    pub fn start(program: &str, options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new("taskset")
            .args(["-c", "0", program, "--port", &port.to_string()])
            .args(["--bind", "127.0.0.1", "--save", ""])
            .args(options)
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

    /// Bytes of memory of the process and its children, pages that they share counted once.
    pub fn memory_bytes(&self) -> u64 {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let all = children
            .split_whitespace()
            .map(str::to_owned)
            .chain([id.to_string()]);
        all.map(|id| pss_bytes(&id)).sum()
    }

    /// Ends the process as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("the server runs");
        self.child.wait().expect("the server ends");
    }

    pub fn connect(&self) -> Client {
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

pub struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Client {
    pub fn send(&mut self, lines: &str) {
        self.stream.write_all(lines.as_bytes()).unwrap();
    }

    /// Reads up to and with the next line end.
    pub fn line(&mut self) -> String {
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

    pub fn ask(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r\n"));
        self.line()
    }
}

pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64
}

pub fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
}

/// A process's share of memory, of which none is left if it has ended.
fn pss_bytes(id: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// The servers that are compared, the real one first.
pub const SERVERS: [(&str, &str); 2] = [
    ("redis-server", "redis-server"),
    ("vermilion", env!("CARGO_BIN_EXE_vermilion")),
];

/// Keeps this process off the server's core.
pub fn stay_off_the_servers_core() {
    let id = std::process::id().to_string();
    let moved = Command::new("taskset")
        .args(["-cp", "1", &id])
        .stdout(Stdio::null())
        .status();
    assert!(
        moved.is_ok_and(|status| status.success()),
        "taskset moves this process"
    );
}
