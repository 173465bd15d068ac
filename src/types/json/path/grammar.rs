//! The grammar of paths. Spaces may stand between its signs.

use super::JsonPath;
use super::part::{Compare, PathFilter, PathPart, PathTerm};
use super::peg::{PathRule, Peg};

/// How deep filters may stand in one another: more than anyone writes.
const FILTERS_MAX: usize = 32;
/// Parts of one path, those in its filters among them. Following it takes some stack for each.
pub const PARTS_MAX: usize = 256;

const TOO_LONG: &str = "ERR the path has too many parts";

/// Reads a path that begins with `$`.
pub fn parse(text: &str) -> Result<JsonPath, String> {
    let mut peg = Peg::new(text);
    match query(&mut peg) {
        _ if peg.parts > PARTS_MAX => Err(TOO_LONG.to_owned()),
        Some(parts) => Ok(JsonPath { parts }),
        None => Err(peg.error()),
    }
}

fn query(peg: &mut Peg<'_>) -> Option<Vec<PathPart>> {
    peg.sign("$")?;
    let parts = root(peg).unwrap_or_default();
    peg.spaces();
    peg.rule(PathRule::End, |peg| peg.is_at_end().then_some(()))?;
    Some(parts)
}

/// The steps of a path, at least one; the first may come without a dot.
fn root(peg: &mut Peg<'_>) -> Option<Vec<PathPart>> {
    peg.rule(PathRule::Root, |peg| {
        let mut parts = Vec::new();
        element(peg, &mut parts).or_else(|| {
            parts.push(literal(peg).or_else(|| all(peg))?);
            Some(())
        })?;
        peg.parts += parts.len();
        while peg.parts <= PARTS_MAX {
            let before = parts.len();
            let next = peg.attempt(|peg| {
                peg.spaces();
                element(peg, &mut parts)
            });
            if next.is_none() {
                break;
            }
            peg.parts += parts.len() - before;
        }
        Some(parts)
    })
}

/// One step. Nothing is added to the parts unless all of it is there.
fn element(peg: &mut Peg<'_>, parts: &mut Vec<PathPart>) -> Option<()> {
    let dotted = |peg: &mut Peg<'_>| {
        peg.sign(".")?;
        literal(peg)
    };
    if let Some(part) = peg.attempt(dotted) {
        parts.push(part);
        return Some(());
    }
    let scan = peg.attempt(|peg| {
        peg.rule(PathRule::FullScan, |peg| peg.word(".."))?;
        peg.spaces();
        literal(peg).or_else(|| all(peg)).or_else(|| bracketed(peg))
    });
    if let Some(part) = scan {
        parts.extend([PathPart::Deep, part]);
        return Some(());
    }
    let dotted_all = |peg: &mut Peg<'_>| {
        peg.sign(".")?;
        all(peg)
    };
    let part = peg.attempt(dotted_all).or_else(|| {
        peg.attempt(|peg| {
            let _dot = peg.sign(".");
            bracketed(peg)
        })
    })?;
    parts.push(part);
    Some(())
}

fn is_literal(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_`~+#%$^/:".contains(c)
}

fn literal(peg: &mut Peg<'_>) -> Option<PathPart> {
    let name = peg.rule(PathRule::Literal, |peg| peg.some(is_literal))?;
    Some(PathPart::Name(name.to_owned()))
}

fn all(peg: &mut Peg<'_>) -> Option<PathPart> {
    peg.rule(PathRule::All, |peg| peg.word("*"))?;
    Some(PathPart::All)
}

fn bracketed(peg: &mut Peg<'_>) -> Option<PathPart> {
    peg.attempt(|peg| {
        peg.sign("[")?;
        let part = range(peg)
            .or_else(|| places(peg))
            .or_else(|| names(peg))
            .or_else(|| all(peg))
            .or_else(|| {
                peg.attempt(|peg| {
                    peg.sign("?")?;
                    filter(peg).map(PathPart::Filter)
                })
            })?;
        peg.spaces();
        peg.word("]")?;
        Some(part)
    })
}

/// An integer without zeros in front of it.
fn take_number(peg: &mut Peg<'_>) -> Option<()> {
    let _sign = peg.word("-");
    match peg.word("0") {
        Some(()) => Some(()),
        None => peg.some(|c| c.is_ascii_digit()).map(drop),
    }
}

/// One that is too large for any place is as far out as can be.
fn number(peg: &mut Peg<'_>) -> Option<i64> {
    let at = peg.at();
    peg.rule(PathRule::Number, take_number)?;
    let text = peg.since(at);
    let far = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    Some(text.parse().unwrap_or(far))
}

fn places(peg: &mut Peg<'_>) -> Option<PathPart> {
    peg.rule(PathRule::NumbersList, |peg| {
        let mut places = vec![number(peg)?];
        while let Some(place) = peg.attempt(|peg| {
            peg.spaces();
            peg.sign(",")?;
            number(peg)
        }) {
            places.push(place);
        }
        Some(PathPart::Places(places))
    })
}

/// `from:to:step`, of which any may be left out.
fn range(peg: &mut Peg<'_>) -> Option<PathPart> {
    peg.rule(PathRule::NumbersRange, |peg| {
        let full = peg.rule(PathRule::FullRange, |peg| {
            let from = number(peg)?;
            peg.spaces();
            peg.sign(":")?;
            let to = number(peg)?;
            Some(PathPart::Range(Some(from), Some(to), step(peg)))
        });
        full.or_else(|| {
            peg.rule(PathRule::RightRange, |peg| {
                peg.sign(":")?;
                let to = number(peg)?;
                Some(PathPart::Range(None, Some(to), step(peg)))
            })
        })
        .or_else(|| {
            peg.rule(PathRule::AllRange, |peg| {
                peg.word(":")?;
                Some(PathPart::Range(None, None, step(peg)))
            })
        })
        .or_else(|| {
            peg.rule(PathRule::LeftRange, |peg| {
                let from = number(peg)?;
                peg.spaces();
                peg.word(":")?;
                Some(PathPart::Range(Some(from), None, step(peg)))
            })
        })
    })
}

fn step(peg: &mut Peg<'_>) -> usize {
    let said = peg.attempt(|peg| {
        peg.spaces();
        peg.word(":")?;
        let step = peg.attempt(|peg| {
            peg.spaces();
            peg.rule(PathRule::PositiveNumber, |peg| {
                let digits = peg.some(|c| c.is_ascii_digit())?;
                (!digits.starts_with('0')).then_some(digits)
            })
        });
        Some(step.map_or(1, |digits| digits.parse().unwrap_or(usize::MAX)))
    });
    said.unwrap_or(1)
}

fn names(peg: &mut Peg<'_>) -> Option<PathPart> {
    peg.rule(PathRule::StringList, |peg| {
        let mut names = vec![string(peg)?];
        while let Some(name) = peg.attempt(|peg| {
            peg.spaces();
            peg.sign(",")?;
            string(peg)
        }) {
            names.push(name);
        }
        Some(PathPart::Names(names))
    })
}

/// A text in quotes of either kind. Spaces at its beginning don't count.
fn string(peg: &mut Peg<'_>) -> Option<String> {
    let plain = |peg: &mut Peg<'_>, quote: &str| {
        peg.attempt(|peg| {
            peg.sign(quote)?;
            let text = peg.any(|c| !matches!(c, '"' | '\\' | '\''));
            peg.word(quote)?;
            Some(text.to_owned())
        })
    };
    plain(peg, "'")
        .or_else(|| plain(peg, "\""))
        .or_else(|| escaped(peg, '"'))
        .or_else(|| escaped(peg, '\''))
}

/// A text in which the quote and the backslash stand behind a backslash.
fn escaped(peg: &mut Peg<'_>, quote: char) -> Option<String> {
    let mut sign = [0; 4];
    let sign: &str = quote.encode_utf8(&mut sign);
    peg.attempt(|peg| {
        peg.sign(sign)?;
        let mut text = String::new();
        loop {
            text.push_str(peg.any(|c| c != quote && c != '\\'));
            if peg.word(sign).is_some() {
                return Some(text);
            }
            peg.word("\\")?;
            match peg.word("\\") {
                Some(()) => text.push('\\'),
                None => {
                    peg.word(sign)?;
                    text.push(quote);
                }
            }
        }
    })
}

fn filter(peg: &mut Peg<'_>) -> Option<PathFilter> {
    if peg.depth == FILTERS_MAX {
        return None;
    }
    peg.depth += 1;
    let taken = peg.rule(PathRule::Filter, |peg| {
        // What is joined by `&&`, and several such by `||`.
        let mut any = vec![vec![inner_filter(peg)?]];
        while let Some((is_and, next)) = peg.attempt(|peg| {
            peg.spaces();
            let and = peg.rule(PathRule::And, |peg| peg.word("&&"));
            if and.is_none() {
                peg.rule(PathRule::Or, |peg| peg.word("||"))?;
            }
            peg.spaces();
            Some((and.is_some(), inner_filter(peg)?))
        }) {
            match any.last_mut() {
                Some(all) if is_and => all.push(next),
                _ => any.push(vec![next]),
            }
        }
        Some(PathFilter::Any(any))
    });
    peg.depth -= 1;
    taken
}

fn inner_filter(peg: &mut Peg<'_>) -> Option<PathFilter> {
    single_filter(peg).or_else(|| {
        peg.attempt(|peg| {
            peg.sign("(")?;
            let filter = filter(peg)?;
            peg.spaces();
            peg.word(")")?;
            Some(filter)
        })
    })
}

fn single_filter(peg: &mut Peg<'_>) -> Option<PathFilter> {
    peg.rule(PathRule::SingleFilter, |peg| {
        let first = term(peg)?;
        let compared = peg.attempt(|peg| {
            peg.spaces();
            let compare = compare(peg)?;
            peg.spaces();
            Some((compare, term(peg)?))
        });
        Some(match compared {
            Some((compare, second)) => PathFilter::Compare(first, compare, second),
            None => PathFilter::Exists(first),
        })
    })
}

fn compare(peg: &mut Peg<'_>) -> Option<Compare> {
    [
        (PathRule::AtLeast, ">=", Compare::AtLeast),
        (PathRule::Above, ">", Compare::Above),
        (PathRule::AtMost, "<=", Compare::AtMost),
        (PathRule::Below, "<", Compare::Below),
        (PathRule::Equal, "==", Compare::Equal),
        (PathRule::Unequal, "!=", Compare::Unequal),
        (PathRule::Matches, "=~", Compare::Matches),
    ]
    .into_iter()
    .find_map(|(rule, word, compare)| peg.rule(rule, |peg| peg.word(word)).map(|()| compare))
}

fn term(peg: &mut Peg<'_>) -> Option<PathTerm> {
    let from = |peg: &mut Peg<'_>, rule, sign| {
        peg.rule(rule, |peg| {
            peg.word(sign)?;
            let parts = peg.attempt(|peg| {
                peg.spaces();
                root(peg)
            });
            Some(parts.unwrap_or_default())
        })
    };
    let word = |peg: &mut Peg<'_>, rule, word, term| {
        peg.rule(rule, |peg| peg.word(word))?;
        Some(term)
    };
    from(peg, PathRule::FromCurrent, "@")
        .map(PathTerm::FromHere)
        .or_else(|| from(peg, PathRule::FromRoot, "$").map(PathTerm::FromRoot))
        .or_else(|| decimal(peg))
        .or_else(|| string(peg).map(PathTerm::Text))
        .or_else(|| word(peg, PathRule::True, "true", PathTerm::Bool(true)))
        .or_else(|| word(peg, PathRule::False, "false", PathTerm::Bool(false)))
        .or_else(|| word(peg, PathRule::Null, "null", PathTerm::Null))
}

fn decimal(peg: &mut Peg<'_>) -> Option<PathTerm> {
    let at = peg.at();
    peg.rule(PathRule::Decimal, |peg| {
        take_number(peg)?;
        let _fraction = peg.attempt(|peg| {
            peg.word(".")?;
            peg.some(|c| c.is_ascii_digit())
        });
        Some(())
    })?;
    let text = peg.since(at);
    match text.parse() {
        Ok(n) => Some(PathTerm::Int(n)),
        Err(_) => text.parse().ok().map(PathTerm::Float),
    }
}
