//! Payloads of DUMP: made by hand where no server of today writes them, sealed, and changed at random.

use fastrand::Rng;

/// The version in a payload: fields with deadlines have the newest.
const VERSION: u16 = 12;
/// Version and sum.
const SEAL_BYTES: usize = 10;

/// A payload without version and sum.
pub fn value_of(payload: &[u8]) -> &[u8] {
    &payload[..payload.len() - SEAL_BYTES]
}

/// A value's bytes with version and sum.
pub fn sealed(value: &[u8]) -> Vec<u8> {
    let mut payload = value.to_vec();
    payload.extend(VERSION.to_le_bytes());
    let sum = checksum(&payload);
    payload.extend(sum.to_le_bytes());
    payload
}

/// The sum of Redis's files: the polynomial of Jones, reflected.
fn checksum(bytes: &[u8]) -> u64 {
    const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u64::from(*byte), |sum, _| {
            (sum >> 1) ^ (POLYNOMIAL & (sum & 1).wrapping_neg())
        })
    })
}

/// A string behind its length.
fn text(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len();
    let mut out = match len {
        0..64 => vec![len as u8],
        _ => vec![0x40 | (len >> 8) as u8, len as u8],
    };
    out.extend(bytes);
    out
}

fn texts(words: &[&str]) -> Vec<u8> {
    words
        .iter()
        .flat_map(|word| text(word.as_bytes()))
        .collect()
}

/// A value of this kind that is a count and what follows.
fn counted(kind: u8, count: u8, rest: &[u8]) -> Vec<u8> {
    [&[kind, count], rest].concat()
}

/// A listpack of short texts and of integers of eight bytes.
fn listpack(elements: &[Result<i64, &str>]) -> Vec<u8> {
    let mut body = Vec::new();
    for element in elements {
        let start = body.len();
        match element {
            Ok(n) => {
                body.push(0xf4);
                body.extend(n.to_le_bytes());
            }
            Err(word) => {
                body.push(0x80 | word.len() as u8);
                body.extend(word.bytes());
            }
        }
        body.push((body.len() - start) as u8);
    }
    let mut out = (6 + body.len() as u32 + 1).to_le_bytes().to_vec();
    out.extend((elements.len() as u16).to_le_bytes());
    out.extend(body);
    out.push(0xff);
    out
}

/// A hash whose fields have these deadlines, 0 for none, as servers from 7.4 on write a small one.
pub fn timed_listpack(deadlines: &[u64]) -> Vec<u8> {
    const NAMES: [&str; 3] = ["a", "b", "c"];
    let rows = NAMES.iter().zip(deadlines);
    let elements: Vec<_> = rows
        .flat_map(|(name, deadline)| [Err(*name), Err("v"), Ok(*deadline as i64)])
        .collect();
    let earliest = deadlines.first().copied().unwrap_or_default();
    [
        &[25][..],
        &earliest.to_le_bytes(),
        &text(&listpack(&elements)),
    ]
    .concat()
}

/// A hash of one field with this deadline, as servers from 7.4 on write a large one.
pub fn timed_table(deadline: u64) -> Vec<u8> {
    let mut value = vec![24];
    value.extend(deadline.to_le_bytes());
    value.extend([1, 1]);
    value.extend(texts(&["a", "v"]));
    value
}

/// A ziplist of short texts.
fn ziplist(words: &[&str]) -> Vec<u8> {
    let (mut body, mut before, mut tail) = (Vec::new(), 0, 10);
    for word in words {
        tail = 10 + body.len();
        body.extend([before, word.len() as u8]);
        body.extend(word.bytes());
        before = word.len() as u8 + 2;
    }
    let mut out = (10 + body.len() as u32 + 1).to_le_bytes().to_vec();
    out.extend((tail as u32).to_le_bytes());
    out.extend((words.len() as u16).to_le_bytes());
    out.extend(body);
    out.push(0xff);
    out
}

/// Kinds that older servers wrote, or that ours writes otherwise.
pub fn hand_made() -> Vec<Vec<u8>> {
    let scores = [
        text(b"a"),
        vec![1, b'1'],
        text(b"b"),
        vec![3],
        b"2.5".to_vec(),
        text(b"c"),
        vec![254],
    ];
    let pairs = ["a", "1", "b", "2", "c", "3"];
    let kind = |kind: u8, rest: Vec<u8>| [vec![kind], rest].concat();
    vec![
        counted(1, 3, &texts(&["a", "b", "300"])),
        counted(2, 3, &texts(&["a", "b", "300"])),
        counted(3, 3, &scores.concat()),
        counted(4, 3, &texts(&pairs)),
        kind(9, text(b"\x02\x01a\x01\x001\x01b\x01\x022..\xff")),
        kind(10, text(&ziplist(&pairs))),
        kind(12, text(&ziplist(&pairs))),
        kind(13, text(&ziplist(&pairs))),
        counted(
            14,
            2,
            &[text(&ziplist(&pairs)), text(&ziplist(&["x"]))].concat(),
        ),
        kind(17, text(&listpack(&[Err("a"), Ok(5), Err("b"), Ok(9)]))),
        kind(20, text(&listpack(&[Err("a"), Ok(5), Err("b"), Ok(9)]))),
        timed_listpack(&[1 << 42, 1 << 43, 0]),
        timed_table(1 << 42),
    ]
}

/// Bytes that mean something in one encoding or another: lengths, heads, ends, extremes.
const TELLING: [u8; 24] = [
    0, 1, 2, 3, 5, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0x82, 0xbf, 0xc0, 0xc1, 0xc2, 0xc3, 0xe0, 0xf0,
    0xf1, 0xf4, 0xfb, 0xfd, 0xfe, 0xff,
];

/// One of the samples, changed in a few places.
pub fn mutate(samples: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut value = samples[rng.usize(..samples.len())].clone();
    for _ in 0..rng.usize(1..4) {
        change(&mut value, samples, rng);
        if value.is_empty() {
            value.push(rng.u8(..));
        }
    }
    value
}

fn change(value: &mut Vec<u8>, samples: &[Vec<u8>], rng: &mut Rng) {
    let len = value.len();
    let at = rng.usize(..len);
    let end = (at + rng.usize(1..10)).min(len);
    match rng.u8(..12) {
        0 | 1 => value[at] ^= 1 << rng.u8(..8),
        2 | 3 => value[at] = TELLING[rng.usize(..TELLING.len())],
        4 => value[at] = rng.u8(..),
        5 => value[at] = value[at].wrapping_add([1, 255][rng.usize(..2)]),
        6 => drop(value.drain(at..end)),
        7 => value.insert(at, TELLING[rng.usize(..TELLING.len())]),
        8 => {
            let copied = value[at..end].to_vec();
            let to = rng.usize(..=len);
            value.splice(to..to, copied);
        }
        9 => {
            let width = [2, 4, 8][rng.usize(..3)];
            let number = [0, 1, -1, i64::MIN, i64::MAX, 1 << 48, 0x7fff, 0xffff][rng.usize(..8)];
            let bytes = number.to_le_bytes();
            let room = &mut value[at..(at + width).min(len)];
            room.copy_from_slice(&bytes[..room.len()]);
        }
        10 => {
            // A part of another value in the place of a part of this one.
            let other = &samples[rng.usize(..samples.len())];
            let from = rng.usize(..other.len());
            let to = (from + rng.usize(1..20)).min(other.len());
            value.splice(at..end, other[from..to].iter().copied());
        }
        _ => value[0] = rng.u8(..26),
    }
}
