//! Words of a line: how configuration lines and inline commands are cut, and how a word is quoted again.
//!
//! `split(&quote(word))` gives the word back, unless the word holds a zero byte outside an escape:
//! `quote` writes none.

/// Cuts a line into words. `None` when a quote is left open, or is followed by anything but space.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    // The line is a C string to every other Redis: what follows a zero byte does not exist.
    let end = memchr::memchr(0, line).unwrap_or(line.len());
    let mut rest = &line[..end];
    let mut words = Vec::new();
    while let Some(start) = rest.iter().position(|byte| !is_space(*byte)) {
        let mut word = Vec::new();
        rest = take_word(&rest[start..], &mut word)?;
        words.push(word);
    }
    Some(words)
}

/// Moves one word from the front of `rest` into `word`, and returns what follows it.
fn take_word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some(rest),
            [b'"', after @ ..] => return closed(double_quoted(after, word)?),
            [b'\'', after @ ..] => return closed(single_quoted(after, word)?),
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
        }
    }
}

/// A closing quote ends its word: only space or the end of the line may follow.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first()
        .is_none_or(|byte| is_space(*byte))
        .then_some(rest)
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let byte;
        (byte, rest) = match rest {
            [] => return None,
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'x', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex(*high) << 4 | hex(*low), after)
            }
            [b'\\', escaped, after @ ..] => (unescape(*escaped), after),
            [byte, after @ ..] => (*byte, after),
        };
        word.push(byte);
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let byte;
        (byte, rest) = match rest {
            [] => return None,
            [b'\'', after @ ..] => return Some(after),
            [b'\\', b'\'', after @ ..] => (b'\'', after),
            [byte, after @ ..] => (*byte, after),
        };
        word.push(byte);
    }
}

/// Space as C's `isspace` has it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

fn unescape(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// Whether `split` gives a word back that is written as it is, without quotes.
pub fn is_plain(word: &[u8]) -> bool {
    let plain = |byte: &u8| *byte > b' ' && *byte != 0x7f && !matches!(byte, b'"' | b'\'');
    !word.is_empty() && word.iter().all(plain)
}

/// The word between double quotes, on one line of printable ASCII.
pub fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(word.len() + 2);
    quoted.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => quoted.extend([b'\\', byte]),
            b'\n' => quoted.extend(b"\\n"),
            b'\r' => quoted.extend(b"\\r"),
            b'\t' => quoted.extend(b"\\t"),
            0x08 => quoted.extend(b"\\b"),
            0x07 => quoted.extend(b"\\a"),
            b' '..=b'~' => quoted.push(byte),
            _ => quoted.extend(format!("\\x{byte:02x}").into_bytes()),
        }
    }
    quoted.push(b'"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(line: &str) -> Option<Vec<String>> {
        let words = split(line.as_bytes())?;
        Some(
            words
                .iter()
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect(),
        )
    }

    fn words(expected: &[&str]) -> Option<Vec<String>> {
        Some(expected.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn space_of_every_kind_parts_words() {
        assert_eq!(cut("  set\tkey \r\n"), words(&["set", "key"]));
        assert_eq!(cut(" \t "), words(&[]));
        assert_eq!(cut("get key\0 more"), words(&["get", "key"]));
    }

    #[test]
    fn quotes_keep_spaces_and_know_escapes() {
        assert_eq!(
            cut(r#"a "b c" '' "\x41\n\"\q" 'd\'e\n'"#),
            words(&["a", "b c", "", "A\n\"q", "d'e\\n"])
        );
        assert_eq!(cut(r#"pre"fix ed""#), words(&["prefix ed"]));
        assert_eq!(cut(r#""\xzz""#), words(&["xzz"]));
    }

    #[test]
    fn a_quote_left_open_or_followed_by_text_is_unbalanced() {
        for line in [r#""a"#, "'a", r#""a"b"#, "'a'b", r#""a\"#, r#""a\""#] {
            assert_eq!(cut(line), None, "{line}");
        }
    }

    #[test]
    fn quoting_is_undone_by_splitting() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(split(&quote(&all)), Some(vec![all]));
        assert_eq!(quote(b"a \"b\"\x01"), br#""a \"b\"\x01""#);
    }
}
