//! The grammar of words and what joins them: unions, intersections, negations, phrases.

use super::lex::{Lexer, is_word_byte, unescaped};
use super::special::{attributes, field_part, nearest, tail_of_range};
use super::{ALL_FIELDS, Affix, QueryKind, QueryNode, QueryRules, resolve};
use crate::search::grammar::Refusal;
use crate::search::tokens::{each_word, lower};

/// Parts within parts.
const DEPTH_MAX: usize = 128;

/// Reads a query.
pub fn parse(text: &[u8], rules: &QueryRules<'_>) -> Result<QueryNode, Refusal> {
    let blanked: Vec<u8>;
    let mut text = text;
    if rules.dialect == 1 && text.contains(&b'\'') {
        // In the first dialect such a quote means nothing, unless it is escaped.
        blanked = unquoted(text);
        text = &blanked;
    }
    let mut parser = Parser {
        lexer: Lexer::new(text),
        rules,
        depth: 0,
        shielded: 0,
    };
    parser.lexer.gap();
    if parser.lexer.rest().is_empty() {
        return Ok(QueryNode::new(QueryKind::Nothing));
    }
    let mut node = parser.union()?;
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

fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut escaped = false;
    let blank = |byte: &u8| {
        let kept = escaped || *byte != b'\'';
        escaped = *byte == b'\\' && !escaped;
        if kept { *byte } else { b' ' }
    };
    text.iter().map(blank).collect()
}

pub(super) struct Parser<'q> {
    pub lexer: Lexer<'q>,
    pub rules: &'q QueryRules<'q>,
    depth: usize,
    /// How many negations and the like stand around: words inside stand for themselves alone.
    shielded: usize,
}

/// Words are sought in these text fields only.
pub(super) fn restrict(node: &mut QueryNode, mask: u64) {
    node.mask &= mask;
    match &mut node.kind {
        QueryKind::All(parts) | QueryKind::Any(parts) => {
            parts.iter_mut().for_each(|part| restrict(part, mask));
        }
        QueryKind::Not(part) | QueryKind::Optional(part) => restrict(part, mask),
        QueryKind::Nearest(nearest) => restrict(&mut nearest.among, mask),
        _ => {}
    }
}

/// Words of a query before vectors stand for themselves alone.
pub(super) fn shield(node: &mut QueryNode) {
    match &mut node.kind {
        QueryKind::Word { expand, .. } => *expand = false,
        QueryKind::All(parts) | QueryKind::Any(parts) => parts.iter_mut().for_each(shield),
        QueryKind::Not(part) | QueryKind::Optional(part) => shield(part),
        _ => {}
    }
}

impl Parser<'_> {
    /// Alternatives.
    pub fn union(&mut self) -> Result<QueryNode, Refusal> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("Query is too deep".into());
        }
        let mut parts = vec![self.intersection()?];
        while self.lexer.take(b"|") {
            parts.push(self.intersection()?);
        }
        self.depth -= 1;
        // A stop word among alternatives is none.
        if parts.len() > 1 {
            parts.retain(|part| part.kind != QueryKind::Nothing);
        }
        Ok(joined(parts, QueryKind::Any))
    }

    /// What must all hold.
    fn intersection(&mut self) -> Result<QueryNode, Refusal> {
        let mut parts = vec![self.unary()?];
        loop {
            self.lexer.gap();
            match self.lexer.peek() {
                None | Some(b'|' | b')') => break,
                Some(_) if self.lexer.rest().starts_with(b"=>") => break,
                Some(_) => parts.push(self.unary()?),
            }
        }
        if parts.len() > 1 {
            parts.retain(|part| part.kind != QueryKind::Nothing);
        }
        Ok(joined(parts, QueryKind::All))
    }

    /// What a sign before it, or a field, reaches: in the first dialect up to the next alternative.
    fn reach(&mut self) -> Result<QueryNode, Refusal> {
        match self.rules.dialect {
            1 => self.intersection(),
            _ => self.unary(),
        }
    }

    pub fn unary(&mut self) -> Result<QueryNode, Refusal> {
        self.lexer.gap();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("Query is too deep".into());
        }
        let node = if self.lexer.take(b"-") {
            QueryNode::new(QueryKind::Not(Box::new(self.shielded()?)))
        } else if self.lexer.take(b"~") {
            QueryNode::new(QueryKind::Optional(Box::new(self.shielded()?)))
        } else {
            let mut node = self.primary()?;
            attributes(self, &mut node)?;
            node
        };
        self.depth -= 1;
        Ok(node)
    }

    fn shielded(&mut self) -> Result<QueryNode, Refusal> {
        self.shielded += 1;
        let node = self.reach();
        self.shielded -= 1;
        node
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
            Some(b'@') => self.field(),
            Some(b'%') => self.fuzzy(),
            Some(b'*') => self.star(),
            _ => self.word(),
        }
    }

    fn phrase(&mut self) -> Result<QueryNode, Refusal> {
        let start = self.lexer.at;
        let text = self.lexer.quoted(b'"')?;
        let mut words = Vec::new();
        let mut stopped = None;
        each_word(text, |word| {
            if self.rules.definition.is_stopword(&word) && !self.rules.no_stopwords {
                stopped = Some(word.clone());
            }
            words.push(word.into_bytes());
        });
        if let Some(word) = stopped
            && words.len() > 1
        {
            return Err(self.lexer.error_at(start, word.as_bytes()));
        }
        Ok(QueryNode::new(match words.len() {
            0 => QueryKind::Word {
                text: Vec::new(),
                expand: false,
            },
            1 => QueryKind::Word {
                text: words.remove(0),
                expand: false,
            },
            _ => QueryKind::Exact(words),
        }))
    }

    /// `%word%`, with one to three signs on each side.
    fn fuzzy(&mut self) -> Result<QueryNode, Refusal> {
        let mut edits = 0;
        while self.lexer.peek() == Some(b'%') && edits < 3 {
            self.lexer.at += 1;
            edits += 1;
        }
        let text = match self.parameter()? {
            Some(text) => text,
            None => self.lexer.word().ok_or_else(|| self.lexer.error())?,
        };
        let text = lower(&text).into_bytes();
        for _ in 0..edits {
            self.lexer.expect(b"%")?;
        }
        Ok(QueryNode::new(QueryKind::Fuzzy { text, edits }))
    }

    /// `*` alone, and words of which only the end or the middle is known.
    fn star(&mut self) -> Result<QueryNode, Refusal> {
        self.lexer.at += 1;
        let next = self.lexer.peek();
        let begins = next.is_some_and(|byte| is_word_byte(byte) || matches!(byte, b'\\' | b'$'));
        if !begins {
            return Ok(QueryNode::new(QueryKind::Every));
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

    /// What a parameter stands for, if one comes next.
    pub fn parameter(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        if self.rules.dialect == 1 {
            return Ok(None);
        }
        match self.lexer.parameter() {
            Some(name) => resolve(self.rules.params, &name).map(|value| Some(value.to_vec())),
            None => Ok(None),
        }
    }

    fn word(&mut self) -> Result<QueryNode, Refusal> {
        let rest = self.lexer.rest();
        if self.rules.dialect > 1 {
            if rest.len() > 2 && rest[0].eq_ignore_ascii_case(&b'w') && rest[1] == b'\'' {
                self.lexer.at += 2;
                let pattern = unescaped(self.lexer.quoted(b'\'')?);
                let pattern = lower(&pattern).into_bytes();
                return Ok(QueryNode::new(QueryKind::Pattern(pattern)));
            }
            if rest.len() > 10 && rest[..10].eq_ignore_ascii_case(b"ismissing(") {
                self.lexer.at += 10;
                return self.missing();
            }
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
        let mut node = self.reach()?;
        restrict(&mut node, if names.is_empty() { ALL_FIELDS } else { mask });
        Ok(node)
    }
}

/// One part is itself; none is nothing.
fn joined(mut parts: Vec<QueryNode>, join: fn(Vec<QueryNode>) -> QueryKind) -> QueryNode {
    match parts.len() {
        0 => QueryNode::new(QueryKind::Nothing),
        1 => parts.remove(0),
        _ => QueryNode::new(join(parts)),
    }
}
