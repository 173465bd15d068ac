//! The grammar of the first dialect, which binds otherwise than the second: an alternative reaches over one part on each
//! side of its sign, a negation as far as parts without signs go, and a field over one part or words in a row.

use super::join::{both, either, restrict};
use super::special::{attribute, geo_range};
use super::tokens::{PlacedToken, QueryToken, tokens};
use super::{Affix, QueryKind, QueryNode, QueryRules, TagTest};
use crate::search::schema::FieldKind;
use crate::search::tokens::lower;
use crate::search::words::Refusal;

/// Parts within parts.
const DEPTH_MAX: usize = 128;

/// What stands before a part, and so which tokens end it.
#[derive(Clone, Copy, PartialEq)]
enum NegationReach {
    Whole,
    Negation,
    Option,
}

/// A part; nothing where only words stood that are passed over.
type MaybeNode = Option<QueryNode>;

struct FirstReader<'q> {
    tokens: Vec<PlacedToken>,
    at: usize,
    depth: usize,
    /// How many negations and the like stand around: words inside stand for themselves alone.
    shielded: usize,
    rules: &'q QueryRules<'q>,
}

/// Reads a query in the first dialect.
pub fn parse_first(text: &[u8], rules: &QueryRules<'_>) -> Result<QueryNode, Refusal> {
    let is_stopword = |word: &str| !rules.no_stopwords && rules.definition.is_stopword(word);
    let mut reader = FirstReader {
        tokens: tokens(text, is_stopword),
        at: 0,
        depth: 0,
        shielded: 0,
        rules,
    };
    let held = match reader.tokens.as_slice() {
        [] => None,
        [only] if only.token == QueryToken::Sign(b'*') => {
            reader.at = 1;
            Some(QueryNode::new(QueryKind::Every))
        }
        _ => reader.parts(NegationReach::Whole)?,
    };
    if reader.at < reader.tokens.len() {
        return Err(reader.error());
    }
    let mut node = held.unwrap_or_else(|| QueryNode::new(QueryKind::Nothing));
    restrict(&mut node, rules.in_fields);
    Ok(node)
}

/// What both parts say; one alone is itself.
fn joined(
    one: MaybeNode,
    other: MaybeNode,
    join: fn(QueryNode, QueryNode) -> QueryNode,
) -> MaybeNode {
    match (one, other) {
        (Some(one), Some(other)) => Some(join(one, other)),
        (one, other) => one.or(other),
    }
}

impl FirstReader<'_> {
    fn peek(&self) -> Option<&QueryToken> {
        self.tokens.get(self.at).map(|held| &held.token)
    }

    fn sign(&mut self, sign: u8) -> bool {
        let hit = self.peek() == Some(&QueryToken::Sign(sign));
        self.at += usize::from(hit);
        hit
    }

    /// The error of the token that comes next; of the last one, where there is none.
    fn error(&self) -> Refusal {
        let at = self.at.min(self.tokens.len().saturating_sub(1));
        let (at, near) = self.tokens.get(at).map_or((0, String::new()), |held| {
            (held.at, String::from_utf8_lossy(&held.near).into_owned())
        });
        format!("Syntax error at offset {at} near {near}")
    }

    fn expect(&mut self, sign: u8) -> Result<(), Refusal> {
        match self.sign(sign) {
            true => Ok(()),
            false => Err(self.error()),
        }
    }

    /// Whether a part that must hold as well comes next.
    fn goes_on(&self, reach: NegationReach) -> bool {
        match self.peek() {
            Some(QueryToken::Sign(b'-')) => reach != NegationReach::Negation,
            Some(QueryToken::Sign(b'~')) => reach == NegationReach::Whole,
            Some(QueryToken::Sign(b'"')) => reach != NegationReach::Negation,
            Some(QueryToken::Sign(sign)) => matches!(sign, b'(' | b'%'),
            Some(QueryToken::Attribute(_) | QueryToken::Arrow) | None => false,
            Some(_) => true,
        }
    }

    /// Parts that must all hold.
    fn parts(&mut self, reach: NegationReach) -> Result<MaybeNode, Refusal> {
        let mut held = self.alternatives()?;
        while self.goes_on(reach) {
            let next = self.alternatives()?;
            held = joined(held, next, both);
        }
        Ok(held)
    }

    /// Parts of which one must hold.
    fn alternatives(&mut self) -> Result<MaybeNode, Refusal> {
        let mut held = self.attributed()?;
        while self.sign(b'|') {
            let next = self.attributed()?;
            held = joined(held, next, either);
        }
        Ok(held)
    }

    fn attributed(&mut self) -> Result<MaybeNode, Refusal> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(
                "Parser stack overflow. Try moving nested parentheses more to the left".into(),
            );
        }
        let mut node = self.part()?;
        while self.peek() == Some(&QueryToken::Arrow) {
            self.at += 1;
            self.attributes(&mut node)?;
        }
        self.depth -= 1;
        Ok(node)
    }

    fn attributes(&mut self, node: &mut MaybeNode) -> Result<(), Refusal> {
        self.expect(b'{')?;
        while !self.sign(b'}') {
            let Some(QueryToken::Attribute(name)) = self.peek().cloned() else {
                return Err(self.error());
            };
            self.at += 1;
            self.expect(b':')?;
            let value = match self.peek().cloned() {
                Some(QueryToken::Term(word) | QueryToken::Number(_, word)) => word,
                _ => return Err(self.error()),
            };
            self.at += 1;
            if let Some(node) = node {
                attribute(node, &name, &value, self.rules.definition)?;
            }
            if !self.sign(b';') && self.peek() != Some(&QueryToken::Sign(b'}')) {
                return Err(self.error());
            }
        }
        Ok(())
    }

    fn part(&mut self) -> Result<MaybeNode, Refusal> {
        let Some(token) = self.peek().cloned() else {
            return Err(self.error());
        };
        match token {
            QueryToken::Term(_) | QueryToken::Number(..) => Ok(Some(self.words())),
            QueryToken::Stopword(_) => {
                self.at += 1;
                Ok(None)
            }
            QueryToken::Prefix(word) => Ok(Some(self.affix(Affix::Prefix, &word))),
            QueryToken::Suffix(word) => Ok(Some(self.affix(Affix::Suffix, &word))),
            QueryToken::Infix(word) => Ok(Some(self.affix(Affix::Infix, &word))),
            QueryToken::Field(name) => {
                self.at += 1;
                self.field(name)
            }
            QueryToken::Sign(b'(') => {
                self.at += 1;
                let held = self.parts(NegationReach::Whole)?;
                self.expect(b')')?;
                Ok(held)
            }
            QueryToken::Sign(b'"') => self.quoted(),
            QueryToken::Sign(b'%') => self.fuzzy(),
            QueryToken::Sign(b'-') => {
                let held = self.shielded(NegationReach::Negation)?;
                Ok(held.map(|part| QueryNode::new(QueryKind::Not(Box::new(part)))))
            }
            QueryToken::Sign(b'~') => {
                let held = self.shielded(NegationReach::Option)?;
                Ok(held.map(|part| QueryNode::new(QueryKind::Optional(Box::new(part)))))
            }
            _ => Err(self.error()),
        }
    }

    fn affix(&mut self, affix: Affix, word: &[u8]) -> QueryNode {
        self.at += 1;
        QueryNode::new(QueryKind::Affix(affix, lower(word).into_bytes()))
    }

    fn shielded(&mut self, reach: NegationReach) -> Result<MaybeNode, Refusal> {
        self.at += 1;
        self.shielded += 1;
        let held = self.parts(reach);
        self.shielded -= 1;
        held
    }

    fn word(&self, word: &[u8], expand: bool) -> QueryNode {
        QueryNode::new(QueryKind::Word {
            text: lower(word).into_bytes(),
            expand: expand && self.shielded == 0 && !self.rules.verbatim,
        })
    }

    /// Words in a row, the first of which comes next. Those that are passed over don't end the row, behind the second, nor do
    /// numbers, unless that is so.
    fn row(&mut self, ends_at_numbers: bool) -> Vec<Vec<u8>> {
        let mut words = Vec::new();
        loop {
            match self.peek() {
                Some(QueryToken::Number(..)) if ends_at_numbers && words.len() > 1 => return words,
                Some(QueryToken::Term(word) | QueryToken::Number(_, word)) => {
                    words.push(word.clone())
                }
                Some(QueryToken::Stopword(_)) if words.len() > 1 => {}
                _ => return words,
            }
            self.at += 1;
        }
    }

    fn words(&mut self) -> QueryNode {
        let words = self.row(true);
        let mut nodes: Vec<QueryNode> = words.iter().map(|word| self.word(word, true)).collect();
        match nodes.len() {
            1 => nodes.remove(0),
            _ => QueryNode::new(QueryKind::All(nodes)),
        }
    }

    fn quoted(&mut self) -> Result<MaybeNode, Refusal> {
        self.at += 1;
        let words = self.row(false);
        if words.is_empty() || !self.sign(b'"') {
            return Err(self.error());
        }
        Ok(Some(match words.as_slice() {
            [word] => self.word(word, false),
            _ => {
                let words = words.iter().map(|word| lower(word).into_bytes());
                QueryNode::new(QueryKind::Exact(words.collect()))
            }
        }))
    }

    fn fuzzy(&mut self) -> Result<MaybeNode, Refusal> {
        let mut edits = 0;
        while edits < 3 && self.sign(b'%') {
            edits += 1;
        }
        let word = match self.peek().cloned() {
            Some(
                QueryToken::Term(word) | QueryToken::Number(_, word) | QueryToken::Stopword(word),
            ) => word,
            _ => return Err(self.error()),
        };
        self.at += 1;
        for _ in 0..edits {
            self.expect(b'%')?;
        }
        let text = lower(&word).into_bytes();
        Ok(Some(QueryNode::new(QueryKind::Fuzzy { text, edits })))
    }

    /// What stands behind the name of a field: more names, and what is sought in them.
    fn field(&mut self, name: Vec<u8>) -> Result<MaybeNode, Refusal> {
        let mut names = vec![name];
        while self.sign(b'|') {
            match self.peek().cloned() {
                Some(QueryToken::Term(name) | QueryToken::Number(_, name)) => names.push(name),
                _ => return Err(self.error()),
            }
            self.at += 1;
        }
        self.expect(b':')?;
        if let [name] = names.as_slice() {
            if self.sign(b'{') {
                return self.tags(name);
            }
            if self.sign(b'[') {
                return self.brackets(name);
            }
        }
        let definition = self.rules.definition;
        let bits = names
            .iter()
            .filter_map(|name| definition.fields[definition.field(name)?].bit());
        let mask = bits.fold(0, |mask, bit| mask | 1 << bit);
        let mut held = self.alternatives()?;
        if let Some(node) = &mut held {
            restrict(node, mask);
        }
        Ok(held)
    }

    /// Tags up to the closing brace, which ends only one of several lists of alternatives, and may be missing.
    fn tags(&mut self, name: &[u8]) -> Result<MaybeNode, Refusal> {
        let definition = self.rules.definition;
        let field = definition.field(name);
        let kind = field.map(|at| &definition.fields[at].kind);
        let cased = matches!(
            kind,
            Some(FieldKind::Tag {
                case_sensitive: true,
                ..
            })
        );
        let fold = |word: &[u8]| match cased {
            true => word.to_vec(),
            false => lower(word).into_bytes(),
        };
        let mut tests = Vec::new();
        loop {
            let token = self.peek().cloned();
            self.at += 1;
            tests.push(match token {
                Some(QueryToken::Prefix(word)) => TagTest::Affix(Affix::Prefix, fold(&word)),
                Some(QueryToken::Suffix(word)) => TagTest::Affix(Affix::Suffix, fold(&word)),
                Some(QueryToken::Infix(word)) => TagTest::Affix(Affix::Infix, fold(&word)),
                Some(QueryToken::Stopword(word)) => TagTest::Is(fold(&word)),
                Some(QueryToken::Term(_) | QueryToken::Number(..)) => {
                    self.at -= 1;
                    let words = self.row(false);
                    // Words in a row are one tag.
                    TagTest::Is(fold(&words.join(&b' ')))
                }
                _ => {
                    self.at -= 1;
                    return Err(self.error());
                }
            });
            while self.sign(b'}') {}
            if !self.sign(b'|') {
                break;
            }
        }
        let kind = QueryKind::Tag {
            field,
            name: name.to_vec(),
            tests,
        };
        Ok(field.map(|_| QueryNode::new(kind)))
    }

    fn number(&mut self) -> Result<(f64, bool), Refusal> {
        let (mut open, mut minus) = (false, false);
        loop {
            if self.sign(b'(') {
                open = true;
            } else if self.sign(b'-') {
                minus = !minus;
            } else {
                break;
            }
        }
        let Some(QueryToken::Number(n, _)) = self.peek() else {
            return Err(self.error());
        };
        let n = if minus { -n } else { *n };
        self.at += 1;
        Ok((n, open))
    }

    /// A range of numbers, or a place with a radius.
    fn brackets(&mut self, name: &[u8]) -> Result<MaybeNode, Refusal> {
        let field = self.rules.definition.field(name);
        let (low, high) = (self.number()?, self.number()?);
        let kind = match self.peek() {
            Some(QueryToken::Sign(b']')) => QueryKind::Range {
                field,
                name: name.to_vec(),
                low,
                high,
            },
            _ => {
                let (radius, _) = self.number()?;
                let Some(QueryToken::Term(unit)) = self.peek().cloned() else {
                    return Err(self.error());
                };
                self.at += 1;
                geo_range(field, name, (low.0, high.0), radius, &unit)?
            }
        };
        self.expect(b']')?;
        Ok(field.map(|_| QueryNode::new(kind)))
    }
}
