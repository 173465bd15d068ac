//! Cells that hold one directive each: read by any thread with one atomic load, set from text.
//!
//! A cell that refuses a text has kept its old value.

mod memory;
mod number;
mod word;

pub use memory::{Memory, MemoryShare, Share, parse_bytes, show_bytes};
pub use number::{Bool, Int, parse_int};
pub use word::{Pick, Text, as_path, not_among};

use std::fmt::Display;

/// Why a text was refused, in Redis's words.
pub type Refusal = String;

/// What every cell can do, whatever it holds.
pub trait Setting {
    /// The value as CONFIG GET shows it.
    fn text(&self) -> Vec<u8>;

    /// Takes the value from the words after the directive's name.
    fn set(&self, words: &[&[u8]]) -> Result<(), Refusal>;

    /// Takes a further line of the same directive in one file. Most directives let the last line win.
    fn set_again(&self, words: &[&[u8]]) -> Result<(), Refusal> {
        self.set(words)
    }

    /// The lines of a configuration file that bring this value back; none when it needs no line.
    fn lines(&self) -> Vec<ConfigLine>;
}

/// What CONFIG REWRITE writes after the directive's name.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigLine {
    pub words: Vec<u8>,
    /// Written even where the file had no such line: the value is not the default.
    pub needed: bool,
}

impl ConfigLine {
    pub fn new(words: impl Into<Vec<u8>>, needed: bool) -> ConfigLine {
        ConfigLine {
            words: words.into(),
            needed,
        }
    }
}

/// The only word of a directive that takes one.
pub fn one_word<'a>(words: &[&'a [u8]]) -> Result<&'a [u8], Refusal> {
    match words {
        [word] => Ok(word),
        _ => Err("wrong number of arguments".to_owned()),
    }
}

fn outside(min: impl Display, max: impl Display) -> Refusal {
    format!("argument must be between {min} and {max} inclusive")
}

#[cfg(test)]
mod tests {
    use super::Setting;

    pub fn refusal(cell: &impl Setting, text: &str) -> String {
        let before = cell.text();
        let refusal = cell.set(&[text.as_bytes()]).unwrap_err();
        assert_eq!(cell.text(), before, "a refused text changes nothing");
        refusal
    }

    pub fn accept(cell: &impl Setting, text: &str) -> String {
        cell.set(&[text.as_bytes()]).unwrap();
        String::from_utf8(cell.text()).unwrap()
    }
}
