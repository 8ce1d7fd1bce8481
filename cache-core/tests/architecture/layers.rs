//! The tables of layers in `ARCHITECTURE.md`.

use super::source::Source;

/// The modules of one table, in its order, each with the modules that it may know.
pub(crate) struct Layers(Vec<(String, Vec<String>)>);

impl Layers {
    /// The table under `heading`: its first column names a module, its last what the module knows.
    ///
    /// # Panics
    /// If the page has no such heading, or no table under it.
    pub(crate) fn of(page: &str, heading: &str) -> Self {
        let (_, section) = page
            .split_once(&format!("{heading}\n"))
            .unwrap_or_else(|| panic!("the page has no heading {heading}"));
        let lines = section.lines().take_while(|line| !line.starts_with("## "));
        let mut rows: Vec<(String, Vec<String>)> = vec![];
        for line in lines.filter(|line| line.starts_with("| `")) {
            let cells: Vec<_> = line.trim_matches('|').split('|').collect();
            let (first, last) = (names(cells[0]), cells[cells.len() - 1]);
            let knows = if last.contains("all of the above") {
                rows.iter().map(|(module, _)| module.clone()).collect()
            } else {
                names(last)
            };
            rows.push((first[0].clone(), knows));
        }
        assert!(!rows.is_empty(), "no table under {heading}");
        Self(rows)
    }

    /// The rules that point to a row below: with any of these there could be a cycle.
    pub(crate) fn upward(&self) -> Vec<String> {
        let mut above: Vec<&String> = vec![];
        let mut upward = vec![];
        for (module, knows) in &self.0 {
            let not_above = knows.iter().filter(|other| !above.contains(other));
            upward.extend(
                not_above.map(|other| format!("`{module}` knows `{other}`, which is not above it")),
            );
            above.push(module);
        }
        upward
    }

    /// The references in `sources` that no rule allows, the modules below `parent` without a row,
    /// and the rows without a module. A file of `parent` itself, which re-exports, may refer to
    /// all.
    pub(crate) fn broken_by(&self, sources: &[Source], parent: &[&str]) -> Vec<String> {
        let mut broken = vec![];
        let mut seen = vec![];
        for source in sources {
            let Some(module) = child_of(&source.module, parent) else {
                continue;
            };
            let Some((_, knows)) = self.0.iter().find(|(name, _)| name == module) else {
                broken.push(format!("{}: no row for `{module}`", source.file));
                continue;
            };
            seen.push(module);
            for reference in source.references() {
                let Some(other) = child_of(&reference.path, parent) else {
                    continue;
                };
                // A name that the parent re-exports breaks the rule too: it hides its module.
                if other != module && !knows.iter().any(|name| name == other) {
                    let path = reference.path.join("::");
                    broken.push(format!("{}:{}: `{path}`", source.file, reference.line));
                }
            }
        }
        let missing = self.0.iter().filter(|(name, _)| !seen.contains(&&**name));
        broken.extend(missing.map(|(name, _)| format!("no source for `{name}`")));
        broken
    }
}

/// The name that follows `parent` in `path`.
fn child_of<'a>(path: &'a [String], parent: &[&str]) -> Option<&'a str> {
    let below = path.get(..parent.len())?;
    let is_below = below.iter().zip(parent).all(|(a, b)| a == b);
    Some(&**path.get(parent.len())?).filter(|_| is_below)
}

/// The names in backticks.
fn names(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
