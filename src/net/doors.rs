//! The TCP sockets that are open, and their change while the server runs: CONFIG SET port and bind.
//!
//! Whoever changes them is any worker; who accepts is the first. A socket is closed by shutting it down here, which frees
//! its address at once, whatever the accepting task is at.

use std::net::{Shutdown, TcpListener};

use anyhow::Result;
use socket2::SockRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::listener::listen;
use crate::config::Config;
use crate::config::special::reason;
use crate::util::ranked::{Mutex, rank};

/// A socket to accept on, until the token says that it is closed.
pub type Door = (TcpListener, CancellationToken);

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

pub struct Doors {
    open: Mutex<(u16, Vec<Open>), { rank("doors") }>,
    sender: UnboundedSender<Door>,
}

impl Doors {
    /// Opens what the configuration asks for, and where new sockets come in.
    pub fn open(config: &Config) -> Result<(Self, UnboundedReceiver<Door>)> {
        let (sender, receiver) = unbounded_channel();
        let doors = Doors {
            open: Mutex::default(),
            sender,
        };
        let port = config.port.get() as u16;
        let opened = doors.listen(config, port)?;
        *doors.open.lock() = (port, opened);
        Ok((doors, receiver))
    }

    /// Lets nobody in any more.
    pub fn close(&self) {
        self.open.lock().1.clear();
    }

    /// The ports that are listened on.
    pub fn ports(&self) -> Vec<u16> {
        let open = self.open.lock();
        let ports = open.1.iter().filter_map(|one| one.socket.local_addr().ok());
        ports.map(|address| address.port()).collect()
    }

    /// Opens what the configuration says now in the place of what is open; if that can't be done, nothing has changed
    /// but for a moment in which nobody was let in.
    pub fn change(&self, config: &Config, before: impl FnOnce()) -> Result<()> {
        let mut open = self.open.lock();
        let port = config.port.get() as u16;
        let (old_port, old) = std::mem::take(&mut *open);
        if port != old_port {
            // Clients that come meanwhile find one of the two.
            match self.listen(config, port) {
                Ok(new) => *open = (port, new),
                Err(error) => {
                    *open = (old_port, old);
                    before();
                    return Err(error);
                }
            }
            return Ok(());
        }
        // The same port at other addresses: the old ones stand in the way.
        drop(old);
        match self.listen(config, port) {
            Ok(new) => {
                *open = (port, new);
                Ok(())
            }
            Err(error) => {
                before();
                if let Ok(again) = self.listen(config, port) {
                    *open = (port, again);
                }
                Err(error)
            }
        }
    }

    fn listen(&self, config: &Config, port: u16) -> Result<Vec<Open>> {
        let backlog = config.tcp_backlog.get() as i32;
        let mut opened = Vec::new();
        let names = &config.bind.get().0;
        if port == 0 || names.is_empty() {
            return Ok(opened);
        }
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
                        opened.clear();
                        break;
                    }
                }
            }
        }
        anyhow::ensure!(
            !opened.is_empty(),
            "Failed listening on port {port} (tcp), aborting."
        );
        for one in &opened {
            // If nobody accepts any more, the server is stopping.
            let _ = self
                .sender
                .send((one.socket.try_clone()?, one.closed.clone()));
        }
        Ok(opened)
    }
}

/// Why a socket can't be opened, as the system says it.
fn told(error: &anyhow::Error) -> String {
    match error.downcast_ref::<std::io::Error>() {
        Some(error) => reason(error),
        None => format!("{error:#}"),
    }
}
