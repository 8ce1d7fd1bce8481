//! Writes of a key during its load: the written value stays.

use std::time::Duration;

use cache_core::Ttl;

use crate::contract::support::backend::{Backend, parked};
use crate::contract::support::common::{boom, caught_in};
use crate::harness::{Cache, run, runtime};

const KEY: u32 = 1;

type Write = (&'static str, fn(&Cache<u32, u64>));

const WRITES: [Write; 3] = [
    ("insert", |cache| cache.insert(KEY, 99)),
    ("insert_with_ttl", |cache| {
        cache.insert_with_ttl(KEY, 99, Ttl::After(Duration::from_secs(60)));
    }),
    ("insert_weighted", |cache| cache.insert_weighted(KEY, 99, 1)),
];

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

#[test]
fn a_write_stays_and_the_waiters_get_the_loaded_value() {
    for (name, write) in WRITES {
        run(|| async move {
            let (cache, backend) = (cache(), Backend::new());
            let leader = parked(cache.get_with(KEY, || backend.answer(10)));
            let waiter = parked(cache.get_with(KEY, || backend.answer(11)));
            write(&cache);
            assert_eq!(cache.get(&KEY), Some(99), "{name}: read your write");
            let late = cache.get_with(KEY, || backend.answer(12)).await;
            assert_eq!(late, 99, "{name}: an immediate hit");
            backend.open();
            assert_eq!((leader.await, waiter.await), (10, 10), "{name}");
            assert_eq!(cache.peek(&KEY), Some(99), "{name}");
            assert_eq!(cache.stats().loads_fenced, 1, "{name}");
            assert_eq!(cache.entry_count(), 1, "{name}");
        });
    }
}

#[test]
fn a_write_stays_when_the_load_is_cancelled_fails_or_panics() {
    for (name, write) in WRITES {
        run(|| async move {
            let (cache, backend) = (cache(), Backend::new());
            let cancelled = parked(cache.get_with(KEY, || backend.answer(10)));
            write(&cache);
            drop(cancelled);
            assert_eq!(cache.peek(&KEY), Some(99), "{name}");

            cache.invalidate(&KEY);
            let fails = parked(cache.try_get_with(KEY, || backend.answer(Err::<u64, _>(()))));
            write(&cache);
            backend.open();
            assert!(fails.await.is_err(), "{name}");
            assert_eq!(cache.peek(&KEY), Some(99), "{name}");

            cache.invalidate(&KEY);
            let slow = Backend::new();
            let panics = parked(caught_in(cache.get_with(KEY, || slow.then(|| boom()))));
            write(&cache);
            slow.open();
            assert!(panics.await.is_err(), "{name}");
            assert_eq!(cache.peek(&KEY), Some(99), "{name}");
            assert_eq!(cache.flight_count(), 0, "{name}");
        });
    }
}

/// A waiter that replaces a cancelled leader must not undo a write in between.
#[test]
fn a_write_stays_when_another_caller_leads_the_load_around_it() {
    for (name, write) in WRITES {
        run(|| async move {
            let (cache, backend) = (cache(), Backend::new());
            let leader = parked(cache.get_with_scoped(KEY, || backend.answer(10)));
            let waiter = parked(cache.get_with_scoped(KEY, || backend.answer(11)));
            write(&cache);
            drop(leader);
            // The load ended with its leader. The waiter retries and finds the written value.
            assert_eq!(waiter.await, 99, "{name}");
            assert_eq!(cache.peek(&KEY), Some(99), "{name}");
            assert_eq!(backend.calls(), 1, "{name}");
        });
    }
}

#[test]
fn a_written_and_removed_key_does_not_get_the_late_result_of_the_load() {
    for (name, write) in WRITES {
        run(|| async move {
            let (cache, backend) = (cache(), Backend::new());
            let load = parked(cache.get_with(KEY, || backend.answer(10)));
            write(&cache);
            cache.invalidate(&KEY);
            backend.open();
            assert_eq!(load.await, 10, "{name}");
            assert_eq!(cache.peek(&KEY), None, "{name}");
        });
    }
}

#[test]
fn a_loader_may_write_its_own_key_and_that_write_stays() {
    for (name, write) in WRITES {
        run(|| async move {
            let (cache, backend) = (cache(), Backend::opened());
            let handle = cache.clone();
            let load = || {
                backend.then(move || {
                    write(&handle);
                    10
                })
            };
            assert_eq!(cache.get_with(KEY, load).await, 10, "{name}");
            assert_eq!(cache.peek(&KEY), Some(99), "{name}");
        });
    }
}
