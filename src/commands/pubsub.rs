//! Pub/sub: channels, patterns and sharded channels.

use bytes::Bytes;

use crate::command::Flag::{
    Fast, Loading, MayReplicate, NoScript, PubSub, Pushes, Stale, WhileSubscribed,
};
use crate::command::session::Session;
use crate::command::{
    Arg, Begin, Command, Done, Fail, Family, Find, Flow, KeySpec, KeyUse, Run, SessionCall, help,
};
use crate::pubsub::Channels;
use crate::resp::Reply;
use crate::sentinel::{HELLO_CHANNEL, Sentinel};

pub const FAMILY: Family = Family {
    group: "pubsub",
    category: "pubsub",
    commands: &[
        &SUBSCRIBE,
        &UNSUBSCRIBE,
        &PSUBSCRIBE,
        &PUNSUBSCRIBE,
        &SSUBSCRIBE,
        &SUNSUBSCRIBE,
        &PUBLISH,
        &SPUBLISH,
        &PUBSUB,
    ],
};

/// Those that a Sentinel has.
pub const OF_A_SENTINEL: Family = Family {
    commands: &[
        &SUBSCRIBE,
        &UNSUBSCRIBE,
        &PSUBSCRIBE,
        &PUNSUBSCRIBE,
        &PUBLISH,
    ],
    ..FAMILY
};

/// Sharded channels stand where keys do, but are none.
const SHARD_CHANNELS: &[KeySpec] = &[KeySpec {
    used: KeyUse::CHANNEL,
    begin: Begin::Index(1),
    find: Find::Range {
        last: -1,
        step: 1,
        limit: 0,
    },
}];

const SUBSCRIBE: Command = Command {
    name: "subscribe",
    summary: "Listens to channels",
    cost: "O(N) for N channels",
    since: "2.0.0",
    flags: &[PubSub, NoScript, Loading, Stale, WhileSubscribed, Pushes],
    args: &[Arg::channel("channel").many()],
    run: Run::Session(|call| subscribe(call, Channels::Plain)),
    ..Command::PLAIN
};

const PSUBSCRIBE: Command = Command {
    name: "psubscribe",
    summary: "Listens to all channels that match patterns",
    cost: "O(N) for N patterns",
    since: "2.0.0",
    flags: &[PubSub, NoScript, Loading, Stale, WhileSubscribed, Pushes],
    args: &[Arg::block("pattern", &[Arg::channel_pattern("pattern")]).many()],
    run: Run::Session(|call| subscribe(call, Channels::Pattern)),
    ..Command::PLAIN
};

const SSUBSCRIBE: Command = Command {
    name: "ssubscribe",
    summary: "Listens to sharded channels",
    cost: "O(N) for N channels",
    since: "7.0.0",
    flags: &[PubSub, NoScript, Loading, Stale, WhileSubscribed, Pushes],
    args: &[Arg::channel("shardchannel").many()],
    run: Run::Session(|call| subscribe(call, Channels::Shard)),
    keys: Some(SHARD_CHANNELS),
    ..Command::PLAIN
};

const UNSUBSCRIBE: Command = Command {
    name: "unsubscribe",
    summary: "Stops listening to channels, or to all of them",
    cost: "O(N) for N channels",
    since: "2.0.0",
    flags: &[PubSub, NoScript, Loading, Stale, WhileSubscribed, Pushes],
    args: &[Arg::text("channel").optional().many()],
    run: Run::Session(|call| unsubscribe(call, Channels::Plain)),
    ..Command::PLAIN
};

const PUNSUBSCRIBE: Command = Command {
    name: "punsubscribe",
    summary: "Stops listening to patterns, or to all of them",
    cost: "O(N) for N patterns",
    since: "2.0.0",
    flags: &[PubSub, NoScript, Loading, Stale, WhileSubscribed, Pushes],
    args: &[Arg::pattern("pattern").optional().many()],
    run: Run::Session(|call| unsubscribe(call, Channels::Pattern)),
    ..Command::PLAIN
};

const SUNSUBSCRIBE: Command = Command {
    name: "sunsubscribe",
    summary: "Stops listening to sharded channels, or to all of them",
    cost: "O(N) for N channels",
    since: "7.0.0",
    flags: &[PubSub, NoScript, Loading, Stale, WhileSubscribed, Pushes],
    args: &[Arg::text("shardchannel").optional().many()],
    run: Run::Session(|call| unsubscribe(call, Channels::Shard)),
    keys: Some(SHARD_CHANNELS),
    ..Command::PLAIN
};

/// The words that begin a kind's messages.
fn words(kind: Channels) -> (&'static str, &'static str) {
    match kind {
        Channels::Plain => ("subscribe", "unsubscribe"),
        Channels::Pattern => ("psubscribe", "punsubscribe"),
        Channels::Shard => ("ssubscribe", "sunsubscribe"),
    }
}

/// Tells a client that a sharded channel of its is another node's now, and how many it has left.
pub fn tell_left(session: &Session, channel: &[u8], out: &mut Reply) {
    let (_, word) = words(Channels::Shard);
    out.push(3);
    out.bulk(word);
    out.bulk(channel);
    out.count(session.shard_channels.len());
}

/// Tells the client of one change, and how many subscriptions it has now: sharded ones are
/// counted apart.
fn tell(call: &mut SessionCall<'_>, kind: Channels, word: &str, channel: Option<&[u8]>) {
    let session = &*call.session;
    let count = match kind {
        Channels::Plain | Channels::Pattern => session.channels.len() + session.patterns.len(),
        Channels::Shard => session.shard_channels.len(),
    };
    call.out.push(3);
    call.out.bulk(word);
    call.out.bulk_or_null(channel);
    call.out.count(count);
}

/// Who takes channels from a user looks for those who listen to them. This one may have begun to just after that, and have
/// been allowed to just before.
fn leave_if_denied(call: &SessionCall<'_>, kind: Channels, channel: &[u8]) {
    let limited = call
        .session
        .user
        .as_ref()
        .filter(|user| !user.is_unlimited());
    if let Some(user) = limited
        && !user.rights().hears(channel, kind == Channels::Pattern)
    {
        call.session.client.mailbox.close();
    }
}

fn subscribe(call: &mut SessionCall<'_>, kind: Channels) -> Done {
    for channel in call.args.rest() {
        let name = Bytes::copy_from_slice(channel);
        let client = call.session.client.clone();
        if call.session.subscribed(kind).insert(name.clone()) {
            call.server
                .broker
                .subscribe(kind, &name, client.id, &client.mailbox);
            leave_if_denied(call, kind, channel);
        }
        tell(call, kind, words(kind).0, Some(channel));
    }
    call.session.publish_profile();
    Ok(Flow::Done)
}

fn unsubscribe(call: &mut SessionCall<'_>, kind: Channels) -> Done {
    let named: Vec<Bytes> = call
        .args
        .rest()
        .iter()
        .map(|name| Bytes::copy_from_slice(name))
        .collect();
    let channels = if named.is_empty() {
        call.session.subscribed(kind).iter().cloned().collect()
    } else {
        named
    };
    if channels.is_empty() {
        tell(call, kind, words(kind).1, None);
    }
    for channel in channels {
        if call.session.subscribed(kind).remove(&channel) {
            call.server
                .broker
                .unsubscribe(kind, &channel, call.session.client.id);
        }
        tell(call, kind, words(kind).1, Some(&channel));
    }
    call.session.publish_profile();
    Ok(Flow::Done)
}

const PUBLISH: Command = Command {
    name: "publish",
    summary: "Sends a message to all who listen on a channel",
    cost: "O(N+M) for N listeners and M patterns",
    since: "2.0.0",
    flags: &[PubSub, Loading, Stale, Fast, MayReplicate],
    args: &[Arg::channel("channel"), Arg::text("message")],
    run: Run::Session(publish),
    ..Command::PLAIN
};

fn publish(call: &mut SessionCall<'_>) -> Done {
    let (channel, message) = (call.args.next()?, call.args.next()?);
    if let Some(watching) = &call.server.watching {
        // Other Sentinels tell this one of themselves as they tell servers.
        if channel != HELLO_CHANNEL.as_bytes() {
            return Err(Fail::Says(
                "Only HELLO messages are accepted by Sentinel instances.",
            ));
        }
        let hello = |sentinel: &mut Sentinel| sentinel.take_hello(message);
        call.server.in_sentinel(watching, hello);
        call.out.count(1);
        return Ok(Flow::Done);
    }
    call.out.count(call.server.broker.publish(channel, message));
    Ok(tell_others(call, channel, message, false))
}

/// Gives a message to the subscribers of other servers: of a cluster's nodes over its bus, or else of replicas.
fn tell_others(call: &SessionCall<'_>, channel: &[u8], message: &[u8], sharded: bool) -> Flow {
    let Some(clustering) = call.server.redirecting() else {
        return Flow::TellReplicas;
    };
    let (channel, message) = (
        Bytes::copy_from_slice(channel),
        Bytes::copy_from_slice(message),
    );
    call.server.in_cluster(clustering, |cluster, moment| {
        cluster.publish(channel, message, sharded, moment);
    });
    Flow::Done
}

const SPUBLISH: Command = Command {
    name: "spublish",
    summary: "Sends a message to all who listen on a sharded channel",
    cost: "O(N) for N listeners",
    since: "7.0.0",
    flags: &[PubSub, Loading, Stale, Fast, MayReplicate],
    args: &[Arg::channel("shardchannel"), Arg::text("message")],
    run: Run::Session(spublish),
    keys: Some(&[KeySpec {
        used: KeyUse::CHANNEL,
        begin: Begin::Index(1),
        find: Find::Range {
            last: 0,
            step: 1,
            limit: 0,
        },
    }]),
    ..Command::PLAIN
};

fn spublish(call: &mut SessionCall<'_>) -> Done {
    let (channel, message) = (call.args.next()?, call.args.next()?);
    let sent = call.server.broker.publish_shard(channel, message);
    call.out.count(sent);
    Ok(tell_others(call, channel, message, true))
}

const PUBSUB: Command = Command {
    name: "pubsub",
    summary: "Tells who listens to what",
    since: "2.8.0",
    run: Run::Container,
    subcommands: &[
        &CHANNELS,
        &help::HELP,
        &NUMPAT,
        &NUMSUB,
        &SHARDCHANNELS,
        &SHARDNUMSUB,
    ],
    ..Command::PLAIN
};

const CHANNELS: Command = Command {
    name: "channels",
    summary: "Returns the channels that have listeners",
    cost: "O(N) for N channels",
    since: "2.8.0",
    flags: &[PubSub, Loading, Stale],
    args: &[Arg::pattern("pattern").optional()],
    run: Run::Session(|call| channels(call, Channels::Plain)),
    ..Command::PLAIN
};

const SHARDCHANNELS: Command = Command {
    name: "shardchannels",
    summary: "Returns the sharded channels that have listeners",
    cost: "O(N) for N channels",
    since: "7.0.0",
    flags: &[PubSub, Loading, Stale],
    args: &[Arg::pattern("pattern").optional()],
    run: Run::Session(|call| channels(call, Channels::Shard)),
    ..Command::PLAIN
};

fn channels(call: &mut SessionCall<'_>, kind: Channels) -> Done {
    if call.args.len() > 1 {
        return Err(help::misused(&call.args, call.entry));
    }
    let names = call.server.broker.channels(kind, call.args.peek());
    call.out.array(names.len());
    names.iter().for_each(|name| call.out.bulk(name));
    Ok(Flow::Done)
}

const NUMPAT: Command = Command {
    name: "numpat",
    summary: "Counts the patterns that have listeners",
    since: "2.8.0",
    flags: &[PubSub, Loading, Stale],
    run: Run::Session(numpat),
    ..Command::PLAIN
};

fn numpat(call: &mut SessionCall<'_>) -> Done {
    call.out.count(call.server.broker.len(Channels::Pattern));
    Ok(Flow::Done)
}

const NUMSUB: Command = Command {
    name: "numsub",
    summary: "Counts the listeners of channels, those of patterns not included",
    cost: "O(N) for N channels",
    since: "2.8.0",
    flags: &[PubSub, Loading, Stale],
    args: &[Arg::text("channel").optional().many()],
    run: Run::Session(|call| numsub(call, Channels::Plain)),
    ..Command::PLAIN
};

const SHARDNUMSUB: Command = Command {
    name: "shardnumsub",
    summary: "Counts the listeners of sharded channels",
    cost: "O(N) for N channels",
    since: "7.0.0",
    flags: &[PubSub, Loading, Stale],
    args: &[Arg::text("shardchannel").optional().many()],
    run: Run::Session(|call| numsub(call, Channels::Shard)),
    ..Command::PLAIN
};

fn numsub(call: &mut SessionCall<'_>, kind: Channels) -> Done {
    let names = call.args.rest();
    let out: &mut Reply = call.out;
    // A flat array in both protocols, unlike other maps.
    out.array(names.len() * 2);
    for name in names {
        out.bulk(name);
        out.count(call.server.broker.listeners(kind, name));
    }
    Ok(Flow::Done)
}
