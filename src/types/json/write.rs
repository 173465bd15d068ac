//! A document to JSON text.

use super::node::{ArrayView, JsonNode, JsonSeen, ObjectView};
use super::plain::plain_len;
use super::text::{FieldName, ShortText};
use crate::util::number;

/// What stands between the parts of a text: nothing, unless a client wishes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spacing<'a> {
    pub indent: &'a [u8],
    pub newline: &'a [u8],
    pub space: &'a [u8],
}

impl Spacing<'_> {
    fn has_any(&self) -> bool {
        let parts = [self.indent, self.newline, self.space];
        parts.iter().any(|part| !part.is_empty())
    }
}

/// Writes text behind what is in a buffer, and knows how deep it is.
pub struct TextWriter<'a> {
    out: &'a mut Vec<u8>,
    from: usize,
    /// Once the buffer is longer than this, nothing more is written.
    end: usize,
    spacing: Spacing<'a>,
    /// Whether anything stands between the parts.
    spaced: bool,
    depth: usize,
}

/// The text of a value, without anything between its parts.
pub fn text_of(node: &JsonNode) -> Vec<u8> {
    let mut text = Vec::new();
    TextWriter::new(&mut text, Spacing::default(), usize::MAX).node(node);
    text
}

impl<'a> TextWriter<'a> {
    pub fn new(out: &'a mut Vec<u8>, spacing: Spacing<'a>, room: usize) -> Self {
        let from = out.len();
        TextWriter {
            out,
            from,
            end: from.saturating_add(room),
            spacing,
            spaced: spacing.has_any(),
            depth: 0,
        }
    }

    /// How long the text is, if it has found room.
    pub fn finish(self) -> Option<usize> {
        (!self.is_full()).then(|| self.out.len() - self.from)
    }

    fn is_full(&self) -> bool {
        self.out.len() > self.end
    }

    pub fn node(&mut self, node: &JsonNode) {
        if let JsonNode::Short(text) = node {
            return self.short(text);
        }
        match node.see() {
            JsonSeen::Null => self.out.extend_from_slice(b"null"),
            JsonSeen::Bool(yes) => {
                let word: &[u8] = if yes { b"true" } else { b"false" };
                self.out.extend_from_slice(word);
            }
            JsonSeen::Int(n) => number::write_i64(n, self.out),
            JsonSeen::Large(n) => number::write_u64(n, self.out),
            JsonSeen::Float(n) => number::write_fraction(n, self.out),
            JsonSeen::Text(text) => self.quoted(text),
            JsonSeen::Array(ArrayView::Short(nodes)) => self.array(nodes.iter()),
            JsonSeen::Array(ArrayView::Long(array)) => self.array(array.iter()),
            JsonSeen::Object(ObjectView::Shared(names, nodes)) => {
                let fields = names.all().iter().zip(nodes);
                self.object(fields, Self::name, Self::node);
            }
            JsonSeen::Object(ObjectView::Own(many)) => {
                let fields = many.iter().map(|field| (&field.name, &field.node));
                self.object(fields, Self::name, Self::node);
            }
        }
    }

    fn name(&mut self, name: &FieldName) {
        match name {
            FieldName::Short(name) => self.short(name),
            FieldName::Long(name) => self.quoted(&name.slice),
        }
    }

    #[inline]
    fn short(&mut self, text: &ShortText) {
        if !text.write_quoted(self.out) {
            self.quoted(text.as_bytes());
        }
    }

    /// An array of these.
    pub fn array<'n>(&mut self, nodes: impl Iterator<Item = &'n JsonNode>) {
        self.out.push(b'[');
        self.depth += 1;
        let mut count = 0;
        for node in nodes {
            if self.is_full() {
                break;
            }
            self.begin(count);
            self.node(node);
            count += 1;
        }
        self.end(count, b']');
    }

    /// An object of these fields: how their names are written, and their values.
    pub fn object<N, V>(
        &mut self,
        fields: impl Iterator<Item = (N, V)>,
        name: impl Fn(&mut Self, N),
        mut write: impl FnMut(&mut Self, V),
    ) {
        self.out.push(b'{');
        self.depth += 1;
        let mut count = 0;
        for (key, value) in fields {
            if self.is_full() {
                break;
            }
            self.begin(count);
            name(self, key);
            self.out.push(b':');
            if self.spaced {
                self.out.extend_from_slice(self.spacing.space);
            }
            write(self, value);
            count += 1;
        }
        self.end(count, b'}');
    }

    fn begin(&mut self, before: usize) {
        if before > 0 {
            self.out.push(b',');
        }
        if self.spaced {
            self.line();
        }
    }

    fn end(&mut self, count: usize, sign: u8) {
        self.depth -= 1;
        if count > 0 && self.spaced {
            self.line();
        }
        self.out.push(sign);
    }

    fn line(&mut self) {
        self.out.extend_from_slice(self.spacing.newline);
        for _ in 0..self.depth {
            if self.is_full() {
                break;
            }
            self.out.extend_from_slice(self.spacing.indent);
        }
    }

    /// A text between quotes. Of characters that need no escape, none has one.
    pub fn quoted(&mut self, text: &[u8]) {
        if text.len() > self.end.saturating_sub(self.out.len()) {
            // Full it is for good.
            self.end = 0;
            return self.out.push(b'"');
        }
        let out = &mut *self.out;
        out.reserve(text.len() + 2);
        out.push(b'"');
        let mut rest = text;
        loop {
            let at = plain_len(rest);
            out.extend_from_slice(&rest[..at]);
            let Some(special) = rest.get(at) else { break };
            match special {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                0x08 => out.extend_from_slice(b"\\b"),
                0x0c => out.extend_from_slice(b"\\f"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                control => {
                    let digit = |n: u8| b"0123456789abcdef"[usize::from(n)];
                    out.extend_from_slice(b"\\u00");
                    out.extend_from_slice(&[digit(control >> 4), digit(control & 15)]);
                }
            }
            rest = &rest[at + 1..];
        }
        out.push(b'"');
    }
}
