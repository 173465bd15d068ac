//! Numbers as clients write them and as replies print them.
//!
//! Reading is strict where Redis is strict: an integer has exactly one
//! spelling, a double has every spelling of C's `strtod` but no blanks, no NaN
//! and no value that the type cannot hold. Printing a double gives the fewest
//! digits that read back as the same double, laid out as Redis 7.2 and later do.

/// Reads an integer in its one canonical spelling: no plus, blanks, leading
/// zeros or "-0", so that the text and the number can stand for each other.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let magnitude = parse_u64(digits)?;
    if negative {
        // Zero has no minus, and one number more is representable below it than above.
        (magnitude != 0).then_some(())?;
        0_i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// Reads an unsigned integer in its one canonical spelling.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => return Some(0),
        [b'1'..=b'9', ..] if text.len() <= 20 => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Reads an unsigned integer as C's `strtoull` does: blanks and a sign before it and leading zeros are
/// taken as well, and a negative one wraps around, unless it stands in its canonical spelling.
pub fn parse_u64_like_c(text: &[u8]) -> Option<u64> {
    if let Some(n) = parse_i64(text) {
        return u64::try_from(n).ok();
    }
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let blanks = text.iter().take_while(is_blank).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    let value = match &digits[zeros..] {
        [] if zeros > 0 => 0,
        digits => parse_u64(digits)?,
    };
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// Reads what a text begins with as C's `atoi` does: blanks, a sign and digits. Zero if there are none; a number that is too
/// large is held at 64 bits, and cut to 32.
pub fn parse_like_atoi(text: &[u8]) -> i32 {
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let blanks = text.iter().take_while(is_blank).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let value = digits.fold(0i64, |value, byte| {
        let digit = i64::from(byte - b'0');
        let digit = if negative { -digit } else { digit };
        value.saturating_mul(10).saturating_add(digit)
    });
    value as i32
}

/// Reads a double as `strtod` would, whole input or nothing: decimal or
/// hexadecimal, "inf" or "infinity" in any case. NaN is refused, and so is a
/// finite spelling that only infinity or zero could stand for.
pub fn parse_double(text: &[u8]) -> Option<f64> {
    if let Some(hex) = Binary::scan_hex(text)? {
        return hex.to_double();
    }
    // Rust reads the same decimal grammar as C, and like C rounds correctly.
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    if value.is_nan() {
        return None;
    }
    let lost =
        (value.is_infinite() && !names_infinity(text)) || (value == 0.0 && has_nonzero_digit(text));
    (!lost).then_some(value)
}

/// Whether a text that reads as an infinity says so by name, not by its size.
fn names_infinity(text: &[u8]) -> bool {
    text.last().is_some_and(u8::is_ascii_alphabetic)
}

/// Whether the digits before any exponent hold something other than zero.
fn has_nonzero_digit(text: &[u8]) -> bool {
    text.iter()
        .take_while(|byte| !matches!(byte, b'e' | b'E'))
        .any(|byte| matches!(byte, b'1'..=b'9'))
}

/// A number on its way to a floating point type, not yet rounded: `mantissa * 2^exponent`.
pub struct Binary {
    pub negative: bool,
    /// The leading bits. The lowest one also stands for any that found no
    /// room, which is all that rounding needs to know of them.
    pub mantissa: u128,
    pub exponent: i64,
}

impl Binary {
    /// Reads a hexadecimal number: `Some(None)` if the text is something else,
    /// `None` if it starts like one and goes wrong.
    pub fn scan_hex(text: &[u8]) -> Option<Option<Binary>> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let [b'0', b'x' | b'X', rest @ ..] = rest else {
            return Some(None);
        };
        let mut hex = Binary {
            negative,
            mantissa: 0,
            exponent: 0,
        };
        let mut at = 0;
        let (mut digits, mut point) = (0, false);
        while let Some(&byte) = rest.get(at) {
            if byte == b'.' && !point {
                point = true;
            } else if let Some(digit) = char::from(byte).to_digit(16) {
                digits += 1;
                hex.push(digit, point);
            } else {
                break;
            }
            at += 1;
        }
        if digits == 0 {
            return None;
        }
        match &rest[at..] {
            [] => {}
            [b'p' | b'P', power @ ..] => hex.exponent += binary_power(power)?,
            _ => return None,
        }
        Some(Some(hex))
    }

    fn push(&mut self, digit: u32, after_point: bool) {
        if self.mantissa >> 120 == 0 {
            self.mantissa = self.mantissa << 4 | u128::from(digit);
            self.exponent -= if after_point { 4 } else { 0 };
        } else {
            self.mantissa |= u128::from(digit != 0);
            self.exponent += if after_point { 0 } else { 4 };
        }
    }

    /// The mantissa cut to `bits` bits and the exponent that goes with it, but
    /// no exponent below `exponent_min`; halves go to the even neighbour.
    pub fn rounded(&self, bits: u32, exponent_min: i64) -> (u128, i64) {
        let length = 128 - self.mantissa.leading_zeros();
        let exponent = (self.exponent + i64::from(length) - i64::from(bits)).max(exponent_min);
        let shift = exponent - self.exponent;
        match shift {
            ..=0 => (self.mantissa, self.exponent),
            1..=127 => {
                let kept = self.mantissa >> shift;
                let cut = self.mantissa & ((1 << shift) - 1);
                let half = 1 << (shift - 1);
                let up = cut > half || (cut == half && kept & 1 == 1);
                (kept + u128::from(up), exponent)
            }
            // All bits lie below half of the last place, or tie with an even zero.
            _ => (0, exponent),
        }
    }

    fn to_double(&self) -> Option<f64> {
        let (mantissa, exponent) = self.rounded(53, -1074);
        let mut value = mantissa as f64;
        // At most 53 bits are set and none below the smallest double, so a
        // factor that is a power of two loses nothing. Two steps, because the
        // power may itself be out of range where the product is not.
        let mut exponent = exponent.min(3000);
        while exponent != 0 && value != 0.0 && value.is_finite() {
            let step = exponent.clamp(-64, 64);
            value *= f64::from_bits(((1023 + step) as u64) << 52);
            exponent -= step;
        }
        let lost = value.is_infinite() || (value == 0.0 && self.mantissa != 0);
        (!lost).then_some(if self.negative { -value } else { value })
    }
}

/// The number behind the `p` of a hexadecimal float. One too large to matter is
/// held at a bound that no mantissa of a request's length can make up for.
fn binary_power(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut power: i64 = 0;
    for byte in digits {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        power = (power * 10 + digit).min(1 << 48);
    }
    Some(if negative { -power } else { power })
}

/// Appends an integer.
#[inline]
pub fn write_i64(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    write_u64(value.unsigned_abs(), out);
}

/// Up to here whole doubles are printed digit by digit, beyond in shortest form.
const WHOLE_MAX: f64 = (i64::MAX / 2) as f64;

/// Appends a double as ZSCORE and RESP3 print it: fewest digits, "inf", "nan".
pub fn write_double(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else if value.is_infinite() {
        out.extend_from_slice(if value < 0.0 { b"-inf" } else { b"inf" });
    } else if value == 0.0 {
        out.extend_from_slice(if value.is_sign_negative() {
            b"-0"
        } else {
            b"0"
        });
    } else if value.abs() <= WHOLE_MAX && value.trunc() == value {
        write_i64(value as i64, out);
    } else {
        write_shortest(value, out);
    }
}

/// Appends an integer without a sign. One of up to eight digits is put together in a register: a copy of any length is a call.
#[inline]
pub fn write_u64(n: u64, out: &mut Vec<u8>) {
    if n >= 100_000_000 {
        return out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    }
    let digits = eight_digits(n);
    let zeros = digits.trailing_zeros().min(56) / 8;
    let end = out.len() + 8 - zeros as usize;
    let digits = (digits | 0x3030_3030_3030_3030) >> (8 * zeros);
    out.extend_from_slice(&digits.to_le_bytes());
    out.truncate(end);
}

/// A number below 10^8 as eight digits, the first in the lowest byte: two halves of four are divided together, then four
/// quarters, by multiplication.
#[inline]
fn eight_digits(n: u64) -> u64 {
    const TENTHS: u64 = 0x000f_000f_000f_000f;
    let halves = (n / 10_000) | ((n % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x7f_0000_007f;
    let pairs = hundreds | ((halves - 100 * hundreds) << 16);
    let tens = ((pairs * 103) >> 10) & TENTHS;
    tens | ((pairs - 10 * tens) << 8)
}

/// Appends a finite double in the fewest digits that tell it from an integer: `1.0`, `1e16`, `1.5e-7`.
pub fn write_fraction(value: f64, out: &mut Vec<u8>) {
    let mut buffer = zmij::Buffer::new();
    match buffer.format_finite(value) {
        digits if value.abs() < 1e16 => out.extend_from_slice(digits.as_bytes()),
        // No sign stands before an exponent above zero.
        digits => out.extend(digits.bytes().filter(|byte| *byte != b'+')),
    }
}

/// The layout of a double's digits: plain while that stays short, else with an exponent.
fn write_shortest(value: f64, out: &mut Vec<u8>) {
    if value < 0.0 {
        out.push(b'-');
    }
    let mut buffer = zmij::Buffer::new();
    let (digits, power) = shortest_digits(buffer.format_finite(value.abs()).as_bytes());
    let count = digits.len() as i32;
    // The value is `digits * 10^power`, and in scientific form `d.ddd * 10^leading`.
    let leading = power + count - 1;

    if (0..8).contains(&power) {
        out.extend_from_slice(&digits);
        out.resize(out.len() + power as usize, b'0');
    } else if power < 0 && (power > -7 || leading.abs() < 4) {
        let whole = count + power;
        if whole <= 0 {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + whole.unsigned_abs() as usize, b'0');
            out.extend_from_slice(&digits);
        } else {
            out.extend_from_slice(&digits[..whole as usize]);
            out.push(b'.');
            out.extend_from_slice(&digits[whole as usize..]);
        }
    } else {
        out.push(digits[0]);
        if count > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.push(b'e');
        out.push(if leading < 0 { b'-' } else { b'+' });
        write_i64(i64::from(leading.abs()), out);
    }
}

/// Takes the digits, without zeros at either end, and the power of ten that
/// belongs to them out of a printed double.
fn shortest_digits(text: &[u8]) -> (smallvec::SmallVec<[u8; 24]>, i32) {
    let mut digits = smallvec::SmallVec::new();
    let mut power = 0;
    let mut point = false;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'.' => point = true,
            b'e' => {
                let exponent = &text[at + 1..];
                let exponent = exponent.strip_prefix(b"+").unwrap_or(exponent);
                power += parse_i64(exponent).expect("exponents are whole") as i32;
                break;
            }
            digit => {
                power -= i32::from(point);
                if digit != b'0' || !digits.is_empty() {
                    digits.push(digit);
                }
            }
        }
    }
    while digits.last() == Some(&b'0') {
        digits.pop();
        power += 1;
    }
    (digits, power)
}

/// Cuts the zeros, and a point left bare, from the end of a decimal fraction
/// that begins at `start`; "-0" becomes "0".
pub fn trim_decimals(start: usize, out: &mut Vec<u8>) {
    if out[start..].contains(&b'.') {
        while out.last() == Some(&b'0') {
            out.pop();
        }
        if out.last() == Some(&b'.') {
            out.pop();
        }
    }
    if &out[start..] == b"-0" {
        out.remove(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(value: f64) -> String {
        let mut out = Vec::new();
        write_double(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn integers_are_written_in_decimal_digits() {
        let mut random = fastrand::Rng::with_seed(9);
        let tens = (0..19).map(|power| 10_i64.pow(power));
        let edges = tens.flat_map(|ten| [ten - 1, ten, ten + 1, -ten, 1 - ten]);
        let edges: Vec<i64> = edges.chain([i64::MAX, i64::MIN]).collect();
        let more = (0..1_000_000).map(|_| random.i64(..) >> random.u32(..64));
        for n in edges.into_iter().chain(more) {
            let mut out = Vec::new();
            write_i64(n, &mut out);
            assert_eq!(out, n.to_string().as_bytes());
        }
    }

    #[test]
    fn an_integer_has_one_spelling() {
        for good in [0, 1, -1, 10, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert_eq!(parse_i64(good.to_string().as_bytes()), Some(good));
        }
        for bad in [
            "",
            "-",
            "-0",
            "+1",
            "01",
            " 1",
            "1 ",
            "1.0",
            "0x1",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999",
            "--1",
        ] {
            assert_eq!(parse_i64(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
    }

    #[test]
    fn doubles_are_read_as_strtod_reads_them() {
        for (text, value) in [
            ("1", 1.0),
            ("+1", 1.0),
            ("-1.5", -1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1E+3", 1000.0),
            ("007", 7.0),
            ("inf", f64::INFINITY),
            ("-INF", f64::NEG_INFINITY),
            ("+Infinity", f64::INFINITY),
            ("0x10", 16.0),
            ("-0x.8", -0.5),
            ("0x1p-1", 0.5),
            ("0X1.8P+1", 3.0),
            ("0x1p-1074", 5e-324),
            ("0x1.8p-1074", 1e-323),
            ("1e-320", 1e-320),
            ("0e-999", 0.0),
            ("0x0p9999999999999", 0.0),
            ("0x1fffffffffffff8", 144115188075855870.0),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x1.00000000000008", 1.0),
            (
                "0x1.000000000000080000000000000000000000000000001",
                1.0000000000000002,
            ),
        ] {
            assert_eq!(parse_double(text.as_bytes()), Some(value), "{text:?}");
        }
        for bad in [
            "",
            " 1",
            "1 ",
            "nan",
            "-nan",
            "NaN(1)",
            "1e",
            "e1",
            ".",
            "-",
            "0x",
            "0x.",
            "0x1p",
            "0x1p+",
            "1e400",
            "-1e400",
            "1e-400",
            "0x1p1024",
            "0x1p-1076",
            "0x1p-99999999999999999999",
            "1_0",
            "infinit",
            "infinityx",
            "1,5",
            "0x1g",
            "1\0",
            "0x1.2.3",
            "0x1.fffffffffffff8p1023",
            "0b1",
        ] {
            assert_eq!(parse_double(bad.as_bytes()), None, "{bad:?}");
        }
        assert!(parse_double(b"-0").unwrap().is_sign_negative());
    }

    #[test]
    fn doubles_are_printed_shortest() {
        for (value, text) in [
            (3.0, "3"),
            (-0.0, "-0"),
            (0.0, "0"),
            (3.5, "3.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e17, "100000000000000000"),
            (1e20, "1e+20"),
            (123456789e20, "1.23456789e+28"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (0.000001, "0.000001"),
            (0.0000001, "1e-7"),
            (0.00012345678, "1.2345678e-4"),
            (0.0012345678, "0.0012345678"),
            (1e7, "10000000"),
            (12e24, "1.2e+25"),
            (4611686018427387904.0, "4611686018427387904"),
            (9223372036854775807.0, "9223372036854776000"),
            (-1e15, "-1000000000000000"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (-2.5e-9, "-2.5e-9"),
        ] {
            assert_eq!(printed(value), text);
        }
    }
}
