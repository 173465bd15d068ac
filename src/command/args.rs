//! A command's arguments, taken one by one.

use super::Fail;
use crate::util::number;

/// The arguments after the command's name (and subcommand), with a place in them.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    all: &'a [&'a [u8]],
    at: usize,
}

impl<'a> Args<'a> {
    /// `all` includes the command's name; `skip` words of it are the name.
    pub fn new(all: &'a [&'a [u8]], skip: usize) -> Self {
        Args { all, at: skip }
    }

    /// The whole command, its name first.
    pub fn all(&self) -> &'a [&'a [u8]] {
        self.all
    }

    /// The command's name as the client spelled it.
    pub fn name(&self) -> &'a [u8] {
        self.all[0]
    }

    /// How many are left.
    pub fn len(&self) -> usize {
        self.all.len() - self.at
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position of the next argument in the whole command.
    pub fn position(&self) -> usize {
        self.at
    }

    /// What is left, taken together.
    pub fn rest(&mut self) -> &'a [&'a [u8]] {
        let rest = &self.all[self.at..];
        self.at = self.all.len();
        rest
    }

    /// The next `n`.
    pub fn take(&mut self, n: usize) -> Result<&'a [&'a [u8]], Fail> {
        if n > self.len() {
            return Err(Fail::SYNTAX);
        }
        let taken = &self.all[self.at..self.at + n];
        self.at += n;
        Ok(taken)
    }

    pub fn peek(&self) -> Option<&'a [u8]> {
        self.all.get(self.at).copied()
    }

    /// The next argument. Arity was checked before, so a missing one is a syntax error.
    #[inline]
    #[expect(
        clippy::should_implement_trait,
        reason = "it fails, as no iterator does"
    )]
    pub fn next(&mut self) -> Result<&'a [u8], Fail> {
        let arg = self.all.get(self.at).ok_or(Fail::SYNTAX)?;
        self.at += 1;
        Ok(arg)
    }

    /// Takes the next argument if it is this word, in any case.
    pub fn word(&mut self, word: &str) -> bool {
        let hit = self
            .peek()
            .is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
        self.at += usize::from(hit);
        hit
    }

    /// Takes the next argument if it is this word and at least `values` arguments follow.
    pub fn word_with(&mut self, word: &str, values: usize) -> bool {
        self.len() > values && self.word(word)
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), Fail> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(Fail::SYNTAX)
        }
    }

    pub fn int(&mut self) -> Result<i64, Fail> {
        self.int_or(Fail::NOT_INTEGER)
    }

    /// An integer, or this error.
    pub fn int_or(&mut self, fail: Fail) -> Result<i64, Fail> {
        number::parse_i64(self.next()?).ok_or(fail)
    }

    /// An integer in a range, or this error whatever is wrong with it.
    pub fn int_in(
        &mut self,
        range: std::ops::RangeInclusive<i64>,
        fail: Fail,
    ) -> Result<i64, Fail> {
        number::parse_i64(self.next()?)
            .filter(|n| range.contains(n))
            .ok_or(fail)
    }

    /// A time to wait in milliseconds, as the moment at which it ends; 0 waits for ever.
    pub fn timeout_ms(&mut self, now_ms: u64) -> Result<Option<u64>, Fail> {
        let ms = self.int_or(Fail::Says("timeout is not an integer or out of range"))?;
        let ms = u64::try_from(ms).map_err(|_| Fail::Says("timeout is negative"))?;
        let end = ms
            .checked_add(now_ms)
            .filter(|end| i64::try_from(*end).is_ok());
        let end = end.ok_or(Fail::Says("timeout is out of range"))?;
        Ok((ms > 0).then_some(end))
    }

    /// An integer whose negative is one, too.
    pub fn mirrored_int(&mut self) -> Result<i64, Fail> {
        let fits = Some(self.int()?).filter(|n| *n != i64::MIN);
        fits.ok_or(Fail::UNMIRRORED)
    }

    /// An integer of 32 bits.
    pub fn small_int(&mut self) -> Result<i64, Fail> {
        small_int(self.next()?)
    }

    /// A count that may be zero, but not negative; whatever else it is, it is told to be positive.
    pub fn positive(&mut self) -> Result<usize, Fail> {
        Ok(self.int_in(0..=i64::MAX, Fail::NEGATIVE)? as usize)
    }

    pub fn double(&mut self) -> Result<f64, Fail> {
        number::parse_double(self.next()?).ok_or(Fail::NOT_FLOAT)
    }

    /// All that is left, two by two; `None` if the number is odd.
    pub fn pairs(&mut self) -> Option<impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone> {
        let rest = self.rest();
        rest.len()
            .is_multiple_of(2)
            .then(|| rest.chunks_exact(2).map(|pair| (pair[0], pair[1])))
    }

    /// A key count and that many keys. `bad_count` answers a count that is not positive.
    pub fn counted(&mut self, bad_count: Fail) -> Result<&'a [&'a [u8]], Fail> {
        let count = self.int_in(1..=i64::MAX, bad_count)?;
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

/// An integer that must fit 32 bits.
pub fn small_int(text: &[u8]) -> Result<i64, Fail> {
    let n = number::parse_i64(text).ok_or(Fail::NOT_INTEGER)?;
    match i32::try_from(n) {
        Ok(n) => Ok(i64::from(n)),
        Err(_) => Err(Fail::Says(
            "value is out of range, value must between -2147483648 and 2147483647",
        )),
    }
}
