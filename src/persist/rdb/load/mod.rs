//! A snapshot file to keys: found by one thread, decoded and put into the keyspace by others.

mod decode;
mod families;
mod rules;
mod stop;
mod strangers;
mod update;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use parking_lot::Mutex;

use decode::{KeyBatch, KeyHead, decode};
pub use rules::{Admit, LoadRules};
use stop::{LoadStop, told};
pub use strangers::Strangers;
use strangers::{Sort, stranger};
pub use update::Update;

use super::fault::Fault;
use super::read::RdbReader;
use super::save::{BLESSED_AUX, Origin, SEARCH_AUX, unpack_words};
use super::templates::Templates;
use super::{Dialect, dialect, envelope, members, opcode};
use crate::engine::{Access, Engine, Patience};
use crate::persist::window::Window;
use crate::util::number;

/// Bytes of keys handed to a decoding thread at once.
const BATCH_BYTES: usize = 256 * 1024;
/// Bytes of a key in a file, at least: its kind, and two lengths.
const KEY_BYTES_MIN: u64 = 3;
/// The longest name or value beside the keys of a snapshot that was packed as a whole.
const FIELD_BYTES_MAX: u64 = 1 << 20;
/// Keys for which room is made where nobody knows how long the snapshot is: 22 MB.
const KEYS_UNSEEN: u64 = 1 << 22;

/// What was in a snapshot.
#[derive(Debug, Default)]
pub struct LoadedSnapshot {
    pub keys: u64,
    /// Keys that were dead already, be they here or not.
    pub expired: u64,
    /// Collections without elements, which old servers wrote by mistake.
    pub empty: u64,
    /// Libraries of functions, as they were written.
    pub functions: Vec<Vec<u8>>,
    /// Which history of edits the data are a part of.
    pub origin: Option<Origin>,
    /// Keys that were left out.
    pub strangers: Strangers,
    /// Commands that stand between the keys, to be run once all keys are there.
    pub updates: Vec<Update>,
}

/// Reads one snapshot from the window, up to and with its checksum.
pub fn load(window: &mut Window<'_>, engine: &Engine, rules: &LoadRules) -> Result<LoadedSnapshot> {
    let (sender, batches) = sync_channel(2 * rules.threads);
    let batches = Mutex::new(batches);
    let counts = [AtomicU64::new(0), AtomicU64::new(0)];
    std::thread::scope(|scope| {
        let decoders: Vec<_> = (0..rules.threads)
            .map(|_| scope.spawn(|| decode(&batches, engine, rules, &counts)))
            .collect();
        let into = Way {
            engine,
            sender,
            batch: KeyBatch::default(),
        };
        let scanned = Scan::new(rules, Some(into)).run(window);
        let mut failed = None;
        for decoder in decoders {
            let done = decoder.join().map_err(|_| anyhow!("a decoder panicked"));
            failed = failed.or(done.and_then(|done| done).err());
        }
        // A decoder that fails ends the scan as well: its reason is the one to tell.
        match failed {
            Some(error) => Err(error),
            None => scanned.map(|mut loaded| {
                loaded.keys = counts[0].load(Ordering::Relaxed);
                loaded.empty = counts[1].load(Ordering::Relaxed);
                loaded
            }),
        }
        .inspect_err(|_| tracing::warn!("Terminating server after rdb file reading failure."))
    })
}

/// Walks over a snapshot without loading it: an error says why it would be refused, unless a value itself is broken.
pub fn check(window: &mut Window<'_>, rules: &LoadRules) -> Result<()> {
    Scan::new(rules, None).run(window).map(drop)
}

/// The way into a keyspace.
struct Way<'r> {
    engine: &'r Engine,
    sender: SyncSender<KeyBatch>,
    batch: KeyBatch,
}

impl Way<'_> {
    fn send(&mut self, templates: &Arc<Templates>) -> Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        batch.templates = templates.clone();
        self.sender
            .send(batch)
            .map_err(|_| anyhow!("the decoders ended before the file"))
    }
}

/// The walk over the file.
struct Scan<'r> {
    rules: &'r LoadRules,
    /// Where the keys go; nowhere if the file is only looked through.
    into: Option<Way<'r>>,
    said: KeyHead,
    /// The deadlines of members that the file has told of the key that follows.
    members: Vec<u8>,
    /// Keys for which room was made.
    announced: u64,
    /// The snapshot is in an envelope.
    packed: bool,
    dialect: Dialect,
    /// Edits may follow, which speak of keys that have died since.
    may_edit: bool,
    templates: Arc<Templates>,
    /// What was told of as left out: modules' auxiliary records, classes of metadata.
    told: BTreeSet<String>,
    /// What it has told of a history: its id, offset and database.
    origin: (Option<[u8; 40]>, Option<u64>, usize),
    loaded: LoadedSnapshot,
}

/// What one step of the scan came to.
enum ScanStep {
    On,
    End,
}

impl<'r> Scan<'r> {
    fn new(rules: &'r LoadRules, into: Option<Way<'r>>) -> Self {
        Scan {
            rules,
            into,
            said: KeyHead::default(),
            members: Vec::new(),
            announced: 0,
            packed: false,
            dialect: Dialect::Redis,
            may_edit: false,
            templates: Arc::default(),
            told: BTreeSet::new(),
            origin: (None, None, 0),
            loaded: LoadedSnapshot::default(),
        }
    }

    fn run(mut self, window: &mut Window<'_>) -> Result<LoadedSnapshot> {
        self.packed = envelope::open(window)?;
        if !window.fill(9)? {
            bail!("Short read or OOM loading DB: the file is no snapshot");
        }
        let version = self.version(&window.bytes()[..9])?;
        if self.rules.checksum {
            window.begin_sum();
        }
        window.consume(9);
        loop {
            let offset = window.offset();
            let bytes = window.bytes();
            let mut reader = RdbReader::new(bytes);
            match self.step(&mut reader) {
                Ok(step) => {
                    let used = bytes.len() - reader.left();
                    window.consume(used);
                    if matches!(step, ScanStep::End) {
                        break;
                    }
                    if self.rules.key_delay_us > 0 {
                        // What is left in the window may take long.
                        window.check_halted()?;
                    }
                    if let Some(into) = &mut self.into
                        && into.batch.bytes.len() >= BATCH_BYTES
                    {
                        into.send(&self.templates)?;
                    }
                }
                Err(LoadStop::Fault(Fault::Short)) => {
                    if !window.more()? {
                        bail!(
                            "Unexpected EOF reading RDB file: it ends at byte {offset}, inside a key or before its end mark"
                        );
                    }
                }
                Err(LoadStop::Fault(fault)) => {
                    bail!("{} (at byte {offset} of the file)", told(fault))
                }
                Err(LoadStop::Told(error)) => return Err(error),
            }
        }
        if let Some(into) = &mut self.into {
            into.send(&self.templates)?;
        }
        if version >= 5 {
            self.check_sum(window)?;
        }
        if self.packed && window.fill(1)? {
            bail!("Something follows the snapshot in its envelope");
        }
        let strangers = &self.loaded.strangers;
        if self.is_refused() {
            bail!(
                "It holds {strangers}. Nothing was changed; with 'rdb-skip-unknown yes' this server goes on without them"
            );
        }
        if !strangers.is_empty() && self.into.is_some() {
            tracing::warn!("Left out because rdb-skip-unknown is yes: {strangers}");
        }
        Ok(self.loaded)
    }

    /// Reads the checksum behind the end.
    fn check_sum(&self, window: &mut Window<'_>) -> Result<()> {
        let sum = window.end_sum();
        if !window.fill(8)? {
            bail!("Unexpected EOF reading RDB file: its checksum is missing");
        }
        let (said, _) = window
            .bytes()
            .split_first_chunk::<8>()
            .expect("eight bytes are there");
        let said = u64::from_le_bytes(*said);
        window.consume(8);
        // Zero says that the writer made no sum.
        if let Some(sum) = sum
            && said != 0
            && said != sum
        {
            bail!(
                "Wrong RDB checksum expected: ({sum:x}) but got ({said:x}). Aborting now. RDB CRC error"
            );
        }
        Ok(())
    }

    fn version(&mut self, head: &[u8]) -> Result<u16> {
        let known = dialect::of_magic(head);
        let (dialect, version) = known.context("Wrong signature trying to load DB from file")?;
        if !dialect.versions().contains(&version) {
            bail!(
                "Can't handle RDB format version {version}: a newer server wrote it. Let that server write an older \
                 version, or move its keys with DUMP and RESTORE or over replication"
            );
        }
        self.dialect = dialect;
        self.may_edit = version >= dialect::VERSION_EDITS;
        Ok(version)
    }

    fn step(&mut self, reader: &mut RdbReader<'_>) -> Result<ScanStep, LoadStop> {
        let from = *reader;
        let head = reader.byte()?;
        match head {
            opcode::END => return Ok(ScanStep::End),
            opcode::SELECT => {
                let db = reader.count()?;
                if db >= self.rules.databases as u64 {
                    return Err(LoadStop::Told(anyhow!(
                        "FATAL: Data file was created with a Redis server configured to handle more than {} \
                         databases. Exiting",
                        self.rules.databases
                    )));
                }
                self.said.db = db as usize;
            }
            opcode::RESIZE => {
                let (keys, _volatile) = (reader.count()?, reader.count()?);
                // In all databases no more than the file can hold, whatever it says.
                let most = self
                    .rules
                    .len
                    .map_or(KEYS_UNSEEN, |len| len / KEY_BYTES_MIN);
                let keys = keys.min(most.saturating_sub(self.announced));
                self.announced += keys;
                if let Some(into) = &self.into {
                    let patience = Patience::of_this_thread();
                    into.engine.expect(self.said.db, keys as usize, patience);
                }
            }
            opcode::SLOT_INFO => drop((reader.count()?, reader.count()?, reader.count()?)),
            opcode::AUX => self.aux(&self.field(reader)?, &self.field(reader)?),
            opcode::DEADLINE_MS => {
                // One below zero has passed.
                let deadline_ms = i64::from_le_bytes(reader.array()?);
                self.said.deadline_ms = Some(u64::try_from(deadline_ms).unwrap_or(0));
            }
            opcode::DEADLINE_SECONDS => {
                let seconds = u32::from_le_bytes(reader.array()?);
                self.said.deadline_ms = Some(u64::from(seconds) * 1000);
            }
            opcode::IDLE => {
                let seconds = reader.count()?;
                let mark = Access::with_idle_seconds(seconds, self.rules.now_ms);
                self.said.mark = (!self.rules.rules.access.lfu).then_some(mark);
            }
            opcode::FREQUENCY => {
                let mark = Access::with_frequency(reader.byte()?, self.rules.now_ms);
                self.said.mark = self.rules.rules.access.lfu.then_some(mark);
            }
            opcode::FUNCTION => self.loaded.functions.push(reader.string()?.into_owned()),
            opcode::FUNCTION_DRAFT => {
                return Err(LoadStop::Told(anyhow!(
                    "Pre-release function format not supported: load the file with the release candidate that \
                     wrote it, and delete its functions"
                )));
            }
            opcode::MODULE_AUX => self.module_aux(reader)?,
            opcode::HASH_TEMPLATE | opcode::KEY_META => self.own_record(head, reader)?,
            _ => self.key(self.dialect.kind(head)?, from, reader)?,
        }
        Ok(ScanStep::On)
    }

    fn key(
        &mut self,
        kind: u8,
        from: RdbReader<'_>,
        reader: &mut RdbReader<'_>,
    ) -> Result<(), LoadStop> {
        reader.skip_string()?;
        let value = *reader;
        self.skip(kind, reader)?;
        let db = self.said.db;
        let mut members = std::mem::take(&mut self.members);
        let mut said = std::mem::replace(
            &mut self.said,
            KeyHead {
                db,
                ..KeyHead::default()
            },
        );
        let dead = said
            .deadline_ms
            .is_some_and(|deadline_ms| deadline_ms <= self.rules.now_ms);
        if dead && !self.rules.keep_dead {
            self.loaded.expired += 1;
            let is_awaited = self.rules.continues && self.loaded.origin.is_some();
            if !is_awaited && !self.may_edit {
                return Ok(());
            }
        }
        if let Some(stranger) = stranger(kind, value, &self.rules.rules.limits) {
            self.loaded.strangers.add(Sort::Keys, db, [stranger]);
            return Ok(());
        }
        if self.is_refused() {
            // What follows is only counted.
            return Ok(());
        }
        let Some(into) = &mut self.into else {
            return Ok(());
        };
        if self.rules.key_delay_us > 0 {
            std::thread::sleep(Duration::from_micros(self.rules.key_delay_us));
        }
        let record = from.until(reader);
        let batch = &mut into.batch;
        let before = batch.bytes.len();
        batch.bytes.append(&mut members);
        said.members = (before, batch.bytes.len());
        batch.keys.push((batch.bytes.len(), said));
        batch.bytes.push(kind);
        batch.bytes.extend_from_slice(&record[1..]);
        Ok(())
    }

    /// A name or value beside the keys. A few packed bytes may stand for gigabytes of it.
    fn field<'a>(&self, reader: &mut RdbReader<'a>) -> Result<Cow<'a, [u8]>, LoadStop> {
        if self.packed && reader.string_len()? > FIELD_BYTES_MAX {
            return Err(Fault::Says("auxiliary field that is too long").into());
        }
        Ok(reader.string()?)
    }

    /// Whether there were keys that may not be left out.
    fn is_refused(&self) -> bool {
        !self.rules.skip_unknown && !self.loaded.strangers.is_empty()
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.note_origin(name, value);
        if name == SEARCH_AUX {
            let makings = unpack_words(value).into_iter();
            self.loaded.updates.extend(makings.map(|words| Update {
                db: 0,
                args: words.into_iter().map(Arc::from).collect(),
            }));
            return;
        }
        if self.into.is_none() {
            return;
        }
        match name {
            members::AUX => return self.members.extend_from_slice(value),
            BLESSED_AUX => return self.said.blessed = true,
            _ => {}
        }
        let value = String::from_utf8_lossy(value);
        match name {
            b"redis-ver" | b"valkey-ver" => {
                tracing::info!("Loading RDB produced by version {value}");
            }
            b"ctime" => {
                let age = (self.rules.now_ms / 1000) as i64 - value.parse().unwrap_or(0);
                tracing::info!("RDB age {} seconds", age.max(0));
            }
            b"used-mem" => {
                let bytes = value.parse::<f64>().unwrap_or(0.0);
                tracing::info!("RDB memory usage when created {:.2} Mb", bytes / 1048576.0);
            }
            b"aof-base" if value == "1" => tracing::info!("RDB is base AOF"),
            _ => {}
        }
    }

    fn note_origin(&mut self, name: &[u8], value: &[u8]) {
        let number = || number::parse_i64(value).and_then(|n| u64::try_from(n).ok());
        let origin = &mut self.origin;
        match name {
            b"repl-id" => origin.0 = value.try_into().ok(),
            b"repl-offset" => origin.1 = number(),
            b"repl-stream-db" => origin.2 = number().unwrap_or(0) as usize,
            _ => return,
        }
        if let (Some(id), Some(offset)) = (origin.0, origin.1) {
            let db = origin.2;
            self.loaded.origin = Some(Origin { id, offset, db });
        }
    }
}
