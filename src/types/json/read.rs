//! JSON text to nodes, in one pass.
//!
//! What has come of containers that are still open stands in one list, and is moved from there into a block of its exact
//! size when a container ends. Where a text is no JSON, the reader stops without a word: `parse` says what is wrong with it.

use std::borrow::Cow;

use super::DEPTH_MAX;
use super::names::FieldNames;
use super::node::{JsonNode, OBJECT_READ_MAX};
use super::plain::plain_len;
use super::text::FieldName;

/// Digits that fit into 64 bits whatever they are.
const DIGITS_SURE: usize = 19;

/// Integers up to here are doubles, each another one.
const EXACT_MAX: u64 = 1 << 53;
/// Powers of ten that are doubles.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

pub struct TextReader<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    /// Elements and values of the containers that are open, those of the outermost first.
    nodes: Vec<JsonNode>,
    /// Names of the fields of the objects that are open.
    names: Vec<Cow<'t, [u8]>>,
    /// Those of the object that ended last, if objects share them: often the next one has the same.
    last: Option<FieldNames>,
}

impl<'t> TextReader<'t> {
    pub fn new(text: &'t str) -> Self {
        let guess = (text.len() / 16).clamp(4, 256);
        TextReader {
            text: text.as_bytes(),
            at: 0,
            depth: 0,
            nodes: Vec::with_capacity(guess),
            names: Vec::with_capacity(guess / 2),
            last: None,
        }
    }

    /// The next value; nothing if there is anything wrong with it.
    pub fn value(&mut self) -> Option<JsonNode> {
        self.read()?;
        self.nodes.pop()
    }

    /// Reads the next value to the end of the list. Nothing is handed on by value: what is written to memory in parts, as
    /// a node is, is slow to be read from there as a whole.
    fn read(&mut self) -> Option<()> {
        match self.sign()? {
            b'"' => {
                let text = self.text()?;
                self.nodes.push(JsonNode::text(&text));
                Some(())
            }
            b'{' => self.inside(Self::object),
            b'[' => self.inside(Self::array),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true", JsonNode::Bool(true)),
            b'f' => self.word(b"false", JsonNode::Bool(false)),
            b'n' => self.word(b"null", JsonNode::Null),
            _ => None,
        }
    }

    /// Whether nothing follows but space.
    pub fn is_done(&mut self) -> bool {
        self.sign().is_none()
    }

    /// The next byte that is no space.
    #[inline]
    fn sign(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at)? {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    /// Steps over the next byte that is no space, which must be this one.
    #[inline]
    fn step(&mut self, wanted: u8) -> Option<()> {
        let found = self.sign()?;
        self.at += 1;
        (found == wanted).then_some(())
    }

    fn word(&mut self, word: &[u8], node: JsonNode) -> Option<()> {
        if !self.text[self.at..].starts_with(word) {
            return None;
        }
        self.at += word.len();
        self.nodes.push(node);
        Some(())
    }

    /// Reads a container, whose first sign is next.
    fn inside(&mut self, read: impl Fn(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        read(self)?;
        self.depth -= 1;
        Some(())
    }

    fn array(&mut self) -> Option<()> {
        let from = self.nodes.len();
        if self.sign()? == b']' {
            self.at += 1;
            return self.array_of(from);
        }
        loop {
            self.read()?;
            let sign = self.sign()?;
            self.at += 1;
            match sign {
                b',' => {}
                b']' => return self.array_of(from),
                _ => return None,
            }
        }
    }

    /// Puts the elements from here on into an array.
    fn array_of(&mut self, from: usize) -> Option<()> {
        let array = JsonNode::array_of(self.nodes.drain(from..));
        self.nodes.push(array);
        Some(())
    }

    fn object(&mut self) -> Option<()> {
        let from = (self.names.len(), self.nodes.len());
        if self.sign()? == b'}' {
            self.at += 1;
            return self.object_of(from);
        }
        loop {
            if self.sign()? != b'"' {
                return None;
            }
            let name = self.text()?;
            self.names.push(name);
            self.step(b':')?;
            self.read()?;
            let sign = self.sign()?;
            self.at += 1;
            match sign {
                b',' => {}
                b'}' => return self.object_of(from),
                _ => return None,
            }
        }
    }

    /// Puts the names and values from here on into an object.
    fn object_of(&mut self, (names_from, nodes_from): (usize, usize)) -> Option<()> {
        let names = &self.names[names_from..];
        if !self.last.as_ref().is_some_and(|last| last.are(names)) {
            let few = names.len() <= OBJECT_READ_MAX;
            self.last = few.then(|| FieldNames::of(names)).flatten();
        }
        let nodes = self.nodes.drain(nodes_from..);
        let object = match &self.last {
            Some(shared) => JsonNode::object_of(shared.clone(), nodes),
            None => {
                let names = names.iter().map(|name| FieldName::new(name));
                JsonNode::merged(names.zip(nodes))
            }
        };
        self.nodes.push(object);
        self.names.truncate(names_from);
        Some(())
    }

    /// A text between quotes, the first of which is next.
    #[inline]
    fn text(&mut self) -> Option<Cow<'t, [u8]>> {
        let from = self.at + 1;
        let rest = self.text.get(from..)?;
        let len = plain_len(rest);
        if *rest.get(len)? == b'"' {
            self.at = from + len + 1;
            return Some(Cow::Borrowed(&rest[..len]));
        }
        self.at = from;
        self.escaped().map(Cow::Owned)
    }

    /// The rest of a text that has escapes.
    #[cold]
    fn escaped(&mut self) -> Option<Vec<u8>> {
        let mut held = Vec::new();
        loop {
            let rest = self.text.get(self.at..)?;
            let len = plain_len(rest);
            held.extend_from_slice(&rest[..len]);
            self.at += len + 1;
            match rest.get(len)? {
                b'"' => return Some(held),
                b'\\' => {}
                _ => return None,
            }
            let sign = *self.text.get(self.at)?;
            self.at += 1;
            let byte = match sign {
                b'"' | b'\\' | b'/' => sign,
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'u' => {
                    let letter = self.letter()?;
                    held.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                _ => return None,
            };
            held.push(byte);
        }
    }

    /// The character whose number follows `\u`. One beyond the first plane is two of them.
    fn letter(&mut self) -> Option<char> {
        let first = self.hex()?;
        let code = match first {
            0xd800..0xdc00 => {
                let rest = self.text.get(self.at..)?;
                if !rest.starts_with(b"\\u") {
                    return None;
                }
                self.at += 2;
                let second = self.hex()?;
                let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                0x10000 + ((first - 0xd800) << 10) + low
            }
            code => code,
        };
        char::from_u32(code)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        let digit = |code, byte: &u8| Some(code << 4 | char::from(*byte).to_digit(16)?);
        digits.iter().try_fold(0, digit)
    }

    fn number(&mut self) -> Option<()> {
        let from = self.at;
        let negative = self.text[from] == b'-';
        self.at += usize::from(negative);
        let first = self.at;
        let mut n: u64 = 0;
        let digits = self.digits(&mut n)?;
        if digits > 1 && self.text[first] == b'0' {
            return None;
        }
        if let Some(b'.' | b'e' | b'E') = self.text.get(self.at) {
            let double = self.fraction(from, n, digits)?;
            self.nodes.push(JsonNode::Float(double));
            return Some(());
        }
        if digits > DIGITS_SURE {
            match self.written(first).parse() {
                Ok(exact) => n = exact,
                Err(_) => return self.large(from),
            }
        }
        match (negative, i64::try_from(n)) {
            (false, Ok(n)) => self.nodes.push(JsonNode::Int(n)),
            (false, Err(_)) => self.nodes.push(JsonNode::Large(n)),
            // The only zero that knows its sign is a double.
            (true, _) if n == 0 => self.nodes.push(JsonNode::Float(-0.0)),
            (true, Ok(n)) => self.nodes.push(JsonNode::Int(-n)),
            (true, Err(_)) if n == i64::MIN.unsigned_abs() => {
                self.nodes.push(JsonNode::Int(i64::MIN));
            }
            (true, Err(_)) => return self.large(from),
        }
        Some(())
    }

    /// An integer beyond those that are kept as such.
    #[cold]
    fn large(&mut self, from: usize) -> Option<()> {
        let double = self.double(from)?;
        self.nodes.push(JsonNode::Float(double));
        Some(())
    }

    /// The double whose digits before the point are read: they are so many, and say `n`.
    fn fraction(&mut self, from: usize, mut n: u64, mut digits: usize) -> Option<f64> {
        let mut behind = 0;
        if self.text[self.at] == b'.' {
            self.at += 1;
            behind = self.digits(&mut n)?;
            digits += behind;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits(&mut 0)?;
            return self.double(from);
        }
        match TENS.get(behind) {
            // Both are exact, so their quotient is the nearest double.
            Some(tens) if digits <= DIGITS_SURE && n <= EXACT_MAX => {
                let n = n as f64 / tens;
                let negative = self.text[from] == b'-';
                Some(if negative { -n } else { n })
            }
            _ => self.double(from),
        }
    }

    /// Steps over digits, of which there must be one, and appends them to a number. How many there were.
    #[inline]
    fn digits(&mut self, n: &mut u64) -> Option<usize> {
        let from = self.at;
        while let Some(digit @ b'0'..=b'9') = self.text.get(self.at) {
            *n = n.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        (self.at > from).then_some(self.at - from)
    }

    /// What is written from here to where the reader is: a number.
    fn written(&self, from: usize) -> &'t str {
        std::str::from_utf8(&self.text[from..self.at]).expect("digits are UTF-8")
    }

    /// The double nearest to what is written; nothing if it is too large for one.
    fn double(&self, from: usize) -> Option<f64> {
        let n: f64 = self.written(from).parse().ok()?;
        n.is_finite().then_some(n)
    }
}
