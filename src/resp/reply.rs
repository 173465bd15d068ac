//! Replies: RESP2 or RESP3 bytes, appended to one buffer.
//!
//! A handler says what it answers (a map, a double, a null); this file says how the
//! client's protocol version spells it. A failed handler's part is cut off again at its mark.

use super::request::head;
use crate::util::{number, piece::Piece};

/// Bytes around those of a string: a sign, a length, a format and two line ends.
const FRAME_BYTES_MAX: usize = 32;

/// A client's reply buffer and protocol version.
#[derive(Debug, Default)]
pub struct Reply {
    buf: Vec<u8>,
    resp3: bool,
    /// Beyond this many bytes the client will be closed, and nothing is sent to it.
    room: usize,
}

/// A place in the buffer to which a failed handler's reply is cut back.
#[derive(Clone, Copy, Debug)]
pub struct ReplyMark(usize);

/// A length written later, once known.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Deferred {
    at: usize,
    sign: u8,
    /// Elements written for each one counted: two for a map in RESP2.
    times: usize,
}

impl Reply {
    pub fn new(resp3: bool) -> Self {
        Reply {
            buf: Vec::new(),
            resp3,
            room: usize::MAX,
        }
    }

    pub fn set_room(&mut self, room: usize) {
        self.room = room;
    }

    /// So many bytes at the front take no room any more: they have been sent.
    pub fn widen_room(&mut self, bytes: usize) {
        self.room = self.room.saturating_add(bytes);
    }

    /// So many bytes that took no room are gone from the front.
    pub fn narrow_room(&mut self, bytes: usize) {
        self.room = self.room.saturating_sub(bytes);
    }

    /// Whether more would be in vain: what has no end of its own stops here.
    pub fn is_full(&self) -> bool {
        self.buf.len() > self.room
    }

    /// Whether so many bytes more would be in vain.
    pub fn overflows(&self, bytes: usize) -> bool {
        self.buf.len().saturating_add(bytes) > self.room
    }

    pub fn resp3(&self) -> bool {
        self.resp3
    }

    pub fn set_resp3(&mut self, on: bool) {
        self.resp3 = on;
    }

    pub fn len(&self) -> usize {
        self.buf.len()
    }

    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buf
    }

    /// The buffer itself, for the connection that writes it out.
    pub fn buf_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.buf
    }

    pub fn mark(&self) -> ReplyMark {
        ReplyMark(self.buf.len())
    }

    pub fn cut(&mut self, mark: ReplyMark) {
        self.buf.truncate(mark.0);
    }

    /// Puts bytes before what was written since `mark`, at the cost of moving that.
    pub fn insert(&mut self, mark: ReplyMark, bytes: &[u8]) {
        self.buf.splice(mark.0..mark.0, bytes.iter().copied());
    }

    /// What was written since `mark`.
    pub fn since(&self, mark: ReplyMark) -> &[u8] {
        &self.buf[mark.0.min(self.buf.len())..]
    }

    /// Bytes that are a reply already.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    #[inline]
    fn head(&mut self, sign: u8, n: i64) {
        head(sign, n, &mut self.buf);
    }

    #[inline]
    pub fn ok(&mut self) {
        self.buf.extend_from_slice(b"+OK\r\n");
    }

    /// A line. Line ends inside become blanks.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error with its code, `ERR ...` say. Line ends inside become blanks.
    pub fn error(&mut self, text: &[u8]) {
        self.line(b'-', text);
    }

    fn line(&mut self, sign: u8, text: &[u8]) {
        self.buf.push(sign);
        let clean = text
            .iter()
            .map(|&b| if b == b'\r' || b == b'\n' { b' ' } else { b });
        self.buf.extend(clean);
        self.buf.extend_from_slice(b"\r\n");
    }

    #[inline]
    pub fn int(&mut self, n: impl Into<i64>) {
        self.head(b':', n.into());
    }

    /// A length or count.
    #[inline]
    pub fn count(&mut self, n: usize) {
        self.head(b':', n as i64);
    }

    /// Room for so many bytes and what stands around them, at once: else a long reply would be copied once more,
    /// to twice the room, for the line end that comes last.
    #[inline]
    fn make_room(&mut self, bytes: usize) {
        self.buf.reserve(bytes + FRAME_BYTES_MAX);
    }

    #[inline]
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.make_room(bytes.len());
        self.head(b'$', bytes.len() as i64);
        self.buf.extend_from_slice(bytes);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// A bulk string that is written in its place, and whose length is known only then.
    pub fn bulk_by<R, E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<R, E>,
    ) -> Result<R, E> {
        let open = Deferred {
            at: self.buf.len(),
            sign: b'$',
            times: 1,
        };
        let written = write(&mut self.buf)?;
        let len = self.buf.len() - open.at;
        self.buf.extend_from_slice(b"\r\n");
        self.close(open, len);
        Ok(written)
    }

    pub fn bulk_int(&mut self, n: i64) {
        self.bulk(itoa::Buffer::new().format(n).as_bytes());
    }

    /// An element of a collection, as a bulk string.
    #[inline]
    pub fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Bytes(bytes) => self.bulk(bytes),
            Piece::Int(n) => self.bulk_int(n),
        }
    }

    pub fn piece_or_null(&mut self, piece: Option<Piece<'_>>) {
        match piece {
            Some(piece) => self.piece(piece),
            None => self.null(),
        }
    }

    pub fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// The absence of a single value.
    #[inline]
    pub fn null(&mut self) {
        self.buf
            .extend_from_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// The absence of an aggregate.
    pub fn null_array(&mut self) {
        self.buf
            .extend_from_slice(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    #[inline]
    pub fn array(&mut self, n: usize) {
        self.head(b'*', n as i64);
    }

    /// A map of `n` pairs; in RESP2 a flat array.
    pub fn map(&mut self, n: usize) {
        if self.resp3 {
            self.head(b'%', n as i64)
        } else {
            self.head(b'*', 2 * n as i64)
        }
    }

    pub fn set(&mut self, n: usize) {
        self.head(if self.resp3 { b'~' } else { b'*' }, n as i64);
    }

    /// A message outside the request and reply order.
    pub fn push(&mut self, n: usize) {
        self.head(if self.resp3 { b'>' } else { b'*' }, n as i64);
    }

    pub fn double(&mut self, n: f64) {
        if !self.resp3 {
            let mut text = Vec::with_capacity(24);
            number::write_double(n, &mut text);
            return self.bulk(&text);
        }
        self.buf.push(b',');
        number::write_double(n, &mut self.buf);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// A double whose digits are written already.
    pub fn double_digits(&mut self, digits: &[u8]) {
        if !self.resp3 {
            return self.bulk(digits);
        }
        self.buf.push(b',');
        self.buf.extend_from_slice(digits);
        self.buf.extend_from_slice(b"\r\n");
    }

    pub fn double_or_null(&mut self, n: Option<f64>) {
        match n {
            Some(n) => self.double(n),
            None => self.null(),
        }
    }

    pub fn bool(&mut self, yes: bool) {
        if self.resp3 {
            self.buf
                .extend_from_slice(if yes { b"#t\r\n" } else { b"#f\r\n" });
        } else {
            self.int(yes);
        }
    }

    pub fn big_number(&mut self, digits: &str) {
        if !self.resp3 {
            return self.bulk(digits);
        }
        self.buf.push(b'(');
        self.buf.extend_from_slice(digits.as_bytes());
        self.buf.extend_from_slice(b"\r\n");
    }

    /// Text for people, with its three-letter format (`txt`, `mkd`).
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        debug_assert_eq!(format.len(), 3);
        if !self.resp3 {
            return self.bulk(text);
        }
        self.make_room(text.len());
        self.head(b'=', text.len() as i64 + 4);
        self.buf.extend_from_slice(format.as_bytes());
        self.buf.push(b':');
        self.buf.extend_from_slice(text);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// Lines of help, as every container's HELP subcommand gives them.
    pub fn lines<'a>(&mut self, lines: impl ExactSizeIterator<Item = &'a str>) {
        self.array(lines.len());
        for line in lines {
            self.simple(line);
        }
    }

    /// Leaves the length of an array open until [`Reply::close`].
    pub fn open_array(&mut self) -> Deferred {
        Deferred {
            at: self.buf.len(),
            sign: b'*',
            times: 1,
        }
    }

    pub fn open_set(&mut self) -> Deferred {
        Deferred {
            at: self.buf.len(),
            sign: if self.resp3 { b'~' } else { b'*' },
            times: 1,
        }
    }

    /// A map whose number of pairs is said on closing.
    pub fn open_map(&mut self) -> Deferred {
        let (sign, times) = if self.resp3 { (b'%', 1) } else { (b'*', 2) };
        Deferred {
            at: self.buf.len(),
            sign,
            times,
        }
    }

    /// Writes the head that was left open: `n` elements (pairs, for a map).
    /// Costs a move of the bytes between: little beside making them.
    pub fn close(&mut self, open: Deferred, n: usize) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(n * open.times).as_bytes();
        let (end, len) = (self.buf.len(), digits.len() + 3);
        self.buf.resize(end + len, open.sign);
        self.buf.copy_within(open.at..end, open.at + len);
        let head = &mut self.buf[open.at..open.at + len];
        head[0] = open.sign;
        head[1..len - 2].copy_from_slice(digits);
        head[len - 2..].copy_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_whatever_is_in_it() {
        let mut reply = Reply::new(false);
        reply.simple("an index\r\nof two lines");
        reply.error(b"ERR no such\nthing");
        assert_eq!(
            reply.buf,
            b"+an index  of two lines\r\n-ERR no such thing\r\n"
        );
    }

    #[test]
    fn a_long_string_takes_no_more_room_than_it_needs() {
        let text = vec![b'x'; 5000];
        let bulk: fn(&mut Reply, &[u8]) = |reply, text| reply.bulk(text);
        let verbatim: fn(&mut Reply, &[u8]) = |reply, text| reply.verbatim("txt", text);
        for write in [bulk, verbatim] {
            for resp3 in [false, true] {
                let mut reply = Reply::new(resp3);
                write(&mut reply, &text);
                assert!(reply.buf.ends_with(b"x\r\n"));
                assert!(reply.buf.capacity() < text.len() + 100);
            }
        }
    }
}
