//! Functions of expressions.

use super::{Expression, Row, number, truth};
use crate::search::grammar::Refusal;
use crate::search::numbers::geo_of;
use crate::search::value::RowValue;

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
    ("log", 1, 1),
    ("log2", 1, 1),
    ("exp", 1, 1),
    ("ceil", 1, 1),
    ("floor", 1, 1),
    ("abs", 1, 1),
    ("sqrt", 1, 1),
    ("minute", 1, 1),
    ("hour", 1, 1),
    ("day", 1, 1),
    ("dayofweek", 1, 1),
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
        Some((_, least, most)) if !(*least..=*most).contains(&count) => Err(format!(
            "Invalid arguments for function '{name}': wrong number of arguments"
        )),
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
        _ => {}
    }
    let values = parts.iter().map(|part| part.eval(row));
    let values = values.collect::<Result<Vec<RowValue>, Refusal>>()?;
    text_function(name, &values)
        .or_else(|| number_function(name, &values))
        .unwrap_or_else(|| Err(format!("Unknown function name '{name}'")))
}

fn text_function(name: &str, values: &[RowValue]) -> Option<Result<RowValue, Refusal>> {
    let text = |at: usize| values.get(at).map_or_else(Vec::new, RowValue::shown);
    let shown = |at: usize| String::from_utf8_lossy(&text(at)).into_owned();
    Some(Ok(match name {
        "upper" => RowValue::Text(shown(0).to_uppercase().into_bytes()),
        "lower" => RowValue::Text(shown(0).to_lowercase().into_bytes()),
        "to_str" => RowValue::Text(text(0)),
        "strlen" => RowValue::Number(text(0).len() as f64),
        "contains" => {
            let (all, part) = (text(0), text(1));
            let count = match part.len() {
                0 => all.len() + 1,
                len => all.windows(len).filter(|window| *window == part).count(),
            };
            RowValue::Number(count as f64)
        }
        "startswith" => truth(text(0).starts_with(&text(1))),
        "substr" => match (values[1].number(), values[2].number()) {
            (Some(from), Some(len)) => RowValue::Text(part_of(&text(0), from as i64, len as i64)),
            _ => return Some(Err("Invalid type for substr".into())),
        },
        "split" => RowValue::List(split(&text(0), values.get(1), values.get(2))),
        "format" => return Some(format(&text(0), &values[1..])),
        _ => return None,
    }))
}

fn part_of(text: &[u8], from: i64, len: i64) -> Vec<u8> {
    let all = text.len() as i64;
    let from = if from < 0 {
        (all + from).max(0)
    } else {
        from.min(all)
    };
    let end = match len {
        len if len < 0 => all + len + 1,
        len => from.saturating_add(len).min(all),
    };
    text[from as usize..end.max(from) as usize].to_vec()
}

fn split(text: &[u8], separators: Option<&RowValue>, stripped: Option<&RowValue>) -> Vec<RowValue> {
    let separators = separators.map_or_else(|| b",".to_vec(), RowValue::shown);
    let stripped = stripped.map_or_else(|| b" ".to_vec(), RowValue::shown);
    let parts = text.split(|byte| separators.contains(byte));
    let strip = |part: &[u8]| {
        let is_kept = |byte: &u8| !stripped.contains(byte);
        let from = part.iter().position(is_kept)?;
        let to = part.iter().rposition(is_kept)?;
        Some(RowValue::text(&part[from..=to]))
    };
    parts.filter_map(strip).collect()
}

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
                Some(value) => out.extend(value.shown()),
                None => return Err("Not enough arguments for format".into()),
            },
            _ => return Err("Unknown format specifier passed".into()),
        }
    }
    Ok(RowValue::Text(out))
}

fn number_function(name: &str, values: &[RowValue]) -> Option<Result<RowValue, Refusal>> {
    if name == "geodistance" {
        return Some(distance(values));
    }
    let of = |reckon: fn(f64) -> f64| number(&values[0]).map(|n| RowValue::Number(reckon(n)));
    const DAY_S: f64 = 86_400.0;
    Some(match name {
        "to_number" => number(&values[0])
            .map(RowValue::Number)
            .map_err(|_| "to_number: cannot convert string".into()),
        "log" => of(f64::ln),
        "log2" => of(f64::log2),
        "exp" => of(f64::exp),
        "ceil" => of(f64::ceil),
        "floor" => of(f64::floor),
        "abs" => of(f64::abs),
        "sqrt" => of(f64::sqrt),
        "minute" => of(|n| n - n.rem_euclid(60.0)),
        "hour" => of(|n| n - n.rem_euclid(3600.0)),
        "day" => of(|n| n - n.rem_euclid(DAY_S)),
        // The first day of the epoch was a Thursday.
        "dayofweek" => of(|n| (n / DAY_S + 4.0).floor().rem_euclid(7.0)),
        _ => return None,
    })
}

/// In metres, between two places, each one text or two numbers.
fn distance(values: &[RowValue]) -> Result<RowValue, Refusal> {
    let mut rest = values;
    let mut place = || -> Option<_> {
        if let Some(place) = geo_of(&rest.first()?.shown()) {
            rest = &rest[1..];
            return Some(place);
        }
        let (longitude, latitude) = (rest.first()?.shown(), rest.get(1)?.shown());
        rest = &rest[2..];
        geo_of(&[&longitude[..], b",", &latitude[..]].concat())
    };
    let places = place().zip(place());
    let (one, other) = places.ok_or("Invalid arguments for function geodistance")?;
    let metres = one.distance_m(&other);
    Ok(RowValue::Number((metres * 100.0).round() / 100.0))
}
