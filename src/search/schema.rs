//! What an index is of: which keys, and which of their fields, read in which way.

use std::sync::Arc;

use super::expr::Expression;
use super::synonyms::Synonyms;
use super::tokens::Language;
use super::words::Refusal;
use crate::types::json::path::JsonPath;

/// What holds documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    Hash,
    Json,
}

/// Numbers of a vector, as they are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numeral {
    Float32,
    Float64,
    Float16,
    BFloat16,
    Int8,
    UInt8,
}

impl Numeral {
    pub const ALL: [(Numeral, &'static str, usize); 6] = [
        (Numeral::Float32, "FLOAT32", 4),
        (Numeral::Float64, "FLOAT64", 8),
        (Numeral::Float16, "FLOAT16", 2),
        (Numeral::BFloat16, "BFLOAT16", 2),
        (Numeral::Int8, "INT8", 1),
        (Numeral::UInt8, "UINT8", 1),
    ];

    fn row(self) -> &'static (Numeral, &'static str, usize) {
        let is = |row: &&(Numeral, _, _)| row.0 == self;
        Self::ALL.iter().find(is).expect("the table has them all")
    }

    pub fn name(self) -> &'static str {
        self.row().1
    }

    pub fn bytes(self) -> usize {
        self.row().2
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    L2,
    InnerProduct,
    Cosine,
}

impl Metric {
    pub fn name(self) -> &'static str {
        match self {
            Metric::L2 => "L2",
            Metric::InnerProduct => "IP",
            Metric::Cosine => "COSINE",
        }
    }
}

/// The parameters of a graph, which are kept to be told again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GraphWish {
    pub m: u64,
    pub ef_construction: u64,
    pub ef_runtime: u64,
    pub epsilon: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VectorSpec {
    pub numeral: Numeral,
    pub dim: usize,
    pub metric: Metric,
    /// Of HNSW; nothing for FLAT.
    pub graph: Option<GraphWish>,
    /// BLOCK_SIZE, which is kept to be told again.
    pub block_size: u64,
}

/// Shorter vectors are not shared with the documents that they are of.
const SHARED_BYTES_MIN: usize = 256;

impl VectorSpec {
    /// Bytes of one vector as documents and queries hold it.
    pub fn blob_bytes(&self) -> usize {
        self.dim * self.numeral.bytes()
    }

    /// Whether an index holds the very bytes that documents hold, where they are the numbers as it reckons with them. What is
    /// nearest of all is sought among sketches, so that few of the vectors themselves are looked at. Those of documents that a filter
    /// lets through are looked at each, here and there in memory.
    pub fn shares(&self) -> bool {
        cfg!(target_endian = "little")
            && self.numeral == Numeral::Float32
            && self.blob_bytes() >= SHARED_BYTES_MIN
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum FieldKind {
    Text {
        weight: f64,
        no_stem: bool,
        phonetic: Option<String>,
        /// Which bit stands for it in masks.
        bit: u32,
    },
    Tag {
        separator: u8,
        case_sensitive: bool,
    },
    Numeric,
    Geo,
    Vector(VectorSpec),
}

/// A path into JSON documents, read once.
#[derive(Clone, Debug)]
pub struct ReadPath(pub Arc<JsonPath>);

impl PartialEq for ReadPath {
    /// The texts that they were read from are compared beside them.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// One attribute of an index.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldSpec {
    /// Where documents have it.
    pub path: Box<[u8]>,
    /// The path, where documents are JSON.
    pub json: Option<ReadPath>,
    /// What queries call it.
    pub name: Box<[u8]>,
    pub kind: FieldKind,
    pub sortable: bool,
    /// Sorted as it is written, not in lower case.
    pub unf: bool,
    pub no_index: bool,
    pub suffix_trie: bool,
    pub index_empty: bool,
    pub index_missing: bool,
}

impl FieldSpec {
    pub fn bit(&self) -> Option<u32> {
        match self.kind {
            FieldKind::Text { bit, .. } => Some(bit),
            _ => None,
        }
    }

    pub fn vector(&self) -> Option<&VectorSpec> {
        match &self.kind {
            FieldKind::Vector(spec) => Some(spec),
            _ => None,
        }
    }
}

/// FILTER: an expression that says of each document whether the index takes it.
#[derive(Clone, Debug)]
pub struct DocumentFilter {
    pub text: Box<[u8]>,
    pub expression: Arc<Expression>,
}

impl DocumentFilter {
    pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
        Ok(DocumentFilter {
            text: text.into(),
            expression: Arc::new(Expression::parse(text)?),
        })
    }
}

/// What FT.CREATE says, with what FT.ALTER has added.
#[derive(Clone, Debug)]
pub struct Definition {
    pub name: Arc<[u8]>,
    pub source: SourceKind,
    pub prefixes: Vec<Box<[u8]>>,
    /// Which documents it takes of those; nothing: all.
    pub filter: Option<DocumentFilter>,
    /// TEMPORARY: it goes with its documents when nobody has used it for so long.
    pub idle_ms_max: Option<u64>,
    pub language: Option<Language>,
    pub language_field: Option<Box<[u8]>>,
    pub score: f64,
    pub score_field: Option<Box<[u8]>>,
    pub payload_field: Option<Box<[u8]>>,
    /// Nothing: the usual ones.
    pub stopwords: Option<Vec<String>>,
    pub options: Vec<&'static str>,
    pub skip_initial_scan: bool,
    pub fields: Vec<FieldSpec>,
    /// FT.SYNUPDATE: words, each with the groups of words that mean the same.
    pub synonyms: Synonyms,
    /// The arguments of an FT.CREATE that makes it again.
    pub words: Vec<Vec<u8>>,
}

impl Definition {
    /// Whether a key of this name may be a document.
    pub fn covers(&self, key: &[u8]) -> bool {
        self.prefixes.iter().any(|prefix| key.starts_with(prefix))
    }

    /// The number of the attribute that queries call so.
    pub fn field(&self, name: &[u8]) -> Option<usize> {
        self.fields.iter().position(|field| *field.name == *name)
    }

    /// Where documents have what queries call so.
    pub fn path<'p>(&'p self, name: &'p [u8]) -> &'p [u8] {
        self.field(name).map_or(name, |at| &self.fields[at].path)
    }

    /// The number of the attribute of this name, or at this path.
    pub fn field_or_path(&self, name: &[u8]) -> Option<usize> {
        let at_path = || self.fields.iter().position(|field| *field.path == *name);
        self.field(name).or_else(at_path)
    }

    pub fn is_stopword(&self, word: &str) -> bool {
        match &self.stopwords {
            Some(words) => words.iter().any(|held| held == word),
            None => super::tokens::STOPWORDS.contains(&word),
        }
    }

    pub fn has(&self, option: &str) -> bool {
        self.options.contains(&option)
    }
}
