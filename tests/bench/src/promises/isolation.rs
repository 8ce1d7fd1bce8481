//! Runs each scenario of each cache in a process of its own. A cache that blocks its thread or
//! aborts the process then costs only one cell of the table.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::{Column, Outcome, Scenario, Status};

/// The time limit of a scenario. A scenario needs milliseconds. The limit is in real time, and only
/// a cache that blocks its thread should reach it, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The argument with which `program` runs one scenario and prints its outcome with [`report`]. The
/// package and the scenario's id follow.
pub const CELL: &str = "--cell";

/// Returns the outcomes of every column, in the order of its scenarios.
///
/// `program` must accept [`CELL`].
///
/// # Errors
///
/// Returns an error if `program` cannot be started.
pub fn outcomes(program: &Path, columns: &[Column]) -> io::Result<Vec<Vec<Outcome>>> {
    let cells = columns.iter().flat_map(|column| {
        column
            .scenarios
            .iter()
            .map(|scenario| (column.package, scenario))
    });
    let cells: Vec<_> = cells.collect();
    let outcomes = in_parallel(&cells, |(package, scenario)| {
        outcome(program, package, scenario)
    });
    let mut outcomes = outcomes.into_iter();
    columns
        .iter()
        .map(|column| outcomes.by_ref().take(column.scenarios.len()).collect())
        .collect()
}

/// Prints the outcome of the scenario for the parent process.
pub fn report(outcome: &Outcome) {
    println!("{outcome}");
}

fn outcome(program: &Path, package: &str, scenario: &Scenario) -> io::Result<Outcome> {
    let mut child = Command::new(program)
        .args([CELL, package, scenario.id])
        .stdout(Stdio::piped())
        // Scenarios panic on purpose. The panic messages do not belong in the table.
        .stderr(Stdio::null())
        .spawn()?;
    let Some(status) = wait(&mut child)? else {
        return Ok(Outcome::broken("blocks its thread"));
    };
    let mut printed = String::new();
    child
        .stdout
        .take()
        .map(|mut stdout| stdout.read_to_string(&mut printed))
        .transpose()?;
    Ok(parse(printed.trim_end()).unwrap_or_else(|| outcome_without_report(status)))
}

/// Returns `None` if the process had to be killed.
fn wait(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

fn parse(printed: &str) -> Option<Outcome> {
    let (mark, words) = printed.split_once(' ')?;
    let status = Status::ALL
        .into_iter()
        .find(|status| mark.chars().eq([status.mark()]))?;
    Some(Outcome::new(status, words))
}

/// The outcome of a process that printed none. A panic ends a process with a code, an abort with a
/// signal.
fn outcome_without_report(status: ExitStatus) -> Outcome {
    Outcome::broken(if status.code().is_some() {
        "panics"
    } else {
        "aborts the process"
    })
}

fn in_parallel<T: Sync, U: Send>(items: &[T], work: impl Fn(&T) -> U + Sync) -> Vec<U> {
    let queue = Mutex::new(items.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let next = || {
        queue
            .lock()
            .expect("an iterator over a slice does not panic")
            .next()
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((index, item)) = next() {
                    let result = work(item);
                    done.lock()
                        .expect("pushing does not panic")
                        .push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("pushing does not panic");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
