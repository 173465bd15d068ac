//! A byte string of 24 bytes: up to 22 in place, longer ones behind a pointer.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use triomphe::Arc;

/// The longest string that needs no allocation.
const INLINE_MAX: usize = 22;

/// An immutable byte string; keys, fields and members are such.
#[derive(Clone)]
pub struct Bstr(BstrForm);

#[derive(Clone)]
enum BstrForm {
    Inline { len: u8, bytes: [u8; INLINE_MAX] },
    Heap(Box<[u8]>),
    Shared(SharedBytes),
}

/// Bytes that are held in several places: by a hash, and by the indexes that have a vector of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedBytes(Arc<Box<[u8]>>);

/// What is beside shared bytes: how many share them, and where they are.
const SHARED_HEAD: usize = 3 * size_of::<usize>();

impl SharedBytes {
    pub fn new(bytes: Box<[u8]>) -> Self {
        SharedBytes(Arc::new(bytes))
    }

    /// Whether nobody else holds them.
    pub fn is_alone(&self) -> bool {
        self.0.is_unique()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.len() + SHARED_HEAD
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Bstr {
    #[inline]
    pub fn new(from: &[u8]) -> Self {
        if from.len() > INLINE_MAX {
            return Bstr(BstrForm::Heap(from.into()));
        }
        let mut bytes = [0; INLINE_MAX];
        bytes[..from.len()].copy_from_slice(from);
        Bstr(BstrForm::Inline {
            len: from.len() as u8,
            bytes,
        })
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            BstrForm::Inline { .. } => 0,
            BstrForm::Heap(bytes) => bytes.len(),
            BstrForm::Shared(bytes) => bytes.heap_bytes(),
        }
    }

    /// Has others share its bytes; nothing if it is so short that it has none of its own.
    pub fn share(&mut self) -> Option<SharedBytes> {
        if let BstrForm::Heap(bytes) = &mut self.0 {
            self.0 = BstrForm::Shared(SharedBytes::new(std::mem::take(bytes)));
        }
        self.shared()
    }

    /// Its bytes, if others may share them.
    pub fn shared(&self) -> Option<SharedBytes> {
        match &self.0 {
            BstrForm::Shared(bytes) => Some(bytes.clone()),
            BstrForm::Inline { .. } | BstrForm::Heap(_) => None,
        }
    }
}

impl Deref for Bstr {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            BstrForm::Inline { len, bytes } => &bytes[..usize::from(*len)],
            BstrForm::Heap(bytes) => bytes,
            BstrForm::Shared(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Bstr {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for Bstr {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Bstr {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bstr {}

impl PartialOrd for Bstr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bstr {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Bstr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Bstr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small_and_holds_any_bytes() {
        assert_eq!(size_of::<Bstr>(), 24);
        for len in [0, 1, 21, 22, 23, 100] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            assert_eq!(&*Bstr::new(&bytes), &bytes[..]);
            assert_eq!(Bstr::new(&bytes).heap_bytes() > 0, len > INLINE_MAX);
            let mut held = Bstr::new(&bytes);
            let shared = held.share();
            assert_eq!(shared.is_some(), len > INLINE_MAX);
            assert_eq!((&held[..], held.shared()), (&bytes[..], shared));
        }
    }
}
