//! What Redis 8.6 and later may write before a key's kind: metadata of classes, each of which a module or the server owns.

use super::modules;
use super::opcode;
use super::read::{Fault, Read, Reader};

/// Classes that a key may have metadata of.
const CLASSES_MAX: u64 = 7;
/// The flag of a class that a server without it may leave out.
const MAY_BE_LEFT_OUT: u32 = 1;
/// The server's own class for keys that are never evicted: its value is one number, and not made of parts.
const BLESSED: &str = "BLES";

/// A class of metadata that this server does not have.
pub(super) struct MetadataClass {
    pub name: String,
    /// Its owner says that nothing is lost without it.
    pub may_be_left_out: bool,
}

impl Reader<'_> {
    /// The classes of a record of metadata, whose mark was read; their values are stepped over.
    pub(super) fn metadata(&mut self) -> Read<Vec<MetadataClass>> {
        let count = self.count()?;
        if count > CLASSES_MAX {
            return Err(Fault::Broken);
        }
        let mut classes = Vec::new();
        for _ in 0..count {
            let spec = u32::from_le_bytes(self.array()?);
            let name = modules::class_name(spec);
            if name == BLESSED {
                self.count()?;
            }
            self.skip_parts()?;
            classes.push(MetadataClass {
                may_be_left_out: spec & MAY_BE_LEFT_OUT != 0,
                name,
            });
        }
        Ok(classes)
    }

    /// Steps over metadata at the beginning of a payload, all of which must be of classes that may be left out.
    pub(super) fn pass_metadata(&mut self) -> Read<()> {
        let mut ahead = *self;
        while ahead.byte()? == opcode::KEY_META {
            let classes = ahead.metadata()?;
            if !classes.iter().all(|class| class.may_be_left_out) {
                return Err(Fault::Says("key metadata of a module that is not here"));
            }
            *self = ahead;
        }
        Ok(())
    }
}
