//! GROUPBY: rows with equal values of some properties become one, with what reducers make of them.

use hashbrown::{HashMap, HashSet};

use super::eval::Effort;
use super::expr::Row;
use super::grammar::Refusal;
use super::value::RowValue;

/// Grouping a row is so many units of work.
const ROW_UNITS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReducerKind {
    Count,
    CountDistinct,
    CountDistinctish,
    Sum,
    Min,
    Max,
    Average,
    StdDev,
    Quantile(f64),
    ToList,
    FirstValue,
    RandomSample(usize),
}

/// One reducer of a group.
#[derive(Clone, Debug)]
pub struct Reducer {
    pub kind: ReducerKind,
    pub property: Vec<u8>,
    /// FIRST_VALUE's BY, and whether the greatest comes first.
    pub by: Option<(Vec<u8>, bool)>,
    pub name: Vec<u8>,
}

impl ReducerKind {
    /// The reducer of this name, and the least and the greatest number of its arguments.
    pub fn named(name: &[u8]) -> Option<(Self, usize, usize)> {
        Some(match name.to_ascii_uppercase().as_slice() {
            b"COUNT" => (ReducerKind::Count, 0, 0),
            b"COUNT_DISTINCT" => (ReducerKind::CountDistinct, 1, 1),
            b"COUNT_DISTINCTISH" => (ReducerKind::CountDistinctish, 1, 1),
            b"SUM" => (ReducerKind::Sum, 1, 1),
            b"MIN" => (ReducerKind::Min, 1, 1),
            b"MAX" => (ReducerKind::Max, 1, 1),
            b"AVG" => (ReducerKind::Average, 1, 1),
            b"STDDEV" => (ReducerKind::StdDev, 1, 1),
            b"QUANTILE" => (ReducerKind::Quantile(0.5), 2, 3),
            b"TOLIST" => (ReducerKind::ToList, 1, 1),
            b"FIRST_VALUE" => (ReducerKind::FirstValue, 1, 4),
            b"RANDOM_SAMPLE" => (ReducerKind::RandomSample(1), 2, 2),
            _ => return None,
        })
    }
}

/// GROUPBY with its reducers.
#[derive(Clone, Debug)]
pub struct RowGroup {
    pub properties: Vec<Vec<u8>>,
    pub reducers: Vec<Reducer>,
}

impl RowGroup {
    /// Makes one row of each group, in the order in which groups were met; of those for which there is time.
    pub fn reduce(&self, rows: Vec<Row>, effort: &Effort<'_>) -> Result<Vec<Row>, Refusal> {
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut groups: Vec<(Row, Vec<Row>)> = Vec::new();
        let mut key = Vec::new();
        for row in rows {
            effort.tick(ROW_UNITS);
            if effort.is_late() {
                break;
            }
            key.clear();
            for name in &self.properties {
                let shown = row.get(name).map(RowValue::shown).unwrap_or_default();
                // Two lists of texts that look alike side by side are not the same.
                key.extend_from_slice(&shown.len().to_ne_bytes());
                key.extend_from_slice(&shown);
            }
            let place = places.get(&key[..]).copied().unwrap_or_else(|| {
                places.insert(key.clone(), groups.len());
                groups.push((self.head_of(&row), Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(row);
        }
        let mut reduced = Vec::with_capacity(groups.len());
        for (mut row, members) in groups {
            for reducer in &self.reducers {
                effort.tick(ROW_UNITS * members.len());
                if effort.is_late() {
                    return Ok(reduced);
                }
                let value = reducer.of(&members);
                effort.hold_in_row(reducer.name.len() + value.bytes())?;
                row.set(&reducer.name, value);
            }
            reduced.push(row);
        }
        Ok(reduced)
    }

    /// What the row of a group begins with.
    fn head_of(&self, row: &Row) -> Row {
        let mut head = Row::default();
        for name in &self.properties {
            head.push(name, row.get(name).cloned().unwrap_or_default());
        }
        head
    }
}

impl Reducer {
    fn of(&self, rows: &[Row]) -> RowValue {
        let values = || {
            let held = rows.iter().filter_map(|row| row.get(&self.property));
            held.filter(|value| !value.is_null())
        };
        let numbers = || values().filter_map(RowValue::number);
        let count = || numbers().count() as f64;
        match self.kind {
            ReducerKind::Count => RowValue::Number(rows.len() as f64),
            ReducerKind::CountDistinct | ReducerKind::CountDistinctish => {
                let distinct: HashSet<Vec<u8>> = values().map(RowValue::shown).collect();
                RowValue::Number(distinct.len() as f64)
            }
            // A sum of nothing would be a negative zero.
            ReducerKind::Sum => RowValue::Number(numbers().sum::<f64>() + 0.0),
            ReducerKind::Min => RowValue::Number(numbers().reduce(f64::min).unwrap_or(0.0)),
            ReducerKind::Max => RowValue::Number(numbers().reduce(f64::max).unwrap_or(0.0)),
            ReducerKind::Average => {
                let (sum, count) =
                    numbers().fold((-0.0, 0.0), |(sum, count), n| (sum + n, count + 1.0));
                RowValue::Number(if count == 0.0 { 0.0 } else { sum / count })
            }
            ReducerKind::StdDev if count() < 2.0 => RowValue::Number(0.0),
            ReducerKind::StdDev => {
                let count = count();
                let mean = numbers().sum::<f64>() / count;
                let squares: f64 = numbers().map(|n| (n - mean) * (n - mean)).sum();
                RowValue::Number((squares / (count - 1.0)).sqrt())
            }
            ReducerKind::Quantile(share) => quantile(numbers().collect(), share),
            ReducerKind::ToList => {
                let mut seen = HashSet::new();
                let flat = values().flat_map(|value| match value {
                    RowValue::List(values) => values.clone(),
                    value => vec![value.clone()],
                });
                let list = flat.filter(|value| seen.insert(value.shown()));
                RowValue::List(list.collect())
            }
            ReducerKind::FirstValue => self.first(rows),
            ReducerKind::RandomSample(size) => sample(values().cloned(), size),
        }
    }

    fn first(&self, rows: &[Row]) -> RowValue {
        let value = |row: &Row| row.get(&self.property).cloned().unwrap_or_default();
        let Some((by, descending)) = &self.by else {
            return rows.first().map(value).unwrap_or_default();
        };
        let mut best: Option<(&Row, &RowValue)> = None;
        for row in rows {
            let Some(held) = row.get(by).filter(|held| !held.is_null()) else {
                continue;
            };
            let is_better = best.is_none_or(|(_, best)| match descending {
                true => held.order(best).is_gt(),
                false => held.order(best).is_lt(),
            });
            if is_better {
                best = Some((row, held));
            }
        }
        best.or_else(|| Some((rows.first()?, &RowValue::Null)))
            .map(|(row, _)| value(row))
            .unwrap_or_default()
    }
}

fn quantile(mut numbers: Vec<f64>, share: f64) -> RowValue {
    if numbers.is_empty() {
        return RowValue::Number(0.0);
    }
    numbers.sort_by(f64::total_cmp);
    let rank = (share * numbers.len() as f64).ceil() as usize;
    RowValue::Number(numbers[rank.saturating_sub(1).min(numbers.len() - 1)])
}

/// So many of the values, each as likely as any other.
fn sample(values: impl Iterator<Item = RowValue>, size: usize) -> RowValue {
    let mut held: Vec<RowValue> = Vec::new();
    for (seen, value) in values.enumerate() {
        if held.len() < size {
            held.push(value);
        } else {
            let at = crate::util::chance::within(0..seen + 1);
            if at < size {
                held[at] = value;
            }
        }
    }
    RowValue::List(held)
}
