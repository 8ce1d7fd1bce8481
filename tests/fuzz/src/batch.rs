//! Compares the batch window with the naive model of `cache-core/tests/batch_window`.

#![no_main]

mod input;
#[path = "../../../cache-core/tests/batch_window/mod.rs"]
mod window;

use std::num::NonZeroUsize;

use arbitrary::{Result, Unstructured};
use cache_core::machine::BatchWindow;
use libfuzzer_sys::{Corpus, fuzz_target};

use input::{span, steps};
use window::{Case, Op, Pair};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    match case(&mut Unstructured::new(bytes)) {
        Ok(case) => Pair::try_out(&case),
        Err(_) => return Corpus::Reject,
    }
    Corpus::Keep
});

fn case(bytes: &mut Unstructured<'_>) -> Result<Case> {
    let window = match bytes.int_in_range(0..=2)? {
        0 => BatchWindow::Fixed(span(bytes)?),
        1 => BatchWindow::Yield(bytes.int_in_range(0..=2)?),
        _ => BatchWindow::Debounce {
            gap: span(bytes)?,
            max: span(bytes)?,
        },
    };
    let max = NonZeroUsize::new(bytes.int_in_range(1..=8)?);
    Ok(Case {
        window,
        max: max.expect("the range begins with 1"),
        ops: steps(bytes, op)?,
    })
}

fn op(bytes: &mut Unstructured<'_>) -> Result<Op> {
    Ok(match bytes.int_in_range(0..=15)? {
        0..=5 => Op::Push,
        6 => Op::TakeOldest(bytes.int_in_range(0..=9)?),
        7..=9 => Op::Take(bytes.arbitrary::<u8>()?.into()),
        10 => Op::Prune(bytes.arbitrary()?),
        11 => Op::PruneBeforePush(0),
        12 => Op::PruneBeforePush(bytes.arbitrary()?),
        13..=14 => Op::Clock(span(bytes)?, false),
        _ => Op::Clock(span(bytes)?, true),
    })
}
