//! The parts of which values of modules' types are made: each tells what it is, and how long.

use std::borrow::Cow;

use super::fault::{Fault, Read};
use super::read::RdbReader;
use super::write::{RdbWriter, Spill};

/// What a part may be.
pub(super) mod part {
    pub const END: u64 = 0;
    pub const INT: u64 = 1;
    pub const COUNT: u64 = 2;
    pub const FLOAT: u64 = 3;
    pub const DOUBLE: u64 = 4;
    pub const TEXT: u64 = 5;
}

/// One part of a value.
#[derive(Debug)]
pub enum ModulePart<'b> {
    Int(i64),
    Count(u64),
    Float(f32),
    Double(f64),
    Text(Cow<'b, [u8]>),
}

/// The parts of a value, one after another.
pub struct ModuleParts<'r, 'b>(&'r mut RdbReader<'b>);

impl<'r, 'b> ModuleParts<'r, 'b> {
    pub(super) fn new(reader: &'r mut RdbReader<'b>) -> Self {
        ModuleParts(reader)
    }

    /// The next part; nothing at the value's end, which is then consumed.
    pub fn next_part(&mut self) -> Read<Option<ModulePart<'b>>> {
        let reader = &mut *self.0;
        Ok(Some(match reader.count()? {
            part::END => return Ok(None),
            // Written as if it had no sign.
            part::INT => ModulePart::Int(reader.count()? as i64),
            part::COUNT => ModulePart::Count(reader.count()?),
            part::FLOAT => ModulePart::Float(f32::from_le_bytes(reader.array()?)),
            part::DOUBLE => ModulePart::Double(f64::from_le_bytes(reader.array()?)),
            part::TEXT => ModulePart::Text(reader.string()?),
            _ => return Err(Fault::Broken),
        }))
    }
}

impl<'b> ModuleParts<'_, 'b> {
    /// A part that counts.
    pub fn count(&mut self) -> Read<u64> {
        match self.next_part()? {
            Some(ModulePart::Count(count)) => Ok(count),
            _ => Err(Fault::Broken),
        }
    }

    /// A part that is a double.
    pub fn double(&mut self) -> Read<f64> {
        match self.next_part()? {
            Some(ModulePart::Double(n)) => Ok(n),
            _ => Err(Fault::Broken),
        }
    }

    /// A part that is text.
    pub fn text(&mut self) -> Read<Cow<'b, [u8]>> {
        match self.next_part()? {
            Some(ModulePart::Text(text)) => Ok(text),
            _ => Err(Fault::Broken),
        }
    }
}

impl<S: Spill> RdbWriter<S> {
    pub(super) fn module_count(&mut self, count: u64) {
        self.len(part::COUNT);
        self.len(count);
    }

    pub(super) fn module_double(&mut self, n: f64) {
        self.len(part::DOUBLE);
        self.out.extend_from_slice(&n.to_le_bytes());
    }

    pub(super) fn module_text(&mut self, text: &[u8]) {
        self.len(part::TEXT);
        self.string(text);
    }

    /// Ends the parts of a value.
    pub(super) fn module_end(&mut self) {
        self.len(part::END);
    }
}

impl RdbReader<'_> {
    /// Steps over parts, and over the mark that ends them.
    pub(super) fn skip_parts(&mut self) -> Read<()> {
        loop {
            match self.count()? {
                part::END => return Ok(()),
                part::INT | part::COUNT => drop(self.count()?),
                part::FLOAT => drop(self.take(4)?),
                part::DOUBLE => drop(self.take(8)?),
                part::TEXT => self.skip_string()?,
                _ => return Err(Fault::Broken),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_order_up_to_their_end() {
        let bytes = [
            1, 5, 2, 0x40, 200, 5, 2, b'h', b'i', 4, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 9,
        ];
        let mut reader = RdbReader::new(&bytes);
        let mut parts = ModuleParts::new(&mut reader);
        let mut seen = Vec::new();
        while let Some(part) = parts.next_part().unwrap() {
            seen.push(format!("{part:?}"));
        }
        let told = ["Int(5)", "Count(200)", "Text([104, 105])", "Double(1.0)"];
        assert_eq!(seen, told);
        let mut skipping = RdbReader::new(&bytes);
        skipping.skip_parts().unwrap();
        assert_eq!((skipping.left(), reader.left()), (1, 1));
    }
}
