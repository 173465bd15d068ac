//! Snapshots composed byte by byte, for versions that no server at hand writes.
//!
//! From documents only: the changelog of Redis's own librdb (2.2 and 2.3, for versions 13 and 14), Redis's description of
//! hash templates (version 15), its note on vendored CRoaring and the RoaringFormatSpec (version 16), and Valkey's published
//! headers `rdb.h` and `compression_stream.h` (versions 80 and 81). No server has read or written these bytes.

/// A snapshot, or a payload, as it grows.
#[derive(Clone, Debug, Default)]
pub struct Composed(pub Vec<u8>);

impl Composed {
    /// A file that begins with this magic.
    pub fn file(magic: &str) -> Self {
        Composed(magic.as_bytes().to_vec())
    }

    /// The value of a payload, of this kind.
    pub fn value(kind: u8) -> Self {
        Composed(vec![kind])
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A length.
    pub fn len(self, len: u64) -> Self {
        match len {
            0..64 => self.raw(&[len as u8]),
            64..16_384 => self.raw(&[0x40 | (len >> 8) as u8, len as u8]),
            _ => self.raw(&[0x81]).raw(&len.to_be_bytes()),
        }
    }

    pub fn text(self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        self.len(text.len() as u64).raw(text)
    }

    pub fn texts(self, texts: &[&str]) -> Self {
        texts
            .iter()
            .fold(self, |composed, text| composed.text(text))
    }

    /// What stands before a value: its kind, and the key's name.
    pub fn key(self, kind: u8, name: &str) -> Self {
        self.raw(&[kind]).text(name)
    }

    /// A key that holds a string.
    pub fn string(self, name: &str, value: &str) -> Self {
        self.key(0, name).text(value)
    }

    /// Ends a file, without a checksum.
    pub fn end(self) -> Vec<u8> {
        self.raw(&[0xff]).raw(&[0; 8]).0
    }

    /// Ends a payload of this version, without a checksum, as Redis from 8.10 on propagates them.
    pub fn payload(self, version: u16) -> Vec<u8> {
        self.raw(&version.to_le_bytes()).raw(&[0; 8]).0
    }
}

/// A listpack of short texts.
pub fn listpack(elements: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    for element in elements {
        match element.parse::<u8>() {
            Ok(number) if number < 128 => body.extend([number, 1]),
            _ => {
                body.push(0x80 | element.len() as u8);
                body.extend(element.bytes());
                body.push(element.len() as u8 + 1);
            }
        }
    }
    let mut out = (6 + body.len() as u32 + 1).to_le_bytes().to_vec();
    out.extend((elements.len() as u16).to_le_bytes());
    out.extend(body);
    out.push(0xff);
    out
}

/// Where a stream's entry stands: milliseconds, and a number among those of one of them.
pub fn raw_id(ms: u64, seq: u64) -> Vec<u8> {
    [ms.to_be_bytes(), seq.to_be_bytes()].concat()
}

/// A stream of entries 1-1, 2-1 ... up to this many, each `f v`, with the group `g` that has delivered the first four:
/// 1-1 and 4-1 to ann, and 2-1 and 3-1 to nobody any more if `given_back`, or to ann as well.
pub fn stream(composed: Composed, entries: u8, given_back: bool) -> Composed {
    // The first entry as master: how many there are, how many deleted, one field, its name, and an end.
    let mut rows: Vec<String> = ["0", "1", "f", "0"].map(str::to_owned).to_vec();
    rows.insert(0, entries.to_string());
    for n in 0..entries {
        // Flags for the same fields, the differences of the id, the value, and how many elements that were.
        rows.extend(["2", &n.to_string(), "0", "v", "4"].map(str::to_owned));
    }
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let composed = composed
        .len(1)
        .text(raw_id(1, 1))
        .text(listpack(&rows))
        .len(entries.into());
    // Its last id, first id, greatest deleted id, and all entries ever added.
    let composed = composed.len(entries.into()).len(1).len(1).len(1);
    let composed = composed.len(0).len(0).len(entries.into());
    // One group: name, last id, entries read, and what is pending.
    let composed = composed.len(1).text("g").len(4).len(1).len(4).len(4);
    let composed = (1..=4).fold(composed, |composed, ms| {
        let delivered = 1_700_000_000_000_u64.to_le_bytes();
        composed.raw(&raw_id(ms, 1)).raw(&delivered).len(ms)
    });
    let times = 1_700_000_000_000_u64.to_le_bytes();
    let composed = composed.len(1).text("ann").raw(&times).raw(&times);
    let (anns, nobodys) = match given_back {
        true => (&[1, 4][..], &[2, 3][..]),
        false => (&[1, 2, 3, 4][..], &[][..]),
    };
    let ids = |composed: Composed, all: &[u64]| {
        all.iter()
            .fold(composed.len(all.len() as u64), |composed, ms| {
                composed.raw(&raw_id(*ms, 1))
            })
    };
    let composed = ids(composed, anns);
    if given_back {
        ids(composed, nobodys)
    } else {
        composed
    }
}

/// What version 13 adds to a stream: how long and how many, one producer with two entries, and two counts.
pub fn producers(composed: Composed) -> Composed {
    let composed = composed.len(100).len(100).len(1).text("producer").len(2);
    let composed = composed.text("first").len(1).len(1);
    composed.text("second").len(2).len(1).len(2).len(0)
}
