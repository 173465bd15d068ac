//! The options of FT.SEARCH.

use hashbrown::HashSet;

use super::highlights::SummaryOptions;
use super::{refused, shown};
use crate::command::Fail;
use crate::search::{
    EvalRules, Expander, Language, Params, QueryDefaults, Scorer, Scoring, UNITS, Words, integer,
};
use crate::util::number;

/// A field of a reply, and what it is called there.
pub struct ReturnField<'a> {
    pub name: &'a [u8],
    pub shown_as: &'a [u8],
}

/// What a query is asked with, in FT.SEARCH and FT.AGGREGATE alike.
pub struct QueryOptions<'a> {
    pub query: &'a [u8],
    pub dialect: u8,
    /// What it may take, unless it says otherwise.
    pub defaults: QueryDefaults,
    pub params: Params<'a>,
    pub verbatim: bool,
    pub scorer: Scorer,
    /// What the payloads of documents are compared with.
    pub payload: Option<&'a [u8]>,
    /// In which words of the query are read; that of the index, if nothing is said.
    pub language: Option<Language>,
    /// EXPANDER: which words besides the written ones are meant.
    pub expander: Expander,
}

/// FT.SEARCH as it was asked.
pub struct SearchWish<'a> {
    pub asked: QueryOptions<'a>,
    pub no_content: bool,
    pub no_stopwords: bool,
    pub with_scores: bool,
    pub with_sort_keys: bool,
    pub with_payloads: bool,
    pub in_keys: Option<&'a [&'a [u8]]>,
    pub in_fields: Option<&'a [&'a [u8]]>,
    pub wanted: Option<Vec<ReturnField<'a>>>,
    pub slop: Option<i64>,
    pub in_order: bool,
    /// The field, and whether the greatest comes first.
    pub sort: Option<(&'a [u8], bool)>,
    pub offset: usize,
    pub limit: usize,
    /// FILTER: fields with their ranges.
    pub filters: Vec<RangeFilter<'a>>,
    pub geo_filters: Vec<GeoFilter<'a>>,
    pub explain_score: bool,
    pub summary: SummaryOptions<'a>,
}

/// GEOFILTER: a field, and around which place it must lie.
pub struct GeoFilter<'a> {
    pub field: &'a [u8],
    pub place: (f64, f64),
    pub radius: f64,
    pub unit: &'a [u8],
}

/// A range of numbers as FILTER says it: each bound with whether it is left out.
pub struct RangeFilter<'a> {
    pub field: &'a [u8],
    pub low: (f64, bool),
    pub high: (f64, bool),
}

impl<'a> QueryOptions<'a> {
    /// Whether all values of an attribute are shown, rather than the first.
    pub fn shows_every(&self) -> bool {
        self.dialect >= 3
    }

    pub fn new(query: &'a [u8], defaults: QueryDefaults) -> Self {
        QueryOptions {
            query,
            dialect: defaults.dialect,
            defaults,
            params: Params::new(),
            verbatim: false,
            scorer: Scorer::default(),
            payload: None,
            language: None,
            expander: Expander::default(),
        }
    }

    pub fn scoring(&self) -> Scoring<'a> {
        Scoring {
            scorer: self.scorer,
            payload: self.payload,
        }
    }

    /// What holds when it is evaluated, to be scored or not.
    pub fn rules(&self, scored: bool) -> EvalRules {
        EvalRules {
            places: scored && self.scorer.wants_places(),
            language: self.language,
            expander: self.expander,
            expansions: self.defaults.expansions,
            ..EvalRules::default()
        }
    }

    /// Takes an option that every query may have.
    pub fn option(&mut self, words: &mut Words<'a>) -> Result<bool, Fail> {
        if words.word("VERBATIM") {
            self.verbatim = true;
        } else if words.word("PARAMS") {
            let count = words.count("PARAMS").map_err(refused)?;
            if count == 0 || count % 2 == 1 {
                let text = "Parameters must be specified in PARAM VALUE pairs";
                return Err(Fail::code(text));
            }
            let pairs = words.take("PARAMS", count).map_err(refused)?;
            for pair in pairs.chunks_exact(2) {
                if self.params.insert(pair[0], pair[1]).is_some() {
                    let name = shown(pair[0]);
                    return Err(Fail::code(format!("Duplicate parameter `{name}`")));
                }
            }
        } else if words.word("DIALECT") {
            let text = words.maybe().unwrap_or_default();
            let dialect = number::parse_i64(text).filter(|n| (1..=4).contains(n));
            self.dialect = dialect.ok_or(Fail::code(
                "DIALECT requires a non negative integer >=1 and <= 4",
            ))? as u8;
        } else if words.word("SCORER") {
            let name = words.value("SCORER").map_err(refused)?;
            let scorer = Scorer::named(name);
            let no_such = || Fail::code(format!("No such scorer {}", shown(name)));
            self.scorer = scorer.ok_or_else(no_such)?;
        } else if words.word("PAYLOAD") {
            self.payload = Some(words.value("PAYLOAD").map_err(refused)?);
        } else if words.word("TIMEOUT") {
            let text = words.maybe();
            let text = text.ok_or(Fail::code("Need argument for TIMEOUT"))?;
            let read = integer(text).and_then(|n| u64::try_from(n).ok());
            let bad = Fail::code("TIMEOUT requires a non negative integer");
            self.defaults.timeout_ms = read.ok_or(bad)?;
        } else if words.word("LANGUAGE") {
            let name = words.value("LANGUAGE").map_err(refused)?;
            let language = Language::named(name);
            self.language = Some(language.ok_or(Fail::code("No such language"))?);
        } else if words.word("EXPANDER") {
            let name = words.value("EXPANDER").map_err(refused)?;
            self.expander = Expander::named(name);
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

/// Results of a reply at most, unless LIMIT says otherwise.
const LIMIT_USUAL: usize = 10;
/// Results at most, whatever LIMIT says.
pub const LIMIT_MAX: usize = 1_000_000;

/// Reads LIMIT behind its word.
pub fn limit(words: &mut Words<'_>) -> Result<(usize, usize), Fail> {
    let (Some(offset), Some(count)) = (words.maybe(), words.maybe()) else {
        return Err(Fail::code("LIMIT requires two arguments"));
    };
    let read = |text| integer(text).and_then(|n| usize::try_from(n).ok());
    match read(offset).zip(read(count)) {
        None => Err(Fail::code("LIMIT needs two numeric arguments")),
        Some((_, count)) if count > LIMIT_MAX => {
            Err(Fail::code(format!("LIMIT exceeds maximum of {LIMIT_MAX}")))
        }
        Some((offset, _)) if offset > LIMIT_MAX => {
            Err(Fail::code(format!("OFFSET exceeds maximum of {LIMIT_MAX}")))
        }
        Some(pair) => Ok(pair),
    }
}

impl<'a> SearchWish<'a> {
    /// Reads the arguments behind the index's name.
    pub fn parse(args: &'a [&'a [u8]], defaults: QueryDefaults) -> Result<Self, Fail> {
        let Some((query, rest)) = args.split_first() else {
            return Err(Fail::code("No query string provided"));
        };
        let mut wish = SearchWish {
            asked: QueryOptions::new(query, defaults),
            no_content: false,
            no_stopwords: false,
            with_scores: false,
            with_sort_keys: false,
            with_payloads: false,
            in_keys: None,
            in_fields: None,
            wanted: None,
            slop: None,
            in_order: false,
            sort: None,
            offset: 0,
            limit: LIMIT_USUAL,
            filters: Vec::new(),
            geo_filters: Vec::new(),
            explain_score: false,
            summary: SummaryOptions::default(),
        };
        let mut words = Words::new(rest);
        while !words.is_empty() {
            if !wish.asked.option(&mut words)? {
                wish.option(&mut words)?;
            }
        }
        if wish.explain_score && !wish.with_scores {
            let text = "EXPLAINSCORE must be accompanied with WITHSCORES";
            return Err(Fail::code(text));
        }
        Ok(wish)
    }

    fn option(&mut self, words: &mut Words<'a>) -> Result<(), Fail> {
        if words.word("NOCONTENT") {
            self.no_content = true;
        } else if words.word("NOSTOPWORDS") {
            self.no_stopwords = true;
        } else if words.word("WITHSCORES") {
            self.with_scores = true;
        } else if words.word("WITHSORTKEYS") {
            self.with_sort_keys = true;
        } else if words.word("WITHPAYLOADS") {
            self.with_payloads = true;
        } else if words.word("INORDER") {
            self.in_order = true;
        } else if words.word("SLOP") {
            self.slop = Some(words.double("SLOP").map_err(refused)? as i64);
        } else if words.word("INKEYS") {
            let count = words.count("INKEYS").map_err(refused)?;
            self.in_keys = Some(words.take("INKEYS", count).map_err(refused)?);
        } else if words.word("INFIELDS") {
            let count = words.count("INFIELDS").map_err(refused)?;
            self.in_fields = Some(words.take("INFIELDS", count).map_err(refused)?);
        } else if words.word("RETURN") {
            self.wanted = Some(wanted(words)?);
        } else if words.word("SORTBY") {
            let field = words.maybe().ok_or(Fail::code("Bad SORTBY arguments"))?;
            let field = field.strip_prefix(b"@").unwrap_or(field);
            let descending = words.word("DESC");
            if !descending {
                words.word("ASC");
            }
            self.sort = Some((field, descending));
        } else if words.word("LIMIT") {
            (self.offset, self.limit) = limit(words)?;
        } else if words.word("FILTER") {
            let field = words.value("FILTER").map_err(refused)?;
            let low = bound(words)?;
            let high = bound(words)?;
            self.filters.push(RangeFilter { field, low, high });
        } else if words.word("GEOFILTER") {
            self.geo_filters.push(geo_filter(words)?);
        } else if words.word("EXPLAINSCORE") {
            self.explain_score = true;
        } else if !self.summary.option(words)? {
            return Err(unknown(words));
        }
        Ok(())
    }
}

/// What is no option.
pub fn unknown(words: &Words<'_>) -> Fail {
    let word = words.peek().unwrap_or_default();
    let at = words.at() + 1;
    Fail::code(format!(
        "Unknown argument `{}` at position {at} for <main>",
        shown(word)
    ))
}

fn geo_filter<'a>(words: &mut Words<'a>) -> Result<GeoFilter<'a>, Fail> {
    if words.len() < 5 {
        return Err(Fail::code("GEOFILTER requires 5 arguments"));
    }
    let field = words.value("GEOFILTER").map_err(refused)?;
    let mut number = |name: &str| words.double(name).map_err(refused);
    let place = (number("<lon>")?, number("<lat>")?);
    let radius = number("<radius>")?;
    let unit = words.value("GEOFILTER").map_err(refused)?;
    if !UNITS
        .iter()
        .any(|(known, _)| unit.eq_ignore_ascii_case(known.as_bytes()))
    {
        return Err(Fail::code(format!("Unknown distance unit {}", shown(unit))));
    }
    Ok(GeoFilter {
        field,
        place,
        radius,
        unit,
    })
}

fn bound(words: &mut Words<'_>) -> Result<(f64, bool), Fail> {
    let text = words.value("FILTER").map_err(refused)?;
    let (open, digits) = match text.strip_prefix(b"(") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    let n = number::parse_double(digits);
    let bad = || Fail::code(format!("Bad numeric bound: {}", shown(text)));
    n.map(|n| (n, open)).ok_or_else(bad)
}

fn wanted<'a>(words: &mut Words<'a>) -> Result<Vec<ReturnField<'a>>, Fail> {
    let count = words.count("RETURN").map_err(refused)?;
    let taken = words.take("RETURN", count).map_err(refused)?;
    let mut rest = Words::new(taken);
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    while let Some(name) = rest.maybe() {
        let name = name.strip_prefix(b"@").unwrap_or(name);
        let shown_as = match rest.word("AS") {
            true => rest.maybe().ok_or(Fail::code(
                "RETURN path AS name - must be accompanied with NAME",
            ))?,
            false => name,
        };
        if seen.insert(shown_as) {
            found.push(ReturnField { name, shown_as });
        }
    }
    Ok(found)
}
