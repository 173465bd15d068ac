//! Leave that a node has given others to take slots of it whole. It and its replicas keep it over a restart: whose the slots
//! are is known only once it is known what the other node made of it.

use std::fmt;

use super::node::NodeId;
use super::slots::{SlotSet, read_ranges};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenLeave {
    /// The node that may take them.
    pub dest: NodeId,
    pub slots: SlotSet,
}

impl GivenLeave {
    pub fn parse(text: &str) -> Option<Self> {
        let (dest, slots) = text.split_once(':')?;
        Some(GivenLeave {
            dest: NodeId::parse(dest.as_bytes())?,
            slots: read_ranges(slots)?,
        })
    }
}

/// As the file of nodes and other nodes have it: one word.
impl fmt::Display for GivenLeave {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.dest, self.slots.to_word())
    }
}
