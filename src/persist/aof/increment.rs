//! A file that edits of the log are to be written to, and from where on.

use std::io;
use std::path::Path;

use crate::journal::Seq;
use crate::persist::disk::{Disk, DiskFile};

/// A file that edits are to be written to.
pub struct Increment {
    pub file: Box<dyn DiskFile>,
    /// The file once more, for who syncs it while others write.
    pub second: Box<dyn DiskFile>,
    pub len: u64,
}

impl Increment {
    /// A new file, empty.
    pub fn create(disk: &dyn Disk, path: &Path) -> io::Result<Increment> {
        Ok(Increment {
            file: disk.create(path)?,
            second: disk.append(path)?,
            len: 0,
        })
    }

    /// A file to be continued, with all that is in it on the disk.
    pub fn open(disk: &dyn Disk, path: &Path) -> io::Result<Increment> {
        let mut file = disk.append(path)?;
        // What a crash left to the system's cache is about to be relied on.
        file.sync()?;
        Ok(Increment {
            file,
            second: disk.append(path)?,
            len: std::fs::metadata(path)?.len(),
        })
    }
}

/// From this point of the journal on, edits go to another file, which the manifest names already.
pub struct Switch {
    pub mark: Seq,
    pub to: Increment,
}
