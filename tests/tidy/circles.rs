//! Circles: files of one folder that need each other, so that none of them can be read alone.
//!
//! A file needs another if it imports a name that is defined there, by whatever way it is handed on. What a folder's face
//! (`mod.rs`) hands on is no need of its own.

use std::collections::{BTreeMap, BTreeSet};

type Path = Vec<String>;

struct File<'s> {
    path: &'s str,
    module: Path,
    /// Names that are defined at its outermost level.
    defined: BTreeSet<String>,
    /// Whole paths of what it imports or names, and whether it hands them on.
    named: Vec<(Path, bool)>,
    text: &'s str,
}

fn words(path: &str) -> Path {
    path.split("::")
        .map(|word| word.trim().to_string())
        .collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The module of a file: `a/b.rs` and `a/b/mod.rs` are both `a::b`.
fn module(path: &str) -> Path {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_string).collect()
}

fn definitions(text: &str) -> BTreeSet<String> {
    const KINDS: [&str; 8] = [
        "struct", "enum", "trait", "fn", "const", "static", "type", "union",
    ];
    let name = |line: &str| {
        let mut words = line.split(' ').skip_while(|word| !KINDS.contains(word));
        // `const fn` and `async fn` define what follows the second.
        let name = words.find(|word| !KINDS.contains(word))?;
        Some(name.chars().take_while(|c| is_word(*c)).collect())
    };
    let lines = text
        .lines()
        .filter(|line| !line.starts_with([' ', '/', '}']));
    lines.filter_map(name).collect()
}

/// The paths of an import, braces opened.
fn opened(tree: &str) -> Vec<Path> {
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        return vec![words(path)];
    };
    let list = &rest[..rest.rfind('}').unwrap_or(rest.len())];
    let (mut depth, mut item, mut items) = (0, String::new(), Vec::new());
    for c in list.chars().chain([',']) {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match c == ',' && depth == 0 {
            true => items.push(std::mem::take(&mut item)),
            false => item.push(c),
        }
    }
    let items = items.iter().map(|item| item.trim());
    let items = items.filter(|item| !item.is_empty());
    items
        .flat_map(|item| opened(&format!("{}{item}", head.trim())))
        .collect()
}

impl<'s> File<'s> {
    fn new(path: &'s str, text: &'s str) -> Self {
        let mut file = File {
            path,
            module: module(path),
            defined: definitions(text),
            named: Vec::new(),
            text,
        };
        let code = text
            .lines()
            .map(|line| line.split("//").next().unwrap_or(line));
        let code = code.collect::<Vec<_>>().join("\n");
        let mut rest = String::new();
        for statement in code.split_inclusive(';') {
            let begins = statement.rfind("use ").filter(|at| {
                let before = statement[..*at].rsplit('\n').next().unwrap_or_default();
                let before = before.trim();
                before.is_empty() || before == "pub" || before.starts_with("pub(")
            });
            match begins {
                Some(at) => {
                    let line = statement[..at].rsplit('\n').next().unwrap_or_default();
                    let tree = statement[at + "use ".len()..].trim_end_matches(';');
                    let handed = line.trim().starts_with("pub");
                    file.named
                        .extend(opened(tree).into_iter().map(|path| (path, handed)));
                }
                None => rest.push_str(statement),
            }
        }
        for head in ["crate::", "super::"] {
            for (at, _) in rest.match_indices(head) {
                let path = rest[at..].chars().take_while(|c| is_word(*c) || *c == ':');
                let path: String = path.collect();
                file.named.push((words(path.trim_end_matches(':')), false));
            }
        }
        file
    }

    /// A path from the root on; nothing for those of other crates.
    fn whole(&self, path: &[String], modules: &BTreeMap<Path, usize>) -> Option<Path> {
        let up = path.iter().take_while(|word| *word == "super").count();
        if up > 0 {
            let kept = self.module.len().checked_sub(up)?;
            return Some([&self.module[..kept], &path[up..]].concat());
        }
        match path[0].as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([&self.module[..], &path[1..]].concat()),
            first => {
                let below = [&self.module[..], &[first.to_string()]].concat();
                modules
                    .contains_key(&below)
                    .then(|| [&self.module[..], path].concat())
            }
        }
    }
}

/// The file that defines what a path leads to.
fn definer(
    path: &[String],
    files: &[File<'_>],
    modules: &BTreeMap<Path, usize>,
    depth: usize,
) -> Option<usize> {
    let known = (1..=path.len()).rev();
    let known = known.filter_map(|len| Some((len, *modules.get(&path[..len])?)));
    let (len, at) = known.max()?;
    let file = &files[at];
    let Some(name) = path.get(len).filter(|_| depth < 8) else {
        return Some(at);
    };
    if file.defined.contains(name) {
        return Some(at);
    }
    let handed = file.named.iter().filter(|(_, handed)| *handed);
    let mut handed = handed.filter(|(path, _)| path.last() == Some(name));
    let through = handed.find_map(|(path, _)| {
        let path = file.whole(path, modules)?;
        definer(&path, files, modules, depth + 1)
    });
    Some(through.unwrap_or(at))
}

/// For each folder of the sources, how many of its files stand in circles.
pub fn in_circles(sources: &[(&str, &str)]) -> BTreeMap<String, usize> {
    let files: Vec<File<'_>> = sources
        .iter()
        .map(|(path, text)| File::new(path, text))
        .collect();
    let numbered = files.iter().enumerate();
    let modules: BTreeMap<Path, usize> = numbered
        .map(|(at, file)| (file.module.clone(), at))
        .collect();
    let needs: Vec<BTreeSet<usize>> = files
        .iter()
        .enumerate()
        .map(|(at, file)| needs(at, file, &files, &modules))
        .collect();
    // Whom each can reach: few enough files for the plainest way.
    let reached: Vec<BTreeSet<usize>> = (0..files.len())
        .map(|from| {
            let mut found = BTreeSet::new();
            let mut next: Vec<usize> = needs[from].iter().copied().collect();
            while let Some(at) = next.pop() {
                if found.insert(at) {
                    next.extend(&needs[at]);
                }
            }
            found
        })
        .collect();
    let mut circles = BTreeMap::new();
    for (at, file) in files.iter().enumerate() {
        if reached[at].contains(&at) {
            let folder = file.path.split('/').next().unwrap_or(file.path);
            *circles.entry(folder.to_string()).or_default() += 1;
        }
    }
    circles
}

fn needs(
    at: usize,
    file: &File<'_>,
    files: &[File<'_>],
    modules: &BTreeMap<Path, usize>,
) -> BTreeSet<usize> {
    let is_face = file.path.ends_with("/mod.rs");
    let mut found = BTreeSet::new();
    for (path, handed) in &file.named {
        if *handed && is_face {
            continue;
        }
        let Some(whole) = file.whole(path, modules) else {
            continue;
        };
        let whole = match whole.last().map(String::as_str) {
            Some("*" | "self") => &whole[..whole.len() - 1],
            _ => &whole[..],
        };
        if whole.is_empty() {
            continue;
        }
        if modules.contains_key(whole) {
            // A module by its name: what stands behind it in the text is needed.
            let head = format!("{}::", whole[whole.len() - 1]);
            for (begin, _) in file.text.match_indices(&head) {
                let rest = &file.text[begin + head.len()..];
                let name: String = rest.chars().take_while(|c| is_word(*c)).collect();
                let whole = [whole, &[name]].concat();
                found.extend(definer(&whole, files, modules, 0));
            }
        } else {
            found.extend(definer(whole, files, modules, 0));
        }
    }
    found.remove(&at);
    found
}

#[test]
fn files_that_need_each_other_are_found() {
    let circles = in_circles(&[
        (
            "a/mod.rs",
            "mod one;\nmod two;\nmod three;\npub use one::{One, make};\n",
        ),
        (
            "a/one.rs",
            "use super::two::Two;\npub struct One(Two);\npub fn make() {}\n",
        ),
        ("a/two.rs", "pub struct Two;\nfn f() { crate::a::make() }\n"),
        (
            "a/three.rs",
            "use super::{One, two};\nfn g(one: One) -> two::Two { todo() }\n",
        ),
        ("b.rs", "use crate::a::One;\npub struct B(One);\n"),
    ]);
    assert_eq!(circles, BTreeMap::from([("a".to_string(), 2)]));
}
