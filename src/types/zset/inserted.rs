//! What comes of putting a member into a sorted set, in whichever form the set is.

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The member is new.
    Added,
    /// The member was there, with another score.
    Moved,
    /// The member was there, with this score.
    Same,
}
