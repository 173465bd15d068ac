//! A query as FT.EXPLAIN shows it.

use super::{Affix, Expander, QueryKind, QueryNode, TagTest, expansions};
use crate::search::schema::Definition;
use crate::search::tokens::Language;

/// Shows a query, a part on each line.
pub fn explain(
    node: &QueryNode,
    definition: &Definition,
    language: Option<Language>,
    expander: Expander,
) -> String {
    let mut shown = Shown {
        definition,
        language,
        expander,
        out: String::new(),
    };
    shown.node(node, 0);
    shown.out
}

struct Shown<'d> {
    definition: &'d Definition,
    language: Option<Language>,
    expander: Expander,
    out: String,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn starred(affix: Affix, bytes: &[u8]) -> String {
    let word = text(bytes);
    match affix {
        Affix::Prefix => format!("PREFIX{{{word}*}}"),
        Affix::Suffix => format!("SUFFIX{{*{word}}}"),
        Affix::Infix => format!("INFIX{{*{word}*}}"),
    }
}

fn bound(n: f64) -> String {
    match n {
        f64::INFINITY => "inf".into(),
        f64::NEG_INFINITY => "-inf".into(),
        n => format!("{n:.6}"),
    }
}

impl Shown<'_> {
    fn line(&mut self, depth: usize, line: &str) {
        self.out.push_str(&"  ".repeat(depth));
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn block(&mut self, depth: usize, head: &str, parts: &[QueryNode], tail: &str) {
        self.line(depth, &format!("{head} {{"));
        parts.iter().for_each(|part| self.node(part, depth + 1));
        self.line(depth, &format!("}}{tail}"));
    }

    /// The fields in which words are sought, before them.
    fn fields(&self, node: &QueryNode) -> String {
        let of_text = |(bit, name): (Option<u32>, &[u8])| {
            let bit = bit?;
            (node.mask & 1 << bit != 0).then(|| text(name))
        };
        let fields = self.definition.fields.iter();
        let all = fields.clone().filter_map(|field| field.bit());
        let everywhere = all.fold(0_u64, |mask, bit| mask | 1 << bit);
        if node.mask & everywhere == everywhere && node.mask != everywhere {
            return String::new();
        }
        let names: Vec<String> = fields
            .filter_map(|field| of_text((field.bit(), &field.name)))
            .collect();
        match names.is_empty() {
            true => "@NULL:".into(),
            false => format!("@{}:", names.join("|")),
        }
    }

    fn attributes(node: &QueryNode) -> String {
        let has_places = matches!(node.kind, QueryKind::All(_) | QueryKind::Exact(_));
        if has_places && (node.slop.is_some() || node.in_order.is_some()) {
            let (slop, in_order) = (node.slop.unwrap_or(-1), node.in_order.unwrap_or(false));
            let weight = match node.weight {
                1.0 => String::new(),
                weight => format!("$weight: {weight}; "),
            };
            return format!(" => {{ {weight}$slop: {slop}; $inorder: {in_order}; }}");
        }
        match node.weight {
            1.0 => String::new(),
            weight => format!(" => {{$weight: {weight};}}"),
        }
    }

    fn node(&mut self, node: &QueryNode, depth: usize) {
        let fields = self.fields(node);
        let tail = Self::attributes(node);
        match &node.kind {
            QueryKind::Nothing => self.line(depth, "<empty>"),
            QueryKind::Every => self.line(depth, "<WILDCARD>"),
            QueryKind::Word { text, .. } if text.is_empty() => {
                self.line(depth, &format!("{fields}\"\"{tail}"));
            }
            QueryKind::Word { text, expand } => self.word(depth, node, text, *expand),
            QueryKind::Exact(words) => {
                self.line(depth, &format!("{fields}EXACT {{"));
                for word in words {
                    self.line(depth + 1, &format!("{fields}{}", text(word)));
                }
                self.line(depth, &format!("}}{tail}"));
            }
            QueryKind::All(parts) => {
                self.block(depth, &format!("{fields}INTERSECT"), parts, &tail);
            }
            QueryKind::Any(parts) => self.block(depth, &format!("{fields}UNION"), parts, &tail),
            QueryKind::Not(part) | QueryKind::Optional(part) => {
                let head = match node.kind {
                    QueryKind::Not(_) => "NOT{",
                    _ => "OPTIONAL{",
                };
                self.line(depth, &format!("{fields}{head}"));
                self.node(part, depth + 1);
                self.line(depth, &format!("}}{tail}"));
            }
            QueryKind::Affix(affix, bytes) => {
                self.line(depth, &format!("{fields}{}", starred(*affix, bytes)));
            }
            QueryKind::Pattern(bytes) => {
                self.line(depth, &format!("{fields}WILDCARD{{{}}}", text(bytes)));
            }
            QueryKind::Fuzzy { text: bytes, .. } => {
                self.line(depth, &format!("{fields}FUZZY{{{}}}", text(bytes)));
            }
            QueryKind::Tag { name, tests, .. } => self.tags(depth, name, tests, &tail),
            other => {
                let line = self.other(other, node);
                self.line(depth, &format!("{line}{tail}"));
                if let QueryKind::Nearest(nearest) = other
                    && nearest.among.kind != QueryKind::Every
                {
                    let what = line.trim_start_matches("VECTOR ").to_owned();
                    let last = self.out.trim_end().rfind('\n').map_or(0, |at| at + 1);
                    self.out.truncate(last);
                    self.line(depth, "VECTOR {");
                    self.node(&nearest.among, depth + 1);
                    self.line(depth, &format!("}} => {what}"));
                }
            }
        }
    }

    fn word(&mut self, depth: usize, node: &QueryNode, word: &[u8], expand: bool) {
        let (fields, tail) = (self.fields(node), Self::attributes(node));
        let shown = text(word);
        if !expand {
            return self.line(depth, &format!("{fields}{shown}{tail}"));
        }
        let terms = expansions(node, &shown, self.definition, self.language, self.expander);
        if terms.is_empty() {
            return self.line(depth, &format!("{fields}{shown}{tail}"));
        }
        self.line(depth, &format!("{fields}UNION {{"));
        self.line(depth + 1, &format!("{fields}{shown}{tail}"));
        for term in terms {
            self.line(depth + 1, &format!("{fields}{}(expanded)", text(&term)));
        }
        self.line(depth, "}");
    }

    fn tags(&mut self, depth: usize, name: &[u8], tests: &[TagTest], tail: &str) {
        self.line(depth, &format!("TAG:@{} {{", text(name)));
        for test in tests {
            let line = match test {
                TagTest::Is(tag) => text(tag),
                TagTest::Affix(affix, bytes) => starred(*affix, bytes),
                TagTest::Pattern(bytes) => format!("WILDCARD{{{}}}", text(bytes)),
            };
            self.line(depth + 1, &line);
        }
        self.line(depth, &format!("}}{tail}"));
    }

    fn other(&self, kind: &QueryKind, node: &QueryNode) -> String {
        let called = || match &node.distance_as {
            Some(name) => format!(", yields distance as `{}`", text(name)),
            None => String::new(),
        };
        let field_name = |field: usize| text(&self.definition.fields[field].name);
        match kind {
            QueryKind::Range {
                name, low, high, ..
            } => {
                let sign = |open| if open { "<" } else { "<=" };
                format!(
                    "NUMERIC {{{} {} @{} {} {}}}",
                    bound(low.0),
                    sign(low.1),
                    text(name),
                    sign(high.1),
                    bound(high.0)
                )
            }
            QueryKind::Geo {
                name,
                longitude,
                latitude,
                radius,
                unit,
                ..
            } => format!(
                "GEO {}:{{{longitude:.6},{latitude:.6} --> {radius:.6} {unit}}}",
                text(name)
            ),
            QueryKind::Missing(field) => format!("ISMISSING{{{}}}", field_name(*field)),
            QueryKind::Nearest(nearest) => format!(
                "VECTOR {{K={} nearest vectors to `${}` in vector index associated with field @{}{}}}",
                nearest.count,
                text(&nearest.blob_name),
                field_name(nearest.field),
                called()
            ),
            QueryKind::Within {
                field,
                radius,
                blob_name,
                ..
            } => format!(
                "VECTOR {{Vectors that are within {radius} distance radius from `${}` in vector index associated with field @{}{}}}",
                text(blob_name),
                field_name(*field),
                called()
            ),
            _ => String::new(),
        }
    }
}
