//! Turns of others: work that takes long looks now and then whether it is to be left for a while.

use std::cell::Cell;

/// Units of work between two looks. A unit is something small: an entry of a list, a comparison.
const UNITS: usize = 1024;

/// Lets others have their turns.
pub struct Turns<'p> {
    units: Cell<usize>,
    look: Option<&'p dyn Fn()>,
}

impl<'p> Turns<'p> {
    /// `look` is called every so often, and comes back when the work is to go on.
    pub fn new(look: &'p dyn Fn()) -> Self {
        Turns {
            units: Cell::new(0),
            look: Some(look),
        }
    }

    /// Nobody has a turn before the work is done.
    pub fn none() -> Turns<'static> {
        Turns {
            units: Cell::new(0),
            look: None,
        }
    }

    /// So many units of work were done. No lock may be held.
    #[inline]
    pub fn tick(&self, units: usize) {
        let done = self.units.get() + units;
        self.units.set(done);
        if done >= UNITS {
            self.look();
        }
    }

    #[cold]
    fn look(&self) {
        self.units.set(0);
        if let Some(look) = self.look {
            look();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_once_for_so_many_units() {
        let looks = Cell::new(0);
        let look = || looks.set(looks.get() + 1);
        let turns = Turns::new(&look);
        (0..10 * UNITS).for_each(|_| turns.tick(1));
        assert_eq!(looks.get(), 10);
        turns.tick(100 * UNITS);
        assert_eq!(looks.get(), 11);
        Turns::none().tick(10 * UNITS);
    }
}
