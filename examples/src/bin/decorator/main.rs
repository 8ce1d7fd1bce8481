//! `#[cached]` at work: a herd, a hit, a forced reload, a method, errors and eviction, each with
//! the number of queries that a real database received.
//!
//! `pages.rs` has the decorated functions. Exit code 0: every promise held; 1: at least one did
//! not; 2: the program could not run.

mod chapters;
mod pages;

use std::error::Error;
use std::process::ExitCode;

use cache_examples::bar::Bar;
use cache_examples::figures::counted;
use cache_examples::report::Report;
use cache_examples::shop::{Shop, Stage, Stock, create};
use cache_examples::temporary::TemporaryFile;
use clap::Parser;

/// Any error that stops the program.
type BoxError = Box<dyn Error + Send + Sync>;

#[derive(Debug, Parser)]
#[command(name = "decorator", version, about = ABOUT)]
struct Flags {
    /// Users in the database
    #[arg(long, value_name = "N", default_value_t = 5_000,
        value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    users: u64,

    /// Orders in the database
    #[arg(long, value_name = "N", default_value_t = 50_000,
        value_parser = clap::value_parser!(u64).range(10..=10_000_000))]
    orders: u64,

    /// Concurrent requests for one page
    #[arg(long, value_name = "N", default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(2..=100_000))]
    herd: u64,

    /// Calls that hit, to measure the time of one
    #[arg(long, value_name = "N", default_value_t = 100_000,
        value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    hits: u64,
}

const ABOUT: &str = "What #[cached] does for functions and methods that query a real database.";

/// Runs on one thread. While one task makes its calls, no other task can complete them, so every
/// figure is exact.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let mut report = Report::new();
    let file = TemporaryFile::new("decorator");
    match tour(&flags, &file, &mut report).await {
        Ok(()) => report.finish(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn tour(flags: &Flags, file: &TemporaryFile, report: &mut Report) -> Result<(), BoxError> {
    let shop = database(flags, file)?;
    report.text(&format!(
        "A shop with {} and {} in SQLite, and functions that query it, each with one more line: \
         #[cached(…)].",
        counted(flags.users, "user", "users"),
        counted(flags.orders, "order", "orders"),
    ));
    chapters::herd(flags.herd, &shop, report).await?;
    chapters::hits(flags.hits, &shop, report).await?;
    chapters::reload(&shop, report).await?;
    chapters::method(&shop, report).await?;
    chapters::errors(flags.herd, &shop, report).await?;
    chapters::eviction(&shop, report).await?;
    Ok(())
}

fn database(flags: &Flags, file: &TemporaryFile) -> Result<Shop, BoxError> {
    let stock = Stock {
        users: flags.users,
        orders: flags.orders,
        seed: 42,
    };
    let bar = Bar::new(flags.users + flags.orders, "making the database");
    create(file.path(), stock, &mut |stage| match stage {
        Stage::Rows(rows) => bar.set(rows),
        Stage::Indexing => bar.rename("building the indexes"),
    })?;
    Ok(Shop::open(file.path(), 4)?)
}
