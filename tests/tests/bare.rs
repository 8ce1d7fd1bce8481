//! Runs the contract with only a clock: all promises except windows, timeouts, and those that need
//! a background task.

#![allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    dead_code,
    unused_imports,
    reason = "a runtime may have no use for a part of the harness"
)]

#[path = "harness/bare.rs"]
mod harness;

#[path = "contract"]
mod contract {
    mod entries {
        mod counts;
    }
    mod eviction {
        mod capacity;
    }
    mod expiry {
        mod clock;
        mod expire_after;
        mod idle;
        mod run_pending_tasks;
        mod ttl;
        mod ttl_extremes;
    }
    mod freshness {
        mod kept;
        pub mod support;
        mod without_spawner;
    }
    mod loads {
        mod across_methods;
        mod cancel;
        mod errors;
        mod generations;
        mod leader;
        mod loading_view;
        mod negative_and_error_ttl;
        mod refresh;
        mod scoped;
        mod single_flight;
        mod warm;
    }
    mod panics {
        mod loader;
    }
    mod reentrancy {
        mod drop;
        mod loader;
        mod wakers;
    }
    mod writes {
        mod compute_versus_write;
        mod during_load;
        mod entry;
        mod removal_during_load;
    }
    pub mod support;
}

/// The behavior of windows, timeouts and the janitor without timers.
mod without_timers {
    use std::collections::HashMap;
    use std::future::{pending, poll_fn};

    use cache_core::LoadError;

    use crate::contract::support::backend::{Backend, all, parked};
    use crate::contract::support::common::SECOND;
    use crate::harness::{Cache, advance, run, runtime};

    #[test]
    fn a_window_lasts_for_one_pass_of_the_executor() {
        run(|| async {
            let cache: Cache<u32, u32> = Cache::builder_on(runtime()).build();
            let view = cache.batching(|keys: Vec<u32>| async move {
                let tens = keys.into_iter().map(|key| (key, key * 10));
                tens.collect::<HashMap<_, _>>()
            });
            let calls = (0..20).map(|key| Box::pin(view.get(key)));
            let answers = all(calls.collect()).await;
            for (key, answer) in (0..).zip(answers) {
                assert_eq!(answer.unwrap(), Some(key * 10));
            }
            assert_eq!(cache.stats().batches, 1);
        });
    }

    #[test]
    fn a_late_load_is_detected_when_it_is_polled() {
        run(|| async {
            let builder = Cache::<u32, u32>::builder_on(runtime()).load_timeout(SECOND);
            let (cache, backend) = (builder.build(), Backend::new());
            let slow = || {
                let fetched = backend.answer(10);
                async {
                    fetched.await;
                    pending::<Result<u32, ()>>().await
                }
            };
            let mut caller = parked(cache.try_get_with(1, slow));
            let mut waiter = parked(cache.try_get_with(1, slow));
            advance(SECOND * 2).await;
            // The loader is woken, and is still pending.
            backend.open();
            for call in [&mut caller, &mut waiter] {
                let late = poll_fn(|cx| call.as_mut().poll(cx)).await;
                assert!(matches!(late, Err(LoadError::TimedOut(_))), "{late:?}");
            }
            assert_eq!(cache.flight_count(), 0);
        });
    }

    #[test]
    fn a_cache_works_though_its_janitor_cannot_be_spawned() {
        run(|| async {
            let cache: Cache<u32, u32> = Cache::builder_on(runtime()).janitor(true).build();
            cache.insert_with_ttl(1, 10, cache_core::Ttl::After(SECOND));
            advance(SECOND).await;
            assert_eq!(cache.get(&1), None);
            cache.run_pending_tasks();
            assert_eq!(cache.entry_count(), 0);
        });
    }
}
