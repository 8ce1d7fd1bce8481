//! What is counted, and how it is shown.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::host::Kind;

/// Something that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Rounds,
    Reads,
    Loads,
    BatchedKeys,
    Refreshes,
    Computations,
    Writes,
    Removals,
    Clears,
    Upkeep,
    LoadersRun,
    Answers,
    Cancelled,
    StoodStill,
    LoaderErrors,
    LoaderPanics,
    LoadersStuck,
    Shutdowns,
}

impl Figure {
    const ALL: [Self; 18] = [
        Self::Rounds,
        Self::Reads,
        Self::Loads,
        Self::BatchedKeys,
        Self::Refreshes,
        Self::Computations,
        Self::Writes,
        Self::Removals,
        Self::Clears,
        Self::Upkeep,
        Self::LoadersRun,
        Self::Answers,
        Self::Cancelled,
        Self::StoodStill,
        Self::LoaderErrors,
        Self::LoaderPanics,
        Self::LoadersStuck,
        Self::Shutdowns,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Rounds => "rounds, each with a cache of other settings",
            Self::Reads => "reads",
            Self::Loads => "loads asked for",
            Self::BatchedKeys => "keys asked of batches",
            Self::Refreshes => "refreshes",
            Self::Computations => "computations",
            Self::Writes => "writes",
            Self::Removals => "removals",
            Self::Clears => "clears",
            Self::Upkeep => "walks, set_ttl, upkeep",
            Self::LoadersRun => "loaders run",
            Self::Answers => "answers checked",
            Self::Cancelled => "fault: calls cancelled",
            Self::StoodStill => "fault: callers that stood still",
            Self::LoaderErrors => "fault: loader errors",
            Self::LoaderPanics => "fault: loader panics",
            Self::LoadersStuck => "fault: loaders that never end",
            Self::Shutdowns => "fault: runtimes shut down",
        }
    }

    const fn is_operation(self) -> bool {
        matches!(
            self,
            Self::Reads
                | Self::Loads
                | Self::BatchedKeys
                | Self::Refreshes
                | Self::Computations
                | Self::Writes
                | Self::Removals
                | Self::Clears
                | Self::Upkeep
        )
    }
}

/// All counts of a run, and the promises that it found broken.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    counts: [AtomicU64; Figure::ALL.len()],
    violated: AtomicU64,
    /// The first ones, in words.
    violations: Mutex<Vec<String>>,
}

impl Figures {
    pub(crate) fn count(&self, figure: Figure) {
        self.add(figure, 1);
    }

    pub(crate) fn add(&self, figure: Figure, many: u64) {
        self.counts[figure as usize].fetch_add(many, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, figure: Figure) -> u64 {
        self.counts[figure as usize].load(Ordering::Relaxed)
    }

    /// A promise was broken.
    pub(crate) fn violate(&self, what: impl fmt::Display) {
        self.violated.fetch_add(1, Ordering::Relaxed);
        let mut violations = self
            .violations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if violations.len() < TOLD {
            violations.push(what.to_string());
        }
    }

    /// As [`Figures::violate`], unless `kept`.
    pub(crate) fn check(&self, kept: bool, what: impl FnOnce() -> String) {
        if !kept {
            self.violate(what());
        }
    }

    pub(crate) fn violated(&self) -> u64 {
        self.violated.load(Ordering::Relaxed)
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        let violations = self.violations.lock();
        violations.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How much memory a run took, in the same state at the end of each round.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Bytes after the first tenth.
    pub(crate) settled: usize,
    /// The most that it was later.
    pub(crate) most: usize,
}

impl Memory {
    /// By how much it grew, in per cent.
    pub(crate) fn growth(self) -> f64 {
        (self.most as f64 / self.settled.max(1) as f64 - 1.0) * 100.0
    }
}

/// One column a runtime.
pub(crate) fn table(columns: &[(Kind, Arc<Figures>, Memory)]) -> Table {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.load_preset(presets::ASCII_MARKDOWN);
    let mut row = |name: &str, cell: &dyn Fn(&Figures, Memory) -> String| {
        let cells = columns
            .iter()
            .map(|(_, figures, memory)| cell(figures, *memory));
        table.add_row(std::iter::once(name.to_owned()).chain(cells));
    };
    row("operations", &|figures, _| {
        let operations = Figure::ALL
            .into_iter()
            .filter(|figure| figure.is_operation());
        let operations = operations.map(|figure| figures.get(figure));
        operations.sum::<u64>().to_string()
    });
    for figure in Figure::ALL {
        row(figure.name(), &|figures, _| figures.get(figure).to_string());
    }
    row("live bytes after the first tenth", &|_, memory| {
        memory.settled.to_string()
    });
    row("the most of them later", &|_, memory| {
        format!("{} ({:+.1} %)", memory.most, memory.growth())
    });
    row("violations", &|figures, _| figures.violated().to_string());
    let names = columns.iter().map(|(kind, ..)| kind.to_string());
    table.set_header(std::iter::once(String::new()).chain(names));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// How many violations are told in words.
const TOLD: usize = 20;
