//! A caller leaves a load that is slow, and gets a kept value.

use std::time::Duration;

use crate::contract::freshness::support::{KEY, STALE_UNTIL, builder};
use crate::contract::support::backend::{Backend, parked, poll_once};
use crate::contract::support::common::seconds;
use crate::harness::{Cache, advance, run, until};

const SLOW: Duration = Duration::from_millis(200);

fn cache() -> Cache<u32, u64> {
    let cache = builder().stale_if_slow(SLOW).build();
    cache.insert(KEY, 1);
    cache
}

#[test]
fn a_slow_load_is_left_and_still_stored() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(STALE_UNTIL).await;
        let load = parked(cache.get_with(KEY, || backend.answer(2)));
        advance(SLOW).await;
        assert_eq!(load.await, 1);
        backend.open();
        until(|| cache.get(&KEY) == Some(2)).await;
        let stats = cache.stats();
        assert_eq!(
            (stats.stale_on_slow, stats.refreshes, stats.loads),
            (1, 1, 1)
        );
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn each_caller_waits_by_its_own_clock() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(STALE_UNTIL).await;
        let first = parked(cache.get_with(KEY, || backend.answer(2)));
        advance(SLOW / 2).await;
        let mut second = parked(cache.get_with(KEY, || backend.answer(3)));
        advance(SLOW / 2).await;
        assert_eq!(first.await, 1);
        assert!(poll_once(&mut second).is_pending());
        backend.open();
        assert_eq!(second.await, 2);
    });
}

#[test]
fn a_load_that_was_left_continues_without_callers() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(STALE_UNTIL).await;
        let first = parked(cache.get_with(KEY, || backend.answer(2)));
        advance(SLOW / 2).await;
        let second = parked(cache.get_with(KEY, || backend.answer(3)));
        advance(SLOW / 2).await;
        assert_eq!(first.await, 1);
        drop(second);
        backend.open();
        until(|| cache.get(&KEY) == Some(2)).await;
    });
}

#[test]
fn a_caller_without_a_kept_value_waits_for_its_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let mut absent = parked(cache.get_with(2, || backend.answer(20)));
        advance(SLOW * 2).await;
        assert!(poll_once(&mut absent).is_pending());
        advance(STALE_UNTIL).await;
        let mut fenced = parked(cache.get_with(KEY, || backend.answer(2)));
        cache.invalidate(&KEY);
        advance(SLOW).await;
        assert!(poll_once(&mut fenced).is_pending());
        backend.open();
        assert_eq!((absent.await, fenced.await), (20, 2));
    });
}

#[test]
fn a_slow_load_that_fails_makes_its_key_back_off() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(STALE_UNTIL).await;
        let load = || backend.answer(Err::<u64, _>("down"));
        let call = parked(cache.try_get_with(KEY, load));
        advance(SLOW).await;
        assert_eq!(call.await, Ok(1));
        backend.open();
        until(|| cache.stats().refresh_failures == 1).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        advance(seconds(2)).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 2);
    });
}
