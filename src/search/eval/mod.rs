//! What a query finds in an index: for each part of it the documents, and what their scores are made of.
//!
//! Parts are worked out one after another, each into a sorted list. Parts that are alike share one.

mod effort;
mod explained;
mod found;
mod leaf;
mod lists;
mod meant;
mod phrase;
mod rarest;
mod score;
mod vector;

pub use effort::Effort;
pub use explained::{ScoreReason, explained};
pub use found::{Match, MatchKind, TermHits, WordWorth};
pub use meant::is_within_edits;
pub use score::{Scorer, Scoring, score, score_above};

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use hashbrown::HashMap;

use super::index::DocumentIndex;
use super::query::{Expander, QueryKind, QueryNode, expansions};
use super::tokens::Language;
use super::words::Refusal;
use lists::{both, common, either, without};
use meant::{MeantWords, TermWish};
use rarest::rarest_first;

/// What is wanted of an evaluation.
#[derive(Clone, Copy, Debug)]
pub struct EvalRules {
    /// Whether places of words matter to the score.
    pub places: bool,
    pub slop: Option<i64>,
    pub in_order: bool,
    /// Words that the beginning of one stands for, and the like: MAXPREFIXEXPANSIONS.
    pub expansions: usize,
    /// In which words of the query are read.
    pub language: Option<Language>,
    pub expander: Expander,
    /// Whether tags count in scores.
    pub scores_tags: bool,
    /// Whether it is to be told how many documents each part finds by itself.
    pub counts: bool,
}

impl Default for EvalRules {
    fn default() -> Self {
        EvalRules {
            places: false,
            slop: None,
            in_order: false,
            expansions: 200,
            language: None,
            expander: Expander::default(),
            scores_tags: true,
            counts: false,
        }
    }
}

/// Evaluates one query.
pub struct Evaluator<'i> {
    index: &'i DocumentIndex,
    rules: EvalRules,
    effort: &'i Effort<'i>,
    /// What single words and the like have found, for others that are alike.
    known: Rc<RefCell<HashMap<String, Rc<Match>>>>,
    /// So many words may still be sought among some documents alone, though they may come again in the query.
    alone: Rc<Cell<usize>>,
}

/// Words of a query that are sought among what was found before.
const ALONE_MAX: usize = 16;

impl<'i> Evaluator<'i> {
    pub fn new(index: &'i DocumentIndex, rules: EvalRules, effort: &'i Effort<'i>) -> Self {
        Evaluator {
            index,
            rules,
            effort,
            known: Rc::default(),
            alone: Rc::new(Cell::new(if rules.counts { 0 } else { ALONE_MAX })),
        }
    }

    /// What a query finds; nothing if it is late.
    pub fn run(&self, node: &QueryNode) -> Result<Rc<Match>, Refusal> {
        let found = self.eval(node, None);
        self.effort.check()?;
        // What was found of some parts alone may be too much.
        match self.effort.is_late() {
            true => Ok(Rc::new(Match::nothing())),
            false => Ok(found),
        }
    }

    /// What a part finds, among these documents if they are given.
    fn eval(&self, node: &QueryNode, among: Option<&[u64]>) -> Rc<Match> {
        if self.effort.is_over() {
            return Rc::new(Match::nothing());
        }
        let found = match &node.kind {
            QueryKind::All(parts) => Rc::new(self.all(node, parts, among)),
            QueryKind::Any(parts) => {
                let parts = parts.iter().map(|part| self.eval(part, among));
                self.any(parts.collect(), node.weight)
            }
            QueryKind::Not(part) => {
                let unwanted = self.eval(part, among);
                let docs = without(self.every(among), &unwanted.docs);
                let found = Match::new(docs, node.weight, MatchKind::Silent);
                Rc::new(found.expecting(self.index.docs.len()))
            }
            QueryKind::Optional(part) => {
                let kind = MatchKind::Optional(self.eval(part, among));
                let found = Match::new(self.every(among), node.weight, kind);
                Rc::new(found.expecting(self.index.docs.len()))
            }
            QueryKind::Nearest(nearest) => Rc::new(self.nearest(node, nearest)),
            QueryKind::Every | QueryKind::Within { .. } if among.is_some() => {
                self.leaf(node, among)
            }
            QueryKind::Word { .. } if among.is_some() && self.alone.get() > 0 => {
                self.alone.set(self.alone.get() - 1);
                return self.restricted(self.leaf(node, among), among);
            }
            _ => return self.restricted(self.known_leaf(node), among),
        };
        self.effort.hold(found.docs.len());
        self.restricted(found, among)
    }

    /// What a part without others finds: once for all that are alike.
    fn known_leaf(&self, node: &QueryNode) -> Rc<Match> {
        let key = format!("{} {node:?}", self.rules.places);
        let known = self.known.borrow().get(&key).cloned();
        known.unwrap_or_else(|| {
            let found = self.leaf(node, None);
            self.known.borrow_mut().insert(key, found.clone());
            found
        })
    }

    /// What a part without others finds.
    fn leaf(&self, node: &QueryNode, among: Option<&[u64]>) -> Rc<Match> {
        let index = self.index;
        let found = match &node.kind {
            QueryKind::Every => Match::new(self.every(among), node.weight, MatchKind::Virtual),
            QueryKind::Word { text, expand } => return self.word(node, text, *expand, among),
            QueryKind::Exact(texts) => return self.exact(node, texts),
            QueryKind::Affix(affix, text) => {
                return self.terms(node, MeantWords::Affix(*affix, text));
            }
            QueryKind::Pattern(pattern) => return self.terms(node, MeantWords::Pattern(pattern)),
            QueryKind::Fuzzy { text, edits } => {
                return self.terms(node, MeantWords::Fuzzy(text, *edits));
            }
            QueryKind::Tag { field, tests, .. } => return self.tags(*field, tests, node.weight),
            QueryKind::Range {
                field, low, high, ..
            } => self.range(*field, *low, *high),
            QueryKind::Geo {
                field,
                longitude,
                latitude,
                radius,
                unit,
                ..
            } => self.around(*field, (*longitude, *latitude), *radius, unit),
            QueryKind::Missing(field) => {
                let docs = index.missing[*field].keys().copied().collect();
                Match::new(docs, node.weight, MatchKind::Silent)
            }
            QueryKind::Within {
                field,
                radius,
                blob,
                ..
            } => self.within(node, *field, *radius, blob, among),
            _ => Match::nothing(),
        };
        self.effort.hold(found.docs.len());
        Rc::new(found)
    }

    /// All documents, or those among which others are sought.
    fn every(&self, among: Option<&[u64]>) -> Vec<u64> {
        match among {
            Some(among) => among.to_vec(),
            None => self.ticking(self.index.docs.keys().copied()).collect(),
        }
    }

    /// Gives others their turns on the way.
    fn ticking<T>(&self, items: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        items
            .inspect(|_| self.effort.tick(1))
            .take_while(|_| !self.effort.is_late())
    }

    fn word(
        &self,
        node: &QueryNode,
        text: &[u8],
        expand: bool,
        among: Option<&[u64]>,
    ) -> Rc<Match> {
        let mut texts = vec![text.to_vec()];
        if expand && let Ok(word) = std::str::from_utf8(text) {
            let (language, expander) = (self.rules.language, self.rules.expander);
            texts.extend(expansions(
                node,
                word,
                &self.index.definition,
                language,
                expander,
            ));
        }
        // A weight is that of the word itself.
        let weights = std::iter::once(node.weight).chain(std::iter::repeat(1.0));
        let places = self.rules.places;
        let found = texts.iter().zip(weights).filter_map(|(text, weight)| {
            let wish = TermWish {
                mask: node.mask,
                weight,
                places,
                among,
            };
            self.words(text, wish)
        });
        self.any(found.collect(), 1.0)
    }

    fn terms(&self, node: &QueryNode, wanted: MeantWords<'_>) -> Rc<Match> {
        let names = wanted.among(&self.index.terms);
        let found = self.expanded(names, node.mask, node.weight, self.rules.places);
        found.unwrap_or_else(|| Rc::new(Match::nothing()))
    }

    fn exact(&self, node: &QueryNode, texts: &[Vec<u8>]) -> Rc<Match> {
        if let [text] = texts {
            let found = self.words(text, TermWish::of(node, self.rules.places));
            return found.unwrap_or_else(|| Rc::new(Match::nothing()));
        }
        let mut parts = Vec::new();
        for text in texts {
            match self.words(text, TermWish::of(node, true)) {
                Some(part) => parts.push(part),
                None => return Rc::new(Match::new(Vec::new(), 1.0, MatchKind::Silent)),
            }
        }
        let docs = common(&parts);
        let docs = self.close(docs, &parts, 0, true);
        let least = parts.iter().map(|part| part.expected).min();
        let found = Match::new(docs, node.weight, MatchKind::All(parts));
        Rc::new(found.expecting(least.unwrap_or(0)))
    }

    fn all(&self, node: &QueryNode, parts: &[QueryNode], among: Option<&[u64]>) -> Match {
        let in_order = node.in_order.unwrap_or(self.rules.in_order);
        let slop = node.slop.or(self.rules.slop);
        let slop = slop
            .filter(|slop| *slop >= 0)
            .or(in_order.then_some(i64::MAX));
        let inner = Evaluator {
            rules: EvalRules {
                places: self.rules.places || slop.is_some(),
                ..self.rules
            },
            known: self.known.clone(),
            alone: self.alone.clone(),
            ..*self
        };
        // What says itself what it finds comes before what is sought among that.
        let is_open = |part: &QueryNode| {
            matches!(
                part.kind,
                QueryKind::Not(_)
                    | QueryKind::Optional(_)
                    | QueryKind::Every
                    | QueryKind::Within { .. }
            )
        };
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|at| (is_open(&parts[*at]), self.guess(&parts[*at])));
        let mut found: Vec<Option<Rc<Match>>> = parts.iter().map(|_| None).collect();
        let mut docs: Option<Vec<u64>> = among.map(<[u64]>::to_vec);
        for at in order {
            let part = inner.eval(&parts[at], docs.as_deref());
            docs = Some(match docs {
                Some(docs) => both(&docs, &part.docs),
                None => part.docs.clone(),
            });
            found[at] = Some(part);
        }
        let mut found: Vec<Rc<Match>> = found.into_iter().flatten().collect();
        let mut docs = docs.unwrap_or_default();
        if let Some(slop) = slop {
            docs = self.close(docs, &found, slop, in_order);
        }
        if !in_order {
            found = rarest_first(found);
        }
        let least = found.iter().map(|part| part.expected).min();
        Match::new(docs, node.weight, MatchKind::All(found)).expecting(least.unwrap_or(0))
    }

    /// How many documents a part may find, if it is sought the faster the fewer come into question: the rarest word comes
    /// first, but after what is sought everywhere in any case.
    fn guess(&self, node: &QueryNode) -> usize {
        match &node.kind {
            QueryKind::Word { text, .. } => {
                let list = self.index.terms.get(&text[..]);
                list.map_or(0, |list| list.len())
            }
            QueryKind::All(_) | QueryKind::Any(_) => usize::MAX,
            _ => 0,
        }
    }

    /// Those of the documents in which the parts stand so close to each other.
    fn close(&self, docs: Vec<u64>, parts: &[Rc<Match>], slop: i64, in_order: bool) -> Vec<u64> {
        let near = |doc: &u64| {
            self.effort.turns.tick(parts.len());
            phrase::is_close(*doc, parts, slop, in_order)
        };
        docs.into_iter().filter(near).collect()
    }

    /// A part with no other documents than these, if they are given. What its parts know of others does no harm.
    fn restricted(&self, found: Rc<Match>, among: Option<&[u64]>) -> Rc<Match> {
        let Some(among) = among else {
            return found;
        };
        let kind = match &found.kind {
            // What stands beside the documents goes by their places in the list.
            MatchKind::Term(_) | MatchKind::First(_) | MatchKind::Distances { .. } => return found,
            MatchKind::Virtual => MatchKind::Virtual,
            MatchKind::Number => MatchKind::Number,
            MatchKind::Silent => MatchKind::Silent,
            MatchKind::All(parts) => MatchKind::All(parts.clone()),
            MatchKind::Any(parts) => MatchKind::Any(parts.clone()),
            MatchKind::Nothing => MatchKind::Nothing,
            MatchKind::Optional(part) => MatchKind::Optional(part.clone()),
        };
        let docs = both(&found.docs, among);
        self.effort.hold(docs.len());
        Rc::new(Match::new(docs, found.weight, kind).expecting(found.expected))
    }

    /// A part that finds what any of these finds. One alone is itself.
    fn any(&self, mut parts: Vec<Rc<Match>>, weight: f64) -> Rc<Match> {
        parts.retain(|part| !matches!(part.kind, MatchKind::Nothing));
        match parts.len() {
            0 | 1 => parts.pop().unwrap_or_else(|| Rc::new(Match::nothing())),
            _ => self.joined(parts, weight),
        }
    }

    /// One part of several, even if there is one alone.
    fn joined(&self, parts: Vec<Rc<Match>>, weight: f64) -> Rc<Match> {
        // Parts that are alike are one list.
        let mut lists: Vec<&[u64]> = parts.iter().map(|part| &part.docs[..]).collect();
        lists.sort_unstable_by_key(|list| (list.len(), list.as_ptr()));
        lists.dedup_by_key(|list| list.as_ptr());
        let mut joined: VecDeque<Vec<u64>> = lists.into_iter().map(<[u64]>::to_vec).collect();
        while joined.len() > 1 && !self.effort.is_over() {
            let (one, other) = (joined.pop_front(), joined.pop_front());
            let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
            self.effort.turns.tick(one.len() + other.len());
            joined.push_back(either(&one, &other));
        }
        let docs = joined.pop_front().unwrap_or_default();
        let expected = parts.iter().map(|part| part.expected).sum();
        Rc::new(Match::new(docs, weight, MatchKind::Any(parts)).expecting(expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_alike_share_a_list_and_too_many_others_are_refused() {
        let index = crate::search::live::tests::index_of_words(40, &["one", "two", "three"]);
        let turns = crate::util::turns::Turns::none();
        let word = |text: &str| {
            let text = text.as_bytes().to_vec();
            QueryNode::new(QueryKind::Word {
                text,
                expand: false,
            })
        };
        let find = |words: &[&str], bytes_max: usize| {
            let parts = words.iter().map(|text| word(text)).collect();
            let node = QueryNode::new(QueryKind::Any(parts));
            let effort = Effort::new(&turns, index.docs.len(), bytes_max);
            Evaluator::new(&index, EvalRules::default(), &effort).run(&node)
        };
        let room = 1600;
        let found = find(&["one", "two", "one", "one", "one", "one", "one"], room).unwrap();
        assert_eq!(found.docs.len(), 40);
        let MatchKind::Any(parts) = &found.kind else {
            panic!("it is made of parts: {found:?}");
        };
        assert!(Rc::ptr_eq(&parts[0], &parts[2]) && Rc::ptr_eq(&parts[0], &parts[6]));
        assert!(find(&["one", "two", "three"], room).is_err());
        assert!(find(&["one", "two", "three"], 2 * room).is_ok());
    }
}
