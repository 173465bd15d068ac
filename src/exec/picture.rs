//! What a worker knows of the cluster's picture, at which it looks once for each time that it asks the guards.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::cluster::View;
use crate::state::clustering::Clustering;

#[derive(Default)]
pub(super) struct SeenPicture {
    /// The picture as of when the guards were asked so often.
    view: RefCell<(u64, Option<Arc<View>>)>,
    /// Slots are on the move in it, so that keys are looked for under their locks.
    pub unsettled: Cell<bool>,
}

impl SeenPicture {
    /// The picture as of when the guards were asked, who had moved so often by then.
    #[inline]
    pub fn as_of(&self, moves: u64, clustering: &Clustering) -> Arc<View> {
        let mut held = self.view.borrow_mut();
        let (seen, view) = &mut *held;
        if *seen != moves || view.is_none() {
            // The guards move once another picture stands: this one is not older than what they were asked about.
            *seen = moves;
            *view = Some(clustering.view().clone());
        }
        view.clone().expect("it has just been looked at")
    }

    /// Whether the picture as of then has been looked at, and says so.
    #[inline]
    pub fn says(&self, moves: u64, so: impl FnOnce(&View) -> bool) -> bool {
        match &*self.view.borrow() {
            (seen, Some(view)) => *seen == moves && so(view),
            (_, None) => false,
        }
    }
}
