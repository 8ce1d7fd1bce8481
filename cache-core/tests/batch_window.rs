//! Compares a batch window with a naive model after every call.

#[path = "batch_window/mod.rs"]
mod batch_window;

use proptest::prelude::*;

use batch_window::{Pair, cases};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_window_agrees_with_a_naive_model(case in cases()) {
        Pair::try_out(&case);
    }
}
