//! What a unit of work tells the log and replicas: commands, written out as clients send them.

use crate::resp::encode;

/// Room for more bytes than this is not kept for the next unit.
const KEEP_BYTES: usize = 64 * 1024;

/// Who hears of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    pub log: bool,
    pub replicas: bool,
}

impl Reach {
    pub const ALL: Reach = Reach {
        log: true,
        replicas: true,
    };
}

/// One command.
#[derive(Debug)]
pub struct Record {
    pub db: usize,
    pub reach: Reach,
    /// Where among the bytes of its log it ends.
    end: usize,
}

/// The commands of one unit of work.
#[derive(Debug, Default)]
pub struct UnitLog {
    records: Vec<Record>,
    bytes: Vec<u8>,
    /// Records at which another client's part begins, in order: each part is logged by itself.
    cuts: Vec<usize>,
}

impl UnitLog {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Adds a command for all to hear.
    #[inline]
    pub fn push(&mut self, db: usize, args: &[impl AsRef<[u8]>]) {
        encode(args, &mut self.bytes);
        let end = self.bytes.len();
        let reach = Reach::ALL;
        self.records.push(Record { db, reach, end });
    }

    /// What comes from here on is another client's.
    pub fn cut(&mut self) {
        if !self.is_empty() {
            self.cuts.push(self.records.len());
        }
    }

    /// The records from one on, to say who hears of them.
    pub fn records_mut(&mut self, from: usize) -> &mut [Record] {
        &mut self.records[from..]
    }

    /// All of it.
    #[inline]
    pub fn whole(&self) -> Records<'_> {
        Records {
            records: &self.records,
            begin: 0,
            bytes: &self.bytes,
        }
    }

    /// Each client's records by themselves.
    #[inline]
    pub fn parts(&self) -> impl Iterator<Item = Records<'_>> {
        let ends = self.cuts.iter().copied().chain([self.records.len()]);
        ends.scan((0, 0), |(from, begin), end| {
            let part = Records {
                records: &self.records[*from..end],
                begin: *begin,
                bytes: &self.bytes,
            };
            *begin = part.records.last().map_or(*begin, |record| record.end);
            *from = end;
            Some(part)
        })
    }

    /// Empties it for the next unit, keeping its buffers.
    #[inline]
    pub fn clear(&mut self) {
        self.records.clear();
        self.cuts.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEEP_BYTES);
    }
}

/// Records that are logged together.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a> {
    records: &'a [Record],
    /// Where among the bytes of the log they begin.
    begin: usize,
    bytes: &'a [u8],
}

impl<'a> Records<'a> {
    #[inline]
    pub fn is_empty(self) -> bool {
        self.records.is_empty()
    }

    /// The records, each with its bytes.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = (&'a Record, &'a [u8])> {
        self.records.iter().scan(self.begin, move |begin, record| {
            let bytes = &self.bytes[*begin..record.end];
            *begin = record.end;
            Some((record, bytes))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_own_records() {
        let mut log = UnitLog::default();
        log.cut();
        for (db, key) in [(0, "a"), (1, "b"), (0, "c")] {
            log.push(db, &["DEL", key]);
            if key == "a" {
                log.cut();
                log.cut();
            }
        }
        let told = |part: Records<'_>| {
            let texts = part
                .iter()
                .map(|(record, bytes)| format!("{} {}", record.db, bytes.escape_ascii()));
            texts.collect::<Vec<_>>()
        };
        let del = |db, key| format!("{db} *2\\r\\n$3\\r\\nDEL\\r\\n$1\\r\\n{key}\\r\\n");
        let all = [del(0, "a"), del(1, "b"), del(0, "c")];
        assert_eq!(told(log.whole()), all);
        let parts: Vec<_> = log.parts().map(told).collect();
        assert_eq!(parts, [&all[..1], &[], &all[1..]]);
        log.push(0, &[vec![b'x'; 1 << 20]]);
        log.clear();
        assert!(log.is_empty() && log.whole().is_empty());
        assert!(log.bytes.capacity() <= KEEP_BYTES);
    }
}
