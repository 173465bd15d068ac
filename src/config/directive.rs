//! What is known of a directive beside its value: who may change it, and whether it means anything here.

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

/// What configuration files may say that has no value to show.
pub const FILE_ONLY: [(&str, &str); 5] = [
    (
        "include",
        "Reads another file here; a pattern reads every file it matches, or none.",
    ),
    (
        "loadmodule",
        "Refused: modules are shared libraries for another program.",
    ),
    (
        "rename-command",
        "Gives a command another name, or none at all with \"\".",
    ),
    ("user", "Declares an ACL user with its rules."),
    (
        "role",
        "Declares a role: rules that users hold by `role=name`.",
    ),
];
