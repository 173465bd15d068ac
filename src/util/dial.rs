//! Connections to other servers, from an address of ours if one is named.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// The address that a host's name means, by the system's way to find it; it may take long.
pub fn look_up(host: &str) -> Option<String> {
    let mut found = (host, 0).to_socket_addrs().ok()?;
    Some(found.next()?.ip().to_string())
}

pub fn dial(host: &str, port: u16, source: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut failed = io::Error::other("the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match dial_one(address, source, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn dial_one(address: SocketAddr, source: &str, timeout: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if !source.is_empty() {
        let ours = (source, 0).to_socket_addrs()?;
        let mut ours = ours.filter(|ours| ours.is_ipv4() == address.is_ipv4());
        let ours = ours.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        SockRef::from(&socket).set_reuse_address(true)?;
        socket.bind(&ours.into())?;
    }
    socket.connect_timeout(&address.into(), timeout)?;
    Ok(socket.into())
}
