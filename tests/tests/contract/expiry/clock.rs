//! A clock that steps back, or far ahead.

use std::time::Duration;

use cache_core::{EvictionPolicy, Expiry, Instant, Ttl};

use crate::contract::support::common::{Gate, after, assert_sound, seconds};
use crate::harness::{Cache, Rt, run, runtime_with_clock, spawn, until};

fn cache(runtime: Rt) -> Cache<u32, u64> {
    Cache::builder_on(runtime)
        .time_to_live(seconds(60))
        .shards(4)
        .hash_seed(3)
        .build()
}

fn at(second: u64) -> Instant {
    Instant::ORIGIN.after(seconds(second))
}

#[test]
fn an_entry_that_expired_before_a_write_stays_expired_when_the_clock_steps_back() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime).shards(1).build();
        set_clock(at(100));
        for key in 0..100 {
            cache.insert_with_ttl(key, 1, after(60));
        }
        set_clock(at(200));
        cache.insert(1_000, 1);
        set_clock(at(100));
        for key in 0..100 {
            assert_eq!(cache.get(&key), None);
            assert_eq!(cache.expires_at(&key), None);
        }
        assert_eq!(cache.iter().collect::<Vec<_>>(), [(1_000, 1)]);
    });
}

/// A ttl of one minute for each value.
struct AMinute;

impl Expiry<u32, u64> for AMinute {
    fn expire_after_create(&self, _: &u32, _: &u64) -> Ttl {
        after(60)
    }
}

#[test]
fn an_entry_that_a_read_found_expired_stays_expired_when_the_clock_steps_back() {
    type Set = fn(cache_core::Builder<u32, u64, Rt>) -> cache_core::Builder<u32, u64, Rt>;
    let settings: [Set; 4] = [
        |builder| builder.time_to_live(seconds(60)),
        |builder| builder.time_to_idle(seconds(60)),
        |builder| builder.expire_after(AMinute),
        |builder| {
            let lru = builder.eviction_policy(EvictionPolicy::Lru);
            lru.max_capacity(10).expire_after(AMinute)
        },
    ];
    for (number, set) in settings.into_iter().enumerate() {
        run(|| async move {
            let (runtime, set_clock) = runtime_with_clock();
            let cache = set(Cache::builder_on(runtime)).build();
            set_clock(at(100));
            cache.insert(1, 1);
            set_clock(at(200));
            assert_eq!(cache.get(&1), None);
            set_clock(at(100));
            assert_eq!(cache.get(&1), None, "settings {number}");
        });
    }
}

/// A read, and whether it finds the key.
type Finds = fn(&Cache<u32, u64>, u32) -> bool;

/// The reads that return a value or report one.
const READS: [(&str, Finds); 7] = [
    ("get", |cache, key| cache.get(&key).is_some()),
    ("peek", |cache, key| cache.peek(&key).is_some()),
    ("contains_key", |cache, key| cache.contains_key(&key)),
    ("expires_at", |cache, key| cache.expires_at(&key).is_some()),
    ("get_all", |cache, key| cache.get_all([&key])[0].is_some()),
    ("iter", |cache, key| {
        cache.iter().any(|entry| entry.0 == key)
    }),
    ("retain", |cache, key| {
        let mut is_there = false;
        cache.retain(|known, _| {
            is_there |= *known == key;
            true
        });
        is_there
    }),
];

#[test]
fn every_read_agrees_with_an_earlier_read_on_expiry_when_the_clock_steps_back() {
    type Set = fn(cache_core::Builder<u32, u64, Rt>) -> cache_core::Builder<u32, u64, Rt>;
    let settings: [Set; 3] = [
        |builder| builder.time_to_live(seconds(60)),
        |builder| builder.time_to_idle(seconds(60)),
        |builder| {
            builder
                .expire_after(AMinute)
                .eviction_policy(EvictionPolicy::Lru)
        },
    ];
    let pairs = READS
        .iter()
        .flat_map(|first| READS.iter().map(move |then| (first, then)));
    for (set, (first, then)) in settings
        .iter()
        .flat_map(|set| pairs.clone().map(move |pair| (set, pair)))
    {
        run(|| async move {
            let (runtime, set_clock) = runtime_with_clock();
            let cache = set(Cache::builder_on(runtime).shards(1)).build();
            set_clock(at(100));
            // More than one write purges.
            (0..30).for_each(|key| cache.insert(key, 1));
            set_clock(at(200));
            assert!(!first.1(&cache, 7), "{}", first.0);
            set_clock(at(100));
            assert!(!then.1(&cache, 7), "{} after {}", then.0, first.0);
        });
    }
}

#[test]
fn no_read_returns_an_entry_that_expired_before_a_write_when_the_clock_steps_back() {
    for (name, is_there) in READS {
        run(|| async move {
            let (runtime, set_clock) = runtime_with_clock();
            let cache: Cache<u32, u64> = Cache::builder_on(runtime).shards(1).build();
            set_clock(at(100));
            (0..30).for_each(|key| cache.insert_with_ttl(key, 1, after(60)));
            set_clock(at(200));
            cache.insert(1_000, 1);
            assert!(
                cache.entry_count() > 10,
                "a write purges only a few entries"
            );
            set_clock(at(100));
            for key in 0..30 {
                assert!(!is_there(&cache, key), "{name} of {key}");
            }
        });
    }
}

#[test]
fn a_ttl_set_after_the_clock_stepped_back_starts_at_the_latest_time() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache = cache(runtime);
        set_clock(at(1_000));
        cache.insert(1, 1);
        set_clock(at(10));
        cache.insert(1, 2);
        assert_eq!(cache.expires_at(&1), Some(at(1_060)));
        set_clock(at(500));
        assert_eq!(cache.get(&1), Some(2));
        set_clock(at(1_059));
        assert_eq!(cache.get(&1), Some(2));
        set_clock(at(1_060));
        assert_eq!(cache.get(&1), None);
    });
}

#[test]
fn a_use_after_the_clock_stepped_back_does_not_shorten_the_idle_time() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime).time_to_idle(seconds(60)).build();
        set_clock(at(1_000));
        cache.insert(1, 1);
        set_clock(at(10));
        assert_eq!(cache.get(&1), Some(1));
        set_clock(at(1_059));
        assert_eq!(cache.get(&1), Some(1));
    });
}

#[test]
fn a_load_during_which_the_clock_steps_back_has_a_load_time_of_zero() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let (cache, gate) = (cache(runtime), Gate::new());
        set_clock(at(100));
        let task = spawn({
            let (cache, gate) = (cache.clone(), gate.clone());
            async move {
                let loader = || async move {
                    gate.pass().await;
                    7
                };
                cache.get_with(1, loader).await
            }
        });
        until(|| cache.flight_count() == 1).await;
        set_clock(at(50));
        gate.open();
        assert_eq!(task.join().await, 7);
        assert_eq!(cache.stats().load_time, Duration::ZERO);
        assert_eq!(cache.get(&1), Some(7));
    });
}

#[test]
fn a_clock_far_ahead_expires_exactly_the_entries_that_can_expire() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache = cache(runtime);
        for key in 0..10 {
            cache.insert(key, 1);
        }
        cache.insert_with_ttl(10, 1, Ttl::Never);
        cache.insert_with_ttl(11, 1, Ttl::After(Duration::from_nanos(u64::MAX - 1)));
        for end in [u64::MAX - 1, u64::MAX] {
            set_clock(Instant::from_nanos(end));
            cache.run_pending_tasks();
            assert_eq!(cache.iter().collect::<Vec<_>>(), [(10, 1)]);
            assert_eq!(cache.entry_count(), 1);
            // No deadline is later than the maximum instant, and that instant is not reached.
            cache.insert(12, 1);
            assert_eq!(cache.expires_at(&12), Some(Instant::FAR));
            assert_eq!(cache.remove(&12), Some(1));
        }
        assert_sound(&cache, |_, _| 1);
        set_clock(at(1));
        assert_eq!(cache.get(&10), Some(1));
    });
}
