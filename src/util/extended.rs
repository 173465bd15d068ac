//! The 80-bit floating point of INCRBYFLOAT and HINCRBYFLOAT.
//!
//! Redis adds in C's `long double`, which on x86-64 has a mantissa of 64 bits
//! and an exponent of 15. Rust has no such type, so this one does the same
//! arithmetic on integers: reading, adding and printing each round once, to
//! the nearest, halves to even. The sums are Redis's to the last digit.

use std::ops::Add;

use num_bigint::BigUint;

use crate::util::number::{Binary, trim_decimals};

/// A text of this length or more is refused unread, which bounds the work.
const TEXT_LEN_MAX: usize = 5 * 1024;
/// The exponent that goes with the lowest bit of the smallest number.
const EXPONENT_MIN: i64 = -16445;
/// The exponent that goes with the lowest bit of the largest number.
const EXPONENT_MAX: i64 = 16320;
/// A text with this many digits before its point is larger than any number.
const DECIMALS_MAX: i64 = 4940;
/// A text with this many zeros behind its point is smaller than any number.
const DECIMALS_MIN: i64 = -4960;
/// Decimals that are printed, and ten to that power.
const DECIMALS: usize = 17;
const DECIMALS_SCALE: u128 = 100_000_000_000_000_000;

/// One number of the x87's extended format.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Extended {
    /// `mantissa * 2^exponent`. The mantissa's top bit is set unless the
    /// number is zero or the exponent the smallest.
    Finite {
        negative: bool,
        mantissa: u64,
        exponent: i64,
    },
    Infinite {
        negative: bool,
    },
    Nan,
}

impl Extended {
    /// Reads a number as `strtold` would, whole input or nothing. NaN is
    /// refused, and so is what only infinity or zero could stand for.
    pub fn parse(text: &[u8]) -> Option<Extended> {
        if text.len() >= TEXT_LEN_MAX {
            return None;
        }
        let binary = match Binary::scan_hex(text)? {
            Some(hex) => hex,
            None => {
                let (negative, rest) = match text {
                    [b'-', rest @ ..] => (true, rest),
                    [b'+', rest @ ..] => (false, rest),
                    rest => (false, rest),
                };
                if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
                    return Some(Extended::Infinite { negative });
                }
                Decimal::scan(rest)?.to_binary(negative)?
            }
        };
        match Extended::round(&binary) {
            Extended::Finite { mantissa: 0, .. } if binary.mantissa != 0 => None,
            Extended::Infinite { .. } => None,
            number => Some(number),
        }
    }

    /// The nearest number; infinity where that is too large.
    fn round(binary: &Binary) -> Extended {
        let negative = binary.negative;
        let (mut mantissa, mut exponent) = binary.rounded(64, EXPONENT_MIN);
        if mantissa == 0 {
            exponent = EXPONENT_MIN;
        } else {
            // A carry out of the top needs one bit more, few digits need fewer.
            let spare = i64::from(mantissa.leading_zeros()) - 64;
            if spare < 0 {
                mantissa >>= 1;
                exponent += 1;
            } else {
                let spare = spare.min(exponent - EXPONENT_MIN);
                mantissa <<= spare;
                exponent -= spare;
            }
        }
        match u64::try_from(mantissa) {
            Ok(mantissa) if exponent <= EXPONENT_MAX => Extended::Finite {
                negative,
                mantissa,
                exponent,
            },
            _ => Extended::Infinite { negative },
        }
    }

    /// A double on the same side of every whole number: the smallest or the largest stands for what is beyond it.
    pub fn nearest_double(&self) -> f64 {
        let (negative, mantissa, exponent) = match *self {
            Extended::Finite {
                negative,
                mantissa,
                exponent,
            } => (negative, mantissa, exponent),
            Extended::Infinite { negative } => (negative, 1, EXPONENT_MAX),
            Extended::Nan => return f64::NAN,
        };
        let size = match exponent {
            _ if mantissa == 0 => 0.0,
            ..-1138 => f64::MIN_POSITIVE,
            -1138..960 => (mantissa as f64) * 2f64.powi(exponent as i32),
            _ => f64::MAX,
        };
        if negative { -size } else { size }
    }

    /// The largest finite number.
    pub const MAX: Extended = Extended::Finite {
        negative: false,
        mantissa: u64::MAX,
        exponent: EXPONENT_MAX,
    };
    pub const ZERO: Extended = Extended::Finite {
        negative: false,
        mantissa: 0,
        exponent: EXPONENT_MIN,
    };

    /// The number with its sign turned round.
    pub fn negated(self) -> Extended {
        match self {
            Extended::Finite {
                negative,
                mantissa,
                exponent,
            } => Extended::Finite {
                negative: !negative,
                mantissa,
                exponent,
            },
            Extended::Infinite { negative } => Extended::Infinite {
                negative: !negative,
            },
            Extended::Nan => Extended::Nan,
        }
    }

    /// Whether it is less than another one: no difference of two unequal numbers is rounded to zero.
    pub fn is_below(self, other: Extended) -> bool {
        match self + other.negated() {
            Extended::Finite {
                negative, mantissa, ..
            } => negative && mantissa != 0,
            Extended::Infinite { negative } => negative,
            Extended::Nan => false,
        }
    }

    pub fn is_finite(&self) -> bool {
        matches!(self, Extended::Finite { .. })
    }

    /// Appends the number with 17 decimals, less the zeros at the end.
    pub fn write_human(&self, out: &mut Vec<u8>) {
        let (negative, mantissa, exponent) = match *self {
            Extended::Finite {
                negative,
                mantissa,
                exponent,
            } => (negative, mantissa, exponent),
            Extended::Infinite { negative: false } => return out.extend_from_slice(b"inf"),
            Extended::Infinite { negative: true } => return out.extend_from_slice(b"-inf"),
            Extended::Nan => return out.extend_from_slice(b"nan"),
        };
        let start = out.len();
        if negative {
            out.push(b'-');
        }
        if exponent >= 0 {
            let whole = BigUint::from(mantissa) << exponent.unsigned_abs();
            out.extend_from_slice(whole.to_str_radix(10).as_bytes());
            return;
        }
        // 64 bits of mantissa and 57 of scale fit: dividing by the power of
        // two, halves to even, leaves the decimals as a whole number.
        let scaled = Binary {
            negative,
            mantissa: u128::from(mantissa) * DECIMALS_SCALE,
            exponent,
        };
        let (rounded, _) = scaled.rounded(128, 0);
        let digits = format!("{rounded:018}");
        let point = digits.len() - DECIMALS;
        out.extend_from_slice(&digits.as_bytes()[..point]);
        out.push(b'.');
        out.extend_from_slice(&digits.as_bytes()[point..]);
        trim_decimals(start, out);
    }
}

impl Add for Extended {
    type Output = Extended;

    /// The sum, rounded once.
    fn add(self, other: Extended) -> Extended {
        use Extended::{Finite, Infinite, Nan};
        match (self, other) {
            (Nan, _) | (_, Nan) => Nan,
            (Infinite { negative: a }, Infinite { negative: b }) if a != b => Nan,
            (Infinite { negative }, _) | (_, Infinite { negative }) => Infinite { negative },
            (
                Finite {
                    negative: a_negative,
                    mantissa: a,
                    exponent: a_exponent,
                },
                Finite {
                    negative: b_negative,
                    mantissa: b,
                    exponent: b_exponent,
                },
            ) => {
                let a = (a_negative, a, a_exponent);
                let b = (b_negative, b, b_exponent);
                // Of two numbers in normal form the one with the larger
                // exponent is the larger, and so is the larger mantissa of equals.
                let (large, small) = if (a.2, a.1) >= (b.2, b.1) {
                    (a, b)
                } else {
                    (b, a)
                };
                Extended::round(&sum(large, small))
            }
        }
    }
}

/// Adds two numbers given as sign, mantissa and exponent, larger one first.
fn sum(large: (bool, u64, i64), small: (bool, u64, i64)) -> Binary {
    // Room below the mantissa: what leaves it on the right is marked in the
    // lowest bit, far below the place where the sum is rounded.
    const GUARD: u32 = 62;
    let aligned = u128::from(small.1) << GUARD;
    let small_mantissa = match u32::try_from(large.2 - small.2) {
        Ok(shift @ 0..=127) => {
            let lost = aligned & ((1 << shift) - 1) != 0;
            aligned >> shift | u128::from(lost)
        }
        _ => u128::from(small.1 != 0),
    };
    let large_mantissa = u128::from(large.1) << GUARD;
    Binary {
        negative: large.0,
        mantissa: if large.0 == small.0 {
            large_mantissa + small_mantissa
        } else {
            large_mantissa - small_mantissa
        },
        exponent: large.2 - i64::from(GUARD),
    }
}

/// A decimal number as written: `digits * 10^exponent`.
struct Decimal {
    /// Digits without zeros in front; empty for zero.
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Reads digits with an optional point and exponent, but no sign.
    fn scan(text: &[u8]) -> Option<Decimal> {
        let mantissa_len = text
            .iter()
            .position(|byte| matches!(byte, b'e' | b'E'))
            .unwrap_or(text.len());
        let mut decimal = Decimal {
            digits: Vec::with_capacity(mantissa_len),
            exponent: 0,
        };
        let (mut any, mut point) = (false, false);
        for &byte in &text[..mantissa_len] {
            match byte {
                b'.' if !point => point = true,
                b'0'..=b'9' => {
                    any = true;
                    decimal.exponent -= i64::from(point);
                    if byte != b'0' || !decimal.digits.is_empty() {
                        decimal.digits.push(byte);
                    }
                }
                _ => return None,
            }
        }
        if let Some(exponent) = text.get(mantissa_len + 1..) {
            let (negative, digits) = match exponent {
                [b'-', digits @ ..] => (true, digits),
                [b'+', digits @ ..] => (false, digits),
                digits => (false, digits),
            };
            any &= !digits.is_empty();
            let mut power: i64 = 0;
            for byte in digits {
                let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
                power = (power * 10 + digit).min(1 << 40);
            }
            decimal.exponent += if negative { -power } else { power };
        }
        any.then_some(decimal)
    }

    /// The number in binary, not rounded. None if it is out of all range.
    fn to_binary(&self, negative: bool) -> Option<Binary> {
        let leading = self.digits.len() as i64 + self.exponent;
        if self.digits.is_empty() {
            return Some(gather(negative, &BigUint::ZERO, false, 0));
        }
        if !(DECIMALS_MIN..=DECIMALS_MAX).contains(&leading) {
            return None;
        }
        let digits = BigUint::parse_bytes(&self.digits, 10)?;
        let scale = BigUint::from(10_u32).pow(self.exponent.unsigned_abs() as u32);
        if self.exponent >= 0 {
            return Some(gather(negative, &(digits * scale), false, 0));
        }
        // Shifted so far that the quotient keeps bits to spare for rounding.
        let shift = (scale.bits() + 100).saturating_sub(digits.bits());
        let digits = digits << shift;
        let quotient = &digits / &scale;
        let rest = &quotient * &scale != digits;
        Some(gather(negative, &quotient, rest, -(shift as i64)))
    }
}

/// Keeps the leading 120 bits of a whole number, and marks in the lowest that
/// there was more: below them, or in a remainder.
fn gather(negative: bool, whole: &BigUint, remainder: bool, exponent: i64) -> Binary {
    let cut = whole.bits().saturating_sub(120);
    let more = remainder || whole.trailing_zeros().is_some_and(|zeros| zeros < cut);
    let kept = whole >> cut;
    let mantissa = kept
        .iter_u64_digits()
        .rev()
        .fold(0, |bits: u128, digit| bits << 64 | u128::from(digit));
    Binary {
        negative,
        mantissa: mantissa | u128::from(more),
        exponent: exponent + cut as i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn increased(value: &str, by: &str) -> Option<String> {
        let sum = Extended::parse(value.as_bytes())? + Extended::parse(by.as_bytes())?;
        let mut out = Vec::new();
        sum.write_human(&mut out);
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn sums_are_those_of_redis() {
        for (value, by, sum) in [
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("0.1", "0.2", "0.3"),
            ("3", "-3", "0"),
            ("-1e-30", "0", "0"),
            ("1", "0x1p-18", "1.00000381469726562"),
            ("0", "0x1.00000000000008", "1.00000000000000011"),
            ("9223372036854775807", "1", "9223372036854775808"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("18446744073709551616", "1", "18446744073709551616"),
            ("18446744073709551616", "3", "18446744073709551620"),
            ("0", "0x1p-16446", "refused"),
            ("0", "0x1.8p-16446", "0"),
            ("0", "1e-4960", "refused"),
            ("0", "1.2e4932", "refused"),
            ("1.1e4932", "1.1e4932", "inf"),
            ("inf", "-inf", "nan"),
            ("0", " 1", "refused"),
            ("0", "nan", "refused"),
            ("0", "1e", "refused"),
            ("0", ".", "refused"),
            ("0", "0e99999999999", "0"),
            ("0", "0x1p-99999999999", "refused"),
            ("0", "100000000000000000000000000001e-29", "1"),
        ] {
            let expected = Some(sum).filter(|sum| *sum != "refused");
            assert_eq!(increased(value, by).as_deref(), expected, "{value} + {by}");
        }
    }

    #[test]
    fn numbers_have_an_order() {
        let parsed = |text: &str| Extended::parse(text.as_bytes()).unwrap();
        let ascending = [
            "-inf", "-1.5", "-1e-4940", "0", "1e-4940", "1", "1.5", "inf",
        ];
        for (at, low) in ascending.iter().enumerate() {
            for (to, high) in ascending.iter().enumerate() {
                assert_eq!(parsed(low).is_below(parsed(high)), at < to, "{low} {high}");
            }
        }
        assert!(parsed("1e4932").is_below(Extended::MAX));
        assert!(Extended::MAX.is_below(parsed("inf")) && !Extended::MAX.is_below(Extended::MAX));
        assert!(Extended::MAX.negated().is_below(Extended::ZERO));
    }

    #[test]
    fn long_texts_are_bounded() {
        let longest = format!("0.{}", "1".repeat(5117));
        assert_eq!(
            increased(&longest, "0").as_deref(),
            Some("0.11111111111111111")
        );
        assert_eq!(increased(&format!("{longest}1"), "0"), None);
    }
}
