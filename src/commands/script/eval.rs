//! EVAL and FCALL, and their kin.

use crate::command::Flag::{
    self, MayReplicate, NoMandatoryKeys, NoScript, Scripted, SkipMonitor, Stale,
};
use crate::command::{
    Arg, Begin, Command, Done, Fail, Find, Flow, KeySpec, KeyUse, Run, ScriptCall, ScriptName,
    ScriptWish, SessionCall,
};

const fn arguments(first: &'static str) -> [Arg; 4] {
    [
        Arg::text(first),
        Arg::int("numkeys"),
        Arg::key("key", KeyUse::READ_WRITE).many().optional(),
        Arg::text("arg").many().optional(),
    ]
}

const fn keys(used: KeyUse) -> [KeySpec; 1] {
    [KeySpec {
        used,
        begin: Begin::Index(2),
        find: Find::Count {
            num: 0,
            first: 1,
            step: 1,
        },
    }]
}

const USED: KeyUse = KeyUse(&["RW", "access", "update"]);
const READ: KeyUse = KeyUse(&["RO", "access"]);
const FLAGS: &[Flag] = &[
    NoScript,
    Stale,
    SkipMonitor,
    MayReplicate,
    NoMandatoryKeys,
    Scripted,
];
const READ_FLAGS: &[Flag] = &[
    NoScript,
    Stale,
    SkipMonitor,
    NoMandatoryKeys,
    Flag::ReadOnly,
    Scripted,
];
const SHA1_DIGITS: usize = 40;
const COST: &str = "Depends on the script that is executed.";

pub const EVAL: Command = Command {
    name: "eval",
    summary: "Runs a script",
    cost: COST,
    since: "2.6.0",
    flags: FLAGS,
    args: &arguments("script"),
    keys: Some(&keys(USED)),
    arity: Some(-3),
    run: Run::Session(|call| run(call, false, false, false)),
    script: Some(ScriptName::Text),
    ..Command::PLAIN
};

pub const EVAL_RO: Command = Command {
    name: "eval_ro",
    summary: "Runs a script that only reads",
    cost: COST,
    since: "7.0.0",
    flags: READ_FLAGS,
    args: &arguments("script"),
    keys: Some(&keys(READ)),
    arity: Some(-3),
    run: Run::Session(|call| run(call, false, false, true)),
    ..Command::PLAIN
};

pub const EVALSHA: Command = Command {
    name: "evalsha",
    summary: "Runs a script by its SHA1",
    cost: COST,
    since: "2.6.0",
    flags: FLAGS,
    args: &arguments("sha1"),
    keys: Some(&keys(USED)),
    arity: Some(-3),
    run: Run::Session(|call| run(call, false, true, false)),
    script: Some(ScriptName::Sha1),
    ..Command::PLAIN
};

pub const EVALSHA_RO: Command = Command {
    name: "evalsha_ro",
    summary: "Runs a script that only reads by its SHA1",
    cost: COST,
    since: "7.0.0",
    flags: READ_FLAGS,
    args: &arguments("sha1"),
    keys: Some(&keys(READ)),
    arity: Some(-3),
    run: Run::Session(|call| run(call, false, true, true)),
    ..Command::PLAIN
};

pub const FCALL: Command = Command {
    name: "fcall",
    summary: "Calls a function",
    cost: COST,
    since: "7.0.0",
    flags: FLAGS,
    args: &arguments("function"),
    keys: Some(&keys(USED)),
    arity: Some(-3),
    run: Run::Session(|call| run(call, true, false, false)),
    script: Some(ScriptName::Function),
    ..Command::PLAIN
};

pub const FCALL_RO: Command = Command {
    name: "fcall_ro",
    summary: "Calls a function that only reads",
    cost: COST,
    since: "7.0.0",
    flags: READ_FLAGS,
    args: &arguments("function"),
    keys: Some(&keys(READ)),
    arity: Some(-3),
    run: Run::Session(|call| run(call, true, false, true)),
    ..Command::PLAIN
};

fn run(call: &mut SessionCall<'_>, is_function: bool, by_sha: bool, read_only: bool) -> Done {
    let script = call.args.next()?;
    // What is called is looked for before its keys are counted; texts of other lengths are no SHA1.
    if by_sha && script.len() != SHA1_DIGITS {
        return Err(Fail::NO_SCRIPT);
    }
    let keys = match count_keys(call, is_function) {
        Err(_) if is_function && !has_function(call, script) => {
            return Err(Fail::Says("Function not found"));
        }
        counted => counted?,
    };
    Ok(Flow::Script(Box::new(ScriptWish::Call(ScriptCall {
        is_function,
        by_sha,
        read_only,
        keys,
    }))))
}

fn has_function(call: &SessionCall<'_>, name: &[u8]) -> bool {
    let functions = call.server.scripts.functions.load();
    let library = functions.library_of(&String::from_utf8_lossy(name));
    library.is_some()
}

fn count_keys(call: &mut SessionCall<'_>, is_function: bool) -> Result<usize, Fail> {
    let bad_count = if is_function {
        Fail::Says("Bad number of keys provided")
    } else {
        Fail::NOT_INTEGER
    };
    let count = call.args.int_or(bad_count)?;
    if count < 0 {
        return Err(Fail::Says("Number of keys can't be negative"));
    }
    if count as u64 > call.args.len() as u64 {
        return Err(Fail::Says(
            "Number of keys can't be greater than number of args",
        ));
    }
    Ok(count as usize)
}
