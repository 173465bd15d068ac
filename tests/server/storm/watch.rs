//! Who waits for a storm that does not end: it says which seed it was, shows where every thread stands, and ends the servers.

use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

pub struct Watch {
    seed: u64,
    servers: Vec<Pid>,
    done: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub fn begin(seed: u64, patience: Duration, servers: &[Pid]) -> Watch {
        let (done, is_done) = channel::<()>();
        let watched = servers.to_vec();
        let thread = std::thread::spawn(move || {
            if is_done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                show(seed, &watched, "it does not end");
                for server in watched {
                    // Whoever waits for it hears that it is gone, and fails.
                    let _ = kill_process(server, Signal::KILL);
                }
            }
        });
        Watch {
            seed,
            servers: servers.to_vec(),
            done: Some(done),
            thread: Some(thread),
        }
    }

    pub fn show(&self, what: &str) {
        show(self.seed, &self.servers, what);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where the servers' threads stand, if there is a debugger that can tell.
fn show(seed: u64, servers: &[Pid], what: &str) {
    println!("storm {seed}: {what}");
    for server in servers {
        let pid = server.as_raw_nonzero().to_string();
        let told = Command::new("gdb")
            .args(["-p", &pid, "-batch", "-nx", "-ex", "thread apply all bt 40"])
            .output();
        match told {
            Ok(told) => println!("{}", String::from_utf8_lossy(&told.stdout)),
            Err(error) => println!("{pid}: no debugger ({error})"),
        }
    }
}
