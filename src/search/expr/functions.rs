//! Functions of expressions.

use super::{Expression, Row, number, times, truth};
use crate::search::numbers::geo_of;
use crate::search::value::RowValue;
use crate::search::words::Refusal;

/// Each function with the least and the greatest number of its arguments.
const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("upper", 1, 1),
    ("lower", 1, 1),
    ("substr", 3, 3),
    ("format", 1, usize::MAX),
    ("split", 1, 3),
    ("contains", 2, 2),
    ("startswith", 2, 2),
    ("strlen", 1, 1),
    ("to_number", 1, 1),
    ("to_str", 1, 1),
    ("exists", 1, 1),
    ("case", 3, 3),
    ("matched_terms", 0, 1),
    ("log", 1, 1),
    ("log2", 1, 1),
    ("exp", 1, 1),
    ("ceil", 1, 1),
    ("floor", 1, 1),
    ("abs", 1, 1),
    ("sqrt", 1, 1),
    ("timefmt", 1, 2),
    ("parsetime", 2, 2),
    ("minute", 1, 1),
    ("hour", 1, 1),
    ("day", 1, 1),
    ("dayofweek", 1, 1),
    ("dayofmonth", 1, 1),
    ("dayofyear", 1, 1),
    ("month", 1, 1),
    ("monthofyear", 1, 1),
    ("year", 1, 1),
    ("geodistance", 2, 4),
];

/// The function of this name.
pub(super) fn named(name: &[u8]) -> Result<&'static str, Refusal> {
    let is = |row: &&(&'static str, usize, usize)| name.eq_ignore_ascii_case(row.0.as_bytes());
    let found = FUNCTIONS.iter().find(is);
    found.map(|row| row.0).ok_or_else(|| {
        let shown = String::from_utf8_lossy(name);
        format!("Unknown function name '{shown}'")
    })
}

pub(super) fn check(name: &str, count: usize) -> Result<(), Refusal> {
    let row = FUNCTIONS.iter().find(|row| row.0 == name);
    match row {
        Some((_, least, most)) if !(*least..=*most).contains(&count) => {
            Err(format!("Invalid arguments for function '{name}'"))
        }
        _ => Ok(()),
    }
}

pub(super) fn call(
    name: &'static str,
    parts: &[Expression],
    row: &Row,
) -> Result<RowValue, Refusal> {
    match name {
        "exists" => {
            return Ok(truth(match &parts[0] {
                Expression::Property(name) => row.get(name).is_some_and(|value| !value.is_null()),
                part => part.eval(row).is_ok(),
            }));
        }
        "case" => {
            let chosen = if parts[0].eval(row)?.is_true() { 1 } else { 2 };
            return parts[chosen].eval(row);
        }
        // Rows don't know which words of a query they hold.
        "matched_terms" => return Ok(RowValue::Null),
        _ => {}
    }
    let values = parts.iter().map(|part| part.eval(row));
    let values = values.collect::<Result<Vec<RowValue>, Refusal>>()?;
    text_function(name, &values)
        .or_else(|| time_function(name, &values))
        .or_else(|| number_function(name, &values))
        .unwrap_or_else(|| Err(format!("Unknown function name '{name}'")))
}

/// The text of an argument, as a text alone is taken.
fn text<'v>(name: &str, values: &'v [RowValue], at: usize) -> Result<&'v [u8], Refusal> {
    match &values[at] {
        RowValue::Text(text) => Ok(text),
        other => Err(mistyped(name, other, at, "STRING(v, 0)")),
    }
}

fn mistyped(name: &str, value: &RowValue, at: usize, wanted: &str) -> Refusal {
    let kind = value.kind_number();
    format!(
        "Invalid type ({kind}) for argument {at} in function '{name}'. VALIDATE_ARG__{wanted} was false."
    )
}

fn text_function(name: &str, values: &[RowValue]) -> Option<Result<RowValue, Refusal>> {
    let text = |at: usize| text(name, values, at);
    Some(match name {
        "upper" | "lower" => Ok(match &values[0] {
            RowValue::Text(text) if name == "upper" => RowValue::Text(text.to_ascii_uppercase()),
            RowValue::Text(text) => RowValue::Text(text.to_ascii_lowercase()),
            _ => RowValue::Null,
        }),
        "to_str" => Ok(RowValue::Text(match &values[0] {
            RowValue::List(_) => Vec::new(),
            value => value.shown(),
        })),
        "strlen" => text(0).map(|text| RowValue::Number(text.len() as f64)),
        "contains" => text(0).and_then(|all| Ok(contains(all, text(1)?))),
        "startswith" => text(0).and_then(|all| Ok(truth(all.starts_with(text(1)?)))),
        "substr" => substr(values),
        "split" => split(values),
        "format" => text(0).and_then(|pattern| format(pattern, &values[1..])),
        "to_number" => {
            let value = &values[0];
            value.number().map(RowValue::Number).ok_or_else(|| {
                let shown = match value {
                    RowValue::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    _ => "(null)".into(),
                };
                format!("to_number: cannot convert string '{shown}'")
            })
        }
        _ => return None,
    })
}

/// How often a part stands in a text, also where it begins within itself.
fn contains(all: &[u8], part: &[u8]) -> RowValue {
    let Some(last) = part.len().checked_sub(1) else {
        return RowValue::Number((all.len() + 1) as f64);
    };
    // For each beginning of the part, the longest shorter one that it ends with: what was read is never read again.
    let mut shorter = vec![0; part.len()];
    let step = |mut held: usize, byte: u8, shorter: &[usize]| {
        while held > 0 && (held == part.len() || part[held] != byte) {
            held = shorter[held - 1];
        }
        held + usize::from(part[held] == byte)
    };
    for at in 1..part.len() {
        shorter[at] = step(shorter[at - 1], part[at], &shorter);
    }
    let (mut held, mut count) = (0, 0_usize);
    for byte in all {
        held = step(held, *byte, &shorter);
        count += usize::from(held == last + 1);
    }
    RowValue::Number(count as f64)
}

fn substr(values: &[RowValue]) -> Result<RowValue, Refusal> {
    let RowValue::Text(text) = &values[0] else {
        return Err("Invalid type for substr. Expected string".into());
    };
    let number = |at: usize| match &values[at] {
        RowValue::Number(n) => Ok(*n as i64),
        other => Err(mistyped("substr", other, at, "TYPE(v, RSValue_Number)")),
    };
    let (from, len) = (number(1)?, number(2)?);
    let all = text.len() as i64;
    // A place before the beginning leaves nothing of the text, as in RediSearch.
    let from = if from < 0 { all + from } else { from };
    if !(0..=all).contains(&from) {
        return Ok(RowValue::Text(Vec::new()));
    }
    let end = match len {
        len if len < 0 => all + len,
        len => from.saturating_add(len).min(all),
    };
    Ok(RowValue::Text(
        text[from as usize..end.max(from) as usize].to_vec(),
    ))
}

fn split(values: &[RowValue]) -> Result<RowValue, Refusal> {
    let texts = (0..values.len()).map(|at| text("split", values, at));
    let texts = texts.collect::<Result<Vec<&[u8]>, Refusal>>()?;
    let separators = texts.get(1).copied().unwrap_or(b",");
    let stripped = texts.get(2).copied().unwrap_or(b" ");
    let (separates, strips) = (marked(separators), marked(stripped));
    let parts = texts[0].split(|byte| separates[usize::from(*byte)]);
    let strip = |part: &[u8]| {
        let is_kept = |byte: &u8| !strips[usize::from(*byte)];
        let from = part.iter().position(is_kept)?;
        let to = part.iter().rposition(is_kept)?;
        Some(RowValue::text(&part[from..=to]))
    };
    Ok(RowValue::List(parts.filter_map(strip).collect()))
}

/// Which bytes are among these.
fn marked(bytes: &[u8]) -> [bool; 256] {
    let mut marked = [false; 256];
    bytes
        .iter()
        .for_each(|byte| marked[usize::from(*byte)] = true);
    marked
}

/// Bytes of a text that an expression makes of others, as of any text that a client sends.
const TEXT_BYTES_MAX: usize = 512 << 20;

fn format(pattern: &[u8], values: &[RowValue]) -> Result<RowValue, Refusal> {
    let (mut out, mut next) = (Vec::new(), values.iter());
    let mut bytes = pattern.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        match bytes.next() {
            Some(b'%') => out.push(b'%'),
            Some(b's') => match next.next() {
                Some(RowValue::Null) => out.extend(b"(null)"),
                Some(RowValue::List(_)) => {}
                Some(value) => out.extend(value.shown()),
                None => return Err("Not enough arguments for format".into()),
            },
            _ if out.len() > TEXT_BYTES_MAX => {
                return Err("format makes a text that is too long".into());
            }
            Some(_) => return Err("Unknown format specifier passed".into()),
            None => return Err("Bad format string!".into()),
        }
    }
    Ok(RowValue::Text(out))
}

fn time_function(name: &str, values: &[RowValue]) -> Option<Result<RowValue, Refusal>> {
    if name == "parsetime" {
        let read = || {
            let (text, pattern) = (text(name, values, 0)?, text(name, values, 1)?);
            let seconds = times::parse(text, pattern);
            Ok(seconds.map_or(RowValue::Null, |s| RowValue::Number(s as f64)))
        };
        return Some(read());
    }
    if name == "timefmt" {
        let pattern = match values.get(1) {
            None => &b"%FT%TZ"[..],
            Some(RowValue::Text(pattern)) => pattern,
            Some(other) => return Some(Err(mistyped("time", other, 1, "TYPE(v, RSValue_String)"))),
        };
        let shown = values[0]
            .number()
            .and_then(|n| times::shown(n as i64, pattern));
        return Some(Ok(shown.map_or(RowValue::Null, RowValue::Text)));
    }
    let of = |field: fn(i64) -> Option<i64>| {
        // Times before the epoch have no parts, as in RediSearch.
        let seconds = values[0].number().filter(|n| *n >= 0.0).map(|n| n as i64);
        let value = seconds.and_then(field);
        Some(Ok(
            value.map_or(RowValue::Null, |n| RowValue::Number(n as f64))
        ))
    };
    const DAY_S: i64 = 86_400;
    match name {
        "minute" => of(|s| Some(s - s % 60)),
        "hour" => of(|s| Some(s - s % 3600)),
        "day" => of(|s| Some(s - s % DAY_S)),
        // The first day of the epoch was a Thursday.
        "dayofweek" => of(|s| Some((s / DAY_S + 4) % 7)),
        "dayofmonth" => of(|s| Some(times::Date::of(s)?.day)),
        "dayofyear" => of(|s| Some(times::Date::of(s)?.day_of_year())),
        "monthofyear" => of(|s| Some(times::Date::of(s)?.month - 1)),
        "year" => of(|s| Some(times::Date::of(s)?.year)),
        "month" => of(|s| Some((s / DAY_S - (times::Date::of(s)?.day - 1)) * DAY_S)),
        _ => None,
    }
}

fn number_function(name: &str, values: &[RowValue]) -> Option<Result<RowValue, Refusal>> {
    if name == "geodistance" {
        return Some(distance(values));
    }
    let of = |reckon: fn(f64) -> f64| {
        let n = number(&values[0]).unwrap_or(f64::NAN);
        Some(Ok(RowValue::Number(reckon(n))))
    };
    match name {
        "log" => of(f64::ln),
        "log2" => of(f64::log2),
        "exp" => of(f64::exp),
        "ceil" => of(f64::ceil),
        "floor" => of(f64::floor),
        "abs" => of(f64::abs),
        "sqrt" => of(f64::sqrt),
        _ => None,
    }
}

/// In metres, between two places, each one text or two numbers.
fn distance(values: &[RowValue]) -> Result<RowValue, Refusal> {
    let mut rest = values;
    let mut place = || -> Result<_, Refusal> {
        if let Some(RowValue::Text(text)) = rest.first() {
            rest = &rest[1..];
            return geo_of(text).ok_or_else(|| "Invalid geo string".into());
        }
        let (Some(longitude), Some(latitude)) = (rest.first(), rest.get(1)) else {
            return Err("Invalid arguments for function geodistance".into());
        };
        let (longitude, latitude) = (longitude.shown(), latitude.shown());
        rest = &rest[2..];
        let place = geo_of(&[&longitude[..], b",", &latitude[..]].concat());
        place.ok_or_else(|| "Invalid arguments for function geodistance".into())
    };
    let (one, other) = (place()?, place()?);
    let metres = one.distance_m(&other);
    Ok(RowValue::Number((metres * 100.0).round() / 100.0))
}
