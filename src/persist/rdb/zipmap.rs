//! Zipmaps, in which servers before 2.6 kept small hashes.

/// Calls `add` with each field and value; `None` if the bytes are not sound or `add` refuses.
pub fn each(bytes: &[u8], mut add: impl FnMut(&[u8], &[u8]) -> bool) -> Option<()> {
    let (&said, mut rest) = bytes.split_first()?;
    let mut count = 0usize;
    while *rest.first()? != 0xff {
        let field;
        (field, rest) = text(rest, 0)?;
        let value;
        (value, rest) = text(rest, 1)?;
        if !add(field, value) {
            return None;
        }
        count += 1;
    }
    // 254 says that there are too many to say.
    let counted = said == 254 || usize::from(said) == count;
    (rest.len() == 1 && counted).then_some(())
}

/// A text behind its length; before a value stands how many bytes after it are unused.
fn text(bytes: &[u8], gap: usize) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match *bytes.first()? {
        254 => (
            u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?) as usize,
            &bytes[5..],
        ),
        255 => return None,
        len => (usize::from(len), &bytes[1..]),
    };
    let unused = if gap > 0 {
        usize::from(*rest.first()?)
    } else {
        0
    };
    let text = rest.get(gap..gap.checked_add(len)?)?;
    Some((text, rest.get(gap + len + unused..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_values_come_in_order() {
        // foo = bar with two unused bytes, and hello = world.
        let bytes = b"\x02\x03foo\x03\x02bar..\x05hello\x05\x00world\xff";
        let mut seen = Vec::new();
        each(bytes, |field, value| {
            seen.push((field.to_vec(), value.to_vec()));
            true
        })
        .unwrap();
        assert_eq!(
            seen,
            [
                (b"foo".to_vec(), b"bar".to_vec()),
                (b"hello".to_vec(), b"world".to_vec())
            ]
        );
        for at in 0..bytes.len() {
            assert!(each(&bytes[..at], |_, _| true).is_none(), "cut at {at}");
        }
    }
}
