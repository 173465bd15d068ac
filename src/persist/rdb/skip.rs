//! Where a value ends: found without decoding it.

use super::kind;
use super::read::{Fault, Length, Read, Reader};

impl Reader<'_> {
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
            kind::MODULE | kind::MODULE_2 => Err(Fault::Module(self.count()?)),
            other => Err(Fault::UnknownKind(other)),
        }
    }

    /// Nodes, the last ids, the groups with their pending entries and consumers, and what producers sent.
    fn skip_stream(&mut self, kind: u8) -> Read<()> {
        let second = kind != kind::STREAM;
        let later = matches!(kind, kind::STREAM_4 | kind::STREAM_5);
        let seen = if later || kind == kind::STREAM_3 {
            16
        } else {
            8
        };
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
                consumer.take(seen)?;
                consumer.repeat(|pending| pending.take(16).map(drop))
            })?;
            if kind == kind::STREAM_5 {
                group.repeat(|released| released.take(16).map(drop))?;
            }
            Ok(())
        })?;
        if later {
            self.skip_counts(2)?;
            self.repeat(|producer| {
                producer.skip_string()?;
                producer.repeat(|sent| {
                    sent.skip_string()?;
                    sent.skip_counts(2)
                })
            })?;
            self.skip_counts(2)?;
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

    fn skip_strings(&mut self, count: usize) -> Read<()> {
        (0..count).try_for_each(|_| self.skip_string())
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
