//! The time that a unit of work runs at.

/// Whether clients are served, or a log or a master's stream is replayed; with the time of day, in milliseconds.
///
/// In what is replayed nothing is dead: a key that has died since is there for the commands that were given while it
/// lived. Whatever is counted from now, or remembers when it was used, goes by the time of day all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Now {
    Live(u64),
    Replaying(u64),
}

impl Now {
    /// The time of day.
    #[inline]
    pub fn clock_ms(self) -> u64 {
        let (Now::Live(ms) | Now::Replaying(ms)) = self;
        ms
    }

    /// What has its deadline then or before is dead.
    #[inline]
    pub fn due_ms(self) -> u64 {
        match self {
            Now::Live(ms) => ms,
            Now::Replaying(_) => 0,
        }
    }

    pub fn is_live(self) -> bool {
        matches!(self, Now::Live(_))
    }
}
