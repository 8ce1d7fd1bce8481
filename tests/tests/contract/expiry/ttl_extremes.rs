//! A ttl of zero, and an infinite ttl.

use std::convert::Infallible;
use std::time::Duration;

use cache_core::{Computed, Instant, Loaded, Op, RemovalCause, Ttl};

use crate::contract::support::common::{Gate, Notices, after, assert_sound, now, seconds};
use crate::harness::{Cache, run, runtime, runtime_with_clock, spawn, until};

#[test]
fn callers_share_a_load_whose_value_has_ttl_zero_and_nothing_is_stored() {
    run(|| async {
        let notices = Notices::new();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .eviction_listener(notices.listener())
            .build();
        let gate = Gate::new();
        let tasks = [(); 10].map(|()| {
            let (cache, gate) = (cache.clone(), gate.clone());
            spawn(async move {
                let loader = || async move {
                    gate.pass().await;
                    Ok::<_, Infallible>(Loaded::new(7).ttl(after(0)))
                };
                cache.load_with(1, loader).await.expect("a value")
            })
        });
        until(|| cache.stats().coalesced == 9).await;
        gate.open();
        for task in tasks {
            assert_eq!(task.join().await, 7);
        }
        assert_eq!(cache.stats().loads, 1);
        assert_eq!((cache.entry_count(), cache.get(&1)), (0, None));
        until(|| notices.len() == 1).await;
        assert_eq!(cache.get_with(1, || async { 8 }).await, 8);
        assert_eq!(notices.take(), [(1, 7, RemovalCause::Expired)]);
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_write_with_ttl_zero_stores_nothing_and_removes_the_old_value() {
    run(|| async {
        let notices = Notices::new();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .eviction_listener(notices.listener())
            .build();
        cache.insert(1, 1);
        cache.insert_with_ttl(1, 2, after(0));
        let left = [
            (1, 1, RemovalCause::Replaced),
            (1, 2, RemovalCause::Expired),
        ];
        assert_eq!(notices.take(), left);
        assert_eq!((cache.get(&1), cache.entry_count()), (None, 0));

        cache.insert(1, 3);
        let put = |_| async { Op::Put(Loaded::new(4).ttl(after(0))) };
        let computed = cache.entry(1).and_compute_with(put).await;
        assert_eq!(computed, Computed::Put(4));
        assert_eq!((cache.get(&1), cache.entry_count()), (None, 0));
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn set_ttl_zero_expires_an_entry_immediately() {
    run(|| async {
        let notices = Notices::new();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .eviction_listener(notices.listener())
            .build();
        cache.insert(1, 1);
        assert!(cache.set_ttl(&1, after(0)));
        assert_eq!(cache.get(&1), None);
        assert_eq!(cache.remove(&1), None);
        assert_eq!(notices.take(), [(1, 1, RemovalCause::Expired)]);
    });
}

#[test]
fn duration_max_means_never() {
    const CENTURIES: u64 = 500 * 365 * 24 * 3_600;
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime)
            .time_to_live(Duration::MAX)
            .time_to_idle(Duration::MAX)
            .build();
        set_clock(Instant::ORIGIN.after(seconds(1)));
        cache.insert(1, 1);
        cache.insert_with_ttl(2, 2, Ttl::After(Duration::MAX));
        cache.insert_with_ttl(3, 3, after(1));
        assert!(cache.set_ttl(&3, Ttl::After(Duration::MAX)));
        assert_eq!(cache.next_deadline(), None);
        set_clock(Instant::ORIGIN.after(seconds(CENTURIES)));
        cache.run_pending_tasks();
        for key in 1..=3 {
            assert_eq!(cache.get(&key), Some(u64::from(key)));
            assert_eq!(cache.expires_at(&key), Some(Instant::FAR));
        }
    });
}

#[test]
fn an_error_ttl_of_duration_max_remembers_an_error_forever() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime).error_ttl(Duration::MAX).build();
        set_clock(Instant::ORIGIN);
        for _ in 0..3 {
            let failed = cache.try_get_with(1, || async { Err("down") }).await;
            assert_eq!(failed.unwrap_err().loader(), Some(&"down"));
            set_clock(now(&cache).after(seconds(1_000_000)));
            cache.run_pending_tasks();
        }
        assert_eq!((cache.stats().loads, cache.next_deadline()), (1, None));
        cache.insert(1, 1);
        assert_eq!(cache.get_with(1, || async { 2 }).await, 1);
    });
}
