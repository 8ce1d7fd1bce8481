//! Checks the docs of the public methods: each has an example, and the table in the docs of an
//! adapter's `Cache` links each method of `cache_core::Cache`.

#![allow(missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

/// The parts of `cache-core` that an adapter's user does not call.
const INTERNAL: &[&str] = &[
    "machine",
    "macro_support",
    "runtime",
    "sync",
    // A tier calls it. The type has the example.
    "tier/events.rs",
];

/// A public method of an `impl` block that implements no trait.
struct Method {
    file: PathBuf,
    of: String,
    name: String,
    has_example: bool,
}

fn core() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../cache-core/src")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("the directory can be read");
    let paths = entries.map(|entry| entry.expect("a directory entry").path());
    let public = paths.filter(|path| !INTERNAL.iter().any(|name| path.ends_with(name)));
    let files = public.map(|path| {
        if path.is_dir() {
            files(&path)
        } else {
            vec![path]
        }
    });
    files.flatten().collect()
}

/// The type of an `impl` block without a trait: `Cache` for `impl<K, V> Cache<K, V>`.
fn inherent(header: &str) -> Option<String> {
    let rest = header.strip_prefix("impl")?;
    let mut depth = 0;
    let end = rest.find(|c| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        depth == 0 && c != '>'
    })?;
    let (header, _) = rest[end..]
        .split_once(" where")
        .unwrap_or((&rest[end..], ""));
    let name: String = header
        .trim()
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    (!header.contains(" for ") && !name.is_empty()).then_some(name)
}

/// The name of the function that a line declares.
fn function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ")?;
    let rest = rest.strip_prefix("const ").unwrap_or(rest);
    let rest = rest
        .strip_prefix("async ")
        .unwrap_or(rest)
        .strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

fn methods_in(file: &Path) -> Vec<Method> {
    let text = fs::read_to_string(file).expect("the file can be read");
    let mut methods = Vec::new();
    let (mut of, mut docs, mut is_hidden) = (None, String::new(), false);
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("impl") {
            let header: Vec<_> = text
                .lines()
                .skip(index)
                .take_while(|line| *line != "}")
                .collect();
            let header = header.join(" ");
            of = inherent(header.split('{').next().unwrap_or_default());
        } else if line == "}" {
            of = None;
        }
        let line = line.trim();
        if line.starts_with("///") {
            docs.push_str(line);
        } else if line == "#[doc(hidden)]" {
            is_hidden = true;
        } else if let Some(name) = function(line) {
            if let Some(of) = &of
                && !is_hidden
            {
                methods.push(Method {
                    file: file.to_owned(),
                    of: of.clone(),
                    name: name.to_owned(),
                    has_example: docs.contains("```"),
                });
            }
            (docs, is_hidden) = (String::new(), false);
        } else if line.is_empty() || line.ends_with(['{', '}', ';']) {
            // Other lines may belong to an attribute of several lines.
            (docs, is_hidden) = (String::new(), false);
        }
    }
    methods
}

fn methods() -> Vec<Method> {
    files(&core())
        .iter()
        .flat_map(|file| methods_in(file))
        .collect()
}

#[test]
fn every_public_method_has_an_example() {
    let methods = methods();
    assert!(methods.len() > 100, "{} methods", methods.len());
    let bare: Vec<_> = methods
        .iter()
        .filter(|method| !method.has_example)
        .map(|method| {
            format!(
                "{}::{} in {}",
                method.of,
                method.name,
                method.file.display()
            )
        })
        .collect();
    assert!(bare.is_empty(), "without an example: {bare:#?}");
}

#[test]
fn the_docs_of_an_adapters_cache_link_every_method() {
    let aliases = fs::read_to_string(core().join("lib.rs")).expect("the file can be read");
    let methods = methods();
    let of_cache = methods.iter().filter(|method| method.of == "Cache");
    let missing: Vec<_> = of_cache
        .map(|method| &method.name)
        .filter(|name| !aliases.contains(&format!("[`{name}`]: cache_core::Cache::{name}\n")))
        .collect();
    assert!(
        missing.is_empty(),
        "not in the table of `aliases!`: {missing:?}"
    );
}
