//! CONFIG: directives shown, set and written back to their file.

use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::command::Flag::{Admin, Loading, NoScript, SetsLimits, Stale};
use crate::command::{Arg, Command, Done, Fail, Flow, Run, SessionCall, help};
use crate::config::special::reason;
use crate::config::{self, Directive, OomScoreAdj, SetError};
use crate::state::shared::Shared;
use crate::util::glob;
use crate::util::memory;
use crate::util::system::OWN_DESCRIPTORS;

pub const CONFIG: Command = Command {
    name: "config",
    summary: "Shows and sets the server's configuration",
    cost: "Depends on subcommand.",
    since: "2.0.0",
    run: Run::Container,
    subcommands: &[&GET, &help::HELP, &RESETSTAT, &REWRITE, &SET],
    ..Command::PLAIN
};

const GET: Command = Command {
    name: "get",
    summary: "Returns the directives that match any of these names or patterns",
    cost: "O(N) for N names given",
    since: "2.0.0",
    flags: &[Admin, NoScript, Loading, Stale],
    args: &[Arg::block("parameter", &[Arg::text("parameter")]).many()],
    run: Run::Session(get),
    ..Command::PLAIN
};

fn get(call: &mut SessionCall<'_>) -> Done {
    let mut found: Vec<(String, &Directive)> = Vec::new();
    let mut add = |name: &str, directive| {
        if !found
            .iter()
            .any(|(held, _)| held.eq_ignore_ascii_case(name))
        {
            found.push((name.to_owned(), directive));
        }
    };
    for wanted in call.args.rest() {
        if wanted.iter().any(|byte| b"*?[".contains(byte)) {
            config::names()
                .filter(|(_, directive)| !directive.traits.hidden)
                .filter(|(name, _)| glob::matches(wanted, name.as_bytes(), true))
                .for_each(|(name, directive)| add(name, directive));
        } else if let Some(directive) = config::find(wanted) {
            // A name without a pattern comes back as it was written.
            add(&String::from_utf8_lossy(wanted), directive);
        }
    }
    call.out.map(found.len());
    for (name, directive) in found {
        call.out.bulk(name);
        call.out.bulk(call.server.config.text(directive));
    }
    Ok(Flow::Done)
}

const SET: Command = Command {
    name: "set",
    summary: "Sets directives, all of them or none",
    cost: "O(N) for N directives given",
    since: "2.0.0",
    flags: &[Admin, NoScript, Loading, Stale, SetsLimits],
    args: &[Arg::block("data", &[Arg::text("parameter"), Arg::text("value")]).many()],
    run: Run::Session(set),
    secrets: Some(hide_values),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Command::PLAIN
};

/// Hides the values of directives that hold passwords.
fn hide_values(argv: &[&[u8]], hide: &mut dyn FnMut(usize)) {
    for at in (2..argv.len()).step_by(2) {
        if config::find(argv[at]).is_some_and(|directive| directive.traits.sensitive) {
            hide(at + 1);
        }
    }
}

/// What loading goes by.
const NOT_WHILE_LOADING: [&[u8]; 2] = [b"appendonly", b"dir"];

fn set(call: &mut SessionCall<'_>) -> Done {
    let pairs: Vec<_> = call.args.pairs().ok_or(Fail::SYNTAX)?.collect();
    let config = &call.server.config;
    let loads = call.server.store.loading.is_on() || call.server.replication.loads_aside();
    if loads
        && pairs.iter().any(|(name, _)| {
            NOT_WHILE_LOADING
                .iter()
                .any(|fixed| name.eq_ignore_ascii_case(fixed))
        })
    {
        return Err(Fail::code(
            "LOADING Failed to set the specified config while loading data",
        ));
    }
    let before = AppliedConfig::of(call.server);
    let local = call.session.client.is_local();
    let changed = config
        .set_many(&pairs, local)
        .map_err(|error| Fail::said(error.to_string()))?;
    let of_tls = pairs
        .iter()
        .map(|(name, _)| name)
        .find(|name| name.to_ascii_lowercase().starts_with(b"tls-"));
    let undo = || {
        config.roll_back(&changed);
        // As it was before, which the kernel took then.
        let _ = call.server.apply_oom_score();
        if of_tls.is_some() {
            // What was read before can be read again; if not, what was taken stays.
            let _ = call.server.tls.configure(config);
        }
    };
    let may_turn_on = call.server.store.may_turn_on_log();
    let applied = may_turn_on
        .map_err(|why| SetError::refused("appendonly", why))
        .and_then(|()| match of_tls {
            Some(name) => reload_tls(call.server, name),
            None => Ok(()),
        })
        .and_then(|()| before.apply(call.server, &|| config.roll_back(&changed)));
    if let Err(error) = applied {
        undo();
        return Err(Fail::said(error.to_string()));
    }
    call.server.apply_config();
    let dirty = call.server.stats.totals().dirty;
    let in_exec = call.session.in_exec;
    call.server.store.apply_config(dirty, in_exec);
    if changed
        .iter()
        .any(|changed| changed.directive.name == "maxmemory")
    {
        warn_of_memory(config.maxmemory.get());
    }
    let is_password = |changed: &config::Changed| changed.directive.name == "requirepass";
    if changed.iter().any(is_password) {
        call.server
            .users
            .require_password(&config.requirepass.get());
        call.server.guards.moved();
    }
    call.out.ok();
    Ok(Flow::Done)
}

/// Reads certificates and keys anew, though the directive may say what it said before: the files may not be what they were.
fn reload_tls(server: &Shared, name: &[u8]) -> Result<(), SetError> {
    server.tls.configure(&server.config).map_err(|why| {
        tracing::warn!("{why}");
        let why = "Unable to update TLS configuration. Check server logs.";
        SetError::refused(String::from_utf8_lossy(name), why)
    })
}

/// A limit below what is held already costs keys, or writes.
fn warn_of_memory(limit: u64) {
    let used = memory::used();
    if limit > 0 && limit < used {
        tracing::warn!(
            "WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the current memory usage ({used}). \
             This will result in key eviction and/or the inability to accept new write commands depending on the \
             maxmemory-policy."
        );
    }
}

/// Values that act once, when they are set, and that the system may refuse.
struct AppliedConfig {
    port: i64,
    tls_port: i64,
    bind: Option<Vec<u8>>,
    clients: i64,
    oom_score: (OomScoreAdj, [i16; 3]),
}

impl AppliedConfig {
    fn of(server: &Shared) -> Self {
        let config = &server.config;
        AppliedConfig {
            port: config.port.get(),
            tls_port: config.tls_port.get(),
            bind: config.get_text(b"bind"),
            clients: config.maxclients.get(),
            oom_score: (
                config.oom_score_adj.get(),
                config.oom_score_adj_values.get().0,
            ),
        }
    }

    /// Acts on what differs now.
    fn apply(&self, server: &Shared, put_back: &dyn Fn()) -> Result<(), SetError> {
        let now = AppliedConfig::of(server);
        let reopen = || {
            server
                .reopen
                .get()
                .map_or(Err(()), |reopen| reopen(Some(put_back)))
        };
        if now.port != self.port {
            let why = "Unable to listen on this port. Check server logs.";
            reopen().map_err(|()| SetError::refused("port", why))?;
        } else if now.tls_port != self.tls_port {
            let why = "Unable to listen on this port. Check server logs.";
            reopen().map_err(|()| SetError::refused("tls-port", why))?;
        } else if now.bind != self.bind {
            let why = "Failed to bind to specified addresses.";
            reopen().map_err(|()| SetError::refused("bind", why))?;
        }
        if now.clients > self.clients {
            allow_clients(now.clients as u64)
                .map_err(|why| SetError::refused("maxclients", why))?;
        }
        if now.oom_score != self.oom_score {
            server
                .apply_oom_score()
                .map_err(|why| SetError::refused("oom-score-adj", why))?;
        }
        Ok(())
    }
}

/// Raises the limit of open files to what so many clients need.
fn allow_clients(clients: u64) -> Result<(), String> {
    let wanted = clients + OWN_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let maximum = limit.maximum.map(|maximum| maximum.max(wanted));
    let raised = [maximum, limit.maximum].into_iter().any(|maximum| {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum,
            },
        )
        .is_ok()
    });
    if raised {
        return Ok(());
    }
    let possible = limit
        .maximum
        .unwrap_or(wanted)
        .saturating_sub(OWN_DESCRIPTORS);
    Err(format!(
        "The operating system is not able to handle the specified number of clients, try with {possible}"
    ))
}

const RESETSTAT: Command = Command {
    name: "resetstat",
    summary: "Sets the counters that INFO shows to zero",
    since: "2.0.0",
    flags: &[Admin, NoScript, Loading, Stale],
    run: Run::Session(resetstat),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Command::PLAIN
};

fn resetstat(call: &mut SessionCall<'_>) -> Done {
    call.server.stats.reset();
    call.server.replication.counts.reset();
    call.server.slot_costs.reset();
    call.server
        .scripts
        .evicted
        .store(0, std::sync::atomic::Ordering::Relaxed);
    call.out.ok();
    Ok(Flow::Done)
}

const REWRITE: Command = Command {
    name: "rewrite",
    summary: "Writes the values of now to the configuration file",
    since: "2.8.0",
    flags: &[Admin, NoScript, Loading, Stale],
    run: Run::Session(rewrite),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Command::PLAIN
};

fn rewrite(call: &mut SessionCall<'_>) -> Done {
    rewrite_now(call.server, false)?;
    call.out.ok();
    Ok(Flow::Done)
}

/// Rewrites the configuration file; `all` writes defaults too.
pub(super) fn rewrite_now(server: &Shared, all: bool) -> Result<(), Fail> {
    let file = &server.about.config_file;
    if file.is_empty() {
        return Err(Fail::Says("The server is running without a config file"));
    }
    let rewritten = server.rewrite_file(Path::new(file), all, None);
    rewritten.map_err(|error| {
        tracing::warn!("CONFIG REWRITE of {file} failed: {error}");
        Fail::said(format!("Rewriting config file: {}", reason(&error)))
    })?;
    tracing::info!("CONFIG REWRITE executed with success.");
    Ok(())
}
