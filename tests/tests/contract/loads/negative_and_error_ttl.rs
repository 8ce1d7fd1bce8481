//! `negative_ttl` and `error_ttl`: missing values and errors are returned for a while without a
//! load.

use std::time::Duration;

use cache_core::{Computed, Op};

use crate::contract::support::backend::{Backend, herd, join_all, parked};
use crate::contract::support::common::{boom, caught_in};
use crate::harness::{Cache, advance, run, runtime, runtime_with_clock, until};

const A_WHILE: Duration = Duration::from_secs(5);

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime())
        .error_ttl(A_WHILE)
        .negative_ttl(A_WHILE)
        .build()
}

async fn fail(cache: &Cache<u32, u64>, key: u32) {
    let failed = cache.try_get_with(key, || async { Err::<u64, _>("down") });
    assert_eq!(failed.await.unwrap_err().loader(), Some(&"down"));
}

async fn find_nothing(cache: &Cache<u32, u64>, key: u32) {
    let missing = cache.optionally_get_with(key, || async { None });
    assert_eq!(missing.await, None);
}

/// The result of a call whose loader would return 10.
async fn load_error(cache: &Cache<u32, u64>, key: u32) -> Result<u64, &'static str> {
    let answer = cache.try_get_with(key, || async { Ok::<_, &str>(10) });
    answer
        .await
        .map_err(|error| *error.loader().expect("the loader's error"))
}

#[test]
fn a_remembered_error_does_not_block_callers_whose_method_cannot_return_it() {
    run(|| async {
        let cache = cache();
        let failed = cache.try_get_with(1, || async { Err::<u64, _>("down") });
        assert_eq!(failed.await.unwrap_err().loader(), Some(&"down"));
        // `get_with` cannot return an error, and `u8` is not the type of the remembered error.
        assert_eq!(cache.get_with(1, || async { 7 }).await, 7);
        let failed = cache.try_get_with(2, || async { Err::<u64, _>("down") });
        assert!(failed.await.is_err());
        let other = cache.try_get_with(2, || async { Ok::<_, u8>(8) });
        assert_eq!(other.await.unwrap(), 8);
    });
}

#[test]
fn a_remembered_error_is_returned_to_every_caller_until_it_expires() {
    run(|| async {
        let cache = cache();
        for _ in 0..3 {
            let failed = cache.try_get_with(1, || async { Err::<u64, _>("down") });
            assert_eq!(failed.await.unwrap_err().loader(), Some(&"down"));
        }
        assert_eq!(cache.stats().loads, 1);
        advance(A_WHILE).await;
        let loaded = cache.try_get_with(1, || async { Ok::<_, &str>(1) });
        assert_eq!(loaded.await.unwrap(), 1);
        assert_eq!(cache.stats().loads, 2);
    });
}

#[test]
fn each_remembered_error_expires_exactly_at_its_deadline() {
    run(|| async {
        let cache = cache();
        for key in 0..100 {
            fail(&cache, key).await;
        }
        assert_eq!(cache.flight_count(), 0, "no load is in flight");
        advance(A_WHILE - Duration::from_millis(10)).await;
        assert_eq!(load_error(&cache, 99).await, Err("down"));
        advance(Duration::from_millis(10)).await;
        // Independent of the order of calls and of the number of expired errors.
        for key in (0..100).rev() {
            assert_eq!(load_error(&cache, key).await, Ok(10));
        }
    });
}

#[test]
fn a_remembered_missing_value_is_returned_to_callers_that_can_return_it() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        find_nothing(&cache, 1).await;
        let again = cache.optionally_get_with(1, || backend.answer(Some(10)));
        assert_eq!(again.await, None);
        assert_eq!(backend.calls(), 0);
        assert_eq!(cache.get_with(1, || backend.answer(20)).await, 20);
        assert_eq!(
            cache.optionally_get_with(1, || backend.answer(None)).await,
            Some(20)
        );
        find_nothing(&cache, 2).await;
        advance(A_WHILE).await;
        let later = cache.optionally_get_with(2, || backend.answer(Some(30)));
        assert_eq!(later.await, Some(30));
        assert_eq!(backend.calls(), 2);
    });
}

#[test]
fn a_write_a_removal_or_a_refresh_ends_a_remembered_result() {
    run(|| async {
        let cache = cache();
        for key in 1..6 {
            fail(&cache, key).await;
        }
        cache.insert(1, 99);
        assert_eq!(load_error(&cache, 1).await, Ok(99));
        cache.invalidate(&2);
        assert_eq!(load_error(&cache, 2).await, Ok(10));
        let refreshed = cache.refresh(3, || async { Ok::<_, &str>(30) });
        assert_eq!(refreshed.await.unwrap(), 30);
        assert_eq!(load_error(&cache, 3).await, Ok(30));
        assert_eq!(
            load_error(&cache, 4).await,
            Err("down"),
            "each key on its own"
        );
        cache.invalidate_all();
        assert_eq!(load_error(&cache, 4).await, Ok(10));
        assert_eq!(load_error(&cache, 5).await, Ok(10));
    });
}

#[test]
fn a_computation_does_not_wait_for_a_remembered_result() {
    run(|| async {
        let cache = cache();
        fail(&cache, 1).await;
        find_nothing(&cache, 2).await;
        for key in [1, 2] {
            let computed = cache.entry(key).and_compute_with(|old| async move {
                assert_eq!(old, None);
                Op::put(7)
            });
            assert_eq!(computed.await, Computed::Put(7));
            assert_eq!(cache.get(&key), Some(7));
        }
    });
}

#[test]
fn a_panic_a_timeout_and_a_cancelled_load_are_not_remembered() {
    run(|| async {
        let builder = Cache::<u32, u64>::builder_on(runtime()).error_ttl(A_WHILE);
        let cache = builder.load_timeout(A_WHILE).build();
        let backend = Backend::opened();
        let panics = cache.try_get_with(1, || backend.then(|| -> Result<u64, &str> { boom() }));
        assert!(caught_in(panics).await.is_err());
        assert_eq!(load_error(&cache, 1).await, Ok(10));
        let closed = Backend::new();
        let slow = parked(cache.try_get_with(2, || closed.answer(Ok::<_, &str>(20))));
        advance(A_WHILE).await;
        assert!(slow.await.is_err());
        assert_eq!(load_error(&cache, 2).await, Ok(10));
        drop(parked(
            cache.try_get_with(3, || closed.answer(Ok::<_, &str>(30))),
        ));
        assert_eq!(load_error(&cache, 3).await, Ok(10));
    });
}

#[test]
fn callers_that_cannot_return_the_remembered_result_share_one_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        fail(&cache, 1).await;
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(100, &handles, |(cache, backend)| async move {
            cache.get_with(1, || backend.answer(10)).await
        });
        until(|| backend.calls() == 1 && cache.stats().coalesced >= 99).await;
        backend.open();
        assert_eq!(join_all(tasks).await, [10; 100]);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_clock_that_steps_back_does_not_mix_up_remembered_results() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime).error_ttl(A_WHILE).build();
        let hour = crate::contract::support::common::now(&cache).after(Duration::from_secs(3_600));
        set_clock(hour);
        fail(&cache, 1).await;
        set_clock(cache_core::Instant::ORIGIN);
        fail(&cache, 2).await;
        set_clock(hour.after(A_WHILE));
        assert_eq!(load_error(&cache, 2).await, Ok(10));
        assert_eq!(load_error(&cache, 1).await, Ok(10));
    });
}

#[test]
fn an_error_stays_remembered_while_errors_of_other_keys_expire() {
    run(|| async {
        let cache = cache();
        for key in 0..1_000 {
            fail(&cache, key).await;
        }
        advance(A_WHILE / 2).await;
        for key in 1_000..1_030 {
            fail(&cache, key).await;
        }
        advance(A_WHILE - A_WHILE / 2).await;
        // More errors are due than one call removes.
        assert_eq!(load_error(&cache, 1_029).await, Err("down"));
        find_nothing(&cache, 5_000).await;
        assert_eq!(load_error(&cache, 1_028).await, Err("down"));
        assert_eq!(load_error(&cache, 999).await, Ok(10));
    });
}
