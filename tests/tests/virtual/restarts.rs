//! A runtime that drops all its tasks, as in a shutdown, and continues. Work in flight ends or is
//! driven by its callers, and later work is spawned again.

use cache_core::Ttl;

use crate::contract::support::backend::{Backend, parked, poll_once, yields};
use crate::contract::support::batch_backend::{MS, Store, WINDOW, building, cache, tens};
use crate::contract::support::common::{Notices, SECOND};
use crate::harness::{Cache, advance, run, runtime, spawn};

#[test]
fn a_detached_batch_without_callers_ends_with_its_runtime() {
    run(|| async {
        for stage in ["window", "queue", "loader"] {
            let cache: Cache<u32, u64> = Cache::builder_on(runtime()).detach_loads(true).build();
            let store = Store::new();
            let view = building(&cache, &store, tens)
                .max_concurrent_batches(1)
                .build();
            let before = if stage == "queue" {
                let before = parked(view.get(9));
                view.dispatch();
                yields(3).await;
                Some(before)
            } else {
                None
            };
            let calls = [parked(view.get(1)), parked(view.get(2))];
            cache.invalidate(&1);
            let newer = parked(view.get(1));
            if stage != "window" {
                view.dispatch();
            }
            yields(3).await;
            drop((calls, newer, before));
            yields(3).await;
            runtime().abort_all();
            assert_eq!(cache.flight_count(), 0, "{stage}");
            let stats = cache.stats();
            assert_eq!(stats.loads, stats.loads_dropped, "{stage}");
            // No key and no permit is stuck.
            store.open();
            let mut again = Box::pin(view.get_all([1, 2, 9]));
            assert!(poll_once(&mut again).is_pending());
            advance(WINDOW + MS).await;
            assert!(again.await.iter().all(Result::is_ok), "{stage}");
            drop(view);
            yields(3).await;
            assert_eq!(store.holders(), 0, "{stage}");
        }
    });
}

#[test]
fn a_load_after_a_shutdown_is_spawned_again() {
    run(|| async {
        let (cache, before, after) = (cache(), Backend::new(), Backend::new());
        let leader = parked(cache.get_with(1, || before.answer(10)));
        let waiter = parked(cache.get_with(1, || before.answer(11)));
        yields(3).await;
        runtime().abort_all();
        let _later = (
            parked(cache.get_with(2, || after.answer(20))),
            parked(cache.get_with(2, || after.answer(21))),
        );
        after.open();
        yields(3).await;
        assert_eq!(cache.peek(&2), Some(20), "none of its callers was polled");
        before.open();
        assert_eq!((waiter.await, leader.await), (10, 10));
        assert_eq!(before.calls(), 1);
    });
}

#[test]
fn a_batch_after_a_shutdown_is_spawned_again() {
    run(|| async {
        for at_the_loader in [false, true] {
            let (cache, store) = (cache(), Store::new());
            let view = building(&cache, &store, tens).build();
            let opener = view.clone();
            let before = parked(async move { opener.get(1).await });
            if at_the_loader {
                view.dispatch();
                yields(3).await;
            }
            runtime().abort_all();
            let before = spawn(before);
            advance(WINDOW + MS).await;
            assert_eq!(store.batches(), 1);
            let _later = (parked(view.get(2)), parked(view.get(3)));
            advance(WINDOW + MS).await;
            assert_eq!(store.requested(), [vec![1], vec![2, 3]]);
            store.open();
            yields(5).await;
            assert_eq!([2, 3].map(|key| cache.peek(&key)), [20, 30].map(Some));
            assert_eq!(before.join().await.unwrap(), Some(10));
        }
    });
}

#[test]
fn a_janitor_is_restarted_after_a_shutdown() {
    run(|| async {
        let notices = Notices::new();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .janitor(true)
            .eviction_listener(notices.listener())
            .build();
        for round in 0..3 {
            for key in 0..20 {
                cache.insert_with_ttl(key, 10, Ttl::After(SECOND));
            }
            yields(3).await;
            if round > 0 {
                runtime().abort_all();
                // This write restarts the janitor.
                cache.insert_with_ttl(20, 10, Ttl::After(SECOND));
            }
            advance(SECOND * 2).await;
            assert_eq!(cache.entry_count(), 0, "round {round}");
        }
        assert_eq!(notices.len(), 62);
    });
}
