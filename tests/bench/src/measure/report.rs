//! What a benchmark found: a table for people, JSON for programs.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::{Deserialize, Serialize};

use super::Samples;
use crate::versions::titled;

/// A name that is known beforehand, or was read from a file.
pub type Name = Cow<'static, str>;

/// One benchmark.
#[derive(Debug, Deserialize, Serialize)]
pub struct Report {
    /// Its command.
    pub bench: Name,
    /// What is done, in a line.
    pub work: String,
    /// What the figures are, such as "ns per load". Less is better.
    pub unit: Name,
    /// Under which circumstances, one after the other.
    pub cases: Vec<Case>,
}

/// The contenders under the same circumstances.
#[derive(Debug, Deserialize, Serialize)]
pub struct Case {
    /// The circumstances, each with its name.
    pub circumstances: Vec<(Name, String)>,
    /// One for each contender, this cache first.
    pub rows: Vec<Row>,
    /// What this cache should reach here, and whether it does.
    pub goals: Vec<Goal>,
}

/// What one contender needed.
#[derive(Debug, Deserialize, Serialize)]
pub struct Row {
    /// Who it is.
    #[serde(flatten)]
    pub contender: Contender,
    /// What it needed; `None` if it cannot do this work.
    pub samples: Option<Samples>,
    /// What else there is to know, each with its name.
    pub notes: Vec<(Name, String)>,
}

/// One who takes part.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Contender {
    /// The package that it comes from; none for what is no package.
    pub package: Name,
    /// Which of its ways.
    pub variant: Name,
    /// Whether it is a rival: not this cache, and not there for comparison only.
    pub peer: bool,
}

impl Contender {
    /// A rival.
    pub const fn peer(package: &'static str, variant: &'static str) -> Self {
        Self {
            package: Name::Borrowed(package),
            variant: Name::Borrowed(variant),
            peer: true,
        }
    }

    /// This cache, or what is there for comparison only.
    pub const fn reference(package: &'static str, variant: &'static str) -> Self {
        Self {
            peer: false,
            package: Name::Borrowed(package),
            variant: Name::Borrowed(variant),
        }
    }

    /// The package with its version, and which of its ways.
    pub fn name(&self) -> String {
        match (&*self.package, &*self.variant) {
            ("", variant) => variant.to_owned(),
            (package, "") => titled(package),
            (package, variant) => format!("{} ({variant})", titled(package)),
        }
    }
}

/// What this cache should reach, and whether it does.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Goal {
    /// What is asked for.
    pub asked: String,
    /// What was found.
    pub found: f64,
    /// Whether that is enough.
    pub met: bool,
}

impl Goal {
    /// `found` should not be above `limit`; `what` says what they are. `None` if nothing was found.
    pub fn at_most(limit: f64, what: &str, found: Option<f64>) -> Option<Self> {
        found.map(|found| Self {
            asked: format!("≤ {} {what}", plain(limit)),
            found,
            met: found <= limit,
        })
    }

    /// `found` should not be below `limit`; `what` says what they are. `None` if nothing was found.
    pub fn at_least(limit: f64, what: &str, found: Option<f64>) -> Option<Self> {
        found.map(|found| Self {
            asked: format!("≥ {} {what}", plain(limit)),
            found,
            met: found >= limit,
        })
    }

    fn verdict(&self) -> &'static str {
        if self.met { "met" } else { "MISSED" }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (asked, found, verdict) = (&self.asked, self.found, self.verdict());
        write!(f, "goal: {asked}; found: {found:.2}; {verdict}")
    }
}

impl Case {
    /// Under `circumstances`, without a goal.
    pub fn new<const N: usize>(circumstances: [(&'static str, String); N], rows: Vec<Row>) -> Self {
        Self {
            circumstances: circumstances
                .map(|(name, value)| (name.into(), value))
                .into(),
            rows,
            goals: Vec::new(),
        }
    }

    /// Adds a goal, unless one of those that it compares was not measured.
    pub fn set_goal(&mut self, goal: Option<Goal>) {
        self.goals.extend(goal);
    }

    /// The circumstances in a line.
    pub fn title(&self) -> String {
        let values = self.circumstances.iter().map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join("; ")
    }

    /// One of the circumstances; nothing if they do not speak of it.
    pub fn circumstance(&self, name: &str) -> &str {
        let mut circumstances = self.circumstances.iter();
        let found = circumstances.find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }

    /// Whether the other case is the same but for one circumstance, which is `value` there.
    pub fn differs_in(&self, other: &Self, name: &str, value: &str) -> bool {
        other.circumstance(name) == value
            && self
                .circumstances
                .iter()
                .all(|(each, here)| each == name || other.circumstance(each) == here)
    }

    /// What this cache needed.
    pub fn ours(&self) -> Option<f64> {
        self.rows.first()?.median()
    }

    /// What this cache needed in another way.
    pub fn ours_otherwise(&self, variant: &str) -> Option<f64> {
        let ours = &self.rows.first()?.contender.package;
        let named = |row: &&Row| row.contender.package == *ours && row.contender.variant == variant;
        self.rows.iter().find(named)?.median()
    }

    /// What the fastest peer needed.
    pub fn best_peer(&self) -> Option<f64> {
        least(self.rows.iter().filter(|row| row.contender.peer))
    }

    /// What this cache needed as a share of what the package needed, in its fastest way.
    pub fn share_of(&self, package: &str) -> Option<f64> {
        let theirs = self
            .rows
            .iter()
            .filter(|row| row.contender.package == package);
        Some(self.ours()? / least(theirs)?)
    }

    /// What this cache needed as a share of what the fastest peer needed.
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
    /// When nobody listens any more.
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

/// Goals in a table, each with what it is about.
pub fn goals<'a>(goals: impl IntoIterator<Item = (String, &'a Goal)>) -> Table {
    let mut table = table(["benchmark", "goal", "found", ""]);
    for (about, goal) in goals {
        let found = format!("{:.2}", goal.found);
        table.add_row([about, goal.asked.clone(), found, goal.verdict().to_owned()]);
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

/// With as many places as mean something.
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
