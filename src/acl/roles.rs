//! Roles: rights that many users hold, said once.
//!
//! A role has selectors as a user has, and whoever holds it may do what any of them allows besides. Users hold a role as it
//! is; when it changes, the rights of each of them are replaced, as if their own had changed. As in Valkey 9.2:
//! <https://valkey.io/commands/acl-setrole/>.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::catalog::Catalog;
use super::rule::RuleError;
use super::selector::Selector;

#[derive(Debug, PartialEq, Eq)]
pub struct AclRole {
    pub(super) name: Vec<u8>,
    /// The first is changed by rules outside of parentheses.
    pub(super) selectors: Vec<Selector>,
}

/// All of them, by name.
pub type AclRoles = BTreeMap<Vec<u8>, Arc<AclRole>>;

/// What rules are read with.
#[derive(Clone, Copy)]
pub struct RuleScope<'a> {
    pub catalog: &'a Catalog,
    /// What a selector may hear that was not told.
    pub all_channels: bool,
    pub roles: &'a AclRoles,
}

impl AclRole {
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }
}

/// Whether a rule makes sense for a user alone.
pub(super) fn is_of_users(rule: &[u8]) -> bool {
    const WORDS: [&[u8]; 8] = [
        b"on",
        b"off",
        b"reset",
        b"nopass",
        b"resetpass",
        b"resetroles",
        b"sanitize-payload",
        b"skip-sanitize-payload",
    ];
    let is_password = matches!(rule.first(), Some(b'>' | b'<' | b'#' | b'!'));
    let named = WORDS.iter().any(|word| word.eq_ignore_ascii_case(rule));
    is_password || named || listed(rule).is_some()
}

/// What `role=` names, if the rule is that.
pub(super) fn listed(rule: &[u8]) -> Option<&[u8]> {
    let (head, list) = rule.split_at_checked(b"role=".len())?;
    head.eq_ignore_ascii_case(b"role=").then_some(list)
}

/// The roles of a list, each once.
pub(super) fn find(list: &[u8], roles: &AclRoles) -> Result<Vec<Arc<AclRole>>, RuleError> {
    let mut found: Vec<Arc<AclRole>> = Vec::new();
    for name in list.split(|byte| *byte == b',') {
        if name.is_empty() {
            return Err(RuleError::Syntax);
        }
        let role = roles.get(name).ok_or(RuleError::NoSuchRole)?;
        if !found.iter().any(|one| Arc::ptr_eq(one, role)) {
            found.push(role.clone());
        }
    }
    Ok(found)
}

/// Refuses names that a file or a list of roles could not bring back.
pub(super) fn check_name(name: &[u8]) -> Result<(), &'static str> {
    let has = |bytes: &[u8]| name.iter().any(|byte| bytes.contains(byte));
    if name.is_empty() {
        Err("Role names can't be empty")
    } else if !name.iter().all(u8::is_ascii_graphic) {
        Err("Role names can only contain printable ASCII characters")
    } else if has(b",") {
        Err("Role names can't contain commas")
    } else if has(b"\"'\\") {
        Err("Role names can't contain quotes or backslashes")
    } else {
        Ok(())
    }
}
