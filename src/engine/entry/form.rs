//! The forms of an entry: a mark, and a pointer to a block that holds key and value, or to a key and a value of its own.

use std::cell::Cell;

use super::block::{self, Block, BlockLayout, HEAD, Small};
use super::mark::Mark;
use crate::types::{
    Bstr, Kind, Piece, Text, Type, TypeRef, Unbox, Value, ValueMut, ValueRef, each_type,
};

/// What is to be stored at a key.
pub enum New<'a> {
    /// A string, from the bytes of a request.
    Text(Piece<'a>),
    Value(Value),
}

impl<'a> New<'a> {
    /// A string, as an integer if it is one.
    #[inline]
    pub fn text(bytes: &'a [u8]) -> Self {
        New::Text(Piece::compact(bytes))
    }
}

impl From<Value> for New<'_> {
    fn from(value: Value) -> Self {
        New::Value(value)
    }
}

/// A key and a value that is not packed.
#[derive(Debug)]
pub(super) struct Whole<T> {
    pub(super) key: Bstr,
    pub(super) value: T,
}

impl<T: Type> Whole<T> {
    fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.key.heap_bytes() + T::Ref::see(&self.value).heap_bytes()
    }
}

macro_rules! forms {
    ($($block:ident $size:literal),+; $($kind:ident),+) => {
        /// Every form has its mark and its pointer at the same place, so what is common to them is looked at without
        /// asking which it is.
        #[derive(Debug)]
        pub(super) enum EntryForm {
            $($block(Cell<Mark>, Box<[u8; $size]>),)+
            $($kind(Cell<Mark>, Box<Whole<crate::types::$kind>>),)+
        }

        impl EntryForm {
            /// Key and value in one block, if they may stand there and there is one of that size.
            #[inline]
            pub(super) fn packed(mut mark: Mark, key: &[u8], value: Small<'_>) -> Option<Self> {
                let layout = BlockLayout::of(key, value)?;
                let head = if mark.timer() == 0 {
                    mark.set_lens(layout.lens);
                    0
                } else {
                    HEAD
                };
                let bytes = head + layout.bytes;
                $(if bytes <= $size {
                    let mut room = Box::new([0; $size]);
                    if head > 0 {
                        room[..HEAD].copy_from_slice(&layout.lens);
                    }
                    room[head..head + key.len()].copy_from_slice(key);
                    block::write(&mut room[head + key.len()..], value);
                    return Some(EntryForm::$block(Cell::new(mark), room));
                })+
                None
            }

            #[inline]
            pub(super) fn mark(&self) -> &Cell<Mark> {
                match self {
                    $(EntryForm::$block(mark, _))|+ => mark,
                    $(EntryForm::$kind(mark, _))|+ => mark,
                }
            }

            #[inline]
            pub(super) fn is_packed(&self) -> bool {
                matches!(self, $(EntryForm::$block(..))|+)
            }

            /// The block of a packed value; empty for other forms.
            #[inline]
            pub(super) fn room(&self) -> &[u8] {
                match self {
                    $(EntryForm::$block(_, room) => &room[..],)+
                    $(EntryForm::$kind(..))|+ => &[],
                }
            }

            #[inline]
            pub(super) fn room_mut(&mut self) -> &mut [u8] {
                match self {
                    $(EntryForm::$block(_, room) => &mut room[..],)+
                    $(EntryForm::$kind(..))|+ => &mut [],
                }
            }

            #[inline]
            pub(super) fn key(&self) -> &[u8] {
                match self {
                    $(EntryForm::$kind(_, whole) => &whole.key,)+
                    _ => self.block().key(),
                }
            }

            #[inline]
            pub(super) fn kind(&self) -> Kind {
                match self {
                    $(EntryForm::$kind(..) => Kind::$kind,)+
                    packed if packed.block().holds_hash() => Kind::Hash,
                    _ => Kind::Text,
                }
            }

            #[inline]
            pub(super) fn value(&self) -> ValueRef<'_> {
                match self {
                    $(EntryForm::$kind(_, whole) => ValueRef::$kind(TypeRef::see(&whole.value)),)+
                    packed => packed.block().value().seen(),
                }
            }

            /// The value where it stands; nothing of a packed one.
            pub(super) fn value_mut(&mut self) -> Option<ValueMut<'_>> {
                match self {
                    $(EntryForm::$kind(_, whole) => Some(ValueMut::$kind(&mut whole.value)),)+
                    _ => None,
                }
            }

            pub(super) fn into_value(self) -> Value {
                match self {
                    $(EntryForm::$kind(_, whole) => whole.value.wrap(),)+
                    packed => packed.block().value().alone(),
                }
            }

            /// A key, and a value of its own beside it.
            pub(super) fn whole(mut mark: Mark, key: &[u8], value: Value) -> Self {
                mark.set_timer(mark.timer());
                let (mark, key) = (Cell::new(mark), Bstr::new(key));
                match value {
                    $(Value::$kind(value) => {
                        let value = value.unbox();
                        EntryForm::$kind(mark, Box::new(Whole { key, value }))
                    })+
                }
            }

            /// Bytes on the heap.
            pub(super) fn heap_bytes(&self) -> usize {
                match self {
                    $(EntryForm::$kind(_, whole) => whole.heap_bytes(),)+
                    packed => packed.room().len(),
                }
            }
        }
    };
}

// The allocator's sizes. From 112 on a key of 16 bytes and its value waste a seventh at most.
each_type! { forms! {
    B16 16, B32 32, B48 48, B64 64, B80 80, B96 96, B112 112, B128 128,
    B160 160, B192 192, B224 224, B256 256, B320 320, B384 384, B448 448, B512 512;
} }

impl EntryForm {
    /// What stands in the block of a packed value.
    #[inline]
    pub(super) fn block(&self) -> Block<'_> {
        match self.mark().get().lens() {
            Some(lens) => Block::new(lens, self.room()),
            None => Block::headed(self.room()),
        }
    }

    pub(super) fn new(mark: Mark, key: &[u8], new: New<'_>) -> Self {
        let small = match &new {
            New::Text(piece) => Some(Small::Text(*piece)),
            New::Value(Value::Text(text)) if !text.is_raw() => {
                Some(Small::Text(text.as_ref().piece()))
            }
            New::Value(Value::Hash(hash)) => hash.packed().map(Small::Hash),
            New::Value(_) => None,
        };
        if let Some(packed) = small.and_then(|small| EntryForm::packed(mark, key, small)) {
            return packed;
        }
        let value = match new {
            New::Text(piece) => Value::Text(Text::from_piece(piece)),
            New::Value(value) => value,
        };
        EntryForm::whole(mark, key, value)
    }

    /// A value that may be packed.
    pub(super) fn small(mark: Mark, key: &[u8], value: Small<'_>) -> Self {
        let packed = EntryForm::packed(mark, key, value);
        packed.unwrap_or_else(|| EntryForm::whole(mark, key, value.alone()))
    }
}
