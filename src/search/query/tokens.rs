//! The tokens of a query in the first dialect: at each place the longest one.

#[derive(Clone, Debug, PartialEq)]
pub enum QueryToken {
    /// A word with its escapes undone.
    Term(Vec<u8>),
    Stopword(Vec<u8>),
    /// A number, and how it is written.
    Number(f64, Vec<u8>),
    Prefix(Vec<u8>),
    Suffix(Vec<u8>),
    Infix(Vec<u8>),
    /// A field's name, behind its sign.
    Field(Vec<u8>),
    /// The name of an attribute, behind its sign.
    Attribute(Vec<u8>),
    Arrow,
    Sign(u8),
}

/// A token, where it stands, and the last text before it or of it, which errors name.
#[derive(Clone, Debug)]
pub struct PlacedToken {
    pub token: QueryToken,
    pub at: usize,
    pub near: Vec<u8>,
}

/// Signs that mean something; other punctuation is passed over.
const SIGNS: &[u8] = b"\"|(){}:;-~*%[]";

fn is_plain(byte: u8) -> bool {
    byte == b'_' || byte >= 0x7f || byte.is_ascii_alphanumeric()
}

/// Whether a byte loses its meaning behind a backslash.
pub fn is_escapable(byte: u8) -> bool {
    byte.is_ascii_punctuation() || byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

/// How many bytes of a text are a word.
pub fn word_len(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let escapes = *byte == b'\\' && text.get(at + 1).copied().is_some_and(is_escapable);
        if escapes {
            at += 2;
        } else if is_plain(*byte) {
            at += 1;
        } else {
            break;
        }
    }
    at
}

/// How many bytes of a text are a number, infinities included.
pub fn number_len(text: &[u8]) -> usize {
    let sign = usize::from(text.first() == Some(&b'-'));
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let whole = digits(sign);
    if whole == 0 {
        let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
        let word = text.get(sign..sign + 3).unwrap_or_default();
        return if word == b"inf" { sign + 3 } else { 0 };
    }
    let mut len = sign + whole;
    if text.get(len) == Some(&b'.') && digits(len + 1) > 0 {
        len += 1 + digits(len + 1);
    }
    if matches!(text.get(len), Some(b'e' | b'E')) {
        let minus = usize::from(text.get(len + 1) == Some(&b'-'));
        let exponent = digits(len + 1 + minus);
        if exponent > 0 {
            len += 1 + minus + exponent;
        }
    }
    len
}

/// The tokens of a query.
pub fn tokens(text: &[u8], is_stopword: impl Fn(&str) -> bool) -> Vec<PlacedToken> {
    let mut found = Vec::new();
    let (mut at, mut near) = (0, Vec::new());
    while at < text.len() {
        let rest = &text[at..];
        let (token, len) = match longest(rest, &is_stopword) {
            Some((token, len, named)) => {
                if let Some(named) = named {
                    near = named;
                }
                (token, len)
            }
            None => {
                at += 1;
                continue;
            }
        };
        found.push(PlacedToken {
            token,
            at,
            near: near.clone(),
        });
        at += len;
    }
    found
}

/// The longest token at the begin of a text, its length, and what errors name by it.
fn longest(
    rest: &[u8],
    is_stopword: &impl Fn(&str) -> bool,
) -> Option<(QueryToken, usize, Option<Vec<u8>>)> {
    let first = *rest.first()?;
    let named = |token: fn(Vec<u8>) -> QueryToken, word: &[u8], len: usize| {
        Some((token(unescaped(word)), len, Some(word.to_vec())))
    };
    match first {
        b'*' => {
            let word = word_len(&rest[1..]).max(number_len(&rest[1..]));
            if word == 0 {
                return Some((QueryToken::Sign(b'*'), 1, None));
            }
            let text = &rest[1..=word];
            return match rest.get(word + 1) {
                Some(b'*') => named(QueryToken::Infix, text, word + 2),
                _ => named(QueryToken::Suffix, text, word + 1),
            };
        }
        b'@' | b'$' => {
            let word = word_len(&rest[1..]);
            let token = if first == b'@' {
                QueryToken::Field
            } else {
                QueryToken::Attribute
            };
            return match word {
                0 => None,
                word => named(token, &rest[1..=word], word + 1),
            };
        }
        b'=' if rest.starts_with(b"=>") => {
            let near = rest[1..].iter().take(2).copied().collect();
            return Some((QueryToken::Arrow, 2, Some(near)));
        }
        _ => {}
    }
    let (word, number) = (word_len(rest), number_len(rest));
    let len = word.max(number);
    if len > 0 && rest.get(len) == Some(&b'*') {
        return named(QueryToken::Prefix, &rest[..len], len + 1);
    }
    let text = &rest[..len];
    if number > 0 && number >= word {
        let n = String::from_utf8_lossy(text)
            .parse()
            .unwrap_or(f64::INFINITY);
        return Some((
            QueryToken::Number(n, text.to_vec()),
            len,
            Some(text.to_vec()),
        ));
    }
    if word > 0 {
        let plain = std::str::from_utf8(text).map(str::to_lowercase);
        return match plain.is_ok_and(|word| is_stopword(&word)) {
            true => named(QueryToken::Stopword, text, len),
            false => named(QueryToken::Term, text, len),
        };
    }
    SIGNS
        .contains(&first)
        .then_some((QueryToken::Sign(first), 1, None))
}

/// Undoes escapes.
pub fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            byte => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let found = tokens(text.as_bytes(), |word| word == "the");
        let named = |held: &PlacedToken| match &held.token {
            QueryToken::Number(n, _) => format!("#{n}"),
            QueryToken::Sign(byte) => char::from(*byte).to_string(),
            QueryToken::Term(word) => String::from_utf8_lossy(word).into_owned(),
            other => {
                let name = format!("{other:?}");
                name.split('(').next().unwrap_or_default().to_owned()
            }
        };
        let shown: Vec<String> = found.iter().map(named).collect();
        shown.join(" ")
    }

    #[test]
    fn the_longest_token_is_taken() {
        assert_eq!(
            shown("hello-5 5.5 -5 5abc the"),
            "hello #-5 #5.5 #-5 5abc Stopword"
        );
        assert_eq!(
            shown("run* *run *run* 5* @t:(a|b)"),
            "Prefix Suffix Infix Prefix Field : ( a | b )"
        );
        assert_eq!(
            shown("a\\-b a\\b =>{$weight:2}"),
            "a-b a b Arrow { Attribute : #2 }"
        );
        assert_eq!(
            shown("[-inf +inf] 1e3 a=b 'x'"),
            "[ #-inf #inf ] #1000 a b x"
        );
    }
}
