//! Checks the pages: the links of the map of the tests, `tests/README.md`, which links every test,
//! those of the pages for users, and the tables of features in the packages' READMEs.

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

/// The features of a manifest, as the README of the package lists them: those enabled by default are
/// marked. Names that begin with two underscores are private.
fn features(manifest: &str) -> Vec<String> {
    let section = manifest.split("\n[features]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let lines = section.lines().filter(|line| !line.starts_with('#'));
    let lists: Vec<_> = lines.filter_map(|line| line.split_once(" = ")).collect();
    let default = lists.iter().find(|(name, _)| *name == "default");
    let default = default.map_or("", |(_, list)| *list);
    let listed = lists
        .iter()
        .filter(|(name, _)| *name != "default" && !name.starts_with("__"))
        .map(|(name, _)| {
            let is_default = default.contains(&format!("\"{name}\""));
            let mark = if is_default { " (default)" } else { "" };
            format!("`{name}`{mark}")
        });
    sorted(listed)
}

/// The first cells of the table of features in a README.
fn listed_features(readme: &str) -> Vec<String> {
    let rows = readme
        .lines()
        .skip_while(|line| !line.starts_with("| feature |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.split('|').nth(1)).map(str::trim);
    sorted(
        cells
            .filter(|cell| cell.starts_with('`'))
            .map(str::to_owned),
    )
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn the_readme_of_each_package_lists_its_features() {
    let adapters = fs::read_dir(package().join("../adapters")).expect("the directory can be read");
    let adapters = adapters.map(|entry| entry.expect("a directory entry").path());
    let core = ["../cache-core", "../cache-core/macros"].map(|path| package().join(path));
    let mut compared = 0;
    for package in core.into_iter().chain(adapters) {
        let read = |name: &str| {
            let path = package.join(name);
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let features = features(&read("Cargo.toml"));
        compared += features.len();
        let listed = listed_features(&read("README.md"));
        assert_eq!(listed, features, "{}", package.display());
    }
    assert!(compared > 20, "{compared} features");
    let front = fs::read_to_string(package().join("../README.md")).expect("the page can be read");
    let tokio = package().join("../adapters/tokio/Cargo.toml");
    let tokio = fs::read_to_string(tokio).expect("the manifest can be read");
    for feature in features(&tokio) {
        assert!(front.contains(&feature), "the front page lacks {feature}");
    }
}
