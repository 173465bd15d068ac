//! Expressions of APPLY and FILTER.

mod functions;
mod parse;
mod times;

use super::value::RowValue;
use super::words::Refusal;
use crate::types::Bstr;

/// Named values, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(pub Vec<(Bstr, RowValue)>);

impl Row {
    pub fn get(&self, name: &[u8]) -> Option<&RowValue> {
        let found = self.0.iter().find(|(held, _)| **held == *name);
        found.map(|(_, value)| value)
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        let cells = self.0.iter();
        cells.map(|(name, value)| name.len() + value.bytes()).sum()
    }

    pub fn set(&mut self, name: &[u8], value: RowValue) {
        match self.0.iter_mut().find(|(held, _)| **held == *name) {
            Some((_, held)) => *held = value,
            None => self.push(name, value),
        }
    }

    /// Adds a value, whether there is one of this name or not.
    pub fn push(&mut self, name: &[u8], value: RowValue) {
        self.0.push((Bstr::new(name), value));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
}

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Value(RowValue),
    Property(Vec<u8>),
    /// Operands of operators that bind alike, from left to right: a list, as a long sum must not be deep.
    Chain(Box<Expression>, Vec<(OperatorOf, Expression)>),
    Not(Box<Expression>),
    Call(&'static str, Vec<Expression>),
}

/// An operator, which only expressions know from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorOf(Operator);

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
        parse::parse(text)
    }

    /// Visits the properties that it asks for.
    pub fn properties(&self, visit: &mut dyn FnMut(&[u8])) {
        match self {
            Expression::Value(_) => {}
            Expression::Property(name) => visit(name),
            Expression::Chain(first, rest) => {
                first.properties(visit);
                rest.iter().for_each(|(_, part)| part.properties(visit));
            }
            Expression::Not(part) => part.properties(visit),
            Expression::Call(_, parts) => parts.iter().for_each(|part| part.properties(visit)),
        }
    }

    /// How many parts it has, itself included.
    pub fn parts(&self) -> usize {
        let all = |parts: &[Expression]| parts.iter().map(Expression::parts).sum::<usize>();
        1 + match self {
            Expression::Value(_) | Expression::Property(_) => 0,
            Expression::Chain(first, rest) => {
                let rest = rest.iter().map(|(_, part)| part.parts());
                first.parts() + rest.sum::<usize>()
            }
            Expression::Not(part) => part.parts(),
            Expression::Call(_, parts) => all(parts),
        }
    }

    /// Its value in a row.
    pub fn eval(&self, row: &Row) -> Result<RowValue, Refusal> {
        match self {
            Expression::Value(value) => Ok(value.clone()),
            Expression::Property(name) => match row.get(name) {
                Some(RowValue::Null) | None => Err(format!(
                    "{}: has no value, consider using EXISTS if applicable",
                    String::from_utf8_lossy(name)
                )),
                Some(value) => Ok(value.clone()),
            },
            Expression::Not(part) => Ok(truth(!part.eval(row)?.is_true())),
            Expression::Chain(first, rest) => {
                let mut value = first.eval(row)?;
                for (operator, part) in rest {
                    value = both(operator.0, value, part, row)?;
                }
                Ok(value)
            }
            Expression::Call(name, parts) => functions::call(name, parts, row),
        }
    }
}

fn truth(yes: bool) -> RowValue {
    RowValue::Number(f64::from(u8::from(yes)))
}

fn both(
    operator: Operator,
    left: RowValue,
    part: &Expression,
    row: &Row,
) -> Result<RowValue, Refusal> {
    match operator {
        Operator::And if !left.is_true() => return Ok(truth(false)),
        Operator::Or if left.is_true() => return Ok(truth(true)),
        _ => {}
    }
    let right = part.eval(row)?;
    let order = || {
        comparable(&left, &right)?;
        Ok::<_, Refusal>(left.order(&right))
    };
    Ok(match operator {
        Operator::And | Operator::Or => truth(right.is_true()),
        Operator::Equal => truth(left.equals(&right)),
        Operator::Unequal => truth(!left.equals(&right)),
        Operator::Less => truth(order()?.is_lt()),
        Operator::AtMost => truth(order()?.is_le()),
        Operator::Greater => truth(order()?.is_gt()),
        Operator::AtLeast => truth(order()?.is_ge()),
        operator => RowValue::Number(reckon(operator, number(&left)?, number(&right)?)),
    })
}

/// A number is neither more nor less than a text that is none.
fn comparable(left: &RowValue, right: &RowValue) -> Result<(), Refusal> {
    match (left, right) {
        (RowValue::Number(_), RowValue::Text(text))
        | (RowValue::Text(text), RowValue::Number(_))
            if left.number().is_none() || right.number().is_none() =>
        {
            let text = String::from_utf8_lossy(text);
            Err(format!("Error converting string '{text}' to number"))
        }
        _ => Ok(()),
    }
}

fn reckon(operator: Operator, one: f64, other: f64) -> f64 {
    match operator {
        Operator::Add => one + other,
        Operator::Subtract => one - other,
        Operator::Multiply => one * other,
        // RediSearch says that this is no number, whatever is divided.
        Operator::Divide if other == 0.0 => f64::NAN,
        Operator::Divide => one / other,
        Operator::Modulo => match other as i64 {
            0 => f64::NAN,
            other => (one as i64).wrapping_rem(other) as f64,
        },
        _ => one.powf(other),
    }
}

fn number(value: &RowValue) -> Result<f64, Refusal> {
    let number = value.number();
    number.ok_or_else(|| "Could not convert value to a number".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(text: &str) -> String {
        let mut row = Row::default();
        row.set(b"n", RowValue::Number(3.0));
        row.set(b"t", RowValue::text(b"Hello"));
        let parsed = Expression::parse(text.as_bytes());
        match parsed.and_then(|parsed| parsed.eval(&row)) {
            Ok(value) => String::from_utf8(value.shown()).unwrap(),
            Err(why) => why,
        }
    }

    #[test]
    fn expressions_are_reckoned() {
        assert_eq!(value_of("(2 - @n)/2"), "-0.5");
        assert_eq!(value_of("1 + 2 * @n ^ 2"), "19");
        assert_eq!(value_of("@t == 'Hello' && @n < 4"), "1");
        assert_eq!(value_of("!(@n > 4) || 0"), "1");
        assert_eq!(value_of("upper(@t)"), "HELLO");
        assert_eq!(value_of("substr(@t, 1, 3)"), "ell");
        assert_eq!(value_of("format('%s-%s', @t, @n)"), "Hello-3");
        assert_eq!(
            value_of("if_nothing(@t)"),
            "Unknown function name 'if_nothing'"
        );
        assert_eq!(value_of("exists(@x)"), "0");
        assert_eq!(value_of("case(@n > 2, 'many', 'few')"), "many");
        assert_eq!(value_of("-@n"), "-3");
    }

    #[test]
    fn parts_of_texts_are_counted_wherever_they_begin() {
        for (text, part, count) in [
            ("aaaa", "aa", "3"),
            ("aaaa", "a", "4"),
            ("aaaa", "aaaaa", "0"),
            ("aaaa", "", "5"),
            ("", "a", "0"),
            ("abcabcab", "abcab", "2"),
            ("aabaabaaab", "aab", "3"),
            ("abababab", "abab", "3"),
        ] {
            let asked = format!("contains('{text}', '{part}')");
            assert_eq!(value_of(&asked), count, "{asked}");
        }
        // To begin anew at each of its letters would take hours.
        let long = "a".repeat(2_000_000);
        let asked = format!("contains('{long}', '{}b')", &long[..1_000_000]);
        assert_eq!(value_of(&asked), "0");
        assert_eq!(value_of("split('x, y;z ', ',;')"), "x");
    }
}
