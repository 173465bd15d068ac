//! The options HIGHLIGHT and SUMMARIZE, and which fields of results they change.

use super::find::Hit;
use super::options::SearchWish;
use super::shown;
use crate::command::Fail;
use crate::search::{
    Definition, Expander, FoundWord, FragmentWish, QueryKind, QueryNode, SummaryWish, Words,
    each_word_at, expansions,
};
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

/// Puts found words into tags, or pieces of texts into the place of whole ones.
pub fn summarize(
    fields: &mut [(Vec<u8>, Vec<u8>)],
    definition: &Definition,
    hit: &Hit,
    wish: &SearchWish<'_>,
) {
    for (name, text) in fields {
        let made = wish.summary.of(name, wish.wanted.is_some());
        if made == FragmentWish::default() {
            continue;
        }
        let at = definition.field(name);
        let is_text = at.is_some_and(|at| definition.fields[at].bit().is_some());
        let words = match is_text {
            true => found_words(text, definition, hit, wish),
            false => Vec::new(),
        };
        if let Some(made) = made.apply(text, &words) {
            *text = made;
        }
    }
}

/// The words of a text by which a document was found: themselves, by their stems or by words that mean the same.
fn found_words(
    text: &[u8],
    definition: &Definition,
    hit: &Hit,
    wish: &SearchWish<'_>,
) -> Vec<FoundWord> {
    let (mut found, mut place) = (Vec::new(), 0);
    let anywhere = QueryNode::new(QueryKind::Every);
    each_word_at(text, |at, word| {
        if definition.is_stopword(&word) {
            return;
        }
        place += 1;
        let mut terms = expansions(
            &anywhere,
            &word,
            definition,
            wish.asked.language,
            Expander::default(),
        );
        terms.insert(0, word.into_bytes());
        // The stem as a word of its own is another word.
        terms.truncate(1 + terms[1..].iter().filter(|term| is_marked(term)).count());
        let is = |(held, _): &(Box<[u8]>, f64)| terms.iter().any(|term| **term == **held);
        if let Some(which) = hit.words.iter().position(is) {
            let worth = hit.words[which].1;
            found.push(FoundWord {
                at,
                place,
                which,
                worth,
            });
        }
    });
    found
}

/// Whether a term is no word: it has the sign of stems or synonyms.
fn is_marked(term: &[u8]) -> bool {
    matches!(term.first(), Some(b'+' | b'~' | b'<'))
}
