//! The file layer: every change to the data files, and to the files of configuration, users and process id, goes through it,
//! so that tests can make it fail.
//!
//! Reading is left to `std::fs`: a disk that can't be read fails in the same way everywhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Advice, fadvise};

use crate::util::thread;

/// A file open for writing, at its end.
pub trait DiskFile: Send {
    /// Writes some of the bytes, and returns how many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Returns once everything written has reached the disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to a length, and goes on writing there.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

impl dyn DiskFile + '_ {
    /// Writes all of the bytes.
    pub fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Bytes written before they are pushed to the disk.
const PUSH_BYTES: u64 = 4 << 20;

/// A long file that is pushed to the disk while it is written, so that the last sync is short.
pub struct Pushed<'f> {
    file: &'f mut dyn DiskFile,
    /// Whether it is, before its end.
    often: bool,
    unsynced: u64,
}

impl<'f> Pushed<'f> {
    pub fn new(file: &'f mut dyn DiskFile, often: bool) -> Self {
        Pushed {
            file,
            often,
            unsynced: 0,
        }
    }

    /// Writes all of the bytes.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.unsynced += bytes.len() as u64;
        if self.often && self.unsynced >= PUSH_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    /// Returns once everything written has reached the disk.
    pub fn sync(&mut self) -> io::Result<()> {
        self.unsynced = 0;
        self.file.sync()
    }
}

/// What may be done to a folder of files.
pub trait Disk: Send + Sync {
    /// A new file, or an old one emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// A file to be continued; made if it isn't there.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file the permissions of another one, if that is there.
    fn permit(&self, path: &Path, like: &Path) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name.
    fn link(&self, path: &Path, second: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder, unless it is there.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Returns once the folder's names have reached the disk.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

impl dyn Disk {
    /// Puts a small file in its place in one step: whoever reads it finds the old one or the new one, whole, with the
    /// permissions that it had.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.replace_like(path, path, bytes)
    }

    /// Puts a small file in its place in one step, with the permissions of another one, if that is there.
    pub fn replace_like(&self, path: &Path, like: &Path, bytes: &[u8]) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Two clients may write the same file at a time.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let draft = draft_of(&path.with_file_name(format!("{count}-{name}")));
        let written = self.create(&draft).and_then(|mut file| {
            // Before there is anything in it.
            self.permit(&draft, like)?;
            file.write_all(bytes)?;
            file.sync()
        });
        self.install(&draft, path, written)
    }

    /// Ends what began as a draft, and returns once its name has reached the disk.
    pub fn install(&self, draft: &Path, path: &Path, written: io::Result<()>) -> io::Result<()> {
        self.put(draft, path, written)?;
        self.sync_dir(path.parent().unwrap_or(Path::new("/")))
    }

    /// Ends what began as a draft: renamed if all went well, removed if not.
    pub fn put(&self, draft: &Path, path: &Path, written: io::Result<()>) -> io::Result<()> {
        let put = written.and_then(|()| self.rename(draft, path));
        if put.is_err() {
            // The first failure is the one to report; start-up removes what is left.
            let _ = self.remove(draft);
        }
        put
    }
}

/// Drafts begin with this, as Redis's do, and are never read.
pub const DRAFT: &str = "temp-";

/// The name under which a file is written until it is whole.
pub fn draft_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{DRAFT}{}-{name}", std::process::id()))
}

/// The name of a snapshot's draft: Redis's tools and tests know it.
pub fn snapshot_draft_of(path: &Path) -> PathBuf {
    path.with_file_name(format!("{DRAFT}{}.rdb", std::process::id()))
}

/// Whether a file of this name is what a process left half-written that is there no more.
pub fn is_left_behind(name: &str) -> bool {
    let Some(number) = name
        .strip_prefix(DRAFT)
        .and_then(|name| name.strip_suffix(".rdb"))
    else {
        return false;
    };
    // Another server may be at work in the same folder.
    let is_ours = number.parse() == Ok(std::process::id());
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits && (is_ours || !Path::new("/proc").join(number).exists())
}

/// Has the system forget what it keeps in memory of a file that goes, and rests on the way: it does so anyway when the
/// name goes, but in one go, some 20 milliseconds for 100 MB, in which nobody else gets the core. Whoever still reads the
/// file finds it whole.
fn forget(path: &Path) {
    const STEP: u64 = 1 << 20;
    let len = match fs::symlink_metadata(path) {
        // Of a small one there is nothing to gain, and what is not on the disk yet would be waited for.
        Ok(data) if data.is_file() && data.len() > STEP => data.len(),
        _ => return,
    };
    // What fails here costs time, and nothing else.
    let Ok(file) = File::open(path) else { return };
    for from in (0..len).step_by(STEP as usize) {
        let _ = fadvise(&file, from, NonZeroU64::new(STEP), Advice::DontNeed);
        thread::rest();
    }
}

/// The operating system's files.
pub struct OsDisk;

impl Disk for OsDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Box::new(file))
    }

    fn permit(&self, path: &Path, like: &Path) -> io::Result<()> {
        match fs::metadata(like) {
            Ok(data) => fs::set_permissions(path, data.permissions()),
            // Then there is nothing to keep.
            Err(_) => Ok(()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        forget(to);
        fs::rename(from, to)
    }

    fn link(&self, path: &Path, second: &Path) -> io::Result<()> {
        fs::hard_link(path, second)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        forget(path);
        fs::remove_file(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl DiskFile for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        use std::io::{Seek, SeekFrom};
        self.set_len(len)?;
        self.seek(SeekFrom::Start(len)).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let disk: &dyn Disk = &OsDisk;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("redis.conf");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        disk.replace(&file, b"new\n").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new\n");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 1, "no draft is left behind");
    }

    #[test]
    fn who_reads_a_file_that_goes_finds_it_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("one"), dir.path().join("other"));
        let bytes: Vec<u8> = (0..3_000_001_u32).map(|n| n as u8).collect();
        let go: [(&str, &dyn Fn() -> io::Result<()>); 2] = [
            ("removed", &|| OsDisk.remove(&path)),
            ("replaced", &|| OsDisk.rename(&other, &path)),
        ];
        for (how, go) in go {
            fs::write(&path, &bytes).unwrap();
            fs::write(&other, b"another").unwrap();
            let mut reader = File::open(&path).unwrap();
            let mut read = vec![0; 1_000_000];
            reader.read_exact(&mut read).unwrap();
            go().unwrap();
            reader.read_to_end(&mut read).unwrap();
            assert!(read == bytes, "{how}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"another");
    }
}
