//! ScriptProcesses as processes: each is waited for by a thread of its own.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::config::Config;
use crate::sentinel::{JobId, Sentinel};
use crate::state::shared::Shared;
use crate::util::thread;

/// What is told of a script that can't be run at all: it is not tried again.
const NO_PROGRAM: i32 = 2;

/// Processes that run, by handles that are theirs alone: their numbers may be given to others once they have ended.
#[derive(Default)]
pub struct ScriptProcesses(HashMap<JobId, OwnedFd>);

impl ScriptProcesses {
    pub fn run(&mut self, shared: &Arc<Shared>, job: JobId, argv: &[Vec<u8>]) {
        match start(&shared.config, argv) {
            Ok(child) => self.watch(shared, job, child),
            Err(error) if is_final(&error) => {
                tell(shared, |sentinel| sentinel.script_ended(job, NO_PROGRAM, 0));
            }
            Err(_) => tell(shared, |sentinel| sentinel.script_not_started(job)),
        }
    }

    fn watch(&mut self, shared: &Arc<Shared>, job: JobId, mut child: Child) {
        let pid = child.id();
        let handle = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let handle = handle.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        self.0.extend(handle.map(|handle| (job, handle)));
        tell(shared, |sentinel| sentinel.script_began(job, pid));
        let waiting = shared.clone();
        let thread = thread::start("script", move || {
            let status = child.wait().unwrap_or_default();
            let (code, signal) = (status.code().unwrap_or(0), status.signal().unwrap_or(0));
            tell(&waiting, |sentinel| {
                sentinel.script_ended(job, code, signal)
            });
        });
        if thread.is_err() {
            // Nobody hears of its end.
            tell(shared, |sentinel| sentinel.script_ended(job, 0, 0));
        }
    }

    /// Ends a script that takes too long.
    pub fn kill(&mut self, job: JobId) {
        if let Some(handle) = self.0.get(&job) {
            // It may have ended by now.
            let _ = pidfd_send_signal(handle, Signal::KILL);
        }
    }

    /// Forgets those that have ended.
    pub fn forget(&mut self, job: JobId) {
        self.0.remove(&job);
    }
}

/// Starts it where the server's files are, so that paths begin there.
fn start(config: &Config, argv: &[Vec<u8>]) -> io::Result<Child> {
    let [path, words @ ..] = argv else {
        return Err(io::ErrorKind::NotFound.into());
    };
    Command::new(config.place_of(path))
        .arg0(OsStr::from_bytes(path))
        .args(words.iter().map(|word| OsStr::from_bytes(word)))
        .current_dir(&config.dir.get().0)
        .stdin(Stdio::null())
        .spawn()
}

/// Whether no later try would go better.
fn is_final(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory
    )
}

fn tell(shared: &Shared, change: impl FnOnce(&mut Sentinel)) {
    if let Some(watching) = &shared.watching {
        shared.in_sentinel(watching, change);
    }
}
