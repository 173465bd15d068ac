//! A connection from here to another server, in clear or over TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

pub enum Outward {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Outward {
    /// Speaks TLS over a socket from now on, if there is a configuration for it. No name of a host is checked, so that
    /// an address does for one.
    pub fn new(
        socket: TcpStream,
        tls: Option<Arc<ClientConfig>>,
        timeout: Duration,
    ) -> io::Result<Self> {
        let Some(tls) = tls else {
            return Ok(Outward::Clear(socket));
        };
        let name = ServerName::IpAddress(socket.peer_addr()?.ip().into());
        let mut connection = ClientConnection::new(tls, name).map_err(io::Error::other)?;
        socket.set_read_timeout(Some(timeout))?;
        socket.set_write_timeout(Some(timeout))?;
        let mut stream = TcpStream::try_clone(&socket)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(Outward::Tls(Box::new(StreamOwned::new(connection, socket))))
    }

    pub fn is_tls(&self) -> bool {
        matches!(self, Outward::Tls(_))
    }

    pub fn socket(&self) -> &TcpStream {
        match self {
            Outward::Clear(socket) => socket,
            Outward::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Outward {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Outward::Clear(socket) => socket.read(into),
            Outward::Tls(stream) => match stream.read(into) {
                // It left without a word of farewell, as many do.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}

impl Write for Outward {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Outward::Clear(socket) => socket.write(bytes),
            Outward::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Outward::Clear(socket) => socket.flush(),
            Outward::Tls(stream) => stream.flush(),
        }
    }
}
