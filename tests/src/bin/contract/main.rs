//! Prints a table of the promises that each runtime keeps.
//!
//! `cargo run -p cache-tests --bin contract` runs the contract on each runtime and prints the
//! table. With `-- --check` it compares the table with the one in `docs/promises.md`, and with
//! `-- --write` it writes the table to that page. It fails if a promise is broken.

mod programs;
mod table;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use programs::{COLUMNS, Column, Report};

/// Prints the promises that each runtime keeps.
#[derive(Debug, Parser)]
struct Args {
    /// Fail if the table in docs/promises.md differs.
    #[arg(long)]
    check: bool,
    /// Write the table into docs/promises.md.
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Only this runtime, by the name of its column; may be repeated.
    #[arg(long, value_name = "RUNTIME", conflicts_with_all = ["check", "write"])]
    only: Vec<String>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse();
    let columns = wanted(&args.only)?;
    let root = root();
    let mut reports = Vec::new();
    for column in &columns {
        let report = column.run(&root)?;
        eprintln!("{}: {report}", column.name);
        reports.push(report);
    }
    let names: Vec<_> = columns.iter().map(|column| column.name).collect();
    let drawn = table::draw(&names, &reports)?;
    println!("{drawn}");
    let quoted = if args.write {
        write(&root.join(PAGE), &drawn)?;
        true
    } else {
        !args.check || is_quoted(&root.join(PAGE), &drawn)?
    };
    let kept = reports.iter().all(Report::is_kept);
    Ok(if kept && quoted {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn wanted(only: &[String]) -> Result<Vec<&'static Column>, String> {
    let is_column = |name: &&String| COLUMNS.iter().any(|column| column.name == **name);
    if let Some(unknown) = only.iter().find(|name| !is_column(name)) {
        let names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
        return Err(format!(
            "--only is {unknown:?}, but it must be one of {names:?}"
        ));
    }
    let wanted = |column: &&Column| only.is_empty() || only.iter().any(|name| name == column.name);
    Ok(COLUMNS.iter().filter(wanted).collect())
}

/// The root of the workspace.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .parent()
        .expect("the package is in a workspace")
        .to_owned()
}

/// The page that quotes the table, from the root of the workspace.
const PAGE: &str = "docs/promises.md";

/// The lines around the table in the page.
const MARKS: [&str; 2] = ["<!-- contract -->\n", "\n<!-- /contract -->"];

/// Splits the page into the text before the table, the table, and the text after it.
fn quotation(text: &str) -> Result<[&str; 3], String> {
    let parts = text.split_once(MARKS[0]);
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?)));
    let (before, (quoted, after)) =
        parts.ok_or_else(|| format!("{PAGE} has no table between {MARKS:?}"))?;
    Ok([before, quoted, after])
}

fn is_quoted(page: &Path, drawn: &str) -> Result<bool, Box<dyn Error>> {
    let text = fs::read_to_string(page)?;
    let [_, quoted, _] = quotation(&text)?;
    if quoted != drawn {
        eprintln!("The table in {PAGE} differs:\n{quoted}");
        eprintln!("`cargo run -p cache-tests --bin contract -- --write` writes this one.");
    }
    Ok(quoted == drawn)
}

fn write(page: &Path, drawn: &str) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(page)?;
    let [before, _, after] = quotation(&text)?;
    let [opens, closes] = MARKS;
    Ok(fs::write(
        page,
        format!("{before}{opens}{drawn}{closes}{after}"),
    )?)
}
