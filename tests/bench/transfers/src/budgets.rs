//! The most transfers that operations may have.

use crate::count::Tally;
use crate::subjects::{Operation, name};
use crate::trace::Run;

/// The run for which the budgets are.
pub(crate) const THREADS: u8 = 8;
pub(crate) const ENTRIES: u64 = 512;

/// The least and the most transfers for each call of an operation of this cache, or of a control.
///
/// A hit has none, with two exceptions: exact LRU logs its hits in one order, and an idle expiry
/// takes the lock of the shard. The budgets of these, and of operations that write, are a few
/// percent above the count of today. A change that needs fewer transfers lowers the budget.
const fn limits(operation: Operation) -> (f64, f64) {
    match operation {
        Operation::SharedCounter => (1.0, 1.0),
        Operation::OwnCounter | Operation::Get | Operation::GetTtl | Operation::GetWith => {
            (0.0, 0.0)
        }
        Operation::GetIdle => (0.0, 4.8),
        Operation::GetLru => (0.0, 2.5),
        Operation::Mixed => (0.0, 2.2),
        Operation::Insert => (0.0, 20.0),
        Operation::InsertFree => (0.0, 29.0),
        Operation::Miss => (0.0, 27.0),
    }
}

/// The counts of `run` outside of their limits.
pub(crate) fn failures(run: &Run, tallies: &[Tally]) -> Vec<String> {
    let mut failures = Vec::new();
    for (&operation, tally) in run.operations.iter().zip(tallies) {
        let (least, most) = limits(operation);
        let rate = tally.rate();
        if tally.operations == 0 || rate < least || rate > most {
            let (operation, calls) = (name(operation), tally.operations);
            failures.push(format!(
                "{operation}: {rate:.3} transfers for each of {calls} calls, not {least} to {most}"
            ));
        }
    }
    failures
}
