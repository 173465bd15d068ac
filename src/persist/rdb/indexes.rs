//! Definitions of indexes and dictionaries of words as RediSearch keeps them in files: auxiliary records, of which commands are
//! made that make them again. Files of Redis Stack 7.4 hold the form that is read here.
//!
//! A record stands in one run of parts, so that the first part that is not understood ends it: what came before is kept.

use std::sync::Arc;

use hashbrown::HashMap;

use super::fault::{Fault, Read};
use super::module_parts::{ModulePart, ModuleParts};
use super::modules::{name, version};
use super::read::RdbReader;
use crate::search::definition;

/// Words of a command.
type Words = Vec<Arc<[u8]>>;

const INDEXES: &str = "ft_index0";
const DICTIONARIES: &str = "scdtype00";
/// The version of RediSearch's form of definitions.
const VERSION: u16 = 23;

/// Languages by RediSearch's numbers.
const LANGUAGES: [&str; 29] = [
    "english",
    "arabic",
    "basque",
    "catalan",
    "chinese",
    "danish",
    "dutch",
    "finnish",
    "french",
    "german",
    "greek",
    "hindi",
    "hungarian",
    "italian",
    "indonesian",
    "irish",
    "lithuanian",
    "nepali",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
    "armenian",
    "serbian",
    "yiddish",
];

/// Bits of an index's options.
mod option {
    pub const OFFSETS: u64 = 0x1;
    pub const FIELDS: u64 = 0x2;
    pub const STOPWORDS: u64 = 0x8;
    pub const FREQS: u64 = 0x10;
    pub const BYTE_OFFSETS: u64 = 0x40;
    pub const WIDE: u64 = 0x80;
    pub const SYNONYMS: u64 = 0x100;
    pub const TEMPORARY: u64 = 0x200;
}

/// Bits of an attribute's type, and of its options.
mod field {
    pub const TEXT: u64 = 0x1;
    pub const NUMERIC: u64 = 0x2;
    pub const GEO: u64 = 0x4;
    pub const TAG: u64 = 0x8;
    pub const VECTOR: u64 = 0x10;
    pub const SHAPE: u64 = 0x20;
    pub const SORTABLE: u64 = 0x1;
    pub const UNF: u64 = 0x20;
    pub const CASE_SENSITIVE: u64 = 0x1;
    /// Beside those that say how it is sorted.
    pub const FLAGS: [(u64, &[&str]); 6] = [
        (0x2, &["NOSTEM"]),
        (0x8, &["PHONETIC", "dm:en"]),
        (0x40, &["WITHSUFFIXTRIE"]),
        (0x100, &["INDEXEMPTY"]),
        (0x200, &["INDEXMISSING"]),
        (0x4, &["NOINDEX"]),
    ];
}

/// What an auxiliary record holds of indexes.
#[derive(Debug, Default)]
pub struct FoundIndexes {
    /// Commands that make them again.
    pub makings: Vec<Words>,
    /// Sentences on what is not made again.
    pub left_out: Vec<String>,
}

/// What an auxiliary record holds of indexes; nothing if it is of another type.
pub fn found(mut reader: RdbReader<'_>) -> Option<FoundIndexes> {
    let id = reader.count().ok()?;
    let kind = name(id);
    if kind != INDEXES && kind != DICTIONARIES {
        return None;
    }
    let mut found = FoundIndexes::default();
    let mut parts = ModuleParts::new(&mut reader);
    // The first part says when it was written.
    let read = parts.count().and_then(|_| match kind.as_str() {
        INDEXES => found.indexes(&mut parts, version(id)),
        _ => found.dictionaries(&mut parts),
    });
    if read.is_err() {
        let told = "What follows in RediSearch's definitions is in a form that is not known, and is left out";
        found.left_out.push(told.into());
    }
    Some(found)
}

impl FoundIndexes {
    fn indexes(&mut self, parts: &mut ModuleParts<'_, '_>, version: u16) -> Read<()> {
        let count = parts.count()?;
        for _ in 0..count {
            let name = text(parts)?;
            let shown = String::from_utf8_lossy(&name).into_owned();
            if version != VERSION {
                self.left_out.push(format!(
                    "Index '{shown}' is left out, and {} more: RediSearch has written their definitions in its form {version}",
                    count - 1
                ));
                return Ok(());
            }
            let (made, shapes) = IndexRecord::read(name, parts)?;
            if shapes > 0 {
                self.left_out.push(format!(
                    "{shapes} attributes of type GEOSHAPE are left out of index '{shown}'"
                ));
            }
            match definition(&borrowed(&made[0])) {
                Ok(_) => self.makings.extend(made),
                Err(why) => self
                    .left_out
                    .push(format!("Index '{shown}' is left out: {why}")),
            }
        }
        Ok(())
    }

    fn dictionaries(&mut self, parts: &mut ModuleParts<'_, '_>) -> Read<()> {
        // The record before the keys is empty.
        let Some(ModulePart::Count(count)) = parts.next_part()? else {
            return Ok(());
        };
        for _ in 0..count {
            let mut making: Words = vec![word("FT.DICTADD"), text(parts)?];
            for _ in 0..parts.count()? {
                making.push(text(parts)?);
                parts.double()?;
            }
            self.makings.push(making);
        }
        Ok(())
    }
}

fn borrowed(making: &Words) -> Vec<&[u8]> {
    making.iter().skip(1).map(|word| &word[..]).collect()
}

fn word(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

/// A text, which ends in a zero.
fn text(parts: &mut ModuleParts<'_, '_>) -> Read<Arc<[u8]>> {
    let text = parts.text()?;
    Ok(text.strip_suffix(b"\0").unwrap_or(&text).into())
}

/// A text that may be missing.
fn maybe_text(parts: &mut ModuleParts<'_, '_>) -> Read<Option<Arc<[u8]>>> {
    match parts.count()? {
        0 => Ok(None),
        _ => text(parts).map(Some),
    }
}

/// The words of a definition, as they are read.
struct IndexRecord {
    head: Words,
    fields: Words,
    shapes: usize,
}

/// The groups of an index's synonyms, in the order in which they are met, each with its words.
#[derive(Default)]
struct SynonymRecord {
    places: HashMap<Arc<[u8]>, usize>,
    makings: Vec<Words>,
}

impl SynonymRecord {
    /// Reads words, each of which stands with its groups.
    fn read(index: &Arc<[u8]>, parts: &mut ModuleParts<'_, '_>) -> Read<Vec<Words>> {
        let (update, skips) = (word("FT.SYNUPDATE"), word("SKIPINITIALSCAN"));
        let mut record = SynonymRecord::default();
        for _ in 0..parts.count()? {
            let synonym = text(parts)?;
            for _ in 0..parts.count()? {
                let group = text(parts)?;
                let at = *record.places.entry(group.clone()).or_insert_with(|| {
                    let head = [&update, index, &group, &skips];
                    record.makings.push(head.map(Arc::clone).to_vec());
                    record.makings.len() - 1
                });
                record.makings[at].push(synonym.clone());
            }
        }
        Ok(record.makings)
    }
}

impl IndexRecord {
    /// The commands that make an index again, FT.CREATE first, and how many attributes can't be.
    fn read(name: Arc<[u8]>, parts: &mut ModuleParts<'_, '_>) -> Read<(Vec<Words>, usize)> {
        let mut index = IndexRecord {
            head: vec![word("FT.CREATE"), name.clone()],
            fields: vec![word("SCHEMA")],
            shapes: 0,
        };
        let options = parts.count()?;
        for _ in 0..parts.count()? {
            index.field(parts)?;
        }
        index.rule(parts)?;
        index.options(options);
        if options & option::STOPWORDS != 0 {
            let mut words = Words::new();
            for _ in 0..parts.count()? {
                words.push(text(parts)?);
            }
            index.option("STOPWORDS", [word(&words.len().to_string())]);
            index.head.extend(words);
        }
        let mut more = match options & option::SYNONYMS {
            0 => Vec::new(),
            _ => SynonymRecord::read(&name, parts)?,
        };
        let idle_ms = parts.count()?;
        if options & option::TEMPORARY != 0 {
            index.option("TEMPORARY", [word(&(idle_ms / 1000).to_string())]);
        }
        let add = word("FT.ALIASADD");
        for _ in 0..parts.count()? {
            more.push(vec![add.clone(), text(parts)?, name.clone()]);
        }
        let IndexRecord {
            mut head,
            fields,
            shapes,
        } = index;
        head.extend(fields);
        more.insert(0, head);
        Ok((more, shapes))
    }

    fn option<const N: usize>(&mut self, name: &str, values: [Arc<[u8]>; N]) {
        self.head.push(word(name));
        self.head.extend(values);
    }

    fn options(&mut self, options: u64) {
        let has = |bit| options & bit != 0;
        let flags = [
            (!has(option::OFFSETS), "NOOFFSETS"),
            (has(option::OFFSETS) && !has(option::BYTE_OFFSETS), "NOHL"),
            (!has(option::FIELDS), "NOFIELDS"),
            (!has(option::FREQS), "NOFREQS"),
            (has(option::WIDE), "MAXTEXTFIELDS"),
        ];
        for (_, flag) in flags.iter().filter(|(on, _)| *on) {
            self.option(flag, []);
        }
    }

    /// Which keys are its documents, and what of them it asks beside the attributes.
    fn rule(&mut self, parts: &mut ModuleParts<'_, '_>) -> Read<()> {
        let kind = text(parts)?;
        self.option("ON", [kind]);
        let prefixes = parts.count()?;
        self.option("PREFIX", [word(&prefixes.to_string())]);
        for _ in 0..prefixes {
            self.head.push(text(parts)?);
        }
        for name in ["FILTER", "LANGUAGE_FIELD", "SCORE_FIELD", "PAYLOAD_FIELD"] {
            if let Some(value) = maybe_text(parts)? {
                self.option(name, [value]);
            }
        }
        let score = parts.double()?;
        self.option("SCORE", [word(&score.to_string())]);
        let language = parts.count()? as usize;
        let language = *LANGUAGES.get(language).ok_or(Fault::Broken)?;
        // It is everybody's unless another one is named.
        if language != LANGUAGES[0] {
            self.option("LANGUAGE", [word(language)]);
        }
        Ok(())
    }

    fn field(&mut self, parts: &mut ModuleParts<'_, '_>) -> Read<()> {
        let name = text(parts)?;
        let path = maybe_text(parts)?;
        let (kind, options) = (parts.count()?, parts.count()?);
        // Where among the values it is sorted by.
        parts.count()?;
        let mut words: Words = match path {
            None => vec![name],
            Some(path) => vec![path, word("AS"), name],
        };
        let mut say = |said: &[&str]| words.extend(said.iter().map(|text| word(text)));
        match kind {
            field::TEXT => {
                parts.count()?;
                say(&["TEXT", "WEIGHT", &parts.double()?.to_string()]);
            }
            field::NUMERIC => say(&["NUMERIC"]),
            field::GEO => say(&["GEO"]),
            field::TAG => {
                let flags = parts.count()?;
                let separator = parts.text()?.into_owned();
                say(&["TAG"]);
                if flags & field::CASE_SENSITIVE != 0 {
                    say(&["CASESENSITIVE"]);
                }
                if separator != b"\0" {
                    words.extend([word("SEPARATOR"), separator.into()]);
                }
            }
            field::VECTOR => words.extend(vector(parts)?),
            field::SHAPE => {
                parts.count()?;
                self.shapes += 1;
                return Ok(());
            }
            _ => return Err(Fault::Broken),
        }
        let mut say = |said: &[&str]| words.extend(said.iter().map(|text| word(text)));
        for (bit, said) in field::FLAGS {
            if options & bit != 0 {
                say(said);
            }
        }
        if options & field::SORTABLE != 0 {
            say(&["SORTABLE"]);
            if options & field::UNF != 0 {
                say(&["UNF"]);
            }
        }
        self.fields.extend(words);
        Ok(())
    }
}

/// The words for a vector: its algorithm and parameters.
fn vector(parts: &mut ModuleParts<'_, '_>) -> Read<Words> {
    const NUMERALS: [&str; 6] = ["FLOAT32", "FLOAT64", "BFLOAT16", "FLOAT16", "INT8", "UINT8"];
    const METRICS: [&str; 3] = ["L2", "IP", "COSINE"];
    const FLAT: u64 = 0;
    const GRAPH: u64 = 1;
    const TIERED: u64 = 2;
    // How long a vector is follows from the rest.
    parts.count()?;
    let mut algorithm = parts.count()?;
    if algorithm == TIERED {
        algorithm = parts.count()?;
        parts.count()?;
    }
    let named = |names: &[&'static str], at: u64| {
        let name = names.get(usize::try_from(at).unwrap_or(usize::MAX));
        name.copied().ok_or(Fault::Broken)
    };
    let numeral = named(&NUMERALS, parts.count()?)?;
    let dim = parts.count()?.to_string();
    let metric = named(&METRICS, parts.count()?)?;
    // Whether a document has several, and how much room is made at first.
    parts.count()?;
    parts.count()?;
    let mut words = vec!["TYPE", numeral, "DIM", &dim, "DISTANCE_METRIC", metric];
    let numbers: Vec<(&str, String)> = match algorithm {
        FLAT => vec![("BLOCK_SIZE", parts.count()?.to_string())],
        GRAPH => {
            let names = ["M", "EF_CONSTRUCTION", "EF_RUNTIME"];
            let read = |name| Ok((name, parts.count()?.to_string()));
            names.into_iter().map(read).collect::<Read<_>>()?
        }
        _ => return Err(Fault::Broken),
    };
    words.extend(numbers.iter().flat_map(|(name, n)| [*name, n]));
    let count = words.len().to_string();
    let name = if algorithm == FLAT { "FLAT" } else { "HNSW" };
    let head = ["VECTOR", name, &count];
    let all = head.into_iter().chain(words);
    Ok(all.map(word).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An auxiliary record of Redis Stack 7.4.1 with an index `i` of one text `t`.
    const RECORD: &str = "817edfe29dd7b1d0170201020105026900028000080053020105027400020002010200\
        0281ffffffffffffffff020004000000000000f03f0505484153480002010501000200020002000200\
        04000000000000f03f02000281fffffffffffffc18020000";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = (0..hex.len()).step_by(2);
        digits
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    /// That record with these pairs of words and groups.
    fn with_synonyms(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut record = bytes(RECORD);
        // The index's options, and where its synonyms stand if it has any: before how long it may be idle.
        let options = RECORD.find("8000080053").unwrap() / 2;
        record[options + 3] |= (option::SYNONYMS >> 8) as u8;
        let at = RECORD.find("0281fffffffffffffc18").unwrap() / 2;
        let mut parts = vec![2, 0x80];
        parts.extend_from_slice(&(pairs.len() as u32).to_be_bytes());
        for (word, group) in pairs {
            for (text, behind) in [(word, &[2, 1][..]), (group, &[])] {
                parts.extend_from_slice(&[5, text.len() as u8 + 1]);
                parts.extend_from_slice(text.as_bytes());
                parts.push(0);
                parts.extend_from_slice(behind);
            }
        }
        record.splice(at..at, parts);
        record
    }

    fn shown(making: &Words) -> String {
        let words = making.iter().map(|word| String::from_utf8_lossy(word));
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_of_one_group_are_one_command_however_many_they_are() {
        let record = with_synonyms(&[("a", "g"), ("b", "h"), ("c", "g"), ("a", "h")]);
        let read = found(RdbReader::new(&record)).unwrap();
        assert!(read.left_out.is_empty(), "{:?}", read.left_out);
        let makings: Vec<String> = read.makings[1..].iter().map(shown).collect();
        let wanted = [
            "FT.SYNUPDATE i g SKIPINITIALSCAN a c",
            "FT.SYNUPDATE i h SKIPINITIALSCAN b a",
        ];
        assert_eq!(makings, wanted);
        let many: Vec<String> = (0..100_000).map(|n| format!("w{n}")).collect();
        let pairs: Vec<(&str, &str)> = many.iter().map(|word| (&word[..], "g")).collect();
        let read = found(RdbReader::new(&with_synonyms(&pairs))).unwrap();
        assert_eq!(read.makings.len(), 2);
        assert_eq!(read.makings[1].len(), 4 + many.len());
        // Of groups that have one word each, all share the name of the index.
        let pairs: Vec<(&str, &str)> = many.iter().map(|group| ("w", &group[..])).collect();
        let read = found(RdbReader::new(&with_synonyms(&pairs))).unwrap();
        let name = &read.makings[0][1];
        let is_shared = |making: &Words| Arc::ptr_eq(&making[1], name);
        assert!(read.makings[1..].iter().all(is_shared));
        assert_eq!(read.makings.len(), 1 + many.len());
    }

    #[test]
    fn a_definition_is_read_as_redis_stack_wrote_it() {
        let record = bytes(RECORD);
        let read = found(RdbReader::new(&record)).unwrap();
        assert!(read.left_out.is_empty(), "{:?}", read.left_out);
        let [making] = &read.makings[..] else {
            panic!("there is one index: {:?}", read.makings);
        };
        let wanted = "FT.CREATE i ON HASH PREFIX 1  SCORE 1 SCHEMA t TEXT WEIGHT 1";
        assert_eq!(shown(making), wanted);
        // Cut short, or in a later form, it is left out by name or in a sentence.
        for len in 12..record.len() - 1 {
            let cut = found(RdbReader::new(&record[..len])).unwrap();
            assert_eq!(cut.left_out.len(), 1, "{len}");
        }
        let mut later = record.clone();
        later[8] += 1;
        let read = found(RdbReader::new(&later)).unwrap();
        assert!(read.makings.is_empty() && read.left_out[0].contains("'i'"));
    }
}
