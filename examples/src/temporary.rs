//! A place for a database that nobody needs afterwards.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// A file that is gone when this is dropped.
#[derive(Debug)]
pub struct TemporaryFile(PathBuf);

impl TemporaryFile {
    /// A place for it; nothing is written yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("{name}-{}.sqlite", process::id())))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // If it is not there, it was never made.
        let _ = fs::remove_file(&self.0);
    }
}
