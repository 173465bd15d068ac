//! The process as a service: in the background, under a supervisor, its id in a file.

use std::env;
use std::ffi::CString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustix::process::{Signal, getpid, kill_process, setsid};
use sd_notify::NotifyState;

use crate::config::special::reason;
use crate::config::{Config, Supervised};
use crate::persist::disk::Disk;
use crate::state::surroundings::{supervisor, tell_supervisor};

/// Set for the process that is started to stay in the background.
const DETACHED: &str = "VERMILION_DETACHED";

/// Where the process id goes if the configuration doesn't say.
const PID_FILE: &str = "/var/run/redis.pid";

/// Whether the server is to leave whoever starts it: under a supervisor it stays.
pub fn wants_background(config: &Config) -> bool {
    config.daemonize.get() && supervisor(config) == Supervised::No
}

/// Whether this process is the one that was started to stay.
pub fn is_detached() -> bool {
    env::var_os(DETACHED).is_some()
}

/// Starts this program again, with the same command line, to stay in the background; `stdin` is what it reads there.
pub fn detach(stdin: &[u8]) -> Result<()> {
    let mut argv = env::args_os();
    let name = argv.next().unwrap_or_default();
    let mut child = Command::new(env::current_exe()?)
        .arg0(&name)
        .args(argv)
        .env(DETACHED, "1")
        .stdin(match stdin {
            [] => Stdio::null(),
            _ => Stdio::piped(),
        })
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("Can't start in the background")?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(stdin)?;
    }
    Ok(())
}

/// Leaves the terminal and the session of whoever started it. It goes by the name that it was called by.
pub fn settle() {
    // It fails where the process leads a session already, which is as well.
    let _ = setsid();
    let name = env::args_os().next().unwrap_or_default();
    let name = Path::new(&name).file_name().unwrap_or_default();
    if let Ok(name) = CString::new(name.as_encoded_bytes()) {
        let _ = rustix::thread::set_name(&name);
    }
}

/// Tells the supervisor that the server starts. Upstart has the process stop until it has seen that.
pub fn meet_supervisor(config: &Config) {
    match (config.supervised.get(), supervisor(config)) {
        (Supervised::Upstart, Supervised::No) => {
            tracing::warn!("upstart supervision requested, but UPSTART_JOB not found!");
        }
        (Supervised::Systemd, Supervised::No) => {
            tracing::warn!("systemd supervision error: NOTIFY_SOCKET not found!");
        }
        (_, Supervised::Upstart) => {
            tracing::info!("supervised by upstart, will stop to signal readiness.");
            // If it can't be stopped, it goes on.
            let _ = kill_process(getpid(), Signal::STOP);
        }
        (_, Supervised::Systemd) => {
            tell_supervisor(config, &[NotifyState::Status("Redis is loading...")]);
            tracing::info!(
                "Supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and TimeoutStopSec in your service unit."
            );
        }
        _ => {}
    }
    if supervisor(config) != Supervised::No {
        config.supervised.put(supervisor(config));
    }
}

/// The file with the process id; removed when this is dropped.
pub struct PidFile {
    path: PathBuf,
    disk: Arc<dyn Disk>,
}

impl PidFile {
    /// Writes it if the configuration wants one, or the server is in the background. A server that can't goes on without.
    pub fn write(config: &Config, disk: Arc<dyn Disk>) -> Option<PidFile> {
        if config.pidfile.is_empty() {
            if !wants_background(config) {
                return None;
            }
            config.pidfile.put(PID_FILE);
        }
        let path = config.place_of(&config.pidfile.get());
        let line = format!("{}\n", std::process::id());
        let written = disk
            .create(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        match written {
            Ok(()) => Some(PidFile { path, disk }),
            Err(error) => {
                tracing::warn!(
                    "Failed to write PID file {}: {}",
                    path.display(),
                    reason(&error)
                );
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        let _ = self.disk.remove(&self.path);
    }
}
