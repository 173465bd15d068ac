//! redis-rs: its plain connection, its multiplexed one, its connection manager and its cluster client.
//!    clients [load SECONDS | cluster PORT]

mod cluster;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use redis::{AsyncCommands, Client, Commands, RedisResult, Script};

const URL: &str = "redis://127.0.0.1";
const PROXY: &str = "redis://127.0.0.1:6380";
const ADD: &str = "return redis.call('INCRBY', KEYS[1], ARGV[1])";

/// Asks the harness for a restart or a cut: see harness.py.
fn control(line: &str) {
    let mut end = TcpStream::connect("127.0.0.1:6381").expect("the harness listens");
    writeln!(end, "{line}").unwrap();
    let mut answer = String::new();
    BufReader::new(end).read_line(&mut answer).unwrap();
    assert_eq!(answer.trim(), "ok", "{line}");
}

fn shown(what: &str) {
    println!("shown {what}");
}

fn eventually<T>(mut check: impl FnMut() -> RedisResult<T>) -> T {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match check() {
            Ok(value) => return value,
            Err(error) if Instant::now() > until => panic!("{error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn plain(url: &str) -> RedisResult<()> {
    let client = Client::open(url)?;
    let mut c = client.get_connection()?;
    let _: () = redis::cmd("FLUSHALL").query(&mut c)?;
    let _: () = c.set_ex("greeting", "hello", 100)?;
    let greeting: String = c.get("greeting")?;
    assert_eq!(greeting, "hello");
    shown("connect");

    let mut pipe = redis::pipe();
    for i in 0..1000 {
        pipe.set(format!("k{i}"), i).ignore().get(format!("k{i}"));
    }
    let got: Vec<i64> = pipe.query(&mut c)?;
    assert_eq!(got, (0..1000).collect::<Vec<_>>());
    shown("pipeline");

    let (n, board): (i64, Vec<(String, f64)>) = redis::pipe()
        .atomic()
        .incr("n", 1)
        .zadd("board", "ann", 5)
        .ignore()
        .zrange_withscores("board", 0, -1)
        .query(&mut c)?;
    assert_eq!((n, board), (1, vec![("ann".into(), 5.0)]));
    let mut other = client.get_connection()?;
    let mut tries = 0;
    let (doubled,): (i64,) = redis::transaction(&mut c, &["n"], |c, pipe| {
        let old: i64 = c.get("n")?;
        tries += 1;
        if tries == 1 {
            let _: () = other.set("n", 10)?;
        }
        pipe.set("n", old * 2).ignore().get("n").query(c)
    })?;
    assert_eq!((doubled, tries), (20, 2), "what was watched had changed");
    shown("transaction");

    let mut listening = client.get_connection()?;
    let mut pubsub = listening.as_pubsub();
    pubsub.subscribe("news")?;
    pubsub.psubscribe("w*")?;
    let _: () = c.publish("news", "one")?;
    let _: () = c.publish("weather", "two")?;
    let heard: Vec<(String, String)> = (0..2)
        .map(|_| {
            let message = pubsub.get_message().unwrap();
            (message.get_channel_name().into(), message.get_payload().unwrap())
        })
        .collect();
    assert_eq!(heard, [("news".into(), "one".into()), ("weather".into(), "two".to_string())]);
    drop(pubsub);
    shown("pubsub");

    let pusher = client.clone();
    let pushing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        let _: () = pusher.get_connection().unwrap().rpush("jobs", "job").unwrap();
    });
    let popped: (String, String) = c.blpop("jobs", 10.0)?;
    assert_eq!(popped, ("jobs".into(), "job".into()));
    pushing.join().unwrap();
    let nothing: Option<(String, String)> = c.brpop("jobs", 0.1)?;
    assert_eq!(nothing, None);
    shown("blocking");

    let _: () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut c)?;
    let script = Script::new(ADD);
    for expected in [5, 10] {
        let sum: i64 = script.key("sum").arg(5).invoke(&mut c)?;
        assert_eq!(sum, expected);
    }
    shown("script");

    for how in ["restart", "kill"] {
        control(how);
        assert!(c.get::<_, String>("greeting").is_err(), "a plain connection stays down");
        c = eventually(|| client.get_connection());
        assert_eq!(c.get::<_, i64>("n")?, 20);
    }
    shown("reconnect");
    cuts(&mut c)
}

fn cuts(c: &mut redis::Connection) -> RedisResult<()> {
    let big = "0123456789".repeat(20_000);
    let _: () = c.set("big", &big)?;
    let proxy = Client::open(PROXY)?;
    for after in [0, 1, 5, 1000, 100_000] {
        let mut cut = eventually(|| proxy.get_connection());
        let _: String = redis::cmd("PING").query(&mut cut)?;
        control(&format!("cut {after}"));
        assert!(cut.get::<_, String>("big").is_err(), "a part of a value is no value");
        assert!(cut.get::<_, String>("n").is_err(), "nor is what follows");
        let mut again = eventually(|| proxy.get_connection());
        assert_eq!(again.get::<_, String>("big")?, big);
    }
    shown("cut");
    Ok(())
}

async fn asynchronous(url: &str) -> RedisResult<()> {
    let client = Client::open(url)?;
    let mut manager = client.get_connection_manager().await?;
    let _: () = manager.set("async", 1).await?;
    // One connection, many askers: each gets its own answer.
    let shared = client.get_multiplexed_async_connection().await?;
    let askers = (0..50).map(|i| {
        let mut shared = shared.clone();
        async move {
            let _: () = shared.set(format!("a{i}"), i).await.unwrap();
            shared.get::<_, i64>(format!("a{i}")).await.unwrap() == i
        }
    });
    assert!(futures_util::future::join_all(askers).await.into_iter().all(|own| own));
    let mut pubsub = client.get_async_pubsub().await?;
    pubsub.subscribe("news").await?;
    let _: () = manager.publish("news", "one").await?;
    let message = pubsub.on_message().next().await.unwrap();
    assert_eq!(message.get_payload::<String>()?, "one");
    for how in ["restart", "kill"] {
        tokio::task::spawn_blocking(move || control(how)).await.unwrap();
        // The manager notices with its first command, and is connected again for a later one.
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            match manager.get::<_, i64>("async").await {
                Ok(value) => break assert_eq!(value, 1),
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
    shown("a connection manager");
    Ok(())
}

/// What was confirmed is there at the end, though servers come and go.
fn load(seconds: f64) -> RedisResult<()> {
    let client = Client::open(URL)?;
    let mut c = client.get_connection()?;
    let _: () = c.del(&["load:redis-rs", "load:redis-rs:log"])?;
    let (mut confirmed, mut asked) = (0, 0);
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < until {
        asked += 1;
        let done: RedisResult<(i64, i64)> = redis::pipe()
            .atomic()
            .incr("load:redis-rs", 1)
            .lpush("load:redis-rs:log", asked)
            .query(&mut c);
        match done {
            Ok((counted, _)) => confirmed = counted,
            Err(_) => c = eventually(|| client.get_connection()),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let counted: i64 = eventually(|| client.get_connection()?.get("load:redis-rs"));
    let logged: i64 = eventually(|| client.get_connection()?.llen("load:redis-rs:log"));
    assert!(confirmed <= counted && counted > 0 && counted == logged, "{confirmed} {counted} {logged}");
    shown(&format!("load: {counted} of {asked}"));
    Ok(())
}

fn main() -> RedisResult<()> {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).is_some_and(|word| word == "load") {
        return load(words[2].parse().unwrap());
    }
    let runtime = tokio::runtime::Runtime::new()?;
    if words.get(1).is_some_and(|word| word == "cluster") {
        return runtime.block_on(cluster::count_up(&words[2]));
    }
    for url in [URL.to_string(), format!("{URL}/?protocol=resp3")] {
        plain(&url)?;
        runtime.block_on(asynchronous(&url))?;
    }
    Ok(())
}
