//! Regular expressions in filters.
//!
//! Each byte of a text may take time that grows with the expression. So there are none larger than need be, and large ones count
//! for more.

use regex::bytes::{Regex, RegexBuilder};

/// Bytes of compiled expressions, and what a byte of a text counts for with one that is not larger.
const SIZES: [(usize, usize); 3] = [(16 << 10, 4), (128 << 10, 64), (SIZE_MAX, LOOKS_MAX)];
/// Most of a size are words in all scripts of the world: `\w` takes some forty thousand bytes.
const SIZE_MAX: usize = 1 << 20;
const LOOKS_MAX: usize = 256;

#[derive(Debug)]
pub struct TextExpression {
    regex: Regex,
    /// What a byte of a text counts for.
    looks_a_byte: usize,
}

impl TextExpression {
    /// The expression that this text is, if it is one.
    pub fn new(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        SIZES.into_iter().find_map(|(size, looks_a_byte)| {
            let mut builder = RegexBuilder::new(text);
            let built = builder.size_limit(size).dfa_size_limit(SIZE_MAX).build();
            built.ok().map(|regex| TextExpression {
                regex,
                looks_a_byte,
            })
        })
    }

    /// What compiling one counts for, or finding that there is none.
    pub fn steps_to_compile(expression: Option<&Self>) -> usize {
        250 * expression.map_or(LOOKS_MAX, |expression| expression.looks_a_byte)
    }

    /// What matching a text counts for.
    pub fn looks(&self, text: &[u8]) -> usize {
        text.len().saturating_mul(self.looks_a_byte) + 1
    }

    pub fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }
}
