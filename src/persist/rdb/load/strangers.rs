//! What a snapshot holds that this server does not have: counted, and told of in one sentence.

use std::collections::BTreeMap;
use std::fmt;

use crate::persist::rdb::read::RdbReader;
use crate::persist::rdb::{kind, modules};
use crate::types::Limits;

/// Kinds that are named. A file may bring any number of them.
const NAMED_MAX: usize = 10;

/// What there may be too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Keys of kinds that this server does not have.
    Keys,
    /// Metadata of keys that it has.
    Metadata,
    /// Commands that no log holds.
    Commands,
}

/// How many of which kinds are in which databases, of one sort.
#[derive(Debug, Default)]
struct StrangerCounts {
    /// What they are of: a key may have metadata of several kinds.
    total: u64,
    named: BTreeMap<usize, BTreeMap<String, u64>>,
    names: usize,
    /// Those of kinds that are not named.
    others: u64,
}

impl StrangerCounts {
    fn add(&mut self, db: usize, kind: String) {
        let named = self.named.entry(db).or_default();
        if let Some(count) = named.get_mut(&kind) {
            *count += 1;
        } else if self.names < NAMED_MAX {
            self.names += 1;
            named.insert(kind, 1);
        } else {
            self.others += 1;
        }
    }

    /// Each kind with its number, by database; `of` is the word before a kind.
    fn tell(&self, out: &mut fmt::Formatter<'_>, of: &str) -> fmt::Result {
        let dbs = self.named.iter().filter(|(_, kinds)| !kinds.is_empty());
        let dbs: Vec<String> = dbs
            .map(|(db, kinds)| {
                let kinds: Vec<String> = kinds
                    .iter()
                    .map(|(kind, count)| format!("{count} of {of}'{kind}'"))
                    .collect();
                format!("{} in database {db}", kinds.join(", "))
            })
            .collect();
        out.write_str(&dbs.join("; "))?;
        match self.others {
            0 => Ok(()),
            others => write!(out, ", and {others} of other kinds"),
        }
    }
}

/// What a snapshot holds that this server does not have.
#[derive(Debug, Default)]
pub struct Strangers {
    keys: StrangerCounts,
    metadata: StrangerCounts,
    commands: StrangerCounts,
}

impl Strangers {
    pub fn is_empty(&self) -> bool {
        let all = [&self.keys, &self.metadata, &self.commands];
        all.iter().all(|counts| counts.total == 0)
    }

    /// One more thing of a sort in a database, of these kinds.
    pub(super) fn add(&mut self, sort: Sort, db: usize, kinds: impl IntoIterator<Item = String>) {
        let counts = match sort {
            Sort::Keys => &mut self.keys,
            Sort::Metadata => &mut self.metadata,
            Sort::Commands => &mut self.commands,
        };
        let mut kinds = kinds.into_iter().peekable();
        counts.total += u64::from(kinds.peek().is_some());
        kinds.for_each(|kind| counts.add(db, kind));
    }
}

impl fmt::Display for Strangers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut begun = false;
        for (sort, counts) in [
            (Sort::Keys, &self.keys),
            (Sort::Metadata, &self.metadata),
            (Sort::Commands, &self.commands),
        ] {
            let total = counts.total;
            if total == 0 {
                continue;
            }
            if std::mem::replace(&mut begun, true) {
                out.write_str(", and ")?;
            }
            let s = if total == 1 { "" } else { "s" };
            let of = match sort {
                Sort::Keys => {
                    write!(
                        out,
                        "{total} key{s} of kinds that this server does not have: "
                    )?;
                    "kind "
                }
                Sort::Metadata => {
                    write!(
                        out,
                        "metadata of {total} key{s} of classes that this server does not have: "
                    )?;
                    "class "
                }
                Sort::Commands => {
                    write!(out, "{total} command{s} that no log holds: ")?;
                    ""
                }
            };
            counts.tell(out, of)?;
        }
        Ok(())
    }
}

/// What a value is called that this server does not have.
pub(super) fn stranger(kind: u8, mut value: RdbReader<'_>, limits: &Limits) -> Option<String> {
    match kind {
        kind::MODULE_2 => {
            // It has just been stepped over, so its beginning can be read.
            let id = value.count().unwrap_or_default();
            modules::reader(id).is_none().then(|| modules::called(id))
        }
        kind::ARRAY => Some("array".to_owned()),
        kind::BITMAP if value.is_too_sparse(limits) == Ok(true) => {
            Some("bitmap too long or too sparse for a string".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_told_of_by_database_and_kind() {
        let mut strangers = Strangers::default();
        let one = |kind: &str| [kind.to_owned()];
        assert!(strangers.is_empty());
        strangers.add(Sort::Metadata, 0, []);
        assert!(strangers.is_empty());
        strangers.add(Sort::Keys, 0, one("graph (graphdata)"));
        let told = "1 key of kinds that this server does not have: 1 of kind 'graph (graphdata)' in database 0";
        assert_eq!(strangers.to_string(), told);
        for (db, kind) in [(3, "array"), (0, "array"), (3, "array")] {
            strangers.add(Sort::Keys, db, one(kind));
        }
        let told = "4 keys of kinds that this server does not have: 1 of kind 'array', \
                    1 of kind 'graph (graphdata)' in database 0; 2 of kind 'array' in database 3";
        assert_eq!(strangers.to_string(), told);
        for number in 0..20 {
            strangers.add(Sort::Keys, 4, one(&format!("kind {number}")));
        }
        let end = "1 of kind 'kind 6' in database 4, and 13 of other kinds";
        assert!(strangers.to_string().ends_with(end), "{strangers}");
        let two = || ["A".to_owned(), "B".to_owned()];
        let mut strangers = Strangers::default();
        strangers.add(Sort::Metadata, 0, two());
        strangers.add(Sort::Metadata, 0, two());
        strangers.add(Sort::Commands, 1, one("PING"));
        let told = "metadata of 2 keys of classes that this server does not have: 2 of class 'A', 2 of class 'B' \
                    in database 0, and 1 command that no log holds: 1 of 'PING' in database 1";
        assert_eq!(strangers.to_string(), told);
    }
}
