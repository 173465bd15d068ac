//! Where a value ends: found without decoding it.

use super::fault::{Fault, Read};
use super::kind;
use super::read::{Length, RdbReader};

impl RdbReader<'_> {
    /// Steps over a value of this kind. Lengths are believed: what they enclose is judged when it is decoded.
    pub(super) fn skip(&mut self, kind: u8) -> Read<()> {
        match kind {
            kind::STRING
            | kind::HASH_ZIPMAP
            | kind::LIST_ZIPLIST
            | kind::SET_INTSET
            | kind::ZSET_ZIPLIST
            | kind::HASH_ZIPLIST
            | kind::HASH_LISTPACK
            | kind::ZSET_LISTPACK
            | kind::SET_LISTPACK
            | kind::HASH_LISTPACK_EX_DRAFT => self.skip_string(),
            kind::LIST | kind::SET | kind::LIST_QUICKLIST => self.repeat(Self::skip_string),
            kind::LIST_QUICKLIST_2 => self.repeat(|reader| {
                reader.count()?;
                reader.skip_string()
            }),
            kind::HASH => self.repeat(|reader| reader.skip_strings(2)),
            kind::ZSET => self.repeat(|reader| {
                reader.skip_string()?;
                match reader.byte()? {
                    253.. => Ok(()),
                    len => reader.take(usize::from(len)).map(drop),
                }
            }),
            kind::ZSET_2 => self.repeat(|reader| {
                reader.skip_string()?;
                reader.take(8).map(drop)
            }),
            kind::HASH_METADATA | kind::HASH_METADATA_DRAFT => {
                if kind == kind::HASH_METADATA {
                    self.take(8)?;
                }
                self.repeat(|reader| {
                    reader.count()?;
                    reader.skip_strings(2)
                })
            }
            kind::HASH_VALKEY => self.repeat(|reader| {
                reader.skip_strings(2)?;
                reader.take(8).map(drop)
            }),
            kind::HASH_LISTPACK_EX => {
                self.take(8)?;
                self.skip_string()
            }
            kind::STREAM | kind::STREAM_2 | kind::STREAM_3 | kind::STREAM_4 | kind::STREAM_5 => {
                self.skip_stream(kind)
            }
            kind::ARRAY => self.skip_array(),
            kind::HASH_TEMPLATE_PACK => {
                self.repeat(Self::skip_string)?;
                self.skip_string()
            }
            kind::HASH_TEMPLATE_PACK_REF => self.skip_string(),
            kind::HASH_TEMPLATE => self.repeat(|reader| reader.skip_strings(2)),
            kind::BITMAP => {
                self.count()?;
                self.skip_string()
            }
            kind::MODULE_2 => {
                self.count()?;
                self.skip_parts()
            }
            // Release candidates of Redis 4.0 wrote no lengths.
            kind::MODULE => Err(Fault::Module(self.count()?)),
            other => Err(Fault::UnknownKind(other)),
        }
    }

    /// Nodes, the last ids, the groups with their pending entries and consumers, and what producers sent.
    fn skip_stream(&mut self, kind: u8) -> Read<()> {
        let second = kind != kind::STREAM;
        self.repeat(|reader| reader.skip_strings(2))?;
        self.skip_counts(if second { 8 } else { 3 })?;
        self.repeat(|group| {
            group.skip_string()?;
            group.skip_counts(if second { 3 } else { 2 })?;
            group.repeat(|pending| {
                pending.take(16 + 8)?;
                pending.skip_counts(1)
            })?;
            group.repeat(|consumer| {
                consumer.skip_string()?;
                consumer.take(if kind >= kind::STREAM_3 { 16 } else { 8 })?;
                consumer.repeat(|pending| pending.take(16).map(drop))
            })?;
            if kind >= kind::STREAM_5 {
                // Pending entries that no consumer has.
                group.repeat(|pending| pending.take(16).map(drop))?;
            }
            Ok(())
        })?;
        if kind >= kind::STREAM_4 {
            self.skip_producers()?;
        }
        Ok(())
    }

    /// For how long and for how many entries producers are remembered; each one's entries; and two counts.
    fn skip_producers(&mut self) -> Read<()> {
        self.skip_counts(2)?;
        self.repeat(|producer| {
            producer.skip_string()?;
            producer.repeat(|entry| {
                entry.skip_string()?;
                entry.skip_counts(2)
            })
        })?;
        self.skip_counts(2)
    }

    /// How many elements, perhaps where the next is inserted, and each with its place and what it is.
    fn skip_array(&mut self) -> Read<()> {
        let count = self.count()?;
        match self.count()? {
            0 => {}
            1 => self.skip_counts(1)?,
            _ => return Err(Fault::Broken),
        }
        for _ in 0..count {
            self.count()?;
            match self.count()? {
                // Texts, long and short.
                0 | 3 => self.skip_string()?,
                // An integer, a double.
                1 | 2 => drop(self.take(8)?),
                _ => return Err(Fault::Broken),
            }
        }
        Ok(())
    }

    /// A count, and so many of something.
    fn repeat(&mut self, one: impl Fn(&mut Self) -> Read<()>) -> Read<()> {
        for _ in 0..self.count()? {
            one(self)?;
        }
        Ok(())
    }

    fn skip_counts(&mut self, count: usize) -> Read<()> {
        (0..count).try_for_each(|_| self.count().map(drop))
    }

    pub(super) fn skip_strings(&mut self, count: usize) -> Read<()> {
        (0..count).try_for_each(|_| self.skip_string())
    }

    /// How many bytes the string that begins here has, and takes up.
    pub(super) fn string_len(mut self) -> Read<u64> {
        Ok(match self.length()? {
            Length::Plain(len) => len,
            Length::Int(width) => width as u64,
            Length::Compressed => self.count()?.max(self.count()?),
        })
    }

    pub(super) fn skip_string(&mut self) -> Read<()> {
        let len = match self.length()? {
            Length::Plain(len) => len,
            Length::Int(width) => width as u64,
            Length::Compressed => {
                let short = self.count()?;
                self.count()?;
                short
            }
        };
        self.take(usize::try_from(len).map_err(|_| Fault::Broken)?)
            .map(drop)
    }
}
