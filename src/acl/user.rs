//! A user: a name, and what goes with it.
//!
//! Clients hold the user, whose rights are replaced whole when they change. So a change holds for every client of the
//! user at once, and a command costs whoever may do everything one look at a flag.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, Guard};
use sha2::{Digest, Sha256};

use super::catalog::Catalog;
use super::roles::{AclRole, RuleScope, find, is_of_users, listed};
use super::rule::RuleError;
use super::selector::Selector;
use crate::util::words;

/// Everything about a user but the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    pub enabled: bool,
    /// Any password will do.
    pub no_pass: bool,
    /// `sanitize-payload` or its opposite, if either was said.
    pub(super) sanitize: Option<bool>,
    /// SHA-256 in hexadecimal.
    pub(super) passwords: Vec<String>,
    /// The first is the user's own, changed by rules outside of parentheses.
    pub(super) selectors: Vec<Selector>,
    /// What it may do besides.
    pub(super) roles: Vec<Arc<AclRole>>,
}

impl Rights {
    /// Those of a new user: none.
    pub fn new(scope: RuleScope<'_>) -> Self {
        Rights::with(Selector::new(scope.catalog, scope.all_channels))
    }

    fn with(own: Selector) -> Self {
        Rights {
            enabled: false,
            no_pass: false,
            sanitize: None,
            passwords: Vec::new(),
            selectors: vec![own],
            roles: Vec::new(),
        }
    }

    /// Those of the default user where nothing else is said: all.
    pub fn all(catalog: &Catalog) -> Self {
        let mut rights = Rights::with(Selector::new(catalog, true));
        (rights.enabled, rights.no_pass) = (true, true);
        for rule in ["+@all", "~*"] {
            let done = rights.root().apply(rule.as_bytes(), catalog);
            debug_assert_eq!(done, Ok(()), "{rule} is a rule");
        }
        rights
    }

    fn root(&mut self) -> &mut Selector {
        &mut self.selectors[0]
    }

    /// Changes them by one rule.
    pub fn apply(&mut self, rule: &[u8], scope: RuleScope<'_>) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"" => {}
            b"on" => self.enabled = true,
            b"off" => self.enabled = false,
            b"skip-sanitize-payload" => self.sanitize = Some(false),
            b"sanitize-payload" => self.sanitize = Some(true),
            b"nopass" => self.set_no_pass(true),
            b"resetpass" => self.set_no_pass(false),
            b"clearselectors" => self.selectors.truncate(1),
            b"resetroles" => self.roles.clear(),
            b"reset" => {
                *self = Rights::new(scope);
                self.sanitize = Some(true);
            }
            _ => return self.apply_sign(rule, scope),
        }
        Ok(())
    }

    fn apply_sign(&mut self, rule: &[u8], scope: RuleScope<'_>) -> Result<(), RuleError> {
        if let Some(list) = listed(rule) {
            self.roles = find(list, scope.roles)?;
            return Ok(());
        }
        let catalog = scope.catalog;
        match rule {
            [b'>', password @ ..] => self.add_password(digest(password)),
            [b'#', hash @ ..] => self.add_password(checked(hash)?),
            [b'<', password @ ..] => return self.drop_password(&digest(password)),
            [b'!', hash @ ..] => return self.drop_password(&checked(hash)?),
            [b'(', rules @ .., b')'] => {
                let mut selector = Selector::new(catalog, scope.all_channels);
                // Words with an open quote are none, as in Redis.
                for rule in words::split(rules).unwrap_or_default() {
                    selector.apply(&rule, catalog)?;
                }
                self.selectors.push(selector);
            }
            _ => return self.root().apply(rule, catalog),
        }
        Ok(())
    }

    fn set_no_pass(&mut self, on: bool) {
        self.no_pass = on;
        self.passwords.clear();
    }

    fn add_password(&mut self, hash: String) {
        self.no_pass = false;
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
    }

    fn drop_password(&mut self, hash: &str) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|held| held == hash);
        self.passwords.remove(at.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }

    /// `requirepass`: this password alone, or none at all.
    pub(super) fn require(&mut self, password: &[u8]) {
        self.set_no_pass(password.is_empty());
        if !password.is_empty() {
            self.add_password(digest(password));
        }
    }

    /// Whether this password lets its user in.
    pub(super) fn admits(&self, password: &[u8]) -> bool {
        if !self.enabled {
            return false;
        }
        let given = digest(password);
        self.no_pass || self.passwords.iter().any(|held| is_same(held, &given))
    }

    fn is_unlimited(&self) -> bool {
        self.all_selectors().any(Selector::is_unlimited)
    }

    /// Words of GETUSER and LIST for what is neither a password nor a selector.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        if self.no_pass {
            flags.push("nopass");
        }
        flags.extend(self.sanitize.map(|on| match on {
            true => "sanitize-payload",
            false => "skip-sanitize-payload",
        }));
        flags
    }

    pub fn passwords(&self) -> &[String] {
        &self.passwords
    }

    /// Its own.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    pub fn roles(&self) -> &[Arc<AclRole>] {
        &self.roles
    }

    /// Its own, and those of its roles.
    pub(super) fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        let roles = self.roles.iter().flat_map(|role| &role.selectors);
        self.selectors.iter().chain(roles)
    }
}

impl AclRole {
    /// The role with these rules, after those that it has already if it is there. The error names the rule that is wrong.
    pub(super) fn changed<'r>(
        name: &[u8],
        rules: &'r [Vec<u8>],
        scope: RuleScope<'_>,
    ) -> Result<AclRole, (&'r [u8], RuleError)> {
        let mut rights = Rights::new(scope);
        if let Some(before) = scope.roles.get(name) {
            rights.selectors.clone_from(&before.selectors);
        }
        for rule in rules {
            let applied = match is_of_users(rule) {
                true => Err(RuleError::Syntax),
                false => rights.apply(rule, scope),
            };
            applied.map_err(|error| (&rule[..], error))?;
        }
        Ok(AclRole {
            name: name.to_vec(),
            selectors: rights.selectors,
        })
    }
}

fn digest(password: &[u8]) -> String {
    let hash = Sha256::digest(password);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A digest that was given in place of a password.
fn checked(hash: &[u8]) -> Result<String, RuleError> {
    let fits = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match String::from_utf8(hash.to_vec()) {
        Ok(text) if hash.len() == 64 && hash.iter().all(fits) => Ok(text),
        _ => Err(RuleError::BadHash),
    }
}

/// Compares in a time that tells nothing of where they differ.
fn is_same(a: &str, b: &str) -> bool {
    let pairs = a.bytes().zip(b.bytes());
    let differing = pairs.fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
    a.len() == b.len() && differing == 0
}

/// A user as clients hold it.
#[derive(Debug)]
pub struct User {
    name: Vec<u8>,
    rights: ArcSwap<Rights>,
    /// What the rights say, for a look at every command: nothing is denied.
    unlimited: AtomicBool,
    /// What the rights say, for a look at every login: whoever comes is this user without a password.
    open: AtomicBool,
    /// It was deleted; its clients are on their way out.
    gone: AtomicBool,
}

impl User {
    pub(super) fn new(name: &[u8], rights: Rights) -> Self {
        let user = User {
            name: name.to_vec(),
            rights: ArcSwap::from_pointee(rights.clone()),
            unlimited: AtomicBool::new(false),
            open: AtomicBool::new(false),
            gone: AtomicBool::new(false),
        };
        user.set_rights(rights);
        user
    }

    pub fn name(&self) -> &[u8] {
        &self.name
    }

    pub fn rights(&self) -> Guard<Arc<Rights>> {
        self.rights.load()
    }

    /// Whether it may run every command on every key and channel, so that nothing is to be checked.
    #[inline]
    pub fn is_unlimited(&self) -> bool {
        self.unlimited.load(Ordering::Acquire)
    }

    /// Whether clients need not log in to be this user.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    pub(super) fn set_rights(&self, rights: Rights) {
        let unlimited = rights.is_unlimited();
        if !unlimited {
            // Before the rights: whoever sees the flag lowered finds those that lowered it, or looks again in vain.
            self.unlimited.store(false, Ordering::Release);
        }
        self.open
            .store(rights.enabled && rights.no_pass, Ordering::Release);
        self.rights.store(Arc::new(rights));
        self.unlimited.store(unlimited, Ordering::Release);
    }

    pub(super) fn remove(&self) {
        self.gone.store(true, Ordering::Release);
        self.unlimited.store(false, Ordering::Release);
    }
}
