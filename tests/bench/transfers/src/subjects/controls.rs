//! Operations whose transfers are known, which check the trace and the model.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Operation, Padded, Phase};

pub(super) fn set_up(operations: &[Operation]) -> Vec<Phase> {
    operations
        .iter()
        .map(|&operation| phase(operation))
        .collect()
}

fn phase(operation: Operation) -> Phase {
    let counters: Vec<Padded<AtomicU64>> = (0..64).map(|_| Padded::default()).collect();
    let is_own = operation == Operation::OwnCounter;
    Phase::new(counters, vec![0], move |counters, call| {
        let counter = if is_own { call.thread } else { 0 };
        counters[counter].0.fetch_add(1, Ordering::Relaxed);
    })
}
