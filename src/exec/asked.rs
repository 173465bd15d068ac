//! Whether the guards have moved since a worker asked them about the command under way.

use std::cell::Cell;

use crate::state::guards::Guards;

/// What a worker knows of the guards.
#[derive(Default)]
pub(super) struct AskedGuards {
    /// How often they had moved when they were asked about the present command.
    when: Cell<u64>,
    /// A command has moved them, and they are to be passed before it is answered.
    moved: Cell<bool>,
}

impl AskedGuards {
    /// They are asked now.
    #[inline]
    pub fn now(&self, guards: &Guards) {
        self.when.set(guards.moves());
    }

    #[inline]
    pub fn when(&self) -> u64 {
        self.when.get()
    }

    /// Does something that may move them.
    #[inline]
    pub fn note_moves<T>(&self, guards: &Guards, act: impl FnOnce() -> T) -> T {
        let before = guards.moves();
        let done = act();
        if guards.moves() != before {
            self.moved.set(true);
        }
        done
    }

    /// Whether a command has moved them since this was last asked.
    #[inline]
    pub fn take_moved(&self) -> bool {
        self.moved.take()
    }
}
