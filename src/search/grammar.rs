//! The grammar of FT.CREATE and of what FT.ALTER adds.

use std::sync::Arc;

use super::schema::{
    Definition, DocumentFilter, FieldKind, FieldSpec, GraphWish, Metric, Numeral, ReadPath,
    SourceKind, VectorSpec,
};
use super::synonyms::Synonyms;
use super::tokens::{Language, lower};
use super::words::{Refusal, Words, integer, out_of_bounds, unconverted};
use crate::types::json::path::Spelled;
use crate::util::number;

/// Text fields of one index.
const TEXT_FIELDS_MAX: usize = 64;
/// Attributes of one index.
const FIELDS_MAX: usize = 1024;

fn shown(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// Reads the arguments of FT.CREATE, from the name on.
pub fn definition(args: &[&[u8]]) -> Result<Definition, Refusal> {
    let mut words = Words::new(args);
    let name = words.value("index name")?;
    let mut made = Definition {
        name: name.into(),
        source: SourceKind::Hash,
        prefixes: Vec::new(),
        filter: None,
        idle_ms_max: None,
        language: None,
        language_field: None,
        score: 1.0,
        score_field: None,
        payload_field: None,
        stopwords: None,
        options: Vec::new(),
        skip_initial_scan: false,
        fields: Vec::new(),
        synonyms: Synonyms::default(),
        words: args.iter().map(|word| word.to_vec()).collect(),
    };
    while !words.word("SCHEMA") {
        option(&mut words, &mut made)?;
    }
    if made.prefixes.is_empty() {
        made.prefixes.push(Box::default());
    }
    if words.is_empty() {
        return Err("Fields arguments are missing".into());
    }
    fields(&mut words, &mut made)?;
    Ok(made)
}

fn option(words: &mut Words<'_>, made: &mut Definition) -> Result<(), Refusal> {
    const FLAGS: [&str; 5] = ["NOOFFSETS", "NOHL", "NOFIELDS", "NOFREQS", "MAXTEXTFIELDS"];
    if let Some(flag) = FLAGS.into_iter().find(|flag| words.word(flag)) {
        made.options.push(flag);
    } else if words.word("ON") {
        let kind = words.value("ON")?;
        made.source = match kind.to_ascii_uppercase().as_slice() {
            b"HASH" => SourceKind::Hash,
            b"JSON" => SourceKind::Json,
            _ => return Err(format!("Invalid rule type: {}", shown(kind))),
        };
    } else if words.word("PREFIX") {
        let count = words.count("PREFIX")?;
        let prefixes = words.take("PREFIX", count)?;
        made.prefixes = prefixes.iter().map(|prefix| (*prefix).into()).collect();
    } else if words.word("LANGUAGE") {
        let name = words.value("LANGUAGE")?;
        let language = Language::named(name);
        made.language = Some(language.ok_or_else(|| format!("Invalid language: {}", shown(name)))?);
    } else if words.word("LANGUAGE_FIELD") {
        made.language_field = Some(words.value("LANGUAGE_FIELD")?.into());
    } else if words.word("SCORE") {
        let text = words.value("SCORE")?;
        made.score = number::parse_double(text)
            .filter(|score| (0.0..=1.0).contains(score))
            .ok_or_else(|| format!("Invalid score: {}", shown(text)))?;
    } else if words.word("SCORE_FIELD") {
        made.score_field = Some(words.value("SCORE_FIELD")?.into());
    } else if words.word("PAYLOAD_FIELD") {
        made.payload_field = Some(words.value("PAYLOAD_FIELD")?.into());
    } else if words.word("STOPWORDS") {
        let count = words.count("STOPWORDS")?;
        let list = words.take("STOPWORDS", count)?;
        made.stopwords = Some(list.iter().map(|word| lower(word)).collect());
    } else if words.word("SKIPINITIALSCAN") {
        made.skip_initial_scan = true;
    } else if words.word("FILTER") {
        let text = words.value("FILTER")?;
        made.filter = Some(DocumentFilter::parse(text)?);
    } else if words.word("TEMPORARY") {
        let seconds = integer(words.value("TEMPORARY")?);
        let seconds = seconds.ok_or_else(|| unconverted("TEMPORARY"))?;
        // One that is negative is none.
        let seconds = u64::try_from(seconds).ok();
        made.idle_ms_max = seconds.map(|seconds| seconds.saturating_mul(1000));
    } else {
        return Err(match words.peek() {
            Some(word) => format!("Unknown argument `{}`", shown(word)),
            None => "No schema found".into(),
        });
    }
    Ok(())
}

/// Reads attributes up to the end. None is added if there is a fault in one.
pub fn fields(words: &mut Words<'_>, made: &mut Definition) -> Result<(), Refusal> {
    let held = made.fields.len();
    let read = each_field(words, made);
    if read.is_err() {
        made.fields.truncate(held);
    }
    read
}

fn each_field(words: &mut Words<'_>, made: &mut Definition) -> Result<(), Refusal> {
    while let Some(path) = words.maybe() {
        let name = match words.word("AS") {
            true => words.maybe().ok_or("AS requires an argument")?,
            false => path,
        };
        if made.field(name).is_some() {
            return Err(format!("Duplicate field in schema - {}", shown(name)));
        }
        if made.fields.len() == FIELDS_MAX {
            return Err(format!("Schema is limited to {FIELDS_MAX} fields"));
        }
        let mut field = FieldSpec {
            path: path.into(),
            json: json_path(made, path, name)?,
            name: name.into(),
            kind: FieldKind::Numeric,
            sortable: false,
            unf: false,
            no_index: false,
            suffix_trie: false,
            index_empty: false,
            index_missing: false,
        };
        field.kind = kind(words, made, name)?;
        attributes(words, &mut field)?;
        // As RediSearch has it, values of JSON are sorted as they are.
        field.unf |= field.sortable && made.source == SourceKind::Json;
        made.fields.push(field);
    }
    Ok(())
}

/// The path of an attribute, where documents are JSON.
fn json_path(made: &Definition, path: &[u8], name: &[u8]) -> Result<Option<ReadPath>, Refusal> {
    if made.source != SourceKind::Json {
        return Ok(None);
    }
    let text = std::str::from_utf8(path).ok();
    let read = text.and_then(|text| Spelled::new(text).parse().ok());
    let read = read.ok_or_else(|| {
        let (path, name, index) = (shown(path), shown(name), shown(&made.name));
        format!("Invalid JSONPath '{path}' in attribute '{name}' in index '{index}'")
    })?;
    Ok(Some(ReadPath(Arc::new(read))))
}

fn kind(words: &mut Words<'_>, made: &Definition, name: &[u8]) -> Result<FieldKind, Refusal> {
    if words.word("TEXT") {
        let bits = made.fields.iter().filter_map(FieldSpec::bit);
        let bit = bits.max().map_or(0, |bit| bit + 1);
        if bit as usize == TEXT_FIELDS_MAX {
            return Err(format!(
                "Schema is limited to {TEXT_FIELDS_MAX} TEXT fields"
            ));
        }
        Ok(FieldKind::Text {
            weight: 1.0,
            no_stem: false,
            phonetic: None,
            bit,
        })
    } else if words.word("TAG") {
        Ok(FieldKind::Tag {
            separator: match made.source {
                SourceKind::Hash => b',',
                SourceKind::Json => 0,
            },
            case_sensitive: false,
        })
    } else if words.word("NUMERIC") {
        Ok(FieldKind::Numeric)
    } else if words.word("GEO") {
        Ok(FieldKind::Geo)
    } else if words.word("GEOSHAPE") {
        Err("GEOSHAPE fields are not supported".into())
    } else if words.word("VECTOR") {
        vector(words).map(FieldKind::Vector)
    } else {
        Err(format!("Invalid field type for field `{}`", shown(name)))
    }
}

/// What stands behind the type of a field.
fn attributes(words: &mut Words<'_>, field: &mut FieldSpec) -> Result<(), Refusal> {
    let is_vector = field.vector().is_some();
    let is_words = matches!(field.kind, FieldKind::Text { .. } | FieldKind::Tag { .. });
    loop {
        if attribute_of_kind(words, &mut field.kind)? {
            continue;
        }
        if is_words && words.word("WITHSUFFIXTRIE") {
            field.suffix_trie = true;
        } else if is_words && words.word("INDEXEMPTY") {
            field.index_empty = true;
        } else if words.word("INDEXMISSING") {
            field.index_missing = true;
        } else if !is_vector && words.word("SORTABLE") {
            field.sortable = true;
            field.unf = words.word("UNF") || field.kind == FieldKind::Numeric;
        } else if !is_vector && words.word("NOINDEX") {
            field.no_index = true;
        } else {
            return Ok(());
        }
    }
}

/// Takes an attribute that fields of one type alone have, if one comes next.
fn attribute_of_kind(words: &mut Words<'_>, kind: &mut FieldKind) -> Result<bool, Refusal> {
    match kind {
        FieldKind::Text {
            weight,
            no_stem,
            phonetic,
            ..
        } => {
            if words.word("WEIGHT") {
                *weight = words.double("weight")?;
            } else if words.word("NOSTEM") {
                *no_stem = true;
            } else if words.word("PHONETIC") {
                *phonetic = Some(matcher(words)?);
            } else {
                return Ok(false);
            }
        }
        FieldKind::Tag {
            separator,
            case_sensitive,
        } => {
            if words.word("SEPARATOR") {
                let value = words.value("SEPARATOR")?;
                let [byte] = value else {
                    let got = shown(value);
                    return Err(format!(
                        "Tag separator must be a single character. Got `{got}`"
                    ));
                };
                *separator = *byte;
            } else if words.word("CASESENSITIVE") {
                *case_sensitive = true;
            } else {
                return Ok(false);
            }
        }
        FieldKind::Numeric | FieldKind::Geo | FieldKind::Vector(_) => return Ok(false),
    }
    Ok(true)
}

/// By which words are told how they sound.
fn matcher(words: &mut Words<'_>) -> Result<String, Refusal> {
    let matcher = words.value("PHONETIC")?;
    match matcher {
        b"dm:en" | b"dm:fr" | b"dm:pt" | b"dm:es" => Ok(shown(matcher)),
        _ => Err(
            "Matcher Format: <2 chars algorithm>:<2 chars language>. Support only double metaphone (dm)"
                .into(),
        ),
    }
}

fn vector(words: &mut Words<'_>) -> Result<VectorSpec, Refusal> {
    let algorithm = words.value("vector similarity algorithm")?;
    let is_graph = match algorithm.to_ascii_uppercase().as_slice() {
        b"FLAT" => false,
        b"HNSW" => true,
        _ => {
            return Err("Bad arguments for vector similarity algorithm: Unknown argument".into());
        }
    };
    let name = if is_graph { "HNSW" } else { "FLAT" };
    let count = words.count("vector similarity number of parameters")?;
    if count % 2 == 1 {
        return Err(format!(
            "Bad number of arguments for vector similarity index: got {count} but expected even number as algorithm parameters (should be submitted as named arguments)"
        ));
    }
    if words.len() < count as usize {
        let got = words.len();
        return Err(format!("Expected {count} parameters but got {got}"));
    }
    let mut rest = Words::new(words.take("vector", count)?);
    let (mut numeral, mut dim, mut metric, mut block_size) = (None, None, None, 1024);
    let mut graph = GraphWish {
        m: 16,
        ef_construction: 200,
        ef_runtime: 10,
        epsilon: 0.01,
    };
    let option = |what: &str| format!("vector similarity {name} index {what}");
    while let Some(word) = rest.maybe() {
        match word.to_ascii_uppercase().as_slice() {
            b"TYPE" => numeral = Some(numeral_named(&mut rest, &option("type"))?),
            b"DIM" => dim = Some(at_least_one(&mut rest, &option("dim"))?),
            b"DISTANCE_METRIC" => metric = Some(metric_named(&mut rest, &option("metric"))?),
            b"INITIAL_CAP" => drop(rest.count(&option("initial cap"))?),
            b"BLOCK_SIZE" if !is_graph => {
                block_size = at_least_one(&mut rest, &option("blocksize"))?;
            }
            b"M" if is_graph => graph.m = at_least_one(&mut rest, &option("m"))?,
            b"EF_CONSTRUCTION" if is_graph => {
                graph.ef_construction = at_least_one(&mut rest, &option("efc"))?;
            }
            b"EF_RUNTIME" if is_graph => {
                graph.ef_runtime = at_least_one(&mut rest, &option("efr"))?;
            }
            b"EPSILON" if is_graph => graph.epsilon = rest.double(&option("epsilon"))?,
            _ => {
                return Err(format!(
                    "Bad arguments for algorithm {name}: Unknown argument `{}`",
                    shown(word)
                ));
            }
        }
    }
    let missing = |word: &str| {
        format!(
            "Missing mandatory parameter: cannot create {name} index without specifying {word} argument"
        )
    };
    Ok(VectorSpec {
        numeral: numeral.ok_or_else(|| missing("TYPE"))?,
        dim: dim.ok_or_else(|| missing("DIM"))? as usize,
        metric: metric.ok_or_else(|| missing("DISTANCE_METRIC"))?,
        graph: is_graph.then_some(graph),
        block_size,
    })
}

/// Dimensions of a vector, and other numbers of its parameters.
const PARAMETER_MAX: u64 = 32768;

fn at_least_one(words: &mut Words<'_>, option: &str) -> Result<u64, Refusal> {
    let n = words.count(option)?;
    match n {
        1..=PARAMETER_MAX => Ok(n),
        _ => Err(out_of_bounds(option)),
    }
}

fn numeral_named(words: &mut Words<'_>, option: &str) -> Result<Numeral, Refusal> {
    let text = words.value(option)?;
    let is = |row: &&(Numeral, &str, usize)| text.eq_ignore_ascii_case(row.1.as_bytes());
    let found = Numeral::ALL.iter().find(is);
    found
        .map(|row| row.0)
        .ok_or_else(|| format!("Bad arguments for {option}: Unknown argument"))
}

fn metric_named(words: &mut Words<'_>, option: &str) -> Result<Metric, Refusal> {
    match words.value(option)?.to_ascii_uppercase().as_slice() {
        b"L2" => Ok(Metric::L2),
        b"IP" => Ok(Metric::InnerProduct),
        b"COSINE" => Ok(Metric::Cosine),
        _ => Err(format!("Bad arguments for {option}: Unknown argument")),
    }
}
