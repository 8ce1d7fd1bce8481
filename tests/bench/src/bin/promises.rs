//! Prints a table of the promises that each cache keeps.
//!
//! `cargo run --manifest-path tests/bench/Cargo.toml --bin promises`, with `-- --markdown` for a
//! table to quote. It fails if this cache breaks a promise. A peer may break one.

use std::error::Error;
use std::process::ExitCode;

use cache_bench::contenders::{Contender, Ours};
use cache_bench::promises::{Column, Outcome, Scenario, Status, Style, columns, isolation, render};
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
    let column = columns()
        .into_iter()
        .find(|column| column.package == package)?;
    column
        .scenarios
        .into_iter()
        .find(|scenario| scenario.id == id)
}

fn print_table(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let columns: Vec<Column> = columns()
        .into_iter()
        .filter(|column| wanted(column, &args.only))
        .collect();
    let outcomes = isolation::outcomes(&std::env::current_exe()?, &columns)?;
    let style = if args.markdown {
        Style::Markdown
    } else {
        Style::Terminal
    };
    println!("{}", render(&columns, &outcomes, style));
    let broken = columns
        .iter()
        .zip(&outcomes)
        .any(|(column, outcomes)| is_ours_and_broken(column, outcomes));
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
