//! After a failed refresh, the key backs off.

use cache_core::RefreshEnd;

use crate::contract::freshness::support::{DUE, KEY, MS, TTL, builder};
use crate::contract::support::backend::Backend;
use crate::contract::support::common::{Notices, seconds};
use crate::harness::{Cache, advance, run, until};

/// Requests `KEY` with a loader that fails, and lets a refresh end. Returns how many have started.
async fn request(cache: &Cache<u32, u64>) -> u64 {
    let successes = || {
        let stats = cache.stats();
        stats.refreshes - stats.refresh_failures
    };
    let before = successes();
    let answer = cache
        .try_get_with(KEY, || async { Err::<u64, _>("down") })
        .await;
    assert_eq!(answer.unwrap(), 1);
    // A failure is counted after its flight has ended.
    until(|| cache.flight_count() == 0 && successes() == before).await;
    cache.stats().refreshes
}

/// A cache whose values live long after they are due.
fn cache() -> Cache<u32, u64> {
    let cache = builder().time_to_live(100 * TTL).build();
    cache.insert(KEY, 1);
    cache
}

#[test]
fn a_failed_refresh_is_tried_again_after_1_2_4_s_and_never_sooner() {
    run(|| async {
        let cache = cache();
        advance(100 * DUE).await;
        assert_eq!(request(&cache).await, 1);
        for (failures, pause) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60)] {
            advance(seconds(pause) - MS).await;
            assert_eq!(request(&cache).await, failures, "the pause of {pause} s");
            advance(seconds(pause) / 4 + MS).await;
            assert_eq!(request(&cache).await, failures + 1);
        }
        let stats = cache.stats();
        assert_eq!(stats.refresh_failures, stats.refreshes);
        assert_eq!(stats.load_failures, stats.refreshes);
    });
}

#[test]
fn a_success_a_write_and_a_forced_refresh_reset_the_backoff() {
    run(|| async {
        for reset in 0..3 {
            let cache = cache();
            advance(DUE).await;
            for pause in [2, 4, 6] {
                request(&cache).await;
                advance(seconds(pause)).await;
            }
            match reset {
                0 => {
                    assert_eq!(cache.get_with(KEY, || async { 1 }).await, 1);
                    until(|| cache.flight_count() == 0).await;
                }
                1 => cache.insert(KEY, 1),
                _ => assert_eq!(cache.refresh(KEY, || async { Ok::<_, ()>(1) }).await, Ok(1)),
            }
            advance(DUE).await;
            let before = request(&cache).await;
            advance(seconds(5) / 4).await;
            assert_eq!(request(&cache).await, before + 1, "the first pause again");
        }
    });
}

#[test]
fn a_key_that_backs_off_has_its_own_pause() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        cache.insert(2, 20);
        advance(100 * DUE).await;
        assert_eq!(request(&cache).await, 1);
        assert_eq!(cache.get_with(2, || backend.answer(21)).await, 20);
        until(|| cache.get(&2) == Some(21)).await;
    });
}

#[test]
fn the_error_of_a_refresh_reaches_the_refresh_listener() {
    run(|| async {
        let ends = Notices::new();
        let cache = {
            let ends = ends.clone();
            let listener = move |key: &u32, end: RefreshEnd<'_>| {
                let RefreshEnd::Failed(error) = end else {
                    panic!("{end:?}");
                };
                assert_eq!(error.downcast_ref::<u64>(), None);
                ends.push((*key, *error.downcast_ref::<&str>().expect("it is a text")));
            };
            builder().refresh_listener(listener).build()
        };
        cache.insert(KEY, 1);
        advance(DUE).await;
        request(&cache).await;
        // The listener is called last.
        until(|| ends.len() == 1).await;
        assert_eq!(ends.take(), [(KEY, "down")]);
    });
}
