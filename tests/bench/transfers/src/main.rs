//! Counts the cache lines that cores take from each other, for each operation of this cache and of
//! its peers.
//!
//! `cargo run --profile instructions -p cache-transfers` runs itself under valgrind, whose tool
//! lackey prints each memory access. Threads that take turns, one operation each, share a cache. A
//! model of private caches with the MESI protocol reads the accesses and counts the lines that a
//! core cannot use before another core gives them up. So the counts say what an operation costs on
//! as many cores as there are threads, on a machine with few. They do not depend on the machine's
//! load.
//!
//! What is counted: all accesses of the operations, those to the stack and in the allocator
//! included. A line that only one thread uses is never transferred. What is not: the wait for a
//! core that holds a lock, because operations do not overlap, and the kernel.

#![deny(unsafe_code)]
#![allow(missing_docs, reason = "a program")]

mod budgets;
mod count;
mod marks;
mod mesi;
mod sites;
mod subjects;
mod system;
mod trace;
mod turns;

use std::process::ExitCode;

use clap::{Parser, ValueEnum as _};
use comfy_table::Table;

use sites::Sources;
use subjects::{Operation, Subject, name};
use trace::{Counts, Run};

/// Counts the cache lines that cores take from each other, for each operation of a shared cache.
///
/// The program runs itself under valgrind. Threads take turns, one operation each, and a model of
/// private caches (MESI) reads their memory accesses, with a core for each thread.
///
/// A transfer is an access for which cores exchange messages: to a line that another core has
/// modified, to a line that a write of another core took away, or a write to a line that other
/// cores hold. The first access of a core to a line that no core has modified is not a transfer.
///
/// The table shows transfers for each call. With `--sites` the program also prints how many lines
/// they concern: a call that reads a line and then writes to it can have two transfers of one line.
#[derive(Debug, Parser)]
struct Arguments {
    /// Numbers of threads, each of which has a core of its own.
    #[arg(long, value_delimiter = ',', default_value = "2,8,32,64")]
    #[arg(value_parser = clap::value_parser!(u8).range(2..=64))]
    threads: Vec<u8>,
    /// The caches, and the controls: two counters, whose transfers are known.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "controls,this-cache,quick_cache,moka"
    )]
    subjects: Vec<Subject>,
    /// The operations. Each subject runs those that it has.
    #[arg(long, value_delimiter = ',')]
    operations: Vec<Operation>,
    /// Entries of each cache, and calls of each operation, once to warm up and once to be counted.
    #[arg(long, default_value = "2048")]
    #[arg(value_parser = clap::value_parser!(u64).range(256..))]
    entries: u64,
    /// Bytes of a cache line, a power of two. Some processors fetch two lines of 64 at once.
    #[arg(long, default_value = "64", value_parser = power_of_two)]
    line_bytes: u64,
    /// Prints this many places in the sources with the most transfers, for each count.
    #[arg(long, default_value = "0")]
    sites: usize,
    /// Fails if an operation of this cache has more transfers than its budget, or a control has
    /// another number than is known. Runs 8 threads and 512 entries.
    #[arg(long, conflicts_with_all = ["threads", "subjects", "operations", "entries", "line_bytes"])]
    check: bool,
    /// Runs what valgrind traces.
    #[arg(long, hide = true)]
    traced: bool,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if arguments.operations.is_empty() {
        arguments.operations = Operation::value_variants().to_vec();
    }
    if arguments.check {
        arguments.subjects = vec![Subject::Controls, Subject::Ours];
        arguments.threads = vec![budgets::THREADS];
        arguments.entries = budgets::ENTRIES;
    }
    arguments.operations.sort_unstable();
    arguments.operations.dedup();
    if arguments.traced {
        trace::run_traced(&arguments.run(arguments.subjects[0], arguments.threads[0]));
        return ExitCode::SUCCESS;
    }
    let (table, failures) = measure(&arguments);
    println!("{table}");
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("{}", failures.join("\n"));
    ExitCode::FAILURE
}

impl Arguments {
    fn run(&self, subject: Subject, threads: u8) -> Run {
        Run {
            subject,
            threads,
            entries: self.entries,
            operations: self.operations_of(subject),
        }
    }

    fn operations_of(&self, subject: Subject) -> Vec<Operation> {
        let operations = self.operations.iter().copied();
        operations.filter(|&of| subject.has(of)).collect()
    }
}

fn power_of_two(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(bytes) if u64::is_power_of_two(bytes) => Ok(bytes),
        Ok(bytes) => Err(format!("{bytes} is not a power of two")),
        Err(error) => Err(error.to_string()),
    }
}

/// Transfers for each operation, as a table, and what `--check` finds wrong.
fn measure(arguments: &Arguments) -> (Table, Vec<String>) {
    let mut failures = Vec::new();
    let mut rows: Vec<(Operation, Subject, Vec<String>)> = Vec::new();
    for &subject in &arguments.subjects {
        let operations = arguments.operations_of(subject);
        if operations.is_empty() {
            continue;
        }
        let mut counts = Vec::new();
        for &threads in &arguments.threads {
            eprintln!("{}, {threads} threads", name(subject));
            let run = arguments.run(subject, threads);
            let count = trace::count(&run, arguments.line_bytes);
            print_sites(&run, &count, arguments.sites);
            if arguments.check {
                failures.extend(budgets::failures(&run, &count.tallies));
            }
            counts.push(count.tallies);
        }
        for (number, operation) in operations.into_iter().enumerate() {
            let rates = counts.iter().map(|tallies| tallies[number].rate());
            let cells = rates.map(|rate| format!("{rate:.2}")).collect();
            rows.push((operation, subject, cells));
        }
    }
    // Stable: the subjects keep their order.
    rows.sort_by_key(|row| row.0);
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    let threads = arguments.threads.iter().map(u8::to_string);
    table.set_header(
        ["operation", "cache"]
            .map(str::to_owned)
            .into_iter()
            .chain(threads),
    );
    for (operation, subject, cells) in rows {
        table.add_row([name(operation), name(subject)].into_iter().chain(cells));
    }
    (table, failures)
}

fn print_sites(run: &Run, counts: &Counts, most: usize) {
    if most == 0 {
        return;
    }
    let sources = Sources::new(counts.program);
    for (&operation, tally) in run.operations.iter().zip(&counts.tallies) {
        println!(
            "{} of {}, {} threads: {:.3} transfers of {:.3} lines for each of {} calls",
            name(operation),
            name(run.subject),
            run.threads,
            tally.rate(),
            tally.per_operation(tally.lines),
            tally.operations,
        );
        for place in sources.largest(tally, most) {
            println!("  {place}");
        }
    }
}
