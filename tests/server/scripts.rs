//! Scripts that go wrong: endless, hungry, deep or forged. They end with an error, and nobody else is harmed.

use std::time::{Duration, Instant};

use crate::common::{Client, Server, encode, our_server, real_redis, redis_is_missing};

fn eval(client: &mut Client, script: &str) -> String {
    let reply = client.try_ask(&["EVAL", script, "0"]).expect("an answer");
    String::from_utf8_lossy(&reply.raw).into_owned()
}

fn ask(client: &mut Client, words: &str) -> String {
    let args: Vec<&str> = words.split(' ').collect();
    let reply = client.try_ask(&args).expect("an answer");
    String::from_utf8_lossy(&reply.raw).into_owned()
}

/// Asks until the answer holds a word.
fn until(client: &mut Client, words: &str, wanted: &str) -> String {
    let begun = Instant::now();
    loop {
        let answer = ask(client, words);
        if answer.contains(wanted) {
            return answer;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{words} keeps answering {answer}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs the body with a script that never ends on one connection, and several others open.
fn while_endless(script: &str, workers: &str, body: impl FnOnce(&Server, &mut [Client])) -> String {
    let server = Server::start(&["--busy-reply-threshold", "50", "--io-threads", workers]);
    let mut others: Vec<Client> = (0..5).map(|_| server.client()).collect();
    let mut busy = server.client();
    busy.send(&encode(&["EVAL", script, "1", "k"]))
        .expect("sent");
    body(&server, &mut others);
    match busy.receive() {
        Ok(reply) => String::from_utf8_lossy(&reply.raw).into_owned(),
        Err(_) => "closed".into(),
    }
}

#[test]
fn others_hear_that_a_script_is_busy_until_it_is_killed() {
    let answer = while_endless("while true do end", "2", |_, others| {
        for client in others.iter_mut() {
            until(client, "GET x", "BUSY");
        }
        assert!(ask(&mut others[0], "EVAL x 0").contains("BUSY"));
        assert!(ask(&mut others[1], "FUNCTION KILL").contains("BUSY"));
        assert!(ask(&mut others[1], "WATCH k").contains("BUSY"));
        assert!(ask(&mut others[2], "SCRIPT KILL").contains("OK"));
        for client in others.iter_mut() {
            until(client, "SET x 1", "OK");
        }
        assert!(ask(&mut others[0], "SCRIPT KILL").contains("NOTBUSY"));
    });
    assert!(
        answer.contains("Script killed by user with SCRIPT KILL..."),
        "{answer}"
    );
}

/// Nor if it is set back: how long a script has run is told by no clock that can be set.
#[test]
fn a_script_is_busy_though_the_clock_stands_still() {
    let answer = while_endless("while true do end", "2", |_, others| {
        until(&mut others[0], "GET x", "BUSY");
        assert!(ask(&mut others[1], "SCRIPT KILL").contains("OK"));
        until(&mut others[0], "GET x", "$-1");
        assert!(ask(&mut others[1], "DEBUG CLOCK FREEZE 1000").contains("OK"));
        let script = encode(&["EVAL", "while true do end", "0"]);
        others[2].send(&script).expect("sent");
        until(&mut others[0], "GET x", "BUSY");
        assert!(ask(&mut others[1], "SCRIPT KILL").contains("OK"));
        until(&mut others[0], "GET x", "$-1");
    });
    assert!(answer.contains("killed by user"), "{answer}");
}

#[test]
fn nothing_in_a_script_catches_its_end() {
    for script in [
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() end) end",
        "local c = coroutine.wrap(function() while true do end end) while true do pcall(c) end",
        "while true do redis.pcall('get', 'k') end",
    ] {
        let answer = while_endless(script, "2", |_, others| {
            until(&mut others[0], "GET x", "BUSY");
            assert!(ask(&mut others[1], "SCRIPT KILL").contains("OK"));
            until(&mut others[2], "GET x", "$-1");
        });
        assert!(answer.contains("killed by user"), "{script}: {answer}");
    }
}

#[test]
fn a_script_that_wrote_ends_only_with_the_server() {
    let script = "redis.call('set', KEYS[1], 1) while true do end";
    let answer = while_endless(script, "2", |server, others| {
        until(&mut others[0], "GET x", "BUSY");
        assert!(ask(&mut others[1], "SCRIPT KILL").contains("UNKILLABLE"));
        assert!(ask(&mut others[1], "SHUTDOWN").contains("BUSY"));
        others[2].send(b"SHUTDOWN NOSAVE\r\n").expect("sent");
        let begun = Instant::now();
        while Client::connect(server.port).is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(10), "it stays up");
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    assert!(answer == "closed" || answer.contains("killed"), "{answer}");
}

#[test]
fn hungry_deep_and_forged_scripts_end_with_an_error() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for script in [
        "return #string.rep('x', 2000000000)",
        "local t = {} while true do t[#t + 1] = string.rep('x', 1000000) .. #t end",
        "local s = 'x' while true do s = s .. s end",
        "local function f() return 1 + f() end return f()",
        "local t = {} t[1] = t return cjson.encode(t)",
        "return cmsgpack.unpack(string.rep('\\145', 1000000))",
        "return cjson.decode(string.rep('[', 1000000))",
        "setmetatable(_G, {__index = function() return 1 end})",
        "getmetatable('').__index = nil",
        "string.rep = nil",
        "rawset(redis, 'call', nil)",
        "return loadstring(string.dump(function() end))()",
        "local s = string.rep('(', 100000) return loadstring('return ' .. s)()",
        "return tostring(setmetatable({}, {__tostring = function(t) return tostring(t) end}))",
        "table.sort({1, 2, 3, 4, 5}, function() error('in a comparison') end)",
    ] {
        let answer = eval(&mut client, script);
        assert!(answer.starts_with('-'), "{script}: {:.200}", answer);
        assert_eq!(client.ask("PING"), server.client().ask("PING"));
    }
    // An endless reply is cut off.
    let answer = eval(&mut client, "local t = {} t[1] = t return t");
    assert!(answer.contains("reached lua stack limit"));
    assert_eq!(eval(&mut client, "return #('x'):rep(10)"), ":10\r\n");
    // A long pattern alone is no error: its items are passed over one after another.
    let long = "return string.find('x', string.rep('x?', 1000000))";
    assert_eq!(eval(&mut client, long), ":1\r\n");
}

/// One script a line, none of which depends on time or chance.
const EXPRESSIONS: &str = include_str!("scripts.txt");

#[test]
fn scripts_answer_as_the_real_redis_does() {
    if redis_is_missing() {
        return;
    }
    let (ours, real) = (
        Server::start(&[]),
        Server::start_program(&real_redis(), &[]),
    );
    let (mut ours, mut real) = (ours.client(), real.client());
    let mut wrong = Vec::new();
    for script in EXPRESSIONS.lines() {
        let (answer, wanted) = (eval(&mut ours, script), eval(&mut real, script));
        if answer != wanted {
            wrong.push(format!("{script}\n  real {wanted:?}\n  ours {answer:?}"));
        }
    }
    assert!(EXPRESSIONS.lines().count() > 200, "the list was read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_scripts_and_functions_did_survives_a_restart() {
    let options = ["--appendonly", "yes", "--appendfsync", "always"];
    let server = Server::start(&options);
    let mut client = server.client();
    let library = "#!lua name=lib\nredis.register_function('add', function(keys, args) return redis.call('incrby', keys[1], args[1]) end)";
    let loaded = client
        .try_ask(&["FUNCTION", "LOAD", library])
        .expect("an answer");
    assert_eq!(loaded.raw, b"$3\r\nlib\r\n");
    assert_eq!(ask(&mut client, "FCALL add 1 n 5"), ":5\r\n");
    let half = "redis.call('set', 'a', 1) redis.call('set', 'b', 2) error('half-way')";
    assert!(eval(&mut client, half).contains("half-way"));
    let log = std::fs::read_dir(server.dir().join("appendonlydir")).expect("a log");
    let text: String = log
        .filter_map(|entry| std::fs::read(entry.ok()?.path()).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    assert!(text.contains("INCRBY") || text.contains("incrby"));
    assert!(text.contains("MULTI") && !text.contains("EVAL"));
    let server = Server::start_on(&our_server(), server.kill(), &options);
    let mut client = server.client();
    assert_eq!(
        ask(&mut client, "MGET n a b"),
        "*3\r\n$1\r\n5\r\n$1\r\n1\r\n$1\r\n2\r\n"
    );
    assert_eq!(ask(&mut client, "FCALL add 1 n 5"), ":10\r\n");
    // And by way of a snapshot.
    assert_eq!(ask(&mut client, "DEBUG RELOAD"), "+OK\r\n");
    assert_eq!(ask(&mut client, "FCALL add 1 n 5"), ":15\r\n");
}

#[test]
fn a_limiter_lets_through_exactly_its_limit() {
    const LIMITER: &str = "local now = tonumber(ARGV[1]) redis.call('zremrangebyscore', KEYS[1], 0, now - 60) if redis.call('zcard', KEYS[1]) < 100 then redis.call('zadd', KEYS[1], now, ARGV[2]) return 1 end return 0";
    let server = Server::start(&["--io-threads", "2"]);
    let port = server.port;
    let threads: Vec<_> = (0..32)
        .map(|id| {
            std::thread::spawn(move || {
                let mut client = Client::connect(port).expect("connected");
                let passed = (0..20).filter(|turn| {
                    let member = format!("{id}-{turn}");
                    let args = ["EVAL", LIMITER, "1", "window", "1000", &member];
                    client.try_ask(&args).expect("an answer").raw == b":1\r\n"
                });
                passed.count()
            })
        })
        .collect();
    let passed: usize = threads
        .into_iter()
        .map(|thread| thread.join().expect("a client that lives"))
        .sum();
    assert_eq!(passed, 100);
}
