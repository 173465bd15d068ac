//! Configuration: every directive once, with its value, and the ways values come and go.
//!
//! - `table` is the list of directives; `Config` holds their values and is read by every thread.
//! - `values`, `choices`, `flags` and `special` are the cells: how a text is read, refused and shown.
//! - `cli` and `file` bring texts in at start, `Config::set_many` at run time.
//! - `rewrite` brings the values back into a file.
//!
//! Nothing here acts on a value. The server reads them, and `Config::set_many` says which changed.

pub mod choices;
pub mod cli;
pub mod directive;
pub mod file;
pub mod flags;
pub mod rewrite;
pub mod special;
pub mod table;
pub mod values;

use std::fmt;
use std::path::PathBuf;

pub use choices::{
    Allowed, AppendFsync, Choice, LogLevel, MaxmemoryPolicy, OomScoreAdj, PubsubDefault,
    Supervised, SyslogFacility,
};
pub use directive::{Change, FILE_ONLY, Meaning};
pub use flags::EventClasses;
pub use special::{OutputLimit, OutputLimits};
pub use table::{Config, DIRECTIVES, Directive};

use values::{Refusal, as_path};

/// The version of Redis whose behaviour we promise, and tell clients.
pub const REDIS_VERSION: &str = "8.2.3";

/// The directive of this name or alias, in either case.
pub fn find(name: &[u8]) -> Option<&'static Directive> {
    DIRECTIVES
        .iter()
        .find(|directive| directive.answers_to(name))
}

/// Every name and alias with its directive.
pub fn names() -> impl Iterator<Item = (&'static str, &'static Directive)> {
    DIRECTIVES.iter().flat_map(|directive| {
        let names = [Some(directive.name), directive.alias]
            .into_iter()
            .flatten();
        names.map(move |name| (name, directive))
    })
}

/// A directive that `set_many` gave a new value, and the text that brings the old one back.
#[derive(Debug)]
pub struct Changed {
    pub directive: &'static Directive,
    old: Vec<u8>,
}

/// A directive to set, by the name that was used for it.
struct Assignment<'v> {
    directive: &'static Directive,
    name: &'static str,
    value: &'v [u8],
}

/// Why `set_many` changed nothing. Shown, it is the error reply without its `ERR`.
#[derive(Debug, PartialEq, Eq)]
pub enum SetError {
    Unknown(String),
    Refused { name: String, why: Refusal },
}

impl SetError {
    /// Says that one directive stood in the way.
    pub fn refused(name: impl Into<String>, why: impl Into<Refusal>) -> SetError {
        SetError::Refused {
            name: name.into(),
            why: why.into(),
        }
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetError::Unknown(name) => {
                write!(
                    out,
                    "Unknown option or number of arguments for CONFIG SET - '{name}'"
                )
            }
            SetError::Refused { name, why } => {
                write!(
                    out,
                    "CONFIG SET failed (possibly related to argument '{name}') - {why}"
                )
            }
        }
    }
}

impl std::error::Error for SetError {}

impl Config {
    /// The value of a directive as CONFIG GET shows it.
    pub fn text(&self, directive: &Directive) -> Vec<u8> {
        (directive.cell)(self).text()
    }

    /// The value of the directive of this name or alias, as CONFIG GET shows it.
    pub fn get_text(&self, name: &[u8]) -> Option<Vec<u8>> {
        find(name).map(|directive| self.text(directive))
    }

    /// Directives that were given another value than their default, and do nothing here.
    pub fn idle_directives(&self) -> Vec<&'static str> {
        let idle = DIRECTIVES.iter().filter(|directive| {
            let lines = (directive.cell)(self).lines();
            matches!(directive.traits.meaning, Meaning::Ignored(_))
                && lines.iter().any(|line| line.needed)
        });
        idle.map(|directive| directive.name).collect()
    }

    /// Where a file is that the configuration names: a relative path starts at `dir`.
    pub fn place_of(&self, name: &[u8]) -> PathBuf {
        self.dir.get().0.join(as_path(name))
    }

    /// Sets every pair, or none of them: what CONFIG SET does before anything is applied.
    ///
    /// `local` says whether the client is on this machine, for the protected directives. The caller
    /// acts on what changed, and calls `roll_back` if it cannot.
    pub fn set_many(
        &self,
        pairs: &[(&[u8], &[u8])],
        local: bool,
    ) -> Result<Vec<Changed>, SetError> {
        let assignments = self.admit(pairs, local)?;
        let mut changed: Vec<Changed> = Vec::with_capacity(pairs.len());
        for Assignment {
            directive,
            name,
            value,
        } in assignments
        {
            let old = self.text(directive);
            if let Err(why) = self.set_text(directive, value) {
                self.roll_back(&changed);
                return Err(SetError::refused(name, why));
            }
            changed.push(Changed { directive, old });
        }
        Ok(changed)
    }

    /// Reads a value as CONFIG SET has it: in one text, whose words stand one space apart.
    fn set_text(&self, directive: &Directive, value: &[u8]) -> Result<(), Refusal> {
        let cell = (directive.cell)(self);
        match (directive.traits.words, value) {
            (true, b"") => cell.set(&[]),
            (true, value) => cell.set(&value.split(|byte| *byte == b' ').collect::<Vec<_>>()),
            (false, value) => cell.set(&[value]),
        }
    }

    /// The checks that need no value: every name known, changeable, and named once.
    fn admit<'v>(
        &self,
        pairs: &[(&[u8], &'v [u8])],
        local: bool,
    ) -> Result<Vec<Assignment<'v>>, SetError> {
        let mut assignments: Vec<Assignment<'v>> = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            let said = String::from_utf8_lossy(name).into_owned();
            let found = names().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
            let Some((known, directive)) = found else {
                return Err(SetError::Unknown(said));
            };
            let why = match directive.traits.change {
                Change::Never => Some("can't set immutable config"),
                Change::Protected if !self.protected_allowed(local) => {
                    Some("can't set protected config")
                }
                // An alias is another parameter to Redis: then the last one wins.
                _ => assignments
                    .iter()
                    .any(|other| other.name == known)
                    .then_some("duplicate parameter"),
            };
            if let Some(why) = why {
                return Err(SetError::refused(said, why));
            }
            assignments.push(Assignment {
                directive,
                name: known,
                value,
            });
        }
        Ok(assignments)
    }

    fn protected_allowed(&self, local: bool) -> bool {
        match self.enable_protected_configs.get() {
            choices::Allowed::No => false,
            choices::Allowed::Yes => true,
            choices::Allowed::Local => local,
        }
    }

    /// Brings back the values from before `set_many`, last first.
    pub fn roll_back(&self, changed: &[Changed]) {
        for Changed { directive, old } in changed.iter().rev() {
            // A directory deleted meanwhile cannot be brought back; its successor then stays.
            let _ = self.set_text(directive, old);
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<Vec<&'static str>, String> {
        let pairs: Vec<(&[u8], &[u8])> = pairs
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let changed = config
            .set_many(&pairs, true)
            .map_err(|error| error.to_string())?;
        Ok(changed
            .iter()
            .map(|changed| changed.directive.name)
            .collect())
    }

    fn get(config: &Config, name: &str) -> String {
        String::from_utf8(config.get_text(name.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn names_are_unique_and_spelt_with_dashes() {
        let mut seen = HashSet::new();
        for (name, directive) in names() {
            assert!(seen.insert(name), "{name} is declared twice");
            assert_eq!(find(name.to_uppercase().as_bytes()), Some(directive));
            assert!(directive.doc.ends_with('.'), "{name}");
        }
        assert_eq!(
            find(b"maxmemory-policy").map(|directive| directive.name),
            Some("maxmemory-policy")
        );
        assert_eq!(find(b"nosuch"), None);
    }

    #[test]
    fn every_directive_takes_back_what_it_shows() {
        let config = Config::new();
        for directive in DIRECTIVES {
            let old = config.text(directive);
            config.roll_back(&[Changed {
                directive,
                old: old.clone(),
            }]);
            assert_eq!(config.text(directive), old, "{directive:?}");
        }
    }

    #[test]
    fn values_are_read_by_field() {
        let config = Config::new();
        set(
            &config,
            &[
                ("maxmemory", "1mb"),
                ("LUA-time-limit", "7"),
                ("appendonly", "yes"),
            ],
        )
        .unwrap();
        assert_eq!(config.maxmemory.get(), 1 << 20);
        assert_eq!(config.busy_reply_threshold.get(), 7);
        assert!(config.appendonly.get());
        assert_eq!(get(&config, "busy-reply-threshold"), "7");
        assert_eq!(
            get(&config, "client-output-buffer-limit")
                .split(' ')
                .count(),
            12
        );
        assert_eq!(get(&config, "save"), "3600 1 300 100 60 10000");
    }

    #[test]
    fn setting_is_all_or_nothing() {
        let config = Config::new();
        let error = set(&config, &[("maxmemory", "1"), ("save", "1 1"), ("hz", "x")]).unwrap_err();
        assert_eq!(
            error,
            "CONFIG SET failed (possibly related to argument 'hz') - argument couldn't be parsed into an integer"
        );
        assert_eq!(get(&config, "maxmemory"), "0");
        assert_eq!(get(&config, "save"), "3600 1 300 100 60 10000");
        assert_eq!(
            set(&config, &[("save", ""), ("hz", "20")]),
            Ok(vec!["save", "hz"])
        );
        assert_eq!(get(&config, "save"), "");
    }

    #[test]
    fn refusals_are_those_of_redis() {
        let config = Config::new();
        let failed = |name: &str, why: &str| {
            Err(format!(
                "CONFIG SET failed (possibly related to argument '{name}') - {why}"
            ))
        };
        let unknown = "Unknown option or number of arguments for CONFIG SET - 'nosuch'".to_owned();
        assert_eq!(
            set(&config, &[("maxmemory", "1"), ("nosuch", "2")]),
            Err(unknown)
        );
        assert_eq!(
            set(&config, &[("maxmemory", "1"), ("MAXmemory", "2")]),
            failed("MAXmemory", "duplicate parameter")
        );
        assert_eq!(
            set(&config, &[("databases", "2")]),
            failed("databases", "can't set immutable config")
        );
        assert_eq!(
            set(&config, &[("DIR", "/")]),
            failed("DIR", "can't set protected config")
        );
        assert_eq!(
            set(&config, &[("appendonly", "x")]),
            failed("appendonly", "argument must be 'yes' or 'no'")
        );
        assert!(
            set(
                &config,
                &[("lua-time-limit", "1"), ("busy-reply-threshold", "2")]
            )
            .is_ok()
        );
    }

    #[test]
    fn protection_that_is_not_there_can_not_be_set() {
        let config = Config::new();
        let no_defrag = "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified Jemalloc like the one shipped by default with the Redis source distribution";
        let refused = format!(
            "CONFIG SET failed (possibly related to argument 'activedefrag') - {no_defrag}"
        );
        assert_eq!(set(&config, &[("activedefrag", "yes")]), Err(refused));
        assert_eq!(
            set(&config, &[("activedefrag", "no")]),
            Ok(vec!["activedefrag"])
        );
        assert_eq!(config.idle_directives(), [""; 0]);
        set(
            &config,
            &[
                ("activerehashing", "no"),
                ("hz", "20"),
                ("tls-session-cache-timeout", "1"),
            ],
        )
        .unwrap();
        assert_eq!(
            config.idle_directives(),
            ["tls-session-cache-timeout", "activerehashing"]
        );
    }

    #[test]
    fn a_change_can_be_rolled_back() {
        let config = Config::new();
        let pairs: [(&[u8], &[u8]); 2] = [(b"maxmemory-clients", b"5%"), (b"bind", b"127.0.0.1")];
        let changed = config.set_many(&pairs, false).unwrap();
        assert_eq!(get(&config, "maxmemory-clients"), "5%");
        config.roll_back(&changed);
        assert_eq!(get(&config, "maxmemory-clients"), "0");
        assert_eq!(get(&config, "bind"), "* -::*");
    }
}
