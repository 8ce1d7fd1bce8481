//! The dependencies of a package.

use std::path::Path;

use super::source::read;

/// The names of the packages that `manifest` depends on, outside of tests and build scripts.
pub(crate) fn dependencies(manifest: &Path) -> Vec<String> {
    names(&read(manifest))
}

pub(crate) fn names(manifest: &str) -> Vec<String> {
    let mut names = vec![];
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            // `[dependencies]`, `[target.'cfg(…)'.dependencies]`, `[dependencies.name]`.
            inside = header == "dependencies" || header.ends_with(".dependencies");
            names.extend(header.strip_prefix("dependencies.").map(str::to_owned));
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['.', '=', ' ']).next();
            names.extend(name.map(str::to_owned));
        }
    }
    names
}
