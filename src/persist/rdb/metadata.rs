//! What Redis 8.6 and later may write before a key's kind: metadata of classes, each of which a module or the server owns.

use super::fault::{Fault, Read};
use super::modules;
use super::opcode;
use super::read::RdbReader;

/// Classes that a key may have metadata of.
const CLASSES_MAX: u64 = 7;
/// The flag of a class that a server without it may leave out.
const MAY_BE_LEFT_OUT: u32 = 1;
/// The server's own class for keys that are never evicted: its value is one number, and not made of parts.
const BLESSED: &str = "BLES";

/// What a record of metadata says.
#[derive(Default)]
pub(super) struct Metadata {
    /// The key is never evicted.
    pub blessed: bool,
    /// Classes that this server does not have.
    pub strange: Vec<MetadataClass>,
}

/// A class of metadata that this server does not have.
pub(super) struct MetadataClass {
    pub name: String,
    /// Its owner says that nothing is lost without it.
    pub may_be_left_out: bool,
}

impl RdbReader<'_> {
    /// A record of metadata, whose mark was read; what is of classes that this server does not have is stepped over.
    pub(super) fn metadata(&mut self) -> Read<Metadata> {
        let count = self.count()?;
        if count > CLASSES_MAX {
            return Err(Fault::Broken);
        }
        let mut metadata = Metadata::default();
        for _ in 0..count {
            let spec = u32::from_le_bytes(self.array()?);
            let name = modules::class_name(spec);
            if name == BLESSED {
                metadata.blessed = self.count()? != 0;
                self.skip_parts()?;
                continue;
            }
            self.skip_parts()?;
            metadata.strange.push(MetadataClass {
                may_be_left_out: spec & MAY_BE_LEFT_OUT != 0,
                name,
            });
        }
        Ok(metadata)
    }

    /// Steps over metadata at the beginning of a payload, all of which must be of classes that may be left out.
    pub(super) fn pass_metadata(&mut self) -> Read<()> {
        let mut ahead = *self;
        while ahead.byte()? == opcode::KEY_META {
            let classes = ahead.metadata()?.strange;
            if !classes.iter().all(|class| class.may_be_left_out) {
                return Err(Fault::Says("key metadata of a module that is not here"));
            }
            *self = ahead;
        }
        Ok(())
    }
}
