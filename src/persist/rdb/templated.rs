//! Hashes that share their fields' names, as Redis 8.10 writes them: a template has the names, and each hash its values.
//!
//! In a file a template is a record of its own, and hashes name it by its number; a payload brings the names with it. Here
//! they become ordinary hashes.

use std::borrow::Cow;

use super::fault::{Fault, Fault::Broken, Read};
use super::kind;
use super::read::RdbReader;
use super::templates::Templates;
use crate::types::{Hash, Limits};

/// A hash of these pairs, each of its fields once.
fn hash_of<'p>(
    pairs: impl Iterator<Item = Read<(Cow<'p, [u8]>, Cow<'p, [u8]>)>>,
    limits: &Limits,
) -> Read<Hash> {
    let mut hash = Hash::new();
    for pair in pairs {
        let (field, value) = pair?;
        if !hash.insert(&field, &value, false, 0, limits) {
            return Err(Broken);
        }
    }
    Ok(hash)
}

impl<'a> RdbReader<'a> {
    /// The names of a template, behind their number.
    pub(super) fn template_names(&mut self) -> Read<Vec<Cow<'a, [u8]>>> {
        let count = self.count()?;
        // Each takes a byte at least.
        if count > self.left() as u64 {
            return Err(Fault::Short);
        }
        (0..count).map(|_| self.string()).collect()
    }

    pub(super) fn hash_of_template(
        &mut self,
        kind: u8,
        templates: &Templates,
        limits: &Limits,
    ) -> Read<Hash> {
        match kind {
            kind::HASH_TEMPLATE => {
                let count = self.count()?;
                hash_of(
                    (0..count).map(|_| Ok((self.string()?, self.string()?))),
                    limits,
                )
            }
            kind::HASH_TEMPLATE_REF => {
                let names = templates.names(self.count()?)?;
                let pairs = names
                    .iter()
                    .map(|name| Ok((Cow::Borrowed(&**name), self.string()?)));
                hash_of(pairs, limits)
            }
            kind::HASH_TEMPLATE_PACK => {
                let names = self.template_names()?;
                let pack = self.listpack()?;
                // Where the template's number stands before the values, it means nothing here.
                let skipped = match pack.len().checked_sub(names.len()) {
                    Some(number @ (0 | 1)) => number,
                    _ => return Err(Broken),
                };
                let values = pack.iter().skip(skipped);
                let values = values.map(|value| Cow::Owned(value.to_vec()));
                hash_of(names.into_iter().zip(values).map(Ok), limits)
            }
            _ => {
                let pack = self.listpack()?;
                let mut values = pack.iter();
                let id = values.next().and_then(|id| id.to_int()).ok_or(Broken)?;
                let names = templates.names(u64::try_from(id).map_err(|_| Broken)?)?;
                if pack.len() != names.len() + 1 {
                    return Err(Broken);
                }
                let names = names.iter().map(|name| Cow::Borrowed(&**name));
                let values = values.map(|value| Cow::Owned(value.to_vec()));
                hash_of(names.zip(values).map(Ok), limits)
            }
        }
    }
}
