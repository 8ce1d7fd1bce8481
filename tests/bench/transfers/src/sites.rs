//! The places in the sources that cause the most transfers.

use std::collections::{HashMap, HashSet};
use std::env;

use addr2line::Loader;

use crate::count::Tally;

/// Names instructions of this program.
pub(crate) struct Sources {
    symbols: Loader,
    /// The address to which the program was loaded.
    base: u64,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Place {
    transfers: u64,
    writes: u64,
    lines: HashSet<u64>,
}

impl Sources {
    pub(crate) fn new(base: u64) -> Self {
        let program = env::current_exe().expect("a path of this program");
        let symbols = Loader::new(program).expect("debug information");
        Self { symbols, base }
    }

    /// The `most` places with the most transfers, one a line: transfers for each operation, how
    /// many of a hundred are writes, the number of different cache lines, and the place.
    pub(crate) fn largest(&self, tally: &Tally, most: usize) -> Vec<String> {
        let mut places: HashMap<String, Place> = HashMap::new();
        for (&instruction, site) in &tally.sites {
            let place = places.entry(self.place(instruction)).or_default();
            place.transfers += site.transfers;
            place.writes += site.writes;
            place.lines.extend(&site.lines);
        }
        let mut places: Vec<_> = places.into_iter().collect();
        places.sort_by(|a, b| (b.1.transfers, &a.0).cmp(&(a.1.transfers, &b.0)));
        let line = |(name, place): (String, Place)| {
            let rate = tally.per_operation(place.transfers);
            let writes = 100 * place.writes / place.transfers;
            let lines = place.lines.len();
            format!("{rate:7.3} {writes:3} % written {lines:6} lines  {name}")
        };
        places.into_iter().take(most).map(line).collect()
    }

    /// The function and the line of an instruction: of the innermost function that is inlined there
    /// and is not part of the standard library, and of the one that calls it.
    fn place(&self, instruction: u64) -> String {
        let Some(address) = instruction.checked_sub(self.base) else {
            return "a system library".to_owned();
        };
        let mut names = Vec::new();
        if let Ok(mut frames) = self.symbols.find_frames(address) {
            while let Ok(Some(frame)) = frames.next() {
                let file = frame.location.as_ref().and_then(|location| location.file);
                let is_ours = file.is_some_and(|file| !file.contains("/rustc/"));
                if let (Some(function), true) = (&frame.function, is_ours) {
                    let function = function.demangle().unwrap_or_default();
                    let line = frame.location.and_then(|location| location.line);
                    let file = file.unwrap_or_default();
                    let file = file.rsplit("/src/").next().unwrap_or(file);
                    names.push(format!("{file}:{} {}", line.unwrap_or(0), short(&function)));
                }
            }
        }
        names.truncate(2);
        if names.is_empty() {
            return "a system library, or the standard library".to_owned();
        }
        names.join(" < ")
    }
}

/// A function without its modules and its type arguments.
fn short(function: &str) -> String {
    let mut depth = 0_u32;
    let mut plain = String::new();
    for letter in function.chars() {
        match letter {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    let names: Vec<&str> = plain.split("::").filter(|name| !name.is_empty()).collect();
    names[names.len().saturating_sub(2)..].join("::")
}
