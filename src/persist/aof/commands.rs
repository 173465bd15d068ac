//! A snapshot as commands: the base of a log without an RDB preamble.

use std::io;

use crate::engine::{SavedKey, Snapshot};
use crate::persist::disk::Pushed;
use crate::persist::rdb::{self, Beside, Dialect};
use crate::resp::encode;
use crate::types::{Piece, ValueRef, json};
use crate::util::number::write_double;
use crate::util::{clock, thread};

/// Elements added by one command, as many as Redis adds.
const ITEMS: usize = 64;
const WRITE_BYTES: usize = 256 * 1024;
const KEYS_PER_LOCK: usize = 32;

/// The file as it is written.
struct AofOutput<'f> {
    file: Pushed<'f>,
    bytes: Vec<u8>,
}

impl AofOutput<'_> {
    fn command(&mut self, args: &[impl AsRef<[u8]>]) -> io::Result<()> {
        encode(args, &mut self.bytes);
        if self.bytes.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.bytes)?;
        self.bytes.clear();
        // In the middle of a large value, too.
        thread::rest();
        Ok(())
    }
}

/// Writes commands that build all keys of the snapshot.
pub fn save(
    mut snapshot: Snapshot<'_>,
    beside: &Beside,
    timestamp: bool,
    file: Pushed<'_>,
    mut wrote: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<()> {
    let bytes = if timestamp {
        format!("#TS:{}\r\n", clock::now_ms() / 1000).into()
    } else {
        Vec::new()
    };
    let mut out = AofOutput { file, bytes };
    for function in &beside.functions {
        out.command(&[b"FUNCTION", &b"LOAD"[..], function])?;
    }
    for making in &beside.searches {
        let words: Vec<&[u8]> = making.iter().map(Vec::as_slice).collect();
        out.command(&words)?;
    }
    let mut selected = None;
    while let Some(keys) = snapshot.next(KEYS_PER_LOCK) {
        let count = keys.len() as u64;
        for saved in keys {
            if selected != Some(saved.db) {
                selected = Some(saved.db);
                out.command(&[b"SELECT", saved.db.to_string().as_bytes()])?;
            }
            key(&saved, &mut out)?;
        }
        crate::util::memory::publish();
        wrote(count)?;
    }
    out.flush()?;
    out.file.sync()
}

fn key(saved: &SavedKey, out: &mut AofOutput<'_>) -> io::Result<()> {
    let key = &saved.key[..];
    match saved.value.as_ref() {
        ValueRef::Text(text) => {
            out.command(&[b"SET", key, text.as_bytes(&mut itoa::Buffer::new())])?;
        }
        ValueRef::List(list) => {
            let items = list.iter_from(0, false).map(|one| vec![one.to_vec()]);
            add(b"RPUSH", key, items, out)?;
        }
        ValueRef::Set(set) => {
            let items = set.iter().map(|one| vec![one.to_vec()]);
            add(b"SADD", key, items, out)?;
            deadlines((b"SPEXPIREAT", b"MEMBERS"), key, set.deadlines(), out)?;
        }
        ValueRef::ZSet(zset) => {
            let item = |(member, score): (Piece<'_>, f64)| {
                let mut digits = Vec::new();
                write_double(score, &mut digits);
                vec![digits, member.to_vec()]
            };
            add(b"ZADD", key, zset.iter().map(item), out)?;
        }
        ValueRef::Hash(hash) => {
            let item =
                |(field, value): (Piece<'_>, Piece<'_>)| vec![field.to_vec(), value.to_vec()];
            add(b"HMSET", key, hash.iter_all().map(item), out)?;
            deadlines((b"HPEXPIREAT", b"FIELDS"), key, hash.deadlines(), out)?;
        }
        ValueRef::Stream(stream) => {
            super::streams::write(key, stream, &mut |args| out.command(args))?
        }
        // No commands make the same vectors again, which were rounded, nor the same links.
        value @ ValueRef::VectorSet(_) => {
            let payload = rdb::dump(value, Dialect::Redis);
            out.command(&[b"RESTORE", key, b"0", &payload])?;
        }
        // No command makes one in which there is nothing.
        value @ ValueRef::Suggestions(held) if held.is_empty() => {
            let payload = rdb::dump(value, Dialect::Redis);
            out.command(&[b"RESTORE", key, b"0", &payload])?;
        }
        ValueRef::Suggestions(held) => {
            for (text, one) in held.iter() {
                let mut score = Vec::new();
                write_double(f64::from(one.score), &mut score);
                let mut words = vec![&b"FT.SUGADD"[..], key, text.as_bytes(), &score];
                if let Some(payload) = &one.payload {
                    words.extend([&b"PAYLOAD"[..], &payload[..]]);
                }
                out.command(&words)?;
            }
        }
        ValueRef::Json(json) => {
            out.command(&[b"JSON.SET", key, b"$", &json::text_of(&json.root)])?;
        }
    }
    if saved.blessed {
        out.command(&[b"BLESS", &b"SET"[..], key, b"NO-EVICT"])?;
    }
    if let Some(deadline_ms) = saved.deadline_ms {
        out.command(&[b"PEXPIREAT", key, deadline_ms.to_string().as_bytes()])?;
    }
    Ok(())
}

/// One command for each few items.
fn add(
    name: &[u8],
    key: &[u8],
    items: impl Iterator<Item = Vec<Vec<u8>>>,
    out: &mut AofOutput<'_>,
) -> io::Result<()> {
    let mut items = items.peekable();
    while items.peek().is_some() {
        let mut args = vec![name.to_vec(), key.to_vec()];
        args.extend(items.by_ref().take(ITEMS).flatten());
        out.command(&args)?;
    }
    Ok(())
}

/// A command for the deadline of each part that has one.
fn deadlines<'v>(
    (name, word): (&[u8], &[u8]),
    key: &[u8],
    deadlines: impl Iterator<Item = (&'v [u8], u64)>,
    out: &mut AofOutput<'_>,
) -> io::Result<()> {
    for (part, deadline) in deadlines {
        let deadline = deadline.to_string();
        let args: [&[u8]; 6] = [name, key, deadline.as_bytes(), word, b"1", part];
        out.command(&args)?;
    }
    Ok(())
}
