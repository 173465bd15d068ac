//! Filters: expressions over an element's attributes, as VSIM's FILTER has them.
//!
//! `.field` is a field of the JSON object that the attributes are; there are numbers, strings, lists, and operators from `or` up
//! to `**`. An expression is compiled once to a row of steps that work on a stack, so that no nesting is too deep. Where a field
//! isn't there, or is an object, the element isn't accepted. Quirks are Redis 8.2's: the differential test holds them.

mod json;
mod parse;

use std::borrow::Cow;

use crate::util::number;

/// A filter has no more steps than this.
const STEPS_MAX: usize = 4096;
/// Texts as long as this are no numbers.
const NUMBER_TEXT_MAX: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FilterOperator {
    Open,
    Close,
    Not,
    Power,
    Times,
    Over,
    Modulo,
    Plus,
    Minus,
    Above,
    AtLeast,
    Below,
    AtMost,
    Equal,
    Unequal,
    In,
    And,
    Or,
}

impl FilterOperator {
    /// What binds tighter has more.
    fn strength(self) -> u8 {
        match self {
            FilterOperator::Open | FilterOperator::Close => 7,
            FilterOperator::Not => 6,
            FilterOperator::Power => 5,
            FilterOperator::Times | FilterOperator::Over | FilterOperator::Modulo => 4,
            FilterOperator::Plus | FilterOperator::Minus => 3,
            FilterOperator::And => 1,
            FilterOperator::Or => 0,
            _ => 2,
        }
    }

    fn operands(self) -> usize {
        match self {
            FilterOperator::Open | FilterOperator::Close => 0,
            FilterOperator::Not => 1,
            _ => 2,
        }
    }
}

/// What an expression works with.
#[derive(Clone, Debug, PartialEq)]
enum Operand<'a> {
    Null,
    Number(f64),
    Text(Cow<'a, [u8]>),
    List(Vec<Operand<'a>>),
}

#[derive(Clone, Debug)]
enum FilterStep {
    Push(Operand<'static>),
    /// Push a field of the attributes.
    Field(Vec<u8>),
    Apply(FilterOperator),
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct AttributeFilter {
    steps: Vec<FilterStep>,
}

/// An expression that makes no sense from this byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonsense(pub usize);

impl AttributeFilter {
    pub fn compile(text: &[u8]) -> Result<Self, Nonsense> {
        let steps = parse::compile(text)?;
        Ok(AttributeFilter { steps })
    }

    /// Whether an element with these attributes is one of those that are sought.
    pub fn accepts(&self, attributes: &[u8]) -> bool {
        let mut stack: Vec<Cow<'_, Operand<'_>>> = Vec::new();
        for step in &self.steps {
            let pushed = match step {
                FilterStep::Push(value) => Cow::Borrowed(value),
                FilterStep::Field(name) => match json::field(attributes, name) {
                    Some(value) => Cow::Owned(value),
                    None => return false,
                },
                FilterStep::Apply(operator) => {
                    let last = stack.pop();
                    let first = (operator.operands() == 2).then(|| stack.pop()).flatten();
                    let last =
                        last.expect("it was compiled so that every operator has its operands");
                    let first = first.unwrap_or(Cow::Owned(Operand::Null));
                    Cow::Owned(Operand::Number(apply(*operator, &first, &last)))
                }
            };
            stack.push(pushed);
        }
        stack.pop().is_some_and(|value| value.is_true())
    }
}

fn apply(operator: FilterOperator, first: &Operand<'_>, last: &Operand<'_>) -> f64 {
    let (one, other) = (|| first.number(), || last.number());
    let tells = match operator {
        FilterOperator::Open | FilterOperator::Close => unreachable!("parentheses are no steps"),
        FilterOperator::Power => return one().powf(other()),
        FilterOperator::Times => return one() * other(),
        FilterOperator::Over => return one() / other(),
        FilterOperator::Modulo => return one() % other(),
        FilterOperator::Plus => return one() + other(),
        FilterOperator::Minus => return one() - other(),
        FilterOperator::Not => !last.is_true(),
        FilterOperator::Above => one() > other(),
        FilterOperator::AtLeast => one() >= other(),
        FilterOperator::Below => one() < other(),
        FilterOperator::AtMost => one() <= other(),
        FilterOperator::Equal => first.equals(last),
        FilterOperator::Unequal => !first.equals(last),
        FilterOperator::In => first.is_in(last),
        FilterOperator::And => first.is_true() && last.is_true(),
        FilterOperator::Or => first.is_true() || last.is_true(),
    };
    f64::from(u8::from(tells))
}

impl Operand<'_> {
    /// A text that is no number counts as 0, and so does a list.
    fn number(&self) -> f64 {
        match self {
            Operand::Number(number) => *number,
            Operand::Text(text) if text.len() < NUMBER_TEXT_MAX => text_number(text).unwrap_or(0.0),
            _ => 0.0,
        }
    }

    fn is_true(&self) -> bool {
        match self {
            Operand::Null => false,
            Operand::Number(number) => *number != 0.0,
            Operand::Text(text) => !text.is_empty(),
            Operand::List(_) => true,
        }
    }

    fn equals(&self, other: &Operand<'_>) -> bool {
        match (self, other) {
            (Operand::Text(one), Operand::Text(other)) => one == other,
            (Operand::Number(one), Operand::Number(other)) => one == other,
            (Operand::Null, other) | (other, Operand::Null) => *other == Operand::Null,
            _ => self.number() == other.number(),
        }
    }

    /// One of a list, or a part of a text.
    fn is_in(&self, other: &Operand<'_>) -> bool {
        match (self, other) {
            (_, Operand::List(list)) => list.iter().any(|one| self.equals(one)),
            (Operand::Text(part), Operand::Text(text)) => holds(text, part),
            _ => false,
        }
    }
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || memchr::memmem::find(text, part).is_some()
}

/// A number as C reads one: behind spaces, decimal or hexadecimal, or by name.
fn text_number(text: &[u8]) -> Option<f64> {
    let spaces = text.iter().take_while(|byte| is_space(**byte)).count();
    let text = &text[spaces..];
    if text.is_empty() {
        return (spaces == 0).then_some(0.0);
    }
    let plain = || std::str::from_utf8(text).ok()?.parse().ok();
    number::parse_double(text).or_else(plain)
}

/// What C calls a space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 9..=13)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(expression: &str, attributes: &str) -> bool {
        AttributeFilter::compile(expression.as_bytes())
            .unwrap()
            .accepts(attributes.as_bytes())
    }

    #[test]
    fn expressions_say_what_redis_says() {
        let film = r#"{"year": 1980, "name": "xby", "tags": ["a","b",3], "flag": false, "none": null, "obj": {"x":1}, "esc":"a\"b", "na-me":1}"#;
        for expression in [
            ".year > 1950 and .year < 2000",
            ".year>1950and.year<2000",
            ".year == \"1980\"",
            ".tags in [\"a\"] or 1",
            "\"a\" in .tags && 3 in .tags",
            "'by' in .name",
            "not .flag",
            "!(.flag || 0)",
            ".none == null",
            "2 ** 3 ** 2 == 512",
            "-2 ** 2 == 4",
            ".year -1 == 1979",
            "-10 % 3 == -1",
            ".esc == 'a\"b'",
            ".na-me == 1",
            "\"0x10\" == 16",
            "1 / 0 > 5",
            "[1,] == 0",
        ] {
            assert!(accepts(expression, film), "{expression}");
        }
        for expression in [
            ".nosuch or 1",
            "1 or .nosuch",
            ".obj",
            "not 1 == 2",
            "0 / 0 == 0",
            "null",
            "\"\"",
            ".year in []",
            "\"1\" in 123",
            ".",
        ] {
            assert!(!accepts(expression, film), "{expression}");
        }
    }

    #[test]
    fn nonsense_is_told_from_where_it_begins() {
        for (expression, at) in [
            (".a ==", 0),
            ("1 & 1", 3),
            ("1 <> 2", 0),
            ("1 !== 2", 5),
            ("(1", 0),
            ("1)", 0),
            ("1 2", 0),
            ("[1 2]", 3),
            ("[[1]]", 1),
            ("true in .mixed", 4),
            ("1e == 1", 2),
            ("\u{e9}", 0),
            (".\u{e9}", 0),
        ] {
            let told = AttributeFilter::compile(expression.as_bytes()).unwrap_err();
            assert_eq!(told, Nonsense(at), "{expression}");
        }
    }

    #[test]
    fn no_expression_is_too_deep_and_none_too_long() {
        let deep = format!("{}1{}", "(".repeat(1000), ")".repeat(1000));
        assert!(accepts(&deep, "{}"));
        let nots = format!("{}1", "not ".repeat(1000));
        assert!(accepts(&nots, "{}"));
        let long = vec!["1"; 5000].join("+");
        assert_eq!(
            AttributeFilter::compile(long.as_bytes()).unwrap_err(),
            Nonsense(0)
        );
        // Each sign is read once: a million of them take no time worth telling.
        let told = |text: &str| AttributeFilter::compile(text.as_bytes()).unwrap_err();
        let signs = "(".repeat((1 << 20) - 3);
        assert_eq!(told(&signs), Nonsense(0));
        assert_eq!(told(&format!("{signs}& 1")), Nonsense(signs.len() + 1));
        assert_eq!(told(&format!("{signs}&  1")), Nonsense(0), "it is too long");
        let nested = format!("{{\"a\":{}", "[".repeat(100_000));
        assert!(!accepts(".a", &nested));
        assert!(!accepts(".b", &nested));
    }
}
