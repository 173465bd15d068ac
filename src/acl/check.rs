//! The check: whether a user may do what a command is about to do.

use super::selector::{KeyAccess, KeyPattern, Selector};
use super::user::Rights;
use crate::util::glob;

/// What stands in the way, with the place of the argument that names it. Of several, the greatest is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// Where no argument names it, this is 0, the place of the command.
    Database(usize),
    Command,
    Key(usize),
    Channel(usize),
}

/// A command that is about to run, and what it touches.
pub trait AclRequest {
    /// Its number in the catalog.
    fn command(&self) -> usize;
    /// Everybody may: AUTH, say.
    fn is_free(&self) -> bool;
    fn first_arg(&self) -> Option<&[u8]>;
    fn arg(&self, at: usize) -> &[u8];
    /// The places of its keys, and what it does to them.
    fn each_key(&self, visit: &mut dyn FnMut(usize, KeyAccess));
    /// The databases that it touches, none for all of them, and the places of the arguments that name them, or 0.
    fn each_database(&self, visit: &mut dyn FnMut(usize, Option<usize>));
    /// The places of channels that it speaks or listens to; `true` for those that are patterns.
    fn each_channel(&self, visit: &mut dyn FnMut(usize, bool));
}

impl Rights {
    /// Whether one selector allows all of it, be it the user's own or of a role.
    pub fn check(&self, request: &dyn AclRequest) -> Result<(), Denied> {
        let mut denied = Denied::Database(0);
        for selector in self.all_selectors() {
            match selector.check(request) {
                Ok(()) => return Ok(()),
                Err(why) => denied = denied.max(why),
            }
        }
        Err(denied)
    }

    /// Whether one selector allows it, and reading every key besides: SORT's patterns may name any.
    pub fn check_reading_all(&self, request: &dyn AclRequest) -> bool {
        let mut selectors = self.all_selectors();
        selectors.any(|selector| selector.check(request).is_ok() && selector.reads_all())
    }

    /// Whether it may do this to every key of a database that begins so.
    pub fn reaches_all_beginning_with(&self, prefix: &[u8], wanted: KeyAccess, db: usize) -> bool {
        let mut selectors = self.all_selectors();
        selectors.any(|selector| {
            selector.reaches_all_beginning_with(prefix, wanted) && selector.enters(Some(db))
        })
    }

    /// Whether something was said of databases.
    pub fn names_databases(&self) -> bool {
        self.all_selectors().any(|one| one.databases.is_some())
    }

    /// Whether it may listen to a channel, or to a pattern.
    pub fn hears(&self, channel: &[u8], is_pattern: bool) -> bool {
        let mut selectors = self.all_selectors();
        selectors.any(|selector| selector.hears(channel, is_pattern))
    }
}

impl Selector {
    fn check(&self, request: &dyn AclRequest) -> Result<(), Denied> {
        if self.databases.is_some() {
            self.check_databases(request)?;
        }
        if !self.all_commands && !request.is_free() && !self.runs(request) {
            return Err(Denied::Command);
        }
        let mut denied = None;
        if !self.all_keys {
            request.each_key(&mut |at, access| {
                if denied.is_none() && !self.reaches(request.arg(at), access) {
                    denied = Some(Denied::Key(at));
                }
            });
        }
        if denied.is_none() && !self.all_channels {
            request.each_channel(&mut |at, is_pattern| {
                if denied.is_none() && !self.hears(request.arg(at), is_pattern) {
                    denied = Some(Denied::Channel(at));
                }
            });
        }
        denied.map_or(Ok(()), Err)
    }

    #[inline(never)]
    fn check_databases(&self, request: &dyn AclRequest) -> Result<(), Denied> {
        let mut denied = None;
        request.each_database(&mut |at, db| {
            if denied.is_none() && !self.enters(db) {
                denied = Some(Denied::Database(at));
            }
        });
        denied.map_or(Ok(()), Err)
    }

    /// Whether it may be used in a database, or in all of them.
    fn enters(&self, db: Option<usize>) -> bool {
        let Some(allowed) = &self.databases else {
            return true;
        };
        let fits = |allowed: &u32| Some(*allowed as usize) == db;
        allowed.iter().any(fits)
    }

    fn runs(&self, request: &dyn AclRequest) -> bool {
        if self.commands.has(request.command()) {
            return true;
        }
        let allowed = self.first_args.get(&request.command());
        allowed.zip(request.first_arg()).is_some_and(|(all, arg)| {
            let mut all = all.iter();
            all.any(|allowed| allowed.eq_ignore_ascii_case(arg))
        })
    }

    fn reaches(&self, key: &[u8], wanted: KeyAccess) -> bool {
        let fits = |held: &KeyPattern| {
            held.access.covers(wanted) && glob::matches(&held.pattern, key, false)
        };
        self.keys.iter().any(fits)
    }

    fn reads_all(&self) -> bool {
        let all = |held: &KeyPattern| held.access.read && held.pattern == b"*";
        self.all_keys || self.keys.iter().any(all)
    }

    fn reaches_all_beginning_with(&self, prefix: &[u8], wanted: KeyAccess) -> bool {
        let fits = |held: &KeyPattern| {
            held.access.covers(wanted)
                && ends_openly(&held.pattern)
                && glob::matches(&held.pattern, prefix, false)
        };
        self.all_keys || self.keys.iter().any(fits)
    }

    fn hears(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.all_channels || may_hear(&self.channels, channel, is_pattern)
    }
}

/// Whether whatever comes behind a fitting text fits, too: the pattern ends in a star that means one.
fn ends_openly(pattern: &[u8]) -> bool {
    let Some(rest) = pattern.strip_suffix(b"*") else {
        return false;
    };
    let escapes = rest.iter().rev().take_while(|byte| **byte == b'\\');
    escapes.count() % 2 == 0
}

/// A channel may fit a pattern that is allowed; a pattern must be one of them itself.
pub(super) fn may_hear<P: AsRef<[u8]>>(allowed: &[P], channel: &[u8], is_pattern: bool) -> bool {
    allowed.iter().any(|allowed| match is_pattern {
        true => allowed.as_ref() == channel,
        false => glob::matches(allowed.as_ref(), channel, false),
    })
}
