//! HOTKEYS: collects for a while which keys take most processor time and most bytes on the network. It is Redis 8.6's.

use crate::command::Flag::{Admin, NoScript};
use crate::command::{Arg, Args, Command, Done, Fail, Flow, Run, SessionCall, help};
use crate::resp::Reply;
use crate::state::hotkeys::{Collection, HotkeysWish};

pub const HOTKEYS: Command = Command {
    name: "hotkeys",
    summary: "Collects which keys take most time and bytes",
    cost: "Depends on subcommand.",
    since: "8.6.0",
    run: Run::Container,
    subcommands: &[&GET, &HELP, &RESET, &START, &STOP],
    ..Command::PLAIN
};

const HELP: Command = Command {
    since: "8.6.0",
    ..help::HELP
};

/// What the others have in common.
const ORDER: Command = Command {
    since: "8.6.0",
    flags: &[Admin, NoScript],
    ..Command::PLAIN
};

const START: Command = Command {
    name: "start",
    summary: "Starts to collect",
    args: &[
        Arg::block(
            "metrics",
            &[
                Arg::int("count"),
                Arg::word("cpu", "CPU").optional(),
                Arg::word("net", "NET").optional(),
            ],
        )
        .token("METRICS"),
        Arg::int("k").token("COUNT").optional(),
        Arg::int("seconds").token("DURATION").optional(),
        Arg::int("ratio").token("SAMPLE").optional(),
        Arg::block("slots", &[Arg::int("count"), Arg::int("slot").many()])
            .token("SLOTS")
            .optional(),
    ],
    run: Run::Session(start),
    arity: Some(-2),
    ..ORDER
};

/// Keys told when nobody says how many.
const COUNT: usize = 10;
const COUNT_MAX: i64 = 64;
const SECONDS_MAX: i64 = 1_000_000;

fn start(call: &mut SessionCall<'_>) -> Done {
    let wish = wish(&mut call.args)?;
    if !call.server.hotkeys.start(wish) {
        return Err(Fail::Says("hotkey tracking session already in progress"));
    }
    call.out.ok();
    Ok(Flow::Done)
}

fn wish(args: &mut Args<'_>) -> Result<HotkeysWish, Fail> {
    if !args.word("METRICS") {
        return Err(Fail::Says("METRICS parameter is required"));
    }
    let (cpu, net) = metrics(args)?;
    let mut wish = HotkeysWish {
        cpu,
        net,
        count: COUNT,
        duration_ms: None,
        sample: 1,
    };
    while !args.is_empty() {
        if args.word_with("COUNT", 1) {
            let bad = Fail::Says("COUNT must be between 1 and 64");
            wish.count = args.int_in(1..=COUNT_MAX, bad)? as usize;
        } else if args.word_with("DURATION", 1) {
            let bad = Fail::Says("DURATION must be between 0 and 1000000");
            let seconds = args.int_in(0..=SECONDS_MAX, bad)? as u64;
            wish.duration_ms = (seconds > 0).then_some(seconds * 1000);
        } else if args.word_with("SAMPLE", 1) {
            let bad = Fail::Says("SAMPLE ratio must be positive");
            wish.sample = args.int_in(1..=i64::from(i32::MAX), bad)? as u64;
        } else if args.word("SLOTS") {
            return Err(Fail::Says(
                "SLOTS parameter cannot be used in non-cluster mode",
            ));
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    Ok(wish)
}

/// Which of both are collected. Words for others are passed over, as they may be those of later versions.
fn metrics(args: &mut Args<'_>) -> Result<(bool, bool), Fail> {
    let bad = Fail::Says("METRICS count must be positive");
    let count = args.int_in(1..=i64::MAX, bad)?;
    let (mut cpu, mut net) = (false, false);
    for _ in 0..count {
        if args.is_empty() {
            return Err(Fail::Says(
                "METRICS count does not match number of metric types provided",
            ));
        }
        if args.word("CPU") {
            if std::mem::replace(&mut cpu, true) {
                return Err(Fail::Says("METRICS CPU defined more than once"));
            }
        } else if args.word("NET") {
            if std::mem::replace(&mut net, true) {
                return Err(Fail::Says("METRICS NET defined more than once"));
            }
        } else {
            args.next()?;
        }
    }
    if !cpu && !net {
        return Err(Fail::Says("METRICS no valid metrics passed"));
    }
    Ok((cpu, net))
}

const STOP: Command = Command {
    name: "stop",
    summary: "Ends the collection, and keeps what was collected",
    run: Run::Session(|call| {
        if call.server.hotkeys.stop() {
            call.out.ok();
        } else {
            call.out.null();
        }
        Ok(Flow::Done)
    }),
    ..ORDER
};

const RESET: Command = Command {
    name: "reset",
    summary: "Forgets what was collected",
    run: Run::Session(|call| {
        if !call.server.hotkeys.reset() {
            return Err(Fail::Says(
                "hotkey tracking session in progress, stop tracking first",
            ));
        }
        call.out.ok();
        Ok(Flow::Done)
    }),
    ..ORDER
};

const GET: Command = Command {
    name: "get",
    summary: "Returns the keys that took most, and what all took",
    cost: "O(K) for K keys returned",
    run: Run::Session(|call| {
        let (server, out) = (call.server, &mut *call.out);
        server.hotkeys.show(|found, now_ms| match found {
            Some(collection) => {
                out.array(1);
                write(collection, now_ms, out);
            }
            None => out.null_array(),
        });
        Ok(Flow::Done)
    }),
    ..ORDER
};

fn write(collection: &Collection, now_ms: u64, out: &mut Reply) {
    let wish = &collection.wish;
    out.map(7 + 3 * usize::from(wish.cpu) + 2 * usize::from(wish.net));
    let mut field = |name: &str, number: u64| {
        out.bulk(name);
        out.int(number as i64);
    };
    field("tracking-active", collection.is_active().into());
    field("sample-ratio", wish.sample);
    out.bulk("selected-slots");
    out.array(1);
    out.array(2);
    out.int(0);
    out.int(16383);
    let mut field = |name: &str, number: u64| {
        out.bulk(name);
        out.int(number as i64);
    };
    field("all-commands-all-slots-us", collection.all.micros);
    field("net-bytes-all-commands-all-slots", collection.all.bytes);
    field("collection-start-time-unix-ms", collection.began_ms);
    field("collection-duration-ms", collection.lasted_ms(now_ms));
    if wish.cpu {
        let time = collection.process_time();
        field("total-cpu-time-user-ms", time.user_us / 1000);
        field("total-cpu-time-sys-ms", time.system_us / 1000);
    }
    if wish.net {
        field("total-net-bytes", collection.all.bytes);
    }
    if wish.cpu {
        keys("by-cpu-time-us", &collection.by_cpu(), out);
    }
    if wish.net {
        keys("by-net-bytes", &collection.by_net(), out);
    }
}

fn keys(name: &str, counted: &[(&[u8], u64)], out: &mut Reply) {
    out.bulk(name);
    out.array(counted.len() * 2);
    for (key, count) in counted {
        out.bulk(key);
        out.int(*count as i64);
    }
}
