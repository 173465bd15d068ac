//! Which databases a command touches, for users who may use some of them only.

use super::{CommandEntry, Fail, KeyUse};

/// Which databases a command touches.
#[derive(Clone, Copy)]
pub enum Databases {
    /// The client's, if it has to do with keys.
    Here,
    /// All of them.
    Everywhere,
    /// Those that its arguments name.
    Named(NamedDatabases),
    /// Those that its arguments name, and the client's.
    NamedAndHere(NamedDatabases),
    /// The one that its argument names, which becomes the client's.
    Into(NamedDatabases),
}

/// Visits the databases that arguments name, with their places. What it fails with is what the command would say of them.
pub type NamedDatabases = fn(&[&[u8]], &mut dyn FnMut(usize, i64)) -> Result<(), Fail>;

impl CommandEntry {
    /// The databases that it touches when it runs in `here`, one of so many: none for all of them, and the places of the
    /// arguments that name them, or 0. What is named wrongly is not touched: the command will fail.
    pub fn each_database(
        &self,
        argv: &[&[u8]],
        here: usize,
        databases: usize,
        mut visit: impl FnMut(usize, Option<usize>),
    ) {
        let (named, and_here) = match self.command.databases {
            Databases::Everywhere => return visit(0, None),
            Databases::Here => (None, self.works_on_keys()),
            Databases::NamedAndHere(named) => (Some(named), true),
            Databases::Named(named) | Databases::Into(named) => (Some(named), false),
        };
        let named = named.and_then(|named| all_named(named, argv, databases));
        for (at, db) in named.unwrap_or_default() {
            visit(at, Some(db));
        }
        if and_here {
            visit(0, Some(here));
        }
    }

    /// The database that it makes its client's.
    pub fn enters(&self, argv: &[&[u8]], databases: usize) -> Option<usize> {
        let Databases::Into(named) = self.command.databases else {
            return None;
        };
        let (_, db) = all_named(named, argv, databases)?.pop()?;
        Some(db)
    }

    fn works_on_keys(&self) -> bool {
        let mut categories = self.categories.iter();
        self.command.more_keys.is_some()
            || self.specs.iter().any(|spec| spec.used != KeyUse::CHANNEL)
            || categories.any(|category| matches!(*category, "keyspace" | "read" | "write"))
    }
}

/// What arguments name, if all of it is there.
fn all_named(
    named: NamedDatabases,
    argv: &[&[u8]],
    databases: usize,
) -> Option<Vec<(usize, usize)>> {
    let mut all = Vec::new();
    let mut known = true;
    let fits = named(argv, &mut |at, db| {
        let db = usize::try_from(db).ok().filter(|db| *db < databases);
        known &= db.is_some();
        all.extend(db.map(|db| (at, db)));
    });
    (known && fits.is_ok()).then_some(all)
}
