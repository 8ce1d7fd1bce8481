//! Prints tables of the promises that each cache keeps.
//!
//! `cargo run --manifest-path tests/bench/Cargo.toml --bin promises`, with `-- --markdown` for
//! tables to quote. It fails if this cache breaks a promise. A peer may break one.

use std::error::Error;
use std::process::ExitCode;

use cache_bench::contenders::{Contender, Ours};
use cache_bench::promises::{
    Column, Outcome, Scenario, Status, Style, Topic, isolation, render, topics,
};
use clap::Parser;

/// Prints the promises that each cache keeps.
#[derive(Debug, Parser)]
struct Args {
    /// Print Markdown.
    #[arg(long)]
    markdown: bool,
    /// Only this cache, by its package name; may be repeated.
    #[arg(long, value_name = "PACKAGE")]
    only: Vec<String>,
    /// Run one scenario on one cache, in this process.
    #[arg(long, num_args = 2, value_names = ["PACKAGE", "SCENARIO"])]
    cell: Option<Vec<String>>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse();
    match args.cell.as_deref() {
        Some([package, id]) => run_cell(package, id),
        _ => print_table(&args),
    }
}

fn run_cell(package: &str, id: &str) -> Result<ExitCode, Box<dyn Error>> {
    let scenario = find(package, id).ok_or_else(|| format!("{package} has no scenario {id}"))?;
    isolation::report(&(scenario.run)());
    Ok(ExitCode::SUCCESS)
}

fn find(package: &str, id: &str) -> Option<Scenario> {
    let columns = topics().into_iter().flat_map(|topic| topic.columns);
    let columns = columns.filter(|column| column.package == package);
    columns
        .flat_map(|column| column.scenarios)
        .find(|scenario| scenario.id == id)
}

fn print_table(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let mut broken = false;
    for Topic { title, mut columns } in topics() {
        columns.retain(|column| wanted(column, &args.only));
        if columns.is_empty() {
            continue;
        }
        let outcomes = isolation::outcomes(&program, &columns)?;
        let (mark, style) = if args.markdown {
            ("## ", Style::Markdown)
        } else {
            ("", Style::Terminal)
        };
        println!("{mark}{title}\n\n{}\n", render(&columns, &outcomes, style));
        broken |= columns
            .iter()
            .zip(&outcomes)
            .any(|(column, outcomes)| is_ours_and_broken(column, outcomes));
    }
    Ok(if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn is_ours_and_broken(column: &Column, outcomes: &[Outcome]) -> bool {
    column.package == Ours::PACKAGE
        && outcomes
            .iter()
            .any(|outcome| outcome.status != Status::Kept)
}

fn wanted(column: &Column, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|package| package == column.package)
}
