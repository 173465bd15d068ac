//! All users: by name, with the default one always among them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::catalog::Catalog;
use super::check::may_hear;
use super::rule::{RuleError, gather};
use super::selector::has_space;
use super::user::{Rights, User};
use crate::util::ranked::{RwLock, rank};

const DEFAULT: &[u8] = b"default";

pub struct Users {
    pub catalog: Catalog,
    /// Locked for as long as a change takes, so that changes come one after another.
    by_name: RwLock<BTreeMap<Vec<u8>, Arc<User>>, { rank("users") }>,
    default: Arc<User>,
}

/// A user that was changed: what it was, and what it has become.
pub struct Revision {
    pub user: Arc<User>,
    before: Arc<Rights>,
    after: Arc<Rights>,
}

/// What has become of the users that there were before a file was read.
#[derive(Default)]
pub struct Reloaded {
    /// Their clients are to be closed.
    pub gone: Vec<Arc<User>>,
    /// Some of their clients may listen to what they may not hear any more.
    pub changed: Vec<Revision>,
}

/// What is wrong with a configured user.
#[derive(Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The place of a word of the line, and why.
    Word(usize, RuleError),
    /// The place of the word that opens a selector which nothing closes.
    Open(usize),
}

impl Users {
    /// The default user alone, who may do everything.
    pub fn new(catalog: Catalog) -> Self {
        let default = Arc::new(User::new(DEFAULT, Rights::all(&catalog)));
        Users {
            by_name: RwLock::new(BTreeMap::from([(DEFAULT.to_vec(), default.clone())])),
            catalog,
            default,
        }
    }

    /// The user of whoever has not logged in.
    pub fn default(&self) -> &Arc<User> {
        &self.default
    }

    pub fn get(&self, name: &[u8]) -> Option<Arc<User>> {
        self.by_name.read().get(name).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<User>> {
        self.by_name.read().values().cloned().collect()
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
        let rules = gather(rules).map_err(|at| {
            let open = "Unmatched parenthesis in acl selector starting at '";
            [open.as_bytes(), rules[at], b"'."].concat()
        })?;
        let mut by_name = self.by_name.write();
        let held = by_name.get(name);
        let before = match held {
            Some(user) => user.rights().clone(),
            None => Arc::new(Rights::new(&self.catalog, all_channels)),
        };
        let mut after = (*before).clone();
        for rule in &rules {
            after
                .apply(rule, &self.catalog, all_channels)
                .map_err(|error| {
                    let (head, why) = ("Error in ACL SETUSER modifier '", error.text());
                    [head.as_bytes(), rule, b"': ", why.as_bytes()].concat()
                })?;
        }
        let user = match held {
            Some(user) => {
                user.set_rights(after);
                user.clone()
            }
            None => {
                let user = Arc::new(User::new(name, after));
                by_name.insert(name.to_vec(), user.clone());
                user
            }
        };
        Ok(Revision {
            before,
            after: user.rights().clone(),
            user,
        })
    }

    /// Deletes a user, whose clients are then to be closed. Never the default one.
    pub fn remove(&self, name: &[u8]) -> Option<Arc<User>> {
        if name == DEFAULT {
            return None;
        }
        let user = self.by_name.write().remove(name)?;
        user.remove();
        Some(user)
    }

    /// `requirepass`: the default user's password; empty for none.
    pub fn require_password(&self, password: &[u8]) {
        // Nobody else may change it meanwhile.
        let _by_name = self.by_name.write();
        let mut rights = (**self.default.rights()).clone();
        rights.require(password);
        self.default.set_rights(rights);
    }

    /// Whether a `user` line of a configuration file could be right: its name and then its rules. Commands that
    /// are not known are let pass.
    pub fn try_line(
        &self,
        seen: &[&[u8]],
        words: &[&[u8]],
        all_channels: bool,
    ) -> Result<(), LoadError> {
        let (name, rules) = words.split_first().expect("the line has a name");
        if seen.contains(name) {
            return Err(LoadError::Word(1, RuleError::DuplicateUser));
        }
        let mut rights = Rights::new(&self.catalog, all_channels);
        for (at, rule) in gather(rules).map_err(LoadError::Open)?.iter().enumerate() {
            match rights.apply(rule, &self.catalog, all_channels) {
                Ok(()) | Err(RuleError::UnknownCommand) => {}
                Err(error) => return Err(LoadError::Word(at, error)),
            }
        }
        Ok(())
    }

    /// Makes the user that a configuration file declares; the default one is made anew. The error is for the log.
    pub fn add_line(&self, words: &[&[u8]], all_channels: bool) -> Result<Arc<User>, String> {
        let (name, rules) = words.split_first().expect("the line has a name");
        if has_space(name) {
            return Err("Spaces not allowed in ACL usernames".to_string());
        }
        let mut rights = Rights::new(&self.catalog, all_channels);
        if *name == DEFAULT {
            let reset = rights.apply(b"reset", &self.catalog, all_channels);
            debug_assert_eq!(reset, Ok(()), "it is a rule");
        }
        for rule in gather(rules).unwrap_or_default() {
            rights
                .apply(&rule, &self.catalog, all_channels)
                .map_err(|error| {
                    format!(
                        "Error loading ACL rule '{}' for the user named '{}': {}",
                        String::from_utf8_lossy(&rule),
                        String::from_utf8_lossy(name),
                        error.text()
                    )
                })?;
        }
        if *name == DEFAULT {
            self.default.set_rights(rights);
            return Ok(self.default.clone());
        }
        let user = Arc::new(User::new(name, rights));
        self.by_name.write().insert(name.to_vec(), user.clone());
        Ok(user)
    }

    /// Puts the users of a file in the place of those there are; who keeps the name keeps the clients. Gives what is to be
    /// done for clients, or says all that is wrong with the file, and changes nothing.
    pub fn load(&self, file: &str, text: &[u8], all_channels: bool) -> Result<Reloaded, String> {
        let mut read: BTreeMap<Vec<u8>, Rights> = BTreeMap::new();
        let mut errors = String::new();
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            if let Err(why) = self.read_line(file, at + 1, line, &mut read, all_channels) {
                errors.push_str(&why);
            }
        }
        if !errors.is_empty() {
            return Err(format!(
                "{errors}WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
            ));
        }
        read.entry(DEFAULT.to_vec())
            .or_insert_with(|| Rights::all(&self.catalog));
        let mut by_name = self.by_name.write();
        let mut before = std::mem::take(&mut *by_name);
        let mut changed = Vec::new();
        for (name, rights) in read {
            let user = match before.remove(&name) {
                Some(user) => {
                    let before = user.rights().clone();
                    user.set_rights(rights);
                    changed.push(Revision {
                        before,
                        after: user.rights().clone(),
                        user: user.clone(),
                    });
                    user
                }
                None => Arc::new(User::new(&name, rights)),
            };
            by_name.insert(name, user);
        }
        let gone: Vec<_> = before.into_values().collect();
        gone.iter().for_each(|user| user.remove());
        Ok(Reloaded { gone, changed })
    }

    /// One line of a file of users. One that is wrong defines its user, too: another line may not.
    fn read_line(
        &self,
        file: &str,
        number: usize,
        line: &[u8],
        read: &mut BTreeMap<Vec<u8>, Rights>,
        all_channels: bool,
    ) -> Result<(), String> {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let [b"user", name, rules @ ..] = &words[..] else {
            return Err(format!(
                "{file}:{number} should start with user keyword followed by the username. "
            ));
        };
        let shown = String::from_utf8_lossy(name);
        if has_space(name) {
            return Err(format!(
                "'{file}:{number}: username '{shown}' contains invalid characters. "
            ));
        }
        if read.contains_key(*name) {
            return Err(format!(
                "WARNING: Duplicate user '{shown}' found on line {number}. "
            ));
        }
        let rules = gather(rules).map_err(|_| {
            format!("{file}:{number}: Unmatched parenthesis in selector definition.")
        })?;
        let mut rights = Rights::new(&self.catalog, all_channels);
        let mut errors = String::new();
        let mut told = false;
        for rule in &rules {
            let rule = rule.trim_ascii();
            match rights.apply(rule, &self.catalog, all_channels) {
                Ok(()) => {}
                Err(error @ RuleError::UnknownCommand) => errors.push_str(&format!(
                    "{file}:{number}: Error in applying operation '{}': {}. ",
                    String::from_utf8_lossy(rule),
                    error.text()
                )),
                // The rule may hold a password, and what follows may be wrong on account of it alone.
                Err(error) if !told => {
                    told = true;
                    errors.push_str(&format!("{file}:{number}: {}. ", error.text()));
                }
                Err(_) => {}
            }
        }
        read.insert(name.to_vec(), rights);
        match errors.is_empty() {
            true => Ok(()),
            false => Err(errors),
        }
    }

    /// A line for each user: `user`, its name and its rules.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        let line = |user: &Arc<User>| {
            let rules = user.rights().text();
            [b"user ", user.name(), b" ", &rules].concat()
        };
        self.all().iter().map(line).collect()
    }
}

impl Revision {
    /// If channels were taken away: whether a client may go on listening to one.
    pub fn still_hears(&self) -> Option<impl Fn(&[u8], bool) -> bool> {
        let all = |rights: &Rights| rights.selectors.iter().any(|one| one.all_channels);
        let named = |rights: &Rights| -> Vec<Vec<u8>> {
            let channels = rights.selectors.iter().flat_map(|one| &one.channels);
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
