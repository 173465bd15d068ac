//! Numbers as C prints them: `%.14g` and its like, to the last digit.

/// What `printf("%.<precision>g")` writes.
pub fn general(n: f64, precision: usize) -> String {
    if n.is_nan() {
        return if n.is_sign_negative() { "-nan" } else { "nan" }.into();
    }
    if n.is_infinite() {
        return if n > 0.0 { "inf" } else { "-inf" }.into();
    }
    let precision = precision.max(1);
    let scientific = format!("{n:.*e}", precision - 1);
    let (digits, exponent) = scientific
        .split_once('e')
        .expect("the exponent form holds an e");
    let exponent: i32 = exponent.parse().expect("an exponent is an integer");
    if exponent < -4 || exponent >= precision as i32 {
        let digits = without_zeros(digits);
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let decimals = (precision as i32 - 1 - exponent).max(0) as usize;
    without_zeros(&format!("{n:.decimals$}")).to_string()
}

fn without_zeros(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

/// The cast of a double to a 64-bit integer as the machine does it: what doesn't fit is the least one.
pub fn to_int(n: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&n) {
        n as i64
    } else {
        i64::MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_c_prints_them() {
        assert_eq!(general(0.1, 14), "0.1");
        assert_eq!(general(1e15, 14), "1e+15");
        assert_eq!(general(123456.0, 14), "123456");
        assert_eq!(general(1e-5, 14), "1e-05");
        assert_eq!(general(-0.0, 14), "-0");
        assert_eq!(general(2.0 / 3.0, 14), "0.66666666666667");
        assert_eq!(general(1e15 + 0.5, 17), "1000000000000000.5");
        assert_eq!(to_int(f64::NAN), i64::MIN);
    }
}
