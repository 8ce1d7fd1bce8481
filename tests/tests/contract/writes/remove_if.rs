//! `remove_if`: one entry is removed if a condition holds for its value.

use cache_core::RemovalCause;

use crate::contract::support::backend::{Backend, parked};
use crate::contract::support::common::{Notices, SECOND, after, boom, caught};
use crate::harness::{Cache, advance, run, runtime};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

#[test]
fn an_entry_is_removed_exactly_if_the_condition_holds() {
    run(|| async {
        let notices = Notices::new();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .eviction_listener(notices.listener())
            .build();
        cache.insert(1, 10);
        cache.insert(2, 20);
        assert_eq!(
            cache.remove_if(&1, |key, value| (*key, *value) != (1, 10)),
            None
        );
        assert_eq!(cache.get(&1), Some(10));
        assert!(notices.take().is_empty());
        assert_eq!(
            cache.remove_if(&1, |key, value| (*key, *value) == (1, 10)),
            Some(10)
        );
        assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(20)));
        assert_eq!(notices.take(), [(1, 10, RemovalCause::Explicit)]);
    });
}

#[test]
fn the_condition_does_not_run_without_a_live_entry() {
    run(|| async {
        let cache = cache();
        cache.insert_with_ttl(1, 10, after(1));
        advance(SECOND).await;
        for key in [1, 2] {
            assert_eq!(cache.remove_if(&key, |_, _| boom()), None);
        }
    });
}

#[test]
fn the_condition_runs_again_for_a_value_that_is_written_while_it_runs() {
    run(|| async {
        let cache = cache();
        cache.insert(1, 10);
        let mut seen = Vec::new();
        let removed = cache.remove_if(&1, |_, value| {
            seen.push(*value);
            if *value == 10 {
                cache.insert(1, 11);
            }
            true
        });
        assert_eq!((removed, seen), (Some(11), vec![10, 11]));
        // The new value stays if the condition does not hold for it.
        cache.insert(1, 10);
        let removed = cache.remove_if(&1, |_, value| {
            if *value == 10 {
                cache.insert(1, 11);
            }
            *value == 10
        });
        assert_eq!((removed, cache.get(&1)), (None, Some(11)));
    });
}

#[test]
fn a_value_that_is_written_again_unchanged_is_checked_again() {
    run(|| async {
        let cache = cache();
        cache.insert(1, 10);
        let mut checks = 0;
        let removed = cache.remove_if(&1, |_, _| {
            checks += 1;
            if checks == 1 {
                cache.remove(&1);
                cache.insert(1, 10);
            }
            true
        });
        assert_eq!((removed, checks), (Some(10), 2));
    });
}

#[test]
fn an_entry_that_is_removed_while_the_condition_runs_is_not_returned() {
    run(|| async {
        let cache = cache();
        cache.insert(1, 10);
        let removed = cache.remove_if(&1, |_, _| {
            cache.invalidate(&1);
            true
        });
        assert_eq!(removed, None);
        assert_eq!(cache.stats().removals(RemovalCause::Explicit), 1);
    });
}

#[test]
fn a_removal_fences_a_refresh_in_flight_and_a_condition_that_does_not_hold_does_not() {
    run(|| async {
        for (holds, stored) in [(true, None), (false, Some(11))] {
            let (cache, backend) = (cache(), Backend::new());
            cache.insert(1, 10);
            let refresh = parked(cache.refresh(1, || backend.answer(Ok::<_, String>(11))));
            let removed = cache.remove_if(&1, |_, _| holds);
            assert_eq!(removed, holds.then_some(10));
            backend.open();
            assert_eq!(refresh.await.unwrap(), 11);
            assert_eq!(cache.get(&1), stored);
        }
    });
}

#[test]
fn a_load_of_a_key_without_an_entry_is_not_fenced() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let load = parked(cache.get_with(1, || backend.answer(10)));
        assert_eq!(cache.remove_if(&1, |_, _| true), None);
        backend.open();
        assert_eq!(load.await, 10);
        assert_eq!(cache.get(&1), Some(10));
    });
}

#[test]
fn a_condition_that_panics_leaves_the_entry() {
    run(|| async {
        let cache = cache();
        cache.insert(1, 10);
        let removed = caught(|| cache.remove_if(&1, |_, _| boom()));
        assert_eq!(removed.unwrap_err(), "boom");
        assert_eq!(cache.get(&1), Some(10));
        assert_eq!(cache.stats().requests(), 1, "remove_if is no request");
    });
}
