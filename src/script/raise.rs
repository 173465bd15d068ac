//! Errors as scripts see them.
//!
//! An error that a library of ours raises is a text with the place that called it in front, as C libraries do.
//! One that a command raises is a table with `err` in it; `Raised` carries it through Lua.

use mlua::{Error, Lua};

/// An error of `redis.call`, or of a function of `redis`: a table to whoever catches it.
#[derive(Clone, Debug)]
pub struct Raised {
    /// With its code, without a sign before it.
    pub text: Vec<u8>,
    /// It was counted when the command failed, and is not to be counted again.
    pub counted: bool,
}

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

impl std::error::Error for Raised {}

/// The script was ended from outside. Nothing in it can catch this.
#[derive(Clone, Copy, Debug)]
pub struct Killed;

impl std::fmt::Display for Killed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script killed by user with SCRIPT KILL...")
    }
}

impl std::error::Error for Killed {}

/// An error in the words of `redis`.
pub fn raised(text: impl Into<Vec<u8>>) -> Error {
    Error::external(Raised {
        text: text.into(),
        counted: false,
    })
}

/// Where the function that runs was called: `user_script:1: `, or nothing if that is not Lua.
pub fn place(lua: &Lua, level: usize) -> String {
    let found = lua.inspect_stack(level, |frame| {
        let line = frame.current_line()?;
        let source = frame.source().short_src?.into_owned();
        Some(format!("{source}:{line}: "))
    });
    found.flatten().unwrap_or_default()
}

/// A text with the caller's place before it.
pub fn located(lua: &Lua, text: &str) -> Error {
    Error::RuntimeError(format!("{}{text}", place(lua, 1)))
}

pub fn bad_argument(lua: &Lua, at: usize, function: &str, why: &str) -> Error {
    located(lua, &format!("bad argument #{at} to '{function}' ({why})"))
}
