//! What must hold in a shard, whatever was done to it, looked at entry by entry: DEBUG DIGEST asks, at the end of tests above all.

use super::entry::Entry;
use super::place::ShardKey;
use super::shard::Shard;
use super::table::Table;
use super::wheel::Subject;
use crate::types::Kind;

/// What doesn't hold, in words.
pub type Unsound = String;

impl Shard {
    /// Looks whether all is as it must be in this shard, whose number this is.
    pub fn check(&self, id: usize) -> Result<(), Unsound> {
        for (db, table) in self.tables().iter().enumerate() {
            for pos in 0..table.len() {
                let entry = table.at(pos);
                let told = |what: &str| {
                    let key = String::from_utf8_lossy(entry.key_name());
                    format!("shard {id}, database {db}, key {key}: {what}")
                };
                let key = ShardKey::of(entry.key_name());
                if key.shard() != id {
                    return Err(told("it belongs into another shard"));
                }
                if table.find(key.hash(), entry.key_name()) != Some(pos) {
                    return Err(told("it is not found where it stands"));
                }
                if entry.value().holds_nothing() {
                    return Err(told("it holds an empty collection"));
                }
                check_timers(table, pos, entry).map_err(told)?;
            }
            let told = |what: &str| format!("shard {id}, database {db}: {what}");
            check_wheel(table).map_err(told)?;
            if !table.counts_slots() {
                return Err(told("its slots' keys are counted wrong"));
            }
        }
        match self.waiters.is_sound() {
            true => Ok(()),
            false => Err(format!(
                "shard {id}: clients wait in a queue that is empty or reaches too few shards"
            )),
        }
    }
}

/// Whether the deadlines of an entry and the wheel know of each other.
fn check_timers(table: &Table, pos: usize, entry: &Entry) -> Result<(), &'static str> {
    let leads_here = |timer: u32, subject: Subject| {
        let due = table.wheel().and_then(|wheel| wheel.timer(timer));
        due.filter(|due| due.entry as usize == pos && due.subject == subject)
    };
    if entry.timer() != 0 && leads_here(entry.timer(), Subject::Key).is_none() {
        return Err("its timer belongs to another one");
    }
    let subject = match entry.kind() {
        Kind::Set => Subject::Members,
        _ => Subject::Fields,
    };
    let held = match entry.value().parts_timer() {
        0 => None,
        timer => match leads_here(timer, subject) {
            None => return Err("the timer of its parts belongs to another one"),
            Some(due) => Some(due.deadline_ms),
        },
    };
    match held == entry.value().next_deadline() {
        true => Ok(()),
        false => Err("its first part to go is not what the wheel waits for"),
    }
}

/// Whether the wheel has the timers of the entries, and no others.
fn check_wheel(table: &Table) -> Result<(), &'static str> {
    let Some(wheel) = table.wheel() else {
        return Ok(());
    };
    let entries = || (0..table.len()).map(|pos| table.at(pos));
    let keys = entries().filter(|entry| entry.timer() != 0).count();
    let sum_ms: u128 = entries()
        .filter_map(|entry| table.deadline(entry))
        .map(u128::from)
        .sum();
    let timed = |kind: Kind| {
        let is_timed = |entry: &Entry| entry.kind() == kind && entry.value().parts_timer() != 0;
        entries().filter(|entry| is_timed(entry)).count()
    };
    let (hashes, sets) = (timed(Kind::Hash), timed(Kind::Set));
    let counted = (wheel.keys(), wheel.hashes(), wheel.sets());
    if ((keys, hashes, sets), sum_ms) != (counted, wheel.deadline_sum_ms()) {
        return Err("the wheel counts other deadlines than there are");
    }
    match wheel.linked() {
        Some(linked) if linked == keys + hashes + sets => Ok(()),
        _ => Err("the wheel's lists are broken"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::access::{Access, AccessRules};
    use crate::types::{Text, Value};

    /// A shard with one key that has a deadline, and the key's position.
    fn shard() -> (Shard, usize, usize) {
        let mut shard = Shard::default();
        let key = ShardKey::of(b"k");
        let value = Value::Text(Text::from_bytes(b"v"));
        let access = Access::fresh(&AccessRules::default(), 0);
        let pos = shard.insert(0, key.hash(), b"k", value.into(), access);
        shard.table_mut(0).set_deadline(pos, 1000, 0);
        (shard, key.shard(), pos)
    }

    #[test]
    fn a_shard_that_was_edited_by_its_own_means_is_sound() {
        let (mut shard, id, pos) = shard();
        assert_eq!(shard.check(id), Ok(()));
        shard.remove(0, pos);
        assert_eq!(shard.check(id), Ok(()));
    }

    #[test]
    fn what_is_broken_is_named() {
        let (shard_, id, _) = shard();
        let elsewhere = shard_.check(id + 1).expect_err("it stands elsewhere");
        assert!(elsewhere.contains("key k: it belongs into another shard"));
        let (mut shard, id, pos) = shard();
        shard.table_mut(0).at_mut(pos).set_timer(0);
        let lost = shard.check(id).expect_err("nobody knows of the timer");
        assert!(lost.contains("counts other deadlines"), "{lost}");
    }
}
