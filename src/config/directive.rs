//! What is known of a directive beside its value: who may change it, and whether it means anything here.

use super::table::Config;
use super::values::Setting;

/// What setting a directive does in this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It does what its documentation says.
    Live,
    /// Accepted and shown, and never acted on, for this reason.
    Ignored(&'static str),
}

/// When CONFIG SET may change a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Anytime,
    /// Only with `enable-protected-configs`.
    Protected,
    /// Only at start, from the file or the command line.
    Never,
}

/// The fixed properties of a directive, written as `LIVE.fixed().hidden()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    pub meaning: Meaning,
    pub change: Change,
    /// Takes several words.
    pub words: bool,
    /// CONFIG GET shows it only when asked by its exact name.
    pub hidden: bool,
    /// Its value must not reach logs.
    pub sensitive: bool,
}

impl Traits {
    pub(super) const LIVE: Traits = Traits {
        meaning: Meaning::Live,
        change: Change::Anytime,
        words: false,
        hidden: false,
        sensitive: false,
    };

    pub(super) const fn ignored(why: &'static str) -> Traits {
        Traits {
            meaning: Meaning::Ignored(why),
            ..Traits::LIVE
        }
    }

    pub(super) const fn fixed(self) -> Traits {
        Traits {
            change: Change::Never,
            ..self
        }
    }

    pub(super) const fn protected(self) -> Traits {
        Traits {
            change: Change::Protected,
            ..self
        }
    }

    pub(super) const fn words(self) -> Traits {
        Traits {
            words: true,
            ..self
        }
    }

    pub(super) const fn hidden(self) -> Traits {
        Traits {
            hidden: true,
            ..self
        }
    }

    pub(super) const fn sensitive(self) -> Traits {
        Traits {
            sensitive: true,
            ..self
        }
    }
}

/// One directive: a line of the table, less its value.
pub struct Directive {
    pub name: &'static str,
    pub alias: Option<&'static str>,
    pub traits: Traits,
    /// What it is for, in one line.
    pub doc: &'static str,
    pub(super) cell: fn(&Config) -> &dyn Setting,
}

impl Directive {
    /// Whether `name` is this directive's name or alias, in either case.
    pub fn answers_to(&self, name: &[u8]) -> bool {
        self.called(name).is_some()
    }

    /// The one of our names that `name` spells.
    pub fn called(&self, name: &[u8]) -> Option<&'static str> {
        [Some(self.name), self.alias]
            .into_iter()
            .flatten()
            .find(|own| name.eq_ignore_ascii_case(own.as_bytes()))
    }
}

impl PartialEq for Directive {
    fn eq(&self, other: &Directive) -> bool {
        self.name == other.name
    }
}

impl Eq for Directive {}

impl std::fmt::Debug for Directive {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

/// The name of a directive from the name of its field: a dash for each underscore.
pub(super) const fn dashed<const LEN: usize>(field: &str) -> [u8; LEN] {
    let mut name = [0; LEN];
    let mut at = 0;
    while at < LEN {
        let byte = field.as_bytes()[at];
        name[at] = if byte == b'_' { b'-' } else { byte };
        at += 1;
    }
    name
}
