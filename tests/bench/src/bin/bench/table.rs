//! The command line of `bench table`: which figures to print.

use std::error::Error;
use std::path::PathBuf;

use cache_bench::document::Document;
use cache_bench::measure::markdown_goals;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Files written with --json
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
}

impl Flags {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        for file in &self.files {
            let document =
                Document::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
            println!("{}\n", document.machine.title());
            for report in &document.reports {
                let (bench, work, unit) = (&report.bench, &report.work, &report.unit);
                println!("`{bench}`, {unit}: {work}\n\n{}\n", report.markdown());
                println!("{}\n", markdown_goals(report));
            }
        }
        Ok(())
    }
}
