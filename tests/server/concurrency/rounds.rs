//! Short rounds on a few hot keys: every client a handful of commands, all at the same time.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use fastrand::Rng;

use crate::common::{Client, Value, encode};

use super::checker::{HISTORY_MAX, Seen};
use super::finds::{put, put_two, told_by_search};
use super::model::{Act, Source, Step, Told, Way};

/// What the clients of a round do.
pub struct Kind {
    pub name: &'static str,
    /// In a round, over all clients. Commands whose answers tell little leave many orders to try.
    commands: usize,
    /// Draws a command; the number is new in the round.
    draw: fn(&mut Rng, i64) -> Act,
}

pub const KINDS: &[Kind] = &[
    Kind {
        name: "count",
        commands: HISTORY_MAX,
        draw: |rng, _| {
            if rng.u8(..3) == 0 {
                Act::Get(0)
            } else {
                Act::Incr(0)
            }
        },
    },
    Kind {
        name: "whole",
        commands: HISTORY_MAX,
        draw: |rng, fresh| {
            if rng.bool() {
                Act::MSet(vec![(0, fresh), (1, fresh)])
            } else {
                Act::MGet(vec![0, 1])
            }
        },
    },
    Kind {
        name: "transfer",
        commands: HISTORY_MAX,
        draw: |rng, fresh| {
            if rng.bool() {
                Act::Transfer(0, 1, fresh)
            } else {
                Act::MGet(vec![0, 1])
            }
        },
    },
    Kind {
        name: "strings",
        commands: 48,
        draw: |rng, fresh| {
            let key = rng.u8(..4);
            match rng.u8(..10) {
                0 | 1 => Act::Get(key),
                2 | 3 => Act::Set(key, fresh),
                4 => Act::Incr(key),
                5 | 6 => Act::MGet(vec![0, 1, 2, 3]),
                7 => Act::MSet(vec![(key, fresh), (key / 2, -fresh)]),
                8 => Act::Rename(key, rng.u8(..4)),
                _ => Act::Transfer(key, (key + 1) % 4, 1),
            }
        },
    },
    Kind {
        name: "queue",
        commands: HISTORY_MAX,
        draw: |rng, fresh| {
            if rng.bool() {
                Act::RPush(0, fresh)
            } else {
                Act::BLPop(0)
            }
        },
    },
    Kind {
        name: "move",
        commands: HISTORY_MAX,
        draw: |rng, fresh| match rng.u8(..5) {
            0 | 1 => Act::RPush(0, fresh),
            2 | 3 => Act::LMove(0, 1),
            _ => Act::LRange(1),
        },
    },
    Kind {
        name: "lists",
        commands: 48,
        draw: |rng, fresh| match rng.u8(..8) {
            0..=2 => Act::RPush(rng.u8(..2), fresh),
            3 | 4 => Act::LMove(rng.u8(..2), rng.u8(..2)),
            5 => Act::LRange(rng.u8(..2)),
            _ => Act::BLPop(rng.u8(..2)),
        },
    },
    Kind {
        name: "sets",
        commands: 48,
        draw: |rng, _| {
            let (key, member) = (rng.u8(..3), rng.i64(1..5));
            match rng.u8(..8) {
                0..=2 => Act::SAdd(key, member),
                3 => Act::SRem(key, member),
                4 | 5 => Act::SMembers(key),
                _ => Act::SInterStore(key, rng.u8(..3), rng.u8(..3)),
            }
        },
    },
];

/// Rounds on documents and with searches for them.
pub const SEARCHES: &[Kind] = &[
    Kind {
        name: "documents",
        commands: 32,
        draw: |rng, fresh| {
            let key = rng.u8(..4);
            match rng.u8(..10) {
                0..=3 => Act::Put(key, fresh),
                4 => Act::Del(key),
                // A document stays of its kind.
                5 => Act::Rename(key, (key + 2) % 4),
                _ => find(rng, fresh),
            }
        },
    },
    Kind {
        name: "steps",
        commands: 32,
        draw: |rng, fresh| {
            let source = [Source::Hash, Source::Json][rng.usize(..2)];
            match rng.u8(..10) {
                0 | 1 => Act::PutTwo(Step::Multi, source, fresh),
                2 | 3 => Act::PutTwo(Step::Script, source, fresh),
                4 => Act::Del(rng.u8(..4)),
                _ => find(rng, fresh),
            }
        },
    },
];

/// A search for all documents of a round, or for those of lower or higher numbers.
fn find(rng: &mut Rng, fresh: i64) -> Act {
    let ways = [Way::Number, Way::Word, Way::Tag, Way::Nearest, Way::Rows];
    let sources = [Source::Hash, Source::Json];
    let (way, source) = (ways[rng.usize(..5)], sources[rng.usize(..2)]);
    match (way, rng.u8(..3)) {
        (Way::Nearest, _) | (_, 0) => Act::Find(way, source, 1, HISTORY_MAX as i64),
        (_, 1) => Act::Find(way, source, 1, fresh),
        _ => Act::Find(way, source, fresh, HISTORY_MAX as i64),
    }
}

/// Plays one round on keys of its own and returns what the clients saw.
pub fn play(kind: &Kind, clients: &mut [Client], round: u64) -> Vec<Seen> {
    let each = kind.commands / clients.len();
    let gate = Barrier::new(clients.len());
    let origin = Instant::now();
    let now = || u64::try_from(origin.elapsed().as_nanos()).expect("a short round");
    let seen_by = |number: usize, client: &mut Client| -> Vec<Seen> {
        let mut rng = Rng::with_seed(round * 1000 + number as u64);
        let acts: Vec<Act> = (0..each)
            .map(|at| (kind.draw)(&mut rng, (1 + number * each + at) as i64))
            .collect();
        gate.wait();
        acts.into_iter()
            .map(|act| {
                let begun = now();
                let told = tell(client, round, &act);
                Seen {
                    client: number,
                    begun,
                    ended: now(),
                    act,
                    told,
                }
            })
            .collect()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .enumerate()
            .map(|(number, client)| {
                let seen_by = &seen_by;
                scope.spawn(move || seen_by(number, client))
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|one| one.join().expect("a client that finishes"))
            .collect()
    })
}

/// Runs the command on the server.
fn tell(client: &mut Client, round: u64, act: &Act) -> Told {
    let name = |key: u8| format!("round{round}:{key}");
    let line = |client: &mut Client, text: String| client.ask(&text);
    let numbers = |value: Value| -> Told { value.items().iter().map(number).collect() };
    let done = |value: Value| -> Told { if value.is_error() { vec![None] } else { vec![] } };
    match act {
        Act::Get(key) => numbers(line(client, format!("GET {}", name(*key)))),
        Act::Set(key, value) => done(line(client, format!("SET {} {value}", name(*key)))),
        Act::Incr(key) => numbers(line(client, format!("INCR {}", name(*key)))),
        Act::MGet(keys) => {
            let keys: Vec<String> = keys.iter().map(|key| name(*key)).collect();
            numbers(line(client, format!("MGET {}", keys.join(" "))))
        }
        Act::MSet(pairs) => {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(key, value)| format!("{} {value}", name(*key)))
                .collect();
            done(line(client, format!("MSET {}", pairs.join(" "))))
        }
        Act::Rename(from, to) => done(line(
            client,
            format!("RENAME {} {}", name(*from), name(*to)),
        )),
        Act::Transfer(from, to, amount) => {
            let mut bytes = encode(&["MULTI"]);
            bytes.extend(encode(&["DECRBY", &name(*from), &amount.to_string()]));
            bytes.extend(encode(&["INCRBY", &name(*to), &amount.to_string()]));
            bytes.extend(encode(&["EXEC"]));
            client.send(&bytes).expect("sent");
            let replies: Vec<Value> = (0..4)
                .map(|_| client.receive().expect("four replies").value)
                .collect();
            numbers(replies[3].clone())
        }
        Act::RPush(key, value) => numbers(line(client, format!("RPUSH {} {value}", name(*key)))),
        Act::LMove(from, to) => numbers(line(
            client,
            format!("LMOVE {} {} LEFT RIGHT", name(*from), name(*to)),
        )),
        Act::BLPop(key) => match line(client, format!("BLPOP {} 0.02", name(*key))) {
            Value::Array(pair) => vec![number(&pair[1])],
            _ => vec![None],
        },
        Act::LRange(key) => numbers(line(client, format!("LRANGE {} 0 -1", name(*key)))),
        Act::SAdd(key, value) => numbers(line(client, format!("SADD {} {value}", name(*key)))),
        Act::SRem(key, value) => numbers(line(client, format!("SREM {} {value}", name(*key)))),
        Act::SMembers(key) => {
            let mut told = numbers(line(client, format!("SMEMBERS {}", name(*key))));
            told.sort();
            told
        }
        Act::SInterStore(to, a, b) => numbers(line(
            client,
            format!("SINTERSTORE {} {} {}", name(*to), name(*a), name(*b)),
        )),
        Act::Put(key, number) => done(client.ask_args(&put(round, *key, *number))),
        Act::Del(key) => numbers(line(client, format!("DEL {}", name(*key)))),
        Act::Find(way, source, from, to) => {
            told_by_search(client, round, *way, *source, (*from, *to))
        }
        Act::PutTwo(step, source, number) => put_two(client, round, *step, *source, *number),
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::NullBulk | Value::NullArray | Value::Null => None,
        other => Some(other.int()),
    }
}
