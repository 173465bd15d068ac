//! The numbers of vectors as documents and queries write them.

use super::schema::Numeral;

/// The numbers of a blob, as they are written there.
pub(super) fn singles(numeral: Numeral, blob: &[u8]) -> Vec<f32> {
    let halves = || {
        blob.chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
    };
    match numeral {
        Numeral::Float32 => blob
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect(),
        Numeral::Float64 => doubles(blob).into_iter().map(|n| n as f32).collect(),
        Numeral::Float16 => halves().map(half).collect(),
        Numeral::BFloat16 => halves()
            .map(|bits| f32::from_bits(u32::from(bits) << 16))
            .collect(),
        Numeral::Int8 => blob.iter().map(|byte| f32::from(*byte as i8)).collect(),
        Numeral::UInt8 => blob.iter().map(|byte| f32::from(*byte)).collect(),
    }
}

pub(super) fn doubles(blob: &[u8]) -> Vec<f64> {
    let eights = blob.chunks_exact(8);
    let read = |eight: &[u8]| f64::from_le_bytes(eight.try_into().expect("it has eight bytes"));
    eights.map(read).collect()
}

/// A vector of these numbers, as the bytes that its type has.
pub fn blob_of(numeral: Numeral, numbers: &[f64]) -> Vec<u8> {
    let each = numbers.iter();
    match numeral {
        Numeral::Float32 => each.flat_map(|n| (*n as f32).to_le_bytes()).collect(),
        Numeral::Float64 => each.flat_map(|n| n.to_le_bytes()).collect(),
        Numeral::Float16 => each
            .flat_map(|n| to_half(*n as f32).to_le_bytes())
            .collect(),
        Numeral::BFloat16 => each
            .flat_map(|n| to_bfloat(*n as f32).to_le_bytes())
            .collect(),
        Numeral::Int8 => each.flat_map(|n| (*n as i8).to_le_bytes()).collect(),
        Numeral::UInt8 => each.flat_map(|n| (*n as u8).to_le_bytes()).collect(),
    }
}

/// The upper half of a single float, rounded to the nearest, and to the even of two as near.
fn to_bfloat(n: f32) -> u16 {
    let bits = n.to_bits();
    if n.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    let half = 0x7fff + (bits >> 16 & 1);
    (bits.wrapping_add(half) >> 16) as u16
}

/// The nearest float of 16 bits, and the even of two as near.
fn to_half(n: f32) -> u16 {
    let sign = (n.to_bits() >> 16) as u16 & 0x8000;
    let magnitude = n.abs();
    if n.is_nan() {
        return sign | 0x7e00;
    }
    if magnitude >= 65520.0 {
        return sign | 0x7c00;
    }
    // Below the least that is normal, steps are all alike.
    let exponent = (magnitude.to_bits() >> 23) as i32 - 127;
    let exponent = exponent.max(-14);
    let steps = (magnitude / 2_f32.powi(exponent - 10)).round_ties_even() as u16;
    sign | ((exponent + 14) as u16 * 1024 + steps)
}

/// A float of 16 bits.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_floats_are_written_as_they_are_read() {
        for bits in (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00) {
            assert_eq!(to_half(half(bits)), bits, "{bits:x}");
        }
        assert_eq!(half(to_half(1.0 + 1.0 / 2048.0)), 1.0);
        assert_eq!((to_half(1e9), to_half(-1e-9)), (0x7c00, 0x8000));
        assert_eq!(to_bfloat(1.0), 0x3f80);
        assert_eq!(blob_of(Numeral::Int8, &[-1.0, 3.0]), [0xff, 3]);
        assert_eq!(
            singles(Numeral::Float32, &blob_of(Numeral::Float32, &[1.5])),
            [1.5]
        );
    }

    #[test]
    fn short_floats_are_read() {
        assert_eq!(half(0x3c00), 1.0);
        assert_eq!(half(0xc000), -2.0);
        assert_eq!(half(0x0001), 2_f32.powi(-24));
        assert_eq!(singles(Numeral::BFloat16, &[0x80, 0x3f]), [1.0]);
        assert_eq!(singles(Numeral::Int8, &[0xff]), [-1.0]);
    }
}
