//! Values of result rows.

use std::cmp::Ordering;

use super::numbers::{Ordered, number_of};

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
            RowValue::Text(text) => number_of(text),
            RowValue::List(cells) => cells.first()?.number(),
            RowValue::Null => None,
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

    /// Whether an expression takes it for true.
    pub fn is_true(&self) -> bool {
        match self {
            RowValue::Null => false,
            RowValue::Number(n) => *n != 0.0,
            RowValue::Text(text) => !text.is_empty(),
            RowValue::List(cells) => !cells.is_empty(),
        }
    }

    /// How two values are sorted: numbers as numbers, where both are.
    pub fn order(&self, other: &RowValue) -> Ordering {
        match (self, other) {
            (RowValue::Null, RowValue::Null) => Ordering::Equal,
            (RowValue::Null, _) => Ordering::Less,
            (_, RowValue::Null) => Ordering::Greater,
            (RowValue::Number(one), RowValue::Number(other)) => Ordered(*one).cmp(&Ordered(*other)),
            (RowValue::Number(n), RowValue::Text(text)) => match number_of(text) {
                Some(other) => Ordered(*n).cmp(&Ordered(other)),
                None => written(*n).as_bytes().cmp(text),
            },
            (RowValue::Text(_), RowValue::Number(_)) => other.order(self).reverse(),
            (one, other) => one.shown().cmp(&other.shown()),
        }
    }
}

/// A number as RediSearch writes it: twelve digits.
pub fn written(n: f64) -> String {
    const DIGITS: i32 = 12;
    if n.is_nan() {
        return "nan".into();
    }
    if n.is_infinite() {
        return if n > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if n == 0.0 {
        return if n.is_sign_negative() {
            "-0".into()
        } else {
            "0".into()
        };
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
            -0.1,
        ];
        let shown: Vec<String> = shown.into_iter().map(written).collect();
        let wanted = [
            "1.5",
            "3",
            "1.52587890625e-05",
            "0.167128129901",
            "1e+20",
            "1.23456789012e+12",
            "-0.1",
        ];
        assert_eq!(shown, wanted);
    }
}
