//! All users: by name, with the default one always among them; and the roles that they may hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::catalog::Catalog;
use super::check::may_hear;
use super::roles::{AclRole, AclRoles, RuleScope, check_name};
use super::rule::{RuleError, gather};
use super::user::{Rights, User};
use crate::util::ranked::{RwLock, rank};

pub(super) const DEFAULT: &[u8] = b"default";

pub struct Users {
    pub catalog: Catalog,
    /// Locked for as long as a change takes, so that changes come one after another.
    pub(super) held: RwLock<Declared, { rank("users") }>,
    pub(super) default: Arc<User>,
}

#[derive(Default)]
pub(super) struct Declared {
    pub users: BTreeMap<Vec<u8>, Arc<User>>,
    /// Users hold them as they are here.
    pub roles: AclRoles,
}

/// A user that was changed: what it was, and what it has become.
pub struct Revision {
    pub user: Arc<User>,
    pub(super) before: Arc<Rights>,
    pub(super) after: Arc<Rights>,
}

/// What has become of the users that there were before a file was read.
#[derive(Default)]
pub struct Reloaded {
    /// Their clients are to be closed.
    pub gone: Vec<Arc<User>>,
    /// Some of their clients may listen to what they may not hear any more.
    pub changed: Vec<Revision>,
}

impl Users {
    /// The default user alone, who may do everything.
    pub fn new(catalog: Catalog) -> Self {
        let default = Arc::new(User::new(DEFAULT, Rights::all(&catalog)));
        let held = Declared {
            users: BTreeMap::from([(DEFAULT.to_vec(), default.clone())]),
            roles: AclRoles::new(),
        };
        Users {
            held: RwLock::new(held),
            catalog,
            default,
        }
    }

    /// The user of whoever has not logged in.
    pub fn default(&self) -> &Arc<User> {
        &self.default
    }

    pub fn get(&self, name: &[u8]) -> Option<Arc<User>> {
        self.held.read().users.get(name).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<User>> {
        self.held.read().users.values().cloned().collect()
    }

    /// The user of this name, if this is its password and it is not switched off.
    pub fn log_in(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        self.get(name).filter(|user| user.rights().admits(password))
    }

    /// Makes a user, or changes one, by these rules: all of them, or none if one is wrong. Then it says which.
    pub fn set(
        &self,
        name: &[u8],
        rules: &[&[u8]],
        all_channels: bool,
    ) -> Result<Revision, Vec<u8>> {
        let rules = gathered(rules)?;
        let mut held = self.held.write();
        let scope = self.scope(&held.roles, all_channels);
        let known = held.users.get(name);
        let before = match known {
            Some(user) => user.rights().clone(),
            None => Arc::new(Rights::new(scope)),
        };
        let mut after = (*before).clone();
        for rule in &rules {
            let applied = after.apply(rule, scope);
            applied.map_err(|error| refused("SETUSER", rule, error))?;
        }
        if let Some(user) = known {
            return Ok(Revision::to(user, after));
        }
        let user = Arc::new(User::new(name, after));
        held.users.insert(name.to_vec(), user.clone());
        Ok(Revision {
            before,
            after: user.rights().clone(),
            user,
        })
    }

    /// What rules are read with, where there are these roles.
    pub(super) fn scope<'a>(&'a self, roles: &'a AclRoles, all_channels: bool) -> RuleScope<'a> {
        RuleScope {
            catalog: &self.catalog,
            all_channels,
            roles,
        }
    }

    /// Makes a role, or changes one, by these rules, as above, and with it whoever holds it.
    pub fn set_role(
        &self,
        name: &[u8],
        rules: &[&[u8]],
        all_channels: bool,
    ) -> Result<Vec<Revision>, Vec<u8>> {
        check_name(name)?;
        let rules = gathered(rules)?;
        let mut held = self.held.write();
        let changed = AclRole::changed(name, &rules, self.scope(&held.roles, all_channels));
        let role = changed.map_err(|(rule, error)| refused("SETROLE", rule, error))?;
        let role = Arc::new(role);
        held.roles.insert(name.to_vec(), role.clone());
        let revised = |user: &Arc<User>| {
            let mut rights = (**user.rights()).clone();
            let mut roles = rights.roles.iter_mut();
            if let Some(one) = roles.find(|one| one.name() == name) {
                one.clone_from(&role);
            }
            Revision::to(user, rights)
        };
        Ok(held.holders(name).map(revised).collect())
    }

    pub fn role(&self, name: &[u8]) -> Option<Arc<AclRole>> {
        self.held.read().roles.get(name).cloned()
    }

    /// All of them, by name.
    pub fn roles(&self) -> Vec<Arc<AclRole>> {
        self.held.read().roles.values().cloned().collect()
    }

    /// Those who hold a role.
    pub fn holders(&self, role: &[u8]) -> Vec<Arc<User>> {
        self.held.read().holders(role).cloned().collect()
    }

    /// Deletes roles, and says how many there were: all of them, or none if somebody holds one. Then it says which.
    pub fn remove_roles<'n>(&self, names: &[&'n [u8]]) -> Result<usize, &'n [u8]> {
        let mut held = self.held.write();
        let is_held = |name: &&&[u8]| held.holders(name).next().is_some();
        if let Some(name) = names.iter().find(is_held) {
            return Err(name);
        }
        let removed = names.iter().filter_map(|name| held.roles.remove(*name));
        Ok(removed.count())
    }

    /// Deletes a user, whose clients are then to be closed. Never the default one.
    pub fn remove(&self, name: &[u8]) -> Option<Arc<User>> {
        if name == DEFAULT {
            return None;
        }
        let user = self.held.write().users.remove(name)?;
        user.remove();
        Some(user)
    }

    /// `requirepass`: the default user's password; empty for none.
    pub fn require_password(&self, password: &[u8]) {
        // Nobody else may change it meanwhile.
        let _held = self.held.write();
        let mut rights = (**self.default.rights()).clone();
        rights.require(password);
        self.default.set_rights(rights);
    }
}

impl Declared {
    fn holders<'h>(&'h self, role: &'h [u8]) -> impl Iterator<Item = &'h Arc<User>> {
        let holds =
            move |user: &&Arc<User>| user.rights().roles().iter().any(|one| one.name() == role);
        self.users.values().filter(holds)
    }
}

fn gathered(rules: &[&[u8]]) -> Result<Vec<Vec<u8>>, Vec<u8>> {
    gather(rules).map_err(|at| {
        let open = "Unmatched parenthesis in acl selector starting at '";
        [open.as_bytes(), rules[at], b"'."].concat()
    })
}

fn refused(command: &str, rule: &[u8], error: RuleError) -> Vec<u8> {
    let head = format!("Error in ACL {command} modifier '");
    [head.as_bytes(), rule, b"': ", error.text().as_bytes()].concat()
}

impl Revision {
    /// Of a user whose rights become these.
    pub(super) fn to(user: &Arc<User>, rights: Rights) -> Revision {
        let before = user.rights().clone();
        user.set_rights(rights);
        Revision {
            before,
            after: user.rights().clone(),
            user: user.clone(),
        }
    }

    /// If channels were taken away: whether a client may go on listening to one.
    pub fn still_hears(&self) -> Option<impl Fn(&[u8], bool) -> bool> {
        let all = |rights: &Rights| rights.all_selectors().any(|one| one.all_channels);
        let named = |rights: &Rights| -> Vec<Vec<u8>> {
            let channels = rights.all_selectors().flat_map(|one| &one.channels);
            channels.cloned().collect()
        };
        if all(&self.after) {
            return None;
        }
        let allowed = named(&self.after);
        let keeps =
            !all(&self.before) && named(&self.before).iter().all(|one| allowed.contains(one));
        let hears = move |channel: &[u8], is_pattern: bool| may_hear(&allowed, channel, is_pattern);
        (!keeps).then_some(hears)
    }
}
