//! One reply, taken apart without loss: two different spellings are two different values.

use std::fmt;

/// A RESP2 or RESP3 value. `$-1`, `*-1` and `_` are three values, as they are on the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    NullBulk,
    NullArray,
    Null,
    Bool(bool),
    Double(Vec<u8>),
    BigNumber(Vec<u8>),
    Verbatim(Vec<u8>),
    Array(Vec<Value>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

impl Value {
    /// The first value in `bytes` and its length; `None` while it is incomplete.
    pub fn parse(bytes: &[u8]) -> Option<(Value, usize)> {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let line = &bytes[1..end];
        let after = end + 2;
        let number = || -> i64 {
            let text = String::from_utf8_lossy(line);
            text.parse()
                .unwrap_or_else(|_| panic!("bad number {text:?} in {:?}", escape(bytes)))
        };
        let value = match bytes[0] {
            b'+' => Value::Simple(line.to_vec()),
            b'-' => Value::Error(line.to_vec()),
            b':' => Value::Int(number()),
            b'_' => Value::Null,
            b'#' => Value::Bool(line == b"t"),
            b',' => Value::Double(line.to_vec()),
            b'(' => Value::BigNumber(line.to_vec()),
            b'$' | b'=' if number() < 0 => Value::NullBulk,
            kind @ (b'$' | b'=' | b'!') => {
                let len = number() as usize;
                let body = bytes.get(after..after + len + 2)?[..len].to_vec();
                let value = match kind {
                    b'$' => Value::Bulk(body),
                    b'=' => Value::Verbatim(body),
                    _ => Value::Error(body),
                };
                return Some((value, after + len + 2));
            }
            b'*' if number() < 0 => Value::NullArray,
            kind @ (b'*' | b'~' | b'>' | b'%') => {
                let count = number() as usize * if kind == b'%' { 2 } else { 1 };
                let mut at = after;
                let mut items = Vec::new();
                for _ in 0..count {
                    let rest = &bytes[at..];
                    if rest.is_empty() {
                        return None;
                    }
                    let (item, len) = Value::parse(rest)?;
                    items.push(item);
                    at += len;
                }
                let value = match kind {
                    b'*' => Value::Array(items),
                    b'~' => Value::Set(items),
                    b'>' => Value::Push(items),
                    _ => Value::Map(pairs(items)),
                };
                return Some((value, at));
            }
            other => panic!("no such kind of reply: {other:#x} in {:?}", escape(bytes)),
        };
        Some((value, after))
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }

    /// The elements of an array, set, push, or map laid flat; of anything else, itself.
    pub fn items(&self) -> Vec<Value> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => items.clone(),
            Value::Map(pairs) => pairs
                .iter()
                .flat_map(|(k, v)| [k.clone(), v.clone()])
                .collect(),
            leaf => vec![leaf.clone()],
        }
    }

    /// The leaves at every depth, from left to right.
    pub fn leaves(&self) -> Vec<Value> {
        match self {
            Value::Array(_) | Value::Set(_) | Value::Push(_) | Value::Map(_) => {
                self.items().iter().flat_map(Value::leaves).collect()
            }
            leaf => vec![leaf.clone()],
        }
    }

    /// The bytes of a leaf, as text; of anything else, its display form.
    pub fn text(&self) -> String {
        match self {
            Value::Simple(bytes)
            | Value::Error(bytes)
            | Value::Bulk(bytes)
            | Value::Double(bytes)
            | Value::BigNumber(bytes)
            | Value::Verbatim(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::Int(number) => number.to_string(),
            other => other.to_string(),
        }
    }

    pub fn int(&self) -> i64 {
        self.text()
            .parse()
            .unwrap_or_else(|_| panic!("not an integer: {self}"))
    }
}

fn pairs(flat: Vec<Value>) -> Vec<(Value, Value)> {
    let mut rest = flat.into_iter();
    let mut pairs = Vec::new();
    while let (Some(key), Some(value)) = (rest.next(), rest.next()) {
        pairs.push((key, value));
    }
    pairs
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, open: &str, items: &[Value]| {
            let inner: Vec<String> = items.iter().map(Value::to_string).collect();
            write!(f, "{open}[{}]", inner.join(" "))
        };
        match self {
            Value::Simple(text) => write!(f, "+{}", escape(text)),
            Value::Error(text) => write!(f, "-{}", escape(text)),
            Value::Int(number) => write!(f, ":{number}"),
            Value::Bulk(bytes) => write!(f, "\"{}\"", escape(bytes)),
            Value::NullBulk => write!(f, "$-1"),
            Value::NullArray => write!(f, "*-1"),
            Value::Null => write!(f, "_"),
            Value::Bool(yes) => write!(f, "#{yes}"),
            Value::Double(text) => write!(f, ",{}", escape(text)),
            Value::BigNumber(text) => write!(f, "({}", escape(text)),
            Value::Verbatim(text) => write!(f, "=\"{}\"", escape(text)),
            Value::Array(items) => list(f, "*", items),
            Value::Set(items) => list(f, "~", items),
            Value::Push(items) => list(f, ">", items),
            Value::Map(_) => list(f, "%", &self.items()),
        }
    }
}

/// Bytes as a line for people: printable ASCII stays, the rest is escaped, the middle of long ones left out.
pub fn escape(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 240;
    if bytes.len() <= SHOWN_MAX {
        return bytes.escape_ascii().to_string();
    }
    let (head, tail) = (&bytes[..SHOWN_MAX / 2], &bytes[bytes.len() - 40..]);
    format!(
        "{}<{} bytes>{}",
        head.escape_ascii(),
        bytes.len() - 160,
        tail.escape_ascii()
    )
}
