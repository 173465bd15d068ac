//! Listening sockets, TCP and unix, and the handing out of what they accept.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc::UnboundedReceiver;

use super::doors::{Door, Doors, Spoken};
use super::stream::NetStream;
use super::tls::Secure;
use crate::config::Config;
use crate::tls::Tls;

/// A socket just accepted, not yet on any worker's runtime.
pub enum Accepted {
    Tcp(std::net::TcpStream),
    /// A TCP socket on which TLS is to be spoken.
    Tls(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream, String),
}

impl Accepted {
    /// Takes the socket onto this thread's runtime: the stream, its peer's address and its own.
    pub fn register(self, tls: &Tls) -> std::io::Result<(NetStream, String, String)> {
        match self {
            Accepted::Tcp(stream) => {
                let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
                let stream = tokio::net::TcpStream::from_std(stream)?;
                Ok((NetStream::Tcp(stream), show(peer), show(local)))
            }
            Accepted::Tls(stream) => {
                let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
                let stream = tokio::net::TcpStream::from_std(stream)?;
                // Without one it has been turned off a moment ago.
                let setup = tls.setup().ok_or(std::io::ErrorKind::NotConnected)?;
                let secure = Secure::new(stream, setup.server.clone())?;
                Ok((NetStream::Tls(Box::new(secure)), show(peer), show(local)))
            }
            Accepted::Unix(stream, path) => {
                let stream = tokio::net::UnixStream::from_std(stream)?;
                Ok((
                    NetStream::Unix(stream),
                    format!("{path}:0"),
                    format!("{path}:0"),
                ))
            }
        }
    }

    /// Whether protected mode lets it in: it comes from this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Accepted::Tcp(stream) | Accepted::Tls(stream) => stream
                .peer_addr()
                .is_ok_and(|peer| canonical(peer.ip()).is_loopback()),
            Accepted::Unix(..) => true,
        }
    }

    /// Says why it is turned away, and closes it.
    pub fn refuse(self, line: &str) {
        use std::io::Write;
        // It may be gone already, and has no claim to more than one try.
        let _ = match self {
            Accepted::Tcp(mut stream) => stream.write_all(line.as_bytes()),
            // Whoever speaks TLS would not understand it.
            Accepted::Tls(_) => Ok(()),
            Accepted::Unix(mut stream, _) => stream.write_all(line.as_bytes()),
        };
    }
}

fn canonical(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

fn show(address: SocketAddr) -> String {
    SocketAddr::new(canonical(address.ip()), address.port()).to_string()
}

struct UnixDoor {
    listener: UnixListener,
    file: SocketFile,
    /// As it was configured: clients are shown with it.
    name: String,
}

/// Everything the server listens on.
pub struct Listeners {
    pub doors: Arc<Doors>,
    opened: UnboundedReceiver<Door>,
    unix: Option<UnixDoor>,
    keepalive_s: u64,
}

impl Listeners {
    /// Opens what the configuration asks for. Must be called on a runtime.
    pub fn open(config: &Config) -> Result<Self> {
        let backlog = config.tcp_backlog.get() as i32;
        let (doors, opened) = Doors::open(config)?;
        let name = config.unixsocket.get();
        let unix = if name.is_empty() {
            None
        } else {
            let path = config.place_of(&name);
            let permissions = config.unixsocketperm.get() as u32;
            Some(UnixDoor {
                listener: listen_unix(&path, permissions, backlog)?,
                file: SocketFile(path),
                name: String::from_utf8_lossy(&name).into_owned(),
            })
        };
        Ok(Listeners {
            doors: Arc::new(doors),
            opened,
            unix,
            keepalive_s: config.tcp_keepalive.get() as u64,
        })
    }

    pub fn tcp_ports(&self) -> impl Iterator<Item = u16> {
        self.doors.ports().into_iter()
    }

    /// Whether there is a TCP port on which this is spoken.
    pub fn speaks(&self, spoken: Spoken) -> bool {
        self.doors.speaks(spoken)
    }

    pub fn has_unix(&self) -> bool {
        self.unix.is_some()
    }

    /// Accepts for ever, giving each socket to `hand`.
    pub async fn accept(self, hand: impl Fn(Accepted) + Clone + 'static) {
        let keepalive_s = self.keepalive_s;
        let mut tasks = tokio::task::JoinSet::new();
        if let Some(door) = self.unix {
            let hand_unix = hand.clone();
            tasks.spawn_local(async move {
                let _owner = door.file;
                loop {
                    match door
                        .listener
                        .accept()
                        .await
                        .and_then(|(stream, _)| stream.into_std())
                    {
                        Ok(stream) => hand_unix(Accepted::Unix(stream, door.name.clone())),
                        Err(error) => rest(&error).await,
                    }
                }
            });
        }
        let mut opened = self.opened;
        while let Some((listener, spoken, closed)) = opened.recv().await {
            let listener = match TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::warn!("Can't accept on a socket that was opened: {error}");
                    continue;
                }
            };
            let hand = hand.clone();
            tasks.spawn_local(async move {
                loop {
                    let accepted = tokio::select! {
                        accepted = listener.accept() => accepted,
                        () = closed.cancelled() => return,
                    };
                    match accepted.and_then(|(stream, _)| stream.into_std()) {
                        Ok(stream) => {
                            tune(&stream, keepalive_s);
                            hand(match spoken {
                                Spoken::Clear => Accepted::Tcp(stream),
                                Spoken::Tls => Accepted::Tls(stream),
                            });
                        }
                        Err(_) if closed.is_cancelled() => return,
                        Err(error) => rest(&error).await,
                    }
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// Removes the socket's file when the server stops.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Out of file descriptors, most likely: trying again at once would only burn time.
async fn rest(error: &std::io::Error) {
    tracing::warn!("Accepting client connection: {error}");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

fn tune(stream: &std::net::TcpStream, keepalive_s: u64) {
    // A socket that is gone already shows at its first read.
    let _ = stream.set_nodelay(true);
    if keepalive_s > 0 {
        let probe = Duration::from_secs((keepalive_s / 3).max(1));
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(keepalive_s))
            .with_interval(probe)
            .with_retries(3);
        let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
    }
}

fn listen_unix(path: &Path, permissions: u32, backlog: i32) -> Result<UnixListener> {
    let _ = std::fs::remove_file(path);
    let open = || -> Result<UnixListener> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        if permissions != 0 {
            // The file that `bind` makes has the socket's own mode, so it is at no time open to more than it shall be.
            rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(permissions))?;
        }
        socket.bind(&socket2::SockAddr::unix(path)?)?;
        if permissions != 0 {
            // What the process's mask took away is given back.
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(permissions))?;
        }
        socket.listen(backlog)?;
        socket.set_nonblocking(true)?;
        let listener: std::os::unix::net::UnixListener = socket.into();
        Ok(UnixListener::from_std(listener)?)
    };
    open().with_context(|| format!("Failed opening Unix socket: bind: {}", path.display()))
}
