//! How a vector is kept: whole, in a byte for each number, or in a bit; and how far two of them are from each other.
//!
//! What is rounded is rounded as Redis 8.2 does, in the same order: scores have the same digits.

/// How many numbers a vector may have.
pub const DIMENSION_MAX: usize = 1 << 16;
/// Behind a vector's bytes stand its length and its range.
const TAIL: usize = 8;

/// How exactly numbers are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantization {
    None,
    /// A byte each, of a range that is the vector's own.
    #[default]
    Byte,
    /// The sign.
    Bit,
}

impl Quantization {
    /// As files number them.
    pub fn of_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Quantization::None),
            1 => Some(Quantization::Byte),
            2 => Some(Quantization::Bit),
            _ => None,
        }
    }

    pub fn number(self) -> u64 {
        match self {
            Quantization::None => 0,
            Quantization::Byte => 1,
            Quantization::Bit => 2,
        }
    }

    /// VINFO's word.
    pub fn word(self) -> &'static str {
        match self {
            Quantization::None => "f32",
            Quantization::Byte => "int8",
            Quantization::Bit => "bin",
        }
    }
}

/// What the vectors of a set have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VectorForm {
    pub quantization: Quantization,
    pub dimension: usize,
}

/// A vector as it stands in a row: its bytes, its length, and its range if it has bytes for numbers.
#[derive(Clone, Copy, Debug)]
pub struct KeptVector<'a> {
    pub bytes: &'a [u8],
    pub length: f32,
    pub range: f32,
}

impl<'a> KeptVector<'a> {
    /// What stands in this row.
    #[inline]
    pub fn of(row: &'a [u8]) -> Self {
        let (bytes, tail) = row.split_at(row.len() - TAIL);
        let number =
            |at: usize| f32::from_le_bytes([tail[at], tail[at + 1], tail[at + 2], tail[at + 3]]);
        KeptVector {
            bytes,
            length: number(0),
            range: number(4),
        }
    }

    pub fn row(self) -> Vec<u8> {
        let mut row = Vec::with_capacity(self.bytes.len() + TAIL);
        row.extend_from_slice(self.bytes);
        row.extend_from_slice(&self.length.to_le_bytes());
        row.extend_from_slice(&self.range.to_le_bytes());
        row
    }
}

impl VectorForm {
    /// Bytes of a vector.
    pub fn vector_bytes(self) -> usize {
        match self.quantization {
            Quantization::None => 4 * self.dimension,
            Quantization::Byte => self.dimension,
            Quantization::Bit => 8 * self.dimension.div_ceil(64),
        }
    }

    /// Bytes of a row.
    pub fn row_bytes(self) -> usize {
        self.vector_bytes() + TAIL
    }

    /// The row of a vector, which is brought to the length of 1 first.
    pub fn keep(self, mut vector: Vec<f32>) -> Vec<u8> {
        let length = normalize(&mut vector);
        let (bytes, range) = match self.quantization {
            Quantization::None => (to_bytes(&vector), 0.0),
            Quantization::Byte => to_range(&vector),
            Quantization::Bit => (to_signs(&vector), 0.0),
        };
        let kept = KeptVector {
            bytes: &bytes,
            length,
            range,
        };
        kept.row()
    }

    /// About the vector that was kept, of its own length again; a sign is 1 or -1.
    pub fn restore(self, row: &[u8]) -> Vec<f32> {
        let kept = KeptVector::of(row);
        let signed = |at: usize| f32::from(kept.bytes[at] as i8);
        (0..self.dimension)
            .map(|at| match self.quantization {
                Quantization::None => whole(&kept.bytes[4 * at..]) * kept.length,
                Quantization::Byte => signed(at) * kept.range / 127.0 * kept.length,
                Quantization::Bit if kept.bytes[at / 8] >> (at % 8) & 1 == 1 => 1.0,
                Quantization::Bit => -1.0,
            })
            .collect()
    }

    /// How far the directions of two vectors are apart: 0 for the same one, 2 for the opposite.
    #[inline]
    pub fn distance(self, one: &[u8], other: &[u8]) -> f32 {
        let (one, other) = (KeptVector::of(one), KeptVector::of(other));
        match self.quantization {
            Quantization::None => 1.0 - product(one.bytes, other.bytes),
            Quantization::Byte => {
                // A vector of zeros is as near to one as to another.
                if one.range == 0.0 || other.range == 0.0 {
                    return 1.0;
                }
                let scale = (one.range / 127.0) * (other.range / 127.0);
                let near = signed_product(one.bytes, other.bytes) as f32 * scale;
                (1.0 - near).clamp(0.0, 2.0)
            }
            Quantization::Bit => {
                let words = one.bytes.chunks_exact(8).zip(other.bytes.chunks_exact(8));
                let opposite: u32 = words
                    .map(|(one, other)| (word(one) ^ word(other)).count_ones())
                    .sum();
                opposite as f32 * 2.0 / self.dimension as f32
            }
        }
    }
}

#[inline]
fn whole(bytes: &[u8]) -> f32 {
    f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

pub fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// Brings a vector to the length of 1, and returns the length that it had. One of zeros stays as it is.
fn normalize(vector: &mut [f32]) -> f32 {
    let mut sum = 0.0f32;
    let (fours, rest) = vector.as_chunks::<4>();
    for [a, b, c, d] in fours {
        sum += a * a + b * b + c * c + d * d;
    }
    rest.iter().for_each(|number| sum += number * number);
    if sum == 0.0 {
        return 1.0;
    }
    let length = sum.sqrt();
    vector.iter_mut().for_each(|number| *number /= length);
    length
}

/// Each number as a byte, from -127 to 127 over the range; and the range.
fn to_range(vector: &[f32]) -> (Vec<u8>, f32) {
    let range = vector.iter().fold(0.0f32, |range, number| {
        let size = number.abs();
        if size > range { size } else { range }
    });
    if range == 0.0 {
        return (vec![0; vector.len()], 0.0);
    }
    let scale = 127.0 / range;
    // Of numbers so small that the scale is none, Redis makes zeros.
    let byte = |number: &f32| match (number * scale).round() {
        scaled if scaled.is_finite() => scaled as i8 as u8,
        _ => 0,
    };
    (vector.iter().map(byte).collect(), range)
}

/// A bit for each number that is above zero, in words of 64.
fn to_signs(vector: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; 8 * vector.len().div_ceil(64)];
    for (at, number) in vector.iter().enumerate() {
        bytes[at / 8] |= u8::from(*number > 0.0) << (at % 8);
    }
    bytes
}

/// The sum of products, in the order in which Redis adds: four numbers each to one of two sums in turn.
#[inline]
fn product(one: &[u8], other: &[u8]) -> f32 {
    let (ones, rest) = one.as_chunks::<32>();
    let (others, other_rest) = other.as_chunks::<32>();
    let mut sums = [0.0f32; 2];
    for (one, other) in ones.iter().zip(others) {
        let mut products = [0.0f32; 8];
        for (at, held) in products.iter_mut().enumerate() {
            *held = whole(&one[4 * at..]) * whole(&other[4 * at..]);
        }
        let [a, b, c, d, e, f, g, h] = products;
        sums[0] += a + b + c + d;
        sums[1] += e + f + g + h;
    }
    let pairs = rest.chunks_exact(4).zip(other_rest.chunks_exact(4));
    pairs.for_each(|(one, other)| sums[0] += whole(one) * whole(other));
    sums[0] + sums[1]
}

/// The sum of products of bytes with signs. No vector is so long that it overflows.
#[inline]
fn signed_product(one: &[u8], other: &[u8]) -> i32 {
    let multiply = |(one, other): (&u8, &u8)| i32::from(*one as i8) * i32::from(*other as i8);
    let (ones, rest) = one.as_chunks::<16>();
    let (others, other_rest) = other.as_chunks::<16>();
    let blocks = ones.iter().zip(others);
    let sum: i32 = blocks
        .map(|(one, other)| one.iter().zip(other).map(multiply).sum::<i32>())
        .sum();
    sum + rest.iter().zip(other_rest).map(multiply).sum::<i32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(quantization: Quantization) -> VectorForm {
        VectorForm {
            quantization,
            dimension: 3,
        }
    }

    #[test]
    fn vectors_are_kept_as_redis_keeps_them() {
        // As Redis 8.2.3 answers VEMB RAW.
        let row = form(Quantization::Byte).keep(vec![1.0, 2.0, 3.0]);
        let kept = KeptVector::of(&row);
        assert_eq!(kept.bytes, [42, 85, 127]);
        assert_eq!((kept.length, kept.range), (3.741_657_5, 0.801_783_7));
        let zeros = form(Quantization::Byte).keep(vec![0.0; 3]);
        assert_eq!(
            (KeptVector::of(&zeros).length, KeptVector::of(&zeros).range),
            (1.0, 0.0)
        );
        let tiny = form(Quantization::Byte).keep(vec![1e-44, -1e-44, 0.0]);
        assert_eq!(KeptVector::of(&tiny).bytes, [0; 3]);
        let signs = form(Quantization::Bit).keep(vec![1.0, -2.0, 0.5]);
        assert_eq!(KeptVector::of(&signs).bytes, [5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(form(Quantization::Bit).restore(&signs), [1.0, -1.0, 1.0]);
    }

    #[test]
    fn the_same_direction_is_near_and_the_opposite_is_far() {
        for quantization in [Quantization::None, Quantization::Byte, Quantization::Bit] {
            let form = form(quantization);
            let [one, same, opposite, none] = [
                [1.0, 2.0, 3.0],
                [2.0, 4.0, 6.0],
                [-1.0, -2.0, -3.0],
                [0.0; 3],
            ]
            .map(|vector| form.keep(vector.to_vec()));
            assert!(form.distance(&one, &same).abs() < 0.002);
            assert!((form.distance(&one, &opposite) - 2.0).abs() < 0.002);
            if quantization != Quantization::Bit {
                assert_eq!(form.distance(&one, &none), 1.0);
            }
            for (at, number) in form.restore(&same).into_iter().enumerate() {
                let given = 2.0 * (at + 1) as f32;
                let room = if quantization == Quantization::Byte {
                    0.03
                } else {
                    1e-5
                };
                assert!(quantization == Quantization::Bit || (number - given).abs() < room);
            }
        }
    }
}
