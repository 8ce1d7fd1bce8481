//! One cache on several runtimes, each with its own clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::LoadError;
use cache_tokio::{BatchWindow, Cache, cached};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{self, Instant, sleep};

use crate::contract::support::backend::Backend;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// The resolution of Tokio's timers is one millisecond.
const MOMENT: Duration = Duration::from_millis(2);

fn runtime(paused: bool) -> Runtime {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(paused).build();
    runtime.expect("the runtime is built")
}

fn cache() -> Cache<u32, u64> {
    Cache::builder().time_to_live(MINUTE).build()
}

/// Checks that an entry lives for exactly a minute here.
async fn check_lifetime(cache: &Cache<u32, u64>) {
    cache.insert(1, 10);
    sleep(MINUTE - MOMENT * 2).await;
    assert_eq!(cache.get(&1), Some(10));
    sleep(MOMENT * 3).await;
    assert_eq!(cache.get(&1), None);
}

/// Sleeps on a first runtime and drops it.
fn slept(cache: &Cache<u32, u64>, time: Duration) {
    runtime(true).block_on(async {
        cache.insert(1, 1);
        sleep(time).await;
        assert_eq!(cache.get(&1), None);
        cache.insert(1, 1);
    });
}

#[test]
fn an_entry_has_its_full_ttl_on_the_second_of_two_paused_clocks() {
    for time in [MINUTE, HOUR, HOUR * 1_000] {
        let cache = cache();
        slept(&cache, time);
        cache.invalidate_all();
        runtime(true).block_on(check_lifetime(&cache));
        // And in the other order, repeatedly.
        runtime(true).block_on(check_lifetime(&cache));
        slept(&cache, time);
        runtime(true).block_on(async {
            sleep(SECOND).await;
            check_lifetime(&cache).await;
            sleep(HOUR).await;
            check_lifetime(&cache).await;
        });
    }
}

#[test]
fn an_entry_has_its_full_ttl_on_runtimes_that_stay_alive() {
    let (cache, first, second) = (cache(), runtime(true), runtime(true));
    for round in 0..3 {
        first.block_on(async {
            sleep(HOUR).await;
            check_lifetime(&cache).await;
        });
        second.block_on(async {
            if round == 1 {
                sleep(HOUR * 2).await;
            }
            check_lifetime(&cache).await;
        });
    }
}

#[test]
fn an_entry_has_its_full_ttl_though_the_previous_clock_was_behind() {
    let cache = cache();
    let ahead = runtime(true);
    ahead.block_on(async { sleep(HOUR).await });
    runtime(true).block_on(check_lifetime(&cache));
    ahead.block_on(check_lifetime(&cache));
    runtime(true).block_on(check_lifetime(&cache));
}

#[test]
fn an_entry_expires_outside_of_all_runtimes_after_a_paused_clock_was_ahead() {
    let time = Duration::from_millis(20);
    let cache: Cache<u32, u64> = Cache::builder().time_to_live(time).build();
    slept(&cache, HOUR);
    // Must come before the insertion: another process may run between the two.
    let inserted = std::time::Instant::now();
    cache.insert(1, 10);
    let found = cache.get(&1);
    assert!(found.is_some() || inserted.elapsed() >= time);
    while cache.get(&1).is_some() {
        assert!(inserted.elapsed() < MINUTE, "it lives too long");
        std::thread::yield_now();
    }
    assert!(inserted.elapsed() >= time - MOMENT, "it lives too short");
    runtime(false).block_on(async {
        let inserted = Instant::now();
        cache.insert(1, 10);
        while cache.get(&1).is_some() {
            assert!(inserted.elapsed() < MINUTE, "it lives too long");
            sleep(MOMENT).await;
        }
        assert!(inserted.elapsed() >= time - MOMENT, "it lives too short");
    });
}

#[test]
fn a_window_has_its_full_length_on_the_second_of_two_paused_clocks() {
    for window in [
        BatchWindow::Fixed(MINUTE),
        BatchWindow::Debounce {
            gap: MINUTE,
            max: HOUR,
        },
    ] {
        let cache = cache();
        let batches = cache
            .batching_builder(|keys: Vec<u32>| async move {
                keys.into_iter().map(u64::from).collect::<Vec<_>>()
            })
            .batch_window(window)
            .build();
        for _ in 0..2 {
            slept(&cache, HOUR);
            cache.invalidate_all();
            runtime(true).block_on(async {
                let started = Instant::now();
                assert_eq!(batches.get(7).await.unwrap(), Some(7));
                let lasted = started.elapsed();
                assert!(
                    lasted >= MINUTE - MOMENT && lasted <= MINUTE + MOMENT,
                    "{lasted:?}"
                );
            });
        }
    }
}

#[test]
fn a_load_times_out_on_time_on_the_second_of_two_paused_clocks() {
    let builder = Cache::<u32, u64>::builder().load_timeout(MINUTE);
    let cache = builder.time_to_live(MINUTE).build();
    slept(&cache, HOUR);
    for _ in 0..2 {
        runtime(true).block_on(async {
            let started = Instant::now();
            let stuck = cache.try_get_with(2, std::future::pending::<Result<u64, ()>>);
            let limit = time::timeout(HOUR, stuck).await;
            let answer = limit.expect("it ends in time");
            assert!(matches!(answer, Err(LoadError::TimedOut(MINUTE))));
            let lasted = started.elapsed();
            assert!(
                lasted >= MINUTE - MOMENT && lasted <= MINUTE + MOMENT,
                "{lasted:?}"
            );
        });
        slept(&cache, HOUR);
    }
}

#[test]
fn the_janitor_purges_on_time_on_the_second_of_two_paused_clocks() {
    let builder = Cache::<u32, u64>::builder().janitor(true);
    let cache = builder.time_to_live(MINUTE).build();
    slept(&cache, HOUR);
    cache.invalidate_all();
    runtime(true).block_on(async {
        cache.insert(1, 10);
        sleep(MINUTE - MOMENT * 2).await;
        assert_eq!(cache.entry_count(), 1);
        sleep(MOMENT * 4).await;
        assert_eq!(cache.entry_count(), 0);
    });
}

#[test]
fn an_entry_has_its_full_ttl_on_clocks_that_fall_behind_repeatedly() {
    let (cache, first, second) = (cache(), runtime(true), runtime(true));
    for seconds in [1, 10, 59, 60, 61, 3_600] {
        first.block_on(async {
            sleep(SECOND * seconds).await;
            check_lifetime(&cache).await;
        });
        second.block_on(check_lifetime(&cache));
    }
}

#[test]
fn a_paused_clock_does_not_advance_beside_a_running_one() {
    let cache = cache();
    let (still, begun) = (runtime(true), std::time::Instant::now());
    cache.insert(1, 10);
    for _ in 0..10_000 {
        still.block_on(async { assert_eq!(cache.get(&1), Some(10)) });
        assert_eq!(cache.get(&1), Some(10));
    }
    assert!(begun.elapsed() < MINUTE, "the entry must still be stored");
}

#[test]
fn many_runtimes_in_sequence_keep_time() {
    let cache = cache();
    for _ in 0..200 {
        runtime(true).block_on(check_lifetime(&cache));
    }
}

#[test]
fn the_ttl_of_a_loaded_value_is_exact_on_the_second_of_two_paused_clocks() {
    let (cache, backend) = (cache(), Backend::opened());
    slept(&cache, HOUR);
    cache.invalidate_all();
    runtime(true).block_on(async {
        for loads in 1..10 {
            let answer = backend.answer(10);
            let load = || async {
                sleep(HOUR).await;
                answer.await
            };
            assert_eq!(cache.get_with(1, load).await, 10);
            assert_eq!(backend.calls(), loads);
            sleep(MINUTE - MOMENT * 2).await;
            assert_eq!(cache.get_with(1, || async { 11 }).await, 10);
            sleep(MOMENT * 3).await;
        }
    });
}

#[test]
fn a_cached_function_keeps_time_from_one_test_to_the_next() {
    static LOADS: AtomicU64 = AtomicU64::new(0);

    #[cached(ttl = "60s")]
    async fn load(key: u32) -> u64 {
        let _ = key;
        LOADS.fetch_add(1, Ordering::SeqCst) + 1
    }

    runtime(true).block_on(async {
        assert_eq!(load(1).await, 1);
        sleep(HOUR).await;
        assert_eq!(load(1).await, 2);
    });
    runtime(true).block_on(async {
        load::clear();
        assert_eq!(load(1).await, 3);
        sleep(MINUTE + SECOND).await;
        assert_eq!(load(1).await, 4);
    });
}
