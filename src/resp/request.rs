//! A request: where its arguments stand in the read buffer, and how it is written.

use crate::util::number;

/// The arguments of one request, as ranges; an inline request with quotes brings its own bytes.
#[derive(Debug, Default)]
pub struct Request {
    pub(super) ranges: Vec<(u32, u32)>,
    /// Unquoted words of an inline request; empty for any other.
    pub(super) words: Vec<u8>,
    pub(super) len: usize,
}

/// Room for more arguments, or inline words of more bytes, than this is not kept for later requests.
const KEEP: usize = 1024;

impl Request {
    /// Gives back what very many arguments took.
    #[inline]
    pub fn shrink(&mut self) {
        if self.ranges.capacity() > KEEP || self.words.capacity() > KEEP {
            *self = Request::default();
        }
    }

    /// How many bytes of the buffer it takes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Nothing was asked: an empty line, or `*0`.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The arguments; `buf` is the buffer that the request was read from.
    #[inline]
    pub fn args<'a>(&'a self, buf: &'a [u8]) -> impl ExactSizeIterator<Item = &'a [u8]> {
        let from = self.source(buf);
        self.ranges
            .iter()
            .map(|(start, end)| &from[*start as usize..*end as usize])
    }

    /// One of them, if there are so many.
    #[inline]
    pub fn arg<'a>(&'a self, buf: &'a [u8], at: usize) -> Option<&'a [u8]> {
        let (start, end) = self.ranges.get(at)?;
        Some(&self.source(buf)[*start as usize..*end as usize])
    }

    #[inline]
    fn source<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        if self.words.is_empty() {
            buf
        } else {
            &self.words
        }
    }
}

/// Appends a request as clients send it.
#[inline]
pub fn encode(args: &[impl AsRef<[u8]>], out: &mut Vec<u8>) {
    head(b'*', args.len() as i64, out);
    for arg in args {
        let arg = arg.as_ref();
        head(b'$', arg.len() as i64, out);
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

/// A sign, a number and a line end: what requests and replies are made of.
#[inline]
pub(super) fn head(sign: u8, n: i64, out: &mut Vec<u8>) {
    let digit = |n: i64| b'0' + n as u8;
    match n {
        0..10 => out.extend_from_slice(&[sign, digit(n), b'\r', b'\n']),
        10..100 => {
            out.extend_from_slice(&[sign, digit(n / 10), digit(n % 10), b'\r', b'\n']);
        }
        _ => {
            out.push(sign);
            number::write_i64(n, out);
            out.extend_from_slice(b"\r\n");
        }
    }
}
