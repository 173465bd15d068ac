//! What SCAN, HSCAN, SSCAN and ZSCAN share: cursors and options.

use super::{Args, Fail};
use crate::cluster::SLOTS;
use crate::engine::Entry;
use crate::resp::{Reply, ReplyMark};
use crate::types::Kind;
use crate::util::{glob, number};

/// Parses a cursor.
pub fn cursor(text: &[u8]) -> Result<u64, Fail> {
    number::parse_u64_like_c(text).ok_or(Fail::Says("invalid cursor"))
}

/// MATCH and COUNT, and the word that leaves values or scores out.
pub struct ScanOptions<'a> {
    pub count: usize,
    pattern: Option<&'a [u8]>,
    pub no_values: bool,
}

impl Default for ScanOptions<'_> {
    fn default() -> Self {
        ScanOptions {
            count: 10,
            pattern: None,
            no_values: false,
        }
    }
}

impl<'a> ScanOptions<'a> {
    /// Takes the options of a collection's scan; `without` is its word for names alone.
    pub fn parse(args: &mut Args<'a>, without: Option<&str>) -> Result<Self, Fail> {
        let mut options = ScanOptions::default();
        while !args.is_empty() {
            if options.takes(args)? {
                continue;
            }
            if !without.is_some_and(|word| args.word(word)) {
                return Err(Fail::SYNTAX);
            }
            options.no_values = true;
        }
        Ok(options)
    }

    /// Takes an option that all scans have, if one comes next.
    fn takes(&mut self, args: &mut Args<'a>) -> Result<bool, Fail> {
        if args.word_with("COUNT", 1) {
            let count = args.int()?;
            if count < 1 {
                return Err(Fail::SYNTAX);
            }
            self.count = count as usize;
        } else if args.word_with("MATCH", 1) {
            self.pattern = Some(args.next()?).filter(|pattern| *pattern != b"*");
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    pub fn fits(&self, element: &[u8]) -> bool {
        self.pattern
            .is_none_or(|pattern| glob::matches(pattern, element, false))
    }
}

/// What a walk over keys wants of them.
#[derive(Default)]
pub struct KeyOptions<'a> {
    of_all: ScanOptions<'a>,
    kind: Option<&'a [u8]>,
    /// Of CLUSTERSCAN alone.
    pub slot: Option<u16>,
}

impl<'a> KeyOptions<'a> {
    /// Takes the options of SCAN, or of CLUSTERSCAN, which has one more and knows the names of types.
    pub fn parse(args: &mut Args<'a>, in_cluster: bool) -> Result<Self, Fail> {
        let mut options = KeyOptions::default();
        while !args.is_empty() {
            if options.of_all.takes(args)? {
                continue;
            }
            if args.word_with("TYPE", 1) {
                let kind = args.next()?;
                if in_cluster && !Kind::ALL.iter().any(|one| is_name(*one, kind)) {
                    let kind = String::from_utf8_lossy(kind);
                    return Err(Fail::said(format!("unknown type name '{kind}'")));
                }
                options.kind = Some(kind);
            } else if in_cluster && args.word_with("SLOT", 1) {
                let slot = number::parse_i64(args.next()?).and_then(|n| u16::try_from(n).ok());
                let slot = slot.filter(|slot| usize::from(*slot) < SLOTS);
                options.slot = Some(slot.ok_or(Fail::Says("Invalid or out of range slot"))?);
            } else {
                return Err(Fail::SYNTAX);
            }
        }
        Ok(options)
    }

    pub fn count(&self) -> usize {
        self.of_all.count
    }

    pub fn fits(&self, entry: &Entry) -> bool {
        self.of_all.fits(entry.key_name())
            && self
                .kind
                .is_none_or(|kind| is_name(entry.value().kind(), kind))
    }
}

fn is_name(kind: Kind, name: &[u8]) -> bool {
    kind.name().as_bytes().eq_ignore_ascii_case(name)
}

/// What a scan of a key that isn't there answers.
pub fn reply_empty(out: &mut Reply) {
    reply(0, &[], out);
}

/// Puts the next cursor and the number of names before these, which were written since the mark: neither was known before.
pub fn insert_head(out: &mut Reply, mark: ReplyMark, next: impl AsRef<[u8]>, found: usize) {
    let mut head = Reply::new(false);
    head.array(2);
    head.bulk(next.as_ref());
    head.array(found);
    out.insert(mark, head.bytes());
}

/// The next cursor, and what was found.
pub fn reply(next: u64, found: &[Vec<u8>], out: &mut Reply) {
    out.array(2);
    out.bulk(itoa::Buffer::new().format(next));
    out.array(found.len());
    found.iter().for_each(|element| out.bulk(element));
}
