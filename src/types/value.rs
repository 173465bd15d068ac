//! A key's value: one of the types, in sixteen bytes.

use super::{Hash, List, Set, Stream, Text, ZSet};

/// What a key holds. Collections stand behind one pointer, short strings in place.
#[derive(Clone, Debug)]
pub enum Value {
    Text(Text),
    List(Box<List>),
    Hash(Box<Hash>),
    Set(Box<Set>),
    ZSet(Box<ZSet>),
    Stream(Box<Stream>),
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

/// A type of value: how to find it inside a [`Value`], and how a new one begins.
pub trait Type: Sized {
    const KIND: Kind;
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn wrap(self) -> Value;
    fn fresh() -> Value;
}

macro_rules! boxed {
    ($($kind:ident),*) => {$(
        impl Type for $kind {
            const KIND: Kind = Kind::$kind;
            fn of(value: &Value) -> Option<&Self> {
                match value { Value::$kind(held) => Some(held), _ => None }
            }
            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                match value { Value::$kind(held) => Some(held), _ => None }
            }
            fn wrap(self) -> Value { Value::$kind(Box::new(self)) }
            fn fresh() -> Value { Value::$kind(Box::default()) }
        }
    )*};
}
boxed!(List, Hash, Set, ZSet, Stream);

impl Type for Text {
    const KIND: Kind = Kind::Text;
    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
    fn wrap(self) -> Value {
        Value::Text(self)
    }
    fn fresh() -> Value {
        Value::Text(Text::from_bytes(b""))
    }
}

impl Value {
    pub fn kind(&self) -> Kind {
        match self {
            Value::Text(_) => Kind::Text,
            Value::List(_) => Kind::List,
            Value::Hash(_) => Kind::Hash,
            Value::Set(_) => Kind::Set,
            Value::ZSet(_) => Kind::ZSet,
            Value::Stream(_) => Kind::Stream,
        }
    }

    /// A collection without elements, which no key may hold. Strings may be empty.
    pub fn is_empty(&self) -> bool {
        match self {
            // A stream may outlive its entries: it keeps its last id and its groups.
            Value::Text(_) | Value::Stream(_) => false,
            Value::List(list) => list.is_empty(),
            Value::Hash(hash) => hash.is_empty(),
            Value::Set(set) => set.is_empty(),
            Value::ZSet(zset) => zset.is_empty(),
        }
    }

    /// How many pieces dropping it frees: what decides whether a client may wait for that.
    pub fn free_effort(&self) -> usize {
        match self {
            Value::Text(_) => 1,
            Value::Stream(stream) => stream.free_effort(),
            // A list frees by the node; 64 is fewer elements than any node holds.
            Value::List(list) => list.len() / 64,
            Value::Hash(hash) => hash.len(),
            Value::Set(set) => set.len(),
            Value::ZSet(zset) => zset.len(),
        }
    }

    /// Looks at the first byte of what stands on the heap.
    #[inline]
    pub fn warm(&self) -> usize {
        match self {
            Value::Text(text) => text.warm(),
            Value::List(list) => list.len(),
            Value::Hash(hash) => hash.timer as usize,
            Value::Set(set) => set.len(),
            Value::ZSet(zset) => zset.len(),
            Value::Stream(stream) => stream.len(),
        }
    }

    /// OBJECT ENCODING's word.
    pub fn encoding(&self) -> &'static str {
        match self {
            Value::Text(text) => text.encoding(),
            Value::List(list) => list.encoding(),
            Value::Hash(hash) => hash.encoding(),
            Value::Set(set) => set.encoding(),
            Value::ZSet(zset) => zset.encoding(),
            Value::Stream(_) => "stream",
        }
    }

    /// A copy that no table's wheel knows of.
    pub fn detached(&self) -> Value {
        let mut copy = self.clone();
        if let Value::Hash(hash) = &mut copy {
            hash.timer = 0;
        }
        copy
    }

    /// A copy to read through from end to end, made in a moment however large the value is: the two
    /// share their parts, and what a later edit touches it copies first. Nothing is found by name in it.
    pub fn frozen(&self) -> Value {
        match self {
            Value::Hash(hash) => Value::Hash(Box::new(hash.frozen())),
            Value::Set(set) => Value::Set(Box::new(set.frozen())),
            Value::ZSet(zset) => Value::ZSet(Box::new(zset.frozen())),
            Value::Text(_) | Value::List(_) | Value::Stream(_) => self.clone(),
        }
    }

    /// Bytes on the heap, not counting the sixteen in the entry.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::Text(text) => text.heap_bytes(),
            Value::List(list) => size_of::<List>() + list.heap_bytes(),
            Value::Hash(hash) => size_of::<Hash>() + hash.heap_bytes(),
            Value::Set(set) => size_of::<Set>() + set.heap_bytes(),
            Value::ZSet(zset) => size_of::<ZSet>() + zset.heap_bytes(),
            Value::Stream(stream) => size_of::<Stream>() + stream.heap_bytes(),
        }
    }
}
