//! Configuration files: lines of directives, comments, and other files to include.
//!
//! Errors quote the line they are about; shown, they are what Redis writes to standard error before
//! it exits with status 1.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use super::cli::Start;
use super::special::reason;
use super::values::{Refusal, as_path};
use super::{Config, REDIS_VERSION, find};
use crate::util::words::split;

/// Compares a name with a glob pattern: pattern, text, and whether case is ignored.
pub type Matches = fn(&[u8], &[u8], bool) -> bool;

/// Files that include files that include files: a deeper nest is a circle.
const DEPTH_MAX: usize = 16;

/// Directives of the past that are accepted and mean nothing.
const FORGOTTEN: [&[u8]; 3] = [
    b"list-max-ziplist-entries",
    b"list-max-ziplist-value",
    b"lua-replicate-commands",
];

/// A line of a file, for errors found later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub text: String,
}

/// Why the server cannot start with this configuration.
#[derive(Debug, PartialEq, Eq)]
pub enum FileError {
    /// A file could not be read.
    Open { path: String, why: String },
    /// Something is wrong with the text, or with all of it together.
    Wrong { place: Option<Place>, why: String },
}

impl FileError {
    pub fn at(place: &Place, why: impl Into<String>) -> FileError {
        FileError::Wrong {
            place: Some(place.clone()),
            why: why.into(),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Open { path, why } => {
                write!(out, "Fatal error, can't open config file '{path}': {why}")
            }
            FileError::Wrong { place, why } => {
                writeln!(
                    out,
                    "\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***"
                )?;
                if let Some(Place { line, text }) = place {
                    writeln!(
                        out,
                        "Reading the configuration file, at line {line}\n>>> '{text}'"
                    )?;
                }
                write!(out, "{why}")
            }
        }
    }
}

impl std::error::Error for FileError {}

/// What a configuration says that has no value in `Config`, in the order it was said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub renames: Vec<Rename>,
    pub users: Vec<UserLine>,
    /// `role` lines.
    pub roles: Vec<UserLine>,
    /// What follows `sentinel` in each of such lines.
    pub sentinel: Vec<SentinelWords>,
}

/// `rename-command`. An empty `to` takes the command away.
#[derive(Debug, PartialEq, Eq)]
pub struct Rename {
    pub from: Vec<u8>,
    pub to: Vec<u8>,
    pub place: Place,
}

/// `user` or `role`: a name, then ACL rules.
#[derive(Debug, PartialEq, Eq)]
pub struct UserLine {
    pub words: Vec<Vec<u8>>,
    pub place: Place,
}

/// `sentinel`: an option and its values.
#[derive(Debug, PartialEq, Eq)]
pub struct SentinelWords {
    pub words: Vec<Vec<u8>>,
    pub place: Place,
}

impl Loaded {
    /// Refuses lines that are for Sentinels alone.
    pub fn without_sentinel(&self) -> Result<(), FileError> {
        match self.sentinel.first() {
            None => Ok(()),
            Some(line) => Err(FileError::at(
                &line.place,
                "sentinel directive while not in sentinel mode",
            )),
        }
    }
}

/// The whole text to load: the file, then standard input, then the command line's own lines.
pub fn gather(start: &Start, mut stdin: impl Read) -> Result<Vec<u8>, FileError> {
    let mut text = Vec::new();
    if let Some(path) = &start.file {
        text = read(path)?;
    }
    if start.stdin {
        stdin
            .read_to_end(&mut text)
            .map_err(|error| FileError::Open {
                path: "-".to_owned(),
                why: reason(&error),
            })?;
    }
    if !start.lines.is_empty() {
        text.push(b'\n');
        text.extend(&start.lines);
    }
    Ok(text)
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|error| FileError::Open {
        path: path.display().to_string(),
        why: reason(&error),
    })
}

/// Opens a log file at its end.
pub fn open_log(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

/// Sets every directive that `text` names. Included files are looked for in the `dir` in force.
pub fn load(config: &Config, text: &[u8], matches: Matches) -> Result<Loaded, FileError> {
    let mut loader = Loader {
        config,
        matches,
        seen: HashSet::new(),
        loaded: Loaded::default(),
        depth: 0,
    };
    loader.load(text)?;
    Ok(loader.loaded)
}

struct Loader<'a> {
    config: &'a Config,
    matches: Matches,
    /// Directives that had a line already, in whichever file.
    seen: HashSet<&'static str>,
    loaded: Loaded,
    depth: usize,
}

impl Loader<'_> {
    fn load(&mut self, text: &[u8]) -> Result<(), FileError> {
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = trim(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let place = Place {
                line: index + 1,
                text: String::from_utf8_lossy(line).into_owned(),
            };
            let Some(words) = split(line) else {
                return Err(FileError::at(
                    &place,
                    "Unbalanced quotes in configuration line",
                ));
            };
            if let Some((name, rest)) = words.split_first() {
                self.directive(name, rest, place)?;
            }
        }
        Ok(())
    }

    fn directive(&mut self, name: &[u8], rest: &[Vec<u8>], place: Place) -> Result<(), FileError> {
        let name = name.to_ascii_lowercase();
        if let Some(directive) = find(&name) {
            // A directive of several words may have them in one argument, as an option in quotes.
            let words: Vec<&[u8]> = match rest {
                [one] if directive.traits.words && one.contains(&b' ') => one
                    .split(|byte| *byte == b' ')
                    .filter(|word| !word.is_empty())
                    .collect(),
                _ => rest.iter().map(Vec::as_slice).collect(),
            };
            let cell = (directive.cell)(self.config);
            let first = self.seen.insert(directive.name);
            let set = if first {
                cell.set(&words)
            } else {
                cell.set_again(&words)
            };
            let set = set.and_then(|()| match directive.name {
                "logfile" => self.try_log(),
                _ => Ok(()),
            });
            return set.map_err(|why| FileError::at(&place, why));
        }
        let why = match (name.as_slice(), rest) {
            (name, [_]) if FORGOTTEN.contains(&name) => return Ok(()),
            (b"include", [path]) => return self.include(path, &place),
            (b"rename-command", [from, to]) => {
                self.loaded.renames.push(Rename {
                    from: from.clone(),
                    to: to.clone(),
                    place,
                });
                return Ok(());
            }
            (b"user", words @ [_, ..]) => {
                self.loaded.users.push(UserLine {
                    words: words.to_vec(),
                    place,
                });
                return Ok(());
            }
            (b"role", words @ [_, ..]) => {
                self.loaded.roles.push(UserLine {
                    words: words.to_vec(),
                    place,
                });
                return Ok(());
            }
            // `--sentinel` itself.
            (b"sentinel", []) => return Ok(()),
            (b"sentinel", words) => {
                self.loaded.sentinel.push(SentinelWords {
                    words: words.to_vec(),
                    place,
                });
                return Ok(());
            }
            (b"loadmodule", [_, ..]) => {
                "loadmodule is refused: modules are shared libraries for another program"
            }
            // Settings of modules, which are kept for modules that never come.
            (name, [_]) if name.contains(&b'.') => return Ok(()),
            (name, _) if name.contains(&b'.') => "Module config specified without value",
            _ => "Bad directive or wrong number of arguments",
        };
        Err(FileError::at(&place, why))
    }

    /// A server whose log can't be written doesn't start.
    fn try_log(&self) -> Result<(), Refusal> {
        let name = self.config.logfile.get();
        if name.is_empty() {
            return Ok(());
        }
        open_log(&self.config.place_of(&name))
            .map(drop)
            .map_err(|error| format!("Can't open the log file: {}", reason(&error)))
    }

    fn include(&mut self, path: &[u8], place: &Place) -> Result<(), FileError> {
        if self.depth == DEPTH_MAX {
            return Err(FileError::at(
                place,
                "include directives are nested too deeply",
            ));
        }
        let base = self.config.dir.get().0.clone();
        let paths = if is_pattern(path) {
            expand(&base, &as_path(path), self.matches)
        } else {
            vec![base.join(as_path(path))]
        };
        self.depth += 1;
        for path in paths {
            self.load(&read(&path)?)?;
        }
        self.depth -= 1;
        Ok(())
    }
}

fn trim(line: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = line
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(line.len());
    let end = line
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |last| last + 1);
    &line[start..end]
}

fn is_pattern(path: &[u8]) -> bool {
    path.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// The paths that exist and match, in alphabetical order. A leading dot is only matched by a dot.
fn expand(base: &Path, pattern: &Path, matches: Matches) -> Vec<PathBuf> {
    let mut found = vec![base.to_owned()];
    for part in pattern.components() {
        let name = part.as_os_str().as_encoded_bytes();
        if !matches!(part, Component::Normal(_)) || !is_pattern(name) {
            found = found
                .into_iter()
                .map(|path| path.join(part))
                .filter(|path| path.exists())
                .collect();
            continue;
        }
        let entries = found
            .iter()
            .filter_map(|path| fs::read_dir(path).ok())
            .flatten()
            .flatten();
        let mut next: Vec<PathBuf> = entries
            .filter(|entry| {
                let entry = entry.file_name();
                let entry = entry.as_encoded_bytes();
                entry.starts_with(b".") == name.starts_with(b".") && matches(name, entry, false)
            })
            .map(|entry| entry.path())
            .collect();
        next.sort();
        found = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DIRECTIVES, FILE_ONLY, Meaning, names};

    /// Knows one kind of pattern: a star, then a suffix.
    fn suffix(pattern: &[u8], text: &[u8], _: bool) -> bool {
        pattern
            .strip_prefix(b"*")
            .is_some_and(|end| text.ends_with(end))
    }

    fn load_text(text: &str) -> Result<(Config, Loaded), String> {
        let config = Config::new();
        let loaded = load(&config, text.as_bytes(), suffix).map_err(|error| error.to_string())?;
        Ok((config, loaded))
    }

    fn why(line: &str) -> String {
        let error = load_text(line).err().expect(line);
        error.lines().last().unwrap().to_owned()
    }

    #[test]
    fn an_error_quotes_its_line() {
        let error = load_text("# one\n  maxmemory notanumber  \n")
            .err()
            .unwrap();
        assert_eq!(
            error,
            "\n*** FATAL CONFIG FILE ERROR (Redis 8.2.3) ***\nReading the configuration file, at line 2\n\
             >>> 'maxmemory notanumber'\nargument must be a memory value"
        );
    }

    #[test]
    fn refusals_are_those_of_redis() {
        for (line, expected) in [
            ("foo bar", "Bad directive or wrong number of arguments"),
            ("port", "wrong number of arguments"),
            ("port 1 2", "wrong number of arguments"),
            (
                "appendonly \"yes",
                "Unbalanced quotes in configuration line",
            ),
            (
                "databases 0",
                "argument must be between 1 and 2147483647 inclusive",
            ),
            (
                "io-threads 129",
                "argument must be between 0 and 128 inclusive",
            ),
            ("user", "Bad directive or wrong number of arguments"),
            (
                "rename-command a b c",
                "Bad directive or wrong number of arguments",
            ),
            ("replicaof a b", "Invalid master port"),
            ("cluster-enabled maybe", "argument must be 'yes' or 'no'"),
            ("a.b", "Module config specified without value"),
            ("dir /nonexistent", "No such file or directory"),
            (
                "appendfilename a/b",
                "appendfilename can't be a path, just a filename",
            ),
            ("appendfilename \"\"", "appendfilename can't be empty"),
            (
                "proc-title-template {x}",
                "template format is invalid or contains unknown variables",
            ),
            ("notify-keyspace-events", "wrong number of arguments"),
            (
                "include /nonexistent",
                "Fatal error, can't open config file '/nonexistent': No such file or directory",
            ),
        ] {
            assert_eq!(why(line), expected, "{line}");
        }
    }

    #[test]
    fn the_last_line_wins_but_save_points_add_up() {
        let (config, _) = load_text(
            "PORT 1\nport 2\nsave 60 1\nsave 30 2\nhz 0\na.b c\nlist-max-ziplist-value 3",
        )
        .unwrap();
        assert_eq!(config.port.get(), 2);
        assert_eq!(config.get_text(b"save").unwrap(), b"60 1 30 2");
        assert_eq!(config.hz.get(), 1);
        let (config, _) =
            load_text("save 60 1\nsave \"\"\nsave 5 5\nshutdown-on-sigterm now force").unwrap();
        assert_eq!(config.get_text(b"save").unwrap(), b"5 5");
        assert_eq!(
            config.get_text(b"shutdown-on-sigterm").unwrap(),
            b"now force"
        );
    }

    #[test]
    fn users_and_renames_are_handed_on_with_their_place() {
        let (_, loaded) = load_text("\nuser alice on\nrename-command GET \"\"").unwrap();
        assert_eq!(loaded.users[0].words, [b"alice".to_vec(), b"on".to_vec()]);
        assert_eq!(
            loaded.users[0].place,
            Place {
                line: 2,
                text: "user alice on".to_owned()
            }
        );
        assert_eq!(
            (
                loaded.renames[0].from.as_slice(),
                loaded.renames[0].to.as_slice()
            ),
            (&b"GET"[..], &b""[..])
        );
    }

    #[test]
    fn includes_are_found_by_name_and_by_pattern() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display();
        fs::write(dir.path().join("a.conf"), "port 7\nhz 7\n").unwrap();
        fs::write(dir.path().join("b.conf"), "hz 8\n").unwrap();
        fs::write(dir.path().join(".c.conf"), "hz 9\n").unwrap();
        let (config, _) = load_text(&format!(
            "dir {path}\ninclude *.conf\ninclude {path}/*.none"
        ))
        .unwrap();
        assert_eq!((config.port.get(), config.hz.get()), (7, 8));

        fs::write(dir.path().join("loop.conf"), "include loop.conf\n").unwrap();
        assert_eq!(
            why(&format!("dir {path}\ninclude loop.conf")),
            "include directives are nested too deeply"
        );
    }

    #[test]
    fn the_command_line_comes_after_file_and_input() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "port 1\n").unwrap();
        let start = Start {
            file: Some(file.path().to_owned()),
            stdin: true,
            lines: b"port 3".to_vec(),
            ..Start::default()
        };
        assert_eq!(
            gather(&start, &b"port 2\n"[..]).unwrap(),
            b"port 1\nport 2\n\nport 3"
        );
    }

    /// The example file, without its two lines that say where the server listens and stands.
    fn example() -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("redis.conf.example");
        let own = |line: &&str| !line.starts_with("bind ") && !line.starts_with("dir ");
        fs::read_to_string(path)
            .unwrap()
            .lines()
            .filter(own)
            .map(|line| format!("{line}\n"))
            .collect()
    }

    #[test]
    fn the_example_names_every_directive_once_with_its_default_and_its_doc() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("redis.conf.example");
        let text = fs::read_to_string(path).unwrap();
        let mut named: Vec<&str> = Vec::new();
        for line in text.lines() {
            let word = line
                .trim_start_matches("# ")
                .split(' ')
                .next()
                .unwrap_or_default();
            if names().any(|(name, _)| name == word)
                || FILE_ONLY.iter().any(|(name, _)| *name == word)
            {
                named.push(word);
            }
        }
        named.sort_unstable();
        let mut expected: Vec<&str> = DIRECTIVES.iter().map(|directive| directive.name).collect();
        expected.extend(FILE_ONLY.map(|(name, _)| name));
        expected.sort_unstable();
        assert_eq!(named, expected);

        for directive in DIRECTIVES {
            assert!(
                text.contains(&format!("# {}\n", directive.doc)),
                "{directive:?}: another doc than the table's"
            );
            if let Meaning::Ignored(why) = directive.traits.meaning {
                assert!(
                    text.contains(&format!("# Ignored: {why}.\n")),
                    "{directive:?}"
                );
            }
        }
    }

    #[test]
    fn the_example_shows_the_defaults() {
        let active = example();
        let all: String = active
            .lines()
            .filter_map(|line| {
                let line = line.strip_prefix("# ").unwrap_or(line);
                let word = line.split(' ').next()?;
                // Prose begins with a capital letter.
                names()
                    .any(|(name, _)| name == word)
                    .then(|| format!("{line}\n"))
            })
            .collect();
        let plain = Config::new();
        for text in [active, all] {
            let (config, _) = load_text(&text).unwrap();
            for directive in DIRECTIVES {
                assert_eq!(
                    config.text(directive),
                    plain.text(directive),
                    "{directive:?}"
                );
            }
        }
    }
}
