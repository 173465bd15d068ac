//! What the program does with its command line: starts a server, or says why not.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;

use crate::config::cli::{Cli, Start, parse};
use crate::config::{Config, REDIS_VERSION, file};
use crate::daemon::{self, PidFile};
use crate::persist::disk::{Disk, OsDisk};
use crate::server::Server;
use crate::util::{crash, glob, memory, system};
use crate::{background, log, monitor};

/// The body of `main`.
pub fn main() -> ExitCode {
    let start = match parse(std::env::args_os()) {
        Cli::Start(start) => start,
        Cli::CheckSystem => {
            let config = Config::new();
            let (told, sound) = system::check(config.tcp_backlog.get(), config.maxclients.get());
            print!("{told}");
            return if sound {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            };
        }
        Cli::Say {
            text,
            failed: false,
        } => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Cli::Say { text, failed: true } => {
            eprint!("{text}");
            return ExitCode::FAILURE;
        }
    };
    match run(&start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A configuration that can't be read is told as Redis tells it, everything else in a log line.
            match error.downcast_ref::<file::FileError>() {
                Some(error) => eprintln!("{error}"),
                None => tracing::error!("{error:#}"),
            }
            ExitCode::FAILURE
        }
    }
}

fn run(start: &Start) -> Result<()> {
    let config = Arc::new(Config::new());
    let mut stdin = Vec::new();
    if start.stdin {
        std::io::stdin().read_to_end(&mut stdin)?;
    }
    let text = file::gather(start, &stdin[..])?;
    if start.sentinel {
        monitor::set_defaults(&config);
    }
    let loaded = file::load(&config, &text, glob::matches)?;
    if !start.sentinel {
        loaded.without_sentinel()?;
    }
    if daemon::is_detached() {
        daemon::settle();
    } else if daemon::wants_background(&config) {
        return daemon::detach(&stdin);
    }
    log::start(&config, start.sentinel);
    daemon::meet_supervisor(&config);
    background::report_aborts(&config)?;
    let reporting = config.clone();
    crash::watch_panics(move || reporting.crash_log_enabled.get());
    greet(start, &config);
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let watching = match start.sentinel {
        true => Some(monitor::open(&config, &loaded, start.file.as_deref())?),
        false => None,
    };
    let file = start.file.as_deref();
    let server = Server::new(config.clone(), &loaded, file, disk.clone(), watching)?;
    let _pid_file = PidFile::write(&config, disk);
    show_logo(&config, server.mode(), server.port());
    if let Some(fault) = system::backlog_fault(config.tcp_backlog.get()) {
        tracing::warn!("WARNING: {fault}");
    }
    tracing::info!("Server initialized");
    memory::publish();
    server.run()
}

fn greet(start: &Start, config: &Config) {
    let pid = std::process::id();
    tracing::info!("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    tracing::info!(
        "Redis version={REDIS_VERSION}, bits=64, vermilion={}, pid={pid}, just started",
        env!("CARGO_PKG_VERSION")
    );
    match start.is_bare() {
        false => tracing::info!("Configuration loaded"),
        true => tracing::warn!(
            "Warning: no config file specified, using the default config. In order to specify a config file use vermilion /path/to/redis.conf"
        ),
    }
    let idle = config.idle_directives();
    if !idle.is_empty() {
        tracing::warn!(
            "These directives are set and do nothing here, redis.conf.example says why: {}",
            idle.join(", ")
        );
    }
}

/// A few lines for whoever starts the server by hand, one for a log.
fn show_logo(config: &Config, mode: &str, port: u16) {
    let logs_elsewhere = config.syslog_enabled.get() || !config.logfile.is_empty();
    let by_hand = !logs_elsewhere && std::io::stdout().is_terminal();
    if !by_hand && !config.always_show_logo.get() {
        return tracing::info!("Running mode={mode}, port={port}.");
    }
    tracing::info!(
        "\n\n    Vermilion {} (Redis {REDIS_VERSION}) 64 bit\n\n    Running in {mode} mode\n    Port: {port}\n    PID: {}\n",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
}
