//! How much of a text stands between quotes as it is.

/// Bytes looked at together.
const WORD: usize = 8;

/// How many bytes there are before the first that a JSON text has only escaped, or at its end: a quote, a backslash, or a
/// control character.
#[inline]
pub fn plain_len(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<WORD>();
    for (at, word) in words.iter().enumerate() {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return at * WORD + found.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| matches!(byte, 0..0x20 | b'"' | b'\\');
    let at = rest.iter().position(special).unwrap_or(rest.len());
    text.len() - rest.len() + at
}

/// How many bytes there are before the first such byte of a text as long as one word or two.
#[inline]
pub fn plain_len_short<const LEN: usize>(text: &[u8; LEN]) -> usize {
    const { assert!(WORD <= LEN && LEN <= 2 * WORD) };
    let behind = LEN - WORD;
    let word = |at: usize| {
        text[at..]
            .first_chunk()
            .map_or(0, |word| u64::from_le_bytes(*word))
    };
    match (marks(word(0)), marks(word(behind))) {
        (0, 0) => LEN,
        (0, found) => behind + found.trailing_zeros() as usize / 8,
        (found, _) => found.trailing_zeros() as usize / 8,
    }
}

/// The highest bit of each such byte; behind the first of them, others may be marked, too.
#[inline]
fn marks(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let quotes = zeros(word ^ (ONES * b'"' as u64));
    let slashes = zeros(word ^ (ONES * b'\\' as u64));
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | slashes | controls) & (ONES * 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_a_look_at_each_byte() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..200_000 {
            let pool = [0x1f, b'"', b'\\', 0x20, 0x7f, 0x80, 0xff, b'!', b'#', 0];
            let text: Vec<u8> = (0..random.usize(..40))
                .map(|_| match random.u8(..12) {
                    0 => pool[random.usize(..pool.len())],
                    _ => random.u8(0x23..),
                })
                .collect();
            let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
            let expected = text.iter().position(special).unwrap_or(text.len());
            assert_eq!(plain_len(&text), expected, "{text:?}");
            if let Some(short) = text.first_chunk::<14>() {
                assert_eq!(plain_len_short(short), expected.min(14), "{text:?}");
            }
        }
    }
}
