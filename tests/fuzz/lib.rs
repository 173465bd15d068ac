//! What several fuzzers need: a server in this process, of which they ask anything.
//!
//! A panic on whichever thread ends the process: libFuzzer sees to it. So a command that panics is found, though the
//! server would only close its connection.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use vermilion::resp::encode;
use vermilion::resp::value::Value;
use vermilion::testing::TestServer;

/// Far above what an answer takes: passing it means a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Commands that would end the process, wait for a peer, or leave it useless for what comes next.
const TAKEN_AWAY: &[&str] = &[
    "debug",
    "shutdown",
    "replicaof",
    "slaveof",
    "migrate",
    "failover",
    "psync",
    "sync",
    "monitor",
    "save",
    "bgsave",
    "bgrewriteaof",
    "module",
];

/// The server of this process; the first caller says what is not to be there.
pub fn server(also_taken_away: &[&str]) -> &'static TestServer {
    static SERVER: OnceLock<TestServer> = OnceLock::new();
    SERVER.get_or_init(|| {
        let lines = TAKEN_AWAY
            .iter()
            .chain(also_taken_away)
            .map(|name| format!("rename-command {name} \"\"\n"));
        TestServer::start(&format!(
            "loglevel nothing\nset-max-intset-entries 4\nlist-max-listpack-size 4\n{}",
            lines.collect::<String>()
        ))
    })
}

/// One connection, with as many replies as were asked for.
pub struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Client {
    pub fn connect(server: &TestServer) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the server listens");
        stream.set_nodelay(true).expect("a socket takes it");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket takes a timeout");
        Client {
            stream,
            bytes: Vec::new(),
        }
    }

    /// All of the commands in one write, and their replies; fewer if the server closes.
    pub fn ask(&mut self, commands: &[Vec<Vec<u8>>]) -> Vec<Value> {
        let mut request = Vec::new();
        commands
            .iter()
            .for_each(|command| encode(command, &mut request));
        // It may close in the middle, as QUIT does.
        let _ = self.stream.write_all(&request);
        let mut replies = Vec::new();
        while replies.len() < commands.len() {
            match self.next() {
                Some(Value::Push(_)) => {}
                Some(reply) => replies.push(reply),
                None => break,
            }
        }
        replies
    }

    fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((value, used)) = Value::parse(&self.bytes).expect("the server speaks RESP")
            {
                self.bytes.drain(..used);
                return Some(value);
            }
            let mut piece = [0; 64 * 1024];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(len) => self.bytes.extend_from_slice(&piece[..len]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                // The fuzzer's own alarm.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    /// Says that nothing more comes, and waits until the server has closed.
    pub fn send_all(mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
        let _ = self.stream.shutdown(Shutdown::Write);
        while self.next().is_some() {}
    }
}

/// Asks on a connection that is kept from one input to the next.
pub fn ask(server: &TestServer, commands: &[Vec<Vec<u8>>]) -> Vec<Value> {
    thread_local! { static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) } }
    CLIENT.with_borrow_mut(|client| {
        let held = client.get_or_insert_with(|| Client::connect(server));
        let replies = held.ask(commands);
        if replies.len() < commands.len() {
            *client = None;
        }
        replies
    })
}

/// A line of words as a command.
pub fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

/// Draws from the bytes of an input, zeros at its end.
pub struct Bytes<'d>(pub &'d [u8]);

impl<'d> Bytes<'d> {
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    pub fn take(&mut self, len: usize) -> &'d [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
