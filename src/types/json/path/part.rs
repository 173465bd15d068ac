//! What a path is made of: its parts, and the filters that some of them are, whose terms are paths again.

/// What a step leads to.
#[derive(Debug)]
pub enum PathPart {
    /// `.name`
    Name(String),
    /// `["a","b"]`
    Names(Vec<String>),
    /// `[0,-1]`
    Places(Vec<i64>),
    /// `[from:to:step]`
    Range(Option<i64>, Option<i64>, usize),
    /// `*`
    All,
    /// `..`: here and everywhere below.
    Deep,
    /// `[?...]`
    Filter(PathFilter),
}

/// What must hold of a value.
#[derive(Debug)]
pub enum PathFilter {
    /// One of these, each of which is several that must hold together.
    Any(Vec<Vec<PathFilter>>),
    Exists(PathTerm),
    Compare(PathTerm, Compare, PathTerm),
}

#[derive(Debug)]
pub enum PathTerm {
    /// `@...`
    FromHere(Vec<PathPart>),
    /// `$...`
    FromRoot(Vec<PathPart>),
    Int(i64),
    Float(f64),
    Text(String),
    Bool(bool),
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    AtLeast,
    Above,
    AtMost,
    Below,
    Equal,
    Unequal,
    Matches,
}
