//! Patterns of KEYS, SCAN, PSUBSCRIBE and CONFIG GET.
//!
//! `*` stands for any run, `?` for any byte, `[a-z]` and `[^a-z]` for a class,
//! and a backslash takes the next byte as it is. Cost is at most the product
//! of both lengths, whatever the pattern: only the latest star is ever taken
//! back, since an earlier one that swallowed more could not help a later one.

/// Whether the whole text fits the pattern.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    // Not even a star fits the empty text: Redis never looks at its pattern.
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut at, mut read) = (0, 0);
    // Where to go on after the latest star, and how far it reaches so far.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            if at == pattern.len() {
                return true;
            }
            star = Some((at, read));
        } else if let Some(next) = one(&pattern[at..], text[read], nocase) {
            at += next;
            read += 1;
        } else if let Some((resume, reach)) = &mut star {
            *reach += 1;
            (at, read) = (*resume, *reach);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Whether the pattern fits itself and nothing else.
pub fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| b"*?[\\".contains(byte))
}

/// If the pattern's first element, which is no star, takes this byte: the
/// length of that element.
fn one(pattern: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => class_takes(class, byte, nocase).map(|length| length + 1),
        [b'\\', literal, ..] => same(*literal, byte, nocase).then_some(2),
        [literal, ..] => same(*literal, byte, nocase).then_some(1),
    }
}

fn same(a: u8, b: u8, nocase: bool) -> bool {
    a == b || (nocase && a.eq_ignore_ascii_case(&b))
}

/// If the class takes this byte: its length with the closing bracket. A class
/// that is never closed reaches to the end of the pattern.
fn class_takes(class: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &class[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            // An escaped member means itself, in its own case.
            [b'\\', literal, ..] => {
                found |= *literal == byte;
                at += 2;
            }
            [start, b'-', end, ..] => {
                found |= in_range(*start, *end, byte, nocase);
                at += 3;
            }
            [literal, ..] => {
                found |= same(*literal, byte, nocase);
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

/// Whether the byte lies between two ends, given in either order. Bytes count
/// as signed here, because they do where Redis was compiled for x86.
fn in_range(start: u8, end: u8, byte: u8, nocase: bool) -> bool {
    let order = |byte: u8| byte.cast_signed();
    let (mut low, mut high) = (order(start).min(order(end)), order(start).max(order(end)));
    let mut byte = byte;
    if nocase {
        low = order(low.cast_unsigned().to_ascii_lowercase());
        high = order(high.cast_unsigned().to_ascii_lowercase());
        byte = byte.to_ascii_lowercase();
    }
    (low..=high).contains(&order(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", false),
            ("", "a", false),
            ("*", "a", true),
            ("a*", "a", true),
            ("a**", "a", true),
            ("a?", "a", false),
            ("h?llo", "hello", true),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a\\", "a\\", true),
            ("[abc", "b", true),
            ("[", "[", false),
            ("[^", "x", true),
            ("[]", "]", false),
            ("[]a]", "a]", false),
            ("[a-", "-", true),
            ("[a-]", "]", true),
            ("[\\]]", "]", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            ("*.txt", "a.txt.txt", true),
            ("[^a-c]*", "dog", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes(), false),
                expected,
                "{pattern} {text}"
            );
        }
        assert!(matches(b"HeLLo*[A-C]", b"hello b", true));
        assert!(!matches(b"[\\A]", b"a", true));
        assert!(!matches(b"HELLO", b"hello", false));
        assert!(matches(b"[\x80-\x00]", b"\xff", false));
        assert!(!matches(b"[\x01-\xff]", b"\x02", false));
    }

    #[test]
    fn many_stars_cost_no_explosion() {
        let pattern = b"a*".repeat(1000);
        let text = b"a".repeat(100_000);
        assert!(matches(&pattern, &text, false));
        assert!(!matches(&[&pattern[..], b"b"].concat(), &text, false));
    }
}
