//! How far vectors are from each other, by the widest instructions that the processor has.

use pulp::{Arch, Simd, WithSimd};

macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident, $kernel:ident, $number:ty, $parts:ident, $zero:ident, $sum:ident, $add:ident,
     |$simd:ident, $one:ident, $other:ident, $held:ident| $step:expr, |$a:ident, $b:ident| $rest:expr) => {
        struct $kernel<'v>(&'v [$number], &'v [$number]);

        impl WithSimd for $kernel<'_> {
            type Output = $number;

            #[inline(always)]
            fn with_simd<S: Simd>(self, $simd: S) -> $number {
                let (ones, rest) = S::$parts(self.0);
                let (others, other_rest) = S::$parts(self.1);
                // A sum waits for the one before it, so there are four, side by side.
                let mut sums = [$simd.$zero(0.0); 4];
                let (fours, last) = pulp::as_arrays::<4, _>(ones);
                let (other_fours, other_last) = pulp::as_arrays::<4, _>(others);
                for (ones, others) in fours.iter().zip(other_fours) {
                    for at in 0..4 {
                        let ($one, $other, $held) = (ones[at], others[at], sums[at]);
                        sums[at] = $step;
                    }
                }
                for (one, other) in last.iter().zip(other_last) {
                    let ($one, $other, $held) = (*one, *other, sums[0]);
                    sums[0] = $step;
                }
                let [a, b, c, d] = sums;
                let sum = $simd.$add($simd.$add(a, b), $simd.$add(c, d));
                let rest = rest.iter().zip(other_rest).map(|($a, $b)| $rest);
                $simd.$sum(sum) + rest.sum::<$number>()
            }
        }

        $(#[$doc])*
        #[inline]
        pub(super) fn $name(one: &[$number], other: &[$number]) -> $number {
            Arch::new().dispatch($kernel(one, other))
        }
    };
}

kernel!(
    /// The sum of products.
    dot_single, DotSingle, f32, as_simd_f32s, splat_f32s, reduce_sum_f32s, add_f32s,
    |simd, one, other, held| simd.mul_add_e_f32s(one, other, held), |a, b| a * b
);
kernel!(
    dot_double,
    DotDouble,
    f64,
    as_simd_f64s,
    splat_f64s,
    reduce_sum_f64s,
    add_f64s,
    |simd, one, other, held| simd.mul_add_e_f64s(one, other, held),
    |a, b| a * b
);
kernel!(
    /// The sum of squares of differences.
    square_single, SquareSingle, f32, as_simd_f32s, splat_f32s, reduce_sum_f32s, add_f32s,
    |simd, one, other, held| {
        let difference = simd.sub_f32s(one, other);
        simd.mul_add_e_f32s(difference, difference, held)
    }, |a, b| (a - b) * (a - b)
);
kernel!(
    square_double,
    SquareDouble,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_right_at_every_length() {
        for len in 0..130 {
            let one: Vec<f32> = (0..len).map(|at| (at % 7) as f32 - 3.0).collect();
            let other: Vec<f32> = (0..len).map(|at| (at % 5) as f32).collect();
            let pairs = || one.iter().zip(&other);
            let dot: f32 = pairs().map(|(a, b)| a * b).sum();
            let square: f32 = pairs().map(|(a, b)| (a - b) * (a - b)).sum();
            // Whole numbers as small as these are added without rounding in whatever order.
            assert_eq!(dot_single(&one, &other), dot, "{len}");
            assert_eq!(square_single(&one, &other), square, "{len}");
            let double =
                |numbers: &[f32]| -> Vec<f64> { numbers.iter().map(|n| f64::from(*n)).collect() };
            let (one, other) = (double(&one), double(&other));
            assert_eq!(dot_double(&one, &other), f64::from(dot), "{len}");
            assert_eq!(square_double(&one, &other), f64::from(square), "{len}");
        }
    }
}
