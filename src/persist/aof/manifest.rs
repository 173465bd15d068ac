//! The manifest: which files the log is made of, in Redis 7's format.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};

use crate::util::words;

/// What a file is to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The data as it stood at a rewrite.
    Base,
    /// No longer needed, and about to be removed.
    History,
    /// Edits since the base, or since the increment before it.
    Increment,
}

impl Role {
    fn letter(self) -> char {
        match self {
            Role::Base => 'b',
            Role::History => 'h',
            Role::Increment => 'i',
        }
    }
}

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AofFile {
    pub name: String,
    pub number: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub base: Option<AofFile>,
    pub increments: Vec<AofFile>,
    pub history: Vec<AofFile>,
}

/// The longest line that any server reads.
const LINE_MAX: usize = 1024;

impl Manifest {
    pub fn path(dir: &Path, filename: &str) -> PathBuf {
        dir.join(format!("{filename}.manifest"))
    }

    /// Reads a manifest's text. Errors are Redis's.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let mut manifest = Manifest::default();
        let mut last_number = 0;
        let mut lines = 0;
        for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let told = |why: &str| format!("AOF manifest line {}: {why}", at + 1);
            if line.starts_with(b"#") {
                continue;
            }
            let Some(line) = line.strip_suffix(b"\n") else {
                bail!(told("The AOF manifest file contains too long line"));
            };
            if line.len() > LINE_MAX {
                bail!(told("The AOF manifest file contains too long line"));
            }
            lines += 1;
            let (role, part) = part(line).map_err(|why| anyhow!(told(why)))?;
            match role {
                Role::Base if manifest.base.is_some() => {
                    bail!(told("Found duplicate base file information"))
                }
                Role::Base => manifest.base = Some(part),
                Role::History => manifest.history.push(part),
                Role::Increment if part.number <= last_number => {
                    bail!(told("Found a non-monotonic sequence number"))
                }
                Role::Increment => {
                    last_number = part.number;
                    manifest.increments.push(part);
                }
            }
        }
        if lines == 0 {
            bail!("Found an empty AOF manifest file");
        }
        Ok(manifest)
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        let base = self.base.iter().map(|part| (part, Role::Base));
        let history = self.history.iter().map(|part| (part, Role::History));
        let increments = self.increments.iter().map(|part| (part, Role::Increment));
        for (part, role) in base.chain(history).chain(increments) {
            let quoted = String::from_utf8_lossy(&words::quote(part.name.as_bytes())).into_owned();
            let plain = part
                .name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\'');
            let name = if plain { &part.name } else { &quoted };
            writeln!(
                text,
                "file {name} seq {} type {}",
                part.number,
                role.letter()
            )
            .expect("writing to a string");
        }
        text
    }

    /// The files to read, in order.
    pub fn parts(&self) -> impl Iterator<Item = &AofFile> {
        self.base.iter().chain(&self.increments)
    }

    /// The highest number in use. What is history counts: its files are there until they are removed by their names, and
    /// a new file must not have the name of one of them.
    fn last_number(&self, current: Option<&AofFile>, role: &str) -> u64 {
        let history = self.history.iter().filter(|part| part.name.contains(role));
        let parts = history.chain(current);
        parts.map(|part| part.number).max().unwrap_or(0)
    }

    /// The increment that comes after those there are.
    pub fn next_increment(&self, filename: &str) -> AofFile {
        let number = self.last_number(self.increments.last(), ".incr.") + 1;
        AofFile {
            name: format!("{filename}.{number}.incr.aof"),
            number,
        }
    }

    /// The base that follows the one there is; `kind` is `rdb` or `aof`.
    pub fn next_base(&self, filename: &str, kind: &str) -> AofFile {
        let number = self.last_number(self.base.as_ref(), ".base.") + 1;
        AofFile {
            name: format!("{filename}.{number}.base.{kind}"),
            number,
        }
    }
}

/// `file NAME seq NUMBER type LETTER`, in any order of the pairs.
fn part(line: &[u8]) -> Result<(Role, AofFile), &'static str> {
    const INVALID: &str = "Invalid AOF manifest file format";
    let words = words::split(line).ok_or(INVALID)?;
    let (mut name, mut number, mut role) = (None, None, None);
    if words.len() < 6 || words.len() % 2 != 0 {
        return Err(INVALID);
    }
    for pair in words.chunks(2) {
        let value = std::str::from_utf8(&pair[1]).map_err(|_| INVALID)?;
        match &pair[0].to_ascii_lowercase()[..] {
            b"file" if value.contains('/') => return Err("File can't be a path, just a filename"),
            b"file" if value.is_empty() => return Err(INVALID),
            b"file" => name = Some(value.to_owned()),
            b"seq" => number = value.parse().ok(),
            b"type" => {
                role = Some(match value {
                    "b" => Role::Base,
                    "h" => Role::History,
                    "i" => Role::Increment,
                    _ => return Err("Unknown AOF file type"),
                });
            }
            // What newer servers add is not for us.
            _ => {}
        }
    }
    let number = number.filter(|number| *number > 0);
    match (role, name, number) {
        (Some(role), Some(name), Some(number)) => Ok((role, AofFile { name, number })),
        _ => Err(INVALID),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut manifest = Manifest::default();
        manifest.base = Some(manifest.next_base("a b.aof", "rdb"));
        for _ in 0..2 {
            let part = manifest.next_increment("a b.aof");
            manifest.increments.push(part);
        }
        let text = manifest.text();
        assert!(
            text.starts_with("file \"a b.aof.1.base.rdb\" seq 1 type b\n"),
            "{text}"
        );
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn a_new_file_has_no_name_of_the_history() {
        let part = |name: &str, number| AofFile {
            name: name.into(),
            number,
        };
        let manifest = Manifest {
            history: vec![part("a.7.incr.aof", 7), part("a.2.base.rdb", 2)],
            ..Manifest::default()
        };
        assert_eq!(manifest.next_increment("a").name, "a.8.incr.aof");
        assert_eq!(manifest.next_base("a", "rdb").name, "a.3.base.rdb");
    }

    #[test]
    fn broken_manifests_are_told() {
        let faults = [
            ("", "Found an empty AOF manifest file"),
            (
                "file \"\" seq 1 type b\n",
                "Invalid AOF manifest file format",
            ),
            (
                "file a seq 1 type b\nfile b seq 2 type b\n",
                "Found duplicate base file information",
            ),
            (
                "file a seq 2 type i\nfile b seq 1 type i\n",
                "Found a non-monotonic sequence number",
            ),
            ("file a seq 1\n", "Invalid AOF manifest file format"),
            ("file a seq x type i\n", "Invalid AOF manifest file format"),
            (
                "file ../a seq 1 type i\n",
                "File can't be a path, just a filename",
            ),
            (
                "file a seq 1 type i",
                "The AOF manifest file contains too long line",
            ),
        ];
        for (text, why) in faults {
            let error = format!("{:#}", Manifest::parse(text.as_bytes()).unwrap_err());
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
