//! COMMAND: the commands themselves, told from their entries.

use super::docs;
use crate::acl::CATEGORIES;
use crate::command::Flag::{Loading, NoMandatoryKeys, Stale};
use crate::command::modules::MODULES;
use crate::command::{
    Arg, Begin, Command, CommandEntry, Done, Fail, Find, Flow, KeySpec, KeyUse, Lookup, Registry,
    Run, SessionCall, help,
};
use crate::resp::Reply;
use crate::util::glob;

pub const COMMAND: Command = Command {
    name: "command",
    summary: "Describes all commands",
    cost: "O(N) for N commands",
    since: "2.8.13",
    flags: &[Loading, Stale],
    run: Run::Session(all),
    arity: Some(-1),
    subcommands: &[
        &COUNT,
        &DOCS,
        &GETKEYS,
        &GETKEYSANDFLAGS,
        &HELP,
        &INFO,
        &LIST,
    ],
    categories: &["connection"],
    tips: &["nondeterministic_output_order"],
    ..Command::PLAIN
};

const HELP: Command = Command {
    categories: &["connection"],
    ..help::HELP
};

fn all(call: &mut SessionCall<'_>) -> Done {
    if let Some(word) = call.args.peek() {
        let word = crate::command::quoted(word);
        return Err(Fail::said(format!(
            "unknown subcommand '{word}'. Try COMMAND HELP."
        )));
    }
    describe_all(call);
    Ok(Flow::Done)
}

fn describe_all(call: &mut SessionCall<'_>) {
    let commands = sorted(call.registry);
    call.out.array(commands.len());
    commands.iter().for_each(|entry| describe(entry, call.out));
}

/// Every command, containers but not their subcommands, by name.
fn sorted(registry: &Registry) -> Vec<&'static CommandEntry> {
    let mut all: Vec<_> = registry.named().map(|(_, entry)| entry).collect();
    all.sort_by(|a, b| a.full_name.cmp(&b.full_name));
    all
}

/// The command or subcommand of a name such as `config|get`.
fn named(registry: &Registry, name: &[u8]) -> Option<&'static CommandEntry> {
    match name.iter().position(|byte| *byte == b'|') {
        None => registry.get(name),
        Some(at) => registry.get(&name[..at])?.subcommand(&name[at + 1..]),
    }
}

const COUNT: Command = Command {
    name: "count",
    summary: "Counts the commands",
    since: "2.8.13",
    flags: &[Loading, Stale],
    run: Run::Session(count),
    categories: &["connection"],
    ..Command::PLAIN
};

fn count(call: &mut SessionCall<'_>) -> Done {
    call.out.count(call.registry.len());
    Ok(Flow::Done)
}

const INFO: Command = Command {
    name: "info",
    summary: "Describes some commands: arity, flags, key positions",
    cost: "O(N) for N commands",
    since: "2.8.13",
    flags: &[Loading, Stale],
    args: &[Arg::text("command-name").optional().many()],
    run: Run::Session(info),
    categories: &["connection"],
    tips: &["nondeterministic_output_order"],
    ..Command::PLAIN
};

fn info(call: &mut SessionCall<'_>) -> Done {
    let names = call.args.rest();
    if names.is_empty() {
        describe_all(call);
        return Ok(Flow::Done);
    }
    call.out.array(names.len());
    for name in names {
        match named(call.registry, name) {
            Some(entry) => describe(entry, call.out),
            None => call.out.null(),
        }
    }
    Ok(Flow::Done)
}

/// One command's ten facts.
fn describe(entry: &CommandEntry, out: &mut Reply) {
    out.array(10);
    out.bulk(&entry.full_name);
    out.int(entry.arity);
    words(&entry.flag_words(), out);
    let (first, last, step) = entry.range;
    [first, last, step].into_iter().for_each(|n| out.int(n));
    let categories = ordered(&entry.categories);
    out.set(categories.len());
    categories
        .iter()
        .for_each(|category| out.simple(&format!("@{category}")));
    out.set(entry.command.tips.len());
    entry.command.tips.iter().for_each(|tip| out.bulk(tip));
    out.set(entry.specs.len());
    entry.specs.iter().for_each(|spec| describe_keys(spec, out));
    let subcommands = entry.subcommands();
    if subcommands.is_empty() {
        return out.set(0);
    }
    out.array(subcommands.len());
    subcommands.iter().for_each(|sub| describe(sub, out));
}

fn words(words: &[&str], out: &mut Reply) {
    out.set(words.len());
    words.iter().for_each(|word| out.simple(word));
}

fn ordered(categories: &[&'static str]) -> Vec<&'static str> {
    CATEGORIES
        .iter()
        .copied()
        .filter(|category| categories.contains(category))
        .collect()
}

fn describe_keys(spec: &KeySpec, out: &mut Reply) {
    out.map(3);
    out.bulk("flags");
    words(spec.used.0, out);
    out.bulk("begin_search");
    match spec.begin {
        Begin::Index(index) => {
            head("index", 1, out);
            fact("index", index as i64, out);
        }
        Begin::Keyword(word, from) => {
            head("keyword", 2, out);
            out.bulk("keyword");
            out.bulk(word);
            fact("startfrom", i64::from(from), out);
        }
        Begin::Unknown => head("unknown", 0, out),
    }
    out.bulk("find_keys");
    match spec.find {
        Find::Range { last, step, limit } => {
            head("range", 3, out);
            fact("lastkey", i64::from(last), out);
            fact("keystep", step as i64, out);
            fact("limit", limit as i64, out);
        }
        Find::Count { num, first, step } => {
            head("keynum", 3, out);
            fact("keynumidx", num as i64, out);
            fact("firstkey", first as i64, out);
            fact("keystep", step as i64, out);
        }
        Find::Unknown => head("unknown", 0, out),
    }
}

/// Begins a key specification's half: its type, and how many facts tell the rest.
fn head(kind: &str, facts: usize, out: &mut Reply) {
    out.map(2);
    out.bulk("type");
    out.bulk(kind);
    out.bulk("spec");
    out.map(facts);
}

fn fact(name: &str, value: i64, out: &mut Reply) {
    out.bulk(name);
    out.int(value);
}

const DOCS: Command = Command {
    name: "docs",
    summary: "Documents commands: what they do, and their arguments",
    cost: "O(N) for N commands",
    since: "7.0.0",
    flags: &[Loading, Stale],
    args: &[Arg::text("command-name").optional().many()],
    run: Run::Session(documents),
    categories: &["connection"],
    tips: &["nondeterministic_output_order"],
    ..Command::PLAIN
};

fn documents(call: &mut SessionCall<'_>) -> Done {
    let registry = call.registry;
    let names = call.args.rest();
    let entries = match names {
        [] => sorted(registry),
        names => names
            .iter()
            .filter_map(|name| named(registry, name))
            .collect(),
    };
    call.out.map(entries.len());
    entries
        .iter()
        .for_each(|entry| docs::write(entry, call.out));
    Ok(Flow::Done)
}

const LIST: Command = Command {
    name: "list",
    summary: "Lists the names of commands",
    cost: "O(N) for N commands",
    since: "7.0.0",
    flags: &[Loading, Stale],
    args: &[Arg::one_of(
        "filterby",
        &[
            Arg::text("module-name").token("MODULE"),
            Arg::text("category").token("ACLCAT"),
            Arg::pattern("pattern").token("PATTERN"),
        ],
    )
    .token("FILTERBY")
    .optional()],
    run: Run::Session(list),
    categories: &["connection"],
    tips: &["nondeterministic_output_order"],
    ..Command::PLAIN
};

fn list(call: &mut SessionCall<'_>) -> Done {
    let fits: Box<dyn Fn(&CommandEntry) -> bool> = if call.args.is_empty() {
        Box::new(|_| true)
    } else {
        let (by, filter, value) = (call.args.next()?, call.args.next()?, call.args.next()?);
        call.args.end()?;
        if !by.eq_ignore_ascii_case(b"FILTERBY") {
            return Err(Fail::SYNTAX);
        }
        match filter.to_ascii_lowercase().as_slice() {
            b"module" => Box::new(move |entry: &CommandEntry| {
                let mut named = MODULES
                    .iter()
                    .filter(|module| module.name.as_bytes() == value);
                named.any(|module| module.has(entry))
            }),
            b"aclcat" => Box::new(move |entry: &CommandEntry| {
                entry
                    .categories
                    .iter()
                    .any(|held| value.eq_ignore_ascii_case(held.as_bytes()))
            }),
            b"pattern" => Box::new(move |entry: &CommandEntry| {
                glob::matches(value, entry.full_name.as_bytes(), true)
            }),
            _ => return Err(Fail::SYNTAX),
        }
    };
    let commands = sorted(call.registry);
    let every = commands
        .into_iter()
        .flat_map(|entry| [vec![entry], entry.subcommands()].concat());
    let names: Vec<&str> = every
        .filter(|entry| fits(entry))
        .map(|entry| entry.full_name.as_str())
        .collect();
    call.out.array(names.len());
    names.iter().for_each(|name| call.out.bulk(name));
    Ok(Flow::Done)
}

const GETKEYS: Command = Command {
    name: "getkeys",
    summary: "Returns which arguments of a command are keys",
    cost: "O(N) for N arguments",
    since: "2.8.13",
    flags: &[Loading, Stale],
    run: Run::Session(getkeys),
    arity: Some(-3),
    categories: &["connection"],
    ..Command::PLAIN
};

fn getkeys(call: &mut SessionCall<'_>) -> Done {
    let argv = call.args.rest();
    let keys = find_keys(call.registry, argv)?;
    call.out.array(keys.len());
    keys.iter().for_each(|(at, _)| call.out.bulk(argv[*at]));
    Ok(Flow::Done)
}

const GETKEYSANDFLAGS: Command = Command {
    name: "getkeysandflags",
    summary: "Returns which arguments of a command are keys, and what it does to them",
    cost: "O(N) for N arguments",
    since: "7.0.0",
    flags: &[Loading, Stale],
    run: Run::Session(getkeysandflags),
    arity: Some(-3),
    categories: &["connection"],
    ..Command::PLAIN
};

fn getkeysandflags(call: &mut SessionCall<'_>) -> Done {
    let argv = call.args.rest();
    let keys = find_keys(call.registry, argv)?;
    call.out.array(keys.len());
    let found = call.registry.get(argv[0]);
    let key_use = found.and_then(|entry| entry.command.key_use);
    for (at, used) in keys {
        call.out.array(2);
        call.out.bulk(argv[at]);
        let used = key_use.map_or(used, |key_use| key_use(argv));
        words(used.0, call.out);
    }
    Ok(Flow::Done)
}

/// Keys behind a count that is no number in its one spelling: Redis reads it as C does then, names a key that is no part of
/// what is counted last, and says of none what is done to it.
fn loosely_counted(entry: &CommandEntry, spec: &KeySpec, argv: &[&[u8]]) -> Vec<(usize, KeyUse)> {
    let mut keys: Vec<usize> = Vec::new();
    spec.loose_positions(argv, |at| keys.push(at));
    if !keys.is_empty() {
        let others = entry.specs.iter().filter(|other| !other.is_counted());
        others.for_each(|other| {
            other.positions(argv, |at| keys.push(at));
        });
    }
    keys.into_iter().map(|at| (at, KeyUse(&[]))).collect()
}

/// Positions of a command's keys, each with its use.
fn find_keys(registry: &Registry, argv: &[&[u8]]) -> Result<Vec<(usize, KeyUse)>, Fail> {
    let Lookup::Entry(entry) = registry.find(argv[0], argv.get(1).copied()) else {
        return Err(Fail::Says("Invalid command specified"));
    };
    if entry.specs.iter().all(|spec| spec.used == KeyUse::CHANNEL) {
        return Err(Fail::Says("The command has no key arguments"));
    }
    if !entry.arity_fits(argv.len()) {
        return Err(Fail::Says(
            "Invalid number of arguments specified for command",
        ));
    }
    let mut keys = Vec::new();
    let mut fitting = entry.each_use(argv, |at, used| keys.push((at, used)));
    if let Some(spec) = entry.specs.iter().find(|spec| spec.is_counted()) {
        let mut counted = 0;
        fitting &= spec.positions(argv, |_| counted += 1) && counted > 0;
        if !fitting {
            keys = loosely_counted(entry, spec, argv);
            fitting = !keys.is_empty();
        }
    }
    match (fitting && !keys.is_empty(), entry.is(NoMandatoryKeys)) {
        (true, _) => Ok(keys),
        (false, true) => Ok(Vec::new()),
        (false, false) => Err(Fail::Says("Invalid arguments specified for command")),
    }
}
