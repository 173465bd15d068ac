//! Ziplists, which servers before 7.0 wrote where newer ones write listpacks.

use crate::types::Listpack;

/// Makes a listpack of a ziplist's elements; `None` if the bytes are not sound.
pub fn to_listpack(bytes: &[u8]) -> Option<Listpack> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (total, tail) = (word(0)? as usize, word(4)? as usize);
    let said = u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?);
    if total != bytes.len() {
        return None;
    }
    let mut rest = &bytes[10..];
    let mut pack = Listpack::new();
    let (mut start, mut before) = (10, 0);
    while *rest.first()? != 0xff {
        start = total - rest.len();
        let behind = element(skip_previous_len(rest, before)?, &mut pack)?;
        before = rest.len() - behind.len();
        rest = behind;
    }
    let counted = said == u16::MAX || usize::from(said) == pack.len();
    (rest.len() == 1 && counted && tail == start).then_some(pack)
}

/// Each element begins with the length of the one before it, which must be `len`.
fn skip_previous_len(bytes: &[u8], len: usize) -> Option<&[u8]> {
    let (told, rest) = match *bytes.first()? {
        0xfe => {
            let told = bytes.get(1..5)?.try_into().ok()?;
            (u32::from_le_bytes(told) as usize, &bytes[5..])
        }
        told => (usize::from(told), &bytes[1..]),
    };
    (told == len).then_some(rest)
}

/// Takes one element over, and returns what follows it.
fn element<'a>(bytes: &'a [u8], pack: &mut Listpack) -> Option<&'a [u8]> {
    let head = *bytes.first()?;
    let text =
        |from: usize, len: usize| Some((bytes.get(from..from.checked_add(len)?)?, from + len));
    let int = |width: usize| {
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(bytes.get(1..=width)?);
        Some((i64::from_le_bytes(wide) >> (64 - 8 * width), 1 + width))
    };
    let (n, used) = match head {
        0..0x40 => {
            let (text, used) = text(1, usize::from(head))?;
            pack.push_back(text);
            return bytes.get(used..);
        }
        0x40..0x80 => {
            let (text, used) = text(
                2,
                usize::from(head & 0x3f) << 8 | usize::from(*bytes.get(1)?),
            )?;
            pack.push_back(text);
            return bytes.get(used..);
        }
        0x80 => {
            let len = u32::from_be_bytes(bytes.get(1..5)?.try_into().ok()?);
            let (text, used) = text(5, len as usize)?;
            pack.push_back(text);
            return bytes.get(used..);
        }
        0xc0 => int(2)?,
        0xd0 => int(4)?,
        0xe0 => int(8)?,
        0xf0 => int(3)?,
        0xfe => int(1)?,
        0xf1..=0xfd => (i64::from(head & 0x0f) - 1, 1),
        _ => return None,
    };
    pack.push_back(itoa::Buffer::new().format(n).as_bytes());
    bytes.get(used..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_elements_become_new_ones() {
        // "ab", 7 in place, 1000 in two bytes, as redis 6 lays them out.
        let body = b"\x00\x02ab\x04\xf8\x02\xc0\xe8\x03\xff";
        let mut bytes = (10 + body.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&16u32.to_le_bytes());
        bytes.extend_from_slice(&3u16.to_le_bytes());
        bytes.extend_from_slice(body);
        let pack = to_listpack(&bytes).unwrap();
        let texts: Vec<_> = pack.iter().map(|piece| piece.to_vec()).collect();
        assert_eq!(texts, [b"ab".to_vec(), b"7".to_vec(), b"1000".to_vec()]);
        (0..bytes.len()).for_each(|at| assert!(to_listpack(&bytes[..at]).is_none()));
    }
}
