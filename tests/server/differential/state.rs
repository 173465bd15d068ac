//! The whole data set of both servers, key by key, and whether ours is as its engine must keep it.

use crate::common::{Client, Value};

use super::check::{Check, Told, agree};
use super::template::Command;
use super::world::World;

const DBS: usize = 4;

/// Compares every key's type, encoding, deadline and value.
pub fn compare(world: &mut World) {
    for db in 0..DBS {
        let select = format!("SELECT {db}");
        world.real.reader.ask(&select);
        world.ours.reader.ask(&select);
        let keys = sorted_keys(&mut world.real.reader);
        let others = sorted_keys(&mut world.ours.reader);
        if keys != others {
            let shown = |keys: &[Value]| {
                keys.iter()
                    .map(Value::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let both = format!("  real  {}\n  ours  {}", shown(&keys), shown(&others));
            world.differ("state: keys", &[select.into_bytes()], &both);
            continue;
        }
        for key in keys {
            let Value::Bulk(key) = key else {
                panic!("KEYS lists strings")
            };
            compare_key(world, db, &key);
        }
    }
    world.real.reader.ask("SELECT 0");
    world.ours.reader.ask("SELECT 0");
    // The fingerprint is refused where the keyspace isn't as it must be.
    let digest = world.ours.reader.ask("DEBUG DIGEST");
    assert!(!digest.is_error(), "{digest}");
}

fn compare_key(world: &mut World, db: usize, key: &[u8]) {
    let command = |words: &[&str]| -> Command {
        words
            .iter()
            .map(|word| {
                if *word == "KEY" {
                    key.to_vec()
                } else {
                    word.as_bytes().to_vec()
                }
            })
            .collect()
    };
    let kind = world
        .real
        .reader
        .ask_args(&command(&["TYPE", "KEY"]))
        .text();
    let (value, order) = match kind.as_str() {
        "string" => (command(&["GET", "KEY"]), Check::Exact),
        "list" => (command(&["LRANGE", "KEY", "0", "-1"]), Check::Exact),
        "set" => (command(&["SMEMBERS", "KEY"]), Check::Unordered),
        "hash" => (command(&["HGETALL", "KEY"]), Check::Pairs),
        "zset" => (
            command(&["ZRANGE", "KEY", "0", "-1", "WITHSCORES"]),
            Check::Exact,
        ),
        "stream" => (
            command(&["XINFO", "STREAM", "KEY", "FULL", "COUNT", "0"]),
            Check::StreamInfo,
        ),
        "vectorset" => (command(&["VCARD", "KEY"]), Check::Exact),
        "ReJSON-RL" => (command(&["JSON.GET", "KEY"]), Check::Exact),
        other => panic!("no such type: {other}"),
    };
    for (command, check) in [
        (command(&["TYPE", "KEY"]), Check::Exact),
        (command(&["PEXPIRETIME", "KEY"]), Check::Clock(3000)),
        (value, order),
        (command(&["OBJECT", "ENCODING", "KEY"]), Check::Exact),
    ] {
        let real = world.real.reader.ask_args(&command);
        let ours = world.ours.reader.ask_args(&command);
        let told = |reply| Told {
            reply,
            before: None,
        };
        if !agree(world.known, &command, &check, &told(&real), &told(&ours)) {
            let both = format!("  real  {real}\n  ours  {ours}\n  in database {db}");
            let kind = format!("state: {}", String::from_utf8_lossy(&command[0]));
            world.differ(&kind, &command, &both);
            return;
        }
    }
}

fn sorted_keys(reader: &mut Client) -> Vec<Value> {
    let mut keys = reader.ask("KEYS *").items();
    keys.sort();
    keys
}
