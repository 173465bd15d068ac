//! What a command may spend on documents before it is given up.
//!
//! A short path may come to each value in very many ways, and a filter looks into values on each. What may take more than the
//! command and its documents are long is counted here.

use super::expression::TextExpression;
use crate::types::json::node::{JsonNode, JsonSeen};

/// Steps for one command: about a second's worth.
const STEPS_MAX: usize = 2_000_000;
/// Values or bytes that are looked at in the time of a step.
const LOOKS: usize = 16;
/// Bytes that are written in the time of a look.
const WRITTEN: usize = 16;

/// Expressions that are remembered.
const EXPRESSIONS_MET: usize = 32;

/// The command was given up: it takes too many steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch;

/// What a command has left to spend.
#[derive(Debug)]
pub struct PathEffort {
    /// So many looks.
    left: usize,
    /// The longest text that is to come of it.
    bytes_max: usize,
    /// Texts that were held to be expressions, and the expressions of those that are.
    met: Vec<(Vec<u8>, Option<TextExpression>)>,
    /// Where the next one goes once there are as many as are remembered.
    next: usize,
}

impl PathEffort {
    /// What a client's command may spend, and how long a text may come of it.
    pub fn bounded(bytes_max: usize) -> Self {
        PathEffort {
            left: STEPS_MAX * LOOKS,
            bytes_max,
            met: Vec::new(),
            next: 0,
        }
    }

    pub fn endless() -> Self {
        PathEffort {
            left: usize::MAX,
            bytes_max: usize::MAX,
            met: Vec::new(),
            next: 0,
        }
    }

    pub fn looks(&mut self, looks: usize) -> Result<(), TooMuch> {
        self.left = self.left.checked_sub(looks).ok_or(TooMuch)?;
        Ok(())
    }

    pub fn steps(&mut self, steps: usize) -> Result<(), TooMuch> {
        self.looks(steps.saturating_mul(LOOKS))
    }

    pub fn written(&mut self, bytes: usize) -> Result<(), TooMuch> {
        self.looks(bytes.div_ceil(WRITTEN))
    }

    /// How many bytes may still be written.
    pub fn may_write(&self) -> usize {
        self.left.saturating_mul(WRITTEN).min(self.bytes_max)
    }

    /// Whether a text matches an expression. What is no expression, nothing matches.
    pub fn matches(&mut self, text: &[u8], pattern: &[u8]) -> Result<bool, TooMuch> {
        self.looks(pattern.len() + EXPRESSIONS_MET)?;
        let at = match self.met.iter().position(|(known, _)| known == pattern) {
            Some(at) => at,
            None => self.meet(pattern)?,
        };
        let Some(expression) = &self.met[at].1 else {
            return Ok(false);
        };
        let looks = expression.looks(text);
        self.left = self.left.checked_sub(looks).ok_or(TooMuch)?;
        Ok(expression.is_match(text))
    }

    /// Compiles an expression, and returns where it is remembered.
    fn meet(&mut self, pattern: &[u8]) -> Result<usize, TooMuch> {
        let expression = TextExpression::new(pattern);
        self.steps(TextExpression::steps_to_compile(expression.as_ref()))?;
        let met = (pattern.to_vec(), expression);
        if self.met.len() < EXPRESSIONS_MET {
            self.met.push(met);
            return Ok(self.met.len() - 1);
        }
        let at = self.next;
        self.met[at] = met;
        self.next = (at + 1) % EXPRESSIONS_MET;
        Ok(at)
    }

    /// Whether values are equal as RedisJSON compares them: an integer is no double, and the order of fields means nothing.
    pub fn equal(&mut self, a: &JsonNode, b: &JsonNode) -> Result<bool, TooMuch> {
        self.looks(1)?;
        Ok(match (a.see(), b.see()) {
            (JsonSeen::Null, JsonSeen::Null) => true,
            (JsonSeen::Bool(a), JsonSeen::Bool(b)) => a == b,
            (JsonSeen::Int(a), JsonSeen::Int(b)) => a == b,
            (JsonSeen::Large(a), JsonSeen::Large(b)) => a == b,
            (JsonSeen::Float(a), JsonSeen::Float(b)) => a == b,
            (JsonSeen::Text(a), JsonSeen::Text(b)) if a.len() == b.len() => {
                self.looks(a.len())?;
                a == b
            }
            (JsonSeen::Array(a), JsonSeen::Array(b)) if a.len() == b.len() => {
                for (a, b) in a.iter().zip(b.iter()) {
                    if !self.equal(a, b)? {
                        return Ok(false);
                    }
                }
                true
            }
            (JsonSeen::Object(a), JsonSeen::Object(b)) if a.len() == b.len() => {
                for (name, a) in a.iter() {
                    self.looks(name.as_bytes().len())?;
                    match b.find(name.as_bytes()) {
                        Some(b) if self.equal(a, b)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            _ => false,
        })
    }
}

impl PartialEq for JsonNode {
    fn eq(&self, other: &Self) -> bool {
        PathEffort::endless().equal(self, other) == Ok(true)
    }
}
