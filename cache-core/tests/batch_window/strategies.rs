//! Random operations on a batch window.

use std::num::NonZeroUsize;
use std::time::Duration;

use cache_core::machine::BatchWindow;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Case, Op};

/// Cases with all operations.
pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let op = prop_oneof![
        8 => Just(Op::Push),
        3 => any::<usize>().prop_map(Op::Take),
        1 => any::<u64>().prop_map(Op::Prune),
        4 => wanted().prop_map(Op::PruneBeforePush),
        2 => (0..10_usize).prop_map(Op::TakeOldest),
        3 => (span(), prop::bool::weighted(0.2)).prop_map(|(by, back)| Op::Clock(by, back)),
    ];
    let window = prop_oneof![
        2 => span().prop_map(BatchWindow::Fixed),
        1 => (0..3_u32).prop_map(BatchWindow::Yield),
        3 => (span(), span()).prop_map(|(gap, max)| BatchWindow::Debounce { gap, max }),
    ];
    (window, 1..9_usize, vec(op, 0..80)).prop_map(|(window, max, ops)| Case {
        window,
        max: NonZeroUsize::new(max).expect("the range begins with 1"),
        ops,
    })
}

fn wanted() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), any::<u64>()]
}

fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0..10_u64).prop_map(Duration::from_millis),
        1 => any::<u64>().prop_map(Duration::from_nanos),
        1 => Just(Duration::MAX),
    ]
}
