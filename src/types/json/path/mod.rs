//! Paths into documents: JSONPath with RedisJSON's extensions, and RedisJSON's older paths without `$`.
//!
//! `$.store.book[?(@.price<10&&@.title=~"^S")].title`, `$..author`, `$.list[0,-1]`, `$.list[1:7:2]`, `$["a","b"]`, `.store.book[0]`.
//! A path is parsed in time that grows with its length, and followed for at most so many steps of its command.

mod compare;
mod effort;
mod expression;
mod follow;
mod grammar;
mod part;
mod peg;

pub use effort::{PathEffort, TooMuch};
use part::PathPart;

/// A path as a client wrote it, and how it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spelled<'a> {
    pub text: &'a str,
}

impl<'a> Spelled<'a> {
    pub fn new(text: &'a str) -> Self {
        Spelled { text }
    }

    /// Of the older kind, which answers with one value rather than with all that match.
    pub fn is_legacy(self) -> bool {
        !matches!(self.text.as_bytes(), [b'$'] | [b'$', b'.' | b'[', ..])
    }

    pub fn is_root(self) -> bool {
        matches!(self.text, "$" | ".")
    }

    /// As a path that begins with `$`: what error texts show.
    pub fn whole(self) -> String {
        match self.text {
            "." => "$".to_owned(),
            text if !self.is_legacy() => text.to_owned(),
            text if text.starts_with('.') => format!("${text}"),
            text => format!("$.{text}"),
        }
    }

    pub fn parse(self) -> Result<JsonPath, String> {
        match self.plain() {
            Some(path) => Ok(path),
            None => grammar::parse(&self.whole()),
        }
    }

    /// The most usual paths, read without the grammar: the whole document, and names behind dots.
    fn plain(self) -> Option<JsonPath> {
        if self.is_root() {
            return Some(JsonPath { parts: Vec::new() });
        }
        let whole = self.text.strip_prefix("$.");
        let names = whole.or_else(|| self.text.strip_prefix('.'));
        let is_plain = |name: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            !name.is_empty() && name.bytes().all(plain)
        };
        let parts = names.unwrap_or(self.text).split('.').map(|name| {
            let name = is_plain(name).then(|| name.to_owned());
            name.map(PathPart::Name)
        });
        let parts: Vec<PathPart> = parts.collect::<Option<_>>()?;
        (parts.len() <= grammar::PARTS_MAX).then_some(JsonPath { parts })
    }
}

/// A path, one part for each step.
#[derive(Debug)]
pub struct JsonPath {
    parts: Vec<PathPart>,
}

/// Where a path without wildcards ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathEnd<'p> {
    Name(&'p str),
    Place,
}

impl JsonPath {
    /// The last step of a path that leads to one place at most, and the path to it.
    pub fn split_last(&self) -> Option<(PathRef<'_>, PathEnd<'_>)> {
        let fixed = |part: &PathPart| match part {
            PathPart::Name(_) => true,
            PathPart::Names(names) => names.len() == 1,
            PathPart::Places(places) => places.len() == 1,
            _ => false,
        };
        if !self.parts.iter().all(fixed) {
            return None;
        }
        let (last, parts) = self.parts.split_last()?;
        let last = match last {
            PathPart::Name(name) => PathEnd::Name(name),
            PathPart::Names(names) => PathEnd::Name(&names[0]),
            _ => PathEnd::Place,
        };
        Some((PathRef(parts), last))
    }

    pub fn is_root(&self) -> bool {
        self.parts.is_empty()
    }

    pub fn as_ref(&self) -> PathRef<'_> {
        PathRef(&self.parts)
    }
}

/// A path, or the beginning of one.
#[derive(Clone, Copy, Debug)]
pub struct PathRef<'p>(&'p [PathPart]);

#[cfg(test)]
mod tests;
