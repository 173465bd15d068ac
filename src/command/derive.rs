//! What follows from a command's argument tree: arity and key positions.

use super::{Arg, ArgKind, KeyUse};
use crate::util::number;

/// Where a command's keys begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    Index(usize),
    /// After a word, sought from an index (from the end, if negative).
    Keyword(&'static str, i32),
    /// Not to be told from positions.
    Unknown,
}

/// Which arguments from there on are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Up to `last`, counted from the beginning (from the end of all arguments, if negative),
    /// every `step`th; with a `limit` above 1, only the first part of what remains.
    Range {
        last: i32,
        step: usize,
        limit: usize,
    },
    /// A count stands at `num`, the first key at `first`, both counted from the beginning.
    Count {
        num: usize,
        first: usize,
        step: usize,
    },
    Unknown,
}

/// One group of keys of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    pub used: KeyUse,
    pub begin: Begin,
    pub find: Find,
}

/// The arity, in Redis's way: with the command's name, negative for "at least".
pub fn arity(words: usize, args: &[Arg]) -> i32 {
    let least = words + args.iter().map(least).sum::<usize>();
    if args.iter().all(is_fixed) {
        least as i32
    } else {
        -(least as i32)
    }
}

fn least(arg: &Arg) -> usize {
    if arg.optional {
        return 0;
    }
    let own = match arg.kind {
        ArgKind::Token => 0,
        ArgKind::OneOf(parts) => parts.iter().map(least).min().unwrap_or(0),
        ArgKind::Block(parts) => parts.iter().map(least).sum(),
        _ => 1,
    };
    own + usize::from(arg.token.is_some())
}

fn is_fixed(arg: &Arg) -> bool {
    !arg.optional
        && !arg.multiple
        && match arg.kind {
            ArgKind::OneOf(parts) => {
                parts.iter().all(is_fixed)
                    && parts.iter().all(|part| least(part) == least(&parts[0]))
            }
            ArgKind::Block(parts) => parts.iter().all(is_fixed),
            _ => true,
        }
}

/// Where the first field or member stands that a command names, if no option stands before it.
pub fn member(words: usize, args: &[Arg]) -> Option<usize> {
    let mut at = words;
    for arg in args.iter().filter(|arg| !arg.optional) {
        match arg.kind {
            ArgKind::Text if matches!(arg.name, "field" | "member") => return Some(at),
            ArgKind::Block(parts) => {
                if let Some(at) = member(at, parts) {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += least(arg);
    }
    None
}

/// Key groups of a command whose own name takes `words` arguments.
pub fn key_specs(words: usize, args: &[Arg]) -> Vec<KeySpec> {
    let mut specs = Vec::new();
    // The index of the next argument, while everything before it is of fixed length.
    let mut at = Some(words);
    let mut count_at = None;
    for (i, arg) in args.iter().enumerate() {
        let Some(index) = at else {
            break;
        };
        let after: usize = args[i + 1..].iter().map(least).sum();
        let last = -1 - after as i32;
        let index = index + usize::from(arg.token.is_some());
        match arg.kind {
            ArgKind::Key(used) => {
                let (begin, find) = match (arg.multiple, count_at) {
                    (true, Some(num)) => (
                        num,
                        Find::Count {
                            num: 0,
                            first: index - num,
                            step: 1,
                        },
                    ),
                    (true, None) => (
                        index,
                        Find::Range {
                            last,
                            step: 1,
                            limit: 0,
                        },
                    ),
                    (false, _) => (
                        index,
                        Find::Range {
                            last: 0,
                            step: 1,
                            limit: 0,
                        },
                    ),
                };
                specs.push(KeySpec {
                    used,
                    begin: Begin::Index(begin),
                    find,
                });
            }
            ArgKind::Block(parts) => {
                if let [
                    Arg {
                        kind: ArgKind::Key(used),
                        ..
                    },
                    ..,
                ] = parts
                {
                    let step = parts.len();
                    let find = Find::Range {
                        last: if arg.multiple { last } else { 0 },
                        step,
                        limit: 0,
                    };
                    specs.push(KeySpec {
                        used: *used,
                        begin: Begin::Index(index),
                        find,
                    });
                }
            }
            _ => {}
        }
        count_at = (arg.name == "numkeys").then_some(index);
        at = (is_fixed(arg) || count_at.is_some())
            .then_some(index - usize::from(arg.token.is_some()) + least(arg));
    }
    specs
}

/// Where a command's channels stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelSpec {
    pub first: usize,
    /// All that follow are channels, too.
    pub many: bool,
    pub patterns: bool,
}

/// The channels of a command whose own name takes `words` arguments. They come first.
pub fn channel_spec(words: usize, args: &[Arg]) -> Option<ChannelSpec> {
    let first = args.first()?;
    let kind = first.parts().first().map_or(&first.kind, |part| &part.kind);
    let spec = |patterns| ChannelSpec {
        first: words,
        many: first.multiple,
        patterns,
    };
    match kind {
        ArgKind::Channel => Some(spec(false)),
        ArgKind::ChannelPattern => Some(spec(true)),
        _ => None,
    }
}

impl KeySpec {
    /// Whether an argument says how many keys there are.
    pub fn is_counted(&self) -> bool {
        matches!(self.find, Find::Count { .. })
    }

    /// As [`KeySpec::positions`], where the count is whatever C's `atoi` makes of it.
    pub fn loose_positions(&self, argv: &[&[u8]], visit: impl FnMut(usize)) {
        let (Begin::Index(begin), Find::Count { num, first, step }) = (self.begin, self.find)
        else {
            return;
        };
        let text = argv.get(begin + num).copied().unwrap_or_default();
        let count = usize::try_from(number::parse_like_atoi(text)).unwrap_or(0);
        let start = begin + first;
        if count <= argv.len().saturating_sub(start) / step {
            (start..start + count * step).step_by(step).for_each(visit);
        }
    }

    /// Calls `visit` with the position of each key; false if the arguments don't fit.
    pub fn positions(&self, argv: &[&[u8]], mut visit: impl FnMut(usize)) -> bool {
        let begin = match self.begin {
            Begin::Index(index) if index >= argv.len() => return false,
            Begin::Index(index) => index,
            Begin::Keyword(word, from) => {
                let found = if from >= 0 {
                    (from as usize..argv.len())
                        .find(|at| argv[*at].eq_ignore_ascii_case(word.as_bytes()))
                } else {
                    let end = argv.len().saturating_sub(-from as usize - 1);
                    (1..end)
                        .rev()
                        .find(|at| argv[*at].eq_ignore_ascii_case(word.as_bytes()))
                };
                match found {
                    Some(at) => at + 1,
                    None => return true,
                }
            }
            Begin::Unknown => return true,
        };
        let (first, end, step) = match self.find {
            Find::Range { last, step, limit } => {
                let end = if last >= 0 {
                    begin + last as usize + 1
                } else if limit > 1 {
                    begin + (argv.len().saturating_sub(begin)) / limit
                } else {
                    (argv.len() + 1).saturating_sub(-last as usize)
                };
                (begin, end, step)
            }
            Find::Count { num, first, step } => {
                let Some(text) = argv.get(begin + num) else {
                    return false;
                };
                let Some(count) = number::parse_i64(text).filter(|count| *count >= 0) else {
                    return false;
                };
                let after = (count as u64).saturating_mul(step as u64);
                let end = after.saturating_add((begin + first) as u64);
                if end > argv.len() as u64 {
                    return false;
                }
                (begin + first, end as usize, step)
            }
            Find::Unknown => return true,
        };
        if end > argv.len() {
            return false;
        }
        (first..end).step_by(step).for_each(&mut visit);
        true
    }
}

/// COMMAND INFO's first key, last key and step, which can only tell of simple ranges.
pub fn legacy_range(specs: &[KeySpec]) -> (i32, i32, i32) {
    let mut range: Option<(i32, i32, i32)> = None;
    for spec in specs {
        let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
            continue;
        };
        let first = first as i32;
        let last = if last >= 0 { first + last } else { last };
        range = Some(match range {
            None => (first, last, step as i32),
            Some((from, to, step)) if to >= 0 && first == to + 1 => (from, last, step),
            Some(held) => held,
        });
    }
    range.unwrap_or((0, 0, 0))
}
