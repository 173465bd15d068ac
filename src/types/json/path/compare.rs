//! How values of different types compare, where a filter holds one against another.

use std::cmp::Ordering;

use super::effort::{PathEffort, TooMuch};
use super::part::Compare;
use crate::types::json::node::{JsonNode, JsonSeen};

/// What a term stands for.
#[derive(Clone, Copy, Debug)]
pub enum Meant<'a> {
    /// A value of the document.
    Node(&'a JsonNode),
    Int(i64),
    Float(f64),
    Text(&'a [u8]),
    Bool(bool),
    Null,
    /// A path that leads to no value, or to several.
    Nothing,
}

impl<'a> Meant<'a> {
    /// A value of the document as one of the others; containers compare with nothing.
    fn plain(self) -> Self {
        let Meant::Node(node) = self else {
            return self;
        };
        match node.see() {
            JsonSeen::Null => Meant::Null,
            JsonSeen::Bool(yes) => Meant::Bool(yes),
            JsonSeen::Int(n) => Meant::Int(n),
            JsonSeen::Large(n) => Meant::Float(n as f64),
            JsonSeen::Float(n) => Meant::Float(n),
            JsonSeen::Text(text) => Meant::Text(text),
            JsonSeen::Array(_) | JsonSeen::Object(_) => Meant::Nothing,
        }
    }

    fn order(self, other: Self) -> Option<Ordering> {
        let floats = |a: f64, b: f64| Some(a.partial_cmp(&b).unwrap_or(Ordering::Equal));
        match (self.plain(), other.plain()) {
            (Meant::Int(a), Meant::Int(b)) => Some(a.cmp(&b)),
            (Meant::Int(a), Meant::Float(b)) => floats(a as f64, b),
            (Meant::Float(a), Meant::Int(b)) => floats(a, b as f64),
            (Meant::Float(a), Meant::Float(b)) => floats(a, b),
            (Meant::Text(a), Meant::Text(b)) => Some(a.cmp(b)),
            (Meant::Bool(a), Meant::Bool(b)) => Some(a.cmp(&b)),
            (Meant::Null, Meant::Null) => Some(Ordering::Equal),
            _ => None,
        }
    }

    fn equals(self, other: Self, effort: &mut PathEffort) -> Result<bool, TooMuch> {
        match (self, other) {
            (Meant::Node(a), Meant::Node(b)) => effort.equal(a, b),
            _ => Ok(self.order(other) == Some(Ordering::Equal)),
        }
    }

    /// Bytes of a text.
    fn bytes(self) -> usize {
        match self.plain() {
            Meant::Text(text) => text.len(),
            _ => 0,
        }
    }

    /// The text of a value in the document, which alone is held against expressions.
    fn text(self) -> Option<&'a [u8]> {
        match self {
            Meant::Node(node) => node.as_text(),
            _ => None,
        }
    }

    /// A text that may be an expression, of the path or of the document.
    fn pattern(self) -> Option<&'a [u8]> {
        match self {
            Meant::Text(text) => Some(text),
            other => other.text(),
        }
    }

    /// Whether it compares so with another one.
    pub fn compares(
        self,
        compare: Compare,
        other: Self,
        effort: &mut PathEffort,
    ) -> Result<bool, TooMuch> {
        effort.looks(self.bytes().min(other.bytes()))?;
        let order = || self.order(other);
        Ok(match compare {
            Compare::AtLeast => order().is_some_and(Ordering::is_ge),
            Compare::Above => order().is_some_and(Ordering::is_gt),
            Compare::AtMost => order().is_some_and(Ordering::is_le),
            Compare::Below => order().is_some_and(Ordering::is_lt),
            Compare::Equal => self.equals(other, effort)?,
            Compare::Unequal => !self.equals(other, effort)?,
            Compare::Matches => match (self.text(), other.pattern()) {
                (Some(text), Some(pattern)) => effort.matches(text, pattern)?,
                _ => false,
            },
        })
    }
}
