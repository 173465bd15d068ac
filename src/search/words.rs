//! Arguments taken one by one, and what is told of those that are wrong.

use std::ops::RangeInclusive;

use crate::util::number;

/// Why something was refused, as the reply says it.
pub type Refusal = String;

/// Words taken one by one.
pub struct Words<'a> {
    all: &'a [&'a [u8]],
    at: usize,
}

impl<'a> Words<'a> {
    pub fn new(all: &'a [&'a [u8]]) -> Self {
        Words { all, at: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.at == self.all.len()
    }

    pub fn len(&self) -> usize {
        self.all.len() - self.at
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn peek(&self) -> Option<&'a [u8]> {
        self.all.get(self.at).copied()
    }

    /// Takes the next word if it is this one, in any case.
    pub fn word(&mut self, word: &str) -> bool {
        let hit = self
            .peek()
            .is_some_and(|held| held.eq_ignore_ascii_case(word.as_bytes()));
        self.at += usize::from(hit);
        hit
    }

    /// The value of an option.
    pub fn value(&mut self, option: &str) -> Result<&'a [u8], Refusal> {
        self.maybe().ok_or_else(|| {
            format!("Bad arguments for {option}: Expected an argument, but none provided")
        })
    }

    pub fn maybe(&mut self) -> Option<&'a [u8]> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    pub fn double(&mut self, option: &str) -> Result<f64, Refusal> {
        let text = self.value(option)?;
        number::parse_double(text).ok_or_else(|| unconverted(option))
    }

    /// A number that is not negative.
    pub fn count(&mut self, option: &str) -> Result<u64, Refusal> {
        let text = self.value(option)?;
        match integer(text) {
            None => Err(unconverted(option)),
            Some(n) => u64::try_from(n).map_err(|_| out_of_bounds(option)),
        }
    }

    /// A number within bounds.
    pub fn count_in(&mut self, option: &str, bounds: RangeInclusive<u64>) -> Result<u64, Refusal> {
        let count = self.count(option)?;
        match bounds.contains(&count) {
            true => Ok(count),
            false => Err(out_of_bounds(option)),
        }
    }

    /// So many words.
    pub fn take(&mut self, option: &str, count: u64) -> Result<&'a [&'a [u8]], Refusal> {
        let end = usize::try_from(count)
            .ok()
            .and_then(|n| self.at.checked_add(n));
        let taken = end
            .and_then(|end| self.all.get(self.at..end))
            .ok_or_else(|| {
                format!("Bad arguments for {option}: Expected an argument, but none provided")
            })?;
        self.at += taken.len();
        Ok(taken)
    }
}

/// A whole number. The greatest that there is, RediSearch takes for one that is too great.
pub fn integer(text: &[u8]) -> Option<i64> {
    number::parse_i64(text).filter(|n| *n < i64::MAX)
}

pub(super) fn unconverted(option: &str) -> Refusal {
    format!("Bad arguments for {option}: Could not convert argument to expected type")
}

pub(super) fn out_of_bounds(option: &str) -> Refusal {
    format!("Bad arguments for {option}: Value is outside acceptable bounds")
}
