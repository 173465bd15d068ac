//! Switches and whole numbers.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

use super::{ConfigLine, Refusal, Setting, one_word, outside};

/// `yes` or `no`.
pub struct Bool {
    now: AtomicBool,
    default: bool,
    check: fn(bool) -> Result<(), &'static str>,
}

impl Bool {
    pub fn new(default: bool) -> Bool {
        Bool {
            now: AtomicBool::new(default),
            default,
            check: |_| Ok(()),
        }
    }

    pub fn checked(self, check: fn(bool) -> Result<(), &'static str>) -> Bool {
        Bool { check, ..self }
    }

    pub fn get(&self) -> bool {
        self.now.load(Relaxed)
    }

    pub fn put(&self, value: bool) {
        self.now.store(value, Relaxed);
    }
}

impl Setting for Bool {
    fn text(&self) -> Vec<u8> {
        if self.get() {
            b"yes".to_vec()
        } else {
            b"no".to_vec()
        }
    }

    fn set(&self, words: &[&[u8]]) -> Result<(), Refusal> {
        let word = one_word(words)?;
        let yes = word.eq_ignore_ascii_case(b"yes");
        if !yes && !word.eq_ignore_ascii_case(b"no") {
            return Err("argument must be 'yes' or 'no'".to_owned());
        }
        (self.check)(yes)?;
        self.put(yes);
        Ok(())
    }

    fn lines(&self) -> Vec<ConfigLine> {
        vec![ConfigLine::new(self.text(), self.get() != self.default)]
    }
}

/// A whole number between two bounds, written in decimal or octal.
pub struct Int {
    now: AtomicI64,
    /// What was set, which is not what is in force where the server has put another value.
    wished: AtomicI64,
    default: i64,
    min: i64,
    max: i64,
    /// Values outside are accepted, and moved to the nearest one inside.
    settle: (i64, i64),
    octal: bool,
    check: fn(i64) -> Result<(), &'static str>,
}

impl Int {
    pub fn new(default: i64, min: i64, max: i64) -> Int {
        Int {
            now: AtomicI64::new(default),
            wished: AtomicI64::new(default),
            default,
            min,
            max,
            settle: (min, max),
            octal: false,
            check: |_| Ok(()),
        }
    }

    pub fn octal(default: i64, min: i64, max: i64) -> Int {
        Int {
            octal: true,
            ..Int::new(default, min, max)
        }
    }

    /// A number that Redis takes from a wider range than it then uses.
    pub fn settling(self, least: i64, most: i64) -> Int {
        Int {
            settle: (least, most),
            ..self
        }
    }

    pub fn checked(self, check: fn(i64) -> Result<(), &'static str>) -> Int {
        Int { check, ..self }
    }

    pub fn get(&self) -> i64 {
        self.now.load(Relaxed)
    }

    /// For the server, when it learns the value in force: the workers it started, the clients that it has descriptors for.
    /// No file gets it: it holds for this machine.
    pub fn put(&self, value: i64) {
        self.now.store(value, Relaxed);
    }

    fn show(&self, value: i64) -> String {
        if self.octal {
            format!("{value:o}")
        } else {
            value.to_string()
        }
    }
}

impl Setting for Int {
    fn text(&self) -> Vec<u8> {
        self.show(self.get()).into_bytes()
    }

    fn set(&self, words: &[&[u8]]) -> Result<(), Refusal> {
        let word = one_word(words)?;
        let value = if self.octal {
            parse_octal(word)
        } else {
            parse_int(word)
        };
        let value = value.ok_or_else(|| match self.octal {
            true => "argument couldn't be parsed as an octal number".to_owned(),
            false => "argument couldn't be parsed into an integer".to_owned(),
        })?;
        if !(self.min..=self.max).contains(&value) {
            return Err(outside(self.show(self.min), self.show(self.max)));
        }
        (self.check)(value)?;
        let value = value.clamp(self.settle.0, self.settle.1);
        self.wished.store(value, Relaxed);
        self.put(value);
        Ok(())
    }

    fn lines(&self) -> Vec<ConfigLine> {
        let wished = self.wished.load(Relaxed);
        vec![ConfigLine::new(self.show(wished), wished != self.default)]
    }
}

/// A number written the one way that Redis writes it: no plus, no leading zero, no space.
pub fn parse_int(word: &[u8]) -> Option<i64> {
    let text = str::from_utf8(word).ok()?;
    let value: i64 = text.parse().ok()?;
    (itoa::Buffer::new().format(value) == text).then_some(value)
}

fn parse_octal(word: &[u8]) -> Option<i64> {
    i64::from_str_radix(str::from_utf8(word).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::tests::{accept, refusal};

    #[test]
    fn numbers_are_read_strictly() {
        let hz = Int::new(10, 0, i32::MAX.into()).settling(1, 500);
        for text in ["x", "+1", " 1", "01", "1x", "", "0x10"] {
            assert_eq!(
                refusal(&hz, text),
                "argument couldn't be parsed into an integer"
            );
        }
        assert_eq!(
            refusal(&hz, "99999999999"),
            "argument must be between 0 and 2147483647 inclusive"
        );
        assert_eq!(accept(&hz, "0"), "1");
        assert_eq!(accept(&hz, "501"), "500");
        assert_eq!(hz.lines(), [ConfigLine::new("500", true)]);
    }

    #[test]
    fn a_switch_may_refuse_a_side() {
        let cluster = Bool::new(false).checked(|on| match on {
            true => Err("there is none"),
            false => Ok(()),
        });
        assert_eq!(refusal(&cluster, "YES"), "there is none");
        assert_eq!(refusal(&cluster, "1"), "argument must be 'yes' or 'no'");
        assert_eq!(accept(&cluster, "No"), "no");
    }

    #[test]
    fn what_the_server_puts_in_force_goes_to_no_file() {
        let threads = Int::new(0, 0, 128);
        threads.put(2);
        assert_eq!(threads.text(), b"2");
        assert_eq!(threads.lines(), [ConfigLine::new("0", false)]);
        assert_eq!(accept(&threads, "3"), "3");
        threads.put(4);
        assert_eq!(threads.lines(), [ConfigLine::new("3", true)]);
    }

    #[test]
    fn octal_is_shown_and_bounded_in_octal() {
        let perm = Int::octal(0, 0, 0o777);
        assert_eq!(accept(&perm, "755"), "755");
        assert_eq!(perm.get(), 0o755);
        assert_eq!(
            refusal(&perm, "1777"),
            "argument must be between 0 and 777 inclusive"
        );
        assert_eq!(
            refusal(&perm, "888"),
            "argument couldn't be parsed as an octal number"
        );
    }
}
