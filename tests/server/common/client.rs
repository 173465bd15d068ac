//! A blocking client that hides nothing: raw bytes out, exact frames back.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::value::{Value, escape};

/// Far above what an answer takes on a busy machine: passing it means a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// One reply: the bytes as they came, and what they mean.
#[derive(Clone, Debug)]
pub struct Reply {
    pub raw: Vec<u8>,
    pub value: Value,
}

/// What a connection goes over.
pub trait Transport: Read + Write + Send {
    fn socket(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// One connection.
pub struct Client {
    stream: Box<dyn Transport>,
    buffer: Vec<u8>,
    /// Bytes of `buffer` already handed out as frames.
    read: usize,
}

impl Client {
    pub fn connect(port: u16) -> io::Result<Client> {
        Client::over(TcpStream::connect(("127.0.0.1", port))?)
    }

    pub fn over(stream: impl Transport + 'static) -> io::Result<Client> {
        let socket = stream.socket();
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Client {
            stream: Box::new(stream),
            buffer: Vec::new(),
            read: 0,
        })
    }

    pub fn set_patience(&self, patience: Duration) {
        self.stream
            .socket()
            .set_read_timeout(Some(patience))
            .expect("a socket takes a timeout");
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next frame; an error when the server closes or stays silent.
    pub fn receive(&mut self) -> io::Result<Reply> {
        loop {
            let rest = &self.buffer[self.read..];
            if !rest.is_empty()
                && let Some((value, len)) = Value::parse(rest)
            {
                let raw = rest[..len].to_vec();
                self.read += len;
                if self.read == self.buffer.len() {
                    self.buffer.clear();
                    self.read = 0;
                }
                return Ok(Reply { raw, value });
            }
            let mut piece = [0; 16 * 1024];
            let len = self.stream.read(&mut piece)?;
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&piece[..len]);
        }
    }

    /// Takes what has come, whatever it is.
    pub fn receive_raw(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        into.append(&mut self.buffer);
        self.read = 0;
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            len => {
                into.extend_from_slice(&piece[..len]);
                Ok(())
            }
        }
    }

    /// Sends one command and waits for its answer.
    pub fn try_ask<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Reply> {
        self.send(&encode(args))?;
        self.receive()
    }

    /// Sends one command, given as words, on a connection that is expected to live.
    pub fn ask(&mut self, words: &str) -> Value {
        let args: Vec<&str> = words.split(' ').collect();
        self.ask_args(&args)
    }

    /// A field of INFO; empty if there is none.
    pub fn info(&mut self, field: &str) -> String {
        let text = self.ask("INFO everything").text();
        let head = format!("{field}:");
        let line = text.lines().find_map(|line| line.strip_prefix(&head));
        line.unwrap_or_default().to_owned()
    }

    pub fn info_number(&mut self, field: &str) -> i64 {
        let held = self.info(field);
        held.parse()
            .unwrap_or_else(|_| panic!("INFO has no number {field}"))
    }

    pub fn ask_args<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        match self.try_ask(args) {
            Ok(reply) => reply.value,
            Err(error) => panic!("{}: {error}", escape(&encode(args))),
        }
    }

    /// Says that nothing more will be sent, and returns all that still comes until the server closes.
    pub fn finish(mut self) -> io::Result<Vec<u8>> {
        // A server that has closed already may have reset the connection; what it sent still counts.
        let _ = self.stream.socket().shutdown(Shutdown::Write);
        self.drain()
    }

    /// All that comes until the server closes the connection.
    pub fn drain(&mut self) -> io::Result<Vec<u8>> {
        let mut all = self.buffer.split_off(self.read);
        let mut piece = [0; 4096];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(all),
                Ok(len) => all.extend_from_slice(&piece[..len]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(all),
                Err(error) => return Err(error),
            }
        }
    }
}

/// A command in the form that clients send.
pub fn encode<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}
