//! Operations whose transfers are known, which check the trace and the model.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Operation, Phase};

/// A counter that shares its line, and the line that is fetched with it, with no other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(AtomicU64);

pub(super) fn set_up(operations: &[Operation]) -> Vec<Phase> {
    operations
        .iter()
        .map(|&operation| phase(operation))
        .collect()
}

fn phase(operation: Operation) -> Phase {
    let counters: Vec<Padded> = (0..64).map(|_| Padded::default()).collect();
    Phase::new(move |call| {
        let own = match operation {
            Operation::OwnCounter => call.thread,
            _ => 0,
        };
        counters[own].0.fetch_add(1, Ordering::Relaxed);
    })
}
