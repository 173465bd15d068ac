//! Seeded random commands to the real redis-server and to ours: not a byte may differ
//! where Redis says what to answer.
//!
//! `SEEDS` and `STEPS` say how much, `FIRST` the first seed, `ONLY=zset,hash` which families,
//! `DIFFERENCES` after how many distinct ones a run stops.

pub mod arguments;
mod check;
mod documents;
pub mod families;
mod filters;
mod garbage;
mod newer;
mod scenes;
mod state;
mod streams;
pub mod template;
mod world;

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::common::{real_redis, redis_is_missing, setting};

use arguments::{Arguments, comparable};
use check::{Check, KNOWN, NOT_IN_7_0};
use families::{FAMILIES, Family, SWEEPING};
use template::{Template, command_name, pick};
use world::{Oracle, SPEAKERS, Step, Tally, World};

const BATCH_STEPS: usize = 40;
const BATCH_BYTES_MAX: usize = 60_000;
const STATE_EVERY: u64 = 500;

/// Commands whose every reply is an error when all is well.
const NEVER_SUCCEED: &[&str] = &[
    "NOSUCH",
    "AUTH",
    "OBJECT FREQ",
    "RESTORE",
    "EXEC",
    "DISCARD",
    "CLIENT ",
    "CLIENT CACHING",
];

/// A parsed line of the families: commands to send in a row.
struct Shape {
    row: Vec<Template>,
    check: Check,
}

fn parse(shapes: &[(&'static str, Check)]) -> Vec<Shape> {
    shapes
        .iter()
        .map(|(text, check)| Shape {
            row: Template::parse_row(text),
            check: check.clone(),
        })
        .collect()
}

fn wanted<'a>(families: &'a [Family], only: &[String]) -> impl Iterator<Item = &'a Family> {
    let is_wanted =
        |family: &&Family| only.is_empty() || only.iter().any(|name| name == family.name);
    families.iter().filter(is_wanted)
}

/// Draws steps.
struct Author {
    families: Vec<Vec<Shape>>,
    sweeping: Vec<Shape>,
    arguments: Arguments,
}

impl Author {
    fn new(seed: u64, oracle: &Oracle, families: &[Family], only: &[String]) -> Author {
        let families: Vec<_> = wanted(families, only)
            .map(|family| {
                let is_sent = |(text, _): &&(&str, Check)| !oracle.unsent.contains(text);
                let shapes: Vec<_> = family.shapes.iter().filter(is_sent).cloned().collect();
                parse(&shapes)
            })
            .collect();
        assert!(!families.is_empty(), "ONLY names no family");
        let arguments = Arguments::new(Rng::with_seed(seed));
        Author {
            families,
            sweeping: parse(SWEEPING)
                .into_iter()
                .filter(|shape| oracle.watches || shape.row[0].name() != "WATCH")
                .collect(),
            arguments,
        }
    }

    /// Commands for one pipeline.
    fn batch(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut bytes = 0;
        while steps.len() < BATCH_STEPS && bytes < BATCH_BYTES_MAX {
            let from = steps.len();
            let speaker = self.arguments.rng.usize(..SPEAKERS);
            match self.arguments.rng.u8(..100) {
                0..=5 => self.transaction(speaker, &mut steps),
                6 => self.ask_for_keys(speaker, &mut steps),
                7 if self.arguments.rng.u8(..4) == 0 => {
                    let at = self.arguments.rng.usize(..self.sweeping.len());
                    let shape = &self.sweeping[at];
                    write(shape, &mut self.arguments, speaker, &mut steps);
                }
                _ => self.plain(speaker, &mut steps),
            }
            bytes += steps[from..]
                .iter()
                .flat_map(|step| &step.command)
                .map(Vec::len)
                .sum::<usize>();
        }
        steps
    }

    fn plain(&mut self, speaker: usize, steps: &mut Vec<Step>) {
        let family = pick(&mut self.arguments.rng, &self.families);
        let shape = pick(&mut self.arguments.rng, family);
        write(shape, &mut self.arguments, speaker, steps);
    }

    fn transaction(&mut self, speaker: usize, steps: &mut Vec<Step>) {
        let control = |word: &str, check| Step {
            speaker,
            command: vec![word.as_bytes().to_vec()],
            check,
        };
        steps.push(control("MULTI", Check::Exact));
        let mut queued = Vec::new();
        for _ in 0..self.arguments.rng.usize(..5) {
            let from = steps.len();
            self.plain(speaker, steps);
            for step in &mut steps[from..] {
                // RESET would end the transaction, HELLO and CLIENT answer from outside of it.
                let name = command_name(&step.command);
                if matches!(name.as_str(), "RESET" | "HELLO" | "AUTH") {
                    step.command = vec![b"MULTI".to_vec()];
                    step.check = Check::Exact;
                } else {
                    let check = std::mem::replace(&mut step.check, Check::Exact);
                    queued.push((step.command.clone(), check));
                }
            }
        }
        if self.arguments.rng.u8(..8) == 0 {
            steps.push(control("DISCARD", Check::Exact));
        } else {
            steps.push(control("EXEC", Check::Exec(queued)));
        }
    }

    fn ask_for_keys(&mut self, speaker: usize, steps: &mut Vec<Step>) {
        let from = steps.len();
        self.plain(speaker, steps);
        steps.truncate(from + 1);
        let how: &[u8] = if self.arguments.rng.bool() {
            b"GETKEYS"
        } else {
            b"GETKEYSANDFLAGS"
        };
        let mut command = vec![b"COMMAND".to_vec(), how.to_vec()];
        command.append(&mut steps[from].command);
        steps[from] = Step {
            speaker,
            command,
            check: Check::Exact,
        };
    }
}

/// One shape's commands, some of them damaged.
fn write(shape: &Shape, arguments: &mut Arguments, speaker: usize, steps: &mut Vec<Step>) {
    let alone = shape.row.len() == 1;
    for template in &shape.row {
        let command = loop {
            let mut command = template.fill(arguments);
            // A damaged CLIENT TRACKING may succeed: then messages would stand between the replies.
            // And 7.0 sets the name before it finds the fault in a HELLO, where 7.2 doesn't
            // (https://github.com/redis/redis/pull/11659).
            // And the stack's modules count their arguments themselves, so that MULTI queues what has too few.
            let name = command_name(&command);
            let lasts =
                matches!(name.as_str(), "CLIENT TRACKING" | "HELLO") || name.starts_with("JSON.");
            if alone && !lasts && arguments.rng.u8(..100) < 10 {
                arguments.damage(&mut command);
            }
            if comparable(&command) {
                break command;
            }
        };
        // What is drawn by chance stands in the middle, or last; its neighbours are exact lists.
        let check = match (&shape.check, command_name(&command).as_str()) {
            (Check::Drawn, "SMEMBERS") => Check::Unordered,
            (Check::Drawn, "HGETALL") => Check::Pairs,
            (Check::Drawn, "ZRANGE" | "DEL") => Check::Exact,
            (check, _) => check.clone(),
        };
        steps.push(Step {
            speaker,
            command,
            check,
        });
    }
}

/// One seed's run.
fn play(
    (oracle, families): (&Oracle, &[Family]),
    seed: u64,
    steps: u64,
    only: &[String],
    stop_after: usize,
) -> World {
    let mut world = World::new(oracle, seed);
    let mut author = Author::new(seed, oracle, families, only);
    let mut state_at = STATE_EVERY;
    while world.sent < steps && world.differences.len() < stop_after {
        let batch = author.batch();
        world.play(&batch);
        if oracle.scenes && (only.is_empty() || only.iter().any(|name| name == "scenes")) {
            scenes::play_one(&mut world, &mut author.arguments.rng);
        }
        if world.sent >= state_at {
            state_at += STATE_EVERY;
            state::compare(&mut world);
        }
    }
    world
}

#[test]
fn random_commands_get_the_answers_of_the_real_redis() {
    if redis_is_missing() {
        return;
    }
    let oracle = Oracle {
        program: real_redis(),
        scenes: true,
        watches: true,
        unsent: &[],
        events: "KEA",
        known: &[KNOWN],
    };
    hold_against(&oracle, FAMILIES);
}

/// Plays all seeds against one server, and tells of the differences.
fn hold_against(oracle: &Oracle, families: &[Family]) {
    let (seeds, steps) = (setting("SEEDS", 4), setting("STEPS", 2500));
    let first = setting("FIRST", 1);
    let stop_after = setting("DIFFERENCES", 20) as usize;
    let only: Vec<String> = std::env::var("ONLY")
        .map(|names| names.split(',').map(str::to_owned).collect())
        .unwrap_or_default();
    let mut differences = BTreeMap::new();
    let mut coverage: BTreeMap<String, Tally> = BTreeMap::new();
    let mut sent = 0;
    for seed in first..first + seeds {
        let world = play((oracle, families), seed, steps, &only, stop_after);
        sent += world.sent;
        for (name, tally) in world.coverage {
            let sum = coverage.entry(name).or_default();
            sum.sent += tally.sent;
            sum.succeeded += tally.succeeded;
        }
        for (kind, report) in world.differences {
            differences.entry(kind).or_insert(report);
        }
        if differences.len() >= stop_after {
            break;
        }
    }
    println!("{sent} commands over {seeds} seeds; command: sent, of these without an error");
    for (name, tally) in listed(families, &only, &coverage) {
        println!("  {name}: {} {}", tally.sent, tally.succeeded);
    }
    assert!(differences.is_empty(), "{}", report(oracle, &differences));
    let idle: Vec<&str> = listed(families, &only, &coverage)
        .into_iter()
        // A short run sends some commands a few times only, which tells nothing.
        .filter(|(name, tally)| {
            tally.sent >= 20 && tally.succeeded == 0 && !NEVER_SUCCEED.contains(name)
        })
        .map(|(name, _)| name)
        .collect();
    assert!(
        idle.is_empty(),
        "these never succeeded, so they were not compared: {idle:?}"
    );
}

/// The tally of each command in the families asked for.
fn listed<'a>(
    families: &[Family],
    only: &[String],
    coverage: &'a BTreeMap<String, Tally>,
) -> Vec<(&'a str, &'a Tally)> {
    let wanted: Vec<String> = wanted(families, only)
        .flat_map(|family| parse(family.shapes))
        .flat_map(|shape| shape.row.iter().map(Template::name).collect::<Vec<_>>())
        .collect();
    coverage
        .iter()
        .filter(|(name, _)| wanted.contains(name))
        .map(|(name, tally)| (name.as_str(), tally))
        .collect()
}

fn report(oracle: &Oracle, differences: &BTreeMap<String, String>) -> String {
    let mut text = format!("{} kinds of differences\n", differences.len());
    for (kind, report) in differences {
        text.push_str(&format!("\n== {kind}\n{report}\n"));
    }
    text.push_str("\nKnown and accepted:\n");
    for known in oracle.known.iter().copied().flatten() {
        text.push_str(&format!("  {} ({})\n", known.change, known.source));
    }
    text
}

#[test]
fn commands_of_7_4_are_not_sent_to_7_0() {
    for shape in FAMILIES.iter().flat_map(|family| parse(family.shapes)) {
        for template in &shape.row {
            assert!(
                !NOT_IN_7_0.contains(&template.name().as_str()),
                "{}",
                template.name()
            );
        }
    }
}
