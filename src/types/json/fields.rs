//! An object of many fields, found through an index. Copies share the parts that neither of them has changed.

use super::text::FieldName;
use crate::types::dense::{Keyed, Shared};
use crate::util::keyhash;

/// A field of such an object.
#[derive(Clone, Debug)]
pub struct ManyField<V> {
    pub name: FieldName,
    pub node: V,
}

impl<V> Keyed for ManyField<V> {
    fn key(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

/// Fields in the order in which they came. The last one takes the place of one that is removed, as in RedisJSON.
#[derive(Clone, Debug)]
pub struct ManyFields<V>(Shared<ManyField<V>>);

impl<V: Clone> ManyFields<V> {
    pub fn new(fields: impl ExactSizeIterator<Item = ManyField<V>>) -> Self {
        let mut many = ManyFields(Shared::new());
        many.0.expect(fields.len());
        fields.for_each(|field| drop(many.set(field)));
        many
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn find(&self, name: &[u8]) -> Option<usize> {
        self.0.find(keyhash::hash(name), name)
    }

    pub fn at(&self, at: usize) -> &ManyField<V> {
        self.0.at(at)
    }

    pub fn at_mut(&mut self, at: usize) -> &mut ManyField<V> {
        self.0.at_mut(at)
    }

    pub fn iter(&self) -> impl Iterator<Item = &ManyField<V>> {
        self.0.iter()
    }

    /// Sets a field, and returns what it held.
    pub fn set(&mut self, field: ManyField<V>) -> Option<V> {
        let hash = keyhash::hash(field.name.as_bytes());
        match self.0.find(hash, field.name.as_bytes()) {
            Some(at) => Some(std::mem::replace(&mut self.0.at_mut(at).node, field.node)),
            None => {
                self.0.push(hash, field);
                None
            }
        }
    }

    pub fn remove(&mut self, at: usize) -> V {
        self.0.swap_remove(at).node
    }

    /// Bytes of fields and index, not those that names and values hold themselves.
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}
