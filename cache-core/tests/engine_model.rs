//! Compares the engine with a naive model after every call.
//!
//! To run more cases:
//! `PROPTEST_CASES=100000 cargo test --release -p cache-core --test engine_model`.

#[path = "engine_model/mod.rs"]
mod engine_model;

use cache_core::machine::{
    Capacity, Effects, Engine, Entry, EntryLimits, FreshnessSettings, Instant, Settings, Ttl,
};
use proptest::prelude::*;

use engine_model::op::{Case, Op, Step};
use engine_model::{Pair, cases, cases_with_panics};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_agrees_with_a_naive_model(case in cases()) {
        Pair::try_out(&case);
    }

    #[test]
    fn panicking_foreign_code_leaves_the_engine_unchanged(case in cases_with_panics()) {
        Pair::try_out(&case);
    }
}

#[test]
fn a_refresh_whose_search_for_the_value_panics_leaves_the_flight_of_the_key() {
    let step = |op, fuse| Step { op, fuse };
    let limits = EntryLimits::new(Ttl::Default, 1);
    let mut settings = Settings::default();
    settings.freshness = Some(FreshnessSettings::default());
    Pair::try_out(&Case {
        settings,
        capacity: None,
        answers: None,
        keys: 7,
        steps: vec![
            // Its hash is that of key 0, so the engine compares the keys.
            step(Op::Insert(5, limits), None),
            step(Op::Join(0), None),
            step(Op::Refresh(0), Some(2)),
        ],
    });
}

/// Not covered by the model, which lets the default policy choose its victims.
#[test]
fn shared_reads_count_as_hits_for_the_policy_and_peeks_do_not() {
    assert!(outlives_a_scan(|engine, key| engine.get(key, &key, || NOW)));
    assert!(!outlives_a_scan(|engine, key| engine.peek(
        key,
        &key,
        || NOW
    )));
}

/// Whether a key that was inserted into a full engine, and is read twice at every step, is still
/// stored after a hundred others.
fn outlives_a_scan(read: impl Fn(&Engine<u32, u32>, u32) -> Option<&u32>) -> bool {
    let mut engine = Engine::new(Settings::default(), Capacity::new(10));
    let mut fx = Effects::new();
    for key in 0..120 {
        let inserted = engine.insert(key, Entry::new(key, key), NOW, &mut fx);
        assert!(inserted.is_ok());
        for _ in 0..2 {
            read(&engine, 20);
        }
    }
    read(&engine, 20).is_some()
}

const NOW: Instant = Instant::ORIGIN;
