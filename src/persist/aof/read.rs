//! One file of the log, read back: its commands in order, up to its end or to where it is damaged.

use anyhow::{Context, Result, bail};

use super::seal::{SEAL_MAX, Seal};
use crate::persist::window::Window;
use crate::resp::{Codec, ProtoLimits};

/// What runs a command of the log.
pub type Apply<'a> = dyn FnMut(&[&[u8]]) -> Result<()> + 'a;

/// How a file ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
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
    /// Whether a seal was seen: then this server wrote the file, and damage can be told from rot.
    sealed: bool,
    group: Option<Group>,
}

/// The commands since a MULTI whose EXEC has not come yet.
struct Group {
    at: u64,
    commands: Vec<Vec<Vec<u8>>>,
}

impl<'w, 's> LogFile<'w, 's> {
    pub fn new(window: &'w mut Window<'s>, name: &'w str) -> Self {
        LogFile {
            window,
            name,
            codec: Codec::default(),
            sealed: false,
            group: None,
        }
    }

    pub fn replay(mut self, apply: &mut Apply<'_>) -> Result<End> {
        loop {
            let at = self.window.offset();
            if self.window.bytes().is_empty() && !self.window.more()? {
                let torn = self.group.as_ref().map(|group| End::Torn {
                    at: group.at,
                    why: "a transaction has no EXEC",
                });
                return Ok(torn.unwrap_or(End::Whole));
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
        if !self.window.bytes().starts_with(b"#CK:") {
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
            let mut codec = Codec::default();
            let request = codec.next(body, &LIMITS).ok().flatten();
            let Some(request) = request.filter(|_| body[0] == b'*') else {
                bail!(bad_format(self.name, at + done as u64));
            };
            let argv: Vec<&[u8]> = request.args(body).collect();
            let size = request.len();
            take(&mut self.group, &argv, at + done as u64, apply)
                .with_context(|| format!("reading the append only file {}", self.name))?;
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
            match self.codec.next(bytes, &LIMITS) {
                Err(_) => return Ok(Some(Damage::Garbled)),
                Ok(Some(request)) => {
                    let size = request.len();
                    let argv: Vec<&[u8]> = request.args(bytes).collect();
                    if !argv.is_empty() {
                        take(&mut self.group, &argv, at, apply).with_context(|| {
                            format!("reading the append only file {}", self.name)
                        })?;
                    }
                    self.window.consume(size);
                    return Ok(None);
                }
                Ok(None) => {}
            }
            if !self.window.more()? {
                return Ok(Some(Damage::Short));
            }
        }
    }

    /// What stands at `at` can't be read. Is that where writing was cut off, or has the file rotted?
    fn damage(&mut self, at: u64, damage: Damage) -> Result<End> {
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
            damage => Ok(End::Torn {
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

fn bad_format(name: &str, at: u64) -> String {
    format!(
        "Bad file format reading the append only file {name}: make a backup of your AOF file, then use ./redis-check-aof \
         --fix <filename.manifest> (offset {at})"
    )
}

/// Runs a command, or keeps it until its transaction is whole.
fn take(group: &mut Option<Group>, argv: &[&[u8]], at: u64, apply: &mut Apply<'_>) -> Result<()> {
    match (&argv[0].to_ascii_lowercase()[..], &mut *group) {
        (b"multi", None) => {
            *group = Some(Group {
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
