//! Numbers of bytes.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use super::{ConfigLine, Refusal, Setting, one_word, outside, parse_int};

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
        if i64::try_from(value).is_err() {
            // Redis takes it for a negative number.
            return Err("argument must be greater or equal to 0".to_owned());
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::tests::{accept, refusal};

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
            refusal(&memory, "99999999999999999999"),
            "argument must be greater or equal to 0"
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
}
