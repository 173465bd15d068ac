//! Cells that hold one directive each: read by any thread with one atomic load, set from text.
//!
//! A cell that refuses a text has kept its old value.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;

use super::choices::{Choice, names_of};
use crate::util::words::quote;

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
    default: i64,
    min: i64,
    max: i64,
    /// Values outside are accepted, and moved to the nearest one inside.
    settle: (i64, i64),
    octal: bool,
}

impl Int {
    pub fn new(default: i64, min: i64, max: i64) -> Int {
        Int {
            now: AtomicI64::new(default),
            default,
            min,
            max,
            settle: (min, max),
            octal: false,
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

    pub fn get(&self) -> i64 {
        self.now.load(Relaxed)
    }

    /// For the server, when it learns the value in force: the port it was given, the workers it started.
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
        self.put(value.clamp(self.settle.0, self.settle.1));
        Ok(())
    }

    fn lines(&self) -> Vec<ConfigLine> {
        vec![ConfigLine::new(self.text(), self.get() != self.default)]
    }
}

fn outside(min: impl Display, max: impl Display) -> Refusal {
    format!("argument must be between {min} and {max} inclusive")
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

/// A number of bytes, with the units of configuration files: `k` is 1000, `kb` is 1024.
pub struct Memory {
    now: AtomicU64,
    default: u64,
    min: u64,
    max: u64,
    /// Smaller values are accepted, and raised to this.
    least: u64,
}

impl Memory {
    pub fn new(default: u64, min: u64, max: u64) -> Memory {
        Memory {
            now: AtomicU64::new(default),
            default,
            min,
            max,
            least: min,
        }
    }

    pub fn at_least(self, least: u64) -> Memory {
        Memory { least, ..self }
    }

    pub fn get(&self) -> u64 {
        self.now.load(Relaxed)
    }
}

impl Setting for Memory {
    fn text(&self) -> Vec<u8> {
        self.get().to_string().into_bytes()
    }

    fn set(&self, words: &[&[u8]]) -> Result<(), Refusal> {
        let value = parse_bytes(one_word(words)?).ok_or("argument must be a memory value")?;
        if !(self.min..=self.max).contains(&value) {
            return Err(outside(self.min, self.max));
        }
        self.now.store(value.max(self.least), Relaxed);
        Ok(())
    }

    fn lines(&self) -> Vec<ConfigLine> {
        vec![ConfigLine::new(
            show_bytes(self.get()),
            self.get() != self.default,
        )]
    }
}

/// Reads `512`, `100mb`, `1G`. No digits at all count as zero, and too many as the largest number.
pub fn parse_bytes(word: &[u8]) -> Option<u64> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, unit) = word.split_at(digits);
    let scale: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let digit = |sum: u64, byte: &u8| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(byte - b'0'))
    };
    Some(digits.iter().fold(0, digit).saturating_mul(scale))
}

/// The shortest exact way to write a number of bytes in a file.
pub fn show_bytes(bytes: u64) -> String {
    for (scale, unit) in [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")] {
        if bytes != 0 && bytes.is_multiple_of(scale) {
            return format!("{}{unit}", bytes / scale);
        }
    }
    bytes.to_string()
}

/// Bytes, or a part of `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    Bytes(u64),
    Percent(u8),
}

/// A number of bytes or a percentage. Held as bytes, or as the percentage made negative.
pub struct MemoryShare {
    now: AtomicI64,
}

impl MemoryShare {
    pub fn none() -> MemoryShare {
        MemoryShare {
            now: AtomicI64::new(0),
        }
    }

    pub fn get(&self) -> Share {
        match self.now.load(Relaxed) {
            percent @ -100..0 => Share::Percent(percent.unsigned_abs() as u8),
            bytes => Share::Bytes(bytes.unsigned_abs()),
        }
    }
}

impl Setting for MemoryShare {
    fn text(&self) -> Vec<u8> {
        match self.get() {
            Share::Bytes(bytes) => bytes.to_string().into_bytes(),
            Share::Percent(percent) => format!("{percent}%").into_bytes(),
        }
    }

    fn set(&self, words: &[&[u8]]) -> Result<(), Refusal> {
        const NEITHER: &str = "argument must be a memory or percent value";
        let word = one_word(words)?;
        let value = if let Some(percent) = word.strip_suffix(b"%") {
            match parse_int(percent)
                .filter(|percent| *percent >= 0)
                .ok_or(NEITHER)?
            {
                percent @ 0..=100 => -percent,
                _ => return Err("percentage argument must be less or equal to 100".to_owned()),
            }
        } else {
            let bytes = parse_bytes(word).ok_or(NEITHER)?;
            i64::try_from(bytes).map_err(|_| outside(-100, i64::MAX))?
        };
        self.now.store(value, Relaxed);
        Ok(())
    }

    fn lines(&self) -> Vec<ConfigLine> {
        let words = match self.get() {
            Share::Bytes(bytes) => show_bytes(bytes),
            Share::Percent(percent) => format!("{percent}%"),
        };
        vec![ConfigLine::new(words, self.get() != Share::Bytes(0))]
    }
}

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

    fn put(&self, choice: C) {
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

    fn refusal(cell: &impl Setting, text: &str) -> String {
        let before = cell.text();
        let refusal = cell.set(&[text.as_bytes()]).unwrap_err();
        assert_eq!(cell.text(), before, "a refused text changes nothing");
        refusal
    }

    fn accept(cell: &impl Setting, text: &str) -> String {
        cell.set(&[text.as_bytes()]).unwrap();
        String::from_utf8(cell.text()).unwrap()
    }

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

    #[test]
    fn memory_knows_two_kinds_of_units() {
        let memory = Memory::new(0, 0, u64::MAX);
        for (text, bytes) in [
            ("1k", 1000),
            ("1KB", 1024),
            ("2m", 2_000_000),
            ("1gb", 1 << 30),
            ("7b", 7),
        ] {
            assert_eq!(accept(&memory, text), bytes.to_string());
        }
        for text in ["x", "-1", "1gib", "1 ", "5%"] {
            assert_eq!(refusal(&memory, text), "argument must be a memory value");
        }
        assert_eq!(
            accept(&memory, "99999999999999999999"),
            u64::MAX.to_string()
        );
        assert_eq!(
            accept(&Memory::new(1 << 20, 1, 1 << 62).at_least(16384), "10"),
            "16384"
        );
        assert_eq!(show_bytes(3 << 20), "3mb");
    }

    #[test]
    fn a_share_is_bytes_or_percent() {
        let share = MemoryShare::none();
        assert_eq!(accept(&share, "5%"), "5%");
        assert_eq!(share.get(), Share::Percent(5));
        assert_eq!(accept(&share, "1kb"), "1024");
        assert_eq!(accept(&share, "0%"), "0");
        assert_eq!(
            refusal(&share, "-5"),
            "argument must be a memory or percent value"
        );
        assert_eq!(
            refusal(&share, "500%"),
            "percentage argument must be less or equal to 100"
        );
    }

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
