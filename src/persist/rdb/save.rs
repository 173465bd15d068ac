//! A snapshot to a file: header, keys, checksum.

use std::io;

use super::compress::Compressor;
use super::write::{Style, Writer};
use super::{CRC, VERSION_FIELD_TTL, VERSION_PLAIN, opcode};
use crate::config::REDIS_VERSION;
use crate::engine::{SavedKey, Snapshot};
use crate::persist::disk::DiskFile;
use crate::util::clock;

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 256 * 1024;
/// Bytes written before they are pushed to the disk, so that the last sync is short.
const SYNC_BYTES: u64 = 4 << 20;
/// Keys taken under one lock.
const KEYS_PER_LOCK: usize = 32;

/// How a snapshot is written.
#[derive(Clone, Copy, Debug)]
pub struct SaveRules {
    /// `None`: the lowest that can carry the data.
    pub version: Option<u16>,
    pub compress: bool,
    pub checksum: bool,
    pub sync_often: bool,
    /// Which of the access marks is worth keeping.
    pub access: Option<Mark>,
    /// The first part of an append only file.
    pub aof_base: bool,
}

/// What an access mark means under the eviction policy in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Idle,
    Frequency,
}

/// The file as it is written: buffered, and summed up.
struct Output<'f> {
    file: &'f mut dyn DiskFile,
    buf: Vec<u8>,
    digest: Option<crc::Digest<'static, u64, crc::Table<16>>>,
    unsynced: u64,
    sync_often: bool,
    total: u64,
}

impl Output<'_> {
    fn flush(&mut self) -> io::Result<()> {
        if let Some(digest) = &mut self.digest {
            digest.update(&self.buf);
        }
        self.file.write_all(&self.buf)?;
        self.total += self.buf.len() as u64;
        self.unsynced += self.buf.len() as u64;
        self.buf.clear();
        if self.sync_often && self.unsynced >= SYNC_BYTES {
            self.file.sync()?;
            self.unsynced = 0;
        }
        Ok(())
    }
}

/// Writes all keys of the snapshot, and `functions` as they were read. `wrote` hears of the keys written
/// since it was called last, and may give up with an error. Returns the file's length.
pub fn save(
    mut snapshot: Snapshot<'_>,
    functions: &[Vec<u8>],
    rules: &SaveRules,
    file: &mut dyn DiskFile,
    mut wrote: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<u64> {
    let style = style(&snapshot, rules)?;
    let mut out = Output {
        file,
        buf: Vec::with_capacity(WRITE_BYTES * 2),
        digest: rules.checksum.then(|| CRC.digest()),
        unsynced: 0,
        sync_often: rules.sync_often,
        total: 0,
    };
    let mut compressor = Compressor::default();
    header(&snapshot, functions, style, rules, &mut out.buf);
    let mut selected = None;
    while let Some(keys) = snapshot.next(KEYS_PER_LOCK) {
        let count = keys.len() as u64;
        for saved in keys {
            let mut writer = Writer {
                out: &mut out.buf,
                style,
                compressor: &mut compressor,
            };
            if selected != Some(saved.db) {
                selected = Some(saved.db);
                writer.out.push(opcode::SELECT);
                writer.len(saved.db as u64);
            }
            key(&saved, rules, &mut writer);
            if out.buf.len() >= WRITE_BYTES {
                out.flush()?;
            }
        }
        crate::util::memory::publish();
        wrote(count)?;
    }
    out.buf.push(opcode::END);
    out.flush()?;
    let sum = out.digest.take().map_or(0, |digest| digest.finalize());
    out.buf.extend_from_slice(&sum.to_le_bytes());
    out.flush()?;
    out.file.sync()?;
    Ok(out.total)
}

fn style(snapshot: &Snapshot<'_>, rules: &SaveRules) -> io::Result<Style> {
    let timed = snapshot
        .census
        .databases
        .iter()
        .any(|contents| contents.volatile_hashes > 0);
    let needed = if timed {
        VERSION_FIELD_TTL
    } else {
        VERSION_PLAIN
    };
    let version = rules.version.unwrap_or(needed);
    if timed && version < needed {
        return Err(io::Error::other(format!(
            "rdb-version {version} can't carry the deadlines of hash fields, which need version {needed}"
        )));
    }
    Ok(Style {
        version,
        compress: rules.compress,
    })
}

fn header(
    snapshot: &Snapshot<'_>,
    functions: &[Vec<u8>],
    style: Style,
    rules: &SaveRules,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(format!("REDIS{:04}", style.version).as_bytes());
    let mut writer = Writer {
        out,
        style,
        compressor: &mut Compressor::default(),
    };
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
    for function in functions {
        writer.out.push(opcode::FUNCTION);
        writer.string(function);
    }
    for (db, contents) in snapshot.census.databases.iter().enumerate() {
        if contents.keys > 0 {
            writer.out.push(opcode::SELECT);
            writer.len(db as u64);
            writer.out.push(opcode::RESIZE);
            writer.len(contents.keys as u64);
            writer.len(contents.volatile as u64);
        }
    }
}

fn key(saved: &SavedKey, rules: &SaveRules, writer: &mut Writer<'_>) {
    if let Some(deadline_ms) = saved.deadline_ms {
        writer.out.push(opcode::DEADLINE_MS);
        writer.out.extend_from_slice(&deadline_ms.to_le_bytes());
    }
    match rules.access {
        None => {}
        Some(Mark::Idle) => {
            writer.out.push(opcode::IDLE);
            writer.len(saved.access.idle_seconds(clock::now_ms()));
        }
        Some(Mark::Frequency) => {
            writer.out.push(opcode::FREQUENCY);
            writer.out.push(saved.access.counter());
        }
    }
    let kind = writer.kind_of(&saved.value);
    writer.out.push(kind);
    writer.string(&saved.key);
    writer.value(&saved.value);
}
