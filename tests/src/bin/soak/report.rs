//! Prints the figures of a run.

use std::sync::Arc;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::figures::{Figure, Figures};
use crate::host::Kind;

/// The memory of a run, measured in the same state at the end of each round.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Live bytes after the first tenth of the run.
    pub(crate) settled: usize,
    /// The maximum after that.
    pub(crate) most: usize,
}

impl Memory {
    /// The growth in percent.
    pub(crate) fn growth(self) -> f64 {
        (self.most as f64 / self.settled.max(1) as f64 - 1.0) * 100.0
    }
}

/// A table with a column for each runtime.
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
    row("maximum of them later", &|_, memory| {
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
