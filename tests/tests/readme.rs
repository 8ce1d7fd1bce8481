//! Checks the map of the tests, `tests/README.md`.

#![allow(missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

/// Directories in which the map links every file, except `mod.rs`.
const COMPLETE: &[&str] = &[
    "tests/contract",
    "tests/tokio",
    "tests/virtual",
    "../cache-core/tests/interleavings",
];

/// Files in these directories that hold no tests.
const HELPERS: &[&str] = &["support", "mod.rs", "shuttle_runtime.rs"];

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The targets of all links of the map, absolute.
fn links() -> Vec<PathBuf> {
    let map = fs::read_to_string(package().join("README.md")).expect("the map can be read");
    let links = map.split("](").skip(1).map(|rest| {
        let (target, _) = rest.split_once(')').expect("a link is closed");
        package().join(target)
    });
    links.collect()
}

/// The Rust files below `dir`.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("the directory can be read");
    let paths = entries.map(|entry| entry.expect("a directory entry").path());
    let tests = paths.filter(|path| !HELPERS.iter().any(|helper| path.ends_with(helper)));
    let files = tests.map(|path| {
        if path.is_dir() {
            files(&path)
        } else {
            vec![path]
        }
    });
    files.flatten().collect()
}

#[test]
fn every_link_of_the_map_leads_to_a_file_or_directory() {
    let links = links();
    assert!(links.len() > 100, "{} links", links.len());
    let broken: Vec<_> = links.iter().filter(|link| !link.exists()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_map_links_every_file_of_tests() {
    let links = links();
    let all = COMPLETE.iter().flat_map(|dir| files(&package().join(dir)));
    let missing: Vec<_> = all.filter(|file| !links.contains(file)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
