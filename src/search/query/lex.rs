//! The letters of a query, taken one thing at a time.

use super::tokens::{is_escapable, number_len, word_len};
use crate::search::words::Refusal;
use crate::util::number;

/// A place in a query.
#[derive(Clone)]
pub struct Lexer<'q> {
    text: &'q [u8],
    pub at: usize,
    /// The last word that was read, which errors name.
    near: Vec<u8>,
}

/// Whether a byte may stand in a word as it is.
pub fn is_word_byte(byte: u8) -> bool {
    byte == b'_' || byte >= 0x80 || byte.is_ascii_alphanumeric()
}

/// Punctuation that has no meaning between words.
fn is_passed_over(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b",./?!&^+#<>`".contains(&byte)
}

impl<'q> Lexer<'q> {
    pub fn new(text: &'q [u8]) -> Self {
        Lexer {
            text,
            at: 0,
            near: Vec::new(),
        }
    }

    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub fn rest(&self) -> &'q [u8] {
        &self.text[self.at.min(self.text.len())..]
    }

    /// Whether the last byte that was read is this one.
    pub fn is_behind(&self, byte: u8) -> bool {
        let last = self.at.checked_sub(1).and_then(|at| self.text.get(at));
        last == Some(&byte)
    }

    pub fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Passes over blanks, and over what means nothing between words.
    pub fn gap(&mut self) {
        while let Some(byte) = self.peek() {
            let next = self.text.get(self.at + 1).copied();
            let passed = match byte {
                b'=' => next != Some(b'>'),
                // Two of them are quotes.
                b'\'' => !self.rest()[1..].contains(&b'\''),
                b'\\' => !next.is_some_and(is_escapable),
                b'@' | b'$' => !next.is_some_and(|next| is_word_byte(next) || next == b'\\'),
                byte => is_passed_over(byte),
            };
            if !passed {
                return;
            }
            self.at += 1;
        }
    }

    /// Takes this text if it comes next, behind blanks.
    pub fn take(&mut self, text: &[u8]) -> bool {
        self.blanks();
        let hit = self.rest().starts_with(text);
        self.at += if hit { text.len() } else { 0 };
        hit
    }

    /// Takes this text, or it is an error.
    pub fn expect(&mut self, text: &[u8]) -> Result<(), Refusal> {
        match self.take(text) {
            true => Ok(()),
            false => Err(self.error()),
        }
    }

    /// The error of what stands here.
    pub fn error(&self) -> Refusal {
        let mut ahead = self.clone();
        ahead.gap();
        let at = ahead.at.min(self.text.len().saturating_sub(1));
        if let Some(word) = ahead.word() {
            ahead.near = word;
        }
        self.error_at(at, &ahead.near)
    }

    pub fn error_at(&self, at: usize, near: &[u8]) -> Refusal {
        let near = String::from_utf8_lossy(near);
        format!("Syntax error at offset {at} near {near}")
    }

    /// A word with its escapes undone.
    pub fn word(&mut self) -> Option<Vec<u8>> {
        let mut word = Vec::new();
        while let Some(byte) = self.peek() {
            if byte == b'\\' {
                let next = self.text.get(self.at + 1);
                let Some(next) = next.filter(|next| is_escapable(**next)) else {
                    break;
                };
                word.push(*next);
                self.at += 2;
            } else if is_word_byte(byte) {
                word.push(byte);
                self.at += 1;
            } else {
                break;
            }
        }
        if word.is_empty() {
            return None;
        }
        self.near.clone_from(&word);
        Some(word)
    }

    /// A number that is written as a word, sign included; it is none where a word goes on behind it.
    pub fn number_word(&mut self) -> Option<Vec<u8>> {
        let rest = self.rest();
        let len = match rest.first() {
            Some(b'+') if rest[1..].first().is_some_and(u8::is_ascii_digit) => {
                1 + number_len(&rest[1..])
            }
            _ => number_len(rest),
        };
        if len == 0 || len < word_len(rest) || rest.get(len) == Some(&b'*') {
            return None;
        }
        self.at += len;
        self.near = rest[..len].to_vec();
        Some(self.near.clone())
    }

    /// The name of a parameter, behind its sign.
    pub fn parameter(&mut self) -> Option<Vec<u8>> {
        let behind = self.text.get(self.at + 1)?;
        if self.peek() != Some(b'$') || !is_word_byte(*behind) {
            return None;
        }
        self.at += 1;
        self.word()
    }

    /// What stands up to one of these, with the place left there.
    pub fn until(&mut self, ends: &[u8]) -> &'q [u8] {
        let rest = self.rest();
        let len = rest.iter().position(|byte| ends.contains(byte));
        let taken = &rest[..len.unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    /// A number, infinities included.
    pub fn number(&mut self) -> Result<f64, Refusal> {
        self.blanks();
        let from = self.at;
        let text = self.until(b" \t\r\n,])}|;");
        let plain = text.strip_prefix(b"+").unwrap_or(text);
        match number::parse_double(plain) {
            Some(n) => {
                self.near = text.to_vec();
                Ok(n)
            }
            None => {
                let near = text.to_vec();
                Err(self.error_at(from, &near))
            }
        }
    }

    /// The inside of quotes, the first of which was taken, with its escapes left as they are.
    pub fn quoted(&mut self, quote: u8) -> Result<&'q [u8], Refusal> {
        let from = self.at;
        while let Some(byte) = self.peek() {
            if byte == quote {
                self.at += 1;
                return Ok(&self.text[from..self.at - 1]);
            }
            self.at += if byte == b'\\' { 2 } else { 1 };
        }
        Err(self.error_at(from.saturating_sub(1), &self.near.clone()))
    }
}
