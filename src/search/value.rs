//! Values of result rows.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::numbers::Ordered;

/// One value of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RowValue {
    #[default]
    Null,
    Number(f64),
    Text(Vec<u8>),
    List(Vec<RowValue>),
}

impl RowValue {
    pub fn text(bytes: &[u8]) -> Self {
        RowValue::Text(bytes.to_vec())
    }

    pub fn is_null(&self) -> bool {
        *self == RowValue::Null
    }

    /// The number that it is, or that its text is.
    pub fn number(&self) -> Option<f64> {
        match self {
            RowValue::Number(n) => Some(*n),
            RowValue::Text(text) => number_of_text(text),
            RowValue::List(_) | RowValue::Null => None,
        }
    }

    pub fn is_list(&self) -> bool {
        matches!(self, RowValue::List(_))
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        let held = match self {
            RowValue::Null | RowValue::Number(_) => 0,
            RowValue::Text(text) => text.len(),
            RowValue::List(values) => values.iter().map(RowValue::bytes).sum(),
        };
        size_of::<RowValue>() + held
    }

    /// The number by which RediSearch's errors name its type.
    pub fn kind_number(&self) -> u8 {
        match self {
            RowValue::Number(_) => 1,
            RowValue::Text(_) => 3,
            RowValue::Null => 4,
            RowValue::List(_) => 6,
        }
    }

    /// As replies show it.
    pub fn shown(&self) -> Vec<u8> {
        match self {
            RowValue::Null => Vec::new(),
            RowValue::Number(n) => written(*n).into_bytes(),
            RowValue::Text(text) => text.clone(),
            RowValue::List(cells) => cells.first().map_or_else(Vec::new, RowValue::shown),
        }
    }

    /// As replies show it, without a copy of a text.
    pub fn seen(&self) -> Cow<'_, [u8]> {
        match self {
            RowValue::Text(text) => Cow::Borrowed(text),
            other => Cow::Owned(other.shown()),
        }
    }

    /// Whether an expression takes it for true.
    pub fn is_true(&self) -> bool {
        match self {
            RowValue::Null => false,
            RowValue::Number(n) => *n != 0.0,
            RowValue::Text(text) => !text.is_empty(),
            RowValue::List(cells) => !cells.is_empty(),
        }
    }

    /// Whether an expression takes two for the same: a list is no text, whatever it holds.
    pub fn equals(&self, other: &RowValue) -> bool {
        self.is_list() == other.is_list() && self.order(other).is_eq()
    }

    /// The values by which rows are grouped: each of a list, or nothing if that is empty.
    pub fn each(&self) -> Vec<RowValue> {
        match self {
            RowValue::List(cells) if cells.is_empty() => vec![RowValue::Null],
            RowValue::List(cells) => cells.iter().flat_map(RowValue::each).collect(),
            value => vec![value.clone()],
        }
    }

    /// How two values are sorted: numbers as numbers, where both are.
    pub fn order(&self, other: &RowValue) -> Ordering {
        match (self, other) {
            (RowValue::Null, RowValue::Null) => Ordering::Equal,
            (RowValue::Null, _) => Ordering::Less,
            (_, RowValue::Null) => Ordering::Greater,
            (RowValue::Number(one), RowValue::Number(other)) => Ordered(*one).cmp(&Ordered(*other)),
            (RowValue::Number(n), RowValue::Text(text)) => match number_of_text(text) {
                Some(other) => Ordered(*n).cmp(&Ordered(other)),
                None => written(*n).as_bytes().cmp(text),
            },
            (RowValue::Text(_), RowValue::Number(_)) => other.order(self).reverse(),
            (one, other) => one.shown().cmp(&other.shown()),
        }
    }
}

/// The number that C's strtod reads from a whole text, in which blanks may come first.
fn number_of_text(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii_start();
    if text.is_empty() {
        return Some(0.0);
    }
    let (minus, digits) = match text[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let sign = if minus { -1.0 } else { 1.0 };
    let hexadecimal = digits
        .strip_prefix(b"0x")
        .or_else(|| digits.strip_prefix(b"0X"));
    if let Some(digits) = hexadecimal {
        let digits = std::str::from_utf8(digits).ok()?;
        let whole = u64::from_str_radix(digits.strip_prefix('+').map_or(digits, |_| "?"), 16);
        return whole.ok().map(|n| sign * n as f64);
    }
    if matches!(digits.first(), Some(b'-' | b'+')) {
        return None;
    }
    std::str::from_utf8(digits)
        .ok()?
        .parse()
        .ok()
        .map(|n: f64| sign * n)
}

/// A number as RediSearch writes it: whole ones as they are, others with twelve digits.
pub fn written(n: f64) -> String {
    const DIGITS: i32 = 12;
    if n.is_nan() {
        return if n.is_sign_negative() {
            "-nan".into()
        } else {
            "nan".into()
        };
    }
    if n.is_infinite() {
        return if n > 0.0 { "inf".into() } else { "-inf".into() };
    }
    // Beyond that a number of 64 bits is none of these.
    if n.fract() == 0.0 && n.abs() < 9.2e18 {
        return (n as i64).to_string();
    }
    let digits = format!("{n:.*e}", DIGITS as usize - 1);
    let (mantissa, exponent) = digits.split_once('e').expect("it has an exponent");
    let exponent: i32 = exponent.parse().expect("it is a number");
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..DIGITS).contains(&exponent) {
        let decimals = (DIGITS - 1 - exponent).max(0) as usize;
        return trimmed(&format!("{n:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_with_twelve_digits() {
        let shown = [
            1.5,
            3.0,
            1.52587890625e-5,
            0.167128129901,
            1e20,
            1234567890123.0,
            1234567890123.5,
            -0.1,
        ];
        let shown: Vec<String> = shown.into_iter().map(written).collect();
        let wanted = [
            "1.5",
            "3",
            "1.52587890625e-05",
            "0.167128129901",
            "1e+20",
            "1234567890123",
            "1.23456789012e+12",
            "-0.1",
        ];
        assert_eq!(shown, wanted);
    }
}
