//! What a grammar of paths is written with: text that is taken piece by piece, and a memory of what would have fitted.
//!
//! RedisJSON tells in its errors which rules it tried in vain at the farthest place that it reached. Its parser's generator
//! keeps count of them in a certain way, and so does this: of the rules that were tried at one place within another rule, only
//! the outer one is told of, unless it was a single one.

use std::fmt;

/// The rules that errors name, in the order in which errors list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathRule {
    End,
    Literal,
    StringList,
    PositiveNumber,
    Number,
    Decimal,
    NumbersList,
    NumbersRange,
    RightRange,
    AllRange,
    LeftRange,
    FullRange,
    FromCurrent,
    FromRoot,
    AtLeast,
    Above,
    AtMost,
    Below,
    Equal,
    Unequal,
    Matches,
    True,
    False,
    Null,
    SingleFilter,
    And,
    Or,
    Filter,
    All,
    FullScan,
    Root,
}

impl fmt::Display for PathRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            PathRule::End => "EOI",
            PathRule::Literal => "<string>",
            PathRule::StringList => "'<string>[,<string>,...]'",
            PathRule::PositiveNumber => "pos_number",
            PathRule::Number => "'<number>'",
            PathRule::Decimal => "decimal",
            PathRule::NumbersList => "'<number>[,<number>,...]'",
            PathRule::NumbersRange => "['start:end:steps']",
            PathRule::RightRange => "right_range",
            PathRule::AllRange => "all_range",
            PathRule::LeftRange => "left_range",
            PathRule::FullRange => "full_range",
            PathRule::FromCurrent => "from_current",
            PathRule::FromRoot => "from_root",
            PathRule::AtLeast => "ge",
            PathRule::Above => "gt",
            PathRule::AtMost => "le",
            PathRule::Below => "lt",
            PathRule::Equal => "eq",
            PathRule::Unequal => "ne",
            PathRule::Matches => "re",
            PathRule::True => "boolean_true",
            PathRule::False => "boolean_false",
            PathRule::Null => "null",
            PathRule::SingleFilter => "single_filter",
            PathRule::And => "and",
            PathRule::Or => "or",
            PathRule::Filter => "'[?(filter_expression)]'",
            PathRule::All => "'*'",
            PathRule::FullScan => "'..'",
            PathRule::Root => "root",
        })
    }
}

/// The text, how far it was taken, and what was tried in vain.
pub struct Peg<'t> {
    text: &'t str,
    at: usize,
    /// The farthest place at which a rule was tried in vain, and the rules.
    farthest: usize,
    tried: Vec<PathRule>,
    /// How deep filters stand in one another.
    pub depth: usize,
    /// Parts of the path until here, those in its filters among them.
    pub parts: usize,
}

impl<'t> Peg<'t> {
    pub fn new(text: &'t str) -> Self {
        Peg {
            text,
            at: 0,
            farthest: 0,
            tried: Vec::new(),
            depth: 0,
            parts: 0,
        }
    }

    fn tried_at(&self, at: usize) -> usize {
        match self.farthest == at {
            true => self.tried.len(),
            false => 0,
        }
    }

    /// Tries a rule. If it is in vain, nothing is taken.
    pub fn rule<T>(
        &mut self,
        rule: PathRule,
        take: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let at = self.at;
        let before = self.tried_at(at);
        let taken = self.attempt(take);
        if taken.is_none() {
            self.note(rule, at, before);
        }
        taken
    }

    /// Remembers a rule that was tried in vain, in the place of those within it.
    fn note(&mut self, rule: PathRule, at: usize, before: usize) {
        if self.tried_at(at) == before + 1 {
            return;
        }
        if at == self.farthest {
            self.tried.truncate(before);
        }
        if at > self.farthest {
            self.tried.clear();
            self.farthest = at;
        }
        if at == self.farthest {
            self.tried.push(rule);
        }
    }

    /// Tries to take something. If it is in vain, nothing is taken.
    pub fn attempt<T>(&mut self, take: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let at = self.at;
        let taken = take(self);
        if taken.is_none() {
            self.at = at;
        }
        taken
    }

    /// Takes this text.
    pub fn word(&mut self, word: &str) -> Option<()> {
        self.text[self.at..]
            .starts_with(word)
            .then(|| self.at += word.len())
    }

    /// Takes this text, and spaces behind it.
    pub fn sign(&mut self, sign: &str) -> Option<()> {
        self.word(sign)?;
        self.spaces();
        Some(())
    }

    /// Takes characters of this kind, at least one.
    pub fn some(&mut self, is_one: impl Fn(char) -> bool) -> Option<&'t str> {
        Some(self.any(is_one)).filter(|taken| !taken.is_empty())
    }

    /// Takes characters of this kind, if there are any.
    pub fn any(&mut self, is_one: impl Fn(char) -> bool) -> &'t str {
        let rest = &self.text[self.at..];
        let len = rest.find(|c| !is_one(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    pub fn spaces(&mut self) {
        self.any(|c| c == ' ');
    }

    pub fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    pub fn at(&self) -> usize {
        self.at
    }

    /// What was taken since then.
    pub fn since(&self, at: usize) -> &'t str {
        &self.text[at..self.at]
    }

    /// What was wrong, in RedisJSON's words.
    pub fn error(mut self) -> String {
        self.tried.sort();
        self.tried.dedup();
        let tried: Vec<String> = self.tried.iter().map(PathRule::to_string).collect();
        let tried = match tried.is_empty() {
            true => "parsing error".to_owned(),
            false => format!("expected one of the following: {}", tried.join(", ")),
        };
        let (text, at) = (self.text, self.farthest);
        match at == text.len() {
            true => format!("Error occurred on position {at}, \"{text} <<<<----\", {tried}."),
            false => format!(
                "Error occurred on position {at}, \"{} ---->>>> {}\", {tried}.",
                &text[..at],
                &text[at..]
            ),
        }
    }
}
