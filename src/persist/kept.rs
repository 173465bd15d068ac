//! Files that hold more than was loaded from them: they are kept under another name, as the next save takes the place of
//! the file.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Store;
use super::disk::draft_of;
use super::rdb::LoadedSnapshot;

/// Bytes copied or compared at once.
const PIECE_BYTES: usize = 256 * 1024;

impl Store {
    /// Keeps a file if keys in it were left out. It fails if the file can't be kept: then nothing may take its place.
    pub(super) fn keep_original(&self, path: &Path, loaded: &LoadedSnapshot) -> Result<()> {
        if loaded.strangers.is_empty() {
            return Ok(());
        }
        let kept = self.keep(path).with_context(|| {
            format!(
                "{} holds keys that were left out, and can't be kept under another name",
                path.display()
            )
        })?;
        tracing::warn!(
            "The file as it was, with the keys that were left out, is kept as {}",
            kept.display()
        );
        Ok(())
    }

    /// Gives a file a second name, unless it has one from an earlier start.
    fn keep(&self, path: &Path) -> io::Result<PathBuf> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for number in 1_u64.. {
            let kept = path.with_file_name(format!("{name}.unknown-{number}"));
            match same(path, &kept) {
                Ok(true) => return Ok(kept),
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // A log that begins with a snapshot may be cut, which its second name would feel.
                    let linked = match path.extension() {
                        Some(end) if end == "rdb" => self.disk.link(path, &kept),
                        _ => Err(io::ErrorKind::Unsupported.into()),
                    };
                    linked.or_else(|_| self.copy(path, &kept))?;
                    self.disk
                        .sync_dir(path.parent().unwrap_or(Path::new("/")))?;
                    return Ok(kept);
                }
                Err(error) => return Err(error),
            }
        }
        unreachable!("no folder holds that many names")
    }

    /// On file systems that know no second names.
    fn copy(&self, path: &Path, kept: &Path) -> io::Result<()> {
        let draft = draft_of(kept);
        let mut from = File::open(path)?;
        let copied = self.disk.create(&draft).and_then(|mut file| {
            // Before there is anything in it.
            self.disk.permit(&draft, path)?;
            let mut piece = vec![0; PIECE_BYTES];
            loop {
                match from.read(&mut piece)? {
                    0 => return file.sync(),
                    count => file.write_all(&piece[..count])?,
                }
            }
        });
        self.disk.install(&draft, kept, copied)
    }
}

/// Whether two names have the same bytes behind them.
fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let (first, second) = (fs::metadata(one)?, fs::metadata(other)?);
    if (first.dev(), first.ino()) == (second.dev(), second.ino()) {
        return Ok(true);
    }
    if first.len() != second.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let mut pieces = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let mut left = first.len();
    while left > 0 {
        let count = left.min(PIECE_BYTES as u64) as usize;
        one.read_exact(&mut pieces.0[..count])?;
        other.read_exact(&mut pieces.1[..count])?;
        if pieces.0[..count] != pieces.1[..count] {
            return Ok(false);
        }
        left -= count as u64;
    }
    Ok(true)
}
