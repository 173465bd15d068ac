//! A disk that fails when told to, and that forgets what was not synced when its power is cut.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use vermilion::persist::disk::{Disk, DiskFile, OsDisk};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails, and so do all after it until the disk is mended.
    Full,
    /// Half of the bytes are written, and the next call fails.
    Short,
    /// This call fails, and the next one works again.
    Once,
}

#[derive(Default)]
pub struct FaultyDisk(Arc<State>);

#[derive(Default)]
struct State {
    calls: AtomicU64,
    /// The call that goes wrong, counted from 1; 0 for none.
    fails_at: AtomicU64,
    fault: Mutex<Option<Fault>>,
    broken: AtomicBool,
    /// What takes room fails.
    full: AtomicBool,
    off: AtomicBool,
    kept: Mutex<Kept>,
}

/// What a power cut leaves.
#[derive(Default)]
struct Kept {
    /// Bytes that were synced, of files that have been written to.
    synced: HashMap<PathBuf, u64>,
    /// Changes of names that no folder's sync has made lasting, oldest first.
    names: Vec<Change>,
}

enum Change {
    Made(PathBuf),
    Renamed(PathBuf, PathBuf, Option<Vec<u8>>),
    Removed(PathBuf, Vec<u8>),
}

impl FaultyDisk {
    /// The disk as the server holds it.
    pub fn handle(&self) -> Arc<dyn Disk> {
        Arc::new(FaultyDisk(self.0.clone()))
    }

    pub fn fail_at(&self, call: u64, fault: Fault) {
        *self.0.fault.lock() = Some(fault);
        self.0.fails_at.store(call, Ordering::SeqCst);
    }

    /// From here on there is no room for anything more; what gives some back works.
    pub fn fill(&self) {
        self.0.full.store(true, Ordering::SeqCst);
    }

    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::SeqCst)
    }

    pub fn mend(&self) {
        self.0.fails_at.store(0, Ordering::SeqCst);
        self.0.broken.store(false, Ordering::SeqCst);
        self.0.full.store(false, Ordering::SeqCst);
    }

    /// From here on nothing reaches the disk.
    pub fn cut_power(&self) {
        // Nobody is in the middle of a call.
        let _kept = self.0.kept.lock();
        self.0.off.store(true, Ordering::SeqCst);
    }

    /// Puts the files into the state that the cut left them in.
    pub fn after_the_cut(&self) {
        let mut kept = self.0.kept.lock();
        for change in std::mem::take(&mut kept.names).into_iter().rev() {
            match change {
                Change::Made(path) => {
                    kept.synced.remove(&path);
                    fs::remove_file(&path).unwrap();
                }
                Change::Renamed(from, to, replaced) => {
                    fs::rename(&to, &from).unwrap();
                    if let Some(bytes) = replaced {
                        fs::write(&to, bytes).unwrap();
                    }
                    if let Some(len) = kept.synced.remove(&to) {
                        kept.synced.insert(from, len);
                    }
                }
                Change::Removed(path, bytes) => fs::write(path, bytes).unwrap(),
            }
        }
        for (path, len) in &kept.synced {
            if let Ok(file) = fs::OpenOptions::new().write(true).open(path)
                && file.metadata().unwrap().len() > *len
            {
                file.set_len(*len).unwrap();
            }
        }
    }
}

const ENOSPC: i32 = 28;

impl State {
    /// Counts a call that takes room.
    fn grow(&self) -> io::Result<bool> {
        match self.full.load(Ordering::SeqCst) {
            true => Err(io::Error::from_raw_os_error(ENOSPC)),
            false => self.call(),
        }
    }

    /// Counts a call; an error is what it meets. `Ok(true)` asks for half a write.
    fn call(&self) -> io::Result<bool> {
        const EIO: i32 = 5;
        if self.off.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        if call == self.fails_at.load(Ordering::SeqCst) {
            match *self.fault.lock() {
                Some(Fault::Full) => self.broken.store(true, Ordering::SeqCst),
                Some(Fault::Short) => {
                    self.broken.store(true, Ordering::SeqCst);
                    return Ok(true);
                }
                _ => {}
            }
            return Err(io::Error::from_raw_os_error(EIO));
        }
        Ok(false)
    }
}

struct FaultyFile {
    file: Box<dyn DiskFile>,
    /// Follows renames.
    path: PathBuf,
    state: Arc<State>,
}

impl FaultyFile {
    fn open(state: &Arc<State>, path: &Path, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile {
            file,
            path: path.to_owned(),
            state: state.clone(),
        })
    }

    fn place(&self, kept: &Kept) -> PathBuf {
        let mut path = self.path.clone();
        for change in &kept.names {
            if let Change::Renamed(from, to, _) = change
                && *from == path
            {
                path = to.clone();
            }
        }
        path
    }
}

impl DiskFile for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _kept = self.state.kept.lock();
        let half = self.state.grow()?;
        let bytes = if half {
            &bytes[..bytes.len().div_ceil(2)]
        } else {
            bytes
        };
        self.file.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut kept = self.state.kept.lock();
        if self.state.call()? {
            return Err(io::Error::from_raw_os_error(5));
        }
        let path = self.place(&kept);
        let len = fs::metadata(&path)?.len();
        kept.synced.insert(path, len);
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut kept = self.state.kept.lock();
        if self.state.call()? {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.file.truncate(len)?;
        let path = self.place(&kept);
        let synced = kept.synced.entry(path).or_default();
        *synced = (*synced).min(len);
        Ok(())
    }
}

impl FaultyDisk {
    /// A call that has no halves.
    fn whole(&self) -> io::Result<()> {
        match self.0.call()? {
            true => Err(io::Error::from_raw_os_error(5)),
            false => Ok(()),
        }
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut kept = self.0.kept.lock();
        if self.0.grow()? {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        if !path.exists() {
            kept.names.push(Change::Made(path.to_owned()));
        }
        kept.synced.insert(path.to_owned(), 0);
        Ok(FaultyFile::open(&self.0, path, OsDisk.create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut kept = self.0.kept.lock();
        self.whole()?;
        if !path.exists() {
            kept.names.push(Change::Made(path.to_owned()));
            kept.synced.insert(path.to_owned(), 0);
        }
        let len = fs::metadata(path).map_or(0, |data| data.len());
        kept.synced.entry(path.to_owned()).or_insert(len);
        Ok(FaultyFile::open(&self.0, path, OsDisk.append(path)?))
    }

    fn permit(&self, path: &Path, like: &Path) -> io::Result<()> {
        self.whole()?;
        OsDisk.permit(path, like)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut kept = self.0.kept.lock();
        self.whole()?;
        let replaced = fs::read(to).ok();
        OsDisk.rename(from, to)?;
        if let Some(len) = kept.synced.remove(from) {
            kept.synced.insert(to.to_owned(), len);
        }
        kept.names
            .push(Change::Renamed(from.to_owned(), to.to_owned(), replaced));
        Ok(())
    }

    fn link(&self, path: &Path, second: &Path) -> io::Result<()> {
        let mut kept = self.0.kept.lock();
        self.whole()?;
        OsDisk.link(path, second)?;
        let len = fs::metadata(path)?.len();
        let synced = kept.synced.get(path).copied().unwrap_or(len);
        kept.synced.insert(second.to_owned(), synced);
        kept.names.push(Change::Made(second.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut kept = self.0.kept.lock();
        self.whole()?;
        let bytes = fs::read(path)?;
        OsDisk.remove(path)?;
        kept.synced.remove(path);
        kept.names.push(Change::Removed(path.to_owned(), bytes));
        Ok(())
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.whole()?;
        OsDisk.make_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut kept = self.0.kept.lock();
        self.whole()?;
        OsDisk.sync_dir(path)?;
        kept.names.retain(|change| {
            let (Change::Made(at) | Change::Renamed(_, at, _) | Change::Removed(at, _)) = change;
            at.parent() != Some(path)
        });
        Ok(())
    }
}
