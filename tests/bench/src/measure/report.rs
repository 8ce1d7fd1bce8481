//! The result of a benchmark: a table to read, JSON for programs.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::{Deserialize, Serialize};

use super::Samples;
use crate::versions::titled;

/// A name that is a constant or was read from a file.
pub type Name = Cow<'static, str>;

/// The result of one benchmark.
#[derive(Debug, Deserialize, Serialize)]
pub struct Report {
    /// The command of the benchmark.
    pub bench: Name,
    /// The work, in one line.
    pub work: String,
    /// The unit of the figures, such as "ns per load". Less is better.
    pub unit: Name,
    /// One case for each combination of circumstances.
    pub cases: Vec<Case>,
}

/// The figures of all contenders under the same circumstances.
#[derive(Debug, Deserialize, Serialize)]
pub struct Case {
    /// The circumstances, each with its name.
    pub circumstances: Vec<(Name, String)>,
    /// One row for each contender, this cache first.
    pub rows: Vec<Row>,
    /// The goals of this cache in this case, and whether it meets them.
    pub goals: Vec<Goal>,
}

/// The figures of one contender.
#[derive(Debug, Deserialize, Serialize)]
pub struct Row {
    /// The contender.
    #[serde(flatten)]
    pub contender: Contender,
    /// The samples; `None` if the contender cannot do this work.
    pub samples: Option<Samples>,
    /// Further figures, each with its name.
    pub notes: Vec<(Name, String)>,
}

/// A contender: a package, or one of its variants.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Contender {
    /// The package; empty if the contender is not a package.
    pub package: Name,
    /// The variant; empty if there is only one.
    pub variant: Name,
    /// Whether it is a peer: neither this cache nor a reference for comparison.
    pub peer: bool,
}

impl Contender {
    /// A peer.
    pub const fn peer(package: &'static str, variant: &'static str) -> Self {
        Self {
            package: Name::Borrowed(package),
            variant: Name::Borrowed(variant),
            peer: true,
        }
    }

    /// This cache, or a reference for comparison.
    pub const fn reference(package: &'static str, variant: &'static str) -> Self {
        Self {
            peer: false,
            package: Name::Borrowed(package),
            variant: Name::Borrowed(variant),
        }
    }

    /// The package with its version and variant.
    pub fn name(&self) -> String {
        match (&*self.package, &*self.variant) {
            ("", variant) => variant.to_owned(),
            (package, "") => titled(package),
            (package, variant) => format!("{} ({variant})", titled(package)),
        }
    }
}

/// A goal of this cache, and whether it is met.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Goal {
    /// The limit, in words.
    pub limit: String,
    /// The measured figure.
    pub found: f64,
    /// Whether the figure meets the goal.
    pub met: bool,
}

impl Goal {
    /// A goal that `found` meets if it is at most `limit`. `what` names the unit. `None` if there
    /// is no figure.
    pub fn at_most(limit: f64, what: &str, found: Option<f64>) -> Option<Self> {
        found.map(|found| Self {
            limit: format!("≤ {} {what}", plain(limit)),
            found,
            met: found <= limit,
        })
    }

    /// A goal that `found` meets if it is at least `limit`. `what` names the unit. `None` if there
    /// is no figure.
    pub fn at_least(limit: f64, what: &str, found: Option<f64>) -> Option<Self> {
        found.map(|found| Self {
            limit: format!("≥ {} {what}", plain(limit)),
            found,
            met: found >= limit,
        })
    }

    fn result(&self) -> &'static str {
        if self.met { "met" } else { "MISSED" }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (limit, found, result) = (&self.limit, self.found, self.result());
        write!(f, "goal: {limit}; found: {found:.2}; {result}")
    }
}

impl Case {
    /// A case without goals.
    pub fn new<const N: usize>(circumstances: [(&'static str, String); N], rows: Vec<Row>) -> Self {
        Self {
            circumstances: circumstances
                .map(|(name, value)| (name.into(), value))
                .into(),
            rows,
            goals: Vec::new(),
        }
    }

    /// Adds the goal, if the figures that it compares were measured.
    pub fn set_goal(&mut self, goal: Option<Goal>) {
        self.goals.extend(goal);
    }

    /// The circumstances in one line.
    pub fn title(&self) -> String {
        let values = self.circumstances.iter().map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join("; ")
    }

    /// The circumstance with this name; empty if there is none.
    pub fn circumstance(&self, name: &str) -> &str {
        let mut circumstances = self.circumstances.iter();
        let found = circumstances.find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }

    /// Whether the other case differs only in the circumstance `name`, which has `value` there.
    pub fn differs_in(&self, other: &Self, name: &str, value: &str) -> bool {
        other.circumstance(name) == value
            && self
                .circumstances
                .iter()
                .all(|(each, here)| each == name || other.circumstance(each) == here)
    }

    /// The median of this cache.
    pub fn ours(&self) -> Option<f64> {
        self.rows.first()?.median()
    }

    /// The median of another variant of this cache.
    pub fn ours_otherwise(&self, variant: &str) -> Option<f64> {
        let ours = &self.rows.first()?.contender.package;
        let named = |row: &&Row| row.contender.package == *ours && row.contender.variant == variant;
        self.rows.iter().find(named)?.median()
    }

    /// The median of the fastest peer.
    pub fn best_peer(&self) -> Option<f64> {
        least(self.rows.iter().filter(|row| row.contender.peer))
    }

    /// This cache's median as a share of the package's median, in the package's fastest variant.
    pub fn share_of(&self, package: &str) -> Option<f64> {
        let theirs = self
            .rows
            .iter()
            .filter(|row| row.contender.package == package);
        Some(self.ours()? / least(theirs)?)
    }

    /// This cache's median as a share of the fastest peer's.
    pub fn share_of_best(&self) -> Option<f64> {
        Some(self.ours()? / self.best_peer()?)
    }
}

impl Row {
    fn median(&self) -> Option<f64> {
        self.samples.as_ref().map(Samples::median)
    }
}

impl Report {
    /// Prints every case as a table.
    ///
    /// # Errors
    ///
    /// Returns an error if `to` cannot be written to.
    pub fn print(&self, mut to: impl Write) -> io::Result<()> {
        writeln!(to, "{}: {}", self.bench, self.work)?;
        for case in &self.cases {
            writeln!(to, "\n{}\n{}", case.title(), self.table(case))?;
            for goal in &case.goals {
                writeln!(to, "{goal}")?;
            }
        }
        Ok(())
    }

    fn table(&self, case: &Case) -> Table {
        let notes = case.rows.first().map_or(&[][..], |row| &row.notes);
        let header = ["contender", &self.unit, "spread", "of the best peer's"];
        let notes = notes.iter().map(|(name, _)| &**name);
        let mut table = table(header.into_iter().chain(notes));
        for row in &case.rows {
            table.add_row(cells(case, row));
        }
        figures_to_the_right(&mut table);
        table
    }
}

fn cells(case: &Case, row: &Row) -> Vec<String> {
    let Some(samples) = &row.samples else {
        return vec![row.contender.name(), "-".to_owned()];
    };
    let (min, max) = samples.spread();
    let ratio = case.best_peer().map(|best| samples.median() / best);
    let mut cells = vec![
        row.contender.name(),
        plain(samples.median()),
        format!("{} - {}", plain(min), plain(max)),
        ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")),
    ];
    cells.extend(row.notes.iter().map(|(_, note)| note.clone()));
    cells
}

/// A table of goals, each with the case that it belongs to.
pub fn goals<'a>(goals: impl IntoIterator<Item = (String, &'a Goal)>) -> Table {
    let mut table = table(["benchmark", "goal", "found", ""]);
    for (about, goal) in goals {
        let found = format!("{:.2}", goal.found);
        table.add_row([about, goal.limit.clone(), found, goal.result().to_owned()]);
    }
    table
}

pub(crate) fn table<'a>(header: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.into_iter().collect::<Vec<_>>());
    table
}

pub(crate) fn figures_to_the_right(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// Formats a figure with as many digits as are significant.
pub(crate) fn plain(figure: f64) -> String {
    match figure.abs() {
        small if small < 10.0 && figure.fract() != 0.0 => {
            let two = format!("{figure:.2}");
            two.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        middling if middling < 100.0 && figure.fract() != 0.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

fn least<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<f64> {
    rows.filter_map(Row::median).min_by(f64::total_cmp)
}
