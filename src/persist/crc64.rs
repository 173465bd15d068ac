//! The CRC-64 of Redis, in the Jones polynomial: of snapshots, payloads of DUMP, and seals of the log.

use crc_fast::CrcAlgorithm::Crc64Redis;
pub use crc_fast::Digest;

pub fn digest() -> Digest {
    Digest::new(Crc64Redis)
}

pub fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::checksum(Crc64Redis, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_redis() {
        assert_eq!(checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        let long: Vec<u8> = (0..1000u32).map(|n| (n * 7) as u8).collect();
        for at in [0, 1, 15, 16, 255, 1000] {
            let mut digest = digest();
            digest.update(&long[..at]);
            digest.update(&long[at..]);
            assert_eq!(digest.finalize(), checksum(&long));
        }
    }
}
