//! CLIENT: connections looked at, named, held back, woken and closed.

mod control;
mod filter;
mod kill;
mod list;
mod marks;
mod tracking;

pub use list::line;

use crate::command::Flag::{Admin, AllowBusy, Loading, NoScript, Stale, ThroughPause};
use crate::command::session::{ReplyMode, check_name};
use crate::command::{Arg, Args, Command, Done, Fail, Family, Flow, Run, SessionCall, help};
use crate::state::client::Profile;

pub const FAMILY: Family = Family {
    group: "connection",
    category: "connection",
    commands: &[&CLIENT],
};

const CLIENT: Command = Command {
    name: "client",
    summary: "Looks at connections and steers them",
    cost: "Depends on subcommand.",
    since: "2.4.0",
    flags: &[ThroughPause],
    run: Run::Container,
    subcommands: &[
        &tracking::CACHING,
        &CAPA,
        &GETNAME,
        &tracking::GETREDIR,
        &help::HELP,
        &ID,
        &IMPORT_SOURCE,
        &list::INFO,
        &kill::KILL,
        &list::LIST,
        &NO_EVICT,
        &NO_TOUCH,
        &control::PAUSE,
        &REPLY,
        &SETINFO,
        &SETNAME,
        &tracking::TRACKING,
        &tracking::TRACKINGINFO,
        &control::UNBLOCK,
        &control::UNPAUSE,
    ],
    ..Command::PLAIN
};

/// Those that a Sentinel has.
pub const OF_A_SENTINEL: Family = Family {
    commands: &[&CLIENT_OF_A_SENTINEL],
    ..FAMILY
};

const CLIENT_OF_A_SENTINEL: Command = Command {
    subcommands: &[
        &tracking::CACHING,
        &GETNAME,
        &tracking::GETREDIR,
        &help::HELP,
        &ID,
        &list::INFO,
        &kill::KILL,
        &list::LIST,
        &NO_EVICT,
        &control::PAUSE,
        &REPLY,
        &SETINFO,
        &SETNAME,
        &tracking::TRACKING,
        &tracking::TRACKINGINFO,
        &control::UNBLOCK,
        &control::UNPAUSE,
    ],
    ..CLIENT
};

const ID: Command = Command {
    name: "id",
    summary: "Returns this connection's number",
    since: "5.0.0",
    flags: &[NoScript, Loading, Stale],
    run: Run::Session(id),
    ..Command::PLAIN
};

fn id(call: &mut SessionCall<'_>) -> Done {
    call.out.int(call.session.client.id as i64);
    Ok(Flow::Done)
}

const GETNAME: Command = Command {
    name: "getname",
    summary: "Returns this connection's name",
    since: "2.6.9",
    flags: &[NoScript, Loading, Stale],
    run: Run::Session(getname),
    ..Command::PLAIN
};

fn getname(call: &mut SessionCall<'_>) -> Done {
    let profile = call.session.client.profile.lock();
    let name = Some(profile.name.as_bytes()).filter(|name| !name.is_empty());
    call.out.bulk_or_null(name);
    Ok(Flow::Done)
}

const SETNAME: Command = Command {
    name: "setname",
    summary: "Names this connection, or takes its name away",
    since: "2.6.9",
    flags: &[NoScript, Loading, Stale],
    args: &[Arg::text("connection-name")],
    run: Run::Session(setname),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Command::PLAIN
};

fn setname(call: &mut SessionCall<'_>) -> Done {
    let name = check_name(call.args.next()?)?;
    call.session.client.profile.lock().name = name;
    call.out.ok();
    Ok(Flow::Done)
}

const SETINFO: Command = Command {
    name: "setinfo",
    summary: "Tells which library this connection uses",
    since: "7.2.0",
    flags: &[NoScript, Loading, Stale],
    args: &[Arg::one_of(
        "attr",
        &[
            Arg::text("libname").token("LIB-NAME"),
            Arg::text("libver").token("LIB-VER"),
        ],
    )],
    run: Run::Session(setinfo),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Command::PLAIN
};

fn setinfo(call: &mut SessionCall<'_>) -> Done {
    let (option, value) = (call.args.next()?, call.args.next()?);
    let shown = crate::command::quoted(option);
    let place: fn(&mut Profile) -> &mut String = match option.to_ascii_lowercase().as_slice() {
        b"lib-name" => |profile| &mut profile.lib_name,
        b"lib-ver" => |profile| &mut profile.lib_ver,
        _ => return Err(Fail::said(format!("Unrecognized option '{shown}'"))),
    };
    let value = check_name(value).map_err(|_| {
        Fail::said(format!(
            "{shown} cannot contain spaces, newlines or special characters."
        ))
    })?;
    *place(&mut call.session.client.profile.lock()) = value;
    call.out.ok();
    Ok(Flow::Done)
}

const ON_OFF: &[Arg] = &[Arg::word("on", "ON"), Arg::word("off", "OFF")];

/// `ON` or `OFF`.
fn on_off(args: &mut Args<'_>) -> Result<bool, Fail> {
    match () {
        () if args.word("ON") => Ok(true),
        () if args.word("OFF") => Ok(false),
        () => Err(Fail::SYNTAX),
    }
}

const CAPA: Command = Command {
    name: "capa",
    summary: "Tells what this client can do",
    since: "8.0.0",
    flags: &[NoScript, Loading, Stale, AllowBusy],
    args: &[Arg::text("capability").many()],
    run: Run::Session(capa),
    ..Command::PLAIN
};

/// Of what clients can do, only `redirect` matters here: a replica sends such a client to its master.
fn capa(call: &mut SessionCall<'_>) -> Done {
    while !call.args.is_empty() {
        if call.args.word("redirect") {
            call.session.follows_redirects = true;
        } else {
            call.args.next()?;
        }
    }
    call.session.publish_profile();
    call.out.ok();
    Ok(Flow::Done)
}

const NO_EVICT: Command = Command {
    name: "no-evict",
    summary: "Keeps this connection when clients are closed to save memory",
    since: "7.0.0",
    flags: &[Admin, NoScript, Loading, Stale],
    args: &[Arg::one_of("enabled", ON_OFF)],
    run: Run::Session(no_evict),
    ..Command::PLAIN
};

fn no_evict(call: &mut SessionCall<'_>) -> Done {
    let on = on_off(&mut call.args)?;
    let client = &call.session.client;
    call.server.clients.weights.spare(client, on);
    call.out.ok();
    Ok(Flow::Done)
}

const NO_TOUCH: Command = Command {
    name: "no-touch",
    summary: "Makes this connection's reads leave no mark on keys",
    since: "7.2.0",
    flags: &[NoScript, Loading, Stale],
    args: &[Arg::one_of("enabled", ON_OFF)],
    run: Run::Session(no_touch),
    ..Command::PLAIN
};

fn no_touch(call: &mut SessionCall<'_>) -> Done {
    call.session.no_touch = on_off(&mut call.args)?;
    call.session.publish_profile();
    call.out.ok();
    Ok(Flow::Done)
}

const IMPORT_SOURCE: Command = Command {
    name: "import-source",
    summary: "Lets this client see what has expired while data are imported",
    since: "8.1.0",
    flags: &[NoScript, Loading, Stale],
    args: &[Arg::one_of("enabled", ON_OFF)],
    run: Run::Session(import_source),
    ..Command::PLAIN
};

/// As in Valkey, which may be told to stop at any time.
fn import_source(call: &mut SessionCall<'_>) -> Done {
    let is_off = call
        .args
        .peek()
        .is_some_and(|word| word.eq_ignore_ascii_case(b"OFF"));
    if !is_off && !call.server.config.import_mode.get() {
        return Err(Fail::Says("Server is not in import mode"));
    }
    call.session.imports = on_off(&mut call.args)?;
    call.session.publish_profile();
    call.out.ok();
    Ok(Flow::Done)
}

const REPLY: Command = Command {
    name: "reply",
    summary: "Switches this connection's replies on or off",
    since: "3.2.0",
    flags: &[NoScript, Loading, Stale],
    args: &[Arg::one_of(
        "action",
        &[
            Arg::word("on", "ON"),
            Arg::word("off", "OFF"),
            Arg::word("skip", "SKIP"),
        ],
    )],
    run: Run::Session(reply),
    ..Command::PLAIN
};

fn reply(call: &mut SessionCall<'_>) -> Done {
    let session = &mut *call.session;
    if call.args.word("ON") {
        session.reply = ReplyMode::On;
        call.out.ok();
    } else if call.args.word("OFF") {
        session.reply = ReplyMode::Off;
    } else if call.args.word("SKIP") {
        // Where nothing is answered there is nothing to skip.
        if session.reply != ReplyMode::Off {
            session.reply = ReplyMode::SkipNext;
        }
    } else {
        return Err(Fail::SYNTAX);
    }
    Ok(Flow::Done)
}
