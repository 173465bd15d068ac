//! What one connection cannot show: cursors walked to their end, payloads carried across, clients that
//! wait, subscribe, watch and track.

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::common::{Client, Value, encode};

use super::garbage;
use super::template::{Command, pick};
use super::world::{Side, World};

const TOKEN: &str = "that-was-all";
const PATIENCE: Duration = Duration::from_secs(10);

/// One scene by lot, on both sides.
pub fn play_one(world: &mut World, rng: &mut Rng) {
    match rng.u8(..15) {
        0 | 1 => walk_a_cursor(world, rng),
        2 | 3 => carry_a_dump(world, rng),
        4 => wait_for_a_push(world, rng),
        5 | 6 => subscribe_and_publish(world, rng),
        7 | 8 => track_reads(world, rng),
        9 | 10 => watch_keys(world, rng),
        11 => wait_for_an_entry(world, rng),
        _ => garbage::send(world, rng),
    }
}

fn words(text: &str) -> Command {
    text.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

/// A key and a member like those of the random commands.
fn some_key(rng: &mut Rng) -> String {
    format!(
        "{}{}",
        pick(rng, &["string", "hash", "list", "set", "zset", "hll"]),
        rng.u8(1..6)
    )
}

/// Everything that a whole walk returns, sorted, each once.
fn walk(client: &mut Client, before: &[&str], after: &[&str]) -> Vec<Vec<Value>> {
    let mut seen = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let mut command: Vec<&str> = before.to_vec();
        command.push(&cursor);
        command.extend(after);
        let reply = client.ask_args(&command);
        let Value::Array(parts) = &reply else {
            return vec![vec![reply]];
        };
        let width = if before[0] == "HSCAN" { 2 } else { 1 };
        seen.extend(parts[1].items().chunks(width).map(<[Value]>::to_vec));
        cursor = parts[0].text();
        if cursor == "0" {
            seen.sort();
            seen.dedup();
            return seen;
        }
    }
}

fn walk_a_cursor(world: &mut World, rng: &mut Rng) {
    let count = *pick(rng, &["1", "3", "10", "1000"]);
    let pattern = *pick(rng, &["*", "m*", "*1", "[fs]*", "nothing"]);
    let (name, kind) = *pick(rng, &[("SCAN", ""), ("HSCAN", "hash"), ("SSCAN", "set")]);
    let key = format!("{kind}{}", rng.u8(1..6));
    let before = if kind.is_empty() {
        vec![name]
    } else {
        vec![name, &key]
    };
    let after = ["COUNT", count, "MATCH", pattern];
    let real = walk(&mut world.real.reader, &before, &after);
    let ours = walk(&mut world.ours.reader, &before, &after);
    if real != ours {
        let both = format!("  real  {real:?}\n  ours  {ours:?}");
        world.differ(
            &format!("walk {name}"),
            &words(&format!("{name} {key}")),
            &both,
        );
    }
}

/// Each side must read what the other wrote, and find the same value in it.
fn carry_a_dump(world: &mut World, rng: &mut Rng) {
    let key = some_key(rng);
    let real = world.real.reader.ask_args(&["DUMP", &key]);
    let ours = world.ours.reader.ask_args(&["DUMP", &key]);
    if let (Value::Bulk(real), Value::Bulk(ours)) = (real, ours) {
        let restore = |side: &mut Side, payload: &[u8]| {
            let command: [&[u8]; 5] = [b"RESTORE", b"carried1", b"0", payload, b"REPLACE"];
            let answer = side.reader.ask_args(&command);
            format!("{answer} {}", contents(&mut side.reader, "carried1"))
        };
        let at_ours = restore(&mut world.ours, &real);
        let at_real = restore(&mut world.real, &ours);
        if at_ours != at_real {
            let both = format!("  ours read by real  {at_real}\n  real read by ours  {at_ours}");
            world.differ("DUMP and RESTORE", &words(&format!("DUMP {key}")), &both);
        }
        world.real.reader.ask("DEL carried1");
        world.ours.reader.ask("DEL carried1");
    }
}

/// A value in an order of its own, with numbers spelled one way.
fn contents(client: &mut Client, key: &str) -> String {
    let kind = client.ask(&format!("TYPE {key}")).text();
    let value = match kind.as_str() {
        "string" => client.ask(&format!("GET {key}")),
        "list" => client.ask(&format!("LRANGE {key} 0 -1")),
        "set" => client.ask(&format!("SMEMBERS {key}")),
        "hash" => client.ask(&format!("HGETALL {key}")),
        "zset" => client.ask(&format!("ZRANGE {key} 0 -1 WITHSCORES")),
        "stream" => client.ask(&format!("XRANGE {key} - +")),
        _ => Value::Null,
    };
    let mut items: Vec<String> = value.items().iter().map(Value::to_string).collect();
    match kind.as_str() {
        "set" | "hash" => items.sort(),
        "zset" => {
            for score in items.iter_mut().skip(1).step_by(2) {
                let number: f64 = score.trim_matches('"').parse().expect("a score");
                *score = format!("{number:e}");
            }
        }
        _ => {}
    }
    format!("{kind} {}", items.join(" "))
}

/// Two clients wait; pushes serve the one that came first.
fn wait_for_a_push(world: &mut World, rng: &mut Rng) {
    let (wait, push) = *pick(
        rng,
        &[
            ("BLPOP queue1 queue2 5", "RPUSH queue2 a b c"),
            ("BRPOP queue1 queue2 5", "RPUSH queue1 a b"),
            ("BLMOVE queue1 queue2 LEFT RIGHT 5", "LPUSH queue1 x y z"),
            ("BRPOPLPUSH queue1 queue1 5", "LPUSH queue1 x y z"),
            (
                "BLMPOP 5 2 queue1 queue2 RIGHT COUNT 2",
                "RPUSH queue1 a b c d e",
            ),
            ("BZPOPMIN queue1 queue2 5", "ZADD queue2 1 a 2 b 3 c"),
            ("BZPOPMAX queue1 5", "ZADD queue1 1 a 2 b 3 c"),
            (
                "BZMPOP 5 2 queue1 queue2 MIN COUNT 2",
                "ZADD queue1 1 a 2 b 3 c 4 d",
            ),
            ("BLPOP queue1 5", "RENAME queue3 queue1"),
            ("BLPOP queue1 5", "COPY queue3 queue1"),
            ("BLPOP queue1 5", "SORT queue3 ALPHA STORE queue1"),
            ("BLPOP queue1 5", "RPOPLPUSH queue3 queue1"),
        ],
    );
    // One push may serve only the first: a second one for the other.
    let more = if push.starts_with('Z') {
        "ZADD queue1 9 last"
    } else {
        "RPUSH queue1 last"
    };
    wait_and_wake(world, rng, &["RPUSH queue3 p q r"], wait, &[push, more]);
}

/// The same with streams. What becomes of a blocked client whose group is gone is told otherwise since 7.2, so it
/// has a talk test instead.
fn wait_for_an_entry(world: &mut World, rng: &mut Rng) {
    let (wait, push) = *pick(
        rng,
        &[
            (
                "XREAD BLOCK 5000 STREAMS queue1 queue2 $ $",
                "XADD queue2 7-1 a b",
            ),
            (
                "XREAD COUNT 1 BLOCK 5000 STREAMS queue1 6",
                "XADD queue1 7-1 a b",
            ),
            (
                "XREAD BLOCK 5000 STREAMS queue2 queue1 99 $",
                "RENAME queue3 queue1",
            ),
            (
                "XREADGROUP GROUP g c BLOCK 5000 STREAMS queue1 >",
                "XADD queue1 7-1 a b",
            ),
            (
                "XREADGROUP GROUP g c NOACK BLOCK 5000 STREAMS queue1 queue2 > >",
                "XADD queue2 7-1 a b",
            ),
            (
                "XREADGROUP GROUP g c BLOCK 5000 STREAMS queue1 >",
                "XADD queue1 MAXLEN 1 8 a b",
            ),
        ],
    );
    let setting = [
        "XADD queue1 5-1 a 1",
        "XADD queue2 5-1 a 1",
        "XGROUP CREATE queue1 g $",
        "XGROUP CREATE queue2 g $",
        "XADD queue3 9-9 a 1",
    ];
    wait_and_wake(world, rng, &setting, wait, &[push, "XADD queue1 11-1 a 1"]);
}

/// Two clients wait on each side; then pushes come, the first of them perhaps in a transaction.
fn wait_and_wake(world: &mut World, rng: &mut Rng, setting: &[&str], wait: &str, pushes: &[&str]) {
    let hello = *pick(rng, &["PING", "HELLO 3"]);
    let in_transaction = rng.bool();
    let play = |side: &mut Side| -> Vec<Value> {
        side.reader.ask("DEL queue1 queue2 queue3");
        for command in setting {
            side.reader.ask(command);
        }
        let mut blocked = [side.server.client(), side.server.client()];
        for (at, blocked) in blocked.iter_mut().enumerate() {
            blocked.ask(hello);
            blocked.send(&encode(&words(wait))).expect("sent");
            wait_until_blocked(&mut side.reader, at + 1);
        }
        let mut told = Vec::new();
        if in_transaction {
            for command in ["MULTI", pushes[0], "SET queue9 1", "EXEC"] {
                told.push(side.reader.ask(command));
            }
        } else {
            told.push(side.reader.ask(pushes[0]));
        }
        for push in &pushes[1..] {
            side.reader.ask(push);
        }
        told.extend(blocked.iter_mut().map(|blocked| {
            blocked
                .receive()
                .map_or_else(|e| Value::Simple(e.to_string().into()), |r| r.value)
        }));
        for key in ["queue1", "queue2", "queue3"] {
            told.push(Value::Simple(contents(&mut side.reader, key).into()));
        }
        side.reader.ask("DEL queue1 queue2 queue3 queue9");
        told
    };
    let (real, ours) = (play(&mut world.real), play(&mut world.ours));
    if real != ours {
        let command = words(&format!("{wait} <- {}", pushes[0]));
        differ_in_lists(world, "waiting", &command, &real, &ours);
    }
}

fn wait_until_blocked(reader: &mut Client, clients: usize) {
    let line = format!("blocked_clients:{clients}\r\n");
    let begun = Instant::now();
    while !reader.ask("INFO clients").text().contains(&line) {
        assert!(begun.elapsed() < PATIENCE, "INFO clients never says {line}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a command, then a PING: the frames between are what the command told this client, or what
/// others did before.
fn frames(client: &mut Client, command: Option<&Command>) -> Vec<Value> {
    let mut bytes = command.map(|command| encode(command)).unwrap_or_default();
    bytes.extend(encode(&["PING", TOKEN]));
    client.send(&bytes).expect("sent");
    let mut told = Vec::new();
    loop {
        let value = client
            .receive()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"))
            .value;
        if value.leaves().iter().any(|leaf| leaf.text() == TOKEN) {
            return told;
        }
        told.push(value);
    }
}

fn subscribe_and_publish(world: &mut World, rng: &mut Rng) {
    const HELLOS: [&str; 4] = ["PING", "HELLO 3", "PING", "HELLO 3"];
    let join = |side: &Side| -> Vec<Client> {
        HELLOS
            .iter()
            .map(|hello| {
                let mut client = side.server.client();
                client.ask(hello);
                client
            })
            .collect()
    };
    let (mut real, mut ours) = (join(&world.real), join(&world.ours));
    for _ in 0..25 {
        let at = rng.usize(..HELLOS.len());
        let channel = format!("channel{}", rng.u8(1..4));
        let other = format!("channel{}", rng.u8(1..4));
        let line = match rng.u8(..16) {
            0..=2 => format!("SUBSCRIBE {channel} {other}"),
            3 => format!("PSUBSCRIBE channel* *{}", rng.u8(1..4)),
            4 => format!("SSUBSCRIBE {channel}"),
            5 => format!("UNSUBSCRIBE {channel} {other}"),
            6 => (*pick(rng, &["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"])).to_owned(),
            7 => "PUNSUBSCRIBE channel*".to_owned(),
            8 => "PUBSUB CHANNELS".to_owned(),
            9 => format!("PUBSUB CHANNELS *{}", rng.u8(1..4)),
            10 => format!("PUBSUB NUMSUB {channel} {other} nobody"),
            11 => (*pick(
                rng,
                &["PUBSUB NUMPAT", "PUBSUB SHARDCHANNELS", "PUBSUB NONE"],
            ))
            .to_owned(),
            12 => format!("PUBSUB SHARDNUMSUB {channel}"),
            13 => format!("SPUBLISH {channel} shard"),
            14 => (*pick(
                rng,
                &[
                    "GET a",
                    "RESET",
                    "SUBSCRIBE",
                    "SET a b",
                    "UNSUBSCRIBE a b c",
                ],
            ))
            .to_owned(),
            _ => format!("PUBLISH {channel} news{}", rng.u8(..)),
        };
        let command = words(&line);
        // Nobody promises an order of channels that were not named.
        let open = command.len() == 1 || line.contains("CHANNELS");
        let mut told_real = frames(&mut real[at], Some(&command));
        let mut told_ours = frames(&mut ours[at], Some(&command));
        if open {
            told_real = unordered(told_real);
            told_ours = unordered(told_ours);
        }
        for (who, (a, b)) in real.iter_mut().zip(&mut ours).enumerate() {
            if who != at {
                told_real.extend(frames(a, None));
                told_ours.extend(frames(b, None));
            }
        }
        // A client with several matching patterns gets them in any order, one frame each. Its own message came before the reply
        // until 7.2, and comes after it since.
        if command[0].ends_with(b"PUBLISH") {
            told_real.sort();
            told_ours.sort();
        }
        if told_real != told_ours {
            let kind = format!("pub/sub {}", command[0].escape_ascii());
            differ_in_lists(world, &kind, &command, &told_real, &told_ours);
            return;
        }
    }
}

/// Frames without the order of the channels in them, nor the running count beside each.
fn unordered(frames: Vec<Value>) -> Vec<Value> {
    let mut leaves: Vec<Value> = frames.iter().flat_map(Value::leaves).collect();
    leaves.sort();
    leaves
}

fn differ_in_lists(
    world: &mut World,
    kind: &str,
    command: &Command,
    real: &[Value],
    ours: &[Value],
) {
    let line = |told: &[Value]| {
        told.iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join("  ")
    };
    let both = format!("  real  {}\n  ours  {}", line(real), line(ours));
    world.differ(kind, command, &both);
}

/// Which keys are announced as changed, to whom. How many go into one message is up to the server.
fn track_reads(world: &mut World, rng: &mut Rng) {
    let mode = *pick(
        rng,
        &[
            "CLIENT TRACKING ON",
            "CLIENT TRACKING ON NOLOOP",
            "CLIENT TRACKING ON BCAST",
            "CLIENT TRACKING ON BCAST PREFIX str PREFIX z",
            "CLIENT TRACKING ON BCAST PREFIX s PREFIX str",
            "CLIENT TRACKING ON BCAST NOLOOP PREFIX t",
            "CLIENT TRACKING ON OPTIN",
            "CLIENT TRACKING ON OPTOUT",
        ],
    );
    let join = |side: &Side| {
        let mut client = side.server.client();
        client.ask("HELLO 3");
        (client, side.server.client())
    };
    let (mut real, mut ours) = (join(&world.real), join(&world.ours));
    let mut lines = vec![mode.to_owned(), "CLIENT TRACKINGINFO".to_owned()];
    for _ in 0..12 {
        let key = format!("{}{}", pick(rng, &["str", "z", "t"]), rng.u8(1..4));
        lines.push(match rng.u8(..10) {
            0..=3 => format!("GET {key}"),
            4 => format!("MGET {key} str1 t1"),
            5 => (*pick(rng, &["CLIENT CACHING YES", "CLIENT CACHING NO"])).to_owned(),
            6 => format!("SET {key} mine"),
            7 => "EXISTS str1".to_owned(),
            8 => format!("other SET {key} theirs"),
            _ => (*pick(
                rng,
                &[
                    "other DEL str1 t1",
                    "other FLUSHDB",
                    "other INCR t9",
                    "other MSET z1 1 z2 2",
                ],
            ))
            .to_owned(),
        });
    }
    lines.push("CLIENT TRACKING OFF".to_owned());
    for line in lines {
        let play = |(tracker, writer): &mut (Client, Client)| -> (Vec<Value>, Vec<Value>) {
            let told = match line.strip_prefix("other ") {
                Some(line) => {
                    let mut told = frames(writer, Some(&words(line)));
                    told.extend(frames(tracker, None));
                    told
                }
                None => frames(tracker, Some(&words(&line))),
            };
            // BCAST gathers what changed and tells it a moment later: a second look catches it.
            let late = frames(tracker, None);
            let (pushed, answers): (Vec<Value>, Vec<Value>) = told
                .into_iter()
                .chain(late)
                .partition(|value| matches!(value, Value::Push(_)));
            let mut keys: Vec<Value> = pushed.iter().flat_map(Value::leaves).collect();
            keys.sort();
            keys.dedup();
            (answers, keys)
        };
        let (a, b) = (play(&mut real), play(&mut ours));
        if a != b {
            let all = |(answers, keys): (Vec<Value>, Vec<Value>)| [answers, keys].concat();
            let command = words(&format!("{mode} ... {line}"));
            differ_in_lists(world, "tracking", &command, &all(a), &all(b));
            break;
        }
    }
    for side in [&mut world.real, &mut world.ours] {
        side.reader.ask("DEL str1 str2 str3 z1 z2 z3 t1 t2 t3 t9");
    }
}

fn watch_keys(world: &mut World, rng: &mut Rng) {
    let (watched, touched) = (some_key(rng), some_key(rng));
    let change = pick(
        rng,
        &[
            "DEL KEY",
            "SET KEY 1",
            "EXPIRE KEY 1000000",
            "PERSIST KEY",
            "TOUCH KEY",
            "GET KEY",
            "EXPIRE KEY -1",
            "FLUSHDB",
            "SWAPDB 0 1",
            "RENAME KEY string1",
            "SADD KEY a",
        ],
    )
    .replace("KEY", if rng.bool() { &watched } else { &touched });
    let (by_other, unwatch) = (rng.u8(..4) != 0, rng.u8(..5) == 0);
    let play = |side: &mut Side| -> Vec<Value> {
        let mut client = side.server.client();
        let mut told = vec![client.ask(&format!("WATCH {watched}"))];
        let changer = if by_other {
            &mut side.reader
        } else {
            &mut client
        };
        told.push(changer.ask(&change));
        if unwatch {
            told.push(client.ask("UNWATCH"));
        }
        for command in [
            "MULTI",
            "WATCH a",
            &format!("TYPE {watched}"),
            "PING",
            "EXEC",
            "EXEC",
        ] {
            told.push(client.ask(command));
        }
        told
    };
    let (real, ours) = (play(&mut world.real), play(&mut world.ours));
    if real != ours {
        let command = words(&format!("WATCH {watched} ... {change}"));
        differ_in_lists(world, "WATCH", &command, &real, &ours);
    }
}
