//! Indexes over documents, and what is asked of them, as RediSearch has it.

mod aggregate;
mod asked;
mod cursor;
mod definition;
mod fields;
mod find;
mod fusion;
mod highlights;
mod hit;
mod hybrid;
mod info;
mod load;
mod measured;
mod names;
mod older;
mod options;
mod pipeline;
mod profile;
mod reply;
mod rights;
mod settings;
mod spelling;
mod suggest;
mod summary;
mod synonyms;
mod wants;

pub use definition::drop_named;

use crate::command::{Arg, Command, Fail, Family, MODULE_GROUP, Plan, Run};
use crate::search::Refusal;

pub const FAMILY: Family = Family {
    group: MODULE_GROUP,
    category: "search",
    commands: &[
        &definition::CREATE,
        &definition::ALTER,
        &definition::DROP_INDEX,
        &definition::LIST,
        &info::INFO,
        &find::SEARCH,
        &asked::EXPLAIN,
        &asked::EXPLAIN_LINES,
        &profile::PROFILE,
        &hybrid::HYBRID,
        &aggregate::AGGREGATE,
        &cursor::CURSOR,
        &names::ALIAS_ADD,
        &names::ALIAS_UPDATE,
        &names::ALIAS_DELETE,
        &names::ALIAS_LIST,
        &names::TAG_VALUES,
        &names::DICTIONARY_ADD,
        &names::DICTIONARY_DELETE,
        &names::DICTIONARY_DUMP,
        &spelling::SPELL_CHECK,
        &suggest::ADD,
        &suggest::GET,
        &suggest::DELETE,
        &suggest::LEN,
        &synonyms::UPDATE,
        &synonyms::DUMP,
        &settings::CONFIG,
        &older::GET,
        &older::GET_MANY,
        &older::DELETE,
        &older::DROP,
        &older::DROP_IF,
        &older::DROP_INDEX_IF,
        &older::CREATE_IF,
        &older::ALTER_IF,
        &older::ALIAS_ADD_IF,
        &older::ALIAS_DELETE_IF,
    ],
};

/// What the commands of an index have in common. Its name is no key.
const OF_INDEX: Command = Command {
    since: "1.0.0",
    args: &[Arg::text("index"), Arg::text("arg").optional().many()],
    arity: Some(-1),
    run: Run::Container,
    ..Command::PLAIN
};

/// One that edits the catalog: nothing else is edited meanwhile.
const EDITS: Command = Command {
    plan: Plan::All,
    ..OF_INDEX
};

/// One that looks at it.
const LOOKS: Command = Command {
    plan: Plan::Each,
    ..OF_INDEX
};

/// One that searches it, and looks at one key after another then.
const SEARCHES: Command = Command {
    plan: Plan::Aside,
    ..OF_INDEX
};

/// RediSearch's errors begin with no code.
fn refused(why: Refusal) -> Fail {
    Fail::code(why)
}

fn wrong_arity(name: &str) -> Fail {
    Fail::arity(name)
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A name as it stands in a line of a reply.
fn in_line(name: &[u8]) -> String {
    shown(name).replace('\r', "\\r").replace('\n', "\\n")
}
