//! Text to steps: words first, and then operators behind their operands.

use std::borrow::Cow;

use super::{FilterOperator, FilterStep, Nonsense, Operand, STEPS_MAX, is_space, text_number};

/// FilterWords and signs of operators.
const OPERATORS: &[(&[u8], FilterOperator)] = &[
    (b"(", FilterOperator::Open),
    (b")", FilterOperator::Close),
    (b"!", FilterOperator::Not),
    (b"not", FilterOperator::Not),
    (b"**", FilterOperator::Power),
    (b"*", FilterOperator::Times),
    (b"/", FilterOperator::Over),
    (b"%", FilterOperator::Modulo),
    (b"+", FilterOperator::Plus),
    (b"-", FilterOperator::Minus),
    (b">", FilterOperator::Above),
    (b">=", FilterOperator::AtLeast),
    (b"<", FilterOperator::Below),
    (b"<=", FilterOperator::AtMost),
    (b"==", FilterOperator::Equal),
    (b"!=", FilterOperator::Unequal),
    (b"in", FilterOperator::In),
    (b"and", FilterOperator::And),
    (b"&&", FilterOperator::And),
    (b"or", FilterOperator::Or),
    (b"||", FilterOperator::Or),
];
const SIGNS: &[u8] = b"+-*%/!()<>=|&";

/// What words and signs of operators are made of.
fn is_operator_part(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || SIGNS.contains(&byte)
}

/// A longer expression isn't read: it is done so while others wait.
const TEXT_MAX: usize = 1 << 20;
/// A number is no longer than this.
const DIGITS_MAX: usize = 255;

/// Puts steps in order.
#[derive(Default)]
struct Compiler {
    steps: Vec<FilterStep>,
    /// Operators that wait for their last operand.
    waiting: Vec<FilterOperator>,
    /// Values on the stack, where the steps so far are done.
    depth: usize,
    /// The word before was an operand, or closed a parenthesis.
    after_operand: bool,
}

/// As in Redis, an expression ends at a zero byte, and only of words that are none it is told where they are.
pub fn compile(text: &[u8]) -> Result<Vec<FilterStep>, Nonsense> {
    if text.len() > TEXT_MAX {
        return Err(Nonsense(0));
    }
    let end = text.iter().position(|byte| *byte == 0);
    let mut words = FilterWords {
        text: &text[..end.unwrap_or(text.len())],
        at: 0,
    };
    let mut compiler = Compiler::default();
    let mut sense = Some(());
    while let Some(word) = words.next(compiler.after_operand)? {
        // FilterWords are read to the end even where they make no sense together.
        sense = sense.and_then(|()| compiler.add(word));
    }
    sense
        .and_then(|()| compiler.finish())
        .filter(|steps| steps.len() <= STEPS_MAX)
        .ok_or(Nonsense(0))
}

impl Compiler {
    fn add(&mut self, step: FilterStep) -> Option<()> {
        if self.steps.len() + self.waiting.len() > 2 * STEPS_MAX {
            return None;
        }
        let FilterStep::Apply(operator) = step else {
            self.steps.push(step);
            self.depth += 1;
            self.after_operand = true;
            return Some(());
        };
        self.after_operand = operator == FilterOperator::Close;
        match operator {
            FilterOperator::Open => self.waiting.push(operator),
            FilterOperator::Close => loop {
                match self.waiting.pop()? {
                    FilterOperator::Open => break,
                    inner => self.settle(inner)?,
                }
            },
            // It stands before its operand, so nothing before it is complete yet.
            FilterOperator::Not => self.waiting.push(operator),
            _ => {
                while let Some(before) = self.waiting.last().copied() {
                    let is_later = match operator {
                        // 2 ** 3 ** 2 is 2 ** (3 ** 2).
                        FilterOperator::Power => before.strength() <= operator.strength(),
                        _ => before.strength() < operator.strength(),
                    };
                    if before == FilterOperator::Open || is_later {
                        break;
                    }
                    self.waiting.pop();
                    self.settle(before)?;
                }
                self.waiting.push(operator);
            }
        }
        Some(())
    }

    /// An operator whose operands are there.
    fn settle(&mut self, operator: FilterOperator) -> Option<()> {
        self.depth = self.depth.checked_sub(operator.operands())? + 1;
        self.steps.push(FilterStep::Apply(operator));
        Some(())
    }

    fn finish(mut self) -> Option<Vec<FilterStep>> {
        while let Some(operator) = self.waiting.pop() {
            if operator == FilterOperator::Open {
                return None;
            }
            self.settle(operator)?;
        }
        (self.depth == 1).then_some(self.steps)
    }
}

/// What names of fields are made of.
fn is_named(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The words of an expression, one after another.
struct FilterWords<'t> {
    text: &'t [u8],
    at: usize,
}

impl FilterWords<'_> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn skip_spaces(&mut self) {
        self.at += self.run(is_space);
    }

    /// How many bytes from here on are of a kind.
    fn run(&self, is: impl Fn(u8) -> bool) -> usize {
        let rest = self.text[self.at..].iter();
        rest.take_while(|byte| is(**byte)).count()
    }

    /// The next word; a minus belongs to the number behind it where no operand is before it.
    fn next(&mut self, after_operand: bool) -> Result<Option<FilterStep>, Nonsense> {
        self.skip_spaces();
        let next = self.text.get(self.at + 1).copied().unwrap_or(0);
        let word = match self.peek() {
            0 => return Ok(None),
            b'0'..=b'9' => self.number().map(FilterStep::Push),
            b'-' if !after_operand && next.is_ascii_digit() => self.number().map(FilterStep::Push),
            b'"' | b'\'' => self.string().map(FilterStep::Push),
            b'.' if next == 0 || is_named(next) => Some(self.field()),
            b'[' => self.list().map(FilterStep::Push),
            byte if is_operator_part(byte) => self.operator(),
            _ => None,
        };
        match word {
            Some(word) => Ok(Some(word)),
            // What is wrong with an end stands anywhere before it.
            None => Err(Nonsense(self.at % self.text.len().max(1))),
        }
    }

    fn number(&mut self) -> Option<Operand<'static>> {
        let sign = usize::from(self.peek() == b'-');
        self.at += sign;
        let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E');
        let len = self.run(is_digit);
        if sign + len > DIGITS_MAX {
            self.at += DIGITS_MAX - sign;
            return None;
        }
        let digits = &self.text[self.at - sign..self.at + len];
        self.at += len;
        let plain = std::str::from_utf8(digits).ok()?;
        plain.parse().ok().map(Operand::Number)
    }

    /// A string in quotes of either kind. What is escaped doesn't end it, and stays escaped.
    fn string(&mut self) -> Option<Operand<'static>> {
        let quote = self.peek();
        self.at += 1;
        let from = self.at;
        while self.at < self.text.len() {
            match self.text[self.at] {
                b'\\' if self.at + 1 < self.text.len() => self.at += 2,
                byte if byte == quote => {
                    let text = self.text[from..self.at].to_vec();
                    self.at += 1;
                    return Some(Operand::Text(Cow::Owned(text)));
                }
                _ => self.at += 1,
            }
        }
        None
    }

    fn field(&mut self) -> FilterStep {
        self.at += 1;
        let len = self.run(is_named);
        let name = self.text[self.at..self.at + len].to_vec();
        self.at += len;
        FilterStep::Field(name)
    }

    /// Numbers and strings in brackets.
    fn list(&mut self) -> Option<Operand<'static>> {
        self.at += 1;
        let mut list = Vec::new();
        loop {
            self.skip_spaces();
            list.push(match self.peek() {
                b']' => break,
                b'0'..=b'9' | b'-' => self.number()?,
                b'"' | b'\'' => self.string()?,
                _ => return None,
            });
            self.skip_spaces();
            match self.peek() {
                b']' => break,
                b',' => self.at += 1,
                _ => return None,
            }
        }
        self.at += 1;
        Some(Operand::List(list))
    }

    /// The longest operator that letters and signs begin with, or `null`.
    fn operator(&mut self) -> Option<FilterStep> {
        let rest = &self.text[self.at..];
        if let Some(behind) = rest.strip_prefix(b"null")
            && !behind.first().is_some_and(|byte| is_operator_part(*byte))
        {
            self.at += b"null".len();
            return Some(FilterStep::Push(Operand::Null));
        }
        let fitting = OPERATORS.iter().filter(|(sign, _)| rest.starts_with(sign));
        let Some((sign, operator)) = fitting.max_by_key(|(sign, _)| sign.len()) else {
            // It is told behind all of them, and nothing more is read.
            self.at += self.run(is_operator_part);
            return None;
        };
        self.at += sign.len();
        Some(FilterStep::Apply(*operator))
    }
}

/// A number of JSON, whose characters alone are here.
pub fn json_number(digits: &[u8]) -> Option<f64> {
    (digits.len() <= DIGITS_MAX && !digits.is_empty())
        .then(|| text_number(digits))
        .flatten()
}
