//! The steps of FT.AGGREGATE, one after another over all rows.

use super::options::limit;
use super::{refused, shown};
use crate::command::Fail;
use crate::search::{
    Effort, Expression, Reducer, ReducerKind, Refusal, Row, RowGroup, RowValue, Words,
};
use crate::util::number;

/// What a step does with a row is so many units of work.
const ROW_UNITS: usize = 4;

pub enum RowStep {
    Group(RowGroup),
    /// Properties, each with whether the greatest comes first; and how many rows are kept.
    Sort(Vec<(Vec<u8>, bool)>, Option<usize>),
    Apply(Expression, Vec<u8>),
    Filter(Expression),
    Limit(usize, usize),
}

/// A property without its sign.
pub fn property(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"@").unwrap_or(text)
}

impl RowStep {
    /// What profiles call it.
    pub fn name(&self) -> &'static str {
        match self {
            RowStep::Group(_) => "Grouper",
            RowStep::Sort(..) => "Sorter",
            RowStep::Apply(..) => "Projector",
            RowStep::Filter(_) => "Filter",
            RowStep::Limit(..) => "Pager/Limiter",
        }
    }

    /// Reads the next step, if one comes next.
    pub fn parse(words: &mut Words<'_>) -> Result<Option<RowStep>, Fail> {
        Ok(Some(if words.word("GROUPBY") {
            group(words)?
        } else if words.word("SORTBY") {
            sort(words)?
        } else if words.word("APPLY") {
            let text = words.value("APPLY").map_err(refused)?;
            let parsed = Expression::parse(text).map_err(refused)?;
            let name = match words.word("AS") {
                true => words.value("AS").map_err(refused)?,
                false => text,
            };
            RowStep::Apply(parsed, name.to_vec())
        } else if words.word("FILTER") {
            let text = words.value("FILTER").map_err(refused)?;
            RowStep::Filter(Expression::parse(text).map_err(refused)?)
        } else if words.word("LIMIT") {
            let (offset, count) = limit(words)?;
            RowStep::Limit(offset, count)
        } else {
            return Ok(None);
        }))
    }
}

fn group(words: &mut Words<'_>) -> Result<RowStep, Fail> {
    let count = words.count("GROUPBY").map_err(refused)?;
    let names = words.take("GROUPBY", count).map_err(refused)?;
    for name in names {
        if !name.starts_with(b"@") {
            return Err(Fail::code(format!(
                "Bad arguments for GROUPBY: Unknown property `{}`. Did you mean `@{}`?",
                shown(name),
                shown(name)
            )));
        }
    }
    let properties = names.iter().map(|name| property(name).to_vec());
    let mut group = RowGroup {
        properties: properties.collect(),
        reducers: Vec::new(),
    };
    while words.word("REDUCE") {
        group.reducers.push(reducer(words)?);
    }
    Ok(RowStep::Group(group))
}

fn reducer(words: &mut Words<'_>) -> Result<Reducer, Fail> {
    let name = words.value("REDUCE").map_err(refused)?;
    let known = ReducerKind::named(name);
    let no_such = || Fail::code(format!("No such reducer: {}", shown(name)));
    let (mut kind, least, most) = known.ok_or_else(no_such)?;
    let count = words.count("REDUCE").map_err(refused)?;
    let args = words.take("REDUCE", count).map_err(refused)?;
    if !(least..=most).contains(&args.len()) {
        let name = shown(name);
        return Err(Fail::code(format!(
            "Bad arguments for {name}: Expected an argument, but none provided"
        )));
    }
    let of = args
        .first()
        .map_or(&b""[..], |name| property(name))
        .to_vec();
    let mut by = None;
    let bad = || Fail::code(format!("Bad arguments for {}", shown(name)));
    match &mut kind {
        ReducerKind::Quantile(share) => {
            let read = number::parse_double(args[1]);
            *share = read
                .filter(|share| (0.0..=1.0).contains(share))
                .ok_or_else(bad)?;
        }
        ReducerKind::RandomSample(size) => {
            let read = number::parse_i64(args[1]).filter(|n| (1..=1000).contains(n));
            *size = read.ok_or_else(bad)? as usize;
        }
        ReducerKind::FirstValue if args.len() > 1 => {
            let [_, word, field, rest @ ..] = args else {
                return Err(bad());
            };
            if !word.eq_ignore_ascii_case(b"BY") {
                return Err(bad());
            }
            let descending = rest
                .first()
                .is_some_and(|word| word.eq_ignore_ascii_case(b"DESC"));
            by = Some((property(field).to_vec(), descending));
        }
        _ => {}
    }
    let made = || {
        let parts = args
            .iter()
            .map(|arg| String::from_utf8_lossy(property(arg)).into_owned());
        let parts: Vec<String> = parts.collect();
        let name = shown(name).to_lowercase();
        format!("__generated_alias{name}{}", parts.join(",")).into_bytes()
    };
    let name = match words.word("AS") {
        true => words.value("AS").map_err(refused)?.to_vec(),
        false => made(),
    };
    Ok(Reducer {
        kind,
        property: of,
        by,
        name,
    })
}

fn sort(words: &mut Words<'_>) -> Result<RowStep, Fail> {
    let count = words.count("SORTBY").map_err(refused)?;
    let mut taken = Words::new(words.take("SORTBY", count).map_err(refused)?);
    let mut keys = Vec::new();
    while let Some(name) = taken.maybe() {
        if !name.starts_with(b"@") {
            return Err(Fail::code(format!(
                "MISSING ASC or DESC after sort field ({})",
                shown(name)
            )));
        }
        let descending = taken.word("DESC");
        if !descending {
            taken.word("ASC");
        }
        keys.push((property(name).to_vec(), descending));
    }
    let most = match words.word("MAX") {
        true => match words.count("MAX").map_err(refused)? {
            0 => None,
            most => Some(usize::try_from(most).unwrap_or(usize::MAX)),
        },
        false => None,
    };
    Ok(RowStep::Sort(keys, most))
}

/// Rows on their way, and what is told of their number.
pub struct RowFlow {
    pub rows: Vec<Row>,
    /// Rows as a step has counted them that must see all before it gives any.
    pub counted: Option<usize>,
    /// The place of the first row that is left among all, where none has been counted.
    pub first: usize,
    /// Rows that there were at first.
    all: usize,
    /// Why there is no row behind these, if an expression had no value there.
    pub failed: Option<Refusal>,
}

impl RowFlow {
    pub fn new(rows: Vec<Row>) -> Self {
        RowFlow {
            all: rows.len(),
            rows,
            counted: None,
            first: 0,
            failed: None,
        }
    }

    /// The number that the reply begins with, as RediSearch counts: rows that were looked at before the first was given.
    pub fn total(&self) -> usize {
        match self.counted {
            Some(counted) => counted,
            None if self.rows.is_empty() => self.first,
            None => self.first + 1,
        }
    }

    /// Takes a step with all rows; where the time is up, with those that have come so far alone.
    pub fn step(&mut self, step: &RowStep, effort: &Effort<'_>) -> Result<(), Refusal> {
        if matches!(step, RowStep::Group(_) | RowStep::Sort(..))
            && let Some(failed) = self.failed.take()
        {
            // It needs them all.
            return Err(failed);
        }
        match step {
            RowStep::Group(group) => {
                self.rows = group.reduce(std::mem::take(&mut self.rows), effort)?;
                self.counted = Some(self.rows.len());
            }
            RowStep::Sort(keys, most) => {
                sort_rows(&mut self.rows, keys, effort);
                self.counted.get_or_insert(self.all);
                self.rows.truncate(most.unwrap_or(usize::MAX));
            }
            RowStep::Apply(parsed, name) => {
                let (units, mut done) = (ROW_UNITS + parsed.parts(), 0);
                for row in &mut self.rows {
                    effort.tick(units);
                    if effort.is_late() {
                        break;
                    }
                    let value = match parsed.eval(row) {
                        Ok(value) => value,
                        Err(why) => {
                            self.failed = Some(why);
                            break;
                        }
                    };
                    effort.hold_in_row(name.len() + value.bytes())?;
                    row.set(name, value);
                    done += 1;
                }
                self.rows.truncate(done);
            }
            RowStep::Filter(parsed) => self.filter(parsed, effort),
            RowStep::Limit(offset, count) => {
                if *count == 0 {
                    // All that is asked for is how many there are.
                    self.counted.get_or_insert(self.all);
                }
                if *count > 0 && self.rows.len() >= offset.saturating_add(*count) {
                    // Nobody asks for what comes then.
                    self.failed = None;
                }
                let offset = (*offset).min(self.rows.len());
                self.first += offset;
                self.rows.drain(..offset);
                self.rows.truncate(*count);
            }
        }
        Ok(())
    }

    fn filter(&mut self, parsed: &Expression, effort: &Effort<'_>) {
        let units = ROW_UNITS + parsed.parts();
        let mut kept = Vec::with_capacity(self.rows.len());
        let all = self.rows.len();
        let mut first = None;
        for (at, row) in std::mem::take(&mut self.rows).into_iter().enumerate() {
            effort.tick(units);
            if effort.is_late() {
                break;
            }
            match parsed.eval(&row) {
                Ok(value) if value.is_true() => {
                    first.get_or_insert(at);
                    kept.push(row);
                }
                Ok(_) => {}
                Err(why) => {
                    self.failed = Some(why);
                    break;
                }
            }
        }
        self.first += first.unwrap_or(all);
        self.rows = kept;
    }
}

fn sort_rows(rows: &mut [Row], keys: &[(Vec<u8>, bool)], effort: &Effort<'_>) {
    // One that is late is sorted all the same: others have their turns.
    rows.sort_by(|one, other| {
        effort.tick(ROW_UNITS);
        for (name, descending) in keys {
            let values = [one, other].map(|row| row.get(name).filter(|value| !value.is_null()));
            let order = match values {
                [Some(one), Some(other)] => RowValue::order(one, other),
                // What has no value comes last either way.
                [Some(_), None] => return std::cmp::Ordering::Less,
                [None, Some(_)] => return std::cmp::Ordering::Greater,
                [None, None] => continue,
            };
            let order = if *descending { order.reverse() } else { order };
            if order.is_ne() {
                return order;
            }
        }
        std::cmp::Ordering::Equal
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::turns::Turns;

    fn rows(count: usize) -> RowFlow {
        let mut row = Row::default();
        row.set(b"t", RowValue::text(b"some text"));
        RowFlow::new(vec![row; count])
    }

    fn steps(words: &[&str]) -> Vec<RowStep> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let mut words = Words::new(&words);
        let next = || {
            let step = RowStep::parse(&mut words);
            step.unwrap_or_else(|_| panic!("it is a step"))
        };
        std::iter::from_fn(next).collect()
    }

    /// Steps over rows, each of which would take far longer than the time that there is.
    #[test]
    fn a_step_ends_when_the_time_is_up() {
        let turns = Turns::none();
        let long = vec!["@t"; 40].join("==");
        let apply = ["APPLY", &long, "AS", "x"];
        let filter = ["FILTER", &format!("{long}!='y'")];
        let group = ["GROUPBY", "1", "@t", "REDUCE", "COUNT", "0"];
        for words in [&apply[..], &filter, &group] {
            let count = 300_000;
            let mut flow = rows(count);
            let effort = Effort::new(&turns, 1, usize::MAX).until(1);
            for step in steps(words) {
                flow.step(&step, &effort).unwrap();
            }
            assert!(effort.go_on() && flow.rows.len() < count, "{words:?}");
            assert!(!effort.is_late());
        }
    }

    #[test]
    fn rows_that_grow_too_much_are_refused() {
        let turns = Turns::none();
        let twice = ["APPLY", "format('%s%s', @t, @t)", "AS", "t"];
        let doubled = twice.repeat(16);
        let flowed = |bytes_max: usize| {
            let effort = Effort::new(&turns, 1, bytes_max);
            let mut flow = rows(10);
            let mut steps = steps(&doubled).into_iter();
            steps.try_for_each(|step| flow.step(&step, &effort))
        };
        assert_eq!(flowed(64 << 20), Ok(()));
        let refused = "Query takes too much memory: its rows hold too much";
        assert_eq!(flowed(4 << 20), Err(refused.into()));
    }
}
