//! Every benchmark in one run.

use std::error::Error;
use std::path::PathBuf;

use cache_bench::measure::goals;
use clap::Args;

use super::{Command, Findings, batch, hitratio, speed};

#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    speed: speed::Flags,
    /// Traces to replay, as for hitratio
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
}

impl Flags {
    /// Runs every benchmark, then prints the goals of all of them.
    pub(crate) fn run(self, quick: bool, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
        let speed = self.speed;
        for command in [
            Command::Hits(speed),
            Command::Mixed(speed),
            Command::Insert(speed),
            Command::Miss(speed),
            Command::Herd(speed),
            Command::Memory,
            Command::Expiry(speed),
            Command::Batch(batch::Flags::default()),
            Command::Hitratio(hitratio::Flags { files: self.files }),
        ] {
            command.run(quick, findings)?;
            println!();
        }
        let of_reports = findings.reports.iter().flat_map(|report| {
            let cases = report.cases.iter();
            let goals = cases.flat_map(|case| case.goals.iter().map(|goal| (case.title(), goal)));
            goals.map(|(title, goal)| (format!("{}: {title}", report.bench), goal))
        });
        let of_ratios = findings.hit_ratios.iter().flat_map(|ratios| &ratios.goals);
        let of_ratios = of_ratios.map(|goal| ("hitratio".to_owned(), goal));
        println!("{}", goals(of_reports.chain(of_ratios)));
        Ok(())
    }
}
