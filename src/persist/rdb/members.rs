//! Deadlines of a set's members, for which no document tells Redis's own form.
//!
//! In a file they stand in auxiliary fields before the key, which servers that don't know them pass over: there the members
//! live until whoever has their deadlines says that they are gone. A payload, which has no such fields, holds a value of a
//! module's type that no other server has, so that none of them takes the members for such as live for ever.

use super::fault::{Fault, Read};
use super::module_parts::ModuleParts;
use super::opcode;
use super::write::{RdbWriter, Spill};
use crate::types::{Limits, PART_DEADLINE_MAX_MS, Set, Type, Value};

/// The auxiliary field: rows of a deadline, a length and a member.
pub const AUX: &[u8] = b"vermilion-members";
/// The type of a payload.
pub const NAME: &str = "vm-setttl";
const VERSION: u16 = 1;
/// Bytes of rows in one field.
const FIELD_BYTES: usize = 64 * 1024;

/// A member in a payload that has no deadline.
const NEVER: u64 = 0;

impl<S: Spill> RdbWriter<S> {
    /// Writes the deadlines of the set that follows.
    pub(super) fn member_deadlines(&mut self, set: &Set) {
        let mut rows = Vec::new();
        for (member, deadline_ms) in set.deadlines() {
            rows.extend_from_slice(&deadline_ms.to_le_bytes());
            rows.extend_from_slice(&(member.len() as u64).to_le_bytes());
            rows.extend_from_slice(member);
            if rows.len() >= FIELD_BYTES {
                self.field(&rows);
                rows.clear();
            }
        }
        if !rows.is_empty() {
            self.field(&rows);
        }
    }

    fn field(&mut self, rows: &[u8]) {
        self.out.push(opcode::AUX);
        self.string(AUX);
        self.string(rows);
    }

    /// Writes a set whose members have deadlines for a payload.
    pub(super) fn timed_set(&mut self, set: &Set) {
        self.module_head(NAME, u64::from(VERSION));
        self.module_count(set.len() as u64);
        for member in set.iter() {
            let mut digits = itoa::Buffer::new();
            let member = member.as_bytes(&mut digits);
            self.module_count(set.deadline(member).unwrap_or(NEVER));
            self.module_text(member);
        }
        self.module_end();
    }
}

/// Reads the set of a payload.
pub fn read(parts: &mut ModuleParts<'_, '_>, version: u16, limits: &Limits) -> Read<Value> {
    if version != VERSION {
        return Err(Fault::Says(
            "a set in a form that is newer than this server",
        ));
    }
    let mut set = Set::new();
    let count = parts.count()?;
    if count == 0 {
        return Err(Fault::Empty);
    }
    for _ in 0..count {
        let deadline_ms = parts.count()?;
        let member = parts.text()?;
        if !set.insert(&member, limits) {
            return Err(Fault::Broken);
        }
        if deadline_ms > PART_DEADLINE_MAX_MS {
            return Err(Fault::Broken);
        }
        if deadline_ms != NEVER {
            set.set_deadline(&member, deadline_ms, limits);
        }
    }
    Ok(set.wrap())
}

/// Gives the members of a set that was read the deadlines that a file tells of them; false if these are no such rows, or no
/// deadlines that members may have.
pub fn set_deadlines(set: &mut Set, mut rows: &[u8], limits: &Limits) -> bool {
    while !rows.is_empty() {
        let Some((deadline_ms, rest)) = rows.split_first_chunk::<8>() else {
            return false;
        };
        let Some((len, rest)) = rest.split_first_chunk::<8>() else {
            return false;
        };
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let Some((member, rest)) = rest.split_at_checked(len) else {
            return false;
        };
        let deadline_ms = u64::from_le_bytes(*deadline_ms);
        if !set.contains(member) || deadline_ms > PART_DEADLINE_MAX_MS {
            return false;
        }
        // Zero would be no deadline in a payload.
        set.set_deadline(member, deadline_ms.max(1), limits);
        rows = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::rdb::{Dialect, check_dump, dump};
    use crate::types::Hash;

    #[test]
    fn a_deadline_that_no_command_sets_is_not_taken_from_a_file() {
        let limits = Limits::default();
        let last = PART_DEADLINE_MAX_MS;
        for (deadline_ms, is_sound) in [
            (1, true),
            (last, true),
            (last + 1, false),
            (u64::MAX, false),
        ] {
            let mut set = Set::new();
            set.insert(b"m", &limits);
            let rows = [&deadline_ms.to_le_bytes()[..], &1u64.to_le_bytes(), b"m"].concat();
            assert_eq!(
                set_deadlines(&mut set, &rows, &limits),
                is_sound,
                "{deadline_ms}"
            );
            set.set_deadline(b"m", deadline_ms, &limits);
            for dialect in [Dialect::Redis, Dialect::Valkey] {
                let payload = dump(set.clone().wrap().as_ref(), dialect);
                let read = check_dump(&payload, false).unwrap().value(&limits);
                assert_eq!(read.is_ok(), is_sound, "{deadline_ms}");
            }
        }
    }

    #[test]
    fn a_later_deadline_of_a_field_becomes_the_latest() {
        let limits = Limits::default();
        for (entries, dialect) in [
            (0, Dialect::Redis),
            (1, Dialect::Redis),
            (1, Dialect::Valkey),
        ] {
            let limits = Limits {
                hash_entries: entries,
                ..limits
            };
            let mut hash = Hash::new();
            hash.insert(b"f", b"v", false, 0, &limits);
            hash.set_deadline(b"f", (1 << 48) - 1);
            let payload = dump(hash.wrap().as_ref(), dialect);
            let read = check_dump(&payload, false).unwrap().value(&limits).unwrap();
            assert_eq!(read.as_ref().next_deadline(), Some(PART_DEADLINE_MAX_MS));
        }
    }
}
