//! Entries as replies.

use crate::resp::Reply;
use crate::types::stream::{Id, IdText, StreamEntry};

pub fn id(id: Id, out: &mut Reply) {
    out.bulk(id.text(&mut IdText::default()));
}

/// The id, and names and values in turn.
pub fn entry(entry: &StreamEntry<'_>, out: &mut Reply) {
    out.array(2);
    body(entry, out);
}

/// What stands in an entry's array, which may have more.
pub fn body(entry: &StreamEntry<'_>, out: &mut Reply) {
    id(entry.id, out);
    out.array(2 * entry.len());
    entry.each(|name, value| {
        out.piece(name);
        out.piece(value);
    });
}

/// Entries up to a number of them, 0 for all; how many there were.
pub fn entries<'a>(
    entries: impl Iterator<Item = StreamEntry<'a>>,
    count: usize,
    out: &mut Reply,
) -> usize {
    let open = out.open_array();
    let mut written = 0;
    for one in entries {
        entry(&one, out);
        written += 1;
        if written == count {
            break;
        }
    }
    out.close(open, written);
    written
}
