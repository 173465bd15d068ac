//! Seeking in a sorted list what is mostly near its beginning.

/// How many of the first items something holds of that holds of none behind them. They are sought in growing steps.
#[inline]
pub fn gallop<T>(items: &[T], holds: impl Fn(&T) -> bool) -> usize {
    let mut step = 1;
    while step < items.len() && holds(&items[step]) {
        step *= 2;
    }
    let from = step / 2;
    let to = items.len().min(step + 1);
    from + items[from..to].partition_point(holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_a_look_at_all_of_them_finds() {
        for len in 0..70 {
            let items: Vec<usize> = (0..len).collect();
            for count in 0..=len {
                assert_eq!(gallop(&items, |item| *item < count), count);
            }
        }
    }
}
