//! CLIENT LIST and INFO: one line for each connection.

use super::filter::ClientFilter;
use super::marks::flagged;
use crate::command::Flag::{Admin, Loading, NoScript, Stale};
use crate::command::{Arg, Args, Command, Done, Fail, Flow, Run, SessionCall};
use crate::state::client::{Client, NO_COMMAND};
use crate::state::shared::Shared;
use crate::util::number;
use std::sync::atomic::Ordering::Relaxed;

pub const LIST: Command = Command {
    name: "list",
    summary: "Lists connections, one in a line",
    cost: "O(N) for N connections",
    since: "2.4.0",
    flags: &[Admin, NoScript, Loading, Stale],
    args: &[
        Arg::one_of(
            "client-type",
            &[
                Arg::word("normal", "NORMAL"),
                Arg::word("master", "MASTER"),
                Arg::word("replica", "REPLICA"),
                Arg::word("pubsub", "PUBSUB"),
            ],
        )
        .token("TYPE")
        .optional()
        .since("5.0.0"),
        Arg::int("client-id")
            .token("ID")
            .optional()
            .many()
            .since("6.2.0"),
    ],
    run: Run::Session(list),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn list(call: &mut SessionCall<'_>) -> Done {
    call.session.publish_commands();
    let clients = &call.server.clients;
    let chosen: Vec<_> = match only_ids(&call.args)? {
        Some(ids) => ids.into_iter().filter_map(|id| clients.get(id)).collect(),
        None => {
            let filter = ClientFilter::parse(&mut call.args, call.server, false)?;
            let mut chosen = match filter.ids() {
                Some(ids) => ids.iter().filter_map(|id| clients.get(*id)).collect(),
                None => clients.all(),
            };
            let own = call.session.client.id;
            chosen.retain(|client| {
                filter.passes(client, call.server, call.now_ms)
                    && !(filter.skip_me && client.id == own)
            });
            chosen
        }
    };
    let lines: Vec<String> = chosen
        .iter()
        .map(|client| line(client, call.server, call.now_ms))
        .collect();
    call.out.verbatim("txt", lines.concat().as_bytes());
    Ok(Flow::Done)
}

/// `ID` and nothing but numbers behind it, of which any may be nobody's; more than that is a filter.
fn only_ids(args: &Args<'_>) -> Result<Option<Vec<u64>>, Fail> {
    let mut args = *args;
    if !args.word_with("ID", 1) {
        return Ok(None);
    }
    let ids: Option<Vec<i64>> = args.rest().iter().map(|id| number::parse_i64(id)).collect();
    match ids {
        Some(ids) => Ok(Some(
            ids.into_iter()
                .filter_map(|id| u64::try_from(id).ok())
                .collect(),
        )),
        None if has_filter(&args) => Ok(None),
        None => Err(Fail::Says("Invalid client ID")),
    }
}

/// Whether a number is followed by a word of a filter.
fn has_filter(args: &Args<'_>) -> bool {
    let words = args.all().iter().skip(3);
    let mut pairs = words.skip_while(|word| number::parse_i64(word).is_some());
    pairs.next().is_some_and(|word| {
        let upper = word.to_ascii_uppercase();
        ClientFilter::knows(&upper)
    })
}

pub const INFO: Command = Command {
    name: "info",
    summary: "Returns this connection's line of CLIENT LIST",
    since: "6.2.0",
    flags: &[NoScript, Loading, Stale],
    run: Run::Session(info),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn info(call: &mut SessionCall<'_>) -> Done {
    call.session.publish_commands();
    let line = line(&call.session.client, call.server, call.now_ms);
    call.out.verbatim("txt", line.as_bytes());
    Ok(Flow::Done)
}

/// A client's line, ended. Arguments of what runs stand in the query, those of what waits beside it.
pub fn line(client: &Client, server: &Shared, now_ms: u64) -> String {
    let (profile, flags) = flagged(client, server);
    let memory_bytes = client.memory_bytes_with(&profile);
    let last = client.last_command.load(Relaxed);
    let command = match last {
        NO_COMMAND => "NULL",
        id => server.stats.names[id as usize],
    };
    let seconds = |since_ms: u64| now_ms.saturating_sub(since_ms) / 1000;
    let [query, argv, room, blocked] = [
        &client.query_bytes,
        &client.argv_bytes,
        &client.query_capacity,
        &client.blocked_bytes,
    ]
    .map(|bytes| bytes.load(Relaxed));
    let waiting = client.mailbox.bytes();
    // Sockets are written to by their own task alone: waiting bytes mean that it wants to.
    let events = if waiting > 0 { "rw" } else { "r" };
    format!(
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} db={} sub={} psub={} ssub={} \
         multi={} watch={} qbuf={query} qbuf-free={} argv-mem={} multi-mem={} rbs=0 rbp=0 obl=0 oll={} \
         omem={waiting} tot-mem={} events={events} cmd={command} user={} redir={} resp={} lib-name={} lib-ver={} \
         io-thread={} tot-net-in={} tot-net-out={} tot-cmds={} capa={}\n",
        client.id,
        client.address,
        client.local_address,
        client.descriptor,
        profile.name,
        seconds(client.born_ms),
        seconds(client.active_ms.load(Relaxed)),
        client.db.load(Relaxed),
        profile.channels,
        profile.patterns,
        profile.shard_channels,
        profile.multi,
        profile.watched,
        room.saturating_sub(query + argv),
        argv + blocked,
        client.multi_bytes.load(Relaxed),
        client.mailbox.messages(),
        memory_bytes,
        profile
            .user
            .as_ref()
            .map_or("(superuser)".into(), |user| String::from_utf8_lossy(
                user.name()
            )),
        profile.redirect,
        if profile.resp3 { 3 } else { 2 },
        profile.lib_name,
        profile.lib_ver,
        client.worker,
        client.input_bytes.load(Relaxed),
        client.output_bytes.load(Relaxed),
        client.commands.load(Relaxed),
        if profile.follows_redirects { "r" } else { "" },
    )
}
