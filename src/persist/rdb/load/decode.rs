//! Keys of a snapshot, as they stand in the file, to keys of the keyspace.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use anyhow::{Result, bail};
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::rules::LoadRules;
use super::stop::told;
use crate::engine::{Access, Engine, Glance, Hashed, New, NewKey, Patience, ShardKey, TOGETHER};
use crate::persist::rdb::fault::{Fault, Read};
use crate::persist::rdb::kind::{self, kind_name};
use crate::persist::rdb::members;
use crate::persist::rdb::read::RdbReader;
use crate::persist::rdb::templates::Templates;
use crate::types::{Limits, Value};
use crate::util::memory;

/// Empty keys that are named in the log.
const EMPTY_NAMED: u64 = 10;

/// Keys on their way to a decoder.
#[derive(Default)]
pub struct KeyBatch {
    pub bytes: Vec<u8>,
    /// Where each one begins, and what was said of it.
    pub keys: Vec<(usize, KeyHead)>,
    /// Those of the file so far.
    pub templates: Arc<Templates>,
}

/// What the file says of a key before the key.
#[derive(Clone, Copy, Default)]
pub struct KeyHead {
    pub db: usize,
    pub deadline_ms: Option<u64>,
    pub mark: Option<Access>,
    /// It is never evicted.
    pub blessed: bool,
    /// Where the deadlines of a set's members stand in the batch.
    pub members: (usize, usize),
}

/// The body of a decoding thread.
pub fn decode(
    batches: &Mutex<Receiver<KeyBatch>>,
    engine: &Engine,
    rules: &LoadRules,
    [keys, empty]: &[AtomicU64; 2],
) -> Result<()> {
    loop {
        let batch = batches.lock().recv();
        let Ok(batch) = batch else {
            return Ok(()); // The scan has ended.
        };
        for records in batch.keys.chunks(TOGETHER) {
            let mut found: SmallVec<[DecodedKey<'_>; TOGETHER]> = SmallVec::new();
            for (at, said) in records {
                let record = RdbReader::new(&batch.bytes[*at..]).with_templates(&batch.templates);
                let (from, to) = said.members;
                let members = &batch.bytes[from..to];
                found.extend(find(record, (*said, members), rules, empty)?);
            }
            let count = found.len() as u64;
            put(found, engine, rules)?;
            keys.fetch_add(count, Ordering::Relaxed);
        }
        memory::publish();
    }
}

/// A key that was decoded.
struct DecodedKey<'a> {
    said: KeyHead,
    key: Cow<'a, [u8]>,
    at: ShardKey,
    value: DecodedValue<'a>,
}

/// Decodes the key at the reader's place; nothing if it is a collection without elements.
fn find<'a>(
    reader: RdbReader<'a>,
    (said, members): (KeyHead, &[u8]),
    rules: &LoadRules,
    empty: &AtomicU64,
) -> Result<Option<DecodedKey<'a>>> {
    let limits = &rules.rules.limits;
    let (key, mut value) = record(&mut { reader }, limits);
    if let Ok(DecodedValue::Value(Value::Set(set))) = &mut value
        && !members::set_deadlines(set, members, limits)
    {
        value = Err(Fault::Says("deadlines of members that it does not have"));
    }
    match (key, value) {
        (Ok(key), Ok(value)) => Ok(Some(DecodedKey {
            said,
            at: ShardKey::of(&key),
            key,
            value,
        })),
        (Ok(key), Err(Fault::Empty)) => {
            if empty.fetch_add(1, Ordering::Relaxed) < EMPTY_NAMED {
                let key = shown(&key, rules);
                tracing::info!("rdbLoadObject skipping empty key: {key}");
            }
            Ok(None)
        }
        (key, value) => {
            let key = key.unwrap_or_default();
            let fault = value.err().unwrap_or(Fault::Broken);
            let key = shown(&key, rules);
            let kind = kind_name({ reader }.byte().unwrap_or_default());
            tracing::warn!("{kind} integrity check failed: {fault}, in key '{key}'");
            bail!(
                "{}: {kind} integrity check failed, in key '{key}'",
                told(fault)
            );
        }
    }
}

/// Puts keys of one database, mostly, into the keyspace.
fn put(
    found: SmallVec<[DecodedKey<'_>; TOGETHER]>,
    engine: &Engine,
    rules: &LoadRules,
) -> Result<()> {
    if let [first, ..] = &found[..] {
        let glances = found.iter().map(|one| Glance {
            key: one.at,
            member: None,
        });
        engine.warm(first.said.db, glances);
    }
    let patience = Patience::of_this_thread();
    for one in found {
        let DecodedKey {
            said,
            key,
            at,
            value,
        } = one;
        let fresh = || Access::fresh(&rules.rules.access, rules.now_ms);
        let loaded = NewKey {
            db: said.db,
            key: Hashed::known(&key, at),
            value: match value {
                DecodedValue::Text(ref bytes) => New::text(bytes),
                DecodedValue::Value(value) => value.into(),
            },
            deadline_ms: said.deadline_ms,
            access: said.mark.unwrap_or_else(fresh),
            blessed: said.blessed,
        };
        let shard = &mut engine.lock_one(at.shard(), patience);
        if !shard.load(loaded, rules.replace, rules.now_ms) {
            bail!(
                "RDB has duplicated key '{}' in DB {}",
                shown(&key, rules),
                said.db
            );
        }
    }
    Ok(())
}

/// A value as it is read: a string where it stands in the file, if it isn't compressed.
enum DecodedValue<'a> {
    Text(Cow<'a, [u8]>),
    Value(Value),
}

fn record<'a>(
    reader: &mut RdbReader<'a>,
    limits: &Limits,
) -> (Read<Cow<'a, [u8]>>, Read<DecodedValue<'a>>) {
    let kind = reader.byte();
    let key = reader.string();
    let value = kind.and_then(|kind| match kind {
        kind::STRING => reader.string().map(DecodedValue::Text),
        kind => reader.whole(kind, limits).map(DecodedValue::Value),
    });
    (key, value)
}

/// A key as the log may name it.
fn shown<'k>(key: &'k [u8], rules: &LoadRules) -> Cow<'k, str> {
    match rules.hide_names {
        true => "*redacted*".into(),
        false => String::from_utf8_lossy(key),
    }
}
