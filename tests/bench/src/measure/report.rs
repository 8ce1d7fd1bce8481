//! What a benchmark found: a table for people, JSON for programs.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::Samples;
use crate::versions::titled;

/// One benchmark.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Its command.
    pub bench: &'static str,
    /// What is done, in a line.
    pub work: String,
    /// What the figures are, such as "ns per load".
    pub unit: &'static str,
    /// Under which circumstances, one after the other.
    pub cases: Vec<Case>,
}

/// The contenders under the same circumstances.
#[derive(Debug, Serialize)]
pub struct Case {
    /// The circumstances.
    pub title: String,
    /// One for each contender.
    pub rows: Vec<Row>,
    /// Whether this cache does as well as it should, where a goal is set.
    pub goal: Option<Goal>,
}

/// One contender.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The package that it comes from.
    pub package: &'static str,
    /// Which of its ways.
    pub variant: &'static str,
    /// Whether it is a rival: not this cache, and not there for comparison only.
    pub peer: bool,
    /// What it needed.
    pub samples: Samples,
    /// What else there is to know, each with its name.
    pub notes: Vec<(&'static str, String)>,
}

/// What the median of the first row should be at the most, as a share of the best peer's.
#[derive(Debug, Serialize)]
pub struct Goal {
    /// The share asked for.
    pub at_most: f64,
    /// The share found.
    pub found: f64,
    /// Whether it is reached.
    pub met: bool,
}

impl Case {
    /// Sets a goal for the first row.
    pub fn with_goal(mut self, at_most: f64) -> Self {
        self.goal = self.ratio(&self.rows[0]).map(|found| Goal {
            at_most,
            found,
            met: found <= at_most,
        });
        self
    }

    fn ratio(&self, row: &Row) -> Option<f64> {
        let peers = self.rows.iter().filter(|row| row.peer);
        let best = peers
            .map(|row| row.samples.median())
            .min_by(f64::total_cmp)?;
        Some(row.samples.median() / best)
    }
}

impl Row {
    fn name(&self) -> String {
        match (self.package, self.variant) {
            ("", variant) => variant.to_owned(),
            (package, "") => titled(package),
            (package, variant) => format!("{} ({variant})", titled(package)),
        }
    }
}

impl Report {
    /// Prints every case as a table.
    ///
    /// # Errors
    ///
    /// When nobody listens any more.
    pub fn print(&self, mut to: impl Write) -> io::Result<()> {
        writeln!(to, "{}: {}", self.bench, self.work)?;
        for case in &self.cases {
            writeln!(to, "\n{}\n{}", case.title, self.table(case))?;
            if let Some(Goal {
                at_most,
                found,
                met,
            }) = case.goal
            {
                let verdict = if met { "met" } else { "MISSED" };
                writeln!(
                    to,
                    "goal: {at_most:.2} of the best peer's time; found: {found:.2}; {verdict}"
                )?;
            }
        }
        Ok(())
    }

    fn table(&self, case: &Case) -> Table {
        let notes = case.rows.first().map_or(&[][..], |row| &row.notes);
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED);
        table.set_content_arrangement(ContentArrangement::Disabled);
        let header = ["contender", self.unit, "spread", "of the best peer's"];
        table.set_header(
            header
                .into_iter()
                .chain(notes.iter().map(|(name, _)| *name)),
        );
        for row in &case.rows {
            let (min, max) = row.samples.spread();
            let ratio = case.ratio(row).map(|ratio| format!("{ratio:.2}"));
            let figures = [
                row.name(),
                format!("{:.0}", row.samples.median()),
                format!("{min:.0} - {max:.0}"),
                ratio.unwrap_or_default(),
            ];
            table.add_row(
                figures
                    .into_iter()
                    .chain(row.notes.iter().map(|(_, note)| note.clone())),
            );
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// Writes everything, each round included, to a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write_json(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        serde_json::to_writer_pretty(&mut file, self)?;
        writeln!(file)?;
        file.flush()
    }
}
