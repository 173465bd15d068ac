//! A snapshot to a file: header, keys, checksum.

use std::io;

use super::dialect::{self, Needs, SnapshotForm};
use super::opcode;
use super::write::{RdbWriter, Spill, Style};
use crate::config::REDIS_VERSION;
use crate::engine::{Census, SavedKey, Snapshot};
use crate::persist::crc64;
use crate::persist::disk::{DiskFile, Pushed};
use crate::types::ValueRef;
use crate::util::{clock, thread};

/// Keys taken under one lock.
const KEYS_PER_LOCK: usize = 32;

/// What is written beside the keys.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Libraries of functions, as they were read.
    pub functions: Vec<Vec<u8>>,
    /// Commands that make indexes again.
    pub searches: Vec<Vec<Vec<u8>>>,
}

/// The auxiliary field that holds a command by which an index is made again. Redis passes over fields that it doesn't know.
pub const SEARCH_AUX: &[u8] = b"vermilion-search";

/// The auxiliary field that says that the key which follows is never evicted.
pub const BLESSED_AUX: &[u8] = b"vermilion-blessed";

/// A command as that field holds it: each word behind its length.
fn pack_words(words: &[Vec<u8>]) -> Vec<u8> {
    let mut packed = Vec::new();
    for word in words {
        packed.extend_from_slice(&(word.len() as u32).to_le_bytes());
        packed.extend_from_slice(word);
    }
    packed
}

/// The words of such a field; nothing if it is no command.
pub fn unpack_words(mut packed: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    while !packed.is_empty() {
        let (len, rest) = packed.split_first_chunk::<4>()?;
        let (word, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        words.push(word.to_vec());
        packed = rest;
    }
    (!words.is_empty()).then_some(words)
}

/// How a snapshot is written.
#[derive(Clone, Copy, Debug)]
pub struct SaveRules {
    pub form: SnapshotForm,
    pub compress: bool,
    pub checksum: bool,
    pub sync_often: bool,
    /// Which of the access marks is worth keeping.
    pub access: Option<AccessMark>,
    /// The first part of an append only file.
    pub aof_base: bool,
    /// Which history of edits it is a part of.
    pub origin: Option<Origin>,
    /// Functions alone.
    pub no_data: bool,
    /// A reader at the other end wants to see progress.
    pub eager: bool,
}

/// A history of edits by its name, the offset up to which it goes, and the database that it has selected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub id: [u8; 40],
    pub offset: u64,
    pub db: usize,
}

/// What an access mark means under the eviction policy in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMark {
    Idle,
    Frequency,
}

/// The file as it is written, and summed up.
struct RdbOutput<'f> {
    file: Pushed<'f>,
    digest: Option<crc64::Digest>,
    total: u64,
    /// The first one; nothing is written after it.
    error: Option<io::Error>,
}

impl Spill for RdbOutput<'_> {
    fn spill(&mut self, bytes: &mut Vec<u8>) {
        if self.error.is_none() {
            self.error = self.write(bytes).err();
        }
        bytes.clear();
        // In the middle of a large value, too.
        thread::rest();
    }
}

impl RdbOutput<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        self.file.write_all(bytes)?;
        self.total += bytes.len() as u64;
        Ok(())
    }

    /// Fails if anything was not written.
    fn check(&mut self) -> io::Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }
}

/// Writes all keys of the snapshot, and what stands beside them. `wrote` hears of the keys written
/// since it was called last, and may give up with an error. Returns the file's length.
pub fn save(
    mut snapshot: Snapshot<'_>,
    beside: &Beside,
    rules: &SaveRules,
    file: &mut dyn DiskFile,
    mut wrote: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<u64> {
    let style = style(&snapshot, rules)?;
    let out = RdbOutput {
        file: Pushed::new(file, rules.sync_often),
        digest: rules.checksum.then(crc64::digest),
        total: 0,
        error: None,
    };
    let mut writer = RdbWriter::new(style, out);
    header(&snapshot, beside, rules, &mut writer);
    let mut selected = None;
    while !rules.no_data
        && let Some(keys) = snapshot.next(KEYS_PER_LOCK)
    {
        let count = keys.len() as u64;
        for saved in keys {
            if selected != Some(saved.db) {
                selected = Some(saved.db);
                writer.out.push(opcode::SELECT);
                writer.len(saved.db as u64);
            }
            key(&saved, rules, &mut writer);
        }
        if rules.eager {
            let RdbWriter { out, spill, .. } = &mut writer;
            spill.spill(out);
        }
        writer.spill.check()?;
        crate::util::memory::publish();
        wrote(count)?;
    }
    let RdbWriter {
        mut out,
        spill: mut output,
        ..
    } = writer;
    out.push(opcode::END);
    output.spill(&mut out);
    let sum = output.digest.take().map_or(0, |digest| digest.finalize());
    output.spill(&mut sum.to_le_bytes().to_vec());
    output.check()?;
    output.file.sync()?;
    Ok(output.total)
}

fn needs(census: &Census) -> Needs {
    let databases = &census.databases;
    Needs {
        timed: databases
            .iter()
            .any(|contents| contents.volatile_hashes > 0),
        later_streams: databases.iter().any(|contents| contents.later_streams),
    }
}

/// Whether who wants one form wants the same bytes of these data as stand in a file of another one.
pub fn is_same(wanted: SnapshotForm, own: SnapshotForm, census: &Census) -> bool {
    wanted.is_met_by(own, needs(census))
}

fn style(snapshot: &Snapshot<'_>, rules: &SaveRules) -> io::Result<Style> {
    let needs = needs(&snapshot.census);
    let version = rules.form.pick(needs).map_err(io::Error::other)?;
    Ok(Style {
        version,
        compress: rules.compress,
    })
}

fn header<S: Spill>(
    snapshot: &Snapshot<'_>,
    beside: &Beside,
    rules: &SaveRules,
    writer: &mut RdbWriter<S>,
) {
    let magic = dialect::magic(writer.style.version);
    writer.out.extend_from_slice(magic.as_bytes());
    let aux = [
        ("redis-ver", REDIS_VERSION.to_owned()),
        ("redis-bits", "64".to_owned()),
        ("ctime", (clock::now_ms() / 1000).to_string()),
        ("used-mem", crate::util::memory::used().to_string()),
        ("aof-base", u8::from(rules.aof_base).to_string()),
    ];
    for (name, value) in aux {
        writer.out.push(opcode::AUX);
        writer.string(name.as_bytes());
        writer.string(value.as_bytes());
    }
    if let Some(origin) = &rules.origin {
        let (db, offset) = (origin.db.to_string(), origin.offset.to_string());
        let aux = [
            (&b"repl-stream-db"[..], db.as_bytes()),
            (b"repl-id", &origin.id),
            (b"repl-offset", offset.as_bytes()),
        ];
        for (name, value) in aux {
            writer.out.push(opcode::AUX);
            writer.string(name);
            writer.string(value);
        }
    }
    for making in &beside.searches {
        writer.out.push(opcode::AUX);
        writer.string(SEARCH_AUX);
        writer.string(&pack_words(making));
    }
    for function in &beside.functions {
        writer.out.push(opcode::FUNCTION);
        writer.string(function);
    }
    for (db, contents) in snapshot.census.databases.iter().enumerate() {
        if contents.keys > 0 && !rules.no_data {
            writer.out.push(opcode::SELECT);
            writer.len(db as u64);
            writer.out.push(opcode::RESIZE);
            writer.len(contents.keys as u64);
            writer.len(contents.volatile as u64);
        }
    }
}

fn key<S: Spill>(saved: &SavedKey, rules: &SaveRules, writer: &mut RdbWriter<S>) {
    if let Some(deadline_ms) = saved.deadline_ms {
        writer.out.push(opcode::DEADLINE_MS);
        writer.out.extend_from_slice(&deadline_ms.to_le_bytes());
    }
    match rules.access {
        None => {}
        Some(AccessMark::Idle) => {
            writer.out.push(opcode::IDLE);
            writer.len(saved.access.idle_seconds(clock::now_ms()));
        }
        Some(AccessMark::Frequency) => {
            writer.out.push(opcode::FREQUENCY);
            writer.out.push(saved.access.counter());
        }
    }
    if saved.blessed {
        writer.out.push(opcode::AUX);
        writer.string(BLESSED_AUX);
        writer.string(b"1");
    }
    if let ValueRef::Set(set) = saved.value.as_ref() {
        writer.member_deadlines(set);
    }
    let kind = writer.kind_of(saved.value.as_ref());
    writer.out.push(dialect::number(kind));
    writer.string(&saved.key);
    writer.value(saved.value.as_ref());
}
