//! A stream's record, as a file or a DUMP payload had it.
//!
//! Streams have no commands yet: one that a data file brings is kept whole, and written back as it came.

/// The bytes of an RDB value, the byte of its kind first.
#[derive(Clone, Debug)]
pub struct Stream(Box<[u8]>);

impl Stream {
    pub fn from_record(bytes: &[u8]) -> Self {
        Stream(bytes.into())
    }

    pub fn record(&self) -> &[u8] {
        &self.0
    }

    pub fn heap_bytes(&self) -> usize {
        self.0.len()
    }
}
