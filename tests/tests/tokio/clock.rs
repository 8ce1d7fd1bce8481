//! Tokio's clock, paused and running, and mock clocks.

use std::time::Duration;

use cache_core::LoadError;
use cache_core::testing::MockClock;
use cache_tokio::{Cache, Tokio};
use tokio::time;

use crate::contract::support::backend::{Backend, yields};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_paused_clock_controls_expiry() {
    let cache: Cache<u32, u64> = Cache::builder().time_to_live(MINUTE).build();
    cache.insert(1, 10);
    time::advance(MINUTE - Duration::from_nanos(1)).await;
    assert_eq!(cache.get(&1), Some(10));
    time::advance(Duration::from_nanos(1)).await;
    assert_eq!(cache.get(&1), None);
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_controls_load_timeout() {
    let cache: Cache<u32, u64> = Cache::builder().load_timeout(MINUTE).build();
    let started = time::Instant::now();
    let stuck = cache.try_get_with(1, std::future::pending::<Result<u64, ()>>);
    assert!(matches!(stuck.await, Err(LoadError::TimedOut(after)) if after == MINUTE));
    // Tokio's timer has a resolution of milliseconds, and rounds up.
    assert!(started.elapsed() - MINUTE <= Duration::from_millis(1));
    let quick = cache.get_with(1, || async {
        time::sleep(MINUTE / 2).await;
        10
    });
    assert_eq!(quick.await, 10);
}

#[tokio::test(start_paused = true)]
async fn the_ttl_of_a_loaded_value_starts_when_its_load_completes_on_tokios_clock() {
    let cache: Cache<u32, u64> = Cache::builder().time_to_live(MINUTE).build();
    let slow = cache.get_with(1, || async {
        time::sleep(MINUTE * 10).await;
        10
    });
    assert_eq!(slow.await, 10);
    time::advance(MINUTE - Duration::from_millis(10)).await;
    assert_eq!(cache.get(&1), Some(10));
    time::advance(Duration::from_millis(10)).await;
    assert_eq!(cache.get(&1), None);
}

#[tokio::test]
async fn expiry_and_load_timeout_follow_a_mock_clock() {
    let clock = MockClock::new();
    let cache: Cache<u32, u64> = Cache::builder_on(Tokio::on_clock(clock.clone()))
        .time_to_live(MINUTE)
        .load_timeout(MINUTE)
        .build();
    cache.insert(1, 10);
    clock.advance(MINUTE);
    assert_eq!(cache.get(&1), None);
    let backend = Backend::new();
    let stuck = tokio::spawn({
        let (cache, backend) = (cache.clone(), backend.clone());
        async move {
            cache
                .try_get_with(1, || backend.answer(Ok::<_, ()>(10)))
                .await
        }
    });
    while backend.calls() == 0 {
        yields(1).await;
    }
    clock.advance(MINUTE);
    let answer = stuck.await.expect("no panic");
    assert!(matches!(answer, Err(LoadError::TimedOut(after)) if after == MINUTE));
}

/// One runtime's clock may be paused and another's may run. The cache's time never runs backwards.
#[test]
fn a_cache_may_move_from_one_runtimes_clock_to_another() {
    let runtime = |paused| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(paused).build();
        runtime.expect("the runtime is built")
    };
    let cache: Cache<u32, u64> = Cache::builder().time_to_live(MINUTE).build();
    cache.insert(1, 10);
    runtime(true).block_on(async {
        assert_eq!(cache.get(&1), Some(10));
        time::advance(MINUTE * 10).await;
        assert_eq!(cache.get(&1), None);
        cache.insert(2, 20);
    });
    runtime(false).block_on(async {
        assert_eq!(cache.get(&1), None, "an expired entry stays expired");
        assert_eq!(cache.get(&2), Some(20));
        let load = cache.get_with(1, || async { 11 });
        assert_eq!(load.await, 11);
    });
}
