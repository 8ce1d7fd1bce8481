//! Renders the table for the terminal and for a README.

use comfy_table::{ContentArrangement, Table, presets};

use super::{Column, Outcome};
use crate::versions::titled;

/// The style of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Style {
    /// With box-drawing lines.
    Terminal,
    /// As GitHub and rustdoc render it.
    Markdown,
}

/// Renders the promises as rows and the caches as columns.
///
/// `outcomes` has one list for each column, in the order of its scenarios.
pub fn render(columns: &[Column], outcomes: &[Vec<Outcome>], style: Style) -> String {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.load_style(match style {
        Style::Terminal => presets::UTF8_FULL_CONDENSED,
        Style::Markdown => presets::ASCII_MARKDOWN,
    });
    table.set_header(
        std::iter::once("promise".to_owned())
            .chain(columns.iter().map(|column| titled(column.package))),
    );
    for (row, promise) in promises(columns).enumerate() {
        let cells = outcomes.iter().map(|column| column[row].to_string());
        table.add_row(std::iter::once(promise.to_owned()).chain(cells));
    }
    table.to_string()
}

fn promises(columns: &[Column]) -> impl Iterator<Item = &'static str> {
    columns
        .first()
        .into_iter()
        .flat_map(|column| &column.scenarios)
        .map(|scenario| scenario.promise)
}
