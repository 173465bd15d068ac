//! What a script that is about to run says of itself, in its header or as a function's flags.

use crate::command::{CommandEntry, ScriptName};
use crate::script::{Flags, Header};
use crate::state::shared::Shared;

/// Whether it runs a script that is held to the slot of the keys that it names.
pub(super) fn keeps_to_slot(shared: &Shared, entry: &CommandEntry, argv: &[&[u8]]) -> bool {
    let is_held = |flags: Flags| !flags.legacy && !flags.allow_cross_slot_keys;
    let mut names_any = false;
    entry.each_key(argv, |_| names_any = true);
    names_any
        && shared.redirecting().is_some()
        && declared_flags(shared, entry, argv).is_some_and(is_held)
}

/// Whether it runs a script that says of itself that it writes nothing.
#[cold]
pub(super) fn is_declared_harmless(shared: &Shared, entry: &CommandEntry, argv: &[&[u8]]) -> bool {
    let flags = declared_flags(shared, entry, argv);
    flags.is_some_and(|flags| flags.no_writes)
}

/// Whether it runs a script that has flags, and doesn't say that.
pub(super) fn is_declared_writer(shared: &Shared, entry: &CommandEntry, argv: &[&[u8]]) -> bool {
    let flags = declared_flags(shared, entry, argv);
    flags.is_some_and(|flags| !flags.legacy && !flags.no_writes)
}

fn declared_flags(shared: &Shared, entry: &CommandEntry, argv: &[&[u8]]) -> Option<Flags> {
    let scripts = &shared.scripts;
    match entry.command.script? {
        ScriptName::Text => Header::of_script(argv[1]).ok().map(|header| header.flags),
        ScriptName::Sha1 => {
            let sha = String::from_utf8_lossy(argv[1]).to_ascii_lowercase();
            scripts.get(&sha).map(|held| held.flags)
        }
        ScriptName::Function => {
            let name = String::from_utf8_lossy(argv[1]);
            let functions = scripts.functions.load();
            functions.library_of(&name).and_then(|library| {
                let mut held = library.functions.iter();
                held.find(|held| held.name.eq_ignore_ascii_case(&name))
                    .map(|held| held.flags)
            })
        }
    }
}
