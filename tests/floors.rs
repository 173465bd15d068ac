//! The layout's rules, read off the sources: modules import downward, and each command is defined once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use vermilion::config::{DIRECTIVES, Meaning};

/// The modules of each floor, from the ground up: the table in `src/lib.rs`, whose lines begin with a floor's number.
fn floors() -> Vec<Vec<String>> {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let lines = text.lines().filter_map(|line| {
        let (number, rest) = line.strip_prefix("//! ")?.trim_start().split_once("  ")?;
        number.parse::<usize>().ok()?;
        let (modules, _) = rest.split_once("   ")?;
        Some(modules.split(' ').map(str::to_owned).collect())
    });
    let mut floors: Vec<Vec<String>> = lines.collect();
    floors.reverse();
    assert!(floors.len() > 8, "src/lib.rs has a table of floors");
    floors
}

fn floor(floors: &[Vec<String>], module: &str) -> usize {
    let found = floors
        .iter()
        .position(|modules| modules.iter().any(|name| name == module));
    found.unwrap_or_else(|| panic!("{module} is on no floor: name it in the table of src/lib.rs"))
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file: its path under `src`, its module, its text.
fn modules() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let read = |path: PathBuf| {
        let name = path
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_string();
        let module = name
            .split('/')
            .next()
            .unwrap()
            .trim_end_matches(".rs")
            .to_string();
        (name, module, fs::read_to_string(path).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// The modules that a text names behind `crate::`, braces opened.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split("crate::").skip(1) {
        let mut names = vec![];
        match part.strip_prefix('{') {
            // `crate::{a::X, b}`: the names that begin the list's items, at its own depth.
            Some(list) => {
                let mut depth = 0;
                let mut item = String::new();
                for c in list.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => names.push(std::mem::take(&mut item)),
                        c if depth == 0 => item.push(c),
                        _ => {}
                    }
                }
                names.push(item);
            }
            None => names.push(part.to_string()),
        }
        for name in names {
            let word: String = name
                .trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if word.chars().next().is_some_and(char::is_lowercase) {
                found.push(word);
            }
        }
    }
    found
}

#[test]
fn modules_import_only_from_floors_below_their_own() {
    let mut wrong = Vec::new();
    let floors = floors();
    for (file, module, text) in modules() {
        if module == "lib" || module == "main" {
            continue;
        }
        // What tests at a file's foot use is no part of the building.
        let text = text.split("#[cfg(test)]").next().unwrap();
        for target in imports(text) {
            let own = module == target;
            let (above, below) = (floor(&floors, &module), floor(&floors, &target));
            if !own && below >= above && above != floors.len() - 1 {
                wrong.push(format!("{file} imports crate::{target}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports that do not look down:\n{}",
        wrong.join("\n")
    );
}

/// Files that have locks without a rank of their own: those of shards are ranked by their numbers, and the others are a matter
/// of one function.
const OWN_LOCKS: &[&str] = &[
    "util/ranked.rs",
    "engine/mod.rs",
    "engine/warm.rs",
    "persist/rdb/load/mod.rs",
    "persist/rdb/load/decode.rs",
    "server.rs",
];

#[test]
fn every_lock_has_a_rank() {
    for (file, _, text) in modules() {
        let text = text.split("#[cfg(test)]").next().unwrap();
        let bare = text.lines().any(|line| {
            let imports = line.contains("parking_lot::") || line.contains("std::sync::");
            imports && (line.contains("Mutex") || line.contains("RwLock"))
        });
        assert!(
            !bare || OWN_LOCKS.contains(&file.as_str()),
            "{file} has a lock that no rank is checked of: take it from util::ranked"
        );
    }
}

#[test]
fn what_a_directive_says_is_acted_on_or_known_to_be_ignored() {
    let modules = modules();
    let is_read = |field: &str| {
        let wanted = format!(".{field}");
        modules
            .iter()
            .filter(|(file, _, _)| file != "config/table.rs")
            .flat_map(|(_, _, text)| text.split(&wanted).skip(1))
            .any(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
    };
    let unread: Vec<&str> = DIRECTIVES
        .iter()
        .filter(|directive| directive.traits.meaning == Meaning::Live)
        .map(|directive| directive.name)
        .filter(|name| !is_read(&name.replace('-', "_")))
        .collect();
    assert!(
        unread.is_empty(),
        "accepted, and nothing comes of it: {unread:?}"
    );
}

#[test]
fn families_never_import_each_other() {
    for (file, module, text) in modules() {
        if module == "commands" && file != "commands/mod.rs" {
            assert!(
                !text.contains("crate::commands"),
                "{file} reaches for another family"
            );
        }
    }
}

#[test]
fn each_command_is_defined_once() {
    let modules = modules();
    let holds_container = |wanted: &str| {
        let mut texts = modules.iter().filter(|(file, _, _)| file == wanted);
        texts.any(|(_, _, text)| text.contains("subcommands: &["))
    };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (file, module, text) in &modules {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        if module != "commands" {
            continue;
        }
        for block in text
            .split("const ")
            .skip(1)
            .filter(|block| block.contains(": Command = Command {"))
        {
            let Some((_, rest)) = block.split_once("name: \"") else {
                continue;
            };
            let name = rest.split('"').next().unwrap();
            // Subcommands are named within their container, whose file or folder they share.
            let key = if holds_container(file) {
                format!("{file}:{name}")
            } else if holds_container(&format!("{folder}/mod.rs")) {
                format!("{folder}:{name}")
            } else {
                name.to_string()
            };
            let before = seen.insert(key.clone(), file.clone());
            assert!(
                before.is_none(),
                "{key} is defined in {file} and in {}",
                before.unwrap()
            );
        }
    }
    assert!(seen.len() > 40, "the sources were read");
}

#[test]
fn no_file_of_ours_holds_unsafe_code() {
    for (file, _, text) in modules() {
        let unsafe_word = concat!("uns", "afe ");
        assert!(!text.contains(unsafe_word), "{file}");
    }
}
