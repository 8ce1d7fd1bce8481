//! Counts the instructions of one operation of the cache, by callgrind, and compares them with
//! budgets.
//!
//! `cargo run --profile instructions -p cache-instructions` runs itself under valgrind, prints a
//! table and fails if an operation takes more instructions than its budget. Each figure is the
//! difference of two run lengths, so the set-up does not count. The same binary takes the same
//! number of instructions on every run.
//!
//! Setup: capacity 50,000, `u64` keys and values, a fixed hash seed, one thread, thin LTO, one
//! codegen unit.

#![allow(missing_docs, reason = "a program")]

mod operations;

use std::env;
use std::fmt::Write as _;
use std::process::{Command, ExitCode};

use clap::{Parser, ValueEnum};
use comfy_table::Table;

use operations::{Operation, Subject};

/// The lengths whose difference is measured.
const SHORT: u64 = 20_000;
const LONG: u64 = 120_000;

/// The most instructions that an operation of this cache may take: 2 to 3 % above the count of
/// today, because another path of the sources or another C library changes the code a little. A
/// change that needs fewer instructions lowers the budget.
const BUDGETS: &[(Operation, u64)] = &[
    (Operation::Get, 148),
    (Operation::GetTtl, 265),
    (Operation::GetWith, 174),
    (Operation::GetWithTtl, 298),
    (Operation::GetFresh, 319),
    (Operation::GetWithFresh, 343),
    (Operation::GetTier, 288),
    (Operation::GetWithTier, 312),
    (Operation::GetScraped, 148),
    (Operation::GetWithScraped, 174),
    (Operation::Insert, 540),
    (Operation::InsertTtl, 824),
    (Operation::Miss, 1_338),
    (Operation::LruGet, 234),
    (Operation::LruInsert, 440),
    (Operation::LruMiss, 1_298),
];

#[derive(Debug, Parser)]
#[command(about = "Counts instructions of cache operations by callgrind")]
struct Arguments {
    /// Runs one operation this many times, without valgrind.
    #[arg(long, num_args = 3, value_names = ["SUBJECT", "OPERATION", "COUNT"])]
    run: Option<Vec<String>>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(run) = arguments.run {
        let subject = Subject::from_str(&run[0], false).expect("a subject");
        let operation = Operation::from_str(&run[1], false).expect("an operation");
        let count = run[2].parse().expect("a number of operations");
        operations::run(subject, operation, count);
        return ExitCode::SUCCESS;
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header([
        "operation",
        "this cache",
        "budget",
        "quick_cache",
        "hashlink LRU",
    ]);
    let mut failures = String::new();
    let of = |operation| count(Subject::Ours, operation).expect("this cache has every operation");
    for (operation, budget) in BUDGETS {
        let ours = of(*operation);
        if ours > *budget {
            let name = operation.name();
            writeln!(failures, "{name}: {ours} instructions, budget {budget}").expect("a string");
        }
        let peers = [Subject::QuickCache, Subject::Hashlink];
        let peers = peers.map(|peer| count(peer, *operation).map(|count| count.to_string()));
        let [quick_cache, hashlink] = peers.map(|peer| peer.unwrap_or_else(|| "–".to_owned()));
        table.add_row([
            operation.name(),
            ours.to_string(),
            budget.to_string(),
            quick_cache,
            hashlink,
        ]);
    }
    println!("{table}");
    let pairs = [
        (Operation::Get, Operation::GetScraped),
        (Operation::GetWith, Operation::GetWithScraped),
    ];
    for (plain, scraped) in pairs {
        let (alone, beside) = (of(plain), of(scraped));
        if alone != beside {
            let name = plain.name();
            writeln!(
                failures,
                "{name}: {alone} instructions, {beside} in a cache that is scraped"
            )
            .expect("a string");
        }
    }
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("above the budget, or changed by a scrape:\n{failures}");
    ExitCode::FAILURE
}

/// The instructions of one operation; `None` if the subject does not have it.
fn count(subject: Subject, operation: Operation) -> Option<u64> {
    if !operations::has(subject, operation) {
        return None;
    }
    let [short, long] = [SHORT, LONG].map(|count| instructions(subject, operation, count));
    Some((long - short) / (LONG - SHORT))
}

/// The instructions of a whole run.
fn instructions(subject: Subject, operation: Operation, count: u64) -> u64 {
    let program = env::current_exe().expect("a path of this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([
            "--run",
            &subject.name(),
            &operation.name(),
            &count.to_string(),
        ])
        .output()
        .expect("valgrind runs: install it (Debian: apt-get install valgrind)");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let collected = log.lines().find_map(|line| line.split_once("Collected :"));
    let (_, collected) = collected.unwrap_or_else(|| panic!("valgrind prints no count: {log}"));
    collected.trim().parse().expect("a number of instructions")
}
