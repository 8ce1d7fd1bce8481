//! A temporary file for a database.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// A file that is removed on drop.
#[derive(Debug)]
pub struct TemporaryFile(PathBuf);

impl TemporaryFile {
    /// Chooses the path. The file is not created yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("{name}-{}.sqlite", process::id())))
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // A missing file was never created.
        let _ = fs::remove_file(&self.0);
    }
}
