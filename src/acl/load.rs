//! Users and roles as files declare them: a configuration file, whose lines are tried first, or a file of users.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::roles::{AclRole, AclRoles, RuleScope, check_name};
use super::rule::{RuleError, gather};
use super::selector::has_space;
use super::user::{Rights, User};
use super::users::{DEFAULT, Reloaded, Revision, Users};

/// What is wrong with a configured user or role.
#[derive(Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The place of a word of the line, and why.
    Word(usize, RuleError),
    /// The place of the word that opens a selector which nothing closes.
    Open(usize),
}

impl Users {
    /// Whether a `user` line of a configuration file could be right: its name and then its rules. Commands that
    /// are not known are let pass.
    pub fn try_line(
        &self,
        seen: &[&[u8]],
        words: &[&[u8]],
        all_channels: bool,
        roles: &AclRoles,
    ) -> Result<(), LoadError> {
        let (name, rules) = words.split_first().expect("the line has a name");
        if seen.contains(name) {
            return Err(LoadError::Word(1, RuleError::DuplicateUser));
        }
        let scope = self.scope(roles, all_channels);
        let mut rights = Rights::new(scope);
        for (at, rule) in gather(rules).map_err(LoadError::Open)?.iter().enumerate() {
            match rights.apply(rule, scope) {
                Ok(()) | Err(RuleError::UnknownCommand) => {}
                Err(error) => return Err(LoadError::Word(at, error)),
            }
        }
        Ok(())
    }

    /// Whether a `role` line could be right, as above. Its role comes to those that were there.
    pub fn try_role_line(
        &self,
        words: &[&[u8]],
        all_channels: bool,
        roles: &mut AclRoles,
    ) -> Result<(), LoadError> {
        let (name, rules) = words.split_first().expect("the line has a name");
        check_name(name).map_err(|why| LoadError::Word(1, RuleError::RoleName(why)))?;
        if roles.contains_key(*name) {
            return Err(LoadError::Word(1, RuleError::DuplicateRole));
        }
        let scope = self.scope(roles, all_channels);
        let mut kept = Vec::new();
        for (at, rule) in gather(rules).map_err(LoadError::Open)?.iter().enumerate() {
            kept.push(rule.clone());
            match AclRole::changed(name, &kept, scope).map_err(|(_, error)| error) {
                Ok(_) => {}
                Err(RuleError::UnknownCommand) => drop(kept.pop()),
                Err(error) => return Err(LoadError::Word(at, error)),
            }
        }
        if let Ok(role) = AclRole::changed(name, &kept, scope) {
            roles.insert(name.to_vec(), Arc::new(role));
        }
        Ok(())
    }

    /// Makes the role that a configuration file declares. The error is for the log.
    pub fn add_role_line(&self, words: &[&[u8]], all_channels: bool) -> Result<(), String> {
        let (name, rules) = words.split_first().expect("the line has a name");
        self.set_role(name, rules, all_channels)
            .map(|_| ())
            .map_err(|why| {
                format!(
                    "Error loading ACL role '{}': {}",
                    String::from_utf8_lossy(name),
                    String::from_utf8_lossy(&why)
                )
            })
    }

    /// Makes the user that a configuration file declares; the default one is made anew. The error is for the log.
    pub fn add_line(&self, words: &[&[u8]], all_channels: bool) -> Result<Arc<User>, String> {
        let (name, rules) = words.split_first().expect("the line has a name");
        if has_space(name) {
            return Err("Spaces not allowed in ACL usernames".to_string());
        }
        let mut held = self.held.write();
        let scope = self.scope(&held.roles, all_channels);
        let mut rights = Rights::new(scope);
        if *name == DEFAULT {
            let reset = rights.apply(b"reset", scope);
            debug_assert_eq!(reset, Ok(()), "it is a rule");
        }
        for rule in gather(rules).unwrap_or_default() {
            rights.apply(&rule, scope).map_err(|error| {
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
        held.users.insert(name.to_vec(), user.clone());
        Ok(user)
    }

    /// Puts the users and roles of a file in the place of those there are; who keeps the name keeps the clients. Gives what is
    /// to be done for clients, or says all that is wrong with the file, and changes nothing.
    pub fn load(&self, file: &str, text: &[u8], all_channels: bool) -> Result<Reloaded, String> {
        let mut read: BTreeMap<Vec<u8>, Rights> = BTreeMap::new();
        let mut roles = AclRoles::new();
        let mut errors = String::new();
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines = lines.enumerate().filter(|(_, line)| !line.is_empty());
        // Users may hold roles that a later line declares.
        let is_role = |line: &[u8]| line == b"role" || line.starts_with(b"role ");
        let (of_roles, of_users): (Vec<_>, Vec<_>) = lines.partition(|(_, line)| is_role(line));
        for (at, line) in of_roles {
            if let Err(why) = self.read_role(at + 1, line, &mut roles, all_channels) {
                errors.push_str(&format!("{file}:{}: {why}. ", at + 1));
            }
        }
        let scope = self.scope(&roles, all_channels);
        for (at, line) in of_users {
            if let Err(why) = self.read_line(file, at + 1, line, &mut read, scope) {
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
        let mut held = self.held.write();
        let mut before = std::mem::take(&mut held.users);
        let mut changed = Vec::new();
        for (name, rights) in read {
            let user = match before.remove(&name) {
                Some(user) => {
                    changed.push(Revision::to(&user, rights));
                    user
                }
                None => Arc::new(User::new(&name, rights)),
            };
            held.users.insert(name, user);
        }
        held.roles = roles;
        let gone: Vec<_> = before.into_values().collect();
        gone.iter().for_each(|user| user.remove());
        Ok(Reloaded { gone, changed })
    }

    /// One `role` line of a file of users.
    fn read_role(
        &self,
        number: usize,
        line: &[u8],
        roles: &mut AclRoles,
        all_channels: bool,
    ) -> Result<(), String> {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let [_, name, rules @ ..] = &words[..] else {
            return Err("role keyword requires a role name".to_string());
        };
        let shown = String::from_utf8_lossy(name);
        check_name(name).map_err(|why| format!("invalid role name '{shown}': {why}"))?;
        if roles.contains_key(*name) {
            return Err(format!("Duplicate role '{shown}' found on line {number}"));
        }
        let rules = gather(rules)
            .map_err(|_| "Unmatched parenthesis in selector definition".to_string())?;
        let scope = self.scope(roles, all_channels);
        let role = AclRole::changed(name, &rules, scope)
            .map_err(|(_, error)| format!("Error in role declaration: {}", error.text()))?;
        roles.insert(name.to_vec(), Arc::new(role));
        Ok(())
    }

    /// One line of a file of users. One that is wrong defines its user, too: another line may not.
    fn read_line(
        &self,
        file: &str,
        number: usize,
        line: &[u8],
        read: &mut BTreeMap<Vec<u8>, Rights>,
        scope: RuleScope<'_>,
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
        let mut rights = Rights::new(scope);
        let mut errors = String::new();
        let mut told = false;
        for rule in &rules {
            let rule = rule.trim_ascii();
            match rights.apply(rule, scope) {
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

    /// What files hold of roles and users, in their order: a line's first word, and the name with its rules.
    pub fn declared(&self) -> Vec<(&'static str, Vec<u8>)> {
        let line = |name: &[u8], rules: &[u8]| [name, b" ", rules].concat();
        let roles = self.roles();
        let roles = roles
            .iter()
            .map(|role| ("role", line(role.name(), &role.text())));
        let users = self.all();
        let users = users
            .iter()
            .map(|user| ("user", line(user.name(), &user.rights().text())));
        roles.chain(users).collect()
    }

    /// A line for each role and each user.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        let declared = self.declared().into_iter();
        declared
            .map(|(what, line)| [what.as_bytes(), b" ", &line].concat())
            .collect()
    }
}
