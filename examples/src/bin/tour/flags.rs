//! The flags, and the sizes that they set.

use std::env;
use std::path::{Path, PathBuf};

use cache_examples::figures::count;
use cache_examples::shop::Stock;
use clap::Parser;

use crate::runtime::Choice;

#[derive(Debug, Parser)]
#[command(name = "tour", version, about = ABOUT, next_line_help = true)]
pub(crate) struct Flags {
    /// Small sizes, for a run of a few seconds; other flags can still override them
    #[arg(long)]
    quick: bool,

    /// The runtime that the tour runs on
    #[arg(long, value_enum, default_value = "tokio")]
    runtime: Choice,

    #[arg(long, value_name = "PATH", help = DATABASE)]
    database: Option<PathBuf>,

    #[arg(long, value_name = "N", value_parser = number::<1, 10_000_000>,
        help = help("Users in the database", FULL.users, QUICK.users))]
    users: Option<u64>,

    #[arg(long, value_name = "N", value_parser = number::<1, 100_000_000>,
        help = help("Orders in the database", FULL.orders, QUICK.orders))]
    orders: Option<u64>,

    #[arg(long, value_name = "N", value_parser = number::<2, 100_000>,
        help = help("Concurrent requests for one expired key", FULL.herd, QUICK.herd))]
    herd: Option<u64>,

    #[arg(long, value_name = "N", value_parser = number::<1, 100_000_000>,
        help = help("Requests of each read-through load", FULL.requests, QUICK.requests))]
    requests: Option<u64>,

    #[arg(long, value_name = "N,N,...", value_delimiter = ',',
        value_parser = number::<0, 10_000_000>, help = capacities())]
    capacities: Option<Vec<u64>>,

    #[arg(long, value_name = "N", value_parser = number::<1, 10_000_000>,
        help = help("Users that are loaded before the first request", FULL.warm, QUICK.warm))]
    warm: Option<u64>,

    /// Clients that send these requests, each one at a time
    #[arg(long, value_name = "N", value_parser = number::<1, 100_000>, default_value = "16")]
    clients: u64,

    /// Database connections that answer them
    #[arg(long, value_name = "N", value_parser = number::<1, 256>, default_value = "4")]
    connections: u64,

    /// Exponent of Zipf's law: how unevenly users are requested, 0.5 is
    /// mild, 1.5 is steep
    #[arg(long, value_name = "S", value_parser = exponent, default_value = "1.0",
        verbatim_doc_comment)]
    zipf_exponent: f64,

    /// Seed of the random numbers: one seed, one database, one sequence
    /// of requests
    #[arg(long, value_name = "N", value_parser = number::<0, { u64::MAX }>, default_value = "42",
        verbatim_doc_comment)]
    seed: u64,
}

/// The values of all flags, defaults included.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) runtime: Choice,
    pub(crate) database: PathBuf,
    pub(crate) stock: Stock,
    pub(crate) herd: u64,
    pub(crate) requests: u64,
    pub(crate) capacities: Vec<u64>,
    pub(crate) warm: u64,
    pub(crate) clients: u64,
    pub(crate) connections: usize,
    pub(crate) zipf_exponent: f64,
}

impl Flags {
    pub(crate) fn plan(self) -> Plan {
        let sizes = if self.quick { &QUICK } else { &FULL };
        let mut capacities = self.capacities.unwrap_or_else(|| sizes.capacities.to_vec());
        capacities.sort_unstable();
        capacities.dedup();
        Plan {
            runtime: self.runtime,
            database: self
                .database
                .unwrap_or_else(|| default_folder().join(sizes.file)),
            stock: Stock {
                users: self.users.unwrap_or(sizes.users),
                orders: self.orders.unwrap_or(sizes.orders),
                seed: self.seed,
            },
            herd: self.herd.unwrap_or(sizes.herd),
            requests: self.requests.unwrap_or(sizes.requests),
            capacities,
            warm: self.warm.unwrap_or(sizes.warm),
            clients: self.clients,
            connections: self.connections as usize,
            zipf_exponent: self.zipf_exponent,
        }
    }
}

// The lines are broken by hand for a terminal of 80 columns.
const ABOUT: &str = "\
A guided tour of the cache in front of a real SQLite database.

The first run creates the database; later runs with the same sizes and seed use
it again. Every figure that the tour promises is checked. The exit code is 0 if
all of them hold, 1 if one does not, 2 if the tour could not run.";

const DATABASE: &str = "\
The database file [default: tour.sqlite, or tour-quick.sqlite, in the
directory target if there is one, else in that for temporary files]";

struct Sizes {
    file: &'static str,
    users: u64,
    orders: u64,
    herd: u64,
    requests: u64,
    capacities: &'static [u64],
    warm: u64,
}

const FULL: Sizes = Sizes {
    file: "tour.sqlite",
    users: 100_000,
    orders: 1_000_000,
    herd: 1_000,
    requests: 400_000,
    capacities: &[1_000, 10_000, 50_000],
    warm: 10_000,
};

const QUICK: Sizes = Sizes {
    file: "tour-quick.sqlite",
    users: 5_000,
    orders: 50_000,
    herd: 1_000,
    requests: 20_000,
    capacities: &[50, 500, 2_500],
    warm: 500,
};

fn default_folder() -> PathBuf {
    let target = Path::new("target");
    if target.is_dir() {
        target.to_owned()
    } else {
        env::temp_dir()
    }
}

fn number<const MIN: u64, const MAX: u64>(text: &str) -> Result<u64, String> {
    match text.replace('_', "").parse() {
        Ok(number) if (MIN..=MAX).contains(&number) => Ok(number),
        _ => Err(format!(
            "must be a whole number from {} to {}",
            count(MIN),
            count(MAX)
        )),
    }
}

fn exponent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(exponent) if exponent > 0.0 && exponent <= 10.0 => Ok(exponent),
        _ => Err("must be a number above 0 and not above 10".to_owned()),
    }
}

fn help(what: &str, full: u64, quick: u64) -> String {
    if full == quick {
        return format!("{what} [default: {full}]");
    }
    format!("{what} [default: {full}; --quick: {quick}]")
}

fn capacities() -> String {
    let (full, quick) = (list(FULL.capacities), list(QUICK.capacities));
    let what = "Sizes of cache to compare, in entries; 0 stores nothing";
    format!("{what}\n[default: {full}; --quick: {quick}]")
}

fn list(numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    numbers.join(",")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Flags::command().debug_assert();
    }

    #[test]
    fn quick_sizes_can_be_overridden_one_by_one() {
        let flags = [
            "tour",
            "--quick",
            "--users",
            "7_000",
            "--capacities",
            "9,3,9",
        ];
        let plan = Flags::parse_from(flags).plan();
        assert_eq!((plan.stock.users, plan.stock.orders), (7_000, QUICK.orders));
        assert_eq!(plan.capacities, [3, 9]);
    }

    #[test]
    fn a_bad_value_is_named_with_its_rule() {
        let complaints = [
            (
                ["--herd", "1"],
                "'1' for '--herd <N>': must be a whole number from 2",
            ),
            (
                ["--capacities", "5,x"],
                "'x' for '--capacities <N,N,...>': must be a whole number",
            ),
            (
                ["--zipf-exponent", "0"],
                "'0' for '--zipf-exponent <S>': must be a number above 0",
            ),
        ];
        for ([flag, value], complaint) in complaints {
            let error = Flags::try_parse_from(["tour", flag, value])
                .unwrap_err()
                .to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
