//! A guided tour that shows what the cache does for a program that reads from a real database, in
//! figures that are checked.
//!
//! The first run creates the database. Exit code 0: every promise held; 1: at least one did not; 2:
//! the tour could not run.

mod database;
mod expiry;
mod flags;
mod herd;
mod latency;
mod load;
mod outage;
mod page;
mod runtime;
mod stats;
mod traffic;
mod warm;
mod zipf;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use cache_examples::report::Report;
use clap::Parser;

use crate::flags::{Flags, Plan};

/// Any error that stops the tour.
type BoxError = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let plan = Flags::parse().plan();
    let mut report = Report::new();
    match plan.runtime.block_on(tour(&plan, &mut report)) {
        Ok(()) => report.finish(),
        Err(error) => could_not_run(&*error),
    }
}

async fn tour(plan: &Plan, report: &mut Report) -> Result<(), BoxError> {
    let started = Instant::now();
    let shop = database::open(plan, report)?;
    let mut observed = vec![herd::chapter(plan, &shop, report).await?];
    observed.extend(zipf::chapter(plan, &shop, report).await?);
    observed.push(expiry::chapter(&shop, report).await?);
    observed.push(page::chapter(&shop, report).await?);
    observed.push(warm::chapter(plan, &shop, report).await?);
    observed.push(outage::chapter(plan, &shop, report).await?);
    stats::chapter(&observed, report);
    report.took("The tour", started.elapsed());
    Ok(())
}

fn could_not_run(error: &(dyn Error + 'static)) -> ExitCode {
    eprint!("error: {error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        eprint!(": {source}");
        cause = source.source();
    }
    eprintln!();
    ExitCode::from(2)
}
