//! What the visitor reads: chapters, tables, and promises that are checked.

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::time::Duration;

use crate::figures::{count, counted, time};
use comfy_table::{CellAlignment, Table};

/// The only place that prints, and the one that remembers which promises broke.
#[derive(Debug)]
pub struct Report {
    colours: bool,
    chapters: u32,
    kept: u64,
    broken: Vec<String>,
}

impl Report {
    /// Nothing said, nothing promised. There are colours on a terminal, unless `NO_COLOR` is set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a chapter, with a sentence or two on what it shows.
    pub fn chapter(&mut self, title: &str, text: &str) {
        self.chapters += 1;
        println!(
            "\n{}",
            self.paint(BOLD, &format!("{}. {title}", self.chapters))
        );
        self.text(text);
        println!();
    }

    /// Prints plain sentences, wrapped.
    pub fn text(&self, text: &str) {
        for line in wrapped(text) {
            println!("  {line}");
        }
    }

    /// Prints a table.
    pub fn table(&self, table: &Table) {
        for line in table.lines() {
            println!("  {}", line.trim_end());
        }
        println!();
    }

    /// Keeps account of one promise, which is broken if something else was `found`.
    pub fn promise(&mut self, promise: &str, found: Option<String>) {
        let (mark, text) = match &found {
            None => (self.paint(GREEN, "✓"), promise.to_owned()),
            Some(found) => (self.paint(RED, "✗"), format!("{promise}; found: {found}")),
        };
        item(&mark, &text);
        if found.is_some() {
            self.broken.push(text)
        } else {
            self.kept += 1
        }
    }

    /// Promises that a count is exactly this.
    pub fn promise_count(&mut self, what: &str, promised: u64, found: u64) {
        let text = format!("{what}: {}", count(promised));
        self.promise(&text, (promised != found).then(|| count(found)));
    }

    /// Says how long `what` took.
    pub fn took(&self, what: &str, span: Duration) {
        println!("  {what} took {}.", time(span));
    }

    /// Says how it went, and turns it into the exit code.
    #[must_use]
    pub fn verdict(&self) -> ExitCode {
        if self.broken.is_empty() {
            println!(
                "  {}",
                self.paint(
                    GREEN,
                    &format!("All {} held.", counted(self.kept, "promise", "promises"))
                )
            );
            return ExitCode::SUCCESS;
        }
        let broken = counted(self.broken.len() as u64, "promise", "promises");
        println!(
            "  {}",
            self.paint(RED, &format!("{broken} broken, {} held:", count(self.kept)))
        );
        for text in &self.broken {
            item(&self.paint(RED, "✗"), text);
        }
        ExitCode::FAILURE
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

impl Default for Report {
    fn default() -> Self {
        let colours = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            colours,
            chapters: 0,
            kept: 0,
            broken: Vec::new(),
        }
    }
}

/// An empty table: the first `words` columns hold words, the others figures.
pub fn table<'a>(words: usize, header: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_preset(RULED).set_header(header);
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Prints `text` behind a mark.
fn item(mark: &str, text: &str) {
    let mut lines = wrapped(text).into_iter();
    println!("  {mark} {}", lines.next().unwrap_or_default());
    lines.for_each(|line| println!("    {line}"));
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is a line from the start");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= WIDTH {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A line above, one under the head and one below: comfy-table's notation for the 19 parts of a
/// table.
const RULED: &str = "  ──────     ──────";

/// Leaves room for the margin on a terminal of 80 columns.
const WIDTH: usize = 74;

const BOLD: &str = "1";
const GREEN: &str = "32";
const RED: &str = "31";
