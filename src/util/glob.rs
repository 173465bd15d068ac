//! Glob patterns as KEYS, PSUBSCRIBE and CONFIG GET have them: `*`, `?`, `[a-z]`, `[^a]`, `\`.

/// Whether the whole text matches. Takes at most the product of both lengths, whatever the pattern.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on if what follows the last star turns out not to fit: one byte later.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p + 1, t));
            p += 1;
            continue;
        }
        if t == text.len() {
            return p == pattern.len();
        }
        let step = if p < pattern.len() {
            one(&pattern[p..], text[t], nocase)
        } else {
            None
        };
        match (step, &mut retry) {
            (Some(len), _) => {
                p += len;
                t += 1;
            }
            (None, Some((after_star, from))) => {
                *from += 1;
                (p, t) = (*after_star, *from);
            }
            (None, None) => return false,
        }
    }
}

/// Matches one byte against the front of a pattern: how much of the pattern that takes, if it fits.
fn one(pattern: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    let fold = |byte: u8| {
        if nocase {
            byte.to_ascii_lowercase()
        } else {
            byte
        }
    };
    match pattern[0] {
        b'?' => Some(1),
        b'[' => class(pattern, fold(byte), fold),
        b'\\' if pattern.len() > 1 => (fold(pattern[1]) == fold(byte)).then_some(2),
        plain => (fold(plain) == fold(byte)).then_some(1),
    }
}

/// A class; one that is never closed ends with the pattern.
fn class(pattern: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> Option<usize> {
    let mut at = 1;
    let not = pattern.get(at) == Some(&b'^');
    at += usize::from(not);
    let mut hit = false;
    loop {
        match pattern[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                hit |= fold(escaped) == byte;
                at += 2;
            }
            [first, b'-', last, ..] => {
                let (low, high) = (first.min(last), first.max(last));
                hit |= (fold(low)..=fold(high)).contains(&byte);
                at += 3;
            }
            [plain, ..] => {
                hit |= fold(plain) == byte;
                at += 1;
            }
        }
    }
    (hit != not).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_redis() {
        let fits = |pattern: &str, text: &str| matches(pattern.as_bytes(), text.as_bytes(), false);
        for (pattern, text) in [
            ("*", ""),
            ("h?llo", "hello"),
            ("h*llo", "heeeello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hbllo"),
            ("h[a-b]llo", "hbllo"),
            ("h[b-a]llo", "hallo"),
            ("a\\*b", "a*b"),
            ("*a*b*c", "xxaxxbxxc"),
            ("[\\]]", "]"),
            ("[a", "a"),
            ("\\", "\\"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("a*", "ba"),
            ("h[^e]llo", "hello"),
            ("[]", "]"),
            ("a\\*b", "axb"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
        assert!(matches(b"HE[L]*", b"hello", true));
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "a*".repeat(1000) + "b";
        assert!(!matches(
            pattern.as_bytes(),
            "a".repeat(5000).as_bytes(),
            false
        ));
    }
}
