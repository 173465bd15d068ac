//! Which keys there are: EXISTS, TYPE, KEYS, SCAN.

use crate::command::Flag::Fast;
use crate::command::{Arg, Command, Done, Flow, KeyNames, KeyUse, Plan, ReadCall, Rest, Run, scan};
use crate::engine::GaveUp;
use crate::types::Bstr;
use crate::util::glob;

pub const EXISTS: Command = Command {
    name: "exists",
    summary: "Counts how many of these keys exist",
    cost: "O(N) for N keys",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::LOOK).many()],
    run: Run::Read(exists),
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    ..Command::PLAIN
};

fn exists(call: &mut ReadCall<'_>) -> Done {
    let found = call
        .args
        .rest()
        .iter()
        .filter(|key| call.db.counted(key).is_some())
        .count();
    call.out.count(found);
    Ok(Flow::Done)
}

pub const TOUCH: Command = Command {
    name: "touch",
    summary: "Marks keys as just used, and counts those that exist",
    cost: "O(N) for N keys",
    since: "3.2.1",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::LOOK).many()],
    run: Run::Read(touch),
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    ..Command::PLAIN
};

fn touch(call: &mut ReadCall<'_>) -> Done {
    let found = call
        .args
        .rest()
        .iter()
        .filter(|key| call.db.touch(key))
        .count();
    call.out.count(found);
    Ok(Flow::Done)
}

pub const TYPE: Command = Command {
    name: "type",
    summary: "Returns the type of the value at a key",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::LOOK)],
    run: Run::Read(kind),
    ..Command::PLAIN
};

fn kind(call: &mut ReadCall<'_>) -> Done {
    let key = call.args.next()?;
    let entry = call.db.counted(key);
    let name = entry.map_or("none", |entry| entry.value().kind().name());
    call.out.simple(name);
    Ok(Flow::Done)
}

pub const KEYS: Command = Command {
    name: "keys",
    summary: "Returns all keys whose names match a pattern",
    cost: "O(N) for N keys in the database",
    args: &[Arg::pattern("pattern")],
    run: Run::Read(keys),
    plan: Plan::All,
    categories: &["keyspace", "dangerous"],
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    ..Command::PLAIN
};

fn keys(call: &mut ReadCall<'_>) -> Done {
    let pattern = call.args.next()?;
    if glob::is_plain(pattern) {
        let found = call.db.exists(pattern);
        call.out.array(usize::from(found));
        if found {
            call.out.bulk(pattern);
        }
        return Ok(Flow::Done);
    }
    if call.parts && call.db.len() >= Rest::MIN {
        return Ok(Flow::Names(Box::new(KeyNames {
            walk: call.db.walk_names(),
            pattern: Bstr::new(pattern),
        })));
    }
    let every = pattern == b"*";
    let open = call.out.open_array();
    let mut count = 0;
    call.db.visit(|entry, _| {
        let name = entry.key_name();
        if every || glob::matches(pattern, name, false) {
            call.out.bulk(name);
            count += 1;
        }
    });
    call.out.close(open, count);
    Ok(Flow::Done)
}

pub const SCAN: Command = Command {
    name: "scan",
    summary: "Walks over the keys, a few per call",
    cost: "O(1) per call, O(N) for a whole walk over N keys",
    since: "2.8.0",
    args: &[
        Arg::int("cursor"),
        Arg::pattern("pattern").token("MATCH").optional(),
        Arg::int("count").token("COUNT").optional(),
        Arg::text("type").token("TYPE").optional().since("6.0.0"),
    ],
    run: Run::Read(scan_keys),
    plan: Plan::Each,
    tips: &[
        "nondeterministic_output",
        "request_policy:special",
        "response_policy:special",
    ],
    ..Command::PLAIN
};

fn scan_keys(call: &mut ReadCall<'_>) -> Done {
    let cursor = scan::cursor(call.args.next()?)?;
    let options = scan::KeyOptions::parse(&mut call.args, false)?;
    let scripts = &call.server.scripts;
    let mark = call.out.mark();
    let mut found = 0;
    let next = call
        .db
        .scan(cursor, options.count(), &|| scripts.is_busy(), |entry| {
            if options.fits(entry) {
                call.out.bulk(entry.key_name());
                found += 1;
            }
        });
    let next = next.map_err(|GaveUp| call.server.busy_fail())?;
    scan::insert_head(call.out, mark, itoa::Buffer::new().format(next), found);
    Ok(Flow::Done)
}

pub const RANDOMKEY: Command = Command {
    name: "randomkey",
    summary: "Returns a key, each as likely as any other",
    run: Run::Read(randomkey),
    plan: Plan::Each,
    tips: &[
        "request_policy:all_shards",
        "response_policy:special",
        "nondeterministic_output",
    ],
    ..Command::PLAIN
};

fn randomkey(call: &mut ReadCall<'_>) -> Done {
    let scripts = &call.server.scripts;
    let key = call.db.random_key(&|| scripts.is_busy());
    let key = key.map_err(|GaveUp| call.server.busy_fail())?;
    call.out.bulk_or_null(key.as_deref());
    Ok(Flow::Done)
}
