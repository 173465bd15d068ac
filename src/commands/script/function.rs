//! FUNCTION: libraries of functions.

use crate::command::Flag::{AllowBusy, DenyOom, NoScript, Scripted, Write};
use crate::command::{
    Arg, Command, Done, Fail, Flow, FunctionLoad, Run, ScriptWish, SessionCall, help,
};
use crate::persist::rdb;
use crate::script::Functions;
use crate::util::glob;

pub const FUNCTION: Command = Command {
    name: "function",
    summary: "Manages functions",
    cost: "Depends on subcommand.",
    since: "7.0.0",
    run: Run::Container,
    subcommands: &[
        &DELETE, &DUMP, &FLUSH, &HELP, &KILL, &LIST, &LOAD, &RESTORE, &STATS,
    ],
    ..Command::PLAIN
};

const HELP: Command = Command {
    since: "7.0.0",
    ..help::HELP
};

const EVERY_SHARD: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

const LOAD: Command = Command {
    name: "load",
    summary: "Makes a library of its code",
    cost: "O(1) (considering compilation time is redundant)",
    since: "7.0.0",
    flags: &[NoScript, DenyOom, Write, Scripted],
    args: &[
        Arg::word("replace", "REPLACE").optional(),
        Arg::text("function-code"),
    ],
    run: Run::Session(load),
    tips: EVERY_SHARD,
    ..Command::PLAIN
};

fn load(call: &mut SessionCall<'_>) -> Done {
    let mut replace = false;
    while call.args.len() > 1 {
        if !call.args.word("REPLACE") {
            let option = String::from_utf8_lossy(call.args.next()?).into_owned();
            return Err(Fail::said(format!("Unknown option given: {option}")));
        }
        replace = true;
    }
    let code = call.args.next()?.to_vec();
    Ok(wish(FunctionLoad {
        codes: vec![code],
        replace,
        flush: false,
        restore: false,
    }))
}

fn wish(load: FunctionLoad) -> Flow {
    Flow::Script(Box::new(ScriptWish::Function(load)))
}

const RESTORE: Command = Command {
    name: "restore",
    summary: "Makes libraries of bytes that DUMP gave",
    cost: "O(N) for N functions",
    since: "7.0.0",
    flags: &[NoScript, DenyOom, Write, Scripted],
    args: &[
        Arg::text("serialized-value"),
        Arg::one_of(
            "policy",
            &[
                Arg::word("flush", "FLUSH"),
                Arg::word("append", "APPEND"),
                Arg::word("replace", "REPLACE"),
            ],
        )
        .optional(),
    ],
    run: Run::Session(restore),
    tips: EVERY_SHARD,
    ..Command::PLAIN
};

fn restore(call: &mut SessionCall<'_>) -> Done {
    let payload = call.args.next()?;
    super::at_most(call, 1, "FUNCTION")?;
    let (mut replace, mut flush) = (false, false);
    if call.args.word("REPLACE") {
        replace = true;
    } else if call.args.word("FLUSH") {
        flush = true;
    } else if !call.args.is_empty() && !call.args.word("APPEND") {
        return Err(Fail::Says(
            "Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
        ));
    }
    let Some(dumped) = rdb::check_dump(payload, false) else {
        return Err(Fail::Says("DUMP payload version or checksum are wrong"));
    };
    let Some(codes) = rdb::read_functions(dumped.body) else {
        return Err(Fail::Says("failed loading functions payload"));
    };
    Ok(wish(FunctionLoad {
        codes,
        replace,
        flush,
        restore: true,
    }))
}

const DUMP: Command = Command {
    name: "dump",
    summary: "Returns all libraries as bytes that RESTORE takes",
    cost: "O(N) for N functions",
    since: "7.0.0",
    flags: &[NoScript],
    run: Run::Session(dump),
    ..Command::PLAIN
};

fn dump(call: &mut SessionCall<'_>) -> Done {
    call.out
        .bulk(rdb::dump_functions(&call.server.store.functions()));
    Ok(Flow::Done)
}

const DELETE: Command = Command {
    name: "delete",
    summary: "Forgets a library",
    since: "7.0.0",
    flags: &[NoScript, Write],
    args: &[Arg::text("library-name")],
    run: Run::Session(delete),
    tips: EVERY_SHARD,
    ..Command::PLAIN
};

fn delete(call: &mut SessionCall<'_>) -> Done {
    let name = String::from_utf8_lossy(call.args.next()?).into_owned();
    change(call, |functions| match functions.libraries.remove(&name) {
        Some(_) => Ok(()),
        None => Err(Fail::Says("Library not found")),
    })?;
    call.out.ok();
    Ok(Flow::LogAlone)
}

fn change(
    call: &SessionCall<'_>,
    edit: impl FnOnce(&mut Functions) -> Result<(), Fail>,
) -> Result<(), Fail> {
    let scripts = &call.server.scripts;
    let _lock = scripts.functions_lock.lock();
    let mut functions = (*scripts.functions.load_full()).clone();
    edit(&mut functions)?;
    functions.version += 1;
    call.server.publish_functions(functions);
    Ok(())
}

const FLUSH: Command = Command {
    name: "flush",
    summary: "Forgets all libraries",
    cost: "O(N) for N functions",
    since: "7.0.0",
    flags: &[NoScript, Write],
    args: &[Arg::one_of(
        "flush-type",
        &[Arg::word("async", "ASYNC"), Arg::word("sync", "SYNC")],
    )
    .optional()],
    run: Run::Session(flush),
    tips: EVERY_SHARD,
    ..Command::PLAIN
};

fn flush(call: &mut SessionCall<'_>) -> Done {
    super::at_most(call, 1, "FUNCTION")?;
    super::flush_word(call, "FUNCTION FLUSH only supports SYNC|ASYNC option")?;
    change(call, |functions| {
        functions.libraries.clear();
        Ok(())
    })?;
    call.out.ok();
    Ok(Flow::LogAlone)
}

const KILL: Command = Command {
    name: "kill",
    summary: "Ends the function that runs, if it has changed nothing",
    since: "7.0.0",
    flags: &[NoScript, AllowBusy],
    run: Run::Session(|call| super::kill(call, true).map(|()| Flow::Done)),
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    ..Command::PLAIN
};

const LIST: Command = Command {
    name: "list",
    summary: "Tells of libraries and their functions",
    cost: "O(N) for N functions",
    since: "7.0.0",
    flags: &[NoScript],
    args: &[
        Arg::text("library-name-pattern")
            .token("LIBRARYNAME")
            .optional(),
        Arg::word("withcode", "WITHCODE").optional(),
    ],
    run: Run::Session(list),
    tips: &["nondeterministic_output_order"],
    ..Command::PLAIN
};

fn list(call: &mut SessionCall<'_>) -> Done {
    let (mut pattern, mut with_code) = (None, false);
    while !call.args.is_empty() {
        if !with_code && call.args.word("WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && call.args.word("LIBRARYNAME") {
            let given = call.args.next();
            pattern = Some(given.map_err(|_| Fail::Says("library name argument was not given"))?);
        } else {
            let option = String::from_utf8_lossy(call.args.next()?).into_owned();
            return Err(Fail::said(format!("Unknown argument {option}")));
        }
    }
    let functions = call.server.scripts.functions.load_full();
    let shown: Vec<_> = functions
        .libraries
        .values()
        .filter(|library| {
            pattern.is_none_or(|pattern| glob::matches(pattern, library.name.as_bytes(), true))
        })
        .collect();
    let out = &mut *call.out;
    out.array(shown.len());
    for library in shown {
        out.map(3 + usize::from(with_code));
        out.bulk("library_name");
        out.bulk(&library.name);
        out.bulk("engine");
        out.bulk("LUA");
        out.bulk("functions");
        out.array(library.functions.len());
        for function in &library.functions {
            out.map(3);
            out.bulk("name");
            out.bulk(&function.name);
            out.bulk("description");
            out.bulk_or_null(function.description.as_ref().map(|text| text.as_bytes()));
            out.bulk("flags");
            let flags = function.flags.names();
            out.set(flags.len());
            flags.iter().for_each(|flag| out.simple(flag));
        }
        if with_code {
            out.bulk("library_code");
            out.bulk(&library.code);
        }
    }
    Ok(Flow::Done)
}

const STATS: Command = Command {
    name: "stats",
    summary: "Tells of the function that runs, and of the engine",
    since: "7.0.0",
    flags: &[NoScript, AllowBusy],
    run: Run::Session(stats),
    tips: &[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ],
    ..Command::PLAIN
};

fn stats(call: &mut SessionCall<'_>) -> Done {
    let scripts = &call.server.scripts;
    let busy = scripts.busy();
    let out = &mut *call.out;
    out.map(2);
    out.bulk("running_script");
    match busy.iter().find(|running| running.is_function) {
        None => out.null(),
        Some(running) => {
            out.map(3);
            out.bulk("name");
            out.bulk(&running.name);
            out.bulk("command");
            out.array(running.command.len());
            running.command.iter().for_each(|word| out.bulk(word));
            out.bulk("duration_ms");
            out.int(running.started.elapsed().as_millis() as i64);
        }
    }
    let functions = scripts.functions.load();
    out.bulk("engines");
    out.map(1);
    out.bulk("LUA");
    out.map(2);
    out.bulk("libraries_count");
    out.count(functions.libraries.len());
    out.bulk("functions_count");
    out.count(functions.count());
    Ok(Flow::Done)
}
