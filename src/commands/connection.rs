//! A connection's first words and last: AUTH, HELLO, PING, SELECT, QUIT.

use std::sync::atomic::Ordering;

use crate::command::Flag::{
    AllowBusy, Fast, InMulti, Loading, NoAuth, NoScript, ShowsTrouble, Stale, WhileSubscribed,
};
use crate::command::session::{Session, check_name};
use crate::command::{
    Arg, Args, Command, Databases, Done, Fail, Family, Flow, Run, SessionCall, hide_after, modules,
    quoted,
};
use crate::config::REDIS_VERSION;

pub const FAMILY: Family = Family {
    group: "connection",
    category: "connection",
    commands: &[&AUTH, &ECHO, &HELLO, &PING, &QUIT, &RESET, &SELECT],
};

/// Those that a Sentinel has.
pub const OF_A_SENTINEL: Family = Family {
    commands: &[&AUTH, &HELLO, &PING],
    ..FAMILY
};

const AUTH: Command = Command {
    name: "auth",
    summary: "Logs in",
    flags: &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy],
    args: &[
        Arg::text("username").optional().since("6.0.0"),
        Arg::text("password"),
    ],
    run: Run::Session(auth),
    secrets: Some(|argv, hide| (1..argv.len()).for_each(hide)),
    ..Command::PLAIN
};

fn auth(call: &mut SessionCall<'_>) -> Done {
    if call.args.len() > 2 {
        return Err(Fail::SYNTAX);
    }
    let first = call.args.next()?;
    let (user, password) = match call.args.peek() {
        Some(password) => (first, password),
        None if call.server.users.default().rights().no_pass => {
            return Err(Fail::Says(
                "AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
            ));
        }
        None => (&b"default"[..], first),
    };
    log_in(call, user, password)?;
    call.out.ok();
    Ok(Flow::Done)
}

fn log_in(call: &mut SessionCall<'_>, name: &[u8], password: &[u8]) -> Result<(), Fail> {
    let user = call.server.users.log_in(name, password);
    let user = user.ok_or_else(|| Fail::Login(name.to_vec()))?;
    call.session.be(user, true);
    Ok(())
}

const ECHO: Command = Command {
    name: "echo",
    summary: "Returns its argument",
    flags: &[Loading, Stale, Fast],
    args: &[Arg::text("message")],
    run: Run::Session(echo),
    ..Command::PLAIN
};

fn echo(call: &mut SessionCall<'_>) -> Done {
    let message = call.args.next()?;
    call.out.bulk(message);
    Ok(Flow::Done)
}

const HELLO: Command = Command {
    name: "hello",
    summary: "Chooses the protocol version, and may log in and name the connection",
    since: "6.0.0",
    flags: &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy],
    args: &[Arg::block(
        "arguments",
        &[
            Arg::int("protover"),
            Arg::block("auth", &[Arg::text("username"), Arg::text("password")])
                .token("AUTH")
                .optional(),
            Arg::text("clientname").token("SETNAME").optional(),
        ],
    )
    .optional()],
    run: Run::Session(hello),
    secrets: Some(|argv, hide| hide_after(argv, "AUTH", 2, 2, hide)),
    ..Command::PLAIN
};

fn hello(call: &mut SessionCall<'_>) -> Done {
    let mut version = None;
    if !call.args.is_empty() {
        let wanted = call.args.int_or(Fail::Says(
            "Protocol version is not an integer or out of range",
        ))?;
        if !(2..=3).contains(&wanted) {
            return Err(Fail::code("NOPROTO unsupported protocol version"));
        }
        version = Some(wanted == 3);
    }
    let (mut login, mut name) = (None, None);
    while let Some(option) = call.args.peek() {
        if call.args.word_with("AUTH", 2) {
            login = Some((call.args.next()?, call.args.next()?));
        } else if call.args.word_with("SETNAME", 1) {
            name = Some(check_name(call.args.next()?)?);
        } else {
            let option = quoted(option);
            return Err(Fail::said(format!(
                "Syntax error in HELLO option '{option}'"
            )));
        }
    }
    if let Some((user, password)) = login {
        log_in(call, user, password)?;
    }
    if !call.session.authenticated {
        return Err(Fail::code(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        call.session.client.profile.lock().name = name;
    }
    if let Some(resp3) = version {
        call.session.resp3 = resp3;
        call.session.client.mailbox.set_resp3(resp3);
        call.session.publish_profile();
        call.out.set_resp3(resp3);
    }
    introduce(call);
    Ok(Flow::Done)
}

fn introduce(call: &mut SessionCall<'_>) {
    let (id, resp3) = (call.session.client.id, call.session.resp3);
    let mode = call.server.mode();
    let role = match call.server.replication.is_replica() {
        true => "replica",
        false => "master",
    };
    let is_sentinel = call.server.watching.is_some();
    let out = &mut *call.out;
    out.map(if is_sentinel { 6 } else { 7 });
    for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        out.bulk(field);
        out.bulk(value);
    }
    out.bulk("proto");
    out.int(if resp3 { 3 } else { 2 });
    out.bulk("id");
    out.int(id as i64);
    out.bulk("mode");
    out.bulk(mode);
    if !is_sentinel {
        out.bulk("role");
        out.bulk(role);
    }
    out.bulk("modules");
    match is_sentinel {
        true => out.array(0),
        false => modules::list(out),
    }
}

const PING: Command = Command {
    name: "ping",
    summary: "Returns PONG, or its argument",
    flags: &[Fast, WhileSubscribed, ShowsTrouble],
    args: &[Arg::text("message").optional()],
    run: Run::Session(ping),
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..Command::PLAIN
};

fn ping(call: &mut SessionCall<'_>) -> Done {
    if call.args.len() > 1 {
        return Err(Fail::arity("ping"));
    }
    let message = call.args.peek();
    if call.session.is_subscriber() && !call.session.resp3 {
        call.out.array(2);
        call.out.bulk("pong");
        call.out.bulk(message.unwrap_or_default());
    } else {
        match message {
            Some(message) => call.out.bulk(message),
            None => call.out.simple("PONG"),
        }
    }
    Ok(Flow::Done)
}

const QUIT: Command = Command {
    name: "quit",
    summary: "Closes the connection",
    flags: &[
        NoScript,
        Loading,
        Stale,
        Fast,
        NoAuth,
        AllowBusy,
        WhileSubscribed,
        InMulti,
    ],
    run: Run::Session(quit),
    arity: Some(-1),
    ..Command::PLAIN
};

fn quit(call: &mut SessionCall<'_>) -> Done {
    call.out.ok();
    Ok(Flow::Close)
}

const RESET: Command = Command {
    name: "reset",
    summary: "Brings the connection back to its first state",
    since: "6.2.0",
    flags: &[
        NoScript,
        Loading,
        Stale,
        Fast,
        NoAuth,
        AllowBusy,
        WhileSubscribed,
        InMulti,
    ],
    run: Run::Session(|_| Ok(Flow::Reset)),
    ..Command::PLAIN
};

const SELECT: Command = Command {
    name: "select",
    summary: "Chooses the database",
    flags: &[Loading, Stale, Fast],
    args: &[Arg::int("index")],
    databases: Databases::Into(|argv, visit| {
        visit(1, Args::new(argv, 1).small_int()?);
        Ok(())
    }),
    run: Run::Session(select),
    ..Command::PLAIN
};

fn select(call: &mut SessionCall<'_>) -> Done {
    let db = call.args.small_int()?;
    let staged = call
        .server
        .store
        .staged_db()
        .filter(|held| *held as i64 == db);
    if let Some(staged) = staged
        && call.session.user.is_none()
    {
        // The log or a master tells of keys that no client reaches yet.
        enter(call.session, staged);
        call.out.ok();
        return Ok(Flow::Done);
    }
    if db != 0 {
        let why = "SELECT is not allowed in cluster mode";
        call.server.without_cluster(why)?;
    }
    let count = call.server.config.databases.get();
    if !(0..count).contains(&db) {
        return Err(Fail::Says("DB index is out of range"));
    }
    enter(call.session, db as usize);
    call.out.ok();
    Ok(Flow::Done)
}

fn enter(session: &mut Session, db: usize) {
    session.db = db;
    session.client.db.store(db, Ordering::Relaxed);
}
