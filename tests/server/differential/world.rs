//! Two servers side by side: the same bytes to both, every reply and every event compared.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;

use crate::common::{Client, Reply, Server, Value, encode, escape};

use super::check::{Check, Known, Told, agree};
use super::template::{Command, command_name};

/// Connections that send the random commands: one begins in RESP2, one in RESP3.
pub const SPEAKERS: usize = 2;
const HISTORY_MAX: usize = 4000;
const RELATED_SHOWN: usize = 8;
const SYNC_CHANNEL: &str = "in-step";

/// A command and how to compare its replies.
#[derive(Clone, Debug)]
pub struct Step {
    pub speaker: usize,
    pub command: Command,
    pub check: Check,
}

/// The server that ours is compared with.
pub struct Oracle {
    pub program: PathBuf,
    /// Whether scenes with several connections are played, too.
    pub scenes: bool,
    /// Whether keys are watched: some servers count as changed what they have only looked at.
    pub watches: bool,
    /// Shapes that aren't sent, as it has no answer to them.
    pub unsent: &'static [&'static str],
    /// Classes of keyspace events that both have.
    pub events: &'static str,
    /// What it answers otherwise, and why.
    pub known: &'static [&'static [Known]],
}

/// One server and our connections to it.
pub struct Side {
    pub server: Server,
    pub speakers: Vec<Client>,
    /// Reads the data for comparisons; changes nothing, speaks RESP2 for ever.
    pub reader: Client,
    /// Subscribed to all keyspace events.
    events: Client,
}

impl Side {
    fn new(server: Server, events: &str, small: bool) -> Side {
        let mut reader = server.client();
        reader.ask(&format!("CONFIG SET notify-keyspace-events {events}"));
        if small {
            for (name, value) in [
                ("hash-max-listpack-entries", "4"),
                ("hash-max-listpack-value", "16"),
                ("list-max-listpack-size", "4"),
                ("set-max-intset-entries", "4"),
                ("zset-max-listpack-entries", "4"),
                ("zset-max-listpack-value", "16"),
                ("stream-node-max-entries", "5"),
                ("stream-node-max-bytes", "300"),
            ] {
                reader.ask(&format!("CONFIG SET {name} {value}"));
            }
            // 7.0 has no such directive, and its sets no such encoding.
            reader.ask("CONFIG SET set-max-listpack-entries 4");
        }
        let mut events = server.client();
        events.ask("PSUBSCRIBE __key*");
        events.ask(&format!("SUBSCRIBE {SYNC_CHANNEL}"));
        let speakers = (0..SPEAKERS).map(|_| server.client()).collect();
        let mut side = Side {
            server,
            speakers,
            reader,
            events,
        };
        side.settle();
        side
    }

    /// The speakers as they were at the start.
    fn settle(&mut self) {
        for speaker in 0..SPEAKERS {
            self.speakers[speaker] = self.server.client();
        }
        self.speakers[1].ask("HELLO 3");
    }

    /// Events since the last time, read up to a message that we send after them.
    fn new_events(&mut self) -> io::Result<Vec<String>> {
        self.reader.try_ask(&["PUBLISH", SYNC_CHANNEL, "now"])?;
        let mut seen = Vec::new();
        loop {
            let items = self.events.receive()?.value.items();
            let [.., channel, payload] = items.as_slice() else {
                continue;
            };
            if channel.text() == SYNC_CHANNEL {
                return Ok(seen);
            }
            let event = format!("{} {}", channel.text(), payload.text());
            // From 7.2 on, a consumer is made when it first asks, and not when it first gets something:
            // https://github.com/redis/redis/pull/11099
            let of_consumers = ["xgroup-createconsumer", "xgroup-delconsumer"];
            if !of_consumers.iter().any(|name| event.contains(name)) {
                seen.push(event);
            }
        }
    }
}

/// How often a command was sent, and how often it did something else than fail.
#[derive(Default)]
pub struct Tally {
    pub sent: u64,
    pub succeeded: u64,
}

pub struct World {
    pub seed: u64,
    pub known: &'static [&'static [Known]],
    pub real: Side,
    pub ours: Side,
    pub coverage: BTreeMap<String, Tally>,
    /// Each is a report for people. The key keeps one of a kind.
    pub differences: BTreeMap<String, String>,
    pub sent: u64,
    history: VecDeque<(u64, String)>,
}

impl World {
    pub fn new(oracle: &Oracle, seed: u64) -> World {
        let real = Server::start_program(&oracle.program, &[]);
        let ours = Server::start(&[]);
        let small = seed % 2 == 1;
        World {
            seed,
            known: oracle.known,
            real: Side::new(real, oracle.events, small),
            ours: Side::new(ours, oracle.events, small),
            coverage: BTreeMap::new(),
            differences: BTreeMap::new(),
            sent: 0,
            history: VecDeque::new(),
        }
    }

    /// Sends the steps to both sides, pipelined as far as one speaker goes, and compares.
    /// After a difference both sides start again from nothing, so one fault is not told twice.
    pub fn play(&mut self, steps: &[Step]) {
        let told = self.differences.len();
        let mut equal = true;
        // One did what the other refused, and that is known.
        let mut apart = false;
        let mut before: Option<(Value, Value)> = None;
        for run in steps.chunk_by(|a, b| a.speaker == b.speaker) {
            for (step, (real, ours)) in run.iter().zip(self.exchange(run)) {
                self.sent += 1;
                self.note(step, &real.value);
                if equal && !self.compare(step, before.as_ref(), &real, &ours) {
                    equal = false;
                }
                apart |= !refuse_alike(&real.value, &ours.value);
                before = Some((real.value, ours.value));
            }
        }
        if equal && !apart && !self.compare_events(steps) {
            equal = false;
        }
        if !equal || apart || told != self.differences.len() {
            self.start_again();
        }
    }

    fn exchange(&mut self, run: &[Step]) -> Vec<(Reply, Reply)> {
        let bytes: Vec<u8> = run.iter().flat_map(|step| encode(&step.command)).collect();
        let speaker = run[0].speaker;
        for (side, name) in [(&mut self.real, "real"), (&mut self.ours, "ours")] {
            if let Err(error) = side.speakers[speaker].send(&bytes) {
                panic!(
                    "{name} takes no commands ({error}); its log:\n{}",
                    side.server.log()
                );
            }
        }
        let seed = self.seed;
        let mut receive = |side_name: &str, ours: bool, step: &Step| -> Reply {
            let side = if ours { &mut self.ours } else { &mut self.real };
            side.speakers[speaker].receive().unwrap_or_else(|error| {
                let command = show(&step.command);
                let log = side.server.log();
                panic!(
                    "seed {seed}: {side_name} does not answer {command}: {error}; its log:\n{log}"
                )
            })
        };
        run.iter()
            .map(|step| (receive("real", false, step), receive("ours", true, step)))
            .collect()
    }

    fn note(&mut self, step: &Step, reply: &Value) {
        let mut count = |command: &Command, reply: &Value| {
            let tally = self.coverage.entry(command_name(command)).or_default();
            tally.sent += 1;
            tally.succeeded += u64::from(!reply.is_error());
        };
        count(&step.command, reply);
        if let (Check::Exec(inner), Value::Array(replies)) = (&step.check, reply) {
            for ((command, _), reply) in inner.iter().zip(replies) {
                count(command, reply);
            }
        }
        self.history.push_back((
            self.sent,
            format!("#{} {}", step.speaker, show(&step.command)),
        ));
        if self.history.len() > HISTORY_MAX {
            self.history.pop_front();
        }
    }

    fn compare(
        &mut self,
        step: &Step,
        before: Option<&(Value, Value)>,
        real: &Reply,
        ours: &Reply,
    ) -> bool {
        let exact = matches!(step.check, Check::Exact);
        if exact && real.raw == ours.raw {
            return true;
        }
        let same_meaning = agree(
            self.known,
            &step.command,
            &step.check,
            &Told {
                reply: &real.value,
                before: before.map(|pair| &pair.0),
            },
            &Told {
                reply: &ours.value,
                before: before.map(|pair| &pair.1),
            },
        );
        // Equal values from unequal bytes: a number with a leading zero, say.
        if same_meaning && !(exact && real.value == ours.value) {
            return true;
        }
        let both = format!(
            "  real  {}\n  ours  {}",
            escape(&real.raw),
            escape(&ours.raw)
        );
        let both = if matches!(step.check, Check::Exec(_)) {
            format!("  real  {}\n  ours  {}", real.value, ours.value)
        } else {
            both
        };
        self.differ(&command_name(&step.command), &step.command, &both);
        false
    }

    fn compare_events(&mut self, steps: &[Step]) -> bool {
        let real = self
            .real
            .new_events()
            .expect("the real server sends events");
        let ours = self.ours.new_events().unwrap_or_else(|error| {
            panic!(
                "ours sends no events: {error}; its log:\n{}",
                self.ours.server.log()
            )
        });
        if real == ours {
            return true;
        }
        let at = (0..)
            .find(|&at| real.get(at) != ours.get(at))
            .expect("they differ");
        let around = |events: &[String]| {
            events
                .iter()
                .skip(at.saturating_sub(2))
                .take(6)
                .cloned()
                .collect::<Vec<_>>()
                .join(" | ")
        };
        let key = real
            .get(at)
            .or(ours.get(at))
            .map_or("", |event| event.as_str());
        let both = format!("  real  {}\n  ours  {}", around(&real), around(&ours));
        // Which command it was, the events do not say: show those that name the key.
        let key = key
            .split([':', ' '])
            .find(|word| word.ends_with(|c: char| c.is_ascii_digit()));
        let last = steps.last().expect("steps were played").command.clone();
        let about = key.map_or(last, |key| vec![key.as_bytes().to_vec()]);
        let kind = real
            .get(at)
            .map_or("none", |event| event.rsplit(' ').next().unwrap_or(""));
        self.differ(&format!("events, {kind} expected"), &about, &both);
        false
    }

    /// Records a difference, with what was sent lately about the same keys.
    pub fn differ(&mut self, kind: &str, command: &[Vec<u8>], both: &str) {
        let named: Vec<String> = command
            .iter()
            .filter(|arg| arg.last().is_some_and(u8::is_ascii_digit) && arg[0].is_ascii_lowercase())
            .map(|arg| escape(arg))
            .collect();
        let related: Vec<String> = self
            .history
            .iter()
            .rev()
            .skip(1)
            .filter(|(_, line)| {
                line.split(' ')
                    .any(|word| named.iter().any(|name| name == word))
            })
            .take(RELATED_SHOWN)
            .map(|(at, line)| format!("    {at}: {line}"))
            .collect();
        let report = format!(
            "seed {} step {}: {}\n{both}\n  lately, newest first:\n{}",
            self.seed,
            self.sent,
            show(command),
            related.join("\n")
        );
        self.differences.entry(kind.to_owned()).or_insert(report);
    }

    fn start_again(&mut self) {
        for side in [&mut self.real, &mut self.ours] {
            side.settle();
            side.reader.ask("FLUSHALL");
            side.new_events().expect("events");
        }
        self.history.clear();
    }
}

/// Whether both refuse, or neither, in each part of what EXEC answers, too.
fn refuse_alike(real: &Value, ours: &Value) -> bool {
    match (real, ours) {
        (Value::Array(real), Value::Array(ours)) => {
            let mut pairs = real.iter().zip(ours);
            pairs.all(|(real, ours)| real.is_error() == ours.is_error())
        }
        _ => real.is_error() == ours.is_error(),
    }
}

/// A command for people.
pub fn show(command: &[Vec<u8>]) -> String {
    let word = |arg: &Vec<u8>| {
        if arg.is_empty() || arg.contains(&b' ') {
            format!("\"{}\"", escape(arg))
        } else {
            escape(arg)
        }
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}
