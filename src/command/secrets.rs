//! Passwords among a command's arguments: MONITOR and SLOWLOG show `(redacted)` in their place.

use super::CommandEntry;

const HIDDEN: &[u8] = b"(redacted)";

/// The arguments as others may see them; nothing if they may be seen as they are.
pub fn redacted<'a>(entry: &CommandEntry, argv: &[&'a [u8]]) -> Option<Vec<&'a [u8]>> {
    let secrets = entry.command.secrets?;
    let mut shown = argv.to_vec();
    secrets(argv, &mut |at| {
        if let Some(arg) = shown.get_mut(at) {
            *arg = HIDDEN;
        }
    });
    Some(shown)
}

/// Hides so many arguments after each that is this word, which is looked for from one position on.
pub fn hide_after(
    argv: &[&[u8]],
    word: &str,
    count: usize,
    from: usize,
    hide: &mut dyn FnMut(usize),
) {
    for (at, arg) in argv.iter().enumerate().skip(from) {
        if arg.eq_ignore_ascii_case(word.as_bytes()) {
            (at + 1..=at + count).for_each(&mut *hide);
        }
    }
}
