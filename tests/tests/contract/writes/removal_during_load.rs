//! Removals of a key during its load: the waiters get the value, and it is not stored.

use crate::contract::support::backend::{Backend, parked, poll_once};
use crate::harness::{Cache, run, runtime, until};

const KEY: u32 = 1;

type Fence = (&'static str, fn(&Cache<u32, u64>));

/// The calls that make every earlier load stale.
const FENCES: [Fence; 4] = [
    ("invalidate", |cache| cache.invalidate(&KEY)),
    ("remove", |cache| assert_eq!(cache.remove(&KEY), None)),
    ("invalidate_all", |cache| cache.invalidate_all()),
    ("drain", |cache| assert!(cache.drain().is_empty())),
];

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

#[test]
fn waiters_get_the_value_of_an_invalidated_load_and_it_is_not_stored() {
    for (name, fence) in FENCES {
        run(|| async move {
            let (cache, backend) = (cache(), Backend::new());
            let leader = parked(cache.get_with(KEY, || backend.answer(10)));
            let waiter = parked(cache.get_with(KEY, || backend.answer(11)));
            fence(&cache);
            assert_eq!(
                cache.flight_count(),
                0,
                "{name}: no load that would be stored"
            );
            backend.open();
            assert_eq!((leader.await, waiter.await), (10, 10), "{name}");
            assert_eq!(cache.peek(&KEY), None, "{name}");
            assert_eq!(cache.entry_count(), 0, "{name}");
            assert_eq!(cache.stats().loads_fenced, 1, "{name}");
            assert_eq!(backend.calls(), 1, "{name}");
        });
    }
}

#[test]
fn a_call_after_an_invalidation_starts_a_newer_load() {
    for (name, fence) in FENCES {
        run(|| async move {
            let (cache, old, new) = (cache(), Backend::new(), Backend::new());
            let early = parked(cache.get_with(KEY, || old.answer(10)));
            fence(&cache);
            let late = parked(cache.get_with(KEY, || new.answer(20)));
            let later = parked(cache.get_with(KEY, || new.answer(21)));
            assert_eq!(cache.flight_count(), 1, "{name}");
            // The older load ends last: its value must not replace the newer one.
            new.open();
            assert_eq!((late.await, later.await), (20, 20), "{name}");
            old.open();
            assert_eq!(early.await, 10, "{name}");
            assert_eq!(cache.peek(&KEY), Some(20), "{name}");
            assert_eq!((old.calls(), new.calls()), (1, 1), "{name}");
        });
    }
}

#[test]
fn a_newer_load_is_not_ended_by_the_older_one() {
    for (name, fence) in FENCES {
        run(|| async move {
            let (cache, old, new) = (cache(), Backend::new(), Backend::new());
            let early = parked(cache.get_with(KEY, || old.answer(10)));
            fence(&cache);
            let late = parked(cache.get_with(KEY, || new.answer(20)));
            old.open();
            assert_eq!(early.await, 10, "{name}");
            assert_eq!(cache.peek(&KEY), None, "{name}");
            let mut joins = parked(cache.get_with(KEY, || new.answer(21)));
            assert!(poll_once(&mut joins).is_pending(), "{name}");
            new.open();
            assert_eq!((late.await, joins.await), (20, 20), "{name}");
            assert_eq!(cache.peek(&KEY), Some(20), "{name}");
            assert_eq!(new.calls(), 1, "{name}");
        });
    }
}

/// For every end of the older load, the newer one can be joined and is stored.
#[test]
fn a_newer_load_survives_an_older_one_that_fails_or_is_cancelled() {
    for (name, fence) in FENCES {
        for cancelled in [true, false] {
            run(|| async move {
                let (cache, old, new) = (cache(), Backend::new(), Backend::new());
                let early = parked(cache.try_get_with(KEY, || old.answer(Err::<u64, _>("down"))));
                fence(&cache);
                let late = parked(cache.get_with(KEY, || new.answer(20)));
                if cancelled {
                    drop(early);
                    assert_eq!(cache.stats().loads_dropped, 1, "{name}");
                } else {
                    old.open();
                    assert!(early.await.is_err(), "{name}");
                }
                let joins = parked(cache.get_with(KEY, || new.answer(21)));
                new.open();
                assert_eq!((late.await, joins.await), (20, 20), "{name}");
                assert_eq!(cache.peek(&KEY), Some(20), "{name}");
            });
        }
    }
}

#[test]
fn a_load_may_be_invalidated_any_number_of_times() {
    run(|| async {
        let cache = cache();
        let backends: Vec<_> = (0..10_u64).map(|_| Backend::new()).collect();
        let loads: Vec<_> = (0..10_u64)
            .zip(&backends)
            .map(|(number, backend)| {
                let load = parked(cache.get_with(KEY, move || backend.answer(number)));
                cache.invalidate(&KEY);
                load
            })
            .collect();
        for backend in backends.iter().rev() {
            backend.open();
        }
        for (number, load) in (0..10).zip(loads) {
            assert_eq!(
                load.await,
                number,
                "every caller gets the value of its own load"
            );
            assert_eq!(cache.peek(&KEY), None);
        }
    });
}

#[test]
fn a_loader_may_invalidate_its_own_key() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let handle = cache.clone();
        let load = || {
            backend.then(move || {
                handle.invalidate(&KEY);
                10
            })
        };
        assert_eq!(cache.get_with(KEY, load).await, 10);
        assert_eq!(cache.peek(&KEY), None);
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn operations_on_other_keys_or_on_entries_only_do_not_fence_a_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let load = parked(cache.get_with(KEY, || backend.answer(10)));
        cache.invalidate(&2);
        cache.insert(3, 30);
        cache.retain(|_, _| false);
        cache.run_pending_tasks();
        assert_eq!(cache.flight_count(), 1);
        backend.open();
        assert_eq!(load.await, 10);
        until(|| cache.flight_count() == 0).await;
        assert_eq!(cache.peek(&KEY), Some(10));
    });
}
