//! The socket to a master: bytes in with a watch on who may end it, words out.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Buf, BytesMut};

use crate::journal::Epoch;
use crate::resp::encode;
use crate::state::client::{Client, ReplicationPart};
use crate::state::replication::Master;
use crate::state::shared::Shared;
use crate::tls::Outward;
use crate::util::clock;
use crate::util::dial::dial;

/// How long a read lasts before the thread looks at what else there is to do.
const PATIENCE: Duration = Duration::from_millis(100);
const READ_BYTES: usize = 64 * 1024;
/// The longest line that a master says.
const LINE_MAX: usize = 64 * 1024;

/// Why the link ended.
#[derive(Debug)]
pub enum Lost {
    /// Another master is to be followed, or none, or the server stops.
    Stale,
    /// Nothing came for `repl-timeout`.
    Silent,
    Failed(io::Error),
    /// The log knows why.
    Told,
    /// The target of a failover would not take over.
    Rejected,
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Lost::Failed(error)
    }
}

pub struct Wire {
    shared: Arc<Shared>,
    pub epoch: Epoch,
    stream: Outward,
    pub client: Arc<Client>,
    pub input: BytesMut,
    /// When bytes came last.
    pub heard_ms: u64,
}

impl Wire {
    pub fn connect(
        shared: &Arc<Shared>,
        worker: usize,
        master: &Master,
        epoch: Epoch,
    ) -> Result<Self, Lost> {
        let config = &shared.config;
        let timeout = Duration::from_secs(config.repl_timeout.get() as u64);
        let source = String::from_utf8_lossy(&config.bind_source_addr.get()).into_owned();
        let stream = dial(&master.host, master.port, &source, timeout)?;
        stream.set_nodelay(true)?;
        if !shared
            .replication
            .hold_socket(epoch, Some(stream.try_clone()?))
        {
            return Err(Lost::Stale);
        }
        let tls = shared.tls.client(config.tls_replication.get());
        let agreed = tls.and_then(|tls| Outward::new(stream, tls, timeout));
        let stream = agreed.inspect_err(|_| {
            shared.replication.hold_socket(epoch, None);
        })?;
        let socket = stream.socket();
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(timeout))?;
        let now_ms = clock::now_ms();
        let client = Client::new(
            shared.clients.new_id(),
            socket.peer_addr()?.to_string(),
            socket.local_addr()?.to_string(),
            std::os::fd::AsRawFd::as_raw_fd(socket),
            worker,
            now_ms,
        );
        client.profile.lock().part = ReplicationPart::Master;
        Ok(Wire {
            shared: shared.clone(),
            epoch,
            stream,
            client: Arc::new(client),
            input: BytesMut::new(),
            heard_ms: now_ms,
        })
    }

    /// Whether the link is still wanted.
    pub fn check(&self) -> Result<(), Lost> {
        let shared = &self.shared;
        if shared.stop.is_cancelled() || !shared.replication.is_current(self.epoch) {
            return Err(Lost::Stale);
        }
        if self.client.mailbox.is_closing() {
            return Err(Lost::Failed(io::Error::other(
                "it was closed by CLIENT KILL",
            )));
        }
        let timeout_ms = shared.config.repl_timeout.get() as u64 * 1000;
        if clock::now_ms().saturating_sub(self.heard_ms) > timeout_ms {
            return Err(Lost::Silent);
        }
        Ok(())
    }

    /// Reads what comes within a tenth of a second; `false` if nothing did.
    pub fn fill(&mut self) -> Result<bool, Lost> {
        self.check()?;
        let len = self.input.len();
        self.input.resize(len + READ_BYTES, 0);
        let read = self.stream.read(&mut self.input[len..]);
        self.input.truncate(len + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => {
                self.check()?;
                Err(Lost::Failed(io::ErrorKind::UnexpectedEof.into()))
            }
            Ok(count) => {
                self.heard(count);
                Ok(true)
            }
            Err(error) if is_late(&error) => Ok(false),
            Err(error) => {
                self.check()?;
                Err(error.into())
            }
        }
    }

    fn heard(&mut self, count: usize) {
        self.heard_ms = clock::now_ms();
        let replication = &self.shared.replication;
        replication
            .last_io_ms
            .store(self.heard_ms, Ordering::Relaxed);
        replication
            .counts
            .input_bytes
            .fetch_add(count as u64, Ordering::Relaxed);
        self.client
            .input_bytes
            .fetch_add(count as u64, Ordering::Relaxed);
        self.client
            .active_ms
            .store(self.heard_ms, Ordering::Relaxed);
    }

    /// The next line that isn't empty: empty ones are signs of life.
    pub fn line(&mut self) -> Result<String, Lost> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.input) {
                let line = String::from_utf8_lossy(&self.input[..end]);
                let line = line.trim_end_matches('\r').to_owned();
                self.input.advance(end + 1);
                if !line.is_empty() {
                    return Ok(line);
                }
                continue;
            }
            if self.input.len() > LINE_MAX {
                return Err(Lost::Failed(io::Error::other(
                    "the master's answer has no end",
                )));
            }
            self.fill()?;
        }
    }

    pub fn say(&mut self, words: &[&[u8]]) -> Result<(), Lost> {
        let mut out = Vec::new();
        encode(words, &mut out);
        self.write(&out)
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        self.stream.write_all(bytes)?;
        Ok(())
    }

    /// Asks, and gives the answer's line.
    pub fn ask(&mut self, words: &[&[u8]]) -> Result<String, Lost> {
        self.say(words)?;
        self.line()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.replication.hold_socket(self.epoch, None);
    }
}

pub fn is_late(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}
