//! A key's value: one of the types, owned or looked at where it stands. The list of types is here.

use super::deadlines::Timed;
use super::dense::Far;
use super::hash::HashRef;
use super::seen::TypeRef;
use super::text::TextRef;
use super::{Hash, Json, List, Set, Stream, Suggestions, Text, VectorSet, ZSet};

/// Hands the names of all types to a macro, behind what that is given besides.
macro_rules! each_type {
    ($to:ident! { $($besides:tt)* }) => {
        $to! { $($besides)* Text, List, Hash, Set, ZSet, Stream, VectorSet, Json, Suggestions }
    };
}
pub(crate) use each_type;

/// Does one thing with a value of whatever type: a `match` whose arms read alike.
macro_rules! of_each_type {
    (@arms $value:expr, $enum:ident($held:ident) => $done:expr; $($kind:ident),+) => {
        match $value {
            $($enum::$kind($held) => $done,)+
        }
    };
    ($value:expr, $enum:ident($held:ident) => $done:expr) => {
        each_type! { of_each_type! { @arms $value, $enum($held) => $done; } }
    };
}

/// A type of value: how readers see it, and how a new one begins. The list below implements it.
pub trait Type: Sized + 'static {
    const KIND: Kind;
    /// What readers are given: a reference, but for what may stand with its key, strings and small hashes.
    type Ref<'a>: TypeRef<'a, Whole = Self>;
    /// What a [`Value`] holds: the type itself, or a pointer to it where it is much larger than the others.
    type Own: From<Self> + Unbox<Self>;
    fn of(value: ValueRef<'_>) -> Option<Self::Ref<'_>>;
    fn of_mut(value: ValueMut<'_>) -> Option<&mut Self>;
    fn wrap(self) -> Value;
    fn fresh() -> Value;
}

/// Takes a value out of what holds it: itself, or a pointer.
pub trait Unbox<T> {
    fn unbox(self) -> T;
}

impl<T> Unbox<T> for T {
    #[inline]
    fn unbox(self) -> T {
        self
    }
}

impl<T> Unbox<T> for Box<T> {
    #[inline]
    fn unbox(self) -> T {
        *self
    }
}

macro_rules! types {
    ($($kind:ident $name:literal: $own:ty, $seen:ty;)*) => {
        /// A value on its way: to a key, from one, or into a file.
        #[derive(Clone, Debug)]
        pub enum Value {
            $($kind($own),)*
        }

        /// A value as readers see it, wherever it stands.
        #[derive(Clone, Copy, Debug)]
        pub enum ValueRef<'a> {
            $($kind($seen),)*
        }

        /// A value to be changed in its place.
        #[derive(Debug)]
        pub enum ValueMut<'a> {
            $($kind(&'a mut $kind),)*
        }

        /// A value's type, as TYPE names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($kind,)*
        }

        impl Kind {
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }
        }

        impl ValueRef<'_> {
            #[inline]
            pub fn kind(self) -> Kind {
                match self {
                    $(ValueRef::$kind(_) => Kind::$kind,)*
                }
            }
        }

        impl Value {
            pub fn as_ref(&self) -> ValueRef<'_> {
                match self {
                    $(Value::$kind(held) => ValueRef::$kind(<$kind as Type>::Ref::see(held)),)*
                }
            }
        }

        $(impl Type for $kind {
            const KIND: Kind = Kind::$kind;
            type Ref<'a> = $seen;
            type Own = $own;
            #[inline]
            fn of(value: ValueRef<'_>) -> Option<Self::Ref<'_>> {
                match value { ValueRef::$kind(held) => Some(held), _ => None }
            }
            #[inline]
            fn of_mut(value: ValueMut<'_>) -> Option<&mut Self> {
                match value { ValueMut::$kind(held) => Some(held), _ => None }
            }
            fn wrap(self) -> Value { Value::$kind(self.into()) }
            fn fresh() -> Value { $kind::default().wrap() }
        })*
    };
}

// The list of types: the name, TYPE's word, what a `Value` holds, and what readers see. `each_type` repeats the names.
types! {
    Text "string": Text, TextRef<'a>;
    List "list": List, &'a List;
    Hash "hash": Hash, HashRef<'a>;
    Set "set": Set, &'a Set;
    ZSet "zset": ZSet, &'a ZSet;
    Stream "stream": Box<Stream>, &'a Stream;
    VectorSet "vectorset": Box<VectorSet>, &'a VectorSet;
    Json "ReJSON-RL": Json, &'a Json;
    Suggestions "trietype0": Box<Suggestions>, &'a Suggestions;
}

impl Value {
    /// How many pieces dropping it frees.
    pub fn free_effort(&self) -> usize {
        self.as_ref().free_effort()
    }
}

impl ValueRef<'_> {
    /// The earliest deadline of any of its parts: fields of a hash, or members of a set.
    pub fn next_deadline(self) -> Option<u64> {
        match self {
            ValueRef::Hash(hash) => hash.next_deadline(),
            ValueRef::Set(set) => set.next_deadline(),
            _ => None,
        }
    }

    /// Whether all of its parts are due.
    pub fn is_all_due(self, now_ms: u64) -> bool {
        match self {
            ValueRef::Hash(hash) => hash.is_all_due(now_ms),
            ValueRef::Set(set) => set.is_all_due(now_ms),
            _ => false,
        }
    }

    /// How many parts it has that may have deadlines, those that are due included.
    pub fn parts(self) -> usize {
        match self {
            ValueRef::Hash(hash) => hash.len(),
            ValueRef::Set(set) => set.len(),
            _ => 0,
        }
    }

    /// The engine's timer for that deadline; 0 for none.
    pub fn parts_timer(self) -> u32 {
        match self {
            ValueRef::Hash(hash) => hash.timer(),
            ValueRef::Set(set) => set.timer(),
            _ => 0,
        }
    }
}

impl<'a> ValueMut<'a> {
    /// A value whose parts may have deadlines.
    pub fn timed(self) -> Option<&'a mut dyn Timed> {
        match self {
            ValueMut::Hash(hash) => Some(hash),
            ValueMut::Set(set) => Some(set),
            _ => None,
        }
    }
}

/// What [`TypeRef`] says of the value, whatever its type.
impl<'a> ValueRef<'a> {
    pub fn encoding(self) -> &'static str {
        of_each_type!(self, ValueRef(held) => held.encoding())
    }

    pub fn heap_bytes(self) -> usize {
        of_each_type!(self, ValueRef(held) => held.heap_bytes())
    }

    pub fn detached(self) -> Value {
        of_each_type!(self, ValueRef(held) => held.detached().wrap())
    }

    pub fn frozen(self) -> Value {
        of_each_type!(self, ValueRef(held) => held.frozen().wrap())
    }

    pub fn free_effort(self) -> usize {
        of_each_type!(self, ValueRef(held) => held.free_effort())
    }

    pub fn is_one_piece(self) -> bool {
        of_each_type!(self, ValueRef(held) => held.is_one_piece())
    }

    pub fn holds_nothing(self) -> bool {
        of_each_type!(self, ValueRef(held) => held.holds_nothing())
    }

    pub fn far(self, member: &[u8]) -> Option<&'a dyn Far> {
        of_each_type!(self, ValueRef(held) => held.far(member))
    }
}
