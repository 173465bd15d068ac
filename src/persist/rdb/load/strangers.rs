//! Keys of kinds that this server does not have: counted, and told of in one sentence.

use std::collections::BTreeMap;
use std::fmt;

/// How many keys of which kinds are in which databases.
#[derive(Debug, Default)]
pub struct Strangers {
    counts: BTreeMap<usize, BTreeMap<String, u64>>,
}

impl Strangers {
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// One more key of a kind in a database.
    pub(super) fn add(&mut self, db: usize, kind: String) {
        *self.counts.entry(db).or_default().entry(kind).or_default() += 1;
    }

    fn total(&self) -> u64 {
        self.counts.values().flat_map(BTreeMap::values).sum()
    }
}

impl fmt::Display for Strangers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        let keys = if total == 1 { "key" } else { "keys" };
        let dbs: Vec<String> = self
            .counts
            .iter()
            .map(|(db, kinds)| {
                let kinds: Vec<String> = kinds
                    .iter()
                    .map(|(kind, count)| format!("{count} of kind '{kind}'"))
                    .collect();
                format!("{} in database {db}", kinds.join(", "))
            })
            .collect();
        write!(
            out,
            "{total} {keys} of kinds that this server does not have: {}",
            dbs.join("; ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_told_of_by_database_and_kind() {
        let mut strangers = Strangers::default();
        assert!(strangers.is_empty());
        strangers.add(0, "graph (graphdata)".to_owned());
        let told = "1 key of kinds that this server does not have: 1 of kind 'graph (graphdata)' in database 0";
        assert_eq!(strangers.to_string(), told);
        for (db, kind) in [(3, "array"), (0, "array"), (3, "array")] {
            strangers.add(db, kind.to_owned());
        }
        let told = "4 keys of kinds that this server does not have: 1 of kind 'array', \
                    1 of kind 'graph (graphdata)' in database 0; 2 of kind 'array' in database 3";
        assert_eq!(strangers.to_string(), told);
    }
}
