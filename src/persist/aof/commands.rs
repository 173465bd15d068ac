//! A snapshot as commands: the base of a log without an RDB preamble.

use std::io;

use crate::engine::{SavedKey, Snapshot};
use crate::journal::encode;
use crate::persist::disk::DiskFile;
use crate::types::{Hash, Piece, Value};
use crate::util::clock;
use crate::util::number::write_double;

/// Elements added by one command, as many as Redis adds.
const ITEMS: usize = 64;
const WRITE_BYTES: usize = 256 * 1024;
const KEYS_PER_LOCK: usize = 32;

/// Writes commands that build all keys of the snapshot.
pub fn save(
    mut snapshot: Snapshot<'_>,
    functions: &[Vec<u8>],
    timestamp: bool,
    file: &mut dyn DiskFile,
    mut wrote: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = Vec::with_capacity(WRITE_BYTES * 2);
    if timestamp {
        out.extend_from_slice(format!("#TS:{}\r\n", clock::now_ms() / 1000).as_bytes());
    }
    for function in functions {
        encode(&[b"FUNCTION", &b"LOAD"[..], function], &mut out);
    }
    let mut selected = None;
    while let Some(keys) = snapshot.next(KEYS_PER_LOCK) {
        let count = keys.len() as u64;
        for saved in keys {
            if selected != Some(saved.db) {
                selected = Some(saved.db);
                encode(&[b"SELECT", saved.db.to_string().as_bytes()], &mut out);
            }
            key(&saved, &mut out);
            if out.len() >= WRITE_BYTES {
                file.write_all(&out)?;
                out.clear();
            }
        }
        crate::util::memory::publish();
        wrote(count)?;
    }
    file.write_all(&out)?;
    file.sync()
}

fn key(saved: &SavedKey, out: &mut Vec<u8>) {
    let key = &saved.key[..];
    match &saved.value {
        Value::Text(text) => {
            encode(&[b"SET", key, text.as_bytes(&mut itoa::Buffer::new())], out);
        }
        Value::List(list) => add(
            b"RPUSH",
            key,
            list.iter_from(0, false).map(|one| vec![one.to_vec()]),
            out,
        ),
        Value::Set(set) => add(b"SADD", key, set.iter().map(|one| vec![one.to_vec()]), out),
        Value::ZSet(zset) => {
            let item = |(member, score): (Piece<'_>, f64)| {
                let mut digits = Vec::new();
                write_double(score, &mut digits);
                vec![digits, member.to_vec()]
            };
            add(b"ZADD", key, zset.iter().map(item), out);
        }
        Value::Hash(hash) => {
            let item =
                |(field, value): (Piece<'_>, Piece<'_>)| vec![field.to_vec(), value.to_vec()];
            add(b"HMSET", key, hash.iter_all().map(item), out);
            deadlines(key, hash, out);
        }
        Value::Stream(stream) => super::streams::write(key, stream, out),
    }
    if let Some(deadline_ms) = saved.deadline_ms {
        encode(
            &[b"PEXPIREAT", key, deadline_ms.to_string().as_bytes()],
            out,
        );
    }
}

/// One command for each few items.
fn add(name: &[u8], key: &[u8], items: impl Iterator<Item = Vec<Vec<u8>>>, out: &mut Vec<u8>) {
    let mut items = items.peekable();
    while items.peek().is_some() {
        let mut args = vec![name.to_vec(), key.to_vec()];
        args.extend(items.by_ref().take(ITEMS).flatten());
        encode(&args, out);
    }
}

fn deadlines(key: &[u8], hash: &Hash, out: &mut Vec<u8>) {
    if hash.next_deadline().is_none() {
        return;
    }
    for (field, _) in hash.iter_all() {
        let field = field.to_vec();
        if let Some(deadline) = hash.deadline(&field) {
            let deadline = deadline.to_string();
            let args: [&[u8]; 6] = [
                b"HPEXPIREAT",
                key,
                deadline.as_bytes(),
                b"FIELDS",
                b"1",
                &field,
            ];
            encode(&args, out);
        }
    }
}
