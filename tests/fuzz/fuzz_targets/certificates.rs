//! Chains of certificates: refused without a panic, and never taken where nothing is trusted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustls::crypto::aws_lc_rs::default_provider;
use vermilion::tls::chain::{Purpose, Trusted, check};

/// Pieces, each with its length in two bytes before it; the last one has what is left.
fn pieces(mut data: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let [high, low, rest @ ..] = data {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        pieces.push(&rest[..len]);
        data = &rest[len..];
    }
    pieces
}

fuzz_target!(|data: &[u8]| {
    let algorithms = default_provider().signature_verification_algorithms;
    let shown = pieces(data);
    for purpose in [Purpose::Client, Purpose::Server] {
        let now_s = 1_800_000_000;
        assert!(
            check(&shown, &Trusted::default(), purpose, now_s, &algorithms).is_err(),
            "a chain was taken that ends nowhere"
        );
        // What is trusted is read, too.
        if let Some(last) = shown.last() {
            let trusted = Trusted::new(vec![last.to_vec().into()]);
            let _ = check(&shown, &trusted, purpose, now_s, &algorithms);
        }
    }
});
