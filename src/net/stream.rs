//! A client's socket: TCP, TLS over it, or unix.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ServerConfig};
use socket2::SockRef;
use tokio::io::AsyncWrite;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::io::poll_read_buf;

use super::tls::Secure;

pub enum NetStream {
    Tcp(TcpStream),
    Tls(Box<Secure>),
    Unix(UnixStream),
}

impl NetStream {
    /// A connection from another server, which speaks TLS.
    pub fn accept_tls(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        Ok(NetStream::Tls(Box::new(Secure::new(socket, config)?)))
    }

    /// A connection to another server, over TLS.
    pub fn connect_tls(socket: TcpStream, config: Arc<ClientConfig>) -> io::Result<Self> {
        Ok(NetStream::Tls(Box::new(Secure::to_server(socket, config)?)))
    }

    /// Reads what is there to the end of `buf`; 0 at the end of the stream.
    pub fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buf: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            NetStream::Tcp(stream) => poll_read_buf(Pin::new(stream), context, buf),
            NetStream::Tls(stream) => stream.poll_read(context, buf),
            NetStream::Unix(stream) => poll_read_buf(Pin::new(stream), context, buf),
        }
    }

    /// Writes what the socket takes at once.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            NetStream::Tcp(stream) => stream.try_write(bytes),
            NetStream::Tls(stream) => stream.try_write(bytes),
            NetStream::Unix(stream) => stream.try_write(bytes),
        }
    }

    pub fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            NetStream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            NetStream::Tls(stream) => stream.poll_write(context, bytes),
            NetStream::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    /// The certificate that the other end has shown.
    pub fn shown(&self) -> Option<&CertificateDer<'static>> {
        match self {
            NetStream::Tls(stream) => stream.shown(),
            NetStream::Tcp(_) | NetStream::Unix(_) => None,
        }
    }

    /// From now on the kernel may wait for more to send, and send less often.
    pub fn gather(&self) {
        let socket = match self {
            NetStream::Tcp(socket) => socket,
            NetStream::Tls(stream) => stream.socket(),
            NetStream::Unix(_) => return,
        };
        // A socket that is gone already shows at its next write.
        let _ = socket.set_nodelay(false);
    }

    /// Whether the other end has gone, and has left nothing to be read.
    pub fn is_gone(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let peeked = match self {
            NetStream::Tcp(stream) => SockRef::from(stream).peek(&mut byte),
            NetStream::Tls(stream) => SockRef::from(stream.socket()).peek(&mut byte),
            NetStream::Unix(stream) => SockRef::from(stream).peek(&mut byte),
        };
        match peeked {
            Ok(bytes) => bytes == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    pub fn descriptor(&self) -> i32 {
        match self {
            NetStream::Tcp(stream) => stream.as_raw_fd(),
            NetStream::Tls(stream) => stream.socket().as_raw_fd(),
            NetStream::Unix(stream) => stream.as_raw_fd(),
        }
    }
}
