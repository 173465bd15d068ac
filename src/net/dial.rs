//! Connections to other servers, by whoever may not block.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::net::{TcpSocket, TcpStream, lookup_host};

use super::{Buffers, NetStream, shake_hands};

/// How others are dialled.
pub struct Dial<'d> {
    /// The address to come from; empty for any.
    pub source: &'d str,
    pub tls: Option<Arc<ClientConfig>>,
    /// How long a handshake may take.
    pub patience: Duration,
}

/// A connection that stands, and its ends.
pub struct Dialled {
    pub stream: NetStream,
    pub remote: SocketAddr,
    pub local: SocketAddr,
}

impl Dial<'_> {
    /// Connects to a host, at the first of its addresses that answers.
    pub async fn to(&self, buffers: &Buffers, (host, port): (&str, u16)) -> io::Result<Dialled> {
        let mut failed = io::Error::other("the name has no address");
        for address in lookup_host((host, port)).await? {
            let socket = match dial_one(address, self.source).await {
                Ok(socket) => socket,
                Err(error) => {
                    failed = error;
                    continue;
                }
            };
            let _ = socket.set_nodelay(true);
            let (remote, local) = (socket.peer_addr()?, socket.local_addr()?);
            if remote == local {
                // The port was free, and was given to this very socket: it has met itself.
                failed = io::ErrorKind::ConnectionRefused.into();
                continue;
            }
            let mut stream = match &self.tls {
                None => NetStream::Tcp(socket),
                Some(tls) => NetStream::connect_tls(socket, tls.clone())?,
            };
            shake_hands(buffers, &mut stream, self.patience).await?;
            return Ok(Dialled {
                stream,
                remote,
                local,
            });
        }
        Err(failed)
    }
}

async fn dial_one(address: SocketAddr, source: &str) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if !source.is_empty() {
        let mut ours = lookup_host((source, 0)).await?;
        let ours = ours.find(|ours| ours.is_ipv4() == address.is_ipv4());
        socket.set_reuseaddr(true)?;
        socket.bind(ours.ok_or(io::ErrorKind::AddrNotAvailable)?)?;
    }
    socket.connect(address).await
}
