//! The configuration file, written anew with the values of now.

use std::fs;
use std::io;
use std::path::Path;

use super::shared::Shared;
use super::users;
use crate::config::rewrite::{SentinelLine, rewrite};

impl Shared {
    /// Writes a configuration file anew, so that it is there whole, before or after, whatever happens. `all` writes defaults
    /// too; `sentinel` are the lines of a Sentinel.
    pub fn rewrite_file(
        &self,
        file: &Path,
        all: bool,
        sentinel: Option<&[SentinelLine]>,
    ) -> io::Result<()> {
        let old = match fs::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        // Users that have a file of their own are not declared here.
        let acl = match users::file(&self.config) {
            Some(_) => Vec::new(),
            None => self.users.declared(),
        };
        let new = rewrite(&self.config, &old, &acl, all, sentinel);
        self.store.disk.replace(file, &new)
    }
}
