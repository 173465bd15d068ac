//! A reply as a value, and the client's side of the wire.
//!
//! Tests, benchmarks and links to other servers read replies of RESP2 and
//! RESP3 with it. The other side is not trusted: nesting is bounded, and an
//! announced length costs no memory before its bytes arrive.

use std::io;

use bytes::{Buf, BytesMut};
use memchr::memchr;
use tokio_util::codec::{Decoder, Encoder};

use super::encode;
use crate::util::number::{parse_double, parse_i64, write_double, write_i64};

/// Arrays within arrays, at most.
const DEPTH_MAX: usize = 64;
/// Elements that room is made for before they have arrived.
const ELEMENTS_AHEAD_MAX: usize = 1024;
/// The longest line that is waited for.
const LINE_MAX: usize = 64 * 1024;

/// One value of RESP2 or RESP3.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+OK`
    Simple(Vec<u8>),
    /// `-ERR ...`, or RESP3's long form of it.
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    /// RESP2's `$-1`.
    NullBulk,
    /// RESP2's `*-1`.
    NullArray,
    Array(Vec<Value>),
    /// RESP3's `_`.
    Null,
    Bool(bool),
    Double(f64),
    BigNumber(Vec<u8>),
    /// Text with the three letters that name its format.
    Verbatim([u8; 3], Vec<u8>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    /// Facts about the value that follows them.
    Attribute(Vec<(Value, Value)>, Box<Value>),
}

/// Why bytes are no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueError {
    UnknownType(u8),
    InvalidLine,
    InvalidLength,
    TooDeep,
}

impl std::fmt::Display for ValueError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ValueError::UnknownType(byte) => {
                write!(out, "unknown reply type '{}'", byte.escape_ascii())
            }
            ValueError::InvalidLine => out.write_str("a reply's line does not fit its type"),
            ValueError::InvalidLength => out.write_str("invalid length in a reply"),
            ValueError::TooDeep => out.write_str("a reply is nested too deep"),
        }
    }
}

impl std::error::Error for ValueError {}

impl Value {
    /// Reads one value from the start of the bytes, with the number of bytes it
    /// takes; `Ok(None)` if it goes on behind them.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Value, usize)>, ValueError> {
        let mut reader = ValueReader { bytes, at: 0 };
        let value = reader.value(DEPTH_MAX)?;
        Ok(value.map(|value| (value, reader.at)))
    }

    /// Appends the value as it goes over the wire.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Simple(text) => write_line(b'+', text, out),
            // A line cannot hold a line end: such an error takes the long form.
            Value::Error(text) if text.iter().any(|byte| matches!(byte, b'\r' | b'\n')) => {
                write_bulk(b'!', &[text], out);
            }
            Value::Error(text) => write_line(b'-', text, out),
            Value::Int(number) => write_head(b':', *number, out),
            Value::Bulk(text) => write_bulk(b'$', &[text], out),
            Value::NullBulk => out.extend_from_slice(b"$-1\r\n"),
            Value::NullArray => out.extend_from_slice(b"*-1\r\n"),
            Value::Null => out.extend_from_slice(b"_\r\n"),
            Value::Bool(true) => out.extend_from_slice(b"#t\r\n"),
            Value::Bool(false) => out.extend_from_slice(b"#f\r\n"),
            Value::Double(number) => {
                out.push(b',');
                write_double(*number, out);
                out.extend_from_slice(b"\r\n");
            }
            Value::BigNumber(digits) => write_line(b'(', digits, out),
            Value::Verbatim(format, text) => write_bulk(b'=', &[format, b":", text], out),
            Value::Array(values) => write_values(b'*', values, out),
            Value::Set(values) => write_values(b'~', values, out),
            Value::Push(values) => write_values(b'>', values, out),
            Value::Map(pairs) => write_pairs(b'%', pairs, out),
            Value::Attribute(pairs, value) => {
                write_pairs(b'|', pairs, out);
                value.write(out);
            }
        }
    }
}

fn write_head(kind: u8, number: i64, out: &mut Vec<u8>) {
    out.push(kind);
    write_i64(number, out);
    out.extend_from_slice(b"\r\n");
}

fn write_line(kind: u8, text: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn write_bulk(kind: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    write_head(kind, length as i64, out);
    for part in parts {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

fn write_values(kind: u8, values: &[Value], out: &mut Vec<u8>) {
    write_head(kind, values.len() as i64, out);
    for value in values {
        value.write(out);
    }
}

fn write_pairs(kind: u8, pairs: &[(Value, Value)], out: &mut Vec<u8>) {
    write_head(kind, pairs.len() as i64, out);
    for (key, value) in pairs {
        key.write(out);
        value.write(out);
    }
}

/// Reads values one after another; None means that the bytes end first.
struct ValueReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Read<T> = Result<Option<T>, ValueError>;

/// Unwraps what was read, or reports that the bytes ended.
macro_rules! arrived {
    ($read:expr) => {
        match $read? {
            Some(read) => read,
            None => return Ok(None),
        }
    };
}

impl<'a> ValueReader<'a> {
    fn value(&mut self, depth: usize) -> Read<Value> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(ValueError::TooDeep);
        };
        let line = arrived!(self.line());
        let (&kind, line) = line.split_first().ok_or(ValueError::InvalidLine)?;
        let value = match kind {
            b'+' => Value::Simple(line.to_vec()),
            b'-' => Value::Error(line.to_vec()),
            b':' => Value::Int(parse_i64(line).ok_or(ValueError::InvalidLine)?),
            b'$' if line == b"-1" => Value::NullBulk,
            b'*' if line == b"-1" => Value::NullArray,
            b'_' if line.is_empty() => Value::Null,
            b'#' if line == b"t" => Value::Bool(true),
            b'#' if line == b"f" => Value::Bool(false),
            b'#' | b'_' => return Err(ValueError::InvalidLine),
            b',' if line == b"nan" => Value::Double(f64::NAN),
            b',' => Value::Double(parse_double(line).ok_or(ValueError::InvalidLine)?),
            b'(' => {
                let digits = line.strip_prefix(b"-").unwrap_or(line);
                if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                    return Err(ValueError::InvalidLine);
                }
                Value::BigNumber(line.to_vec())
            }
            b'$' => Value::Bulk(arrived!(self.bulk(length(line)?)).to_vec()),
            b'!' => Value::Error(arrived!(self.bulk(length(line)?)).to_vec()),
            b'=' => match arrived!(self.bulk(length(line)?)) {
                [a, b, c, b':', text @ ..] => Value::Verbatim([*a, *b, *c], text.to_vec()),
                _ => return Err(ValueError::InvalidLine),
            },
            b'*' => Value::Array(arrived!(self.values(length(line)?, depth))),
            b'~' => Value::Set(arrived!(self.values(length(line)?, depth))),
            b'>' => Value::Push(arrived!(self.values(length(line)?, depth))),
            b'%' => Value::Map(arrived!(self.pairs(length(line)?, depth))),
            b'|' => {
                let facts = arrived!(self.pairs(length(line)?, depth));
                Value::Attribute(facts, Box::new(arrived!(self.value(depth))))
            }
            other => return Err(ValueError::UnknownType(other)),
        };
        Ok(Some(value))
    }

    fn line(&mut self) -> Read<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        match memchr(b'\n', rest) {
            Some(end) => {
                self.at += end + 1;
                let line = rest[..end].strip_suffix(b"\r");
                line.map(Some).ok_or(ValueError::InvalidLine)
            }
            None if rest.len() > LINE_MAX => Err(ValueError::InvalidLine),
            None => Ok(None),
        }
    }

    fn bulk(&mut self, length: usize) -> Read<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        if rest.len() < length.saturating_add(2) {
            return Ok(None);
        }
        if &rest[length..length + 2] != b"\r\n" {
            return Err(ValueError::InvalidLength);
        }
        self.at += length + 2;
        Ok(Some(&rest[..length]))
    }

    fn values(&mut self, count: usize, depth: usize) -> Read<Vec<Value>> {
        let mut values = Vec::with_capacity(count.min(ELEMENTS_AHEAD_MAX));
        for _ in 0..count {
            values.push(arrived!(self.value(depth)));
        }
        Ok(Some(values))
    }

    fn pairs(&mut self, count: usize, depth: usize) -> Read<Vec<(Value, Value)>> {
        let mut pairs = Vec::with_capacity(count.min(ELEMENTS_AHEAD_MAX));
        for _ in 0..count {
            let key = arrived!(self.value(depth));
            pairs.push((key, arrived!(self.value(depth))));
        }
        Ok(Some(pairs))
    }
}

fn length(line: &[u8]) -> Result<usize, ValueError> {
    parse_i64(line)
        .and_then(|length| usize::try_from(length).ok())
        .ok_or(ValueError::InvalidLength)
}

/// The client's side of a connection: sends requests, receives values.
#[derive(Debug, Default)]
pub struct ClientCodec {
    /// No value ends within this many bytes, so don't read them again. Doubled
    /// from try to try: a large reply in small pieces stays linear.
    wanted: usize,
}

impl Decoder for ClientCodec {
    type Item = Value;
    type Error = io::Error;

    fn decode(&mut self, src: &mut BytesMut) -> io::Result<Option<Value>> {
        if src.len() < self.wanted && !src.ends_with(b"\r\n") {
            return Ok(None);
        }
        match Value::parse(src) {
            Ok(Some((value, used))) => {
                src.advance(used);
                self.wanted = 0;
                Ok(Some(value))
            }
            Ok(None) => {
                self.wanted = src.len() * 2;
                Ok(None)
            }
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
}

/// Sends a request: its words as an array of bulk strings.
impl<A: AsRef<[u8]>> Encoder<&[A]> for ClientCodec {
    type Error = io::Error;

    fn encode(&mut self, words: &[A], dst: &mut BytesMut) -> io::Result<()> {
        let mut out = Vec::new();
        encode(words, &mut out);
        dst.extend_from_slice(&out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: &[u8] = b"+OK\r\n-ERR no\r\n:-5\r\n$2\r\nab\r\n$-1\r\n*-1\r\n*2\r\n:1\r\n*0\r\n_\r\n#t\r\n#f\r\n\
        ,3.5\r\n,inf\r\n(-12345678901234567890\r\n=6\r\ntxt:ab\r\n%1\r\n+a\r\n:1\r\n~1\r\n:2\r\n>1\r\n+x\r\n\
        |1\r\n+ttl\r\n:9\r\n$0\r\n\r\n!4\r\na\r\nb\r\n";

    #[test]
    fn every_type_reads_and_writes_back() {
        let mut codec = ClientCodec::default();
        let mut src = BytesMut::new();
        let (mut count, mut out) = (0, Vec::new());
        for byte in REPLIES {
            src.extend_from_slice(&[*byte]);
            while let Some(value) = codec.decode(&mut src).unwrap() {
                value.write(&mut out);
                count += 1;
            }
        }
        assert_eq!(
            out.escape_ascii().to_string(),
            REPLIES.escape_ascii().to_string()
        );
        assert_eq!(count, 19);
    }

    #[test]
    fn hostile_bytes_are_refused_or_waited_for() {
        for bytes in [
            &b"?\r\n"[..],
            b":a\r\n",
            b"$-2\r\n",
            b"+a\n",
            b"$1\r\nabc",
            b"#x\r\n",
            b"=2\r\nab\r\n",
        ] {
            assert!(Value::parse(bytes).is_err(), "{}", bytes.escape_ascii());
        }
        for bytes in [
            &b""[..],
            b"*2\r\n:1\r\n",
            b"$9223372036854775807\r\nab",
            b"*9223372036854775807\r\n",
        ] {
            assert_eq!(Value::parse(bytes), Ok(None), "{}", bytes.escape_ascii());
        }
        assert_eq!(
            Value::parse(&b"*1\r\n".repeat(100_000)),
            Err(ValueError::TooDeep)
        );
    }

    #[test]
    fn requests_are_arrays_of_bulk_strings() {
        let mut dst = BytesMut::new();
        ClientCodec::default()
            .encode(&["GET", "a"][..], &mut dst)
            .unwrap();
        assert_eq!(&dst[..], b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    }
}
