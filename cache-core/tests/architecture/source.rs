//! The paths that a source file refers to, without those in tests and comments.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

/// A path in a source file, from the root of the crate (`crate::…`) or of another crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

/// One source file of a crate.
#[derive(Debug)]
pub(crate) struct Source {
    /// The path of the file from the root of the workspace.
    pub(crate) file: String,
    /// The module of the file: `crate::machine::time`.
    pub(crate) module: Vec<String>,
    tokens: TokenStream,
}

impl Source {
    /// Reads every source file below `dir`, the `src` of a crate, except files that are compiled
    /// for tests only.
    ///
    /// # Panics
    /// If a file cannot be read or is not valid Rust.
    pub(crate) fn all(root: &Path, dir: &str) -> Vec<Self> {
        let files = rust_files(&root.join(dir));
        let sources = files.iter().map(|file| {
            let below = file
                .strip_prefix(root.join(dir))
                .expect("the file is below the directory");
            Self::new(&shown(root, file), module_of(below), &read(file))
        });
        let sources: Vec<_> = sources.collect();
        let tests: Vec<_> = sources.iter().flat_map(Self::test_modules).collect();
        let mut sources = sources;
        sources.retain(|source| !tests.iter().any(|test| source.module.starts_with(test)));
        sources
    }

    pub(crate) fn new(file: &str, module: Vec<String>, text: &str) -> Self {
        let tokens = text.parse();
        Self {
            file: file.to_owned(),
            module,
            tokens: tokens.unwrap_or_else(|error| panic!("{file} is not valid Rust: {error}")),
        }
    }

    /// Every path, with `self` and `super` resolved. A path without `self`, `super` or `crate` is
    /// returned unchanged: it starts at another crate, or at a name in scope.
    pub(crate) fn references(&self) -> Vec<Reference> {
        let mut reader = Reader::new(self.module.clone());
        reader.read(self.tokens.clone());
        reader.references
    }

    /// The lines that contain `unsafe`.
    pub(crate) fn unsafe_lines(&self) -> Vec<usize> {
        let mut lines = vec![];
        each_token(&self.tokens, &mut |token| {
            if token.to_string() == "unsafe" {
                lines.push(line(token.span()));
            }
        });
        lines
    }

    /// The modules in separate files that are compiled for tests only.
    fn test_modules(&self) -> Vec<Vec<String>> {
        let mut reader = Reader::new(self.module.clone());
        reader.read(self.tokens.clone());
        reader.test_modules
    }
}

/// Collects the paths in `tokens`.
struct Reader {
    module: Vec<String>,
    references: Vec<Reference>,
    test_modules: Vec<Vec<String>>,
}

impl Reader {
    const fn new(module: Vec<String>) -> Self {
        Self {
            module,
            references: Vec::new(),
            test_modules: Vec::new(),
        }
    }

    fn read(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut rest = &tokens[..];
        let mut before = [None, None];
        while let Some(first) = rest.first() {
            let taken = self.read_one(rest, before);
            before = match taken {
                0 | 1 => [before[1], Some(first)],
                _ => [None, Some(&rest[taken - 1])],
            };
            rest = &rest[taken.max(1)..];
        }
    }

    /// Reads the item at the start of `tokens` and returns its number of tokens.
    fn read_one(&mut self, tokens: &[TokenTree], before: [Option<&TokenTree>; 2]) -> usize {
        match tokens {
            [hash, TokenTree::Group(attribute), rest @ ..]
                if is(hash, "#") && is_for_tests(attribute) =>
            {
                2 + self.skip(rest)
            }
            [word, rest @ ..] if is(word, "use") => 1 + self.read_use(rest),
            [word, TokenTree::Ident(name), TokenTree::Group(body), ..]
                if is(word, "mod") && body.delimiter() == Delimiter::Brace =>
            {
                self.module.push(name.to_string());
                self.read(body.stream());
                self.module.pop();
                3
            }
            [word, crate_, TokenTree::Ident(name), ..]
                if is(word, "extern") && is(crate_, "crate") =>
            {
                self.note(&[name.to_string()], name.span());
                3
            }
            // `::std::mem`, and not the second half of `<T as Trait>::method`.
            [colon, again, TokenTree::Ident(name), ..]
                if is(colon, ":") && is(again, ":") && !ends_a_type(before[1]) =>
            {
                let path = path_at(&tokens[2..]);
                self.note(&path, name.span());
                3 * path.len()
            }
            [TokenTree::Ident(name), ..] if begins_a_path(before) => {
                let path = path_at(tokens);
                if path.len() > 1 {
                    self.note(&path, name.span());
                }
                3 * path.len() - 2
            }
            [TokenTree::Group(group), ..] => {
                self.read(group.stream());
                1
            }
            _ => 1,
        }
    }

    /// Reads the tree of a `use` up to its semicolon.
    fn read_use(&mut self, tokens: &[TokenTree]) -> usize {
        let end = tokens.iter().position(|token| is(token, ";"));
        let end = end.unwrap_or(tokens.len());
        self.read_tree(&[], &tokens[..end]);
        end
    }

    /// Reads `a::b`, `a::{b, c::d}`, `a::*`, `a as b`, and lists of these.
    fn read_tree(&mut self, prefix: &[String], tokens: &[TokenTree]) {
        for branch in tokens.split(|token| is(token, ",")) {
            let mut path = prefix.to_vec();
            let mut at = None;
            for token in branch {
                match token {
                    TokenTree::Group(group) => {
                        let inner: Vec<_> = group.stream().into_iter().collect();
                        self.read_tree(&path, &inner);
                        at = None;
                    }
                    token if is(token, "as") => break,
                    token if is(token, ":") => {}
                    token => {
                        path.push(token.to_string());
                        at = Some(token.span());
                    }
                }
            }
            if let Some(span) = at {
                self.note(&path, span);
            }
        }
    }

    fn note(&mut self, path: &[String], span: Span) {
        let mut from = self.module.clone();
        let mut rest = path;
        let relative = ["self", "super"].contains(&&*path[0]);
        while let [first, more @ ..] = rest {
            match &**first {
                "super" => drop(from.pop()),
                "self" => {}
                _ => break,
            }
            rest = more;
        }
        let path = if relative {
            [&from, rest].concat()
        } else {
            rest.to_vec()
        };
        let line = line(span);
        self.references.push(Reference { path, line });
    }

    /// Skips an item that is compiled for tests only.
    fn skip(&mut self, item: &[TokenTree]) -> usize {
        let find = |what| item.iter().position(|token| is(token, what));
        let semicolon = find(";").unwrap_or(item.len());
        let body = item.iter().position(is_body).unwrap_or(item.len());
        // The braces of a `use` do not end it.
        let body = if find("use").is_some_and(|at| at < body) {
            item.len()
        } else {
            body
        };
        let end = item.len().min(semicolon.min(body) + 1);
        if let [.., word, TokenTree::Ident(name), semicolon] = &item[..end]
            && is(word, "mod")
            && is(semicolon, ";")
        {
            self.test_modules
                .push(child(&self.module, &name.to_string()));
        }
        end
    }
}

/// Every Rust file below `dir`, sorted, without build outputs and hidden files.
pub(crate) fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut paths: Vec<_> = listed
        .map(|entry| entry.expect("a directory entry").path())
        .collect();
    paths.sort();
    let mut files = vec![];
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let built = name == "target" || path.join("CACHEDIR.TAG").exists();
        if built || name.starts_with('.') || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files
}

pub(crate) fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The displayed path of a file: from the root of the workspace, with slashes.
pub(crate) fn shown(root: &Path, file: &Path) -> String {
    let below = file.strip_prefix(root).unwrap_or(file);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// The module of a file below `src`.
fn module_of(below_src: &Path) -> Vec<String> {
    let path = below_src.with_extension("");
    let names = path.iter().map(|name| name.to_string_lossy().into_owned());
    let names = names.filter(|name| !["lib", "main", "mod"].contains(&&**name));
    std::iter::once("crate".to_owned()).chain(names).collect()
}

fn child(module: &[String], name: &str) -> Vec<String> {
    [module, &[name.to_owned()]].concat()
}

/// The path at the start of `tokens`: at least one name.
fn path_at(tokens: &[TokenTree]) -> Vec<String> {
    let mut path = vec![];
    let mut rest = tokens;
    while let [TokenTree::Ident(name), more @ ..] = rest {
        path.push(name.to_string());
        match more {
            [colon, again, TokenTree::Ident(_), ..] if is(colon, ":") && is(again, ":") => {
                rest = &more[2..];
            }
            _ => break,
        }
    }
    path
}

/// Whether a name after these two tokens starts a path.
fn begins_a_path(before: [Option<&TokenTree>; 2]) -> bool {
    !before
        .iter()
        .all(|token| token.is_some_and(|token| is(token, ":")))
}

fn ends_a_type(token: Option<&TokenTree>) -> bool {
    token.is_some_and(|token| !matches!(token, TokenTree::Punct(punct) if punct.as_char() != '>'))
}

/// Whether an attribute removes an item from builds without tests: `cfg(test)`, or `cfg(all(…))`
/// that contains `test`.
fn is_for_tests(attribute: &Group) -> bool {
    let tokens: Vec<_> = attribute.stream().into_iter().collect();
    match &tokens[..] {
        [cfg, TokenTree::Group(condition)] if is(cfg, "cfg") => holds_for_tests(condition),
        _ => false,
    }
}

fn holds_for_tests(condition: &Group) -> bool {
    let tokens: Vec<_> = condition.stream().into_iter().collect();
    tokens.split(|token| is(token, ",")).any(|part| match part {
        [word] => is(word, "test"),
        [word, TokenTree::Group(all)] if is(word, "all") => holds_for_tests(all),
        _ => false,
    })
}

fn is_body(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn is(token: &TokenTree, what: &str) -> bool {
    match token {
        TokenTree::Ident(ident) => *ident == what,
        TokenTree::Punct(punct) => what.len() == 1 && what.starts_with(punct.as_char()),
        _ => false,
    }
}

fn line(span: Span) -> usize {
    span.start().line
}

fn each_token(tokens: &TokenStream, f: &mut impl FnMut(&TokenTree)) {
    for token in tokens.clone() {
        match &token {
            TokenTree::Group(group) => each_token(&group.stream(), f),
            token => f(token),
        }
    }
}
