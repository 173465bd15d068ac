//! Values to bytes.

use super::{VERSION_FIELD_TTL, VERSION_PLAIN, kind};
use crate::types::list::NodeRef;
use crate::types::set::Flat;
use crate::types::{Hash, Listpack, Piece, Text, Value};

/// Strings shorter than this gain nothing from compression.
const COMPRESS_MIN: usize = 20;

/// A value with the byte that tells its kind, and the version that can read it.
pub fn value_bytes(value: &Value) -> (Vec<u8>, u16) {
    let mut out = Vec::new();
    let mut version = VERSION_PLAIN;
    match value {
        Value::Text(text) => {
            out.push(kind::STRING);
            write_text(text, &mut out);
        }
        Value::List(list) => {
            out.push(kind::LIST_QUICKLIST_2);
            write_len(list.nodes().count() as u64, &mut out);
            for node in list.nodes() {
                match node {
                    NodeRef::Plain(element) => {
                        write_len(1, &mut out);
                        write_string(element, &mut out);
                    }
                    NodeRef::Packed(pack) => {
                        write_len(2, &mut out);
                        write_string(pack.as_bytes(), &mut out);
                    }
                }
            }
        }
        Value::Set(set) => match set.flat() {
            Some(Flat::Ints(ints)) => {
                out.push(kind::SET_INTSET);
                write_string(ints, &mut out);
            }
            // The packed form is younger than 7.0, so members are written one by one.
            _ => {
                out.push(kind::SET);
                write_len(set.len() as u64, &mut out);
                set.iter().for_each(|member| write_piece(member, &mut out));
            }
        },
        Value::ZSet(zset) => match zset.as_listpack() {
            Some(pack) => {
                out.push(kind::ZSET_LISTPACK);
                write_string(pack.as_bytes(), &mut out);
            }
            None => {
                out.push(kind::ZSET_2);
                write_len(zset.len() as u64, &mut out);
                for (member, score) in zset.iter_ranks(0..zset.len(), true) {
                    write_piece(member, &mut out);
                    out.extend_from_slice(&score.to_le_bytes());
                }
            }
        },
        Value::Hash(hash) => version = write_hash(hash, &mut out),
    }
    (out, version)
}

fn write_hash(hash: &Hash, out: &mut Vec<u8>) -> u16 {
    let Some(earliest) = hash.next_deadline() else {
        match hash.as_listpack() {
            Some(pack) => {
                out.push(kind::HASH_LISTPACK);
                write_string(pack.as_bytes(), out);
            }
            None => {
                out.push(kind::HASH);
                write_len(hash.len() as u64, out);
                for (field, value) in hash.iter_all() {
                    write_piece(field, out);
                    write_piece(value, out);
                }
            }
        }
        return VERSION_PLAIN;
    };
    let deadline = |field: &Piece<'_>| hash.deadline(field.as_bytes(&mut itoa::Buffer::new()));
    if hash.as_listpack().is_some() {
        out.push(kind::HASH_LISTPACK_EX);
        out.extend_from_slice(&earliest.to_le_bytes());
        // Field, value, deadline, in the order of deadlines; those without one come last, as zero.
        let mut rows: Vec<_> = hash
            .iter_all()
            .map(|(field, value)| (deadline(&field), field, value))
            .collect();
        rows.sort_by_key(|(deadline, ..)| deadline.unwrap_or(u64::MAX));
        let mut pack = Listpack::new();
        for (deadline, field, value) in rows {
            pack.push_back(&field.to_vec());
            pack.push_back(&value.to_vec());
            pack.push_back(deadline.unwrap_or(0).to_string().as_bytes());
        }
        write_string(pack.as_bytes(), out);
    } else {
        out.push(kind::HASH_METADATA);
        out.extend_from_slice(&earliest.to_le_bytes());
        write_len(hash.len() as u64, out);
        for (field, value) in hash.iter_all() {
            // Relative to the earliest, with 0 for none.
            write_len(
                deadline(&field).map_or(0, |deadline| deadline - earliest + 1),
                out,
            );
            write_piece(field, out);
            write_piece(value, out);
        }
    }
    VERSION_FIELD_TTL
}

fn write_text(text: &Text, out: &mut Vec<u8>) {
    write_string(text.as_bytes(&mut itoa::Buffer::new()), out);
}

fn write_piece(piece: Piece<'_>, out: &mut Vec<u8>) {
    write_string(piece.as_bytes(&mut itoa::Buffer::new()), out);
}

/// A length in one, two, five or nine bytes.
pub(super) fn write_len(len: u64, out: &mut Vec<u8>) {
    match len {
        0..64 => out.push(len as u8),
        64..16_384 => out.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]),
        16_384..=0xffff_ffff => {
            out.push(0x80);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
}

/// A string: as an integer if it is a short one, compressed if that is shorter, or plain.
fn write_string(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.len() <= 11
        && let Some(n) = crate::util::number::parse_i64(bytes)
    {
        if let Ok(n) = i8::try_from(n) {
            out.extend_from_slice(&[0xc0, n as u8]);
            return;
        } else if let Ok(n) = i16::try_from(n) {
            out.push(0xc1);
            out.extend_from_slice(&n.to_le_bytes());
            return;
        } else if let Ok(n) = i32::try_from(n) {
            out.push(0xc2);
            out.extend_from_slice(&n.to_le_bytes());
            return;
        }
    }
    if bytes.len() > COMPRESS_MIN
        && let Ok(short) = lzf::compress(bytes)
        && short.len() + 4 < bytes.len()
    {
        out.push(0xc3);
        write_len(short.len() as u64, out);
        write_len(bytes.len() as u64, out);
        out.extend_from_slice(&short);
        return;
    }
    write_len(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
