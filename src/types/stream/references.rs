//! Entries that groups refer to: deleted alone, deleted with what groups know of them, or spared.

use std::collections::BTreeMap;

use super::group::Group;
use super::id::Id;
use super::{Stream, Trim, TrimBound, Trimmed};
use crate::types::Bstr;

/// What becomes of an entry, and of the groups that refer to it, when it is to be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum References {
    /// What is pending stays pending, though the entry is gone.
    #[default]
    Keep,
    /// What is pending goes with the entry.
    Drop,
    /// An entry that a group has still to read or to acknowledge stays.
    Spare,
}

/// Ids that groups were made to forget, by the groups' names.
pub type Forgotten = BTreeMap<Bstr, Vec<Id>>;

type Groups = BTreeMap<Bstr, Group>;

/// Whether a group has still to read the entry with this id, or to acknowledge it.
fn refer(groups: &Groups, id: Id) -> bool {
    let refers = |group: &Group| group.last_id < id || group.pending().get(id).is_some();
    groups.values().any(refers)
}

fn forget(groups: &mut Groups, id: Id, forgotten: &mut Forgotten) {
    for (name, group) in groups {
        if group.acknowledge(id) {
            forgotten.entry(name.clone()).or_default().push(id);
        }
    }
}

impl Stream {
    /// Whether a group has still to read the entry with this id, or to acknowledge it.
    pub fn is_referenced(&self, id: Id) -> bool {
        refer(&self.groups, id)
    }

    /// Makes every group forget that this entry is pending, and adds to `forgotten` which did.
    pub fn forget(&mut self, id: Id, forgotten: &mut Forgotten) {
        forget(&mut self.groups, id, forgotten);
    }

    /// Trims entry by entry, as groups may refer to some: a node goes whole only if all of its entries do. A rough trim looks at no
    /// node that lies partly within the bound, so that more may stay than an exact one leaves; of the others it takes single entries.
    pub(super) fn trim_each(&mut self, trim: &Trim) -> Trimmed {
        let mut trimmed = Trimmed::default();
        let mut from = Id::MIN;
        loop {
            let spot = self.nodes.seek(from);
            let Some(node) = self.nodes.at(spot) else {
                break;
            };
            let (first, live) = (super::Placed::id(node), node.live());
            if self.has_trimmed(trim, trimmed.entries, live) {
                break;
            }
            let is_whole = self.is_beyond(trim, node);
            if trim.is_rough && !is_whole {
                break;
            }
            let mut len = self.len as u64;
            let mut condemned = Vec::new();
            let offsets = node.condemn(|id| {
                let stays = match trim.bound {
                    TrimBound::Len(max) => len <= max,
                    TrimBound::From(from) => id >= from,
                };
                if stays {
                    return None;
                }
                let dies = trim.references != References::Spare || !refer(&self.groups, id);
                if dies {
                    len -= 1;
                    condemned.push(id);
                }
                Some(dies)
            });
            if trim.references == References::Drop {
                condemned
                    .iter()
                    .for_each(|id| forget(&mut self.groups, *id, &mut trimmed.forgotten));
            }
            trimmed.last_id = condemned.last().copied().unwrap_or(trimmed.last_id);
            trimmed.entries += condemned.len();
            if condemned.len() == live {
                trimmed.nodes.push_some(self.take_node(spot));
            } else if !condemned.is_empty() {
                self.edit_node(spot, |node| node.kill(&offsets));
                self.len -= condemned.len();
            }
            match first.next() {
                Some(next) if is_whole => from = next,
                _ => break,
            }
        }
        if trimmed.entries > 0 {
            self.find_first();
        }
        trimmed
    }
}
