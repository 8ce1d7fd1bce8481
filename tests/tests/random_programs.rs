//! Random programs beside a sequential model: several tasks that load, cancel, write, remove and let
//! time pass, in an order that chance decides. What each of them saw must be explained by one order
//! of events, and at the end everything must add up.
//!
//! A program that fails is made as small as it gets. More programs than by default:
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

use proptest::prelude::*;

use program::{Kinds, programs};

/// As many programs as the environment asks for, or else so many that it takes some seconds.
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
    fn what_tasks_see_of_loads_and_writes_follows_one_order(program in programs(Kinds::Loads)) {
        run::try_out(&program);
    }

    #[test]
    fn what_tasks_see_of_batches_too_follows_one_order(program in programs(Kinds::Batches)) {
        run::try_out(&program);
    }

    #[test]
    fn a_miss_starts_a_load_or_joins_one(program in programs(Kinds::Answers)) {
        run::try_out(&program);
    }

    #[test]
    fn a_cache_with_little_room_forgets_and_does_not_lie(program in programs(Kinds::SmallCapacity)) {
        run::try_out(&program);
    }
}
