//! Tests as talk with a server: what goes in, what comes out.
//!
//! ```text
//! > SET k v          the first client says this,
//! +OK                and this is the answer
//! b> BLPOP q 0       another client, named b, is blocked,
//! zzz                and nothing more is said until it is;
//! > RPUSH q x
//! :1
//! b< ["q" "x"]       then b hears this
//! ```
//! Answers are written `+simple`, `-ERR error`, `:1`, `"bulk"`, `nil`, `[array]`, `{map}`, `~[set]`, `>[push]`, `,1.5`,
//! `#t`; a `*` at the end of one stands for any rest.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::config::{Config, file};
use crate::persist::disk::{Disk, OsDisk};
use crate::resp::value::Value;
use crate::server::Server;
use crate::state::shared::Shared;
use crate::util::{glob, words};

/// A server in this process, stopped when dropped.
pub struct TestServer {
    port: u16,
    /// Not kept alive from here: clients of a server that failed see that it is gone.
    shared: Weak<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
    /// Removed with the server, unless the test brought it.
    dir: Option<PathBuf>,
}

impl TestServer {
    /// Starts a server with two workers on a free port; `lines` are added to its configuration.
    pub fn start(lines: &str) -> Self {
        let dir = std::env::temp_dir().join(format!(
            "vermilion-{}-{}",
            std::process::id(),
            fastrand::u64(..)
        ));
        std::fs::create_dir_all(&dir).expect("a directory for the test's files");
        let mut server = Self::start_on(lines, &dir, Arc::new(OsDisk));
        server.dir = Some(dir);
        // On a busy machine it may be there before it has found that there is nothing to read.
        let is_loading = |shared: Arc<Shared>| shared.store.loading.is_on();
        while server.shared.upgrade().is_some_and(is_loading) {
            std::thread::sleep(Duration::from_millis(1));
        }
        server
    }

    /// Starts a server on files that are there and a disk that may fail.
    pub fn start_on(lines: &str, dir: &Path, disk: Arc<dyn Disk>) -> Self {
        // A free port is looked for and given up again: another may take it before the server does.
        let tries = (0..10).find_map(|_| match Self::try_start(lines, dir, disk.clone()) {
            Err(error) if error.to_string().contains("Failed listening") => None,
            tried => Some(tried),
        });
        tries
            .expect("a free port on the loopback")
            .expect("the test's server starts")
    }

    fn try_start(lines: &str, dir: &Path, disk: Arc<dyn Disk>) -> Result<Self> {
        let config = Arc::new(Config::new());
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = free?.port();
        let text = format!(
            "bind 127.0.0.1\nport {port}\nio-threads 2\nenable-debug-command yes\nsave \"\"\ndir {}\n{lines}\n",
            dir.display()
        );
        let loaded = file::load(&config, text.as_bytes(), glob::matches)
            .expect("the test's configuration is sound");
        // A server stays on the thread that built it.
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let server = Server::new(config, &loaded, None, disk, None);
            let server = match server {
                Ok(server) => server,
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return Ok(());
                }
            };
            let _ = tell.send(Ok(Arc::downgrade(server.shared())));
            server.run()
        });
        let shared = told.recv()??;
        Ok(TestServer {
            port,
            shared,
            thread: Some(thread),
            dir: None,
        })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server, and says how it ended.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if let Some(shared) = self.shared.upgrade() {
            // Nobody waits for a script that a test has left.
            shared.scripts.cut.store(true, Ordering::Release);
            shared.stop.cancel();
        }
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(anyhow::anyhow!("the server panicked")),
            None => Ok(()),
        }
    }

    pub fn connect(&self) -> Talker {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a timeout can be set");
        Talker {
            stream,
            bytes: Vec::new(),
        }
    }

    /// Says every line of a script, and holds the answers against those written there.
    pub fn talk(&self, script: &str) {
        let mut clients: HashMap<String, Talker> = HashMap::new();
        let mut speaker = String::new();
        for line in script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let mark = line
                .find(['>', '<'])
                .filter(|at| line[..*at].chars().all(char::is_alphanumeric));
            let spoken = mark.filter(|at| line[at + 1..].starts_with(' '));
            let (said, expected) = match spoken {
                Some(at) => {
                    speaker = line[..at].to_string();
                    let rest = line[at + 2..].to_string();
                    if line.as_bytes()[at] == b'>' {
                        (Some(rest), None)
                    } else {
                        (None, Some(rest))
                    }
                }
                None => (None, Some(line.to_string())),
            };
            let client = clients
                .entry(speaker.clone())
                .or_insert_with(|| self.connect());
            if let Some(said) = said {
                client.say(&said);
            }
            if expected.as_deref() == Some("zzz") {
                self.until_blocked(client);
                continue;
            }
            if let Some(expected) = expected {
                let heard = show(&client.hear());
                let fits = match expected.strip_suffix('*') {
                    Some(start) if expected.len() > 1 => heard.starts_with(start),
                    _ => heard == expected,
                };
                assert!(
                    fits,
                    "\n  heard:    {heard}\n  expected: {expected}\n  in: {script}"
                );
            }
        }
    }

    fn until_blocked(&self, talker: &Talker) {
        let address = talker.stream.local_addr().expect("it is connected");
        let address = address.to_string();
        let is_blocked = || {
            let all = self.shared.upgrade().map(|shared| shared.clients.all());
            let all = all.unwrap_or_default();
            let client = all.iter().find(|client| client.address == address);
            client.is_some_and(|client| client.blocked.load(Ordering::Acquire))
        };
        let patience = Instant::now() + Duration::from_secs(10);
        while !is_blocked() {
            assert!(Instant::now() < patience, "{address} isn't blocked");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let ended = self.end();
        if let Some(dir) = &self.dir {
            // What stays is in the way of nothing.
            let _ = std::fs::remove_dir_all(dir);
        }
        // A second panic would hide the first.
        if !std::thread::panicking() {
            ended.expect("the test's server runs");
        }
    }
}

/// One client of a test.
pub struct Talker {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Talker {
    /// Sends a command, its words split as redis-cli splits them.
    pub fn say(&mut self, line: &str) {
        let args = words::split(line.as_bytes()).expect("quotes are balanced");
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            request.extend_from_slice(&arg);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&request).expect("the server reads");
    }

    /// Whether the server has closed the connection, or does in a moment, and says nothing before.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0; 1];
        self.bytes.is_empty() && matches!(self.stream.read(&mut byte), Ok(0))
    }

    /// The next reply, or push.
    pub fn hear(&mut self) -> Value {
        loop {
            if let Some((value, used)) = Value::parse(&self.bytes).expect("the server speaks RESP")
            {
                self.bytes.drain(..used);
                return value;
            }
            let mut chunk = [0; 64 * 1024];
            let read = self
                .stream
                .read(&mut chunk)
                .expect("the server answers in time");
            assert!(read > 0, "the server closed the connection");
            self.bytes.extend_from_slice(&chunk[..read]);
        }
    }
}

/// Starts a server with defaults and talks to it.
pub fn talk(script: &str) {
    TestServer::start("").talk(script);
}

/// A reply as scripts write it.
pub fn show(value: &Value) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let list = |items: &[Value]| items.iter().map(show).collect::<Vec<_>>().join(" ");
    match value {
        Value::Simple(line) => format!("+{}", text(line)),
        Value::Error(line) => format!("-{}", text(line)),
        Value::Int(n) => format!(":{n}"),
        Value::Bulk(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Value::NullBulk | Value::NullArray | Value::Null => "nil".to_string(),
        Value::Array(items) => format!("[{}]", list(items)),
        Value::Set(items) => format!("~[{}]", list(items)),
        Value::Push(items) => format!(">[{}]", list(items)),
        Value::Bool(yes) => if *yes { "#t" } else { "#f" }.to_string(),
        Value::Double(n) => format!(",{n}"),
        Value::BigNumber(digits) => format!("({}", text(digits)),
        Value::Verbatim(_, bytes) => format!("={}", text(bytes)),
        Value::Map(pairs) => {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(key, value)| format!("{} {}", show(key), show(value)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Value::Attribute(_, value) => show(value),
    }
}
