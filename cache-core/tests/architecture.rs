//! The rules of dependency, checked against the paths in the sources.
//!
//! The tables of `ARCHITECTURE.md` are the rules: their column "knows" lists the modules that a
//! module may refer to. A change of a rule is a change of that page.

#[path = "architecture/mod.rs"]
mod architecture;

use std::path::{Path, PathBuf};

use architecture::layers::Layers;
use architecture::manifest;
use architecture::source::{Source, rust_files, shown};

/// Crates that the machine may use.
const OF_THE_MACHINE: &[&str] = &["alloc", "core", "equivalent", "hashbrown"];

/// Modules of these crates that the machine may not use: it knows neither tasks nor futures.
const NOT_OF_THE_MACHINE: &[&[&str]] =
    &[&["core", "task"], &["core", "future"], &["alloc", "task"]];

/// What only `crate::sync` may import. The machine is the exception: the small atomics in its slots
/// exist on every target.
const LOCKS_AND_ATOMICS: &[&[&str]] = &[
    &["alloc", "sync"],
    &["alloc", "task"],
    &["core", "sync"],
    &["std", "sync"],
    &["critical_section"],
    &["portable_atomic"],
    &["portable_atomic_util"],
    &["spin"],
];

/// Where `unsafe` may stand: in one lock, in programs that bring an allocator because they have no
/// standard library, and in one that replaces functions of the C library while it is traced.
const UNSAFE: &[&str] = &[
    "cache-core/src/sync/biased.rs",
    "cache-core/src/sync/primitives.rs",
    "examples/firmware/board/",
    "tests/bench/transfers/src/system.rs",
    "tests/no-std/",
];

/// What a package beside the adapters of runtimes may import, with the core.
const BESIDE_THE_CORE: &[(&str, &[&str])] = &[
    (
        "metrics",
        &["metrics", "opentelemetry", "prometheus-client", "tracing"],
    ),
    (
        "page",
        &[
            "axum",
            "bytes",
            "cache-metrics",
            "event-listener",
            "http",
            "http-body",
            "serde",
            "serde_json",
        ],
    ),
];

/// Packages in `adapters` that are no runtime, and have dependencies of their own.
const NO_RUNTIME: &[&str] = &["page", "redis"];

#[test]
fn the_machine_knows_nothing_but_itself_and_its_collections() {
    let externs = externs();
    let mut broken = vec![];
    for source in machine() {
        for reference in source.references() {
            let path: Vec<_> = reference.path.iter().map(|name| &**name).collect();
            let first = path[0];
            let known = match first {
                "crate" => path.get(1) == Some(&"machine"),
                _ => OF_THE_MACHINE.contains(&first) || !externs.iter().any(|name| name == first),
            };
            let banned = NOT_OF_THE_MACHINE.iter().any(|ban| path.starts_with(ban));
            if !known || banned {
                broken.push(place(&source, reference.line, &path));
            }
        }
    }
    let rule = "the machine imports alloc, core, equivalent, hashbrown and itself; nothing of the \
                shell, no task and no future";
    hold(rule, &broken);
}

#[test]
fn a_module_of_the_machine_knows_only_the_modules_that_its_row_lists() {
    let layers = Layers::of(&page(), "## Modules of the machine");
    let broken = layers.broken_by(&machine(), &["crate", "machine"]);
    hold(
        "ARCHITECTURE.md lists what a module of the machine knows",
        &broken,
    );
}

#[test]
fn a_module_of_the_shell_knows_only_the_modules_that_its_row_lists() {
    let layers = Layers::of(&page(), "## Layers of the shell");
    let broken = layers.broken_by(&Source::all(&root(), "cache-core/src"), &["crate"]);
    hold(
        "ARCHITECTURE.md lists what a module of the shell knows",
        &broken,
    );
}

#[test]
fn a_row_knows_only_rows_above_it() {
    for heading in ["## Modules of the machine", "## Layers of the shell"] {
        let upward = Layers::of(&page(), heading).upward();
        hold(&format!("no cycle: {heading}"), &upward);
    }
}

#[test]
fn locks_and_atomics_come_through_one_door() {
    let mut broken = vec![];
    for source in Source::all(&root(), "cache-core/src") {
        let module = source.module.get(1).map_or("", |module| module);
        if ["sync", "machine"].contains(&module) {
            continue;
        }
        for reference in source.references() {
            let path: Vec<_> = reference.path.iter().map(|name| &**name).collect();
            if LOCKS_AND_ATOMICS.iter().any(|door| path.starts_with(door)) {
                broken.push(place(&source, reference.line, &path));
            }
        }
    }
    let rule = "`Arc`, atomics, locks and `Wake` come from `crate::sync`, so that a target without \
                compare-and-swap or a model checker changes that module and no other";
    hold(rule, &broken);
}

#[test]
fn an_adapter_depends_on_the_core_and_on_its_runtime() {
    let mut broken = vec![];
    for (name, package) in adapters() {
        if NO_RUNTIME.contains(&&*name) {
            continue;
        }
        let beside = BESIDE_THE_CORE.iter().find(|(package, _)| *package == name);
        let allowed = |other: &str| match beside {
            Some((_, names)) => names.contains(&other),
            None => other == name || other.starts_with(&format!("{name}-")),
        };
        for other in manifest::dependencies(&package.join("Cargo.toml")) {
            if other != "cache-core" && !allowed(&other) {
                broken.push(format!("adapters/{name}/Cargo.toml: `{other}`"));
            }
        }
    }
    hold(
        "an adapter imports cache-core and its runtime or exporters, nothing else",
        &broken,
    );
}

#[test]
fn the_core_depends_on_no_adapter() {
    let adapters: Vec<_> = adapters()
        .iter()
        .map(|(name, _)| format!("cache-{name}"))
        .collect();
    assert!(!adapters.is_empty(), "there are adapters");
    let known = manifest::dependencies(&root().join("cache-core/Cargo.toml"));
    let broken: Vec<_> = known
        .into_iter()
        .filter(|name| adapters.contains(name))
        .collect();
    hold("only tests and examples import an adapter", &broken);
}

#[test]
fn the_attribute_depends_on_no_package_of_the_cache() {
    let known = manifest::dependencies(&root().join("cache-core/macros/Cargo.toml"));
    assert!(!known.is_empty(), "the attribute has dependencies");
    let broken: Vec<_> = known
        .into_iter()
        .filter(|name| name.starts_with("cache-"))
        .collect();
    let rule = "`#[cached]` translates a signature: what happens at run time is in `macro_support`";
    hold(rule, &broken);
}

#[test]
fn unsafe_code_stands_nowhere() {
    let root = root();
    let mut broken = vec![];
    for path in rust_files(&root) {
        let file = shown(&root, &path);
        if UNSAFE.iter().any(|place| file.starts_with(place)) {
            continue;
        }
        let source = Source::new(&file, vec![], &architecture::source::read(&path));
        let lines = source.unsafe_lines().into_iter();
        broken.extend(lines.map(|line| format!("{file}:{line}")));
    }
    hold(&format!("`unsafe` stands in {UNSAFE:?} only"), &broken);
}

/// The page that states the rules.
fn page() -> String {
    architecture::source::read(&root().join("ARCHITECTURE.md"))
}

/// The root of the workspace.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .parent()
        .expect("the package is in a workspace")
        .to_owned()
}

fn machine() -> Vec<Source> {
    let mut sources = Source::all(&root(), "cache-core/src");
    sources.retain(|source| source.module.get(1).is_some_and(|name| name == "machine"));
    assert!(!sources.is_empty(), "there is a machine");
    sources
}

/// The adapters' names and where they are.
fn adapters() -> Vec<(String, PathBuf)> {
    let listed = root()
        .join("adapters")
        .read_dir()
        .expect("there are adapters");
    let packages = listed.map(|entry| entry.expect("a directory entry").path());
    let packages = packages.filter(|package| package.join("Cargo.toml").exists());
    packages
        .map(|package| (shown(&root().join("adapters"), &package), package))
        .collect()
}

/// Every crate that a source of `cache-core` could name.
fn externs() -> Vec<String> {
    let declared = manifest::dependencies(&root().join("cache-core/Cargo.toml"));
    let declared = declared.into_iter().map(|name| name.replace('-', "_"));
    let given = ["alloc", "core", "proc_macro", "std", "test"];
    declared.chain(given.map(str::to_owned)).collect()
}

fn place(source: &Source, line: usize, path: &[&str]) -> String {
    format!("{}:{line}: `{}`", source.file, path.join("::"))
}

fn hold(rule: &str, broken: &[String]) {
    let list = broken.join("\n  ");
    assert!(broken.is_empty(), "\n{rule}, but\n  {list}\n");
}

/// The reader of sources finds every path that a rule is about.
mod reading {
    use super::architecture::layers::Layers;
    use super::architecture::source::Source;
    use super::manifest;

    fn read(text: &str) -> Vec<(String, usize)> {
        let module = ["crate", "machine", "expiry"].map(str::to_owned).to_vec();
        let references = Source::new("sample.rs", module, text).references();
        let references = references.into_iter();
        references
            .map(|found| (found.path.join("::"), found.line))
            .collect()
    }

    fn paths(text: &str) -> Vec<String> {
        read(text).into_iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn imports_are_read_whatever_their_shape() {
        assert_eq!(paths("use core::mem;"), ["core::mem"]);
        assert_eq!(
            paths("pub(crate) use {a::{b, c::{self, d as e}}, f::*};"),
            ["a::b", "a::c::self", "a::c::d", "f::*"]
        );
        assert_eq!(paths("extern crate std as other;"), ["std"]);
        assert_eq!(read("\n\nuse\n  a::b;"), [("a::b".to_owned(), 4)]);
    }

    #[test]
    fn relative_paths_are_resolved_from_where_they_stand() {
        assert_eq!(
            paths("use super::time::Instant;"),
            ["crate::machine::time::Instant"]
        );
        assert_eq!(
            paths("use self::timers::Timers;"),
            ["crate::machine::expiry::timers::Timers"]
        );
        assert_eq!(paths("use super::super::sync::Arc;"), ["crate::sync::Arc"]);
        assert_eq!(
            paths("mod inner { use super::super::time; }"),
            ["crate::machine::time"]
        );
    }

    #[test]
    fn paths_are_found_outside_of_imports_too() {
        assert_eq!(
            paths("fn f() { std::thread::yield_now() }"),
            ["std::thread::yield_now"]
        );
        assert_eq!(paths("fn f(x: ::std::rc::Rc<u8>) {}"), ["std::rc::Rc"]);
        assert_eq!(
            paths("m! { a => crate::sync::Arc::new(1) }"),
            ["crate::sync::Arc::new"]
        );
        assert_eq!(
            paths("fn f() -> impl Iterator { x.collect::<core::num::Wrapping<u8>>() }"),
            ["core::num::Wrapping"]
        );
        assert_eq!(paths("fn f() { <T as a::B>::c() }"), ["a::B"]);
    }

    #[test]
    fn comments_strings_and_tests_are_left_out() {
        assert_eq!(
            paths("// use std::sync;\n/// [`std::sync`]\nfn f() {}"),
            [""; 0]
        );
        assert_eq!(paths("const A: &str = \"std::sync\";"), [""; 0]);
        assert_eq!(paths("#[cfg(test)] mod tests { use std::sync; }"), [""; 0]);
        assert_eq!(
            paths(
                "#[cfg(test)] use std::{a, b}; #[cfg(all(test, unix))] fn f() { std::c() } use d::e;"
            ),
            ["d::e"]
        );
        assert_eq!(
            paths("#[cfg(test)] const A: u8 = 1; #[cfg(not(test))] use std::sync;"),
            ["std::sync"]
        );
    }

    #[test]
    fn unsafe_is_a_word_and_not_a_part_of_one() {
        let text = "#![forbid(unsafe_code)]\n// unsafe\nfn f() {\n  unsafe { g() }\n}";
        let source = Source::new("sample.rs", vec![], text);
        assert_eq!(source.unsafe_lines(), [4]);
    }

    #[test]
    fn a_table_of_layers_is_read_and_enforced() {
        let page = "## Layers\n\n| module | what | knows |\n|---|---|---|\n| `a` | x | – |\n\
                    | `b` | x | `a` |\n| `c` | x | all of the above |\n| `d` | x | `e` |\n";
        let layers = Layers::of(page, "## Layers");
        assert_eq!(layers.upward(), ["`d` knows `e`, which is not above it"]);
        let module = ["crate", "b"].map(str::to_owned).to_vec();
        let text = "use crate::a::X; use crate::c::Y; use crate::b::Z; use crate::Root;";
        let source = Source::new("b.rs", module, text);
        let broken = layers.broken_by(&[source], &["crate"]);
        assert_eq!(
            broken[..2],
            ["b.rs:1: `crate::c::Y`", "b.rs:1: `crate::Root`"]
        );
        assert_eq!(broken.last().map(|last| &**last), Some("no source for `d`"));
    }

    #[test]
    fn dependencies_are_read_whatever_their_shape() {
        let text = "[package]\nname = \"x\"\n[dependencies]\na = \"1\"\n# no\nb.workspace = true\n\
                    [dependencies.c]\nversion = \"1\"\n[target.'cfg(unix)'.dependencies]\n\
                    d-e = { version = \"1\" }\n[dev-dependencies]\nf = \"1\"\n";
        assert_eq!(manifest::names(text), ["a", "b", "c", "d-e"]);
    }
}
