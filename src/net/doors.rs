//! The TCP sockets that are open, and their change while the server runs: CONFIG SET port, tls-port and bind.
//!
//! Whoever changes them is any worker; who accepts is the first. A socket is closed by shutting it down here, which frees
//! its address at once, whatever the accepting task is at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::config::special::reason;
use crate::util::ranked::{Mutex, rank};

/// A socket to accept on, what is spoken there, and a token that says when it is closed.
pub type Door = (TcpListener, Spoken, CancellationToken);

struct Open {
    /// A second handle of the socket.
    socket: TcpListener,
    closed: CancellationToken,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.closed.cancel();
        // One that isn't listening any more is closed enough.
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Both);
    }
}

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    Clear,
    Tls,
}

const BOTH: [Spoken; 2] = [Spoken::Clear, Spoken::Tls];

/// The sockets for one of them, and by what words they were opened.
#[derive(Default)]
struct BoundSockets {
    port: u16,
    names: Vec<String>,
    sockets: Vec<Open>,
}

pub struct Doors {
    /// In the order of [`BOTH`].
    bound: Mutex<[BoundSockets; 2], { rank("doors") }>,
    sender: UnboundedSender<Door>,
}

impl Doors {
    /// Opens what the configuration asks for, and where new sockets come in.
    pub fn open(config: &Config) -> Result<(Self, UnboundedReceiver<Door>)> {
        let (sender, receiver) = unbounded_channel();
        let doors = Doors {
            bound: Mutex::default(),
            sender,
        };
        let names = config.bind.get().0.clone();
        for (at, spoken) in BOTH.into_iter().enumerate() {
            let opened = doors.listen(config, spoken, &names)?;
            doors.bound.lock()[at] = opened;
        }
        Ok((doors, receiver))
    }

    /// Lets nobody in any more.
    pub fn close(&self) {
        let mut bound = self.bound.lock();
        bound.iter_mut().for_each(|one| one.sockets.clear());
    }

    /// The ports that are listened on, those without TLS first.
    pub fn ports(&self) -> Vec<u16> {
        let bound = self.bound.lock();
        let sockets = bound.iter().flat_map(|one| &one.sockets);
        let ports = sockets.filter_map(|one| one.socket.local_addr().ok());
        ports.map(|address| address.port()).collect()
    }

    /// Whether there is a port on which this is spoken.
    pub fn speaks(&self, spoken: Spoken) -> bool {
        let bound = self.bound.lock();
        let mut all = BOTH.iter().zip(&*bound);
        all.any(|(kind, one)| *kind == spoken && !one.sockets.is_empty())
    }

    /// Opens what the configuration says now in the place of what is open; if that can't be done, nothing has changed
    /// but for a moment in which nobody was let in.
    pub fn change(&self, config: &Config, put_back: impl FnOnce()) -> Result<()> {
        let mut bound = self.bound.lock();
        let names = config.bind.get().0.clone();
        let mut opened = [None, None];
        let mut failed = None;
        for (at, spoken) in BOTH.into_iter().enumerate() {
            let old = &mut bound[at];
            if old.port == port_of(config, spoken) {
                if old.names == names {
                    continue;
                }
                // The same port at other addresses: the old ones stand in the way. With another port clients that come
                // meanwhile find one of the two.
                old.sockets.clear();
            }
            match self.listen(config, spoken, &names) {
                Ok(new) => opened[at] = Some(new),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let Some(error) = failed else {
            for (old, new) in bound.iter_mut().zip(opened) {
                if let Some(new) = new {
                    *old = new;
                }
            }
            return Ok(());
        };
        drop(opened);
        put_back();
        for (old, spoken) in bound.iter_mut().zip(BOTH) {
            if old.sockets.is_empty()
                && let Ok(again) = self.listen(config, spoken, &old.names)
            {
                *old = again;
            }
        }
        Err(error)
    }

    fn listen(&self, config: &Config, spoken: Spoken, names: &[String]) -> Result<BoundSockets> {
        let port = port_of(config, spoken);
        let backlog = config.tcp_backlog.get() as i32;
        let mut opened = Vec::new();
        let kind = match spoken {
            Spoken::Clear => "tcp",
            Spoken::Tls => "tls",
        };
        if port > 0 && !names.is_empty() {
            opened = open_all(names, port, backlog);
            anyhow::ensure!(
                !opened.is_empty(),
                "Failed listening on port {port} ({kind}), aborting."
            );
        }
        for one in &opened {
            // If nobody accepts any more, the server is stopping.
            let _ = self
                .sender
                .send((one.socket.try_clone()?, spoken, one.closed.clone()));
        }
        Ok(BoundSockets {
            port,
            names: names.to_vec(),
            sockets: opened,
        })
    }
}

fn port_of(config: &Config, spoken: Spoken) -> u16 {
    let port = match spoken {
        Spoken::Clear => config.port.get(),
        Spoken::Tls => config.tls_port.get(),
    };
    port as u16
}

/// Opens a port at each of these addresses; none if one that may not fail can't be opened.
fn open_all(names: &[String], port: u16, backlog: i32) -> Vec<Open> {
    let mut opened = Vec::new();
    for name in names {
        // A leading minus says that an address this machine doesn't have is no failure.
        let (name, optional) = match name.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (name.as_str(), false),
        };
        match listen(name, port, backlog) {
            Ok(socket) => opened.push(Open {
                socket,
                closed: CancellationToken::new(),
            }),
            Err(error) => {
                tracing::warn!(
                    "Warning: Could not create server TCP listening socket {name}:{port}: bind: {}",
                    told(&error)
                );
                if !optional {
                    return Vec::new();
                }
            }
        }
    }
    opened
}

/// Why a socket can't be opened, as the system says it.
fn told(error: &anyhow::Error) -> String {
    match error.downcast_ref::<std::io::Error>() {
        Some(error) => reason(error),
        None => format!("{error:#}"),
    }
}

pub fn listen(name: &str, port: u16, backlog: i32) -> Result<std::net::TcpListener> {
    let ip: IpAddr = match name {
        "*" => Ipv4Addr::UNSPECIFIED.into(),
        "::*" => Ipv6Addr::UNSPECIFIED.into(),
        name => match name.parse() {
            Ok(ip) => ip,
            Err(_) => resolve(name)?,
        },
    };
    let socket = Socket::new(
        Domain::for_address(SocketAddr::new(ip, port)),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if ip.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::new(ip, port).into())?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn resolve(name: &str) -> Result<IpAddr> {
    use std::net::ToSocketAddrs;
    let mut found = (name, 0).to_socket_addrs()?;
    Ok(found
        .next()
        .with_context(|| format!("{name} has no address"))?
        .ip())
}
