//! One file of the log, read back: its commands in order, up to its end or to where it is damaged.

use anyhow::{Context, Result, bail};

use super::seal::{SEAL_MAX, Seal};
use crate::config::REDIS_VERSION;
use crate::persist::rdb::Update;
use crate::persist::window::Window;
use crate::resp::{Codec, ProtoLimits, Request};

/// What runs a command of the log.
pub type Apply<'a> = dyn FnMut(&[&[u8]]) -> Result<()> + 'a;

/// How a file ended.
#[derive(Debug, PartialEq, Eq)]
pub enum AofEnd {
    Whole,
    /// Everything before this offset was read; what follows it was never written whole.
    Torn {
        at: u64,
        why: &'static str,
    },
}

const LIMITS: ProtoLimits = ProtoLimits {
    bulk_max: u64::MAX,
    authenticated: true,
};

/// The walk over one file.
pub struct LogFile<'w, 's> {
    window: &'w mut Window<'s>,
    name: &'w str,
    codec: Codec,
    request: Request,
    /// Whether a seal was seen: then this server wrote the file, and damage can be told from rot.
    sealed: bool,
    group: Option<OpenMulti>,
}

/// The commands since a MULTI whose EXEC has not come yet.
struct OpenMulti {
    at: u64,
    commands: Vec<Vec<Vec<u8>>>,
}

impl<'w, 's> LogFile<'w, 's> {
    pub fn new(window: &'w mut Window<'s>, name: &'w str) -> Self {
        LogFile {
            window,
            name,
            codec: Codec::default(),
            request: Request::default(),
            sealed: false,
            group: None,
        }
    }

    pub fn replay(mut self, apply: &mut Apply<'_>) -> Result<AofEnd> {
        loop {
            let at = self.window.offset();
            if self.window.bytes().is_empty() && !self.window.more()? {
                let torn = self.group.as_ref().map(|group| AofEnd::Torn {
                    at: group.at,
                    why: "a transaction has no EXEC",
                });
                return Ok(torn.unwrap_or(AofEnd::Whole));
            }
            let damaged = match self.window.bytes().first() {
                Some(b'#') => self.annotation(apply)?,
                Some(b'*') => self.command(apply)?,
                _ => Some(Damage::Garbled),
            };
            if let Some(damage) = damaged {
                return self.damage(at, damage);
            }
        }
    }

    /// A line that is no command: a seal with what it encloses, or something that is passed over.
    fn annotation(&mut self, apply: &mut Apply<'_>) -> Result<Option<Damage>> {
        let end = loop {
            match memchr::memchr(b'\n', self.window.bytes()) {
                Some(end) => break end + 1,
                None if self.window.more()? => {}
                None => return Ok(Some(Damage::Short)),
            }
        };
        let bytes = self.window.bytes();
        if !bytes.starts_with(b"#CK:") {
            if self.sealed && !bytes.starts_with(b"#TS:") {
                // In a file of ours it was a seal once.
                return Ok(Some(Damage::Garbled));
            }
            self.window.consume(end);
            return Ok(None);
        }
        self.sealed = true;
        let Some((seal, used)) = Seal::read(self.window.bytes()) else {
            return Ok(Some(Damage::Garbled));
        };
        debug_assert!(used <= SEAL_MAX);
        let Ok(len) = usize::try_from(seal.len) else {
            return Ok(Some(Damage::Garbled));
        };
        if !self.window.fill(used.saturating_add(len))? {
            return Ok(Some(Damage::Short));
        }
        let body = &self.window.bytes()[used..used + len];
        if !seal.fits(body) {
            return Ok(Some(Damage::Sum));
        }
        let (at, mut done) = (self.window.offset() + used as u64, 0);
        while done < len {
            let body = &self.window.bytes()[used..used + len][done..];
            if body[0] == b'#' {
                let line = memchr::memchr(b'\n', body).context("a sealed annotation has an end")?;
                done += line + 1;
                continue;
            }
            let request = &mut self.request;
            let whole =
                body[0] == b'*' && Codec::default().next(body, &LIMITS, request) == Ok(true);
            if !whole {
                bail!(bad_format(self.name, at + done as u64));
            }
            let argv: Vec<&[u8]> = request.args(body).collect();
            let size = request.len();
            take(&mut self.group, &argv, at + done as u64, apply)
                .map_err(|error| told_of(&error, self.name))?;
            done += size;
        }
        self.window.consume(used + len);
        Ok(None)
    }

    /// A command that no seal encloses: another server wrote it.
    fn command(&mut self, apply: &mut Apply<'_>) -> Result<Option<Damage>> {
        loop {
            let at = self.window.offset();
            let bytes = self.window.bytes();
            let request = &mut self.request;
            match self.codec.next(bytes, &LIMITS, request) {
                Err(_) => return Ok(Some(Damage::Garbled)),
                Ok(true) => {
                    let size = request.len();
                    let argv: Vec<&[u8]> = request.args(bytes).collect();
                    if !argv.is_empty() {
                        take(&mut self.group, &argv, at, apply)
                            .map_err(|error| told_of(&error, self.name))?;
                    }
                    self.window.consume(size);
                    return Ok(None);
                }
                Ok(false) => {}
            }
            if !self.window.more()? {
                return Ok(Some(Damage::Short));
            }
        }
    }

    /// What stands at `at` can't be read. Is that where writing was cut off, or has the file rotted?
    fn damage(&mut self, at: u64, damage: Damage) -> Result<AofEnd> {
        let at_unit = self.group.as_ref().map_or(at, |group| group.at);
        while self.window.more()? {}
        // A later piece that is whole and says that the disk had these bytes makes it rot.
        let mut rest = self.window.bytes().get(1..).unwrap_or_default();
        while let Some((seal, used)) = Seal::find(rest) {
            if seal.durable > at {
                bail!(
                    "Bad file format reading the append only file {}: damaged at offset {at}, and what follows is \
                     whole, so this is no torn end. Make a backup of your AOF file, then use ./redis-check-aof --fix \
                     <filename.manifest>, which drops everything from there on",
                    self.name
                );
            }
            rest = &rest[used..];
        }
        match damage {
            Damage::Garbled if !self.sealed => bail!(bad_format(self.name, at)),
            damage => Ok(AofEnd::Torn {
                at: at_unit,
                why: damage.told(),
            }),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    Short,
    Sum,
    Garbled,
}

impl Damage {
    fn told(self) -> &'static str {
        match self {
            Damage::Short => "the file ends inside it",
            Damage::Sum => "its checksum is wrong",
            Damage::Garbled => "it is no record",
        }
    }
}

fn told_of(error: &anyhow::Error, name: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "{error} reading the append only file {name}. The append only file may be generated by a newer version of \
         Redis than {REDIS_VERSION}, and used with an older one"
    )
}

fn bad_format(name: &str, at: u64) -> String {
    format!(
        "Bad file format reading the append only file {name}: make a backup of your AOF file, then use ./redis-check-aof \
         --fix <filename.manifest> (offset {at})"
    )
}

/// Runs a command, or keeps it until its transaction is whole.
fn take(
    group: &mut Option<OpenMulti>,
    argv: &[&[u8]],
    at: u64,
    apply: &mut Apply<'_>,
) -> Result<()> {
    match (&argv[0].to_ascii_lowercase()[..], &mut *group) {
        (b"multi", None) => {
            *group = Some(OpenMulti {
                at,
                commands: Vec::new(),
            });
        }
        (b"exec", Some(_)) => {
            for command in group.take().into_iter().flat_map(|group| group.commands) {
                let argv: Vec<&[u8]> = command.iter().map(|arg| &arg[..]).collect();
                apply(&argv)?;
            }
        }
        (_, Some(group)) => group
            .commands
            .push(argv.iter().map(|arg| arg.to_vec()).collect()),
        (_, None) => apply(argv)?,
    }
    Ok(())
}

/// Runs the edits that came with a snapshot, in the order in which they were made. Nobody sees what is between two of them,
/// so those of a transaction need no bracket.
pub fn run_updates(updates: &[Update], apply: &mut Apply<'_>) -> Result<()> {
    let mut selected = None;
    for Update { db, args } in updates.iter().filter(|update| !update.is_bracket()) {
        if selected.replace(*db) != Some(*db) {
            apply(&[b"SELECT", db.to_string().as_bytes()])?;
        }
        let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
        apply(&args).context("in a command that stands in the snapshot")?;
    }
    // What follows begins as every file does.
    match selected {
        None | Some(0) => Ok(()),
        Some(_) => apply(&[b"SELECT", b"0"]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::seal::Seal;
    use super::*;
    use crate::persist::loading::Loading;
    use crate::resp::encode;

    /// A log of records, each sealed on its own; `durable` says how much of it the disk had at each.
    struct Sample {
        bytes: Vec<u8>,
        /// Where each record's seal begins, and at last the end.
        bounds: Vec<usize>,
    }

    fn sample(records: usize, durable: impl Fn(usize) -> usize) -> Sample {
        let (mut bytes, mut bounds) = (Vec::new(), vec![0]);
        for n in 0..records {
            let mut body = Vec::new();
            encode(
                &["SET".to_owned(), format!("k{n}"), "v\r\n*1\r\n".repeat(3)],
                &mut body,
            );
            Seal::write(&body, durable(bytes.len()) as u64, &mut bytes);
            bytes.extend_from_slice(&body);
            bounds.push(bytes.len());
        }
        Sample { bytes, bounds }
    }

    /// How many records came through, and how it ended.
    fn replay(bytes: &[u8]) -> (usize, Result<AofEnd>) {
        let loading = Loading::default();
        let mut window = Window::new(bytes, &loading);
        let mut count = 0;
        let end = LogFile::new(&mut window, "file").replay(&mut |argv| {
            assert_eq!(argv[1], format!("k{count}").as_bytes());
            count += 1;
            Ok(())
        });
        (count, end)
    }

    fn torn_at(end: Result<AofEnd>) -> usize {
        match end.unwrap() {
            AofEnd::Torn { at, .. } => at as usize,
            AofEnd::Whole => panic!("it was taken for whole"),
        }
    }

    #[test]
    fn a_log_cut_at_any_byte_ends_at_its_last_whole_record() {
        let Sample { bytes, bounds } = sample(6, |at| at);
        for at in 0..=bytes.len() {
            let whole = bounds.partition_point(|bound| *bound <= at) - 1;
            let (count, end) = replay(&bytes[..at]);
            assert_eq!(count, whole, "cut at {at}");
            if bounds.contains(&at) {
                assert_eq!(end.unwrap(), AofEnd::Whole, "cut at {at}");
            } else {
                assert_eq!(torn_at(end), bounds[whole], "cut at {at}");
            }
        }
    }

    #[test]
    fn a_tail_that_the_disk_never_had_is_cut_off() {
        // All was written at once; only the first two records had reached the disk.
        let bounds = sample(6, |at| at).bounds;
        let Sample { bytes, .. } = sample(6, |at| at.min(bounds[2]));
        for at in bounds[2]..bytes.len() {
            let whole = bounds.partition_point(|bound| *bound <= at) - 1;
            for harm in [0, 1] {
                let mut bad = bytes.clone();
                match harm {
                    0 => bad[at..].fill(0),
                    _ => bad[at] ^= 0x10,
                }
                let (count, end) = replay(&bad);
                assert_eq!(
                    (count, torn_at(end)),
                    (whole, bounds[whole]),
                    "harm {harm} at {at}"
                );
            }
        }
    }

    #[test]
    fn what_the_disk_had_and_lost_is_rot() {
        let Sample { bytes, bounds } = sample(6, |at| at);
        // In the first seal's name a flip makes it an annotation of somebody else's.
        for at in (0..bounds[5]).filter(|at| !(1..4).contains(at)) {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            let damaged = bounds[bounds.partition_point(|bound| *bound <= at) - 1];
            let (_, end) = replay(&bad);
            let told = end.unwrap_err().to_string();
            assert!(
                told.contains(&format!("damaged at offset {damaged},")),
                "at {at}: {told}"
            );
        }
    }

    #[test]
    fn commands_without_seals_are_read_as_the_real_server_reads_them() {
        let mut plain = Vec::new();
        encode(&["SET", "k0", "v"], &mut plain);
        let one = plain.len();
        plain.extend_from_slice(b"#TS:1700000000\r\n");
        encode(&["MULTI"], &mut plain);
        encode(&["SET", "k1", "v"], &mut plain);
        encode(&["SET", "k2", "v"], &mut plain);
        let open = plain.len();
        encode(&["EXEC"], &mut plain);
        let (count, end) = replay(&plain);
        assert_eq!((count, end.unwrap()), (3, AofEnd::Whole));
        // A transaction without its end has not happened.
        let (count, end) = replay(&plain[..open]);
        assert_eq!((count, torn_at(end)), (1, one + 16));
        let (count, end) = replay(&plain[..one - 3]);
        assert_eq!((count, torn_at(end)), (0, 0));
        // Without seals nobody knows whether it was ever right.
        let (_, end) = replay(&[&plain[..one], &b"garbage"[..]].concat());
        assert!(end.unwrap_err().to_string().starts_with("Bad file format"));
        // The real server went on behind our records.
        let mut both = sample(2, |at| at).bytes;
        encode(&["SET", "k2", "v"], &mut both);
        let (count, end) = replay(&both);
        assert_eq!((count, end.unwrap()), (3, AofEnd::Whole));
    }
}
