//! Checks the links of the pages: of the map of the tests, `tests/README.md`, which links every
//! test, and of the pages for users.

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

/// The targets of all links of a page to files, absolute.
fn links(page: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(page).expect("the page can be read");
    let folder = page.parent().expect("the page is in a directory");
    let links = text.split("](").skip(1).map(|rest| {
        let (target, _) = rest.split_once(')').expect("a link is closed");
        target
            .split('#')
            .next()
            .expect("split returns a first part")
    });
    let files = links.filter(|target| !target.is_empty() && !target.contains("://"));
    files.map(|target| folder.join(target)).collect()
}

/// The links of the map of the tests.
fn map() -> Vec<PathBuf> {
    links(&package().join("README.md"))
}

/// The Markdown files in `dir`.
fn pages(dir: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(package().join(dir)).expect("the directory can be read");
    let paths = entries.map(|entry| entry.expect("a directory entry").path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect()
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
    let links = map();
    assert!(links.len() > 100, "{} links", links.len());
    let broken: Vec<_> = links.iter().filter(|link| !link.exists()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_map_links_every_file_of_tests() {
    let links = map();
    let all = COMPLETE.iter().flat_map(|dir| files(&package().join(dir)));
    let missing: Vec<_> = all.filter(|file| !links.contains(file)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_link_of_the_pages_for_users_leads_to_a_file_or_directory() {
    let pages = [pages(".."), pages("../docs"), pages("../docs/book/src")].concat();
    assert!(pages.len() > 20, "{} pages", pages.len());
    let broken: Vec<_> = pages
        .iter()
        .flat_map(|page| links(page).into_iter().map(move |link| (page, link)))
        .filter(|(_, link)| !link.exists())
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_chapter_of_the_book_is_in_its_summary_and_its_examples_run() {
    let book = package().join("../docs/book/src");
    let summary = links(&book.join("SUMMARY.md"));
    let tested = fs::read_to_string(package().join("docs/lib.rs")).expect("it can be read");
    let chapters = pages("../docs/book/src");
    assert_eq!(chapters.len(), summary.len() + 1);
    for chapter in &summary {
        let name = chapter.file_name().and_then(|name| name.to_str());
        let name = name.expect("a chapter has a name");
        assert!(
            tested.contains(&format!("docs/book/src/{name}")),
            "tests/docs/lib.rs does not run the examples of {name}"
        );
    }
}
