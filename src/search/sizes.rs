//! What the parts of an index take: bytes and entries.

use super::index::{Column, DocumentIndex};
use crate::util::turns::Turns;

/// Beside each document stand a row and its place in the table.
const ROW_BYTES: usize = 128;
/// Beside each list stand its name and its place.
const LIST_BYTES: usize = 64;
/// A number with its document, and its place.
const NUMBER_BYTES: usize = 24;

#[derive(Default)]
pub struct IndexSizes {
    pub lists: usize,
    pub list_bytes: usize,
    pub records: usize,
    pub blocks: usize,
    pub vector_bytes: usize,
    pub tag_bytes: usize,
    pub table_bytes: usize,
    pub key_bytes: usize,
    pub sort_bytes: usize,
}

impl IndexSizes {
    /// Others have their turns while it is measured.
    pub fn of(index: &DocumentIndex, turns: &Turns<'_>) -> Self {
        let mut held = IndexSizes {
            table_bytes: index.docs.len() * ROW_BYTES,
            ..IndexSizes::default()
        };
        for row in index.docs.values() {
            turns.tick(1);
            held.key_bytes += row.key.len();
            held.sort_bytes += size_of_val(&*row.sorts);
        }
        let lists = index.columns.iter().filter_map(|column| match column {
            Column::Tags(lists) => Some(lists),
            _ => None,
        });
        for list in lists.chain([&index.terms]).flat_map(|lists| lists.values()) {
            turns.tick(1);
            held.lists += 1;
            held.list_bytes += list.bytes();
            held.records += list.len();
            held.blocks += list.blocks();
        }
        for column in &index.columns {
            match column {
                Column::Vectors(vectors) => held.vector_bytes += vectors.bytes(),
                Column::Numbers(numbers) => {
                    held.records += numbers.len();
                    held.list_bytes += numbers.len() * NUMBER_BYTES;
                }
                Column::Tags(lists) => held.tag_bytes += lists.len() * LIST_BYTES,
                Column::Text => {}
            }
        }
        held
    }

    /// Of what stands beside lists of words and tags.
    pub fn beside_lists(&self) -> usize {
        self.lists * LIST_BYTES
    }

    pub fn total(&self) -> usize {
        self.list_bytes
            + self.vector_bytes
            + self.table_bytes
            + self.sort_bytes
            + self.key_bytes
            + self.tag_bytes
    }
}
