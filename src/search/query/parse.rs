//! The grammar of words and what joins them: unions, intersections, negations, phrases.

use super::first::parse_first;
use super::join::{both, either, restrict};
use super::lex::is_word_byte;
use super::parser::Parser;
use super::special::{NO_EMPTY, attributes, field_part, nearest, tail_of_range};
use super::tokens::unescaped;
use super::{Affix, QueryKind, QueryNode, QueryRules};
use crate::search::tokens::{each_word, lower};
use crate::search::words::Refusal;

/// Parts within parts.
const DEPTH_MAX: usize = 128;

/// Reads a query.
pub fn parse(text: &[u8], rules: &QueryRules<'_>) -> Result<QueryNode, Refusal> {
    if rules.dialect == 1 {
        return parse_first(text, rules);
    }
    let mut parser = Parser::new(text, rules);
    parser.lexer.gap();
    if parser.lexer.rest().is_empty() {
        return Ok(QueryNode::new(QueryKind::Nothing));
    }
    let mut node = match parser.every() {
        true => QueryNode::new(QueryKind::Every),
        false => parser.union()?,
    };
    if parser.lexer.take(b"=>") {
        node = nearest(&mut parser, node)?;
    }
    parser.lexer.gap();
    match parser.lexer.rest().is_empty() {
        true => {
            restrict(&mut node, rules.in_fields);
            Ok(node)
        }
        false => Err(parser.lexer.error()),
    }
}

impl Parser<'_> {
    /// Takes `*` if it is the whole query, or all of it that stands before vectors.
    fn every(&mut self) -> bool {
        let before = self.lexer.at;
        let mut depth = 0;
        while self.lexer.take(b"(") {
            depth += 1;
        }
        let is_star = self.lexer.take(b"*");
        let closed = is_star && (0..depth).all(|_| self.lexer.take(b")"));
        self.lexer.blanks();
        let rest = self.lexer.rest();
        let alone = closed && (rest.is_empty() || rest.starts_with(b"=>"));
        if !alone {
            self.lexer.at = before;
        }
        alone
    }

    /// Alternatives.
    pub fn union(&mut self) -> Result<QueryNode, Refusal> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("Query is too deep".into());
        }
        let mut held = self.intersection()?;
        while self.lexer.take(b"|") {
            let next = self.intersection()?;
            held = joined(held, next, either);
        }
        self.depth -= 1;
        Ok(held)
    }

    /// What must all hold.
    fn intersection(&mut self) -> Result<QueryNode, Refusal> {
        let mut held = self.unary()?;
        loop {
            self.lexer.gap();
            match self.lexer.peek() {
                None | Some(b'|' | b')') => return Ok(held),
                Some(_) if self.lexer.rest().starts_with(b"=>") => return Ok(held),
                Some(_) => {
                    let next = self.chain()?;
                    held = joined(held, next, both);
                }
            }
        }
    }

    /// A part with those behind it that bind to it more tightly than others do.
    fn chain(&mut self) -> Result<QueryNode, Refusal> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("Query is too deep".into());
        }
        let mut node = self.unary()?;
        if self.is_tight() {
            let rest = self.chain()?;
            node = joined(node, rest, both);
        }
        self.depth -= 1;
        Ok(node)
    }

    /// Whether a part comes next that binds tightly: a number, a parameter, a word of which only a part is known.
    fn is_tight(&self) -> bool {
        let mut ahead = self.lexer.clone();
        ahead.gap();
        let rest = ahead.rest();
        let begins = |at: usize| {
            let next = rest.get(at);
            next.is_some_and(|byte| is_word_byte(*byte) || matches!(byte, b'\\' | b'$'))
        };
        match rest.first() {
            Some(b'%') => true,
            Some(b'*' | b'$') => begins(1),
            _ if rest.starts_with(b"w'") && rest[2..].contains(&b'\'') => true,
            _ if ahead.number_word().is_some() => true,
            _ => ahead.word().is_some() && ahead.peek() == Some(b'*'),
        }
    }

    pub fn unary(&mut self) -> Result<QueryNode, Refusal> {
        self.lexer.gap();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("Query is too deep".into());
        }
        let node = if let Some(text) = self.lexer.number_word() {
            let mut node = QueryNode::new(QueryKind::Word {
                text,
                expand: false,
            });
            attributes(self, &mut node)?;
            node
        } else if self.lexer.take(b"-") {
            self.shielded(QueryKind::Not)?
        } else if self.lexer.take(b"~") {
            self.shielded(QueryKind::Optional)?
        } else {
            let mut node = self.primary()?;
            attributes(self, &mut node)?;
            node
        };
        self.depth -= 1;
        Ok(node)
    }

    fn shielded(&mut self, make: fn(Box<QueryNode>) -> QueryKind) -> Result<QueryNode, Refusal> {
        self.shielded += 1;
        let node = self.chain()?;
        self.shielded -= 1;
        Ok(match node.kind {
            QueryKind::Nothing => node,
            _ => QueryNode::new(make(Box::new(node))),
        })
    }

    fn primary(&mut self) -> Result<QueryNode, Refusal> {
        match self.lexer.peek() {
            Some(b'(') => {
                self.lexer.at += 1;
                let node = self.union()?;
                self.lexer.gap();
                self.lexer.expect(b")")?;
                Ok(node)
            }
            Some(b'"') => {
                self.lexer.at += 1;
                self.phrase()
            }
            Some(b'\'') if self.lexer.rest().starts_with(b"''") => {
                self.lexer.at += 2;
                Ok(QueryNode::new(QueryKind::Word {
                    text: Vec::new(),
                    expand: false,
                }))
            }
            Some(b'@') => self.field(),
            Some(b'%') => self.fuzzy(),
            Some(b'*') => self.star(),
            _ => self.word(),
        }
    }

    fn phrase(&mut self) -> Result<QueryNode, Refusal> {
        let text = self.lexer.quoted(b'"')?;
        let mut words = Vec::new();
        each_word(text, |word| words.push(word.into_bytes()));
        Ok(QueryNode::new(match words.is_empty() {
            true => QueryKind::Word {
                text: Vec::new(),
                expand: false,
            },
            false => QueryKind::Exact(words),
        }))
    }

    /// `%word%`, with one to three signs on each side.
    fn fuzzy(&mut self) -> Result<QueryNode, Refusal> {
        let mut edits = 0;
        while self.lexer.peek() == Some(b'%') && edits < 3 {
            self.lexer.at += 1;
            edits += 1;
        }
        self.lexer.blanks();
        let text = self.text()?;
        for _ in 0..edits {
            self.lexer.expect(b"%")?;
        }
        Ok(QueryNode::new(QueryKind::Fuzzy { text, edits }))
    }

    /// Words of which only the end or the middle is known.
    fn star(&mut self) -> Result<QueryNode, Refusal> {
        self.lexer.at += 1;
        let next = self.lexer.peek();
        let begins = next.is_some_and(|byte| is_word_byte(byte) || matches!(byte, b'\\' | b'$'));
        if !begins {
            self.lexer.at -= 1;
            return Err(self.lexer.error());
        }
        let text = self.text()?;
        let affix = match self.lexer.peek() {
            Some(b'*') => {
                self.lexer.at += 1;
                Affix::Infix
            }
            _ => Affix::Suffix,
        };
        Ok(QueryNode::new(QueryKind::Affix(affix, text)))
    }

    /// A word or the parameter that stands for it, in lower case.
    fn text(&mut self) -> Result<Vec<u8>, Refusal> {
        let text = match self.parameter()? {
            Some(text) => text,
            None => self.lexer.word().ok_or_else(|| self.lexer.error())?,
        };
        Ok(lower(&text).into_bytes())
    }

    fn word(&mut self) -> Result<QueryNode, Refusal> {
        let rest = self.lexer.rest();
        if rest.starts_with(b"w'") && rest[2..].contains(&b'\'') {
            self.lexer.at += 2;
            let pattern = unescaped(self.lexer.quoted(b'\'')?);
            let pattern = lower(&pattern).into_bytes();
            return Ok(QueryNode::new(QueryKind::Pattern(pattern)));
        }
        if rest.len() > 10 && rest[..10].eq_ignore_ascii_case(b"ismissing(") {
            self.lexer.at += 10;
            return self.missing();
        }
        let text = self.text()?;
        if self.lexer.peek() == Some(b'*') {
            self.lexer.at += 1;
            return Ok(QueryNode::new(QueryKind::Affix(Affix::Prefix, text)));
        }
        let rules = self.rules;
        let is_stopword = |word| rules.definition.is_stopword(word) && !rules.no_stopwords;
        if std::str::from_utf8(&text).is_ok_and(is_stopword) {
            return Ok(QueryNode::new(QueryKind::Nothing));
        }
        let expand = self.shielded == 0 && !rules.verbatim;
        Ok(QueryNode::new(QueryKind::Word { text, expand }))
    }

    fn missing(&mut self) -> Result<QueryNode, Refusal> {
        self.lexer.expect(b"@")?;
        let name = self.lexer.word().ok_or_else(|| self.lexer.error())?;
        self.lexer.expect(b")")?;
        let shown = String::from_utf8_lossy(&name);
        let Some(field) = self.rules.definition.field(&name) else {
            return Err(format!("Unknown field at offset {} near {shown}", 0));
        };
        if !self.rules.definition.fields[field].index_missing {
            return Err(format!(
                "'ismissing' requires field '{shown}' to be defined with 'INDEXMISSING'"
            ));
        }
        Ok(QueryNode::new(QueryKind::Missing(field)))
    }

    /// What stands behind `@`: names of fields, and what is sought in them.
    fn field(&mut self) -> Result<QueryNode, Refusal> {
        if self.textual > 0 {
            return Err(self.lexer.error());
        }
        self.lexer.at += 1;
        let mut names = Vec::new();
        loop {
            names.push(self.lexer.word().ok_or_else(|| self.lexer.error())?);
            if self.lexer.peek() != Some(b'|') {
                break;
            }
            self.lexer.at += 1;
        }
        if let Some(node) = tail_of_range(self, &names)? {
            return Ok(node);
        }
        self.lexer.expect(b":")?;
        self.lexer.blanks();
        if let Some(node) = field_part(self, &names)? {
            return Ok(node);
        }
        if self.lexer.peek() == Some(b'*')
            && !self.lexer.rest().get(1).copied().is_some_and(is_word_byte)
        {
            let at = self.lexer.at;
            let near = names.pop().unwrap_or_default();
            return Err(self.lexer.error_at(at, &near));
        }
        let mut mask = 0;
        for name in &names {
            let field = self.rules.definition.field(name);
            let bit = field.and_then(|field| self.rules.definition.fields[field].bit());
            mask |= bit.map_or(0, |bit| 1 << bit);
        }
        self.textual += 1;
        let mut node = self.unary()?;
        // Attributes belong to the field with all that it has.
        if !self.lexer.is_behind(b'}') && self.is_tight() {
            let rest = self.chain()?;
            node = joined(node, rest, both);
        }
        self.textual -= 1;
        if matches!(&node.kind, QueryKind::Word { text, .. } if text.is_empty()) {
            let fields = self.rules.definition.fields.iter();
            let mut sought =
                fields.filter(|field| field.bit().is_some_and(|bit| mask & 1 << bit != 0));
            if !sought.any(|field| field.index_empty) {
                return Err(NO_EMPTY.into());
            }
        }
        restrict(&mut node, mask);
        Ok(node)
    }
}

/// Of two parts, one that says nothing is left out.
fn joined(
    one: QueryNode,
    other: QueryNode,
    join: fn(QueryNode, QueryNode) -> QueryNode,
) -> QueryNode {
    match (&one.kind, &other.kind) {
        (_, QueryKind::Nothing) => one,
        (QueryKind::Nothing, _) => other,
        _ => join(one, other),
    }
}
