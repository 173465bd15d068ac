//! Clients that come: who is let in, and by which worker each is served.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::exec::Worker;
use crate::net::{self, Accepted, Buffers, NetStream};
use crate::state::client::Client;
use crate::state::shared::Shared;
use crate::util::clock;

const PROTECTED: &str = "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n";

/// Turns away who may not come in.
pub fn welcome(shared: &Shared, socket: Accepted) -> Option<Accepted> {
    let config = &shared.config;
    let refused = &shared.stats.worker(0).counters.rejected_connections;
    if !shared.clients.expect(config.maxclients.get() as usize) {
        refused.add_shared(1);
        socket.refuse("-ERR max number of clients reached\r\n");
        return None;
    }
    // Whoever speaks TLS hears of it when that is agreed on, and would not understand it before.
    if !matches!(socket, Accepted::Tls(_)) && keeps_out(shared, socket.is_local()) {
        shared.clients.arrived();
        refused.add_shared(1);
        socket.refuse(PROTECTED);
        return None;
    }
    Some(socket)
}

/// Whether protected mode turns clients away that come from here or from elsewhere.
fn keeps_out(shared: &Shared, is_local: bool) -> bool {
    let no_pass = shared.users.default().rights().no_pass;
    shared.config.protected_mode.get() && no_pass && !is_local
}

/// A client that is expected, until it is served or gone: also if its handshake should panic.
struct Arrival(Arc<Shared>);

impl Drop for Arrival {
    fn drop(&mut self) {
        self.0.clients.arrived();
    }
}

/// Starts serving a socket on this worker.
pub fn start(worker: &Rc<Worker>, buffers: &Rc<Buffers>, socket: Accepted) {
    let clients = &worker.shared.clients;
    let is_local = socket.is_local();
    let Ok((stream, address, local)) = socket.register(&worker.shared.tls) else {
        return clients.arrived(); // It is gone already.
    };
    let arrival = Arrival(worker.shared.clone());
    if !matches!(stream, NetStream::Tls(_)) {
        return admit(worker, buffers, stream, address, local);
    }
    let (worker, buffers) = (worker.clone(), buffers.clone());
    let mut stream = stream;
    tokio::task::spawn_local(async move {
        let _arrival = arrival;
        let seconds = worker.shared.config.tls_handshake_timeout.get();
        let patience = Duration::from_secs(seconds as u64);
        match net::shake_hands(&buffers, &mut stream, patience).await {
            Ok(()) if keeps_out(&worker.shared, is_local) => {
                worker.stats().counters.rejected_connections.add_shared(1);
                // It has no claim to more than one try.
                let _ = stream.try_write(PROTECTED.as_bytes());
            }
            Ok(()) => admit(&worker, &buffers, stream, address, local),
            Err(error) => {
                tracing::warn!(
                    "Error accepting a client connection: {error} (addr={address} laddr={local})"
                );
            }
        }
    });
}

/// Serves a client that has come.
fn admit(
    worker: &Rc<Worker>,
    buffers: &Rc<Buffers>,
    stream: NetStream,
    address: String,
    local: String,
) {
    let clients = &worker.shared.clients;
    let id = clients.new_id();
    let client = Arc::new(Client::new(
        id,
        address,
        local,
        stream.descriptor(),
        worker.id,
        clock::now_ms(),
    ));
    clients.add(client.clone());
    tracing::debug!("Accepted {}", client.address);
    worker.stats().counters.connections.add(1);
    tokio::task::spawn_local(net::serve(worker.clone(), buffers.clone(), stream, client));
}
