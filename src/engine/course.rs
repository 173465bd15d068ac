//! What a table knows of the walks over its names that are under way.

use std::sync::{Arc, Weak};

use hashbrown::HashSet;

use crate::types::Bstr;
use crate::util::ranked::{Mutex, rank};

/// What a walk shares with the tables.
pub(super) struct Ground {
    /// Who was alive at this time is named.
    pub at_ms: u64,
    /// Names that edits handed over before the walk came to them.
    pub handed: Mutex<Vec<Bstr>, { rank("names") }>,
}

/// A walk over one table.
pub(super) struct Course {
    /// Gone if the walk was given up; then this is in nobody's way, and goes when it is met.
    pub ground: Weak<Ground>,
    /// Positions below this are still to be visited. What stands there was there when the walk began.
    pub below: usize,
    /// Names below that were dealt with already, as their deadlines changed.
    pub settled: HashSet<Bstr>,
}

impl Course {
    pub fn is_of(&self, ground: &Arc<Ground>) -> bool {
        std::ptr::eq(self.ground.as_ptr(), Arc::as_ptr(ground))
    }

    pub fn is_wanted(&self) -> bool {
        self.ground.strong_count() > 0
    }
}
