//! Requests in pieces: whatever the cuts, the codec reads what it reads of the whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vermilion::resp::{Codec, ProtoLimits, Request};

/// The requests in a stream that comes in pieces, and how it ended.
fn read(
    stream: &[u8],
    cuts: &[usize],
    authenticated: bool,
) -> (Vec<Vec<Vec<u8>>>, Option<String>, usize) {
    let limits = ProtoLimits {
        bulk_max: 512 << 20,
        authenticated,
    };
    let (mut codec, mut request) = (Codec::default(), Request::default());
    let mut requests = Vec::new();
    let mut from = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        loop {
            let buffer = &stream[from..end.max(from)];
            match codec.next(buffer, &limits, &mut request) {
                Ok(false) => {
                    let _ = (codec.wanted(buffer.len()), codec.before_large());
                    break;
                }
                Ok(true) => {
                    requests.push(request.args(buffer).map(<[u8]>::to_vec).collect());
                    assert!(
                        request.len() > 0 && request.len() <= buffer.len(),
                        "a request is made of bytes that came"
                    );
                    from += request.len();
                }
                Err(error) => return (requests, Some(error.to_string()), from),
            }
        }
    }
    (requests, None, from)
}

fuzz_target!(|data: &[u8]| {
    let Some((&head, stream)) = data.split_first() else {
        return;
    };
    let (authenticated, count) = (head & 1 == 1, usize::from(head >> 1 & 15));
    let count = count.min(stream.len());
    let (places, stream) = stream.split_at(count);
    let mut cuts: Vec<usize> = places
        .iter()
        .map(|at| usize::from(*at) % (stream.len() + 1))
        .collect();
    cuts.sort_unstable();
    let whole = read(stream, &[], authenticated);
    assert_eq!(read(stream, &cuts, authenticated), whole);
    let each: Vec<usize> = (0..stream.len()).collect();
    if stream.len() < 300 {
        assert_eq!(read(stream, &each, authenticated), whole);
    }
});
