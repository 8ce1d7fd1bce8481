//! Blocking loads: one thread, whose loaders are sync closures.

use std::cell::Cell;

use cache_core::{LoadError, Loaded, Ttl};

use crate::contract::support::common::{SECOND, boom, caught, seconds};
use crate::harness::{Cache, advance, run, runtime};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

/// A loader of `value` that borrows a counter, and is neither `'static` nor `Send`.
fn counted<T>(calls: &Cell<u32>, value: T) -> impl FnOnce() -> T {
    || {
        calls.set(calls.get() + 1);
        value
    }
}

#[test]
fn every_blocking_method_loads_a_missing_key_once_and_then_returns_the_stored_value() {
    run(|| async {
        let (cache, calls) = (cache(), Cell::new(0));
        let blocking = cache.blocking();
        for _ in 0..2 {
            let ok = || counted(&calls, Ok::<u64, String>(2));
            let some = || counted(&calls, Ok::<_, String>(Some(4)));
            let loaded = || counted(&calls, Ok::<_, String>(Loaded::new(5)));
            assert_eq!(blocking.get_with(1, counted(&calls, 1)), 1);
            assert_eq!(blocking.try_get_with(2, ok()).unwrap(), 2);
            assert_eq!(
                blocking.optionally_get_with(3, counted(&calls, Some(3))),
                Some(3)
            );
            assert_eq!(
                blocking.try_optionally_get_with(4, some()).unwrap(),
                Some(4)
            );
            assert_eq!(blocking.load_with(5, loaded()).unwrap(), 5);
            assert_eq!(blocking.get_with_by_ref(&6, counted(&calls, 6)), 6);
            assert_eq!(blocking.try_get_with_by_ref(&7, ok()).unwrap(), 2);
            assert_eq!(
                blocking.optionally_get_with_by_ref(&8, counted(&calls, Some(8))),
                Some(8)
            );
            assert_eq!(
                blocking.try_optionally_get_with_by_ref(&9, some()).unwrap(),
                Some(4)
            );
            assert_eq!(blocking.load_with_by_ref(&10, loaded()).unwrap(), 5);
        }
        assert_eq!(calls.get(), 10);
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses), (10, 10));
        assert_eq!((stats.loads, stats.load_successes), (10, 10));
    });
}

#[test]
fn a_blocking_load_stores_the_ttl_of_its_loader() {
    run(|| async {
        let cache = cache();
        let load = || Ok::<_, String>(Loaded::new(10).ttl(Ttl::After(SECOND)));
        assert_eq!(cache.blocking().load_with(1, load).unwrap(), 10);
        advance(SECOND).await;
        assert_eq!(cache.get(&1), None);
    });
}

#[test]
fn a_blocking_load_stores_neither_none_nor_an_error() {
    run(|| async {
        let cache = cache();
        let blocking = cache.blocking();
        assert_eq!(blocking.optionally_get_with(1, || None), None);
        let found = blocking.try_optionally_get_with(1, || Ok::<_, String>(None));
        assert_eq!(found.unwrap(), None);
        let failed = blocking.try_get_with(1, || Err("down"));
        assert_eq!(failed.unwrap_err().loader(), Some(&"down"));
        assert_eq!(blocking.get_with(1, || 10), 10);
    });
}

#[test]
fn a_remembered_result_answers_a_blocking_call() {
    run(|| async {
        let builder = Cache::<u32, u64>::builder_on(runtime());
        let cache = builder.error_ttl(SECOND).negative_ttl(SECOND).build();
        let (blocking, calls) = (cache.blocking(), Cell::new(0));
        for _ in 0..2 {
            let failed = blocking.try_get_with(1, counted(&calls, Err::<u64, _>("down")));
            assert_eq!(failed.unwrap_err().loader(), Some(&"down"));
            assert_eq!(blocking.optionally_get_with(2, counted(&calls, None)), None);
        }
        assert_eq!(calls.get(), 2);
        advance(SECOND).await;
        assert_eq!(blocking.get_with(1, counted(&calls, 10)), 10);
        assert_eq!(calls.get(), 3);
    });
}

#[test]
fn a_blocking_caller_gets_the_panic_of_its_loader_and_the_next_call_loads_again() {
    run(|| async {
        let cache = cache();
        let blocking = cache.blocking();
        let panicked = caught(|| blocking.get_with(1, || boom()));
        assert_eq!(panicked.unwrap_err(), "boom");
        assert_eq!(cache.flight_count(), 0);
        assert_eq!(blocking.get_with(1, || 10), 10);
    });
}

#[test]
fn a_blocking_loader_that_loads_its_own_key_gets_an_error_or_a_panic_that_says_so() {
    run(|| async {
        let cache = cache();
        let blocking = cache.blocking();
        let value = blocking.get_with(1, || {
            blocking.get_with(2, || {
                let error = blocking.try_get_with(1, || Ok::<_, String>(0)).unwrap_err();
                assert!(matches!(error, LoadError::Reentrant));
                let panicked = caught(|| blocking.get_with(2, || 0)).unwrap_err();
                let expected = LoadError::<String>::Reentrant.to_string();
                assert!(panicked.contains(&expected), "{panicked}");
                20
            }) + 1
        });
        assert_eq!(value, 21);
        assert_eq!((cache.peek(&1), cache.peek(&2)), (Some(21), Some(20)));
    });
}

#[test]
fn a_write_fences_a_blocking_load() {
    run(|| async {
        let cache = cache();
        let loaded = cache.blocking().get_with(1, || {
            cache.insert(1, 99);
            10
        });
        assert_eq!((loaded, cache.peek(&1)), (10, Some(99)));
    });
}

#[test]
fn a_blocking_loader_that_exceeds_the_load_timeout_is_not_interrupted() {
    run(|| async {
        let (runtime, set_clock) = crate::harness::runtime_with_clock();
        let builder = Cache::<u32, u64>::builder_on(runtime);
        let cache = builder.load_timeout(SECOND).build();
        let start = crate::contract::support::common::now(&cache);
        let value = cache.blocking().get_with(1, || {
            set_clock(start.after(seconds(60)));
            10
        });
        assert_eq!((value, cache.peek(&1)), (10, Some(10)));
    });
}
