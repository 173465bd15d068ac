//! A file read through a window that grows to hold the largest whole thing in it.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::crc64::{self, Digest};
use super::loading::Loading;

/// Bytes asked of the file at once, at least.
const READ_BYTES: usize = 1 << 20;

pub struct Window<'s> {
    source: Box<dyn Read + Send + 's>,
    buf: Vec<u8>,
    /// Where what has not been consumed begins.
    at: usize,
    /// The offset in the file of the window's first byte.
    begin: u64,
    ended: bool,
    /// The sum of what is consumed while one is wanted, and where what it has yet to take begins.
    digest: Option<Digest>,
    summed: usize,
    loading: &'s Loading,
    /// Bytes of the file that what unpacks it has taken and nobody has counted yet; nothing while bytes are the file's own.
    packed: Option<Arc<AtomicU64>>,
}

/// A source that tells how much of it was read.
struct Counted<R>(R, Arc<AtomicU64>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(out)?;
        self.1.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl<'s> Window<'s> {
    pub fn new(source: impl Read + Send + 's, loading: &'s Loading) -> Self {
        Window {
            source: Box::new(source),
            buf: Vec::new(),
            at: 0,
            begin: 0,
            ended: false,
            digest: None,
            summed: 0,
            loading,
            packed: None,
        }
    }

    /// Goes on with what another reader makes of what was not consumed yet. Offsets go on from here, in its bytes.
    pub fn unpack(
        &mut self,
        unpacked: impl FnOnce(Box<dyn Read + Send + 's>) -> io::Result<Box<dyn Read + Send + 's>>,
    ) -> io::Result<()> {
        let rest = io::Cursor::new(self.buf.split_off(self.at));
        let source = std::mem::replace(&mut self.source, Box::new(io::empty()));
        let taken = Arc::<AtomicU64>::default();
        let counted = Counted(rest.chain(source), taken.clone());
        self.source = unpacked(Box::new(counted))?;
        self.begin += self.at as u64;
        self.loading.read(self.at as u64)?;
        self.packed = Some(taken);
        self.buf.clear();
        (self.at, self.summed, self.ended) = (0, 0, false);
        Ok(())
    }

    /// An error if the server stops.
    pub fn check_halted(&self) -> io::Result<()> {
        self.loading.read(0)
    }

    /// What was read and not consumed.
    pub fn bytes(&self) -> &[u8] {
        &self.buf[self.at..]
    }

    /// The offset in the file of [`Window::bytes`].
    pub fn offset(&self) -> u64 {
        self.begin + self.at as u64
    }

    pub fn consume(&mut self, count: usize) {
        self.at += count;
        debug_assert!(self.at <= self.buf.len());
    }

    /// Begins to sum up what is consumed.
    pub fn begin_sum(&mut self) {
        self.digest = Some(crc64::digest());
        self.summed = self.at;
    }

    /// The sum of all that was consumed since it was begun.
    pub fn end_sum(&mut self) -> Option<u64> {
        self.sum_up();
        self.digest.take().map(|digest| digest.finalize())
    }

    /// Much at a time, as that is much faster.
    fn sum_up(&mut self) {
        if let Some(digest) = &mut self.digest {
            digest.update(&self.buf[self.summed..self.at]);
        }
        self.summed = self.at;
    }

    /// Reads on; false at the file's end. The longer what is in the window, the more is read, so that
    /// looking at it again from its beginning costs no more than the reading.
    pub fn more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.sum_up();
        self.begin += self.at as u64;
        let used = match &self.packed {
            Some(taken) => taken.swap(0, Ordering::Relaxed),
            None => self.at as u64,
        };
        self.loading.read(used)?;
        self.buf.drain(..self.at);
        (self.at, self.summed) = (0, 0);
        let wanted = self.buf.len().max(READ_BYTES) as u64;
        let read = (&mut self.source).take(wanted).read_to_end(&mut self.buf)?;
        self.ended = (read as u64) < wanted;
        Ok(read > 0)
    }

    /// Makes `count` bytes available; false if the file ends before.
    pub fn fill(&mut self, count: usize) -> io::Result<bool> {
        while self.bytes().len() < count {
            if !self.more()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
