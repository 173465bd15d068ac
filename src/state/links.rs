//! Connections to other servers that MIGRATE leaves open for the next time.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use rustls::ClientConfig;

use crate::tls::Outward;
use crate::util::dial::dial;
use crate::util::ranked::{Mutex, rank};

/// Connections kept at one time.
const LINKS_MAX: usize = 64;
/// How long one is kept that nobody uses.
const KEEP_MS: u64 = 10_000;
const READ_BYTES: usize = 4096;
/// A line that is longer than this is none.
const LINE_MAX: usize = 1 << 16;

/// A connection to a server.
pub struct OtherServer {
    stream: Outward,
    input: Vec<u8>,
    /// The database that it has selected.
    pub db: Option<i64>,
    used_ms: u64,
    /// It was open before.
    pub reused: bool,
}

impl OtherServer {
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next line that it says, without its end.
    pub fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.input) {
                let mut line: Vec<u8> = self.input.drain(..=end).collect();
                line.truncate(line.trim_ascii_end().len());
                return Ok(line);
            }
            if self.input.len() > LINE_MAX {
                let why = "it sends a line that has no end";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            let mut piece = [0; READ_BYTES];
            match self.stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.input.extend_from_slice(&piece[..count]),
            }
        }
    }

    /// So many bytes of what it says.
    pub fn bytes(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.input.len() < len {
            let mut piece = [0; READ_BYTES];
            match self.stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.input.extend_from_slice(&piece[..count]),
            }
        }
        Ok(self.input.drain(..len).collect())
    }
}

/// Host and port, and whether TLS is spoken there.
type Place = (String, u16, bool);

#[derive(Default)]
pub struct Links {
    held: Mutex<HashMap<Place, OtherServer>, { rank("links") }>,
}

impl Links {
    /// A connection that is open already, or a new one.
    pub fn take(
        &self,
        host: &str,
        port: u16,
        source: &str,
        tls: Option<Arc<ClientConfig>>,
        timeout: Duration,
        now_ms: u64,
    ) -> io::Result<OtherServer> {
        let place = (host.to_owned(), port, tls.is_some());
        let held = self.held.lock().remove(&place);
        let mut link = match held {
            Some(link) => OtherServer {
                reused: true,
                ..link
            },
            None => Links::open(host, port, source, tls, timeout)?,
        };
        link.stream.socket().set_read_timeout(Some(timeout))?;
        link.stream.socket().set_write_timeout(Some(timeout))?;
        link.used_ms = now_ms;
        Ok(link)
    }

    /// A new connection.
    pub fn open(
        host: &str,
        port: u16,
        source: &str,
        tls: Option<Arc<ClientConfig>>,
        timeout: Duration,
    ) -> io::Result<OtherServer> {
        let stream = dial(host, port, source, timeout)?;
        stream.set_nodelay(true)?;
        let link = OtherServer {
            stream: Outward::new(stream, tls, timeout)?,
            input: Vec::new(),
            db: None,
            used_ms: 0,
            reused: false,
        };
        link.stream.socket().set_read_timeout(Some(timeout))?;
        link.stream.socket().set_write_timeout(Some(timeout))?;
        Ok(link)
    }

    /// Keeps a connection for the next time.
    pub fn keep(&self, host: &str, port: u16, link: OtherServer) {
        let mut held = self.held.lock();
        if held.len() < LINKS_MAX {
            held.insert((host.to_owned(), port, link.stream.is_tls()), link);
        }
    }

    pub fn len(&self) -> usize {
        self.held.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes those that nobody has used for a while.
    pub fn close_idle(&self, now_ms: u64) {
        let fresh = |link: &OtherServer| now_ms.saturating_sub(link.used_ms) <= KEEP_MS;
        self.held.lock().retain(|_, link| fresh(link));
    }
}
