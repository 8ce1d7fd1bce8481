//! Warm-up: many keys loaded ahead of their first request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cache_core::LoadError;
use tokio::sync::Semaphore;

use crate::contract::support::backend::{Backend, parked, poll_once, yields};
use crate::contract::support::common::{Notices, assert_sound, boom, caught_in};
use crate::harness::{Cache, run, runtime, spawn, until};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

fn ten(key: u32) -> u64 {
    u64::from(key) * 10
}

#[test]
fn a_warm_up_runs_a_loader_for_each_absent_key() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        (0..10).for_each(|key| cache.insert(key, 0));
        let loaders = (0..100).map(|key| {
            let source = backend.clone();
            (key, move || source.answer(Ok::<_, String>(ten(key))))
        });
        let report = cache.warm(8, loaders).await;
        assert_eq!((report.present, report.loaded), (10, 90));
        assert!(report.failures.is_empty());
        assert_eq!(backend.calls(), 90);
        assert!((10..100).all(|key| cache.peek(&key) == Some(ten(key))));
        assert_eq!(cache.peek(&1), Some(0), "the stored value stays");
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_warm_up_counts_a_request_for_each_absent_key_only() {
    run(|| async {
        let cache = cache();
        (0..10).for_each(|key| cache.insert(key, 0));
        let loaders = (0..30).map(|key| (key, move || async move { Ok::<_, String>(ten(key)) }));
        cache.warm(8, loaders).await;
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.coalesced), (0, 20, 0));
    });
}

#[test]
fn a_warm_up_runs_as_many_loads_at_a_time_as_its_limit() {
    run(|| async {
        for limit in [1, 3, 1_000] {
            let cache = cache();
            let running = Arc::new(AtomicUsize::new(0));
            let most = Arc::new(AtomicUsize::new(0));
            let loaders = (0..50_u32).map(|key| {
                let (running, most) = (Arc::clone(&running), Arc::clone(&most));
                let load = move || async move {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    yields(1 + key as usize % 5).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, String>(ten(key))
                };
                (key, load)
            });
            let report = cache.warm(limit, loaders).await;
            assert_eq!(report.loaded, 50);
            assert_eq!(most.load(Ordering::SeqCst), limit.min(50));
        }
    });
}

#[test]
fn a_slow_key_delays_no_other_key() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let (warms, slow) = (cache.clone(), backend.clone());
        let task = spawn(async move {
            let loaders = (0..100).map(|key| {
                let slow = (key == 0).then(|| slow.answer(()));
                let load = move || async move {
                    if let Some(slow) = slow {
                        slow.await;
                    }
                    Ok::<_, String>(ten(key))
                };
                (key, load)
            });
            warms.warm(2, loaders).await
        });
        until(|| cache.entry_count() == 99).await;
        backend.open();
        assert_eq!(task.join().await.loaded, 100);
    });
}

#[test]
fn a_failing_key_does_not_stop_the_others_and_the_report_lists_the_failures() {
    run(|| async {
        let cache = cache();
        let loaders = (0..30).map(|key| {
            let load = move || async move {
                match key % 10 {
                    3 => Err(format!("no {key}")),
                    7 => boom(),
                    _ => Ok(ten(key)),
                }
            };
            (key, load)
        });
        let report = cache.warm(1, loaders).await;
        assert_eq!((report.present, report.loaded), (0, 24));
        let words = report.failures.iter().map(|(key, error)| match error {
            LoadError::Loader(error) => (*key, error.to_string()),
            LoadError::Panicked => (*key, "panicked".into()),
            other => panic!("{key}: {other}"),
        });
        let expected = [
            (3, "no 3"),
            (7, "panicked"),
            (13, "no 13"),
            (17, "panicked"),
            (23, "no 23"),
            (27, "panicked"),
        ];
        let expected = expected.map(|(key, words)| (key, words.to_string()));
        assert_eq!(
            words.collect::<Vec<_>>(),
            expected,
            "in the order of the failures"
        );
        assert_eq!((cache.entry_count(), cache.flight_count()), (24, 0));
    });
}

#[test]
fn a_warm_up_reports_progress_after_each_key() {
    run(|| async {
        let cache = cache();
        cache.insert(0, 0);
        let seen = Notices::new();
        let loaders: Vec<_> = (0..4)
            .map(|key| {
                let load = move || async move { if key == 2 { Err("odd") } else { Ok(ten(key)) } };
                (key, load)
            })
            .collect();
        let progress = |progress: cache_core::WarmProgress| {
            seen.push((progress.done, progress.failed, progress.total));
        };
        cache.warm_with_progress(1, loaders, progress).await;
        let total = Some(4);
        let expected = [(1, 0, total), (2, 0, total), (3, 1, total), (4, 1, total)];
        assert_eq!(seen.take(), expected);
    });
}

#[test]
fn a_warm_up_of_unknown_length_reports_no_total() {
    run(|| async {
        let (cache, mut left) = (cache(), 3);
        let loaders = std::iter::from_fn(move || {
            left -= 1;
            (left >= 0).then_some((left, || async { Ok::<_, String>(1) }))
        });
        let loaders = loaders.map(|(key, load)| (u32::try_from(key).expect("not below 0"), load));
        let seen = Notices::new();
        let progress = |progress: cache_core::WarmProgress| seen.push(progress.total);
        let report = cache.warm_with_progress(2, loaders, progress).await;
        assert_eq!(report.loaded, 3);
        assert_eq!(seen.take(), [None; 3]);
    });
}

#[test]
fn a_warm_up_shares_loads_with_other_callers() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let before = parked(cache.get_with(1, || backend.answer(11)));
        let (warms, source) = (cache.clone(), backend.clone());
        let warm = spawn(async move {
            let loaders = [1, 2, 2].map(|key| {
                let source = source.clone();
                (key, move || source.answer(Ok::<_, String>(ten(key))))
            });
            warms.warm(9, loaders).await
        });
        // The first joins the load above, the third the load of the second.
        until(|| backend.calls() == 2 && cache.stats().coalesced == 2).await;
        let after = parked(cache.get_with(2, || backend.answer(22)));
        backend.open();
        let report = warm.join().await;
        assert_eq!((report.loaded, report.coalesced), (1, 2));
        assert_eq!((report.present, report.failures.len()), (0, 0));
        assert_eq!((before.await, after.await), (11, 20));
        assert_eq!(backend.calls(), 2);
    });
}

#[test]
fn a_dropped_warm_up_drops_its_loads_in_flight_and_starts_no_more() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let loaders = (0..10).map(|key| {
            let source = backend.clone();
            (key, move || source.answer(Ok::<_, String>(ten(key))))
        });
        let mut warm = Box::pin(cache.warm(3, loaders));
        assert!(poll_once(&mut warm).is_pending());
        assert_eq!((backend.calls(), cache.flight_count()), (3, 3));
        let joins = parked(cache.get_with(1, || backend.answer(0)));
        drop(warm);
        backend.open();
        assert_eq!(joins.await, 10, "another caller waits for this load");
        assert_eq!((cache.entry_count(), cache.flight_count()), (1, 0));
        assert_eq!(backend.calls(), 3);
    });
}

#[test]
fn a_warm_up_with_a_limit_of_zero_is_rejected() {
    run(|| async {
        let cache = cache();
        let loaders = [(1, || async { Ok::<u64, String>(1) })];
        let refused = caught_in(cache.warm(0, loaders)).await;
        let words = "limit is 0, but at least one load must run at a time";
        assert_eq!(refused.map(drop).unwrap_err(), words);
    });
}

#[test]
fn a_warm_up_of_no_keys_completes_immediately() {
    run(|| async {
        let cache = cache();
        let nothing = std::iter::empty::<(u32, fn() -> std::future::Ready<Result<u64, String>>)>();
        let report = cache.warm(1, nothing).await;
        assert_eq!(
            (report.present, report.loaded, report.failures.len()),
            (0, 0, 0)
        );
    });
}

#[test]
fn a_wake_of_a_warm_up_polls_each_load_a_bounded_number_of_times() {
    const KEYS: u32 = 1_000;
    const GROUP: u32 = 100;
    run(|| async {
        let cache = cache();
        let groups: Vec<_> = (0..KEYS / GROUP)
            .map(|_| Arc::new(Semaphore::new(0)))
            .collect();
        let polls = Arc::new(AtomicUsize::new(0));
        let loaders: Vec<_> = (0..KEYS)
            .map(|key| {
                let group = Arc::clone(&groups[(key / GROUP) as usize]);
                let polls = Arc::clone(&polls);
                let load = move || async move {
                    let mut waits = Box::pin(group.acquire());
                    let closed = std::future::poll_fn(|cx| {
                        polls.fetch_add(1, Ordering::SeqCst);
                        waits.as_mut().poll(cx)
                    });
                    Ok::<_, String>(u64::from(closed.await.is_err()))
                };
                (key, load)
            })
            .collect();
        let warms = cache.clone();
        let warm = spawn(async move { warms.warm(usize::MAX, loaders).await });
        until(|| polls.load(Ordering::SeqCst) >= KEYS as usize).await;
        for (done, group) in (1..).zip(&groups) {
            // A hundred loads are ready at the same time.
            group.close();
            until(|| cache.entry_count() == done * u64::from(GROUP)).await;
        }
        assert_eq!(warm.join().await.loaded, KEYS as usize);
        let wakes = 1 + groups.len();
        if crate::harness::SINGLE_THREADED {
            let most = wakes * KEYS as usize * 3;
            assert!(polls.load(Ordering::SeqCst) < most);
        }
    });
}
