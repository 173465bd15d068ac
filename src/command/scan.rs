//! What SCAN, HSCAN, SSCAN and ZSCAN share: cursors and options.

use super::{Args, Fail};
use crate::resp::{Mark, Reply};
use crate::util::{glob, number};

/// Parses a cursor.
pub fn cursor(text: &[u8]) -> Result<u64, Fail> {
    number::parse_u64_like_c(text).ok_or(Fail::Says("invalid cursor"))
}

/// MATCH and COUNT, and the word that leaves values or scores out.
pub struct Options<'a> {
    pub count: usize,
    pattern: Option<&'a [u8]>,
    pub no_values: bool,
}

impl<'a> Options<'a> {
    /// Takes the options of a collection's scan; `without` is its word for names alone.
    pub fn parse(args: &mut Args<'a>, without: Option<&str>) -> Result<Self, Fail> {
        let mut options = Options {
            count: 10,
            pattern: None,
            no_values: false,
        };
        while !args.is_empty() {
            if args.word_with("COUNT", 1) {
                let count = args.int()?;
                if count < 1 {
                    return Err(Fail::SYNTAX);
                }
                options.count = count as usize;
            } else if args.word_with("MATCH", 1) {
                options.pattern = Some(args.next()?).filter(|pattern| *pattern != b"*");
            } else if without.is_some_and(|word| args.word(word)) {
                options.no_values = true;
            } else {
                return Err(Fail::SYNTAX);
            }
        }
        Ok(options)
    }

    pub fn fits(&self, element: &[u8]) -> bool {
        self.pattern
            .is_none_or(|pattern| glob::matches(pattern, element, false))
    }
}

/// What a scan of a key that isn't there answers.
pub fn reply_empty(out: &mut Reply) {
    reply(0, &[], out);
}

/// Puts the next cursor and the number of names before these, which were written since the mark: neither was known before.
pub fn insert_head(out: &mut Reply, mark: Mark, next: u64, found: usize) {
    let mut head = Reply::new(false);
    head.array(2);
    head.bulk(itoa::Buffer::new().format(next));
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
