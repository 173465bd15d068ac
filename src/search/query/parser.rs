//! How far the reading of a query in the second dialect has come, and what stands around that place.

use super::lex::Lexer;
use super::{QueryRules, resolve};
use crate::search::words::Refusal;

pub(super) struct Parser<'q> {
    pub lexer: Lexer<'q>,
    pub rules: &'q QueryRules<'q>,
    /// How many parts stand around the place.
    pub depth: usize,
    /// How many negations and the like stand around: words inside stand for themselves alone.
    pub shielded: usize,
    /// How many fields stand around: no field stands within another.
    pub textual: usize,
}

impl<'q> Parser<'q> {
    pub fn new(text: &'q [u8], rules: &'q QueryRules<'q>) -> Self {
        Parser {
            lexer: Lexer::new(text),
            rules,
            depth: 0,
            shielded: 0,
            textual: 0,
        }
    }

    /// What a parameter stands for, if one comes next.
    pub fn parameter(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        match self.lexer.parameter() {
            Some(name) => resolve(self.rules.params, &name).map(|value| Some(value.to_vec())),
            None => Ok(None),
        }
    }
}
