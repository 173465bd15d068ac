//! CLIENT LIST and INFO: one line for each connection.

use crate::command::Flag::{Admin, Loading, NoScript, Stale};
use crate::command::client::{Client, NO_COMMAND, Part};
use crate::command::shared::Shared;
use crate::command::{Arg, Command, Done, Fail, Flow, Run, SessionCall};
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
            "normal_master_replica_pubsub",
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
        Arg::block("id", &[Arg::int("client-id").many()])
            .token("ID")
            .optional()
            .since("6.2.0"),
    ],
    run: Run::Session(list),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

fn list(call: &mut SessionCall<'_>) -> Done {
    let clients = &call.server.clients;
    let chosen = if call.args.len() == 2 && call.args.word("TYPE") {
        let kind = ClientType::parse(call.args.next()?)?;
        clients
            .all()
            .into_iter()
            .filter(|client| kind.covers(client))
            .collect()
    } else if call.args.word_with("ID", 1) {
        let id = |text: &&[u8]| number::parse_i64(text).ok_or(Fail::Says("Invalid client ID"));
        let ids: Vec<i64> = call.args.rest().iter().map(id).collect::<Result<_, _>>()?;
        let ids = ids.into_iter().filter_map(|id| u64::try_from(id).ok());
        ids.filter_map(|id| clients.get(id)).collect()
    } else {
        call.args.end()?;
        clients.all()
    };
    let lines: Vec<String> = chosen
        .iter()
        .map(|client| line(client, call.server, call.now_ms))
        .collect();
    call.out.verbatim("txt", lines.concat().as_bytes());
    Ok(Flow::Done)
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
    let line = line(&call.session.client, call.server, call.now_ms);
    call.out.verbatim("txt", line.as_bytes());
    Ok(Flow::Done)
}

/// What CLIENT LIST and KILL call a client's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    Normal,
    Master,
    Replica,
    PubSub,
}

impl ClientType {
    pub fn parse(word: &[u8]) -> Result<Self, Fail> {
        match word.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(ClientType::Normal),
            b"master" => Ok(ClientType::Master),
            b"slave" | b"replica" => Ok(ClientType::Replica),
            b"pubsub" => Ok(ClientType::PubSub),
            _ => {
                let word = crate::command::quoted(word);
                Err(Fail::said(format!("Unknown client type '{word}'")))
            }
        }
    }

    pub fn covers(self, client: &Client) -> bool {
        match self {
            ClientType::Normal => client.part() == Part::None && !client.is_subscriber(),
            ClientType::PubSub => client.part() == Part::None && client.is_subscriber(),
            ClientType::Master => client.part() == Part::Master,
            ClientType::Replica => client.part() == Part::Replica,
        }
    }
}

/// A client's line, ended. Arguments of what runs stand in the query, those of what waits beside it.
pub fn line(client: &Client, server: &Shared, now_ms: u64) -> String {
    let (flags, memory_bytes) = (flags(client, server), client.memory_bytes());
    let profile = client.profile.lock();
    let last = client.last_command.load(Relaxed);
    let command = match last {
        NO_COMMAND => "NULL",
        id => server.registry.entries()[id as usize].full_name.as_str(),
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
         omem={waiting} tot-mem={} events={events} cmd={command} user={} redir={} resp={} lib-name={} lib-ver={}\n",
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
    )
}

/// A letter for each thing that sets a client apart; `N` for none.
fn flags(client: &Client, server: &Shared) -> String {
    let redirect = client.profile.lock().redirect;
    let redirect = u64::try_from(redirect).ok().filter(|id| *id > 0);
    let broken = redirect.is_some_and(|id| server.clients.get(id).is_none());
    let profile = client.profile.lock();
    let subscribed = profile.channels + profile.patterns + profile.shard_channels > 0;
    let watch_broken = profile.watch_broken.as_ref();
    let letters = [
        ('O', profile.monitor),
        ('S', profile.part == Part::Replica),
        ('M', profile.part == Part::Master),
        ('P', subscribed),
        ('x', profile.multi >= 0),
        ('b', client.blocked.load(Relaxed)),
        ('t', profile.tracking),
        ('R', profile.tracking && broken),
        ('B', profile.tracking_bcast),
        ('d', watch_broken.is_some_and(|broken| broken.load(Relaxed))),
        ('A', client.mailbox.is_closing()),
        ('U', client.unix),
        ('e', profile.no_evict),
        ('T', profile.no_touch),
    ];
    let raised: String = letters
        .iter()
        .filter(|(_, is)| *is)
        .map(|(letter, _)| letter)
        .collect();
    if raised.is_empty() {
        "N".to_owned()
    } else {
        raised
    }
}
