//! Random programs compared with a sequential model. Several tasks load, cancel, write, remove and
//! let time pass, in a random order. One order of events must explain everything that the tasks
//! see, and the totals must add up at the end.
//!
//! proptest shrinks a program that fails. To run more programs:
//! `PROPTEST_CASES=100000 cargo test --release -p cache-tests --test random_programs`.

#![allow(missing_docs)]

#[path = "random_programs/loaders.rs"]
mod loaders;
#[path = "random_programs/outcomes.rs"]
mod outcomes;
#[path = "random_programs/program.rs"]
mod program;
#[path = "random_programs/run.rs"]
mod run;
#[path = "random_programs/sequential_model.rs"]
mod sequential_model;
#[path = "random_programs/stored.rs"]
mod stored;
#[path = "random_programs/streams.rs"]
mod streams;

use proptest::prelude::*;

use program::{Kinds, programs};

/// As many programs as `PROPTEST_CASES` says, or else `usual`, which take some seconds.
fn config(usual: u32) -> ProptestConfig {
    let is_set = std::env::var("PROPTEST_CASES").is_ok();
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: if is_set { config.cases } else { usual },
        failure_persistence: None,
        ..config
    }
}

proptest! {
    #![proptest_config(config(1_500))]

    #[test]
    fn one_order_of_events_explains_all_loads_and_writes(program in programs(Kinds::Loads)) {
        run::try_out(&program);
    }

    #[test]
    fn one_order_of_events_explains_all_batches(program in programs(Kinds::Batches)) {
        run::try_out(&program);
    }

    #[test]
    fn a_miss_starts_a_load_or_joins_one(program in programs(Kinds::Answers)) {
        run::try_out(&program);
    }

    #[test]
    fn a_cache_of_small_capacity_returns_no_wrong_value(program in programs(Kinds::SmallCapacity)) {
        run::try_out(&program);
    }
}
