//! The hash of a key, a field or a member: one function for the whole process.
//!
//! Every bit is good: tables use the lower half and the top eight bits, shards some of the
//! bits from 32 on. The seed is drawn anew at each start from the system's own
//! randomness, so nobody outside can prepare keys that collide; unless a run is to be repeated.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

use super::chance;

struct Seed {
    own: u64,
    shared: SharedSeed,
}

static SEED: OnceLock<Seed> = OnceLock::new();

/// Hashes the bytes. The same bytes hash alike until the process ends.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    let seed = SEED.get_or_init(draw);
    let mut hasher = FoldHasher::with_seed(seed.own, &seed.shared);
    hasher.write(bytes);
    hasher.finish()
}

/// Both parts must be unknown to a client: with a known start, inputs exist that
/// multiply by zero and all fall on one hash.
#[cold]
fn draw() -> Seed {
    let (own, shared) = match chance::at_start() {
        // Whoever repeats a run means the order of keys, too, and serves no strangers.
        Some(number) => {
            let mut random = fastrand::Rng::with_seed(number);
            (random.u64(..), random.u64(..))
        }
        None => {
            let random = RandomState::new();
            (random.hash_one("own"), random.hash_one("shared"))
        }
    };
    Seed {
        own,
        shared: SharedSeed::from_u64(shared),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_hash_alike_and_length_counts() {
        assert_eq!(hash(b"key:1"), hash(b"key:1"));
        assert_ne!(hash(b""), hash(b"\0"));
        assert_ne!(hash(b"aaaa"), hash(b"aaaaa"));
    }

    #[test]
    fn the_bits_that_callers_use_are_spread_evenly() {
        const KEYS: usize = 64 * 1024;
        for shift in [0, 26, 32, 40, 58] {
            let mut counts = [0_usize; 64];
            for n in 0..KEYS {
                counts[(hash(format!("key:{n}").as_bytes()) >> shift) as usize & 63] += 1;
            }
            for count in counts {
                // Some seeds are seven sigma off; what counts is that no bit is idle.
                assert!((600..1500).contains(&count), "{count} at bit {shift}");
            }
        }
    }
}
