//! Snapshots that Valkey 9.2 compressed as a whole: eight bytes of an envelope, and a frame of LZ4 or Zstandard.

use std::io::{self, Read};

use anyhow::{Result, bail};
use lz4_flex::frame::FrameDecoder as Lz4Decoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::persist::window::Window;

/// Magic, version, codec, flags, and what is inside.
const BYTES: usize = 8;
const MAGIC: &[u8; 4] = b"VKCS";
const VERSION: u8 = 1;
const LZ4: u8 = 1;
const ZSTANDARD: u8 = 2;
/// The only flag: the codec's own checksum is there.
const SUMMED: u8 = 1;
const SNAPSHOT: u8 = 0;

/// Whether a file that begins so is a snapshot, compressed or not.
pub fn is_snapshot(head: &[u8]) -> bool {
    [&MAGIC[..], b"REDIS", b"VALKEY"]
        .iter()
        .any(|magic| head.starts_with(magic))
}

/// Opens an envelope, if there is one; whether there was.
pub(super) fn open(window: &mut Window<'_>) -> Result<bool> {
    if !window.fill(BYTES)? || !window.bytes().starts_with(MAGIC) {
        return Ok(false);
    }
    let (version, codec, flags, inside) = match window.bytes()[4..BYTES] {
        [version, codec, flags, inside] => (version, codec, flags, inside),
        _ => unreachable!("eight bytes are there"),
    };
    if version != VERSION || flags & !SUMMED != 0 || inside != SNAPSHOT {
        bail!(
            "Can't handle the compressed snapshot: its envelope is of version {version} with flags {flags} and \
             content {inside}"
        );
    }
    window.consume(BYTES);
    match codec {
        LZ4 => window.unpack(|packed| Ok(Box::new(Lz4Decoder::new(packed))))?,
        ZSTANDARD => window.unpack(|packed| Ok(Box::new(zstandard(packed)?)))?,
        codec => bail!("Can't handle the compressed snapshot: no codec has the number {codec}"),
    }
    Ok(true)
}

fn zstandard<'s>(packed: Box<dyn Read + Send + 's>) -> io::Result<impl Read + Send + 's> {
    StreamingDecoder::new(packed)
        .map(Zstandard)
        .map_err(|error| io::Error::other(error.to_string()))
}

/// A frame of Zstandard, whose decoder reads the sum at its end and leaves it to others to compare it.
struct Zstandard<R: Read>(StreamingDecoder<R, FrameDecoder>);

impl<R: Read> Read for Zstandard<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(out)?;
        let decoder = &self.0.decoder;
        if count == 0
            && !out.is_empty()
            && let Some(said) = decoder.get_checksum_from_data()
            && decoder.get_calculated_checksum() != Some(said)
        {
            return Err(io::Error::other(
                "the checksum of the Zstandard frame is wrong",
            ));
        }
        Ok(count)
    }
}
