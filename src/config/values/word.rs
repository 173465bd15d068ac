//! Words out of a list, and any bytes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use arc_swap::ArcSwap;

use super::{ConfigLine, Refusal, Setting, one_word};
use crate::config::choices::{Choice, names_of};
use crate::util::words::quote;

/// One of the values of an enum.
pub struct Pick<C> {
    /// Position in `C::ALL`.
    now: AtomicU8,
    default: C,
}

impl<C: Choice> Pick<C> {
    pub fn new(default: C) -> Pick<C> {
        let pick = Pick {
            now: AtomicU8::new(0),
            default,
        };
        pick.put(default);
        pick
    }

    pub fn get(&self) -> C {
        C::ALL[usize::from(self.now.load(Relaxed))]
    }

    /// For the server, when it learns the value in force.
    pub fn put(&self, choice: C) {
        let at = C::ALL.iter().position(|other| *other == choice);
        let at = at.expect("a choice is missing from its own list");
        self.now.store(at as u8, Relaxed);
    }
}

impl<C: Choice> Setting for Pick<C> {
    fn text(&self) -> Vec<u8> {
        self.get().as_str().as_bytes().to_vec()
    }

    fn set(&self, words: &[&[u8]]) -> Result<(), Refusal> {
        let word = one_word(words)?;
        let choice = C::ALL
            .iter()
            .find(|choice| word.eq_ignore_ascii_case(choice.as_str().as_bytes()));
        self.put(*choice.ok_or_else(|| not_among(&names_of::<C>()))?);
        Ok(())
    }

    fn lines(&self) -> Vec<ConfigLine> {
        vec![ConfigLine::new(self.text(), self.get() != self.default)]
    }
}

/// The refusal that lists what would have been accepted.
pub fn not_among(names: &[&str]) -> Refusal {
    format!(
        "argument(s) must be one of the following: {}",
        names.join(", ")
    )
}

/// Any bytes.
pub struct Text {
    now: ArcSwap<Vec<u8>>,
    default: &'static str,
    check: fn(&[u8]) -> Result<(), &'static str>,
    /// The empty text means "not set": a file says so by not naming it.
    optional: bool,
}

impl Text {
    pub fn new(default: &'static str) -> Text {
        Text {
            now: ArcSwap::from_pointee(default.as_bytes().to_vec()),
            default,
            check: |_| Ok(()),
            optional: false,
        }
    }

    pub fn optional() -> Text {
        Text {
            optional: true,
            ..Text::new("")
        }
    }

    pub fn checked(self, check: fn(&[u8]) -> Result<(), &'static str>) -> Text {
        Text { check, ..self }
    }

    pub fn get(&self) -> Arc<Vec<u8>> {
        self.now.load_full()
    }

    pub fn is_empty(&self) -> bool {
        self.now.load().is_empty()
    }

    /// The bytes as a name in the file system.
    pub fn path(&self) -> PathBuf {
        as_path(&self.now.load())
    }

    /// For the server, when it learns the value in force.
    pub fn put(&self, value: impl Into<Vec<u8>>) {
        self.now.store(Arc::new(value.into()));
    }
}

/// Bytes as a name in the file system.
pub fn as_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

impl Setting for Text {
    fn text(&self) -> Vec<u8> {
        self.get().to_vec()
    }

    fn set(&self, words: &[&[u8]]) -> Result<(), Refusal> {
        let word = one_word(words)?;
        (self.check)(word)?;
        self.put(word);
        Ok(())
    }

    fn lines(&self) -> Vec<ConfigLine> {
        let now = self.now.load();
        if self.optional && now.is_empty() {
            return Vec::new();
        }
        vec![ConfigLine::new(
            quote(&now),
            now.as_slice() != self.default.as_bytes(),
        )]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::choices::MaxmemoryPolicy;
    use crate::config::values::tests::{accept, refusal};

    #[test]
    fn a_choice_is_refused_with_the_list() {
        let policy = Pick::new(MaxmemoryPolicy::Noeviction);
        assert_eq!(accept(&policy, "AllKeys-LRU"), "allkeys-lru");
        assert_eq!(policy.get(), MaxmemoryPolicy::AllkeysLru);
        assert!(
            refusal(&policy, "x")
                .starts_with("argument(s) must be one of the following: volatile-lru, ")
        );
    }

    #[test]
    fn an_optional_text_needs_no_line() {
        let name = Text::optional();
        assert_eq!(name.lines(), []);
        name.put("a b");
        assert_eq!(name.lines(), [ConfigLine::new("\"a b\"", true)]);
    }
}
