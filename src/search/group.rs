//! GROUPBY: rows with equal values of some properties become one, with what reducers make of them.

use hashbrown::{HashMap, HashSet};

use super::eval::Effort;
use super::expr::Row;
use super::value::RowValue;
use super::words::Refusal;

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
        let mut groups = Groups::default();
        for row in rows {
            effort.tick(ROW_UNITS);
            if effort.is_late() {
                break;
            }
            if !self.has_lists(&row) {
                let place = groups.place(&self.properties, &row);
                groups.held[place].1.push(row);
                continue;
            }
            // Each value of a list counts as one of its own.
            for head in self.heads_of(&row) {
                effort.tick(ROW_UNITS);
                if effort.is_late() {
                    break;
                }
                effort.hold_in_row(row.bytes())?;
                let place = groups.place(&self.properties, &head);
                groups.held[place].1.push(row.clone());
            }
        }
        let mut reduced = Vec::with_capacity(groups.held.len());
        for (mut row, members) in groups.held {
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

    fn has_lists(&self, row: &Row) -> bool {
        let mut values = self.properties.iter().filter_map(|name| row.get(name));
        values.any(RowValue::is_list)
    }

    /// What the rows of a row's groups begin with: where some of its values are lists, each of theirs with each of the others.
    fn heads_of(&self, row: &Row) -> impl Iterator<Item = Row> {
        let each = |name: &Vec<u8>| row.get(name).map_or(vec![RowValue::Null], RowValue::each);
        let values: Vec<Vec<RowValue>> = self.properties.iter().map(each).collect();
        let mut places = Some(vec![0; values.len()]);
        std::iter::from_fn(move || {
            let at = places.as_mut()?;
            let mut head = Row::default();
            for ((name, values), at) in self.properties.iter().zip(&values).zip(&*at) {
                head.push(name, values[*at].clone());
            }
            let turned = values.iter().zip(at).rev().any(|(values, at)| {
                *at = (*at + 1) % values.len();
                *at > 0
            });
            places = places.take().filter(|_| turned);
            Some(head)
        })
    }
}

/// Groups in the order in which they were met, each with the row that it begins with and its rows.
#[derive(Default)]
struct Groups {
    held: Vec<(Row, Vec<Row>)>,
    places: HashMap<Vec<u8>, usize>,
    /// The text of the properties that was made last.
    key: Vec<u8>,
}

impl Groups {
    /// The place of the group whose properties have these values.
    fn place(&mut self, properties: &[Vec<u8>], row: &Row) -> usize {
        self.key.clear();
        for name in properties {
            let shown = row.get(name).map(RowValue::seen).unwrap_or_default();
            // Two lists of texts that look alike side by side are not the same.
            self.key.extend_from_slice(&shown.len().to_ne_bytes());
            self.key.extend_from_slice(&shown);
        }
        if let Some(place) = self.places.get(&self.key[..]) {
            return *place;
        }
        let mut head = Row::default();
        for name in properties {
            head.push(name, row.get(name).cloned().unwrap_or_default());
        }
        self.places.insert(self.key.clone(), self.held.len());
        self.held.push((head, Vec::new()));
        self.held.len() - 1
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
