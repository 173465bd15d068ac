//! Indexes over documents, and what is asked of them: plain data, without keys, locks of keys, or clients.
//!
//! The floors above say which keys have changed, and hand over their values as [`Document`]s; what FT.SEARCH and
//! FT.AGGREGATE reply is put together in `commands/search`.

mod catalog;
mod distance;
mod document;
mod draft;
mod eval;
mod expr;
mod filter;
mod fragments;
mod grammar;
mod group;
mod index;
mod live;
mod numbers;
mod numerals;
mod phonetic;
mod postings;
mod query;
mod schema;
mod searches;
mod sizes;
mod spelling;
mod synonyms;
mod tokens;
mod value;
mod vectors;
mod words;

pub use catalog::{Covered, IndexCatalog, Making, Outline};
pub use document::{Datum, Document, Pair};
pub use eval::{
    Effort, EvalRules, Evaluator, Match, MatchKind, ScoreReason, Scorer, Scoring, explained, score,
    score_above,
};
pub use expr::{Expression, Row};
pub use fragments::{FoundWord, FragmentWish, SummaryWish};
pub use grammar::{definition, fields};
pub use group::{Reducer, ReducerKind, RowGroup};
pub use index::{Column, DocRow, DocumentIndex, ROWS_TOGETHER, SortKey};
pub use live::many::{AddTask, Drafted};
pub use live::{BuildProgress, Failures, IndexStatus, LiveIndex};
pub use numbers::{geo_of, number_of};
pub use numerals::blob_of;
pub use query::{
    ALL_FIELDS, Expander, Params, QueryDefaults, QueryKind, QueryNode, QueryRules, UNITS,
    check_distance_names, distance_names, expansions, explain, geo_range, parse,
};
pub use schema::{
    Definition, FieldKind, FieldSpec, GraphWish, Metric, Numeral, SourceKind, VectorSpec,
};
pub use searches::{CURSORS_MAX, RowCursor, SearchSettings, Searches};
pub use sizes::IndexSizes;
pub use spelling::{Misspelt, SpellingRules, misspelt};
pub use tokens::{Language, each_word_at, lower as folded};
pub use value::{RowValue, written};
pub use words::{Refusal, Words, integer};
