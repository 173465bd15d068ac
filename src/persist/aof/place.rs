//! Where the log's files are, as the directives say.

use std::path::PathBuf;

use super::manifest::Manifest;
use crate::config::Config;

/// The folder of the log.
pub fn folder(config: &Config) -> PathBuf {
    config.place_of(&config.appenddirname.get())
}

/// Where its manifest is.
pub fn manifest_path(config: &Config) -> PathBuf {
    Manifest::path(&folder(config), &filename(config))
}

/// The first part of its files' names.
pub fn filename(config: &Config) -> String {
    String::from_utf8_lossy(&config.appendfilename.get()).into_owned()
}
