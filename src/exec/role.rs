//! What this server's part in replication, and its configuration, let clients do.

use crate::command::session::Session;
use crate::command::{CommandEntry, Fail};
use crate::state::shared::Shared;
use crate::util::clock;

pub(super) const READONLY: &str = "READONLY You can't write against a read only replica.";

/// Sends a client that follows redirections to the master, if there is one.
pub(super) fn check_redirect(shared: &Shared) -> Result<(), Fail> {
    match &shared.replication.state().master {
        Some(master) => Err(Fail::code(format!(
            "REDIRECT {}:{}",
            master.host, master.port
        ))),
        None => Ok(()),
    }
}

/// Whether this server's part in replication lets clients write.
pub(super) fn may_write(shared: &Shared) -> Result<(), Fail> {
    let (replication, config) = (&shared.replication, &shared.config);
    if replication.is_replica() {
        if config.replica_read_only.get() {
            return Err(Fail::code(READONLY));
        }
        return Ok(());
    }
    let wanted = config.min_replicas_to_write.get() as usize;
    let counted = wanted > 0 && config.min_replicas_max_lag.get() > 0;
    let lag_max_s = config.min_replicas_max_lag.get() as u64;
    if counted
        && replication.good_replicas() < wanted
        && replication.count_good(clock::now_ms(), lag_max_s) < wanted
    {
        return Err(Fail::code("NOREPLICAS Not enough good replicas to write."));
    }
    Ok(())
}

/// Whether the data may be old, and are not to be served.
pub(super) fn is_stale(shared: &Shared) -> bool {
    let replication = &shared.replication;
    replication.is_replica()
        && !shared.config.replica_serve_stale_data.get()
        && !replication.state().is_linked()
}

/// Commands that a careless or hostile client could harm the server with.
pub(super) fn check_protected(
    shared: &Shared,
    session: &Session,
    entry: &CommandEntry,
) -> Result<(), Fail> {
    use crate::config::Allowed;
    let name = entry.full_name.split('|').next().unwrap_or_default();
    let allowed = match shared.config.enable_debug_command.get() {
        Allowed::Yes => true,
        Allowed::Local => session.client.is_local(),
        Allowed::No => false,
    };
    if allowed {
        return Ok(());
    }
    let name = name.to_ascii_uppercase();
    let option = format!("enable-{}-command", name.to_ascii_lowercase());
    Err(Fail::said(format!(
        "{name} command not allowed. If the {option} option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server."
    )))
}
