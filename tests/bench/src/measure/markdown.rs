//! A report as a Markdown table, for `docs/performance.md`.

use comfy_table::{Table, presets};

use super::report::{Case, Contender, Report, Row, goals, plain};

impl Report {
    /// The medians of all contenders: one row for each case, one column for each contender.
    pub fn markdown(&self) -> Table {
        let contenders = self.measured();
        let first = self.cases.first();
        let names = first.map_or(&[][..], |case| &case.circumstances);
        let mut header: Vec<String> = names.iter().map(|(name, _)| name.to_string()).collect();
        header.extend(contenders.iter().map(|contender| contender.name()));
        header.extend(["of quick_cache's", "of the best peer's"].map(str::to_owned));
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(header);
        for case in &self.cases {
            table.add_row(cells(case, &contenders));
        }
        table
    }

    /// The contenders that some case has figures of.
    fn measured(&self) -> Vec<&Contender> {
        let mut contenders: Vec<&Contender> = Vec::new();
        let rows = self.cases.iter().flat_map(|case| &case.rows);
        for Row { contender, .. } in rows.filter(|row| row.samples.is_some()) {
            if !contenders.iter().any(|known| is_same(known, contender)) {
                contenders.push(contender);
            }
        }
        contenders
    }
}

/// The goals of a report, and what was found.
pub fn markdown_goals(report: &Report) -> Table {
    let cases = report.cases.iter();
    let found = cases.flat_map(|case| case.goals.iter().map(|goal| (case.title(), goal)));
    let mut table = goals(found);
    table.load_style(presets::ASCII_MARKDOWN);
    table
}

fn cells(case: &Case, contenders: &[&Contender]) -> Vec<String> {
    let figure = |contender: &&Contender| {
        let mut rows = case.rows.iter();
        let samples = rows.find(|row| is_same(&row.contender, contender));
        let samples = samples.and_then(|row| row.samples.as_ref());
        samples.map_or("–".to_owned(), |samples| plain(samples.median()))
    };
    let share = |share: Option<f64>| share.map_or("–".to_owned(), |share| format!("{share:.2}"));
    let circumstances = case.circumstances.iter().map(|(_, value)| value.clone());
    circumstances
        .chain(contenders.iter().map(figure))
        .chain([case.share_of("quick_cache"), case.share_of_best()].map(share))
        .collect()
}

fn is_same(one: &Contender, other: &Contender) -> bool {
    (&one.package, &one.variant) == (&other.package, &other.variant)
}
