//! A command as the check of its user's rights sees it.

use super::{CommandEntry, Flag};
use crate::acl::{AclRequest, KeyAccess, User};
use crate::state::shared::Shared;

/// What a command touches, told from its entry and arguments.
pub struct Touched<'a> {
    entry: &'a CommandEntry,
    argv: &'a [&'a [u8]],
    /// The database that it runs in, and how many there are.
    db: usize,
    databases: usize,
}

impl<'a> Touched<'a> {
    pub fn new(entry: &'a CommandEntry, argv: &'a [&'a [u8]], db: usize, server: &Shared) -> Self {
        Touched {
            entry,
            argv,
            db,
            databases: server.config.databases.get() as usize,
        }
    }
}

impl AclRequest for Touched<'_> {
    fn command(&self) -> usize {
        self.entry.id
    }

    fn is_free(&self) -> bool {
        self.entry.is(Flag::NoAuth)
    }

    fn first_arg(&self) -> Option<&[u8]> {
        self.argv.get(self.entry.words).copied()
    }

    fn arg(&self, at: usize) -> &[u8] {
        self.argv[at]
    }

    fn each_key(&self, visit: &mut dyn FnMut(usize, KeyAccess)) {
        // Those that it does name are checked even where the rest doesn't fit: the command may run without it.
        let key_use = self.entry.command.key_use.map(|of| of(self.argv));
        self.entry.each_use(self.argv, |at, used| {
            visit(at, key_use.unwrap_or(used).access());
        });
    }

    fn each_database(&self, visit: &mut dyn FnMut(usize, Option<usize>)) {
        self.entry
            .each_database(self.argv, self.db, self.databases, visit);
    }

    fn each_channel(&self, visit: &mut dyn FnMut(usize, bool)) {
        self.entry.each_channel(self.argv.len(), visit);
    }
}

/// Whether the user of a command may have it read keys that it doesn't name.
pub fn reads_every_key(user: Option<&User>, touched: &Touched<'_>) -> bool {
    user.is_none_or(|user| user.is_unlimited() || user.rights().check_reading_all(touched))
}
