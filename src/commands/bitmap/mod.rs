//! Strings as rows of bits, the highest bit of each byte first.

mod bits;
mod field;
mod look;

use crate::command::{Args, Fail, Family};
use crate::config::Config;
use crate::util::number;

pub const FAMILY: Family = Family {
    group: "bitmap",
    category: "bitmap",
    commands: &[
        &bits::SETBIT,
        &bits::GETBIT,
        &bits::BITOP,
        &look::BITCOUNT,
        &look::BITPOS,
        &look::BITRANGEINTARRAY,
        &field::BITFIELD,
        &field::BITFIELD_RO,
    ],
};

const BAD_OFFSET: Fail = Fail::Says("bit offset is not an integer or out of range");

/// A bit's offset: within the longest string that there may be. With `#` it counts fields of this width.
fn offset(args: &mut Args<'_>, config: &Config, width: Option<u32>) -> Result<u64, Fail> {
    let text = args.next()?;
    let (text, times) = match (width, text.strip_prefix(b"#")) {
        (Some(width), Some(rest)) => (rest, i64::from(width)),
        _ => (text, 1),
    };
    // As in Redis, the product has 64 bits, and no more.
    let offset = number::parse_i64(text).map(|offset| offset.wrapping_mul(times));
    let offset = offset
        .and_then(|offset| u64::try_from(offset).ok())
        .ok_or(BAD_OFFSET)?;
    if offset >> 3 >= config.proto_max_bulk_len.get() {
        return Err(BAD_OFFSET);
    }
    Ok(offset)
}

/// The bit at an offset; 0 beyond the end.
fn bit(bytes: &[u8], offset: u64) -> u8 {
    bytes
        .get((offset >> 3) as usize)
        .map_or(0, |byte| byte >> (7 - (offset & 7)) & 1)
}

/// Sets a bit that is within the bytes.
fn set_bit(bytes: &mut [u8], offset: u64, on: u8) {
    let mask = 1 << (7 - (offset & 7));
    let byte = &mut bytes[(offset >> 3) as usize];
    *byte = if on == 1 { *byte | mask } else { *byte & !mask };
}
