//! The few pieces of a certificate that are needed as the bytes they were: what was signed, and what a key says of itself.

/// One element: its tag, all of its bytes, what is in it, and what follows it.
struct Element<'a> {
    tag: u8,
    whole: &'a [u8],
    content: &'a [u8],
    rest: &'a [u8],
}

const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// The version of a certificate, which those of version 1 lack.
const VERSION: u8 = 0xa0;

fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (&tag, after_tag) = bytes.split_first()?;
    let (&first, mut content) = after_tag.split_first()?;
    let mut len = usize::from(first);
    if first >= 0x80 {
        // So many bytes of a length follow.
        let (digits, after) = content.split_at_checked(usize::from(first & 0x7f))?;
        if !(1..=4).contains(&digits.len()) {
            return None;
        }
        len = digits
            .iter()
            .fold(0, |len, byte| len << 8 | usize::from(*byte));
        content = after;
    }
    let (content, rest) = content.split_at_checked(len)?;
    Some(Element {
        tag,
        whole: &bytes[..bytes.len() - rest.len()],
        content,
        rest,
    })
}

fn expect(bytes: &[u8], tag: u8) -> Option<Element<'_>> {
    element(bytes).filter(|element| element.tag == tag)
}

/// A string of whole bytes.
fn bit_string(bytes: &[u8]) -> Option<&[u8]> {
    match expect(bytes, BIT_STRING)?.content {
        [0, bits @ ..] => Some(bits),
        _ => None,
    }
}

/// What a certificate's issuer has signed, by which algorithm, and the signature.
pub struct Signed<'a> {
    pub message: &'a [u8],
    pub algorithm: &'a [u8],
    pub signature: &'a [u8],
}

pub fn signed(cert: &[u8]) -> Option<Signed<'_>> {
    let body = expect(expect(cert, SEQUENCE)?.content, SEQUENCE)?;
    let algorithm = expect(body.rest, SEQUENCE)?;
    Some(Signed {
        message: body.whole,
        algorithm: algorithm.content,
        signature: bit_string(algorithm.rest)?,
    })
}

/// A certificate's SubjectPublicKeyInfo, as it stands there.
pub fn key_info(cert: &[u8]) -> Option<&[u8]> {
    let mut left = expect(expect(cert, SEQUENCE)?.content, SEQUENCE)?.content;
    if let Some(version) = expect(left, VERSION) {
        left = version.rest;
    }
    // Serial number, algorithm, issuer, dates and subject stand before it.
    for _ in 0..5 {
        left = element(left)?.rest;
    }
    Some(expect(left, SEQUENCE)?.whole)
}

/// The algorithm of a certificate's key, and the key.
pub fn public_key(cert: &[u8]) -> Option<(&[u8], &[u8])> {
    let algorithm = expect(expect(key_info(cert)?, SEQUENCE)?.content, SEQUENCE)?;
    Some((algorithm.content, bit_string(algorithm.rest)?))
}
