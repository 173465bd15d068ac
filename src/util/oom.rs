//! The kernel's out of memory score of this process: whom it kills first when memory runs out.

use std::fs;
use std::io;

use super::ranked::{Mutex, rank};

const FILE: &str = "/proc/self/oom_score_adj";
/// What the kernel takes.
const LOWEST: i32 = -1000;
const HIGHEST: i32 = 1000;

/// A score to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    Absolute(i32),
    /// Added to what the process had before it was first set.
    Relative(i32),
}

/// Remembers what the score was before it was set.
#[derive(Debug, Default)]
pub struct OomScore {
    before: Mutex<Option<i32>, { rank("oom score") }>,
}

impl OomScore {
    /// Sets the score; without one, what it was before is brought back. Fails where the kernel refuses.
    pub fn set(&self, wanted: Option<Score>) -> io::Result<()> {
        let mut before = self.before.lock();
        let Some(wanted) = wanted else {
            return before.take().map_or(Ok(()), write);
        };
        let base = match *before {
            Some(base) => base,
            None => read()?,
        };
        let score = match wanted {
            Score::Absolute(score) => score,
            Score::Relative(score) => base.saturating_add(score),
        };
        write(score.clamp(LOWEST, HIGHEST))?;
        *before = Some(base);
        Ok(())
    }
}

fn read() -> io::Result<i32> {
    let text = fs::read_to_string(FILE)?;
    text.trim().parse().map_err(io::Error::other)
}

fn write(score: i32) -> io::Result<()> {
    fs::write(FILE, format!("{score}\n"))
}
