//! Users as the whole server has to do with them: where they come from, and the clients of those that change.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::shared::Shared;
use crate::acl::{AclRoles, LoadError, Reloaded, Revision, User, Users};
use crate::config::file::{FileError, Loaded, UserLine};
use crate::config::special::reason;
use crate::config::{Config, PubsubDefault};
use crate::pubsub::Channels;

/// Whether a selector hears all channels if nothing was said of them.
pub fn all_channels(config: &Config) -> bool {
    config.acl_pubsub_default.get() == PubsubDefault::Allchannels
}

/// The file of users, if there is one: its path, and its name as it was configured.
pub fn file(config: &Config) -> Option<(PathBuf, String)> {
    let name = config.aclfile.get();
    let path = config.place_of(&name);
    (!name.is_empty()).then(|| (path, String::from_utf8_lossy(&name).into_owned()))
}

/// Holds the roles and users of a configuration file against what rules may be.
pub fn check_lines(users: &Users, loaded: &Loaded, config: &Config) -> Result<(), FileError> {
    let mut roles = AclRoles::new();
    for line in &loaded.roles {
        users
            .try_role_line(&words_of(line), all_channels(config), &mut roles)
            .map_err(|error| refusal("role", line, error))?;
    }
    let mut seen: Vec<&[u8]> = Vec::new();
    for line in &loaded.users {
        let words = words_of(line);
        users
            .try_line(&seen, &words, all_channels(config), &roles)
            .map_err(|error| refusal("user", line, error))?;
        seen.push(words[0]);
    }
    Ok(())
}

fn words_of(line: &UserLine) -> Vec<&[u8]> {
    line.words.iter().map(Vec::as_slice).collect()
}

fn refusal(what: &'static str, line: &UserLine, error: LoadError) -> FileError {
    // Counted with the directive's own name in front.
    let word = |at: usize| match at {
        0 => what.into(),
        at => String::from_utf8_lossy(&line.words[at - 1]),
    };
    let why = match error {
        LoadError::Word(at, error) => {
            format!(
                "Error in {what} declaration '{}': {}",
                word(at),
                error.text()
            )
        }
        LoadError::Open(at) => format!(
            "Unmatched parenthesis in acl selector starting at '{}'.",
            word(at + 2)
        ),
    };
    FileError::at(&line.place, why)
}

/// Brings in what the configuration says of users, at start. The error is the last line of the log.
pub fn begin(users: &Users, loaded: &Loaded, config: &Config) -> Result<(), String> {
    let password = config.requirepass.get();
    if !password.is_empty() {
        users.require_password(&password);
    }
    let file = file(config);
    if file.is_some() && !(loaded.users.is_empty() && loaded.roles.is_empty()) {
        return Err("Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This setup is very likely to lead to configuration errors and security holes, please define either an ACL file or declare users directly in your redis.conf, but not both.".to_string());
    }
    let critical = |why: String| {
        tracing::warn!("{why}");
        "Critical error while loading ACLs. Exiting.".to_string()
    };
    for line in &loaded.roles {
        let added = users.add_role_line(&words_of(line), all_channels(config));
        added.map_err(critical)?;
    }
    for line in &loaded.users {
        let added = users.add_line(&words_of(line), all_channels(config));
        let user = added.map_err(critical)?;
        if !user.rights().enabled {
            tracing::info!(
                "The user '{}' is disabled (there is no 'on' modifier in the user description). Make sure this is not a configuration error.",
                String::from_utf8_lossy(user.name())
            );
        }
    }
    if file.is_some() {
        load(users, config)
            .map_err(|why| format!("Aborting Redis startup because of ACL errors: {why}"))?;
    }
    Ok(())
}

/// Reads the file of users.
fn load(users: &Users, config: &Config) -> Result<Reloaded, String> {
    let (path, name) = file(config).unwrap_or_default();
    let text = fs::read(path).map_err(|error| {
        let why = reason(&error);
        format!("Error loading ACLs, opening file '{name}': {why}")
    })?;
    users.load(&name, &text, all_channels(config))
}

impl Shared {
    /// ACL LOAD. Says whether one of the clients that are closed on that account is the one with this number.
    pub fn load_users(&self, own: u64) -> Result<bool, String> {
        let Reloaded { gone, changed } = load(&self.users, &self.config)?;
        let mut leaves = self.close_clients_of(&gone, own);
        for revision in &changed {
            leaves |= self.close_listeners(revision, own);
        }
        Ok(leaves)
    }

    /// Closes the clients of users that are gone, but for the one with this number: it is to be answered first. Says whether
    /// that is one of them.
    pub fn close_clients_of(&self, gone: &[Arc<User>], own: u64) -> bool {
        let mut is_own = false;
        for client in self.clients.all() {
            let user = client.profile.lock().user.clone();
            let leaves = user.is_some_and(|user| gone.iter().any(|one| Arc::ptr_eq(one, &user)));
            if leaves && client.id == own {
                is_own = true;
            } else if leaves {
                self.clients.kill(&client);
            }
        }
        self.guards.moved();
        is_own
    }

    /// Closes the clients that listen to what their user may not hear any more, but for the one with this number, as
    /// above.
    pub fn close_listeners(&self, revision: &Revision, own: u64) -> bool {
        self.guards.moved();
        let mut is_own = false;
        let Some(hears) = revision.still_hears() else {
            return is_own;
        };
        for kind in [Channels::Plain, Channels::Pattern, Channels::Shard] {
            let denied = |channel: &[u8]| !hears(channel, kind == Channels::Pattern);
            for id in self.broker.clients_on(kind, denied) {
                let Some(client) = self.clients.get(id) else {
                    continue;
                };
                let user = client.profile.lock().user.clone();
                let listens = user.is_some_and(|user| Arc::ptr_eq(&user, &revision.user));
                if listens && client.id == own {
                    is_own = true;
                } else if listens {
                    self.clients.kill(&client);
                }
            }
        }
        is_own
    }
}
