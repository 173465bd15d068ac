//! RDB: Redis's format for values in files and in DUMP payloads.
//!
//! We write the lowest version that can carry the data, so that an older server can read it, and
//! read every encoding that Redis from 2.4 to 8.12 and Valkey up to 9.2 write, but for kinds of values that we don't have.

mod compress;
mod dialect;
mod envelope;
mod fault;
mod indexes;
mod json;
mod kind;
mod load;
mod members;
mod metadata;
mod module_parts;
mod modules;
mod opcode;
mod read;
mod roaring;
mod save;
mod skip;
mod stream;
mod suggestions;
mod templated;
mod templates;
mod vectors;
mod write;
mod ziplist;
mod zipmap;

pub use dialect::{CAPABILITY, Dialect, SnapshotForm};
use dialect::{VERSION_PLAIN, VERSION_UNSUMMED};
pub use envelope::is_snapshot;
pub use fault::Fault;
pub use kind::kind_name;
pub use load::{Admit, LoadRules, LoadedSnapshot, Strangers, Update, check, load};
pub use module_parts::{ModulePart, ModuleParts};
pub use modules::ReadValue;
pub use read::RdbReader;
pub use save::{AccessMark, Beside, Origin, SaveRules, is_same, save};
pub use write::Style;
use write::{RdbWriter, version_for};

use super::crc64;
use crate::types::{Limits, Value, ValueRef};

/// A value as DUMP answers it: its bytes, the version, and a checksum of both.
pub fn dump(value: ValueRef<'_>, dialect: Dialect) -> Vec<u8> {
    dump_as(value, version_for(value, dialect))
}

/// A value in a payload that leaves nothing out: neither when a stream's consumers last got something.
pub fn dump_whole(value: ValueRef<'_>, dialect: Dialect) -> Vec<u8> {
    let version = match value {
        ValueRef::Stream(_) => version_for(value, Dialect::Redis).max(dialect::VERSION_STREAM_3),
        value => version_for(value, dialect),
    };
    dump_as(value, version)
}

fn dump_as(value: ValueRef<'_>, version: u16) -> Vec<u8> {
    let style = Style {
        version,
        compress: true,
    };
    let mut writer = RdbWriter::new(style, ());
    if let ValueRef::Set(set) = value
        && set.next_deadline().is_some()
    {
        writer.out.push(kind::MODULE_2);
        writer.timed_set(set);
        return seal(writer);
    }
    let kind = writer.kind_of(value);
    writer.out.push(dialect::number(kind));
    writer.value(value);
    seal(writer)
}

/// A payload ends with the version, and a checksum of all before it.
fn seal(writer: RdbWriter<()>) -> Vec<u8> {
    sealed(writer.out, writer.style.version)
}

fn sealed(mut bytes: Vec<u8>, version: u16) -> Vec<u8> {
    bytes.extend_from_slice(&version.to_le_bytes());
    let sum = crc64::checksum(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// Libraries of functions as FUNCTION DUMP answers them.
pub fn dump_functions(codes: &[Vec<u8>]) -> Vec<u8> {
    let style = Style {
        version: VERSION_PLAIN,
        compress: true,
    };
    let mut writer = RdbWriter::new(style, ());
    for code in codes {
        writer.out.push(opcode::FUNCTION);
        writer.string(code);
    }
    seal(writer)
}

/// The libraries in the body of such a payload.
pub fn read_functions(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = RdbReader::new(body);
    let mut codes = Vec::new();
    while let Ok(kind) = reader.byte() {
        if kind != opcode::FUNCTION {
            return None;
        }
        codes.push(reader.string().ok()?.into_owned());
    }
    Some(codes)
}

/// A DUMP payload without its version and checksum.
pub struct Dumped<'p> {
    pub body: &'p [u8],
    pub dialect: Dialect,
    version: u16,
}

impl Dumped<'_> {
    /// The payload as servers up to Redis 7.4 read it, if it is not that already: what it holds decides, whatever version it
    /// claims. `value` is what was read from it.
    pub fn for_older(&self, value: ValueRef<'_>, dialect: Dialect) -> Option<Vec<u8>> {
        let number = self.body.first().copied().unwrap_or_default();
        match self.dialect.early_version(number) {
            None => Some(dump_whole(value, dialect)),
            Some(_) if self.version <= dialect::VERSION_FIELD_TTL => None,
            Some(version) => Some(sealed(self.body.to_vec(), version)),
        }
    }

    /// The one value that is in it.
    pub fn value(&self, limits: &Limits) -> Result<Value, Fault> {
        RdbReader::value(self.body, self.dialect, limits)
    }
}

/// The value's own part of a DUMP payload; `None` if version or checksum are wrong. `trusted` looks at neither.
pub fn check_dump(payload: &[u8], trusted: bool) -> Option<Dumped<'_>> {
    let (summed, sum) = payload.split_last_chunk::<8>()?;
    let (body, version) = summed.split_last_chunk::<2>()?;
    let (sum, version) = (u64::from_le_bytes(*sum), u16::from_le_bytes(*version));
    let dialect = Dialect::of_version(version);
    let unsummed = sum == 0 && version >= VERSION_UNSUMMED;
    let fits = version == 0 || dialect.versions().contains(&version);
    let whole = trusted || fits && (unsummed || sum == crc64::checksum(summed));
    whole.then_some(Dumped {
        body,
        dialect,
        version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::json::parse_all;
    use crate::types::stream::{Group, Id, Stream};
    use crate::types::{Bstr, Hash, Json, List, Set, Text, Type, ZSet};

    fn samples() -> Vec<Value> {
        let limits = Limits {
            hash_entries: 20,
            set_entries: 20,
            zset_entries: 20,
            ..Limits::default()
        };
        let mut values: Vec<Value> = [&b"hello"[..], b"", b"12345", b"-70000", &[b'x'; 5000]]
            .into_iter()
            .map(|bytes| Value::Text(Text::from_bytes(bytes)))
            .collect();
        for count in [3, 50] {
            let (mut list, mut set, mut ints) = (List::new(), Set::new(), Set::new());
            let (mut hash, mut timed, mut zset) = (Hash::new(), Hash::new(), ZSet::new());
            for n in 0..count {
                let text = format!("element {n}").into_bytes();
                list.push_back(&text, &limits);
                set.insert(&text, &limits);
                ints.insert(n.to_string().as_bytes(), &limits);
                hash.insert(&text, b"1", false, 0, &limits);
                timed.insert(&text, b"2", false, 0, &limits);
                zset.insert(&text, n as f64 / 3.0, &limits);
            }
            timed.set_deadline(b"element 1", 4_000_000_000_000);
            values.extend([
                list.wrap(),
                set.wrap(),
                ints.wrap(),
                hash.wrap(),
                timed.wrap(),
                zset.wrap(),
            ]);
        }
        for count in [1, 250] {
            values.push(stream(count).wrap());
        }
        let text =
            r#"{"name":"a text of some length","list":[1,2.5,null,true,[]],"deep":{"a":{"b":{}}}}"#;
        let root = parse_all(text).expect("it is JSON");
        values.push(Json { root }.wrap());
        values
    }

    /// A stream with tombstones, and with a group that waits for acknowledgements.
    fn stream(count: u64) -> Stream {
        let mut stream = Stream::default();
        for n in 1..=count {
            let (name, value) = (format!("name {}", n % 2), n.to_string());
            let pairs: [&[u8]; 2] = [name.as_bytes(), value.as_bytes()];
            let done = stream.append(Id::new(n, 1), &pairs, &Limits::default());
            assert!(done.is_ok());
        }
        stream.delete(Id::new(3, 1));
        let mut group = Group::new(Id::new(2, 1), Some(2));
        let (ann, _) = group.find_or_add_consumer(b"ann", 5);
        group.find_or_add_consumer(b"idle", 5);
        group.deliver(Id::new(1, 1), ann, 7);
        group.deliver(Id::new(2, 1), ann, 7);
        stream.groups.insert(Bstr::new(b"group"), group);
        stream
    }

    #[test]
    fn what_is_dumped_is_read_back_to_the_same_bytes() {
        let limits = Limits {
            hash_entries: 20,
            set_entries: 20,
            zset_entries: 20,
            ..Limits::default()
        };
        for dialect in [Dialect::Redis, Dialect::Valkey] {
            for value in samples() {
                let payload = dump(value.as_ref(), dialect);
                let read = check_dump(&payload, false).unwrap().value(&limits).unwrap();
                assert_eq!(read.as_ref().kind(), value.as_ref().kind());
                assert_eq!(dump(read.as_ref(), dialect).len(), payload.len());
            }
        }
    }

    #[test]
    fn a_number_that_no_server_writes_is_no_kind_of_value() {
        let valkeys_hash = [kind::HASH_VALKEY, 1, 0, 0, 28, 0, 0, 0, 0, 0, 0, 0];
        for dialect in [Dialect::Redis, Dialect::Valkey] {
            assert!(RdbReader::value(&valkeys_hash, dialect, &Limits::default()).is_err());
        }
    }

    #[test]
    fn broken_payloads_are_refused_and_never_panic() {
        let limits = Limits::default();
        for dialect in [Dialect::Redis, Dialect::Valkey] {
            for value in samples() {
                let payload = dump(value.as_ref(), dialect);
                let body = check_dump(&payload, false).unwrap().body.to_vec();
                for at in 0..body.len().min(600) {
                    let cut = RdbReader::value(&body[..at], dialect, &limits);
                    assert!(cut.is_err(), "cut at {at}");
                    for bit in 0..8 {
                        let mut bad = body.clone();
                        bad[at] ^= 1 << bit;
                        // Whatever is accepted must be sound enough to be written again.
                        if let Ok(value) = RdbReader::value(&bad, dialect, &limits) {
                            dump(value.as_ref(), dialect);
                        }
                    }
                }
            }
        }
    }
}
