//! MULTI and its kin. EXEC runs in `exec`, which holds the locks.

use crate::command::Flag::{
    AllowBusy, Fast, InMulti, Loading, NoScript, RunsQueue, SkipSlowlog, Stale,
};
use crate::command::session::Multi;
use crate::command::{Arg, Command, Done, Fail, Family, Flow, KeyUse, Run, SessionCall};

pub const FAMILY: Family = Family {
    group: "transactions",
    category: "transaction",
    commands: &[&MULTI, &EXEC, &DISCARD, &WATCH, &UNWATCH],
};

const MULTI: Command = Command {
    name: "multi",
    summary: "Begins a transaction: what follows is queued",
    since: "1.2.0",
    flags: &[NoScript, Loading, Stale, Fast, AllowBusy, InMulti],
    run: Run::Session(multi),
    ..Command::PLAIN
};

fn multi(call: &mut SessionCall<'_>) -> Done {
    if call.session.multi.is_some() {
        return Err(Fail::Says("MULTI calls can not be nested"));
    }
    call.session.multi = Some(Multi::default());
    call.session.publish_profile();
    call.out.ok();
    Ok(Flow::Done)
}

const EXEC: Command = Command {
    name: "exec",
    summary: "Runs what MULTI queued, as one",
    cost: "That of the commands queued",
    since: "1.2.0",
    flags: &[NoScript, Loading, Stale, SkipSlowlog, InMulti, RunsQueue],
    run: Run::Session(|_| Ok(Flow::Exec)),
    ..Command::PLAIN
};

const DISCARD: Command = Command {
    name: "discard",
    summary: "Forgets what MULTI queued",
    cost: "O(N) for N commands queued",
    since: "2.0.0",
    flags: &[NoScript, Loading, Stale, Fast, AllowBusy, InMulti],
    run: Run::Session(discard),
    ..Command::PLAIN
};

fn discard(call: &mut SessionCall<'_>) -> Done {
    if call.session.multi.is_none() {
        return Err(Fail::Says("DISCARD without MULTI"));
    }
    call.out.ok();
    Ok(Flow::Discard)
}

const WATCH: Command = Command {
    name: "watch",
    summary: "Makes the next EXEC fail if any of these keys changes before it",
    cost: "O(1) for each key",
    since: "2.2.0",
    flags: &[NoScript, Loading, Stale, Fast, AllowBusy, InMulti],
    args: &[Arg::key("key", KeyUse::LOOK).many()],
    run: Run::Session(watch),
    ..Command::PLAIN
};

fn watch(call: &mut SessionCall<'_>) -> Done {
    if call.session.multi.is_some() {
        return Err(Fail::Says("WATCH inside MULTI is not allowed"));
    }
    call.out.ok();
    Ok(Flow::Watch)
}

const UNWATCH: Command = Command {
    name: "unwatch",
    summary: "Forgets all watched keys",
    since: "2.2.0",
    flags: &[NoScript, Loading, Stale, Fast, AllowBusy],
    run: Run::Session(unwatch),
    ..Command::PLAIN
};

fn unwatch(call: &mut SessionCall<'_>) -> Done {
    call.out.ok();
    Ok(Flow::Unwatch)
}
