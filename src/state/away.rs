//! Keys on their way to another server: what names them is held back for as long as [`Away`] lives.

use std::sync::Arc;

use super::shared::Shared;
use crate::types::Bstr;

pub struct Away {
    shared: Arc<Shared>,
    keys: Vec<Bstr>,
}

impl Away {
    /// To be called under the locks of the keys. Nobody else's are among them, as this command would have been held back.
    pub fn new(shared: &Arc<Shared>, keys: &[Bstr]) -> Self {
        shared.pause.hold_away(keys);
        shared.guards.moved();
        Away {
            shared: shared.clone(),
            keys: keys.to_vec(),
        }
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        self.shared.pause.let_away_go(&self.keys);
    }
}
