//! The grammar of expressions.

use super::{Expression, Operator, OperatorOf, functions};
use crate::search::value::RowValue;
use crate::search::words::Refusal;
use crate::util::number;

/// Expressions within expressions.
const DEPTH_MAX: usize = 128;

/// Operators by how tightly they bind, the loosest first. A longer sign comes before one that it begins with.
/// As in RediSearch, "and" binds no tighter than "or".
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[("||", Operator::Or), ("&&", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::Unequal),
        ("<=", Operator::AtMost),
        (">=", Operator::AtLeast),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[
        ("*", Operator::Multiply),
        ("/", Operator::Divide),
        ("%", Operator::Modulo),
    ],
    &[("^", Operator::Power)],
];

struct ExpressionReader<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    /// The last word, which errors name.
    near: Vec<u8>,
}

pub(super) fn parse(text: &[u8]) -> Result<Expression, Refusal> {
    let mut reader = ExpressionReader {
        text,
        at: 0,
        depth: 0,
        near: Vec::new(),
    };
    let parsed = reader.level(0)?;
    reader.blanks();
    match reader.at == text.len() {
        true => Ok(parsed),
        false => Err(reader.error()),
    }
}

impl<'t> ExpressionReader<'t> {
    fn blanks(&mut self) {
        while self.rest().first().is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn rest(&self) -> &'t [u8] {
        &self.text[self.at..]
    }

    fn take(&mut self, sign: &str) -> bool {
        self.blanks();
        let hit = self.rest().starts_with(sign.as_bytes());
        self.at += if hit { sign.len() } else { 0 };
        hit
    }

    fn error(&self) -> Refusal {
        let at = self.at.min(self.text.len().saturating_sub(1));
        let near = String::from_utf8_lossy(&self.near);
        format!("Syntax error at offset {at} near '{near}'")
    }

    fn level(&mut self, level: usize) -> Result<Expression, Refusal> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let first = self.level(level + 1)?;
        let mut rest = Vec::new();
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.take(sign)) {
            rest.push((OperatorOf(*operator), self.level(level + 1)?));
        }
        Ok(match rest.is_empty() {
            true => first,
            false => Expression::Chain(Box::new(first), rest),
        })
    }

    fn unary(&mut self) -> Result<Expression, Refusal> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("Expression is too deep".into());
        }
        let parsed = if self.take("!") {
            Expression::Not(Box::new(self.unary()?))
        } else if self.take("(") {
            let inner = self.level(0)?;
            if !self.take(")") {
                return Err(self.error());
            }
            inner
        } else if self.take("-") {
            let zero = Expression::Value(RowValue::Number(0.0));
            let negated = (OperatorOf(Operator::Subtract), self.unary()?);
            Expression::Chain(Box::new(zero), vec![negated])
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(parsed)
    }

    fn word(&mut self) -> Vec<u8> {
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_' || **byte >= 0x80;
        let len = self.rest().iter().take_while(is_part).count();
        let word = self.rest()[..len].to_vec();
        self.at += len;
        if !word.is_empty() {
            self.near.clone_from(&word);
        }
        word
    }

    fn primary(&mut self) -> Result<Expression, Refusal> {
        match self.rest().first() {
            Some(b'@') => {
                self.at += 1;
                let name = self.word();
                if name.is_empty() {
                    return Err(self.error());
                }
                Ok(Expression::Property(name))
            }
            Some(quote @ (b'\'' | b'"')) => {
                self.at += 1;
                self.quoted(*quote)
            }
            Some(byte) if byte.is_ascii_digit() || *byte == b'.' => {
                let len = number_len(self.rest());
                let n = number::parse_double(&self.rest()[..len]).ok_or_else(|| self.error())?;
                self.near = self.rest()[..len].to_vec();
                self.at += len;
                Ok(Expression::Value(RowValue::Number(n)))
            }
            _ => self.call(),
        }
    }

    fn quoted(&mut self, quote: u8) -> Result<Expression, Refusal> {
        let from = self.at - 1;
        let mut text = Vec::new();
        loop {
            let byte = *self.rest().first().ok_or_else(|| self.error())?;
            self.at += 1;
            match byte {
                b'\\' => {
                    text.extend(self.rest().first());
                    self.at += usize::from(!self.rest().is_empty());
                }
                byte if byte == quote => {
                    self.near = self.text[from..self.at].to_vec();
                    return Ok(Expression::Value(RowValue::Text(text)));
                }
                byte => text.push(byte),
            }
        }
    }

    fn call(&mut self) -> Result<Expression, Refusal> {
        let name = self.word();
        if name.eq_ignore_ascii_case(b"NULL") {
            return Ok(Expression::Value(RowValue::Null));
        }
        if name.is_empty() {
            return Err(self.error());
        }
        if !self.take("(") {
            return Err(match name.to_ascii_lowercase().as_slice() {
                b"inf" => return Ok(Expression::Value(RowValue::Number(f64::INFINITY))),
                _ => format!("Unknown symbol '{}'", String::from_utf8_lossy(&name)),
            });
        }
        let known = functions::named(&name)?;
        let mut parts = Vec::new();
        if !self.take(")") {
            loop {
                parts.push(self.level(0)?);
                if self.take(")") {
                    break;
                }
                if !self.take(",") {
                    return Err(self.error());
                }
            }
        }
        functions::check(known, parts.len())?;
        Ok(Expression::Call(known, parts))
    }
}

/// How many bytes of a text are a number.
fn number_len(text: &[u8]) -> usize {
    let mut len = 0;
    while let Some(byte) = text.get(len) {
        let is_sign =
            matches!(byte, b'+' | b'-') && len > 0 && matches!(text[len - 1], b'e' | b'E');
        let is_exponent = matches!(byte, b'e' | b'E')
            && text
                .get(len + 1)
                .is_some_and(|next| next.is_ascii_digit() || matches!(next, b'+' | b'-'));
        if !(byte.is_ascii_digit() || *byte == b'.' || is_exponent || is_sign) {
            break;
        }
        len += 1;
    }
    len
}
