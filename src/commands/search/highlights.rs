//! The options HIGHLIGHT and SUMMARIZE, and which fields of results they change.

use super::shown;
use crate::command::Fail;
use crate::search::{Definition, FragmentWish, SummaryWish, Words};
use crate::util::number;

/// The error of who wants found words shown where it is not kept where they stand.
const NO_PLACES: &str =
    "Cannot use highlight/summarize because NOOFSETS was specified at index level";

/// What is asked of the texts of results.
#[derive(Default)]
pub struct SummaryOptions<'a> {
    highlight: Option<Tags<'a>>,
    summarize: Option<(Option<&'a [&'a [u8]]>, SummaryWish)>,
}

struct Tags<'a> {
    fields: Option<&'a [&'a [u8]]>,
    open: &'a [u8],
    close: &'a [u8],
}

/// Takes so many names of fields.
fn fields<'a>(words: &mut Words<'a>, option: &'static str) -> Result<&'a [&'a [u8]], Fail> {
    let bad = || Fail::code(format!("Bad arguments for {option}"));
    let count = words.count(option).map_err(|_| bad())?;
    let taken = words.take(option, count).map_err(|_| bad())?;
    match taken.is_empty() {
        true => Err(bad()),
        false => Ok(taken),
    }
}

fn count(words: &mut Words<'_>) -> Result<usize, Fail> {
    let read = words.maybe().and_then(number::parse_i64);
    let read = read.and_then(|n| usize::try_from(n).ok());
    read.ok_or(Fail::code("Bad arguments for SUMMARIZE"))
}

impl<'a> SummaryOptions<'a> {
    pub fn is_asked(&self) -> bool {
        self.highlight.is_some() || self.summarize.is_some()
    }

    /// Takes one of the options, if it comes next.
    pub fn option(&mut self, words: &mut Words<'a>) -> Result<bool, Fail> {
        if words.word("HIGHLIGHT") {
            self.highlight = Some(read_highlight(words)?);
        } else if words.word("SUMMARIZE") {
            self.summarize = Some(read_summarize(words)?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Refuses what an index or its fields can't do.
    pub fn check(&self, definition: &Definition, returns: bool) -> Result<(), Fail> {
        let without = ["NOHL", "NOOFFSETS"];
        if self.is_asked() && without.iter().any(|word| definition.has(word)) {
            return Err(Fail::code(NO_PLACES));
        }
        let unknown = |name: &&[u8]| definition.field_or_path(name).is_none();
        match self.names().find(unknown).filter(|_| !returns) {
            Some(name) => Err(Fail::code(format!("No such property `{}`", shown(name)))),
            None => Ok(()),
        }
    }

    /// The fields that are named here.
    pub fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        let highlighted = self.highlight.as_ref().and_then(|tags| tags.fields);
        let summarized = self.summarize.as_ref().and_then(|(fields, _)| *fields);
        let all = [highlighted, summarized].into_iter().flatten().flatten();
        all.copied()
    }

    /// What becomes of a field. Where fields are named, here or by RETURN, others stay as they are.
    pub fn of(&self, name: &[u8], returned: bool) -> FragmentWish {
        let is_named = returned || self.names().any(|held| held == name);
        let some_named = self.names().next().is_some();
        if some_named && !is_named {
            return FragmentWish::default();
        }
        let reaches =
            |fields: &Option<&[&[u8]]>| fields.is_none_or(|fields| fields.contains(&name));
        let tags = self.highlight.as_ref().filter(|tags| reaches(&tags.fields));
        let summary = self
            .summarize
            .as_ref()
            .filter(|(fields, _)| reaches(fields));
        FragmentWish {
            tags: tags.map(|tags| (tags.open.to_vec(), tags.close.to_vec())),
            summary: summary.map(|(_, summary)| summary.clone()),
        }
    }
}

fn read_highlight<'a>(words: &mut Words<'a>) -> Result<Tags<'a>, Fail> {
    let mut tags = Tags {
        fields: None,
        open: b"<b>",
        close: b"</b>",
    };
    loop {
        if words.word("FIELDS") {
            tags.fields = Some(fields(words, "HIGHLIGHT")?);
        } else if words.word("TAGS") {
            let pair = words.maybe().zip(words.maybe());
            let bad = Fail::code("Bad arguments for HIGHLIGHT");
            (tags.open, tags.close) = pair.ok_or(bad)?;
        } else {
            return Ok(tags);
        }
    }
}

/// Names of fields, or nothing where all are meant.
type NamedFields<'a> = Option<&'a [&'a [u8]]>;

fn read_summarize<'a>(words: &mut Words<'a>) -> Result<(NamedFields<'a>, SummaryWish), Fail> {
    let mut named = None;
    let mut wish = SummaryWish {
        count: 3,
        words: 20,
        separator: b"... ".to_vec(),
    };
    loop {
        if words.word("FIELDS") {
            named = Some(fields(words, "SUMMARIZE")?);
        } else if words.word("FRAGS") {
            wish.count = count(words)?;
        } else if words.word("LEN") {
            wish.words = count(words)?;
        } else if words.word("SEPARATOR") {
            let text = words.maybe();
            wish.separator = text
                .ok_or(Fail::code("Bad arguments for SUMMARIZE"))?
                .to_vec();
        } else {
            return Ok((named, wish));
        }
    }
}
