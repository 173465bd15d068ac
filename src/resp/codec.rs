//! Requests out of a stream of bytes, without copying them.
//!
//! The codec remembers how far it came in a request that is not whole yet, so that one which arrives in
//! many pieces is read once, not once per piece. Nothing is allocated for what is only announced.

use std::fmt;

use super::request::Request;
use crate::util::number;

/// An argument from this size on is read into a buffer of its own size.
const LARGE_BYTES: usize = 32 * 1024;

/// The longest line: an inline request, or a length with its sign.
const LINE_MAX: usize = 64 * 1024;
/// Arguments of one request.
const ARGS_MAX: i64 = i32::MAX as i64;
/// What a client may send before it has logged in.
const UNKNOWN_ARGS_MAX: i64 = 10;
const UNKNOWN_BULK_MAX: i64 = 16 * 1024;

/// What a request may be at most.
#[derive(Clone, Copy, Debug)]
pub struct ProtoLimits {
    pub bulk_max: u64,
    pub authenticated: bool,
}

/// Bytes that are no request: the connection closes after this text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    TooBigInline,
    UnbalancedQuotes,
    TooBigCountLine,
    BadCount,
    UnknownCount,
    TooBigLengthLine,
    NoDollar(u8),
    BadLength,
    UnknownLength,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            ProtocolError::TooBigInline => "too big inline request",
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in request",
            ProtocolError::TooBigCountLine => "too big mbulk count string",
            ProtocolError::BadCount => "invalid multibulk length",
            ProtocolError::UnknownCount => "unauthenticated multibulk length",
            ProtocolError::TooBigLengthLine => "too big bulk count string",
            ProtocolError::NoDollar(got) => {
                return write!(out, "expected '$', got '{}'", char::from(*got));
            }
            ProtocolError::BadLength => "invalid bulk length",
            ProtocolError::UnknownLength => "unauthenticated bulk length",
        };
        out.write_str(text)
    }
}

/// Reads one client's requests.
#[derive(Debug, Default)]
pub struct Codec {
    request: Request,
    /// Bytes of the present request that have been understood.
    at: usize,
    /// Arguments still to come; 0 before the request's first line.
    missing: usize,
    /// The length announced for the argument at `at`.
    bulk: Option<usize>,
}

impl Codec {
    /// Gives back what a request of very many arguments took.
    #[inline]
    pub fn shrink(&mut self) {
        if self.missing == 0 {
            self.request.shrink();
        }
    }

    /// Puts the next request into `out`; `buf` begins with the first byte that no request before it took. False
    /// if more bytes are needed.
    #[inline]
    pub fn next(
        &mut self,
        buf: &[u8],
        limits: &ProtoLimits,
        out: &mut Request,
    ) -> Result<bool, ProtocolError> {
        if self.missing == 0 {
            self.rewind();
            match buf.first() {
                None => return Ok(false),
                Some(b'*') => {
                    let Some((count, end)) = number_line(buf, 1, ProtocolError::TooBigCountLine)?
                    else {
                        return Ok(false);
                    };
                    let count = count
                        .filter(|count| *count <= ARGS_MAX)
                        .ok_or(ProtocolError::BadCount)?;
                    if count > UNKNOWN_ARGS_MAX && !limits.authenticated {
                        return Err(ProtocolError::UnknownCount);
                    }
                    self.at = end;
                    self.missing = count.max(0) as usize;
                }
                Some(_) => return self.inline(buf, out),
            }
        }
        if !self.args(buf, limits)? {
            return Ok(false);
        }
        self.request.len = self.at;
        std::mem::swap(&mut self.request, out);
        Ok(true)
    }

    /// Forgets how far it came in a request: what comes next is read from its beginning.
    pub fn rewind(&mut self) {
        self.request.ranges.clear();
        self.request.words.clear();
        self.at = 0;
        self.missing = 0;
        self.bulk = None;
    }

    /// How many bytes the argument being read still needs: what a read buffer may be grown by.
    pub fn wanted(&self, have: usize) -> usize {
        self.bulk
            .map_or(0, |len| (self.at + len + 2).saturating_sub(have))
    }

    /// Bytes of arguments that came before a large one which is being read: it is what the buffer is for now.
    pub fn before_large(&self) -> usize {
        match self.bulk {
            Some(len) if len >= LARGE_BYTES => self.at,
            _ => 0,
        }
    }

    /// Reads the arguments that are missing; false if not all have come.
    #[inline]
    fn args(&mut self, buf: &[u8], limits: &ProtoLimits) -> Result<bool, ProtocolError> {
        let (mut at, mut missing) = (self.at, self.missing);
        let mut bulk = self.bulk.take();
        let whole = loop {
            if missing == 0 {
                break true;
            }
            if bulk.is_none()
                && let Some((start, end)) = short_argument(buf, at)
            {
                self.request.ranges.push((start, end));
                at = end as usize + 2;
                missing -= 1;
                continue;
            }
            let len = match bulk {
                Some(len) => len,
                None => match bulk_head(buf, at, limits)? {
                    Some((len, start)) => {
                        at = start;
                        len
                    }
                    None => break false,
                },
            };
            let end = at + len;
            if buf.len() < end + 2 {
                self.bulk = Some(len);
                break false;
            }
            self.request.ranges.push((at as u32, end as u32));
            at = end + 2;
            bulk = None;
            missing -= 1;
        };
        (self.at, self.missing) = (at, missing);
        Ok(whole)
    }

    fn inline(&mut self, buf: &[u8], out: &mut Request) -> Result<bool, ProtocolError> {
        let Some(end) = memchr::memchr(b'\n', buf) else {
            return if buf.len() > LINE_MAX {
                Err(ProtocolError::TooBigInline)
            } else {
                Ok(false)
            };
        };
        let line = buf[..end].strip_suffix(b"\r").unwrap_or(&buf[..end]);
        let words = crate::util::words::split(line).ok_or(ProtocolError::UnbalancedQuotes)?;
        for word in words {
            let start = self.request.words.len() as u32;
            self.request.words.extend_from_slice(&word);
            self.request.ranges.push((start, start + word.len() as u32));
        }
        self.request.len = end + 1;
        std::mem::swap(&mut self.request, out);
        Ok(true)
    }
}

/// Where the argument stands whose first line begins at `at`, if it is whole and of less than a hundred bytes, as
/// nearly all are: within any limit.
#[inline(always)]
fn short_argument(buf: &[u8], at: usize) -> Option<(u32, u32)> {
    let line = buf.get(at..)?.strip_prefix(b"$")?;
    let (len, used) = short_number(line)?;
    let start = at + 1 + used;
    let end = start + usize::from(len);
    let fits = end + 2 <= buf.len();
    fits.then_some((start as u32, u32::try_from(end).ok()?))
}

/// The length of the argument whose first line begins at `at`, and where it starts; nothing if that line isn't whole.
#[inline(never)]
fn bulk_head(
    buf: &[u8],
    at: usize,
    limits: &ProtoLimits,
) -> Result<Option<(usize, usize)>, ProtocolError> {
    match buf.get(at) {
        None => return Ok(None),
        Some(b'$') => {}
        Some(other) => return no_dollar(&buf[at..], *other),
    }
    let Some((len, start)) = long_number_line(buf, at + 1, ProtocolError::TooBigLengthLine)? else {
        return Ok(None);
    };
    let len = len
        .filter(|len| *len >= 0 && *len as u64 <= limits.bulk_max)
        .ok_or(ProtocolError::BadLength)?;
    if len > UNKNOWN_BULK_MAX && !limits.authenticated {
        return Err(ProtocolError::UnknownLength);
    }
    // Ranges are 32 bits wide: a request of 4 GB is beyond what a query buffer may hold.
    if at as u64 + len as u64 > u64::from(u32::MAX) - 64 {
        return Err(ProtocolError::BadLength);
    }
    Ok(Some((len as usize, start)))
}

/// A whole line is waited for before it is refused, as Redis does.
#[cold]
fn no_dollar(line: &[u8], other: u8) -> Result<Option<(usize, usize)>, ProtocolError> {
    match memchr::memchr(b'\r', line) {
        Some(_) => Err(ProtocolError::NoDollar(other)),
        None if line.len() > LINE_MAX => Err(ProtocolError::TooBigLengthLine),
        None => Ok(None),
    }
}

/// The number on a line that begins at `from`, `None` inside if it is none, and where the next line begins.
#[inline(always)]
fn number_line(
    buf: &[u8],
    from: usize,
    too_long: ProtocolError,
) -> Result<Option<(Option<i64>, usize)>, ProtocolError> {
    match short_number(&buf[from..]) {
        Some((n, used)) => Ok(Some((Some(i64::from(n)), from + used))),
        None => long_number_line(buf, from, too_long),
    }
}

/// The number on a line if it has a digit or two, as nearly all have, and the bytes of the line.
#[inline(always)]
fn short_number(line: &[u8]) -> Option<(u8, usize)> {
    match *line {
        [a @ b'0'..=b'9', b'\r', _, ..] => Some((a - b'0', 3)),
        [a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', _, ..] => Some(((a - b'0') * 10 + (b - b'0'), 4)),
        _ => None,
    }
}

#[inline(never)]
fn long_number_line(
    buf: &[u8],
    from: usize,
    too_long: ProtocolError,
) -> Result<Option<(Option<i64>, usize)>, ProtocolError> {
    let line = &buf[from..];
    match memchr::memchr(b'\r', line) {
        None if line.len() > LINE_MAX => Err(too_long),
        None => Ok(None),
        Some(at) if line.len() < at + 2 => Ok(None),
        Some(at) => Ok(Some((number::parse_i64(&line[..at]), from + at + 2))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ProtoLimits = ProtoLimits {
        bulk_max: 512 * 1024 * 1024,
        authenticated: true,
    };

    /// All requests of a stream that arrives in pieces, or the error it ends with.
    fn read(pieces: &[&[u8]]) -> Result<Vec<Vec<Vec<u8>>>, ProtocolError> {
        let (mut codec, mut buf, mut out) = (Codec::default(), Vec::new(), Vec::new());
        for piece in pieces {
            buf.extend_from_slice(piece);
            let mut request = Request::default();
            while codec.next(&buf, &LIMITS, &mut request)? {
                out.push(request.args(&buf).map(<[u8]>::to_vec).collect());
                let len = request.len();
                buf.drain(..len);
            }
        }
        Ok(out)
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_requests() {
        let stream = b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n*0\r\nping \"a b\"\r\n\r\n*-1\r\n*1\r\n$4\r\nPING\r\nset k v\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nhello\r\nworld\r\n";
        let whole = read(&[stream]).unwrap();
        assert_eq!(whole[0], [b"GET".to_vec(), b"".to_vec()]);
        assert_eq!(whole[2], [b"ping".to_vec(), b"a b".to_vec()]);
        assert_eq!(whole.last().unwrap()[2], b"hello\r\nworld");
        for cut in 0..stream.len() {
            assert_eq!(
                read(&[&stream[..cut], &stream[cut..]]).unwrap(),
                whole,
                "cut at {cut}"
            );
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes).unwrap(), whole);
    }

    #[test]
    fn bytes_that_are_no_request_are_refused_in_redis_words() {
        let cases: [(&[u8], &str); 8] = [
            (b"*x\r\n", "invalid multibulk length"),
            (b"*3000000000\r\n", "invalid multibulk length"),
            (b"*1\r\nfoo\r\n", "expected '$', got 'f'"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$x\r\n", "invalid bulk length"),
            (b"*1\r\n$536870913\r\n", "invalid bulk length"),
            (b"get \"a\r\n", "unbalanced quotes in request"),
            (&[b'a'; LINE_MAX + 1], "too big inline request"),
        ];
        for (bytes, text) in cases {
            assert_eq!(read(&[bytes]).unwrap_err().to_string(), text);
        }
        let unknown = ProtoLimits {
            authenticated: false,
            ..LIMITS
        };
        let refused = |bytes: &[u8]| {
            let mut request = Request::default();
            Codec::default()
                .next(bytes, &unknown, &mut request)
                .unwrap_err()
        };
        assert_eq!(refused(b"*11\r\n"), ProtocolError::UnknownCount);
        assert_eq!(refused(b"*1\r\n$16385\r\n"), ProtocolError::UnknownLength);
    }
}
