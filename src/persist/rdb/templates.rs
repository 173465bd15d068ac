//! The templates of a file: names of fields that several hashes share, by number.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::fault::{Fault::Broken, Read};

/// The templates of a file, by number.
#[derive(Clone, Debug, Default)]
pub struct Templates(HashMap<u64, Arc<[Box<[u8]>]>>);

impl Templates {
    /// Notes a template; false if its number is taken.
    pub(super) fn add(&mut self, id: u64, names: &[Cow<'_, [u8]>]) -> bool {
        let names = names.iter().map(|name| Box::from(&**name)).collect();
        self.0.insert(id, names).is_none()
    }

    /// The names of a template's fields.
    pub(super) fn names(&self, id: u64) -> Read<&[Box<[u8]>]> {
        self.0.get(&id).map(|names| &**names).ok_or(Broken)
    }

    /// How many fields a hash of this template has.
    pub(super) fn fields(&self, id: u64) -> Read<usize> {
        self.names(id).map(<[_]>::len)
    }
}
