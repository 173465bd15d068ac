//! JSON.DEBUG: what documents take in memory.

use super::place::{document, effort, first, parsed, path_or_root};
use crate::command::{Arg, Begin, Command, Done, Fail, Find, Flow, KeySpec, KeyUse, ReadCall, Run};
use crate::types::json::JsonNode;

pub const DEBUG: Command = Command {
    name: "json.debug",
    summary: "Tells how many bytes the values at a path take",
    cost: "O(N) for the document's size N",
    args: &[
        Arg::text("subcommand"),
        Arg::key("key", KeyUse::READ).optional(),
        Arg::text("path").optional(),
    ],
    arity: Some(-2),
    keys: Some(&[KeySpec {
        used: KeyUse::READ,
        begin: Begin::Unknown,
        find: Find::Unknown,
    }]),
    more_keys: Some(|argv, visit| {
        if argv.len() > 2 {
            visit(2);
        }
    }),
    run: Run::Read(debug),
    ..Command::PLAIN
};

const HELP: [&str; 2] = [
    "MEMORY <key> [path] - reports memory usage",
    "HELP                - this message",
];

fn debug(call: &mut ReadCall<'_>) -> Done {
    let args = &mut call.args;
    if args.word("HELP") {
        call.out.array(HELP.len());
        HELP.iter().for_each(|line| call.out.bulk(line));
        return Ok(Flow::Done);
    }
    if !args.word("MEMORY") {
        return Err(Fail::Says("unknown subcommand - try `JSON.DEBUG HELP`"));
    }
    let key = args.next().map_err(|_| Fail::arity("json.debug"))?;
    let path = path_or_root(args)?;
    let root = document(&call.db, key)?;
    let bytes = |node: &JsonNode| size_of::<JsonNode>() + node.heap_bytes();
    let mut effort = effort(call.server, call.user);
    match root {
        None if path.is_legacy() => call.out.int(0),
        None => call.out.array(0),
        Some(root) if path.is_legacy() => {
            call.out.count(bytes(first(root, path, &mut effort)?));
        }
        Some(root) => {
            let path = parsed(path)?;
            let values = path.as_ref().values(root, &mut effort)?;
            call.out.array(values.len());
            for node in values {
                effort.looks(node.count())?;
                call.out.count(bytes(node));
            }
        }
    }
    Ok(Flow::Done)
}
