//! The options of FT.HYBRID: two queries, how their results become one list, and what is made of that.

use super::aggregate::{AggregateWish, Load, load};
use super::options::{QueryOptions, limit, unknown};
use super::pipeline::{RowStep, property};
use super::refused;
use crate::command::Fail;
use crate::search::{QueryDefaults, Scorer, Words};
use crate::util::number;

/// What the distance is called between the two queries and this command.
pub const DISTANCE: &str = "__hybrid_distance";

/// Results of each query that count, unless WINDOW says otherwise.
const WINDOW: usize = 20;
/// Neighbours that are looked for, unless KNN says otherwise.
const NEIGHBOURS: u64 = 10;
/// How little the first ranks count more than those behind them.
const CONSTANT: f64 = 60.0;
/// What the scores of both queries count, unless LINEAR says otherwise.
const WEIGHTS: Fusion = Fusion::Weights {
    alpha: 0.3,
    beta: 0.7,
};
/// Rows of a reply, unless LIMIT says otherwise.
const ROWS: usize = 10;
/// The greatest CONSTANT. One that is negative would divide by nothing.
const CONSTANT_MAX: f64 = 100_000.0;

/// How two lists become one.
pub enum Fusion {
    /// By the places in both lists: reciprocal rank fusion.
    Ranks { constant: f64 },
    /// By the scores in both.
    Weights { alpha: f64, beta: f64 },
}

/// Which vectors are near.
enum NearVectors {
    First { count: u64, width: Option<u64> },
    Within { radius: f64, epsilon: Option<f64> },
}

pub struct HybridWish<'a> {
    /// The text query, and what is made of the results.
    pub rows: AggregateWish<'a>,
    /// Names under which scores are shown.
    pub text_as: Option<&'a [u8]>,
    pub near_as: Option<&'a [u8]>,
    whole_as: Option<&'a [u8]>,
    pub field: &'a [u8],
    /// The name of the parameter that holds the vector.
    vector: &'a [u8],
    near: NearVectors,
    filter: Option<&'a [u8]>,
    pub fusion: Fusion,
    pub window: usize,
    pub limit: (usize, usize),
    /// The whole score is none of the fields that are loaded.
    pub hides_score: bool,
}

impl<'a> HybridWish<'a> {
    /// Reads the arguments behind the index's name.
    pub fn parse(args: &'a [&'a [u8]], defaults: QueryDefaults) -> Result<Self, Fail> {
        let mut words = Words::new(args);
        if !words.word("SEARCH") {
            return Err(Fail::code("SEARCH argument is required"));
        }
        let query = words.maybe();
        let query = query.ok_or(Fail::code("No query string provided for SEARCH"))?;
        let mut asked = QueryOptions::new(query, defaults);
        // The command is younger than the first dialect.
        asked.dialect = asked.dialect.max(2);
        asked.scorer = Scorer::Bm25Std;
        let mut wish = HybridWish {
            rows: AggregateWish::of(asked),
            text_as: None,
            near_as: None,
            whole_as: None,
            field: b"",
            vector: b"",
            near: NearVectors::First {
                count: NEIGHBOURS,
                width: None,
            },
            filter: None,
            fusion: Fusion::Ranks { constant: CONSTANT },
            window: WINDOW,
            limit: (0, ROWS),
            hides_score: false,
        };
        while !words.word("VSIM") {
            if words.word("YIELD_SCORE_AS") {
                wish.text_as = Some(words.value("YIELD_SCORE_AS").map_err(refused)?);
            } else if words.is_empty() {
                return Err(Fail::code("VSIM argument is required"));
            } else if !wish.rows.asked.option(&mut words)? {
                return Err(unknown(&words));
            }
        }
        wish.vector(&mut words)?;
        wish.combine(&mut words)?;
        wish.steps(&mut words)?;
        wish.names()?;
        Ok(wish)
    }

    /// What stands behind VSIM.
    fn vector(&mut self, words: &mut Words<'a>) -> Result<(), Fail> {
        let field = words.maybe().and_then(|name| name.strip_prefix(b"@"));
        self.field = field.ok_or(Fail::code("Missing @ prefix for vector field name"))?;
        let vector = words.maybe();
        let vector = vector.ok_or(Fail::code("Missing vector argument"))?;
        // The vector itself might begin with any byte, and so look like the name of a parameter: it is none of the words here.
        self.vector = vector.strip_prefix(b"$").ok_or(Fail::code(
            "Invalid vector argument, expected a parameter name starting with $",
        ))?;
        loop {
            if words.word("KNN") {
                self.nearest(&mut block(words, "KNN")?)?;
            } else if words.word("RANGE") {
                self.within(&mut block(words, "RANGE")?)?;
            } else if words.word("FILTER") {
                self.filter = Some(words.value("FILTER").map_err(refused)?);
            } else if words.word("YIELD_SCORE_AS") {
                self.near_as = Some(words.value("YIELD_SCORE_AS").map_err(refused)?);
            } else {
                return Ok(());
            }
        }
    }

    fn nearest(&mut self, words: &mut Words<'a>) -> Result<(), Fail> {
        let (mut count, mut width) = (None, None);
        while !words.is_empty() {
            if words.word("K") {
                let read = words.count_in("K", 1..=u64::MAX);
                count = Some(read.map_err(|_| Fail::code("Invalid K value"))?);
            } else if words.word("EF_RUNTIME") {
                let read = words.count_in("EF_RUNTIME", 1..=u64::MAX);
                width = Some(read.map_err(|_| Fail::code("Invalid EF_RUNTIME value"))?);
            } else if words.word("YIELD_SCORE_AS") {
                self.near_as = Some(words.value("YIELD_SCORE_AS").map_err(refused)?);
            } else {
                return Err(unknown(words));
            }
        }
        let count = count.ok_or(Fail::code("Missing required argument K"))?;
        self.near = NearVectors::First { count, width };
        Ok(())
    }

    fn within(&mut self, words: &mut Words<'a>) -> Result<(), Fail> {
        let (mut radius, mut epsilon) = (None, None);
        while !words.is_empty() {
            if words.word("RADIUS") {
                let read = words.double("RADIUS").ok().filter(|n| *n >= 0.0);
                radius = Some(read.ok_or(Fail::code("Invalid RADIUS value"))?);
            } else if words.word("EPSILON") {
                let read = words.double("EPSILON").ok().filter(|n| *n > 0.0);
                epsilon = Some(read.ok_or(Fail::code("Invalid EPSILON value"))?);
            } else if words.word("YIELD_SCORE_AS") {
                self.near_as = Some(words.value("YIELD_SCORE_AS").map_err(refused)?);
            } else {
                return Err(unknown(words));
            }
        }
        let radius = radius.ok_or(Fail::code("Missing required argument RADIUS"))?;
        self.near = NearVectors::Within { radius, epsilon };
        Ok(())
    }

    fn combine(&mut self, words: &mut Words<'a>) -> Result<(), Fail> {
        if !words.word("COMBINE") {
            return Ok(());
        }
        if words.word("RRF") {
            // It has no parameters where no number comes next.
        } else if words.word("LINEAR") {
            self.fusion = WEIGHTS;
        } else {
            return Err(unknown(words));
        }
        if words
            .peek()
            .is_some_and(|word| number::parse_i64(word).is_some())
        {
            let mut block = block(words, "COMBINE")?;
            while !block.is_empty() {
                self.parameter(&mut block)?;
            }
        }
        if words.word("YIELD_SCORE_AS") {
            self.whole_as = Some(words.value("YIELD_SCORE_AS").map_err(refused)?);
        }
        Ok(())
    }

    fn parameter(&mut self, words: &mut Words<'a>) -> Result<(), Fail> {
        if words.word("YIELD_SCORE_AS") {
            self.whole_as = Some(words.value("YIELD_SCORE_AS").map_err(refused)?);
            return Ok(());
        }
        if words.word("WINDOW") {
            let window = words.count_in("WINDOW", 1..=u64::MAX).map_err(refused)?;
            self.window = usize::try_from(window).unwrap_or(usize::MAX);
            return Ok(());
        }
        match &mut self.fusion {
            Fusion::Ranks { constant } if words.word("CONSTANT") => {
                *constant = words.double("CONSTANT").map_err(refused)?;
                if *constant < 0.0 {
                    return Err(Fail::code("CONSTANT: Value below minimum"));
                }
                if *constant > CONSTANT_MAX {
                    return Err(Fail::code("CONSTANT: Value above maximum"));
                }
            }
            Fusion::Weights { alpha, .. } if words.word("ALPHA") => {
                *alpha = words.double("ALPHA").map_err(refused)?;
            }
            Fusion::Weights { beta, .. } if words.word("BETA") => {
                *beta = words.double("BETA").map_err(refused)?;
            }
            _ => return Err(unknown(words)),
        }
        Ok(())
    }

    /// What is made of the results, up to the end.
    fn steps(&mut self, words: &mut Words<'a>) -> Result<(), Fail> {
        while !words.is_empty() {
            if words.word("LIMIT") {
                self.limit = limit(words)?;
            } else if words.word("LOAD") {
                self.rows.loads.push(load(words)?);
            } else if words.word("NOSORT") {
                // They come as they were found.
            } else if let Some(step) = RowStep::parse(words)? {
                self.rows.steps.push(step);
            } else if !self.rows.asked.option(words)? {
                return Err(unknown(words));
            }
        }
        Ok(())
    }

    /// Which of the names that no field has are shown: the key and the score, where nothing is loaded.
    fn names(&mut self) -> Result<(), Fail> {
        let loads = &self.rows.loads;
        let is_score = |(name, _): &(Vec<u8>, Vec<u8>)| name == b"__score";
        self.hides_score = self.whole_as.is_none()
            && !loads.is_empty()
            && !loads.iter().any(|load| match load {
                Load::All => false,
                Load::Named(fields) => fields.iter().any(is_score),
            });
        if loads.is_empty() {
            let key = b"__key".to_vec();
            let named = Load::Named(vec![(property(&key).to_vec(), key.clone())]);
            self.rows.loads.push(named);
        }
        Ok(())
    }

    /// What the whole score is called.
    pub fn score_name(&self) -> &[u8] {
        self.whole_as.unwrap_or(b"__score")
    }

    /// The query that finds what is near, in the words of FT.SEARCH.
    pub fn vector_query(&self) -> Vec<u8> {
        let (field, vector) = (escaped(self.field), escaped(self.vector));
        let among = match self.filter {
            None => b"*".to_vec(),
            Some(filter) => [b"(", filter, b")"].concat(),
        };
        match &self.near {
            NearVectors::First { count, width } => {
                let width = width.map_or(String::new(), |width| format!(" EF_RUNTIME {width}"));
                let text = format!("=>[KNN {count} @{field} ${vector}{width} AS {DISTANCE}]");
                [among, text.into_bytes()].concat()
            }
            NearVectors::Within { radius, epsilon } => {
                let epsilon = epsilon.map_or(String::new(), |n| format!("; $EPSILON: {n}"));
                let text = format!(
                    "@{field}:[VECTOR_RANGE {radius} ${vector}]=>{{$YIELD_DISTANCE_AS: {DISTANCE}{epsilon}}}"
                );
                match self.filter {
                    None => text.into_bytes(),
                    Some(_) => [&among[..], b" ", text.as_bytes()].concat(),
                }
            }
        }
    }
}

/// The words that an option counts.
fn block<'a>(words: &mut Words<'a>, option: &str) -> Result<Words<'a>, Fail> {
    let count = words.count(option).map_err(refused)?;
    Ok(Words::new(words.take(option, count).map_err(refused)?))
}

/// A name as it may stand in a query.
fn escaped(name: &[u8]) -> String {
    let mut shown = String::new();
    for letter in String::from_utf8_lossy(name).chars() {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() && letter != '_' {
            shown.push('\\');
        }
        shown.push(letter);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector_query(words: &str) -> String {
        let args: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        let defaults = QueryDefaults {
            dialect: 2,
            timeout_ms: 0,
            fails_late: false,
            expansions: 200,
        };
        let wish = HybridWish::parse(&args, defaults);
        let wish = wish.unwrap_or_else(|_| panic!("{words} is right"));
        String::from_utf8(wish.vector_query()).unwrap()
    }

    #[test]
    fn all_that_is_said_of_the_vector_is_asked() {
        assert_eq!(
            vector_query("SEARCH x VSIM @v $q KNN 4 K 3 EF_RUNTIME 7 FILTER @n:[1,2]"),
            "(@n:[1,2])=>[KNN 3 @v $q EF_RUNTIME 7 AS __hybrid_distance]"
        );
        assert_eq!(
            vector_query("SEARCH x VSIM @v $q RANGE 4 EPSILON 0.5 RADIUS 2"),
            "@v:[VECTOR_RANGE 2 $q]=>{$YIELD_DISTANCE_AS: __hybrid_distance; $EPSILON: 0.5}"
        );
    }
}
