//! LATENCY: spikes that were noticed, and how long each command takes.

use std::fmt::Write;

use crate::command::Flag::{Admin, Loading, NoScript, Stale};
use crate::command::{Arg, Command, CommandEntry, Done, Fail, Flow, Run, SessionCall, help};
use crate::state::stats::CommandTotals;
use crate::util::clock;

pub const LATENCY: Command = Command {
    name: "latency",
    summary: "Looks at what took long",
    cost: "Depends on subcommand.",
    since: "2.8.13",
    run: Run::Container,
    subcommands: &[
        &DOCTOR, &GRAPH, &HELP, &HISTOGRAM, &HISTORY, &LATEST, &RESET,
    ],
    ..Command::PLAIN
};

const HELP: Command = Command {
    since: "2.8.13",
    ..help::HELP
};

const ASK_ALL: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_nodes",
    "response_policy:special",
];

const LATEST: Command = Command {
    name: "latest",
    summary: "Returns each event's last spike: its time, its milliseconds, and the worst ever",
    since: "2.8.13",
    flags: &[Admin, NoScript, Loading, Stale],
    run: Run::Session(latest),
    tips: ASK_ALL,
    ..Command::PLAIN
};

fn latest(call: &mut SessionCall<'_>) -> Done {
    let events = call.server.latency.events();
    call.out.array(events.len());
    for (event, spikes) in events {
        let (time_s, ms) = spikes.samples.back().copied().unwrap_or_default();
        call.out.array(4);
        call.out.bulk(event);
        call.out.int(time_s as i64);
        call.out.int(ms as i64);
        call.out.int(spikes.max_ms as i64);
    }
    Ok(Flow::Done)
}

const HISTORY: Command = Command {
    name: "history",
    summary: "Returns an event's spikes: their times and milliseconds",
    since: "2.8.13",
    flags: &[Admin, NoScript, Loading, Stale],
    args: &[Arg::text("event")],
    run: Run::Session(history),
    tips: ASK_ALL,
    ..Command::PLAIN
};

fn history(call: &mut SessionCall<'_>) -> Done {
    let event = String::from_utf8_lossy(call.args.next()?);
    let samples = call.server.latency.history(&event);
    call.out.array(samples.len());
    for (time_s, ms) in samples {
        call.out.array(2);
        call.out.int(time_s as i64);
        call.out.int(ms as i64);
    }
    Ok(Flow::Done)
}

const RESET: Command = Command {
    name: "reset",
    summary: "Forgets the spikes of some events, or of all",
    since: "2.8.13",
    flags: &[Admin, NoScript, Loading, Stale],
    args: &[Arg::text("event").optional().many()],
    run: Run::Session(reset),
    tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
    ..Command::PLAIN
};

fn reset(call: &mut SessionCall<'_>) -> Done {
    let names: Vec<_> = call
        .args
        .rest()
        .iter()
        .map(|name| String::from_utf8_lossy(name))
        .collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    call.out.count(call.server.latency.reset(&names));
    Ok(Flow::Done)
}

const GRAPH: Command = Command {
    name: "graph",
    summary: "Draws an event's spikes",
    since: "2.8.13",
    flags: &[Admin, NoScript, Loading, Stale],
    args: &[Arg::text("event")],
    run: Run::Session(graph),
    tips: ASK_ALL,
    ..Command::PLAIN
};

fn graph(call: &mut SessionCall<'_>) -> Done {
    let event = String::from_utf8_lossy(call.args.next()?);
    let samples = call.server.latency.history(&event);
    let events = call.server.latency.events();
    let Some(spikes) = events.get(&*event).filter(|_| !samples.is_empty()) else {
        return Err(Fail::said(format!(
            "No samples available for event '{event}'"
        )));
    };
    let text = draw(&event, &samples, spikes.max_ms, clock::now_ms() / 1000);
    call.out.verbatim("txt", text.as_bytes());
    Ok(Flow::Done)
}

/// Lines of the drawing, and steps that can be told apart in each.
const ROWS: u64 = 4;
const STEPS: [char; 3] = ['_', 'o', '#'];

/// A column for each spike, its age written downwards below it.
fn draw(event: &str, samples: &[(u64, u64)], worst_ms: u64, now_s: u64) -> String {
    let low = samples.iter().map(|(_, ms)| *ms).min().unwrap_or(0);
    let high = samples.iter().map(|(_, ms)| *ms).max().unwrap_or(0);
    let steps = ROWS * STEPS.len() as u64;
    let height = |ms: u64| match high - low {
        0 => 0,
        span => (ms - low) * (steps - 1) / span,
    };
    let mut text =
        format!("{event} - high {high} ms, low {low} ms (all time high {worst_ms} ms)\n");
    text.push_str(&"-".repeat(80));
    text.push('\n');
    for row in (0..ROWS).rev() {
        let mark = |(_, ms): &(u64, u64)| {
            let height = height(*ms);
            match (height / STEPS.len() as u64).cmp(&row) {
                std::cmp::Ordering::Less => ' ',
                std::cmp::Ordering::Equal => STEPS[height as usize % STEPS.len()],
                std::cmp::Ordering::Greater => '|',
            }
        };
        push_row(samples.iter().map(mark), &mut text);
    }
    text.push('\n');
    let ages: Vec<String> = samples
        .iter()
        .map(|(time_s, _)| age(now_s.saturating_sub(*time_s)))
        .collect();
    let longest = ages.iter().map(String::len).max().unwrap_or(0);
    for at in 0..longest {
        push_row(
            ages.iter().map(|age| age.chars().nth(at).unwrap_or(' ')),
            &mut text,
        );
    }
    text
}

fn push_row(row: impl Iterator<Item = char>, text: &mut String) {
    text.extend(row);
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

const DOCTOR: Command = Command {
    name: "doctor",
    summary: "Says in words what took long, and what may help",
    since: "2.8.13",
    flags: &[Admin, NoScript, Loading, Stale],
    run: Run::Session(doctor),
    tips: ASK_ALL,
    ..Command::PLAIN
};

fn doctor(call: &mut SessionCall<'_>) -> Done {
    let config = &call.server.config;
    let events = call.server.latency.events();
    let mut text = String::new();
    if config.latency_monitor_threshold.get() == 0 && events.is_empty() {
        text.push_str(
            "Latency monitoring is disabled. \"CONFIG SET latency-monitor-threshold <milliseconds>\" enables it.\n",
        );
    } else if events.is_empty() {
        text.push_str("No event took longer than latency-monitor-threshold so far.\n");
    }
    for (event, spikes) in &events {
        let count = spikes.samples.len() as u64;
        let mean = spikes.samples.iter().map(|(_, ms)| ms).sum::<u64>() / count.max(1);
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{event}: {count} spikes, {mean} ms on average, {} ms at worst.",
            spikes.max_ms
        );
    }
    if events.contains_key("command") {
        text.push_str(
            "Slow commands were seen: SLOWLOG GET shows which. Their cost is that of their own work; other keys are served meanwhile.\n",
        );
    }
    if events.contains_key("fast-command") {
        text.push_str(
            "Commands of constant cost were slow: the machine may be short of processors or memory.\n",
        );
    }
    call.out.verbatim("txt", text.as_bytes());
    Ok(Flow::Done)
}

const HISTOGRAM: Command = Command {
    name: "histogram",
    summary: "Returns how many calls of each command stayed within which time",
    cost: "O(N) for N commands",
    since: "7.0.0",
    flags: &[Admin, NoScript, Loading, Stale],
    args: &[Arg::text("command").optional().many()],
    run: Run::Session(histogram),
    tips: ASK_ALL,
    ..Command::PLAIN
};

fn histogram(call: &mut SessionCall<'_>) -> Done {
    let registry = call.registry;
    let names = call.args.rest();
    let asked: Vec<&'static CommandEntry> = if names.is_empty() {
        registry.entries().to_vec()
    } else {
        let words = names
            .iter()
            .map(|name| name.split(|byte| *byte == b'|').collect::<Vec<_>>());
        words
            .flat_map(|words| family(registry.get(words[0]), words.get(1).copied()))
            .collect()
    };
    let totals = asked
        .iter()
        .map(|entry| (entry, call.server.stats.command(entry.id)));
    let called: Vec<(_, CommandTotals)> = totals
        .filter(|(_, totals)| totals.spread.total() > 0)
        .collect();
    call.out.map(called.len());
    for (entry, totals) in called {
        call.out.bulk(&entry.full_name);
        call.out.map(2);
        call.out.bulk("calls");
        call.out.int(totals.spread.total() as i64);
        call.out.bulk("histogram_usec");
        let rows = totals.spread.by_micros();
        call.out.map(rows.len());
        for (micros, calls) in rows {
            call.out.int(micros as i64);
            call.out.int(calls as i64);
        }
    }
    Ok(Flow::Done)
}

/// The command or subcommand of a name; for a container, what it contains as well.
fn family(
    entry: Option<&'static CommandEntry>,
    subcommand: Option<&[u8]>,
) -> Vec<&'static CommandEntry> {
    match (entry, subcommand) {
        (None, _) => Vec::new(),
        (Some(entry), None) => [vec![entry], entry.subcommands()].concat(),
        (Some(entry), Some(name)) => entry.subcommand(name).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_are_drawn_to_scale() {
        let text = draw("command", &[(100, 10), (160, 35), (3700, 120)], 500, 3701);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "command - high 120 ms, low 10 ms (all time high 500 ms)"
        );
        assert_eq!(lines[2..6], ["  #", "  |", "  |", "_#|"]);
        assert_eq!(lines[7..], ["151", "h9s", " m"]);
    }
}
