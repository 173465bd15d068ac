//! A key's value: one of the types, owned or looked at where it stands.

use super::dense::Far;
use super::hash::HashRef;
use super::text::TextRef;
use super::{Hash, List, Set, Stream, Text, ZSet};

/// A value on its way: to a key, from one, or into a file.
#[derive(Clone, Debug)]
pub enum Value {
    Text(Text),
    List(List),
    Hash(Hash),
    Set(Set),
    ZSet(ZSet),
    /// Behind a pointer, as it is much larger than the others.
    Stream(Box<Stream>),
}

/// A value as readers see it, wherever it stands.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    Text(TextRef<'a>),
    List(&'a List),
    Hash(HashRef<'a>),
    Set(&'a Set),
    ZSet(&'a ZSet),
    Stream(&'a Stream),
}

/// A value to be changed in its place.
#[derive(Debug)]
pub enum ValueMut<'a> {
    Text(&'a mut Text),
    List(&'a mut List),
    Hash(&'a mut Hash),
    Set(&'a mut Set),
    ZSet(&'a mut ZSet),
    Stream(&'a mut Stream),
}

/// A value's type, as TYPE names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    List,
    Hash,
    Set,
    ZSet,
    Stream,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::List => "list",
            Kind::Hash => "hash",
            Kind::Set => "set",
            Kind::ZSet => "zset",
            Kind::Stream => "stream",
        }
    }
}

/// A type of value: how readers see it, and how a new one begins.
pub trait Type: Sized + 'static {
    const KIND: Kind;
    /// What readers are given: a reference, but for what may stand with its key, strings and small hashes.
    type Ref<'a>: Copy;
    fn of(value: ValueRef<'_>) -> Option<Self::Ref<'_>>;
    fn of_mut(value: ValueMut<'_>) -> Option<&mut Self>;
    fn wrap(self) -> Value;
    fn fresh() -> Value;
}

macro_rules! types {
    ($($kind:ident: $seen:ty, $wrap:expr;)*) => {$(
        impl Type for $kind {
            const KIND: Kind = Kind::$kind;
            type Ref<'a> = $seen;
            #[inline]
            fn of(value: ValueRef<'_>) -> Option<Self::Ref<'_>> {
                match value { ValueRef::$kind(held) => Some(held), _ => None }
            }
            #[inline]
            fn of_mut(value: ValueMut<'_>) -> Option<&mut Self> {
                match value { ValueMut::$kind(held) => Some(held), _ => None }
            }
            fn wrap(self) -> Value { Value::$kind($wrap(self)) }
            fn fresh() -> Value { $kind::default().wrap() }
        }
    )*};
}
types! {
    Text: TextRef<'a>, std::convert::identity;
    List: &'a List, std::convert::identity;
    Hash: HashRef<'a>, std::convert::identity;
    Set: &'a Set, std::convert::identity;
    ZSet: &'a ZSet, std::convert::identity;
    Stream: &'a Stream, Box::new;
}

impl Value {
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Text(text) => ValueRef::Text(text.as_ref()),
            Value::List(list) => ValueRef::List(list),
            Value::Hash(hash) => ValueRef::Hash(hash.as_ref()),
            Value::Set(set) => ValueRef::Set(set),
            Value::ZSet(zset) => ValueRef::ZSet(zset),
            Value::Stream(stream) => ValueRef::Stream(stream),
        }
    }

    /// How many pieces dropping it frees.
    pub fn free_effort(&self) -> usize {
        self.as_ref().free_effort()
    }
}

impl<'a> ValueRef<'a> {
    pub fn kind(self) -> Kind {
        match self {
            ValueRef::Text(_) => Kind::Text,
            ValueRef::List(_) => Kind::List,
            ValueRef::Hash(_) => Kind::Hash,
            ValueRef::Set(_) => Kind::Set,
            ValueRef::ZSet(_) => Kind::ZSet,
            ValueRef::Stream(_) => Kind::Stream,
        }
    }

    /// A collection without elements, which no key may hold. Strings may be empty.
    pub fn is_empty(self) -> bool {
        match self {
            // A stream may outlive its entries: it keeps its last id and its groups.
            ValueRef::Text(_) | ValueRef::Stream(_) => false,
            ValueRef::List(list) => list.is_empty(),
            ValueRef::Hash(hash) => hash.is_empty(),
            ValueRef::Set(set) => set.is_empty(),
            ValueRef::ZSet(zset) => zset.is_empty(),
        }
    }

    /// How many pieces dropping it frees: what decides whether a client may wait for that.
    pub fn free_effort(self) -> usize {
        match self {
            ValueRef::Text(_) => 1,
            ValueRef::Stream(stream) => stream.free_effort(),
            // A list frees by the node; most nodes hold more than 64 elements, and a large element alone is one.
            ValueRef::List(list) => list.len() / 64,
            ValueRef::Hash(hash) => hash.len(),
            ValueRef::Set(set) => set.len(),
            ValueRef::ZSet(zset) => zset.len(),
        }
    }

    /// Fields or members of a large collection, to look for this one.
    pub fn far(self, member: &[u8]) -> Option<&'a dyn Far> {
        match self {
            ValueRef::Hash(hash) => hash.far(member),
            ValueRef::Set(set) => set.far(member),
            ValueRef::ZSet(zset) => zset.far(member),
            ValueRef::Text(_) | ValueRef::List(_) | ValueRef::Stream(_) => None,
        }
    }

    /// OBJECT ENCODING's word.
    pub fn encoding(self) -> &'static str {
        match self {
            ValueRef::Text(text) => text.encoding(),
            ValueRef::List(list) => list.encoding(),
            ValueRef::Hash(hash) => hash.encoding(),
            ValueRef::Set(set) => set.encoding(),
            ValueRef::ZSet(zset) => zset.encoding(),
            ValueRef::Stream(_) => "stream",
        }
    }

    /// A copy that no table's wheel knows of.
    pub fn detached(self) -> Value {
        match self {
            ValueRef::Text(text) => Value::Text(text.to_text()),
            ValueRef::List(list) => Value::List(list.clone()),
            ValueRef::Hash(hash) => Value::Hash(hash.detached()),
            ValueRef::Set(set) => Value::Set(set.clone()),
            ValueRef::ZSet(zset) => Value::ZSet(zset.clone()),
            ValueRef::Stream(stream) => Value::Stream(Box::new(stream.clone())),
        }
    }

    /// A copy to read through from end to end, made in a moment however large the value is: the two
    /// share their parts, and what a later edit touches it copies first. Nothing is found by name in it.
    pub fn frozen(self) -> Value {
        match self {
            ValueRef::Hash(hash) => Value::Hash(hash.frozen()),
            ValueRef::Set(set) => Value::Set(set.frozen()),
            ValueRef::ZSet(zset) => Value::ZSet(zset.frozen()),
            ValueRef::Text(_) | ValueRef::List(_) | ValueRef::Stream(_) => self.detached(),
        }
    }

    /// Bytes that the value takes on the heap, its own structure not counted.
    pub fn heap_bytes(self) -> usize {
        match self {
            ValueRef::Text(text) => text.len(),
            ValueRef::List(list) => list.heap_bytes(),
            ValueRef::Hash(hash) => hash.heap_bytes(),
            ValueRef::Set(set) => set.heap_bytes(),
            ValueRef::ZSet(zset) => zset.heap_bytes(),
            ValueRef::Stream(stream) => stream.heap_bytes(),
        }
    }
}
