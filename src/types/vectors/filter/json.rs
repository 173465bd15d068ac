//! A field of a JSON object, found without reading the others more than is needed to step over them.

use std::borrow::Cow;

use super::{Operand, is_space, parse::json_number};

/// Lists in lists are followed so deep.
const DEPTH_MAX: usize = 32;

/// The first field of this name, if the text is an object that has one which an expression can work with.
pub fn field<'t>(text: &'t [u8], name: &[u8]) -> Option<Operand<'t>> {
    if name.is_empty() {
        return None;
    }
    let mut walk = Walk { text, at: 0 };
    walk.take(b'{')?;
    loop {
        walk.skip_spaces();
        let held = walk.string()?;
        walk.take(b':')?;
        walk.skip_spaces();
        if held == name {
            return walk.value(DEPTH_MAX);
        }
        walk.skip_value()?;
        walk.take(b',')?;
    }
}

struct Walk<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Walk<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    /// This byte, behind spaces.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_spaces();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// What stands between quotes, with its escapes.
    fn string(&mut self) -> Option<&'t [u8]> {
        (self.peek()? == b'"').then_some(())?;
        let from = self.at + 1;
        let mut at = from;
        loop {
            match self.text.get(at)? {
                b'\\' => at += 2,
                b'"' => break,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Some(&self.text[from..at])
    }

    fn digits(&mut self) -> &'t [u8] {
        let from = self.at;
        let is_part = |byte: u8| byte.is_ascii_digit() || b"-+.eE".contains(&byte);
        while self.peek().is_some_and(is_part) {
            self.at += 1;
        }
        &self.text[from..self.at]
    }

    fn skip_value(&mut self) -> Option<()> {
        let word = match self.peek()? {
            b'"' => return self.string().map(drop),
            b'{' => return self.skip_enclosed(b'{', b'}'),
            b'[' => return self.skip_enclosed(b'[', b']'),
            b't' => &b"true"[..],
            b'f' => b"false",
            b'n' => b"null",
            _ => return (!self.digits().is_empty()).then_some(()),
        };
        self.text[self.at..].starts_with(word).then_some(())?;
        self.at += word.len();
        Some(())
    }

    /// Steps over all up to the bracket that closes this one. Those of the other kind are not looked at.
    fn skip_enclosed(&mut self, open: u8, close: u8) -> Option<()> {
        let mut depth = 0;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                byte if byte == open => depth += 1,
                byte if byte == close => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<Operand<'t>> {
        self.skip_spaces();
        match self.peek()? {
            b'"' => self.string().map(|text| Operand::Text(unescaped(text))),
            b'[' => self.list(depth),
            b't' => self.word(b"true", Operand::Number(1.0)),
            b'f' => self.word(b"false", Operand::Number(0.0)),
            b'n' => self.word(b"null", Operand::Null),
            b'0'..=b'9' | b'-' | b'+' => json_number(self.digits()).map(Operand::Number),
            _ => None,
        }
    }

    fn list(&mut self, depth: usize) -> Option<Operand<'t>> {
        let inner = depth.checked_sub(1)?;
        self.at += 1;
        self.skip_spaces();
        let mut list = Vec::new();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(Operand::List(list));
        }
        loop {
            list.push(self.value(inner)?);
            self.skip_spaces();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return None,
            }
        }
        self.at += 1;
        Some(Operand::List(list))
    }

    /// A word that nothing but a bracket, a comma or a space follows.
    fn word(&mut self, word: &[u8], value: Operand<'t>) -> Option<Operand<'t>> {
        let rest = self.text[self.at..].strip_prefix(word)?;
        let next = rest.first().copied().unwrap_or(b' ');
        let ends = is_space(next) || b",]}".contains(&next);
        ends.then(|| {
            self.at += word.len();
            value
        })
    }
}

/// A string without its escapes. Those with a number are left without their sign, as in Redis.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        plain.extend(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => Some(b'\n'),
                Some(b'r') => Some(b'\r'),
                Some(b't') => Some(b'\t'),
                other => other.copied(),
            },
            byte => Some(*byte),
        });
    }
    Cow::Owned(plain)
}
