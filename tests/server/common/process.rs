//! A server process of one test: a free port, a directory of its own, gone when the test ends.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::client::Client;
use super::eventually;

const START_TRIES: usize = 5;
const START_PATIENCE: Duration = Duration::from_secs(20);
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// A running server. Dropping it ends the process and removes its directory.
pub struct Server {
    child: Child,
    pub port: u16,
    /// Taken when the process is stopped and its files are to stay.
    dir: Option<TempDir>,
}

/// Our server, or the program that VERMILION_SERVER names.
pub fn our_server() -> PathBuf {
    std::env::var_os("VERMILION_SERVER").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_vermilion")),
        PathBuf::from,
    )
}

impl Server {
    pub fn start(options: &[&str]) -> Server {
        Server::start_program(&our_server(), options)
    }

    pub fn start_program(program: &Path, options: &[&str]) -> Server {
        Server::start_on(
            program,
            TempDir::new().expect("a temporary directory"),
            options,
        )
    }

    /// Starts on files that are there.
    pub fn start_on(program: &Path, dir: TempDir, options: &[&str]) -> Server {
        Server::try_start_on(program, dir, options)
            .unwrap_or_else(|log| panic!("{} does not come up:\n{log}", program.display()))
    }

    /// The same; what the server printed is the error.
    pub fn try_start_on(program: &Path, dir: TempDir, options: &[&str]) -> Result<Server, String> {
        let mut dir = dir;
        let mut log = String::new();
        // Another process may take the free port before the server does: then try another one.
        for _ in 0..START_TRIES {
            match Server::try_start(program, dir, options) {
                Ok(server) => return Ok(server),
                Err(failed) => (dir, log) = failed,
            }
            if !log.contains("ddress already in use") {
                break;
            }
        }
        Err(log)
    }

    fn try_start(
        program: &Path,
        dir: TempDir,
        options: &[&str],
    ) -> Result<Server, (TempDir, String)> {
        let port = free_port();
        let log = File::create(dir.path().join("server.log")).expect("a log file");
        // A configuration file stands before all options.
        let is_file = options.first().is_some_and(|first| !first.starts_with('-'));
        let (file, options) = options.split_at(usize::from(is_file));
        let child = Command::new(program)
            .args(file)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--dir", &dir.path().to_string_lossy()])
            .args(["--save", "", "--enable-debug-command", "yes"])
            .args(options)
            // Whatever it writes before it has read `dir` belongs to the test, too.
            .current_dir(dir.path())
            // Redis sorts text by the locale; only the C locale is the same everywhere.
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle"))
            .stdout(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        let mut server = Server {
            child,
            port,
            dir: Some(dir),
        };
        let begun = Instant::now();
        while begun.elapsed() < START_PATIENCE {
            if server.answers() {
                return Ok(server);
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                println!("server ended at once ({status})");
                break;
            }
            sleep(Duration::from_millis(10));
        }
        let log = server.log();
        let dir = server.dir.take().expect("a server has a directory");
        Err((dir, log))
    }

    /// Whether it answers, and not another one that has taken the port before it did.
    fn answers(&self) -> bool {
        let Ok(mut client) = Client::connect(self.port) else {
            return false;
        };
        let is_up = client.try_ask(&["PING"]);
        if !is_up.is_ok_and(|reply| reply.raw == b"+PONG\r\n") {
            return false;
        }
        let Ok(info) = client.try_ask(&["INFO", "server"]) else {
            return false;
        };
        let own = format!("process_id:{}\r\n", self.child.id());
        // Some don't tell everybody.
        info.raw.starts_with(b"-") || info.value.text().contains(&own)
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        self.dir.as_ref().expect("a server has a directory").path()
    }

    pub fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Ends the process at once, as `kill -9` does, and keeps its files.
    pub fn kill(mut self) -> TempDir {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.dir.take().expect("a server has a directory")
    }

    /// Asks the process to end, waits for it, and keeps its files.
    pub fn stop(mut self) -> TempDir {
        self.end();
        self.dir.take().expect("a server has a directory")
    }

    /// Asks the process to end; whether it does so in that time.
    pub fn ends_within(mut self, time: Duration) -> bool {
        // If it has died by itself, there is nobody to tell.
        let _ = kill_process(self.id(), Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < time {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return true;
            }
            sleep(Duration::from_millis(5));
        }
        false
    }

    fn end(&mut self) {
        let id = self.id();
        // The process may have died by itself; then there is nobody to tell.
        let _ = kill_process(id, Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < STOP_PATIENCE {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn client(&self) -> Client {
        Client::connect(self.port).unwrap_or_else(|error| {
            panic!("no connection: {error}; the server's log:\n{}", self.log())
        })
    }

    /// A connection that has become a replica's: its snapshot was sent, and the stream follows.
    pub fn replica(&self) -> Client {
        let mut link = self.client();
        link.send(b"SYNC\r\n").expect("the server reads");
        let mut client = self.client();
        eventually("it is a replica", || {
            client.info("slave0").contains("state=online")
        });
        link
    }

    /// What the server printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir().join("server.log")).unwrap_or_default()
    }

    /// Bytes of memory that the process holds, as the kernel counts them.
    pub fn resident_bytes(&self) -> u64 {
        self.memory_bytes("VmRSS:")
    }

    /// Bytes of memory by a name that the kernel has for them.
    pub fn memory_bytes(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let text = std::fs::read_to_string(path).expect("the server runs");
        let mut lines = text.lines();
        let line = lines.find(|line| line.starts_with(name)).expect(name);
        let kib: u64 = line
            .split_whitespace()
            .nth(1)
            .and_then(|n| n.parse().ok())
            .expect("kB");
        kib * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.dir.is_some() {
            self.end();
        }
    }
}

/// The real redis-server that ours is compared with: the one that REDIS_SERVER names, or the first on the PATH.
pub fn real_redis() -> PathBuf {
    find_redis().expect("a test that needs it asks `redis_is_missing` first")
}

/// Whether there is no redis-server, so that a test which needs it is left out. One line tells so, which the test harness doesn't
/// hold back.
pub fn redis_is_missing() -> bool {
    static TOLD: Once = Once::new();
    let is_missing = find_redis().is_none();
    if is_missing {
        TOLD.call_once(|| {
            let line = "redis-server is not on the PATH: the tests that compare with it are left out, and count as passed\n";
            // Nothing can be told to who has closed it.
            let _ = std::io::stderr().write_all(line.as_bytes());
        });
    }
    is_missing
}

fn find_redis() -> Option<PathBuf> {
    let named = std::env::var_os("REDIS_SERVER").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join("redis-server"));
    named.or_else(|| places.find(|place| place.exists()))
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}
