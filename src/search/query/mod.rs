//! Queries: their grammar and what they are made of.

mod explain;
mod first;
mod join;
mod lex;
mod parse;
mod parser;
mod special;
mod tokens;

pub use explain::explain;
pub use parse::parse;
pub use special::{UNITS, geo_range};

use hashbrown::HashMap;

use super::phonetic::sound_of;
use super::schema::{Definition, FieldKind, FieldSpec};
use super::tokens::Language;
use super::words::Refusal;

/// Every text field.
pub const ALL_FIELDS: u64 = u64::MAX;

/// Parameters of PARAMS by their names.
pub type Params<'a> = HashMap<&'a [u8], &'a [u8]>;

/// Which words besides those of a query are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expander {
    pub stems: bool,
    pub synonyms: bool,
    pub sounds: bool,
}

impl Default for Expander {
    fn default() -> Self {
        Expander {
            stems: true,
            synonyms: true,
            sounds: true,
        }
    }
}

impl Expander {
    /// One that isn't there adds nothing, as in RediSearch.
    pub fn named(name: &[u8]) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        Expander {
            stems: is("DEFAULT") || is("SBSTEM"),
            synonyms: is("DEFAULT") || is("SYNONYM"),
            sounds: is("DEFAULT") || is("PHONETIC"),
        }
    }
}

/// The terms that a word of a query's part stands for besides itself: those of its synonyms, of what sounds alike, and of
/// its stem.
pub fn expansions(
    node: &QueryNode,
    word: &str,
    definition: &Definition,
    language: Option<Language>,
    expander: Expander,
) -> Vec<Vec<u8>> {
    let mut terms = Vec::new();
    if expander.synonyms {
        let groups = definition.synonyms.of(word);
        terms.extend(groups.map(|group| [b"~", group].concat()));
    }
    if expander.sounds && node.hears(definition) {
        terms.extend(sound_of(word));
    }
    let language = language
        .or(definition.language)
        .unwrap_or_else(Language::english);
    if expander.stems
        && let Some(stem) = language.stems().of(word)
    {
        terms.push([b"+", stem.as_bytes()].concat());
        if stem != word {
            terms.push(stem.into_bytes());
        }
    }
    terms
}

/// What holds for queries that say nothing else.
#[derive(Clone, Copy, Debug)]
pub struct QueryDefaults {
    pub dialect: u8,
    pub timeout_ms: u64,
    /// Whether a query that is late fails; what it has found is replied else.
    pub fails_late: bool,
    /// MAXPREFIXEXPANSIONS.
    pub expansions: usize,
}

/// What a query is read with.
pub struct QueryRules<'a> {
    pub definition: &'a Definition,
    pub params: &'a Params<'a>,
    pub dialect: u8,
    /// Words stand for themselves, not for others with their stem.
    pub verbatim: bool,
    pub no_stopwords: bool,
    /// INFIELDS: a bit for each text field that is searched.
    pub in_fields: u64,
}

/// A part of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryNode {
    pub kind: QueryKind,
    pub weight: f64,
    /// The text fields in which its words are sought.
    pub mask: u64,
    pub slop: Option<i64>,
    pub in_order: Option<bool>,
    /// Whether words that sound alike are meant, too.
    pub phonetic: Option<bool>,
    /// What the distance of a vector is called.
    pub distance_as: Option<Vec<u8>>,
    pub walk: WalkAsked,
}

/// What a query asks for of the walk by which vectors are found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WalkAsked {
    /// EF_RUNTIME: how many are kept in sight.
    pub sight: Option<usize>,
    pub epsilon: Option<f64>,
    /// HYBRID_POLICY: to walk (BATCHES), or to look at each document that is let through (ADHOC_BF).
    pub walks: Option<bool>,
}

impl QueryNode {
    pub fn new(kind: QueryKind) -> Self {
        QueryNode {
            kind,
            weight: 1.0,
            mask: ALL_FIELDS,
            slop: None,
            in_order: None,
            phonetic: None,
            distance_as: None,
            walk: WalkAsked::default(),
        }
    }

    /// Whether words that sound like its own are meant, too: where one of its fields says so, unless it does itself.
    fn hears(&self, definition: &Definition) -> bool {
        let hears = |field: &FieldSpec| match &field.kind {
            FieldKind::Text { phonetic, bit, .. } => {
                phonetic.is_some() && self.mask & 1 << bit != 0
            }
            _ => false,
        };
        let in_fields = || definition.fields.iter().any(hears);
        self.phonetic.unwrap_or_else(in_fields)
    }
}

/// Where a text stands in the words that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affix {
    Prefix,
    Suffix,
    Infix,
}

/// What a tag is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum TagTest {
    Is(Vec<u8>),
    Affix(Affix, Vec<u8>),
    Pattern(Vec<u8>),
}

/// How many neighbours are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    pub field: usize,
    pub count: u64,
    pub blob: Vec<u8>,
    /// The parameter that held it, for FT.EXPLAIN.
    pub blob_name: Vec<u8>,
    /// Which documents may be neighbours.
    pub among: Box<QueryNode>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum QueryKind {
    /// Nothing is found: a stop word alone.
    Nothing,
    Every,
    /// A word; expanded by its stems if that is so.
    Word {
        text: Vec<u8>,
        expand: bool,
    },
    /// Words side by side.
    Exact(Vec<Vec<u8>>),
    All(Vec<QueryNode>),
    Any(Vec<QueryNode>),
    Not(Box<QueryNode>),
    Optional(Box<QueryNode>),
    Affix(Affix, Vec<u8>),
    Pattern(Vec<u8>),
    Fuzzy {
        text: Vec<u8>,
        edits: usize,
    },
    Tag {
        field: Option<usize>,
        name: Vec<u8>,
        tests: Vec<TagTest>,
    },
    Range {
        field: Option<usize>,
        name: Vec<u8>,
        low: (f64, bool),
        high: (f64, bool),
    },
    Geo {
        field: Option<usize>,
        name: Vec<u8>,
        longitude: f64,
        latitude: f64,
        radius: f64,
        unit: &'static str,
    },
    Missing(usize),
    Nearest(Nearest),
    Within {
        field: usize,
        radius: f64,
        blob: Vec<u8>,
        blob_name: Vec<u8>,
    },
}

/// The name of the distance from a vector field unless another is asked for.
pub fn usual_distance_name(field: &[u8]) -> Vec<u8> {
    [b"__", field, b"_score"].concat()
}

/// The names by which the distances of a query are known, each with its node's vector field.
pub fn distance_names(node: &QueryNode, visit: &mut dyn FnMut(&[u8])) {
    if let Some(name) = &node.distance_as {
        visit(name);
    }
    match &node.kind {
        QueryKind::All(parts) | QueryKind::Any(parts) => {
            parts.iter().for_each(|part| distance_names(part, visit));
        }
        QueryKind::Optional(part) => distance_names(part, visit),
        QueryKind::Nearest(nearest) => distance_names(&nearest.among, visit),
        _ => {}
    }
}

/// Each distance has a name of its own, which is none of an attribute's.
pub fn check_distance_names(node: &QueryNode, definition: &Definition) -> Result<(), Refusal> {
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut wrong = Ok(());
    distance_names(node, &mut |name| {
        let shown = String::from_utf8_lossy(name);
        if definition.field(name).is_some() {
            wrong = Err(format!("Property `{shown}` already exists in schema"));
        } else if seen.iter().any(|other| other == name) {
            wrong = Err(format!("Property `{shown}` specified more than once"));
        }
        seen.push(name.to_vec());
    });
    wrong
}

/// A value that a parameter may stand for.
fn resolve<'p>(params: &Params<'p>, name: &[u8]) -> Result<&'p [u8], Refusal> {
    let found = params.get(name).copied();
    found.ok_or_else(|| format!("No such parameter `{}`", String::from_utf8_lossy(name)))
}
