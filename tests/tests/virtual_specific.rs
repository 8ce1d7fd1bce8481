//! Promises that only a deterministic runtime can test.

#![allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    dead_code,
    unused_imports,
    unused_macros,
    reason = "a runtime may have no use for a part of the harness"
)]

#[path = "harness/virtual_runtime.rs"]
mod harness;

/// Events between two steps of a caller.
#[path = "virtual/parking.rs"]
mod parking;

/// Runtimes that drop every task and continue.
#[path = "virtual/restarts.rs"]
mod restarts;

#[path = "contract"]
mod contract {
    pub mod support;
}

use cache_core::testing::VirtualRuntime;

use contract::support::backend::{Backend, Dice, all, parked, yields};
use harness::{Cache, run, run_seeds, runtime};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

/// Callers outside of the runtime, or on another one, continue a load whose task was dropped.
#[test]
fn a_load_outlives_every_shutdown_of_its_runtime() {
    run_seeds(|seed| async move {
        let mut dice = Dice::new(seed);
        let (cache, backend) = (cache(), Backend::opened());
        let length = 1 + dice.below(20);
        let load = || {
            let fetched = backend.answer(10);
            async move {
                yields(length).await;
                fetched.await
            }
        };
        let calls: Vec<_> = (0..1 + dice.below(5))
            .map(|_| Box::pin(cache.get_with(1, load)))
            .collect();
        let count = calls.len();
        let shutdowns = async {
            for _ in 0..5 {
                yields(dice.below(5)).await;
                runtime().abort_all();
            }
        };
        let (answers, ()) = tokio::join!(all(calls), shutdowns);
        assert_eq!(answers, vec![10; count], "seed {seed}");
        assert_eq!(backend.calls(), 1, "seed {seed}");
        assert_eq!(cache.stats().loads, 1, "seed {seed}");
        assert_eq!(cache.flight_count(), 0, "seed {seed}");
    });
}

#[test]
fn a_load_without_callers_ends_with_its_runtime() {
    for detached in [true, false] {
        run(|| async {
            let builder = Cache::<u32, u64>::builder_on(runtime()).detach_loads(detached);
            let (cache, backend) = (builder.build(), Backend::new());
            let leader = parked(cache.get_with(1, || backend.answer(10)));
            let waiter = parked(cache.get_with(1, || backend.answer(11)));
            yields(3).await;
            drop((leader, waiter));
            assert_eq!(cache.flight_count(), u64::from(detached));
            runtime().abort_all();
            assert_eq!(cache.flight_count(), 0);
            assert_eq!(cache.stats().loads_dropped, 1);
        });
    }
}

#[test]
fn a_detached_load_is_dropped_where_nothing_can_be_spawned() {
    harness::run_on(VirtualRuntime::without_spawner(), || async {
        let builder = Cache::<u32, u64>::builder_on(runtime()).detach_loads(true);
        let (cache, backend) = (builder.build(), Backend::new());
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let waiter = parked(cache.get_with(1, || backend.answer(11)));
        drop(leader);
        assert_eq!(cache.flight_count(), 1);
        drop(waiter);
        assert_eq!(cache.flight_count(), 0);
        assert_eq!(cache.stats().loads_dropped, 1);
        backend.open();
        assert_eq!(cache.get_with(1, || backend.answer(12)).await, 12);
    });
}

/// A load that is ready immediately costs neither a task nor a pass of the executor.
#[test]
fn a_load_that_is_ready_immediately_spawns_nothing() {
    run(|| async {
        let cache = cache();
        assert_eq!(cache.get_with(1, || async { 10 }).await, 10);
        assert_eq!(runtime().task_count(), 0);
        let backend = Backend::new();
        let leader = parked(cache.get_with(2, || backend.answer(20)));
        assert_eq!(runtime().task_count(), 0, "no other caller depends on it");
        let waiter = parked(cache.get_with(2, || backend.answer(21)));
        let third = parked(cache.get_with(2, || backend.answer(22)));
        assert_eq!(runtime().task_count(), 1, "one task per load");
        backend.open();
        assert_eq!((leader.await, waiter.await, third.await), (20, 20, 20));
        yields(3).await;
        assert_eq!(runtime().task_count(), 0);
    });
}

/// A loader may be large, and there may be thousands of callers.
#[test]
fn the_future_of_a_load_holds_its_loader_once() {
    const LARGE: usize = 4_096;
    run(|| async {
        let (cache, large) = (cache(), [1_u8; LARGE]);
        let load = cache.get_with(1, move || async move { u64::from(large[0]) });
        let size = size_of_val(&load);
        assert!(size < LARGE + 256, "{size}");
        assert_eq!(load.await, 1);
    });
}

/// Like the future of an async function, a completed load does not hold what its loader captured.
#[test]
fn the_future_of_a_completed_load_does_not_hold_its_loader() {
    run(|| async {
        let (cache, held) = (cache(), std::sync::Arc::new(()));
        for name in ["a miss", "a hit"] {
            let holds = held.clone();
            let mut load = std::pin::pin!(cache.get_with(1, move || async move {
                drop(holds);
                10
            }));
            assert_eq!(load.as_mut().await, 10);
            assert_eq!(std::sync::Arc::strong_count(&held), 1, "{name}");
        }
    });
}

/// It does not hold the value either, which may be large and already evicted.
#[test]
fn the_future_of_a_completed_load_does_not_hold_the_value() {
    run(|| async {
        let cache: Cache<u32, std::sync::Arc<()>> = Cache::builder_on(runtime()).build();
        let (value, backend) = (std::sync::Arc::new(()), Backend::new());
        let mut calls: Vec<_> = (0..3)
            .map(|_| parked(cache.get_with(1, || backend.answer(value.clone()))))
            .collect();
        backend.open();
        for call in &mut calls {
            drop(call.as_mut().await);
        }
        cache.invalidate(&1);
        yields(3).await;
        assert_eq!(std::sync::Arc::strong_count(&value), 1);
    });
}

#[test]
fn a_value_that_only_its_leader_waits_for_is_cloned_once() {
    #[derive(Debug)]
    struct Counted(std::rc::Rc<std::cell::Cell<usize>>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.set(self.0.get() + 1);
            Self(self.0.clone())
        }
    }
    run(|| async {
        let cache: Cache<u32, Counted> = Cache::builder_on(runtime()).build();
        let clones = std::rc::Rc::default();
        for turns in [0, 3] {
            let value = Counted(std::rc::Rc::clone(&clones));
            let load = || async move {
                yields(turns).await;
                value
            };
            drop(cache.get_with(turns as u32, load).await);
            assert_eq!(
                clones.take(),
                1,
                "one for the cache, and one for the leader"
            );
        }
    });
}

/// The drop needs no pass of the executor, which may stall by then.
#[test]
fn a_batch_without_callers_is_dropped_immediately() {
    run(|| async {
        for at_the_loader in [false, true] {
            let (cache, store) = (cache(), contract::support::batch_backend::Store::new());
            let view = contract::support::batch_backend::building(
                &cache,
                &store,
                contract::support::batch_backend::tens,
            )
            .build();
            let holders = store.holders();
            let calls = [parked(view.get(1)), parked(view.get(2))];
            if at_the_loader {
                view.dispatch();
                yields(3).await;
                assert_eq!(store.batches(), 1);
            }
            drop(calls);
            assert_eq!(cache.flight_count(), 0);
            assert_eq!(store.holders(), holders);
        }
    });
}
