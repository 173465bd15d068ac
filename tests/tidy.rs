//! The house keeps itself: what the sources grow to is measured, and may only shrink.
//!
//! `tidy.txt` lists what is over a limit today, each line with its measure. A new line there, or a larger number, needs
//! a better reason than that it was easier; what has shrunk must be written down. `TIDY=write cargo test --test tidy`
//! writes the list anew.

#[path = "tidy/circles.rs"]
mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file, without the tests at its foot.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 70;
/// Files that define a type of one name.
const FILES_OF_A_TYPE_MAX: usize = 1;
/// Methods of a type, in whichever files: what has more is several things that share their fields.
const METHODS_OF_A_TYPE_MAX: usize = 100;
/// Places in a file of `exec` that know a command by its name.
const COMMAND_NAMES_MAX: usize = 0;

struct Source {
    /// Its path under `src`.
    path: String,
    text: String,
}

impl Source {
    /// Its text without the tests at its foot.
    fn body(&self) -> &str {
        let mut marks = self.text.match_indices("\n#[cfg(test)]\nmod ");
        // Tests that have a file of their own are named anywhere.
        let foot = marks.find(|(at, mark)| {
            let rest = &self.text[at + mark.len()..];
            rest.lines().next().is_some_and(|line| line.ends_with('{'))
        });
        foot.map_or(&self.text, |(at, _)| &self.text[..at])
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
                found.push(Source {
                    path: name.to_string(),
                    text: fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    assert!(found.len() > 200, "the sources were read");
    found
}

/// Each function of a text with its number of lines. The formatter puts a function's last brace below its first letter.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let is_function = code.starts_with("fn ")
            || code.starts_with("async fn ")
            || code.starts_with("pub") && code.contains("fn ");
        let Some((_, rest)) = code.split_once("fn ").filter(|_| is_function) else {
            continue;
        };
        let end = format!("{}}}", &line[..line.len() - code.len()]);
        let name = rest.split(['(', '<']).next().unwrap();
        if let Some(length) = lines[at..].iter().position(|line| *line == end) {
            found.push((name.to_string(), length + 1));
        }
    }
    found
}

/// The type whose own methods an `impl` of this line holds.
fn own_methods_of(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?;
    let header = match rest.strip_prefix('<') {
        Some(generic) => generic.split_once("> ")?.1,
        None => rest.trim_start(),
    };
    let path = header.split(['<', ' ']).next()?;
    let is_trait = line.contains(" for ");
    (!is_trait).then(|| path.rsplit("::").next().unwrap_or(path))
}

/// How many methods a text gives to each type.
fn methods(text: &str) -> BTreeMap<&str, usize> {
    let mut found = BTreeMap::new();
    let mut holder = None;
    for line in text.lines() {
        if line.starts_with("impl") {
            holder = own_methods_of(line);
        } else if line == "}" {
            holder = None;
        }
        let code = line.strip_prefix("    ").unwrap_or_default();
        let is_method = !code.starts_with(' ')
            && (code.starts_with("fn ")
                || code.starts_with("async fn ")
                || code.starts_with("const fn ")
                || code.starts_with("pub") && code.contains("fn "));
        if let Some(name) = holder.filter(|_| is_method) {
            *found.entry(name).or_default() += 1;
        }
    }
    found
}

/// The types that a text defines at any depth.
fn types(text: &str) -> BTreeSet<String> {
    let names = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let mut word = words.next()?;
        if word.starts_with("pub") {
            word = words.next()?;
        }
        let name = words.next()?;
        let is_definition = matches!(word, "struct" | "enum" | "trait" | "union");
        let end = name
            .find(|c: char| !c.is_alphanumeric())
            .unwrap_or(name.len());
        // A macro's types are named where it is called.
        (is_definition && end > 0).then(|| name[..end].to_string())
    });
    names.collect()
}

/// The names of all commands, as their consts say them.
fn commands(sources: &[Source]) -> BTreeSet<String> {
    let families = sources
        .iter()
        .filter(|one| one.path.starts_with("commands/"));
    let names = families.flat_map(|source| source.body().split("\n    name: \"").skip(1));
    let names = names.filter_map(|rest| rest.split('"').next());
    let found: BTreeSet<String> = names.map(str::to_owned).collect();
    assert!(found.contains("zadd") && found.contains("setuser"));
    found
}

/// How often a text says a command's name by itself. Redis calls an event of its latency monitor `command`.
fn said_names(text: &str, commands: &BTreeSet<String>) -> usize {
    let said = text.split('"');
    said.filter(|word| *word != "command" && commands.contains(*word))
        .count()
}

/// How often a text decides something by a command's name.
fn command_names(text: &str) -> usize {
    let followers = [" ==", " !=", " {", ".starts_with", ".ends_with"];
    let count = |field: &str| {
        let places = text.split(field).skip(1);
        places
            .filter(|rest| followers.iter().any(|follower| rest.starts_with(follower)))
            .count()
    };
    count(".command.name") + count(".full_name")
}

/// What is over a limit: its kind and place, and the measure.
fn measured() -> BTreeMap<String, usize> {
    let mut over = BTreeMap::new();
    let mut defined: BTreeMap<String, usize> = BTreeMap::new();
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    let sources = sources();
    let commands = commands(&sources);
    for source in sources.iter().filter(|source| !source.is_test()) {
        let (path, body) = (&source.path, source.body());
        let mut note = |what: String, measure: usize, max: usize| {
            if measure > max {
                let most: &mut usize = over.entry(what).or_default();
                *most = measure.max(*most);
            }
        };
        note(format!("file {path}"), body.lines().count(), FILE_LINES_MAX);
        for (name, lines) in functions(body) {
            note(format!("fn {path} {name}"), lines, FUNCTION_LINES_MAX);
        }
        if path.starts_with("exec/") {
            let names = command_names(body) + said_names(body, &commands);
            note(format!("command-names {path}"), names, COMMAND_NAMES_MAX);
        }
        for name in types(body) {
            *defined.entry(name).or_default() += 1;
        }
        for (name, count) in methods(body) {
            *held.entry(name.to_string()).or_default() += count;
        }
    }
    let large = held
        .into_iter()
        .filter(|(_, count)| *count > METHODS_OF_A_TYPE_MAX);
    over.extend(large.map(|(name, count)| (format!("methods {name}"), count)));
    let shared = defined
        .into_iter()
        .filter(|(_, files)| *files > FILES_OF_A_TYPE_MAX);
    over.extend(shared.map(|(name, files)| (format!("type {name}"), files)));
    let apart = sources.iter().filter(|source| !source.is_test());
    let apart: Vec<(&str, &str)> = apart.map(|one| (&one.path[..], one.body())).collect();
    let circles = circles::in_circles(&apart).into_iter();
    over.extend(circles.map(|(folder, files)| (format!("circles {folder}"), files)));
    over
}

#[test]
fn what_is_too_large_only_shrinks() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tidy.txt");
    let now = measured();
    if std::env::var("TIDY").is_ok_and(|wish| wish == "write") {
        let lines = now
            .iter()
            .map(|(what, measure)| format!("{what} = {measure}\n"));
        fs::write(&list, lines.collect::<String>()).unwrap();
    }
    let text = fs::read_to_string(&list).unwrap();
    let listed: BTreeMap<String, usize> = text
        .lines()
        .map(|line| {
            let (what, measure) = line.rsplit_once(" = ").unwrap();
            (what.to_string(), measure.parse().unwrap())
        })
        .collect();
    let grown = now.iter().filter(|(what, measure)| {
        let before = listed.get(*what);
        before.is_none_or(|before| before < measure)
    });
    let grown: Vec<String> = grown
        .map(|(what, measure)| format!("{what} = {measure}"))
        .collect();
    assert!(
        grown.is_empty(),
        "too large, or larger than tests/tidy.txt allows:\n{}",
        grown.join("\n")
    );
    let shrunk = listed.iter().filter(|(what, before)| {
        let measure = now.get(*what);
        measure.is_none_or(|measure| measure < before)
    });
    let shrunk: Vec<&String> = shrunk.map(|(what, _)| what).collect();
    assert!(
        shrunk.is_empty(),
        "smaller than tests/tidy.txt says; write it anew with TIDY=write: {shrunk:?}"
    );
}

#[test]
fn methods_are_counted_where_a_type_has_them() {
    let text = "impl A {\n    fn one() {\n        fn inner() {}\n    }\n}\nimpl<'w> A<'w> {\n    pub fn two() {}\n}\nimpl T for A {\n    fn three() {}\n}\n";
    assert_eq!(methods(text), BTreeMap::from([("A", 2)]));
}

#[test]
fn every_file_opens_with_its_purpose() {
    for source in sources() {
        assert!(
            source.text.starts_with("//!"),
            "{} does not say what it is for",
            source.path
        );
    }
}

#[test]
fn comments_name_what_they_mean() {
    for source in sources() {
        for (at, line) in source.text.lines().enumerate() {
            let comment = line.trim_start().trim_start_matches('/');
            // "The same" breaks as soon as something is put between a comment and what it refers to.
            assert!(
                !(line.trim_start().starts_with("///") && comment.starts_with(" The same")),
                "{}:{}: name the thing in place of \"The same\"",
                source.path,
                at + 1
            );
        }
    }
}

/// Time and chance are asked for in one place each, so that a test and a seed can set them.
#[test]
fn time_and_chance_come_from_one_place() {
    let rules: [(&[&str], &[&str]); 2] = [
        (
            &["SystemTime::now", "Instant::now"],
            &["util/clock.rs", "testing.rs"],
        ),
        (
            &["fastrand::"],
            &["util/chance.rs", "util/keyhash.rs", "testing.rs"],
        ),
    ];
    for source in sources().iter().filter(|source| !source.is_test()) {
        for (words, places) in rules {
            if places.contains(&source.path.as_str()) {
                continue;
            }
            for word in words {
                assert!(
                    !source.body().contains(word),
                    "{}: {word} is asked in {} alone",
                    source.path,
                    places[0]
                );
            }
        }
    }
}
