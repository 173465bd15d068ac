//! How far vectors are from each other, by the widest instructions that the processor has.
//!
//! Several are compared with one at the same time: while the processor waits for the memory of one, that of the others is on
//! its way, too. Each distance is the same, whatever is compared beside it.

use std::borrow::Cow;

use pulp::{Arch, Simd, WithSimd};
use smallvec::SmallVec;

/// So many vectors are compared with one at the same time, at most.
pub(super) const TOGETHER: usize = 8;
/// Where there are fewer registers than this, the sums of half as many fit into them.
const REGISTERS_MANY: usize = 32;
/// A sum waits for the one before it, so each vector has several, side by side.
const SUMS: usize = 2;

/// What compares a vector with others, and says something of each.
pub(super) type Compare<N> = fn(&[N], &[Cow<'_, [N]>], &mut [N]);

macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident, $kernel:ident, $number:ty, $parts:ident, $zero:ident, $sum:ident, $add:ident,
     |$simd:ident, $one:ident, $other:ident, $held:ident| $step:expr, |$a:ident, $b:ident| $rest:expr) => {
        struct $kernel<'v> {
            target: &'v [$number],
            others: &'v [Cow<'v, [$number]>],
            out: &'v mut [$number],
        }

        impl $kernel<'_> {
            /// Of the first vectors, so many; the others are left.
            #[inline(always)]
            fn first<S: Simd, const COUNT: usize>(&mut self, $simd: S) {
                while let Some((vectors, rest)) = self.others.split_first_chunk::<COUNT>() {
                    self.others = rest;
                    let (out, behind) = std::mem::take(&mut self.out).split_at_mut(COUNT);
                    self.out = behind;
                    let (aims, aims_rest) = S::$parts(self.target);
                    let vectors = vectors.each_ref().map(|vector| S::$parts(vector));
                    let lists = vectors.map(|(numbers, _)| &numbers[..aims.len()]);
                    let mut sums = [[$simd.$zero(0.0); SUMS]; COUNT];
                    let even = aims.len() / SUMS * SUMS;
                    for from in (0..even).step_by(SUMS) {
                        for at in 0..SUMS {
                            let $other = aims[from + at];
                            for (sums, list) in sums.iter_mut().zip(lists) {
                                let ($one, $held) = (list[from + at], sums[at]);
                                sums[at] = $step;
                            }
                        }
                    }
                    for at in even..aims.len() {
                        let $other = aims[at];
                        for (sums, list) in sums.iter_mut().zip(lists) {
                            let ($one, $held) = (list[at], sums[0]);
                            sums[0] = $step;
                        }
                    }
                    for (out, ([one, other], (_, rest))) in out.iter_mut().zip(sums.into_iter().zip(vectors)) {
                        let rest = rest.iter().zip(aims_rest).map(|($a, $b)| $rest);
                        *out = $simd.$sum($simd.$add(one, other)) + rest.sum::<$number>();
                    }
                }
            }
        }

        impl WithSimd for $kernel<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(mut self, simd: S) {
                if S::REGISTER_COUNT >= REGISTERS_MANY {
                    self.first::<S, TOGETHER>(simd);
                }
                self.first::<S, { TOGETHER / 2 }>(simd);
                self.first::<S, 1>(simd);
            }
        }

        $(#[$doc])*
        #[inline]
        pub(super) fn $name(target: &[$number], others: &[Cow<'_, [$number]>], out: &mut [$number]) {
            Arch::new().dispatch($kernel { target, others, out });
        }
    };
}

kernel!(
    /// The sums of products of one vector with each of others.
    dot_singles, DotSingles, f32, as_simd_f32s, splat_f32s, reduce_sum_f32s, add_f32s,
    |simd, one, other, held| simd.mul_add_e_f32s(one, other, held), |a, b| a * b
);
kernel!(
    dot_doubles,
    DotDoubles,
    f64,
    as_simd_f64s,
    splat_f64s,
    reduce_sum_f64s,
    add_f64s,
    |simd, one, other, held| simd.mul_add_e_f64s(one, other, held),
    |a, b| a * b
);
kernel!(
    /// The sums of squares of differences between one vector and each of others.
    square_singles, SquareSingles, f32, as_simd_f32s, splat_f32s, reduce_sum_f32s, add_f32s,
    |simd, one, other, held| {
        let difference = simd.sub_f32s(one, other);
        simd.mul_add_e_f32s(difference, difference, held)
    }, |a, b| (a - b) * (a - b)
);
kernel!(
    square_doubles,
    SquareDoubles,
    f64,
    as_simd_f64s,
    splat_f64s,
    reduce_sum_f64s,
    add_f64s,
    |simd, one, other, held| {
        let difference = simd.sub_f64s(one, other);
        simd.mul_add_e_f64s(difference, difference, held)
    },
    |a, b| (a - b) * (a - b)
);

/// The length of a vector.
pub(super) fn length(numbers: &[f32]) -> f32 {
    let mut square = [0.0];
    dot_singles(numbers, &[numbers.into()], &mut square);
    square[0].sqrt()
}

pub(super) fn length_of_doubles(numbers: &[f64]) -> f64 {
    let mut square = [0.0];
    dot_doubles(numbers, &[numbers.into()], &mut square);
    square[0].sqrt()
}

/// Visits what a function says of a target and the vectors in some slots, several at a time.
pub(super) fn in_parts<'v, N: Copy + Default + 'v>(
    slots: &[u32],
    numbers: impl Fn(u32) -> Cow<'v, [N]>,
    (compare, target): (Compare<N>, &[N]),
    mut visit: impl FnMut(u32, N),
) {
    for part in slots.chunks(TOGETHER) {
        let vectors = part.iter().map(|slot| numbers(*slot));
        let vectors: SmallVec<[Cow<'v, [N]>; TOGETHER]> = vectors.collect();
        let mut said = [N::default(); TOGETHER];
        compare(target, &vectors, &mut said[..part.len()]);
        for (slot, said) in part.iter().zip(said) {
            visit(*slot, said);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    /// What a function says of some vectors.
    fn of<N: Clone + Default>(compare: Compare<N>, target: &[N], others: &[Vec<N>]) -> Vec<N> {
        let others: Vec<Cow<'_, [N]>> = others.iter().map(|numbers| numbers.into()).collect();
        let mut out = vec![N::default(); others.len()];
        compare(target, &others, &mut out);
        out
    }

    #[test]
    fn sums_are_right_at_every_length_and_however_many_there_are() {
        for len in 0..130 {
            let count = len % 23;
            let one: Vec<f32> = (0..len).map(|at| (at % 7) as f32 - 3.0).collect();
            let other = |of: usize| (0..len).map(|at| ((at + of) % 5) as f32).collect();
            let others: Vec<Vec<f32>> = (0..count).map(other).collect();
            let sums = |step: fn(f32, f32) -> f32| -> Vec<f32> {
                let sum = |other: &Vec<f32>| one.iter().zip(other).map(|(a, b)| step(*a, *b)).sum();
                others.iter().map(sum).collect()
            };
            // Whole numbers as small as these are added without rounding in whatever order.
            let (dots, squares) = (sums(|a, b| a * b), sums(|a, b| (a - b) * (a - b)));
            assert_eq!(of(dot_singles, &one, &others), dots, "{len}");
            assert_eq!(of(square_singles, &one, &others), squares, "{len}");
            let double =
                |numbers: &[f32]| -> Vec<f64> { numbers.iter().map(|n| f64::from(*n)).collect() };
            let others: Vec<Vec<f64>> = others.iter().map(|other| double(other)).collect();
            let one = double(&one);
            assert_eq!(of(dot_doubles, &one, &others), double(&dots), "{len}");
            assert_eq!(of(square_doubles, &one, &others), double(&squares), "{len}");
        }
    }

    #[test]
    fn a_distance_is_the_same_whatever_is_compared_beside_it() {
        let mut random = fastrand::Rng::with_seed(8);
        let mut vector = || -> Vec<f32> { (0..387).map(|_| random.f32() - 0.5).collect() };
        let (one, others) = (vector(), (0..29).map(|_| vector()).collect::<Vec<_>>());
        for compare in [dot_singles, square_singles] {
            let alone = others
                .iter()
                .flat_map(|other| of(compare, &one, from_ref(other)));
            assert_eq!(of(compare, &one, &others), alone.collect::<Vec<f32>>());
            let turned = others
                .iter()
                .flat_map(|other| of(compare, other, from_ref(&one)));
            assert_eq!(of(compare, &one, &others), turned.collect::<Vec<f32>>());
        }
    }
}
