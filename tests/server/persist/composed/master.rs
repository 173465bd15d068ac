//! A full sync of composed bytes: a master that greets a replica, sends it a snapshot, and then stays silent.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::enveloped;
use super::updates::{updated, with_updates};
use crate::common::{Server, eventually};

/// Answers a replica's greeting until it asks for the stream, and then sends the snapshot.
fn serve(mut stream: TcpStream, snapshot: &[u8]) -> std::io::Result<()> {
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&piece[..count]).into_owned();
        if said.contains("PSYNC") {
            let id = "0".repeat(40);
            let head = format!("+FULLRESYNC {id} 1\r\n${}\r\n", snapshot.len());
            stream.write_all(&[head.as_bytes(), snapshot].concat())?;
        } else if said.contains("PING") {
            stream.write_all(b"+PONG\r\n")?;
        } else if said.contains("listening-port")
            || said.contains("capa")
            || said.contains("version")
        {
            stream.write_all(b"+OK\r\n")?;
        }
    }
}

/// A master that serves every replica that comes, one after another, until it is dropped.
pub struct Master {
    pub port: u16,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Master {
    pub fn start(snapshot: Vec<u8>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().unwrap().port();
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                // A replica that is stopped may reset the connection.
                let _ = serve(stream, &snapshot);
            }
        });
        Master {
            port,
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // It wakes the master, which then sees that it is over. The replicas are gone.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_full_sync_brings_edits_and_may_be_compressed() {
    for load in ["disabled", "on-empty-db", "swapdb"] {
        for snapshot in [
            with_updates(),
            enveloped(&with_updates(), 1),
            enveloped(&with_updates(), 2),
        ] {
            let master = Master::start(snapshot);
            let server = Server::start(&["--repl-diskless-load", load]);
            let mut client = server.client();
            client.ask("SET counter 7");
            client.ask("SET before 1");
            if load == "on-empty-db" {
                client.ask("FLUSHALL");
            }
            client.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
            eventually(
                &format!("the link is up with {load}: {}", server.log()),
                || {
                    let info = client.ask("INFO replication").text();
                    info.contains("master_link_status:up")
                },
            );
            updated(&mut client);
            assert_eq!(client.ask("EXISTS before").int(), 0);
            drop(server);
        }
    }
}
