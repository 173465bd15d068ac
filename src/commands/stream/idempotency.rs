//! Producers who say who they are, so that what they send twice is added once.
//!
//! The log has such an entry as any other, and a line of its own that says which of the producer's ids stands for it: a
//! reader that knows nothing of producers loses none of the entries.

use super::id;
use crate::command::Flag::{DenyOom, Fast};
use crate::command::{Arg, Args, Command, Done, Fail, Flow, KeyUse, Run, WriteCall};
use crate::config::Config;
use crate::engine::Garbage;
use crate::types::Type;
use crate::types::stream::{DURATION_MAX_S, IDS_MAX, Id, IdText, Idempotency, Stream};

/// XADD's arguments that say whose entry it is.
pub const PRODUCER: Arg = Arg::one_of(
    "idmp",
    &[
        Arg::text("pid").token("IDMPAUTO"),
        Arg::block("idmp-ids", &[Arg::text("pid"), Arg::text("iid")]).token("IDMP"),
    ],
)
.optional()
.since("8.6.0");

/// What a stream without producers would remember.
pub fn fresh(config: &Config) -> Idempotency {
    Idempotency::new(
        config.stream_idmp_duration.get() as u64,
        config.stream_idmp_maxsize.get() as usize,
    )
}

/// For how long a stream remembers what producers added, and how much of it, as the log has it: the configuration of whoever reads
/// the log may say otherwise.
pub struct Retention {
    duration_s: u64,
    ids_max: usize,
}

impl Retention {
    fn of(known: &Idempotency) -> Self {
        Retention {
            duration_s: known.duration_s(),
            ids_max: known.ids_max(),
        }
    }

    /// Lets a stream remember what producers add, as the configuration says; nothing if it does already.
    fn make(stream: &mut Stream, config: &Config) -> Option<Self> {
        if stream.idempotency.is_some() {
            return None;
        }
        let known = fresh(config);
        let setup = Retention::of(&known);
        stream.idempotency = Some(Box::new(known));
        Some(setup)
    }

    pub fn log(&self, call: &mut WriteCall<'_>, key: &[u8]) {
        let (mut duration, mut maxsize) = (itoa::Buffer::new(), itoa::Buffer::new());
        call.db.log(&[
            b"XCFGSET",
            key,
            b"IDMP-DURATION",
            duration.format(self.duration_s).as_bytes(),
            b"IDMP-MAXSIZE",
            maxsize.format(self.ids_max).as_bytes(),
        ]);
    }
}

/// Who adds an entry.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    name: &'a [u8],
    /// Its own id for the entry; made of the entry's names and values if it gives none.
    iid: Option<&'a [u8]>,
}

impl<'a> Sender<'a> {
    /// Takes IDMP or IDMPAUTO with what follows, if one is there.
    pub fn take(args: &mut Args<'a>, held: &mut Option<Self>) -> Result<bool, Fail> {
        let is_auto = args.word_with("IDMPAUTO", 1);
        if !is_auto && !args.word_with("IDMP", 2) {
            return Ok(false);
        }
        if held.is_some() {
            return Err(Fail::Says(
                "syntax error, IDMP/IDMPAUTO specified multiple times",
            ));
        }
        let name = args.next()?;
        let iid = (!is_auto).then(|| args.next()).transpose()?;
        let fail = match (name, iid) {
            (b"", None) => "syntax error, IDMPAUTO requires a non-empty producer ID",
            (b"", Some(_)) => "syntax error, IDMP requires a non-empty producer ID",
            (_, Some(b"")) => "syntax error, IDMP requires a non-empty idempotent ID",
            _ => {
                *held = Some(Sender { name, iid });
                return Ok(true);
            }
        };
        Err(Fail::Says(fail))
    }

    /// What the entry is known by, now that its names and values are.
    pub fn mention(self, pairs: &[&[u8]]) -> Mention<'a> {
        Mention {
            producer: self.name,
            iid: self.iid.map_or_else(|| iid_of(pairs), <[u8]>::to_vec),
        }
    }
}

/// What an entry is known by to its producer.
pub struct Mention<'a> {
    producer: &'a [u8],
    iid: Vec<u8>,
}

impl Mention<'_> {
    /// The entry that was added mentioned so before. Counts that it was sent again.
    pub fn repeated(&self, stream: &mut Stream, now_ms: u64) -> Option<Id> {
        let known = stream.idempotency.as_mut()?;
        let id = known.find(self.producer, &self.iid, now_ms)?;
        known.duplicates = known.duplicates.wrapping_add(1);
        Some(id)
    }

    /// Returns what the stream was set up with, if this is its first producer.
    pub fn remember(
        &self,
        stream: &mut Stream,
        id: Id,
        config: &Config,
        now_ms: u64,
    ) -> Option<Retention> {
        let setup = Retention::make(stream, config);
        let known = stream.idempotency.as_mut()?;
        known.remember(self.producer, &self.iid, id, now_ms);
        setup
    }

    /// Logs that the entry is known by this: for the second time, if it was sent again.
    pub fn log(&self, call: &mut WriteCall<'_>, key: &[u8], id: Id) {
        let mut room = IdText::default();
        let id = id.text(&mut room);
        call.db
            .log(&[b"XIDMPRECORD", key, self.producer, &self.iid, id]);
    }
}

/// An id made of an entry's names and values, as Redis makes it: the same in any order of the pairs.
fn iid_of(pairs: &[&[u8]]) -> Vec<u8> {
    let (mut sums, mut mix) = ([0_u64; 2], [0_u64; 2]);
    for pair in pairs.chunks_exact(2) {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        hash.update(pair[0]);
        hash.update(&(pair[0].len() as u64).to_le_bytes());
        hash.update(pair[1]);
        let digest = hash.digest128();
        for (at, half) in [digest as u64, (digest >> 64) as u64]
            .into_iter()
            .enumerate()
        {
            sums[at] = sums[at].wrapping_add(half);
            mix[at] ^= half;
        }
    }
    let halves = [
        sums[0] ^ mix[1].rotate_left(1),
        sums[1] ^ mix[0].rotate_left(1),
    ];
    halves.iter().flat_map(|half| half.to_le_bytes()).collect()
}

pub const XCFGSET: Command = Command {
    name: "xcfgset",
    summary: "Sets for how long a stream remembers what producers added, and how much of it",
    since: "8.6.0",
    flags: &[Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::int("idmp-duration").token("IDMP-DURATION").optional(),
        Arg::int("idmp-maxsize").token("IDMP-MAXSIZE").optional(),
    ],
    run: Run::Write(xcfgset),
    ..Command::PLAIN
};

/// A number that may be given once, in its range.
fn once(
    args: &mut Args<'_>,
    held: &mut Option<i64>,
    max: u64,
    fails: [&'static str; 2],
) -> Result<(), Fail> {
    if held.is_some() {
        return Err(Fail::Says(fails[0]));
    }
    let n = args.int()?;
    if !(1..=max as i64).contains(&n) {
        return Err(Fail::Says(fails[1]));
    }
    *held = Some(n);
    Ok(())
}

fn xcfgset(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    // A key that isn't there, or of another type, is the first complaint.
    drop(call.db.edit::<Stream>(key)?.ok_or(Fail::NO_KEY)?);
    let (mut duration, mut maxsize) = (None, None);
    while !call.args.is_empty() {
        if call.args.word_with("IDMP-DURATION", 1) {
            let fails = [
                "IDMP-DURATION specified multiple times",
                "IDMP-DURATION must be between 1 and 86400 seconds",
            ];
            once(&mut call.args, &mut duration, DURATION_MAX_S, fails)?;
        } else if call.args.word_with("IDMP-MAXSIZE", 1) {
            let fails = [
                "IDMP-MAXSIZE specified multiple times",
                "IDMP-MAXSIZE must be between 1 and 10000 entries",
            ];
            once(&mut call.args, &mut maxsize, IDS_MAX, fails)?;
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    if duration.is_none() && maxsize.is_none() {
        return Err(Fail::Says("At least one parameter must be specified"));
    }
    let mut stream = call.db.edit::<Stream>(key)?.ok_or(Fail::NO_KEY)?;
    let is_new = Retention::make(&mut stream, &call.server.config).is_some();
    let Some(known) = &mut stream.idempotency else {
        unreachable!("it was just made, if there was none");
    };
    let duration_s = duration.map_or(known.duration_s(), |n| n as u64);
    let ids_max = maxsize.map_or(known.ids_max(), |n| n as usize);
    let forgotten = known.configure(duration_s, ids_max);
    let setup = Retention::of(known);
    let is_changed = is_new || forgotten.is_some();
    if is_changed {
        stream.note();
    }
    drop(stream);
    if is_changed {
        setup.log(call, key);
    }
    let garbage = forgotten.map(|known| Garbage::Value(Stream::of_known(known).wrap()));
    call.db.effects().garbage.extend(garbage);
    call.out.ok();
    Ok(Flow::Done)
}

pub const XIDMPRECORD: Command = Command {
    name: "xidmprecord",
    summary: "Says by which id a producer knows an entry: for the log and for replicas",
    since: "8.6.2",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::UPDATE),
        Arg::text("pid"),
        Arg::text("iid"),
        Arg::text("stream-id"),
    ],
    run: Run::Write(xidmprecord),
    ..Command::PLAIN
};

fn xidmprecord(call: &mut WriteCall<'_>) -> Done {
    let (key, producer, iid) = (call.args.next()?, call.args.next()?, call.args.next()?);
    let id = id::parse(call.args.next()?, 0)?;
    if producer.is_empty() {
        return Err(Fail::Says("producer ID must be non-empty"));
    }
    if iid.is_empty() {
        return Err(Fail::Says("idempotent ID must be non-empty"));
    }
    let (is_told, now_ms) = (call.user.is_none(), call.db.clock_ms());
    let mut stream = call.db.edit::<Stream>(key)?.ok_or(Fail::NO_KEY)?;
    let known = stream.idempotency.as_ref();
    let held = known.and_then(|known| known.find(producer, iid, now_ms));
    // What a log or a master says was so, whatever this server's clock and limits would have made of it.
    if !is_told && stream.get(id).is_none() {
        return Err(Fail::Says("No such message in stream"));
    }
    if !is_told && held.is_some_and(|held| held != id) {
        return Err(Fail::Says(
            "IID already exists for this producer with a different stream ID",
        ));
    }
    let setup = Retention::make(&mut stream, &call.server.config);
    let Some(known) = &mut stream.idempotency else {
        unreachable!("it was just made, if there was none");
    };
    if held != Some(id) {
        known.remember(producer, iid, id, now_ms);
        stream.note();
    } else if is_told {
        known.duplicates = known.duplicates.wrapping_add(1);
        stream.note();
    }
    drop(stream);
    if let Some(setup) = setup {
        setup.log(call, key);
        let mut room = IdText::default();
        call.db
            .log(&[b"XIDMPRECORD", key, producer, iid, id.text(&mut room)]);
    }
    call.out.ok();
    Ok(Flow::Done)
}

#[cfg(test)]
mod tests {
    use super::iid_of;

    #[test]
    fn an_id_made_of_an_entry_does_not_depend_on_the_order_of_its_pairs_and_on_all_else() {
        let of = |line: &str| iid_of(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>());
        assert_eq!(of("a 1 b 2"), of("b 2 a 1"));
        assert_eq!(of("a 1").len(), 16);
        for other in ["a 2", "b 1", "1 a", "a 1 a 1", "a 1 b 2 b 2"] {
            assert_ne!(of("a 1"), of(other));
        }
        assert_ne!(of("ab c"), of("a bc"));
    }
}
