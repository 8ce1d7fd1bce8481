//! The output of a program: chapters, tables, and promises that are checked.

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::time::Duration;

use crate::figures::{count, counted, time};
use comfy_table::{CellAlignment, Table};

/// Prints everything and records which promises are broken.
#[derive(Debug)]
pub struct Report {
    colors: bool,
    chapters: u32,
    kept: u64,
    broken: Vec<String>,
}

impl Report {
    /// Creates an empty report. It uses colors on a terminal, unless `NO_COLOR` is set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a chapter, with a short text on what it shows.
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

    /// Records one promise. It is broken if `found` holds another result.
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

    /// Records the promise that a count equals `promised`.
    pub fn promise_count(&mut self, what: &str, promised: u64, found: u64) {
        let text = format!("{what}: {}", count(promised));
        self.promise(&text, (promised != found).then(|| count(found)));
    }

    /// Prints how long `what` took.
    pub fn took(&self, what: &str, span: Duration) {
        println!("  {what} took {}.", time(span));
    }

    /// Prints the summary and returns the exit code.
    #[must_use]
    pub fn finish(&self) -> ExitCode {
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
        if self.colors {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

impl Default for Report {
    fn default() -> Self {
        let colors = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            colors,
            chapters: 0,
            kept: 0,
            broken: Vec::new(),
        }
    }
}

/// Creates an empty table. The first `words` columns hold text, the others figures.
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
        let last = lines.last_mut().expect("the list starts with one line");
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

/// A line above the table, one below its header and one below the table, in comfy-table's notation
/// for the 19 parts of a table.
const RULED: &str = "  ──────     ──────";

/// The width of the text. It leaves a margin on a terminal of 80 columns.
const WIDTH: usize = 74;

const BOLD: &str = "1";
const GREEN: &str = "32";
const RED: &str = "31";
