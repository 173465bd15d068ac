//! What the parts of a search found, and how long it took.

use crate::resp::Reply;
use crate::search::{Match, MatchKind, Scorer};
use crate::util::clock::Timer;

/// What is noted on the way.
#[derive(Clone)]
pub struct SearchProfile {
    begun: Timer,
    /// Union's parts are counted, not listed.
    limited: bool,
    parsing_ms: f64,
    pipeline_ms: f64,
    evaluation_ms: f64,
    iterators: Option<PartProfile>,
    /// The steps behind, each with the rows that it gave.
    processors: Vec<(&'static str, usize)>,
}

/// A part of a query, and what it found.
#[derive(Clone)]
struct PartProfile {
    kind: &'static str,
    /// More that is told of it: names with texts.
    beside: Vec<(&'static str, String)>,
    counter: usize,
    parts: Vec<PartProfile>,
}

impl SearchProfile {
    pub fn begin(limited: bool) -> Self {
        SearchProfile {
            begun: Timer::start(),
            limited,
            parsing_ms: 0.0,
            pipeline_ms: 0.0,
            evaluation_ms: 0.0,
            iterators: None,
            processors: Vec::new(),
        }
    }

    fn elapsed_ms(&self) -> f64 {
        self.begun.elapsed().as_secs_f64() * 1000.0
    }

    /// The query was read.
    pub fn parsed(&mut self) {
        self.parsing_ms = self.elapsed_ms();
        self.processors.clear();
    }

    /// It is evaluated from now on.
    pub fn prepared(&mut self) {
        self.pipeline_ms = self.elapsed_ms() - self.parsing_ms;
    }

    /// What it found, and by which scorer that is scored, if it is.
    pub fn found(&mut self, found: &Match, scorer: Option<Scorer>) {
        self.evaluation_ms = self.elapsed_ms() - self.parsing_ms - self.pipeline_ms;
        self.iterators = Some(PartProfile::of(found));
        let count = found.docs.len();
        self.step("Index", count);
        let mut distances = false;
        if let Some(doc) = found.docs.first() {
            found.each_distance(*doc, &mut |_, _| distances = true);
        }
        if distances {
            self.step("Metrics Applier", count);
        }
        if scorer.is_some() {
            self.step("Scorer", count);
        }
    }

    /// A step gave so many rows.
    pub fn step(&mut self, name: &'static str, rows: usize) {
        self.processors.push((name, rows));
    }

    /// Writes it behind results.
    pub fn write(&self, out: &mut Reply) {
        let resp3 = out.resp3();
        let head = |out: &mut Reply, len: usize| match resp3 {
            true => out.map(len),
            false => out.array(len),
        };
        let pair = |out: &mut Reply, name: &str| {
            if !resp3 {
                out.array(2);
            }
            out.simple(name);
        };
        head(out, 6);
        pair(out, "Total profile time");
        out.double(self.elapsed_ms());
        pair(out, "Parsing time");
        out.double(self.parsing_ms);
        pair(out, "Pipeline creation time");
        out.double(self.pipeline_ms);
        match resp3 {
            true => {
                out.simple("Warning");
                out.simple("None");
            }
            false => {
                out.array(1);
                out.simple("Warning");
            }
        }
        pair(out, "Iterators profile");
        if resp3 {
            out.array(1);
        }
        if let Some(root) = &self.iterators {
            root.write(out, Some(self.evaluation_ms), self.limited);
        } else {
            out.array(0);
        }
        self.write_processors(out);
    }

    fn write_processors(&self, out: &mut Reply) {
        let resp3 = out.resp3();
        if resp3 {
            out.simple("Result processors profile");
            out.array(self.processors.len());
        } else {
            out.array(1 + self.processors.len());
            out.simple("Result processors profile");
        }
        for (name, rows) in &self.processors {
            out.map(2);
            out.simple("Type");
            out.simple(name);
            out.simple("Counter");
            out.count(*rows);
        }
    }
}

impl PartProfile {
    fn of(found: &Match) -> Self {
        let word = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut part = PartProfile {
            kind: "EMPTY",
            beside: Vec::new(),
            counter: found.docs.len(),
            parts: Vec::new(),
        };
        match &found.kind {
            MatchKind::Term(hits) => {
                part.kind = "TEXT";
                part.beside
                    .extend(hits.words().map(|text| ("Term", word(text))));
            }
            MatchKind::First(hits) => {
                part.kind = "UNION";
                part.beside.push(("Query type", "PREFIX".into()));
                part.parts.extend(hits.words().map(|text| PartProfile {
                    kind: "TEXT",
                    beside: vec![("Term", word(text))],
                    counter: hits.count_of(text),
                    parts: Vec::new(),
                }));
            }
            MatchKind::All(parts) => {
                part.kind = "INTERSECT";
                part.parts.extend(parts.iter().map(|part| Self::of(part)));
            }
            MatchKind::Any(parts) => {
                part.kind = "UNION";
                part.beside.push(("Query type", "UNION".into()));
                part.parts.extend(parts.iter().map(|part| Self::of(part)));
            }
            MatchKind::Optional(inner) => {
                part.kind = "OPTIONAL";
                part.parts.push(Self::of(inner));
            }
            MatchKind::Distances { inner, .. } => {
                part.kind = "VECTOR";
                part.parts.extend(inner.iter().map(|inner| Self::of(inner)));
            }
            MatchKind::Virtual => part.kind = "WILDCARD",
            MatchKind::Number => part.kind = "NUMERIC",
            MatchKind::Silent => part.kind = "NOT",
            MatchKind::Nothing => {}
        }
        part
    }

    fn write(&self, out: &mut Reply, time_ms: Option<f64>, limited: bool) {
        let (resp3, children) = (out.resp3(), usize::from(!self.parts.is_empty()));
        let pairs = 2 + self.beside.len() + usize::from(time_ms.is_some());
        let counted = limited && self.kind == "UNION";
        match resp3 {
            true => out.map(pairs + children),
            // Parts stand one after another behind their name.
            false if counted => out.array(2 * (pairs + children)),
            false => out.array(2 * pairs + (1 + self.parts.len()) * children),
        }
        out.simple("Type");
        out.simple(self.kind);
        for (name, text) in &self.beside {
            out.simple(name);
            out.simple(text);
        }
        if let Some(time_ms) = time_ms {
            out.simple("Time");
            out.double(time_ms);
        }
        out.simple("Counter");
        out.count(self.counter);
        if children == 0 {
            return;
        }
        let lone = matches!(self.kind, "OPTIONAL" | "VECTOR");
        out.simple(if lone {
            "Child iterator"
        } else {
            "Child iterators"
        });
        if counted {
            let count = self.parts.len();
            return out.simple(&format!("The number of iterators in the union is {count}"));
        }
        if resp3 && !lone {
            out.array(self.parts.len());
        }
        self.parts
            .iter()
            .for_each(|part| part.write(out, None, limited));
    }
}
