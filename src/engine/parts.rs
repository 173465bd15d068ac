//! What follows where parts of a value have gone or have other deadlines: it is told, and the wheel is set.

use super::effects::{Class, Effects};
use super::shard::Shard;
use super::table::Table;
use crate::types::{Bstr, Kind};

/// Tells that fields of the hash or members of the set at `pos` have gone, as their deadline had passed.
pub(super) fn tell_gone(
    shard: &mut Shard,
    (db, pos): (usize, usize),
    key: &Bstr,
    gone: Vec<Bstr>,
    effects: &mut Effects,
) {
    shard.changed(db, pos, effects);
    // Expiry isn't an edit of the command that came upon it.
    effects.dirty -= 1;
    effects.expired_fields += gone.len() as u64;
    let (class, event) = expiry_event(shard.table_mut(db).at(pos).kind());
    if effects.wanted.log {
        let removal: &[u8] = match class {
            Class::Set => b"SREM",
            _ => b"HDEL",
        };
        let head: [&[u8]; 2] = [removal, key];
        let args: Vec<&[u8]> = head
            .into_iter()
            .chain(gone.iter().map(|f| &f[..]))
            .collect();
        effects.log.push(db, &args);
    }
    effects.announce_fields(class, event, db, key, &gone);
}

/// The event that tells that parts of a value of this type have expired.
pub(super) fn expiry_event(kind: Kind) -> (Class, &'static str) {
    match kind {
        Kind::Set => (Class::Set, "sexpired"),
        _ => (Class::Hash, "hexpired"),
    }
}

/// Sets the wheel by the earliest deadline among the parts of the value at `pos`, once it has changed.
#[inline]
pub(super) fn sync_parts(table: &mut Table, pos: usize, now_ms: u64, effects: &mut Effects) {
    // What is packed has none.
    if table.at(pos).is_packed() {
        return;
    }
    table.sync_parts_timer(pos, now_ms);
    if let Some(due) = table.at(pos).value().next_deadline() {
        effects.deadline_set(due);
    }
}
