//! Passwords among a command's arguments: MONITOR and SLOWLOG show `(redacted)` in their place.

use crate::command::Entry;
use crate::config;

const HIDDEN: &[u8] = b"(redacted)";

/// The arguments as others may see them; nothing if they may be seen as they are.
pub(super) fn redacted<'a>(entry: &Entry, argv: &[&'a [u8]]) -> Option<Vec<&'a [u8]>> {
    let mut hidden: Vec<usize> = Vec::new();
    let mut after = |word: &str, count: usize, from: usize| {
        for (at, arg) in argv.iter().enumerate().skip(from) {
            if arg.eq_ignore_ascii_case(word.as_bytes()) {
                hidden.extend(at + 1..=at + count);
            }
        }
    };
    match entry.full_name.as_str() {
        "acl|setuser" => hidden.extend(2..argv.len()),
        "auth" => hidden.extend(1..argv.len()),
        "hello" => after("AUTH", 2, 2),
        "migrate" => {
            after("AUTH", 1, 6);
            after("AUTH2", 2, 6);
        }
        "config|set" => {
            for at in (2..argv.len()).step_by(2) {
                if config::find(argv[at]).is_some_and(|directive| directive.traits.sensitive) {
                    hidden.push(at + 1);
                }
            }
        }
        _ => return None,
    }
    let mut shown = argv.to_vec();
    hidden
        .into_iter()
        .filter(|at| *at < argv.len())
        .for_each(|at| shown[at] = HIDDEN);
    Some(shown)
}
