//! A Sentinel's start: its file is there and can be written, and its lines are read.

use std::path::Path;

use anyhow::{Result, bail};
use rustix::fs::{Access, access};

use crate::config::Config;
use crate::config::file::{FileError, Loaded};
use crate::config::special::reason;
use crate::sentinel::{Outside, Sentinel, SentinelHome, turn};
use crate::state::sentinel::{Watching, is_program};
use crate::util::dial::look_up;
use crate::util::{chance, clock};

/// Where a Sentinel listens unless it is told otherwise.
const PORT: i64 = 26379;

/// What is other with a Sentinel before its file is read. It is there to be reached by others.
pub fn set_defaults(config: &Config) {
    config.port.put(PORT);
    config.protected_mode.put(false);
}

/// Reads whom to watch from the lines of the file.
pub fn open(config: &Config, loaded: &Loaded, file: Option<&Path>) -> Result<Watching> {
    check_file(file)?;
    if config.cluster_enabled.get() {
        bail!("A Sentinel can't be the node of a cluster.");
    }
    // It has no keys to keep.
    config.appendonly.put(false);
    let port = match (config.tls_replication.get(), config.tls_port.get()) {
        (true, port @ 1..) => port,
        _ => config.port.get(),
    };
    let home = SentinelHome {
        port: u16::try_from(port).unwrap_or_default(),
        requirepass: config.requirepass.get().to_vec(),
    };
    let mut sentinel = Sentinel::new(home, chance::generator(), clock::now_ms() as i64);
    let outside = Outside {
        look_up: &look_up,
        is_program: &|path| is_program(config, path),
    };
    let mut lines: Vec<_> = loaded.sentinel.iter().collect();
    // In the order of the file, but for what others depend on.
    lines.sort_by_key(|line| turn(&line.words));
    for line in lines {
        let read = sentinel.configure(&line.words, &outside);
        read.map_err(|why| FileError::at(&line.place, why))?;
    }
    sentinel.finish();
    Ok(Watching::new(sentinel))
}

fn check_file(file: Option<&Path>) -> Result<()> {
    let Some(file) = file else {
        bail!("Sentinel needs config file on disk to save state. Exiting...");
    };
    if let Err(error) = access(file, Access::WRITE_OK) {
        bail!(
            "Sentinel config file {} is not writable: {}. Exiting...",
            file.display(),
            reason(&error.into())
        );
    }
    Ok(())
}
