//! The monitor's thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::script::ScriptProcesses;
use super::wire::PeerWire;
use crate::net::Buffers;
use crate::sentinel::{Again, SentinelAction, WireId};
use crate::state::sentinel::Watching;
use crate::state::shared::Shared;
use crate::util::chance;
use crate::util::clock::Timer;
use crate::util::dial::look_up;
use crate::util::thread;

/// How long names are looked up for whoever waits for them; those that are left are taken as names alone.
const NAMES_TIME: Duration = Duration::from_secs(10);

/// Starts the monitor, if this is a Sentinel.
pub fn serve(shared: &Arc<Shared>) -> Result<Option<JoinHandle<Result<()>>>> {
    if shared.watching.is_none() {
        return Ok(None);
    }
    let shared = shared.clone();
    let thread = thread::start("sentinel", move || {
        let runtime: LocalRuntime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .context("Can't start a runtime")?;
        let served = runtime.block_on(Monitor::run(shared));
        // Names may be looked up for long, by nobody's wish any more.
        runtime.shutdown_background();
        served
    })?;
    Ok(Some(thread))
}

/// A connection, as long as it is wanted.
struct Wired {
    words: UnboundedSender<Vec<Vec<u8>>>,
    _wanted: DropGuard,
}

/// What the tasks of the monitor share.
struct Monitor {
    shared: Arc<Shared>,
    buffers: Buffers,
    wires: RefCell<HashMap<WireId, Wired>>,
    scripts: RefCell<ScriptProcesses>,
}

impl Monitor {
    async fn run(shared: Arc<Shared>) -> Result<()> {
        let monitor = Rc::new(Monitor {
            shared: shared.clone(),
            buffers: Buffers::default(),
            wires: RefCell::default(),
            scripts: RefCell::default(),
        });
        let Some(mut actions) = monitor.watching().actions() else {
            bail!("the monitor was started twice");
        };
        shared.in_sentinel(monitor.watching(), |sentinel| {
            sentinel.begin(chance::identity());
        });
        let mut wait = Duration::ZERO;
        loop {
            let tick = tokio::time::sleep(wait);
            tokio::pin!(tick);
            loop {
                tokio::select! {
                    Some(action) = actions.recv() => monitor.act(action),
                    () = &mut tick => break,
                    () = shared.stop.cancelled() => return Ok(()),
                }
            }
            let (wait_ms, _) = shared.in_sentinel(monitor.watching(), |sentinel| sentinel.tick());
            wait = Duration::from_millis(wait_ms);
        }
    }

    fn watching(&self) -> &Watching {
        let watching = self.shared.watching.as_ref();
        watching.expect("the monitor is started where there is a Sentinel")
    }

    fn act(self: &Rc<Self>, action: SentinelAction) {
        match action {
            SentinelAction::Connect { wire, host, port } => self.connect(wire, host, port),
            SentinelAction::Send { wire, words } => {
                if let Some(wired) = self.wires.borrow().get(&wire) {
                    // Its task may have ended a moment ago.
                    let _ = wired.words.send(words);
                }
            }
            SentinelAction::Close { wire } => drop(self.wires.borrow_mut().remove(&wire)),
            SentinelAction::LookUp { names, again } => self.look_up(names, again),
            SentinelAction::RunScript { job, argv } => {
                self.scripts.borrow_mut().run(&self.shared, job, &argv);
            }
            SentinelAction::KillScript { job } => self.scripts.borrow_mut().kill(job),
            SentinelAction::ForgetScript { job } => self.scripts.borrow_mut().forget(job),
            // Done where they were decided: see `Shared::in_sentinel`.
            SentinelAction::Event { .. }
            | SentinelAction::Log(_)
            | SentinelAction::LogDelay(_)
            | SentinelAction::Crash => {}
        }
    }

    fn connect(self: &Rc<Self>, wire: WireId, host: String, port: u16) {
        let (sender, words) = unbounded_channel();
        let wanted = CancellationToken::new();
        let wired = Wired {
            words: sender,
            _wanted: wanted.clone().drop_guard(),
        };
        self.wires.borrow_mut().insert(wire, wired);
        let monitor = self.clone();
        tokio::task::spawn_local(async move {
            let peer = PeerWire {
                shared: &monitor.shared,
                watching: monitor.watching(),
                buffers: &monitor.buffers,
                id: wire,
                words,
            };
            tokio::select! {
                () = peer.serve(&host, port) => {
                    monitor.wires.borrow_mut().remove(&wire);
                    monitor.shared.in_sentinel(monitor.watching(), |sentinel| sentinel.closed(wire));
                }
                // The state has closed it, and knows.
                () = wanted.cancelled() => {}
            }
        });
    }

    fn look_up(self: &Rc<Self>, names: Vec<String>, again: Again) {
        let monitor = self.clone();
        tokio::task::spawn_local(async move {
            let look_up = move || -> Vec<(String, Option<String>)> {
                let begun = Timer::start();
                let in_time = names
                    .into_iter()
                    .take_while(|_| begun.elapsed() < NAMES_TIME);
                let answers = in_time.map(|name| {
                    let ip = look_up(&name);
                    (name, ip)
                });
                answers.collect()
            };
            // Whoever waits is told, though nothing was found.
            let answers = thread::start_aside(look_up).await;
            monitor.shared.in_sentinel(monitor.watching(), |sentinel| {
                sentinel.looked_up(answers.unwrap_or_default(), again);
            });
        });
    }
}
