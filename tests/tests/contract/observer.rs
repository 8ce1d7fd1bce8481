//! What the observer sees of loads and batches, and what the histograms count.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::{
    BatchBegun, BatchDispatched, BatchEnded, Computed, LoadBegun, LoadEnded, LoadResult,
    Observation, Observer, Op,
};

use crate::contract::support::backend::{Backend, join_all, parked};
use crate::contract::support::batch_backend::{MS, Store, WINDOW, building, spawn_load, tens};
use crate::contract::support::common::{SECOND, assert_books_balance, boom, caught};
use crate::harness::{Cache, Rt, advance, run, runtime, until};

/// An observer that keeps a line for each event, without the polls.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    /// How many loaders are entered now, and how many ever were.
    inside: i32,
    entered: u32,
    panics: bool,
}

impl Log {
    fn add(&self, line: String) {
        let panics = {
            let mut lines = self.0.lock().expect("no panic while it is locked");
            lines.lines.push(line);
            lines.panics
        };
        if panics {
            boom();
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Lines) -> T) -> T {
        f(&mut self.0.lock().expect("no panic while it is locked"))
    }

    fn take(&self) -> Vec<String> {
        self.with(|lines| std::mem::take(&mut lines.lines))
    }

    fn count(&self, what: &str) -> usize {
        let is_it = |line: &&String| line.starts_with(what);
        self.with(|lines| lines.lines.iter().filter(is_it).count())
    }
}

impl Observer for Log {
    fn load_begun(&self, load: &LoadBegun<'_>) -> Option<Box<dyn Observation>> {
        let (kind, key) = (load.kind.name(), load.key.unwrap_or("-"));
        self.add(format!("{} {kind} {key}", load.cache.unwrap_or("-")));
        Some(Box::new(self.clone()))
    }

    fn load_ended(&self, load: &LoadEnded<'_>) {
        let (result, fenced, waiters) = (load.result.name(), load.fenced, load.waiters);
        let fenced = if fenced { ", fenced" } else { "" };
        self.add(format!(
            "{result} after {:?}, {waiters} waiters{fenced}",
            load.took
        ));
    }

    fn batch_begun(&self, _: &BatchBegun<'_>) -> Option<Box<dyn Observation>> {
        self.add("batch".to_owned());
        Some(Box::new(self.clone()))
    }

    fn batch_ended(&self, batch: &BatchEnded<'_>) {
        let (result, keys, took) = (batch.result.name(), batch.keys, batch.took);
        self.add(format!("batch of {keys}: {result} after {took:?}"));
    }
}

impl Observation for Log {
    fn joined(&self) {
        self.add("joined".to_owned());
    }

    fn enter(&self) {
        self.with(|lines| {
            lines.inside += 1;
            lines.entered += 1;
        });
        if self.with(|lines| lines.panics) {
            boom();
        }
    }

    fn exit(&self) {
        self.with(|lines| lines.inside -= 1);
    }

    fn dispatched(&self, batch: &BatchDispatched) {
        let (keys, reason, open) = (batch.keys, batch.reason.name(), batch.window_time);
        self.add(format!("dispatched {keys}: {reason} after {open:?}"));
    }
}

fn observed(log: &Log) -> cache_core::Builder<u32, u64, Rt> {
    Cache::builder_on(runtime()).observer(log.clone())
}

/// A cache on which an observer sees a load of key 1 that the backend answers.
fn loading(log: &Log) -> (Cache<u32, u64>, Backend) {
    (observed(log).name("users").build(), Backend::new())
}

#[test]
fn a_load_is_reported_when_it_begins_and_when_it_ends() {
    run(|| async {
        let log = Log::default();
        let (cache, backend) = loading(&log);
        let call = parked(cache.get_with(1, || backend.answer(10)));
        assert_eq!(log.take(), ["users single -"]);
        advance(SECOND).await;
        backend.open();
        assert_eq!(call.await, 10);
        assert_eq!(log.take(), ["success after 1s, 0 waiters"]);
        cache.get_with(1, || backend.answer(11)).await;
        assert_eq!(log.take(), [""; 0], "a hit is not reported");
        assert_eq!(log.with(|lines| lines.inside), 0);
        assert!(log.with(|lines| lines.entered) >= 2, "a call and a poll");
    });
}

#[test]
fn each_waiter_is_reported_once_and_counted() {
    run(|| async {
        let log = Log::default();
        let (cache, backend) = loading(&log);
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let waiters: Vec<_> = (0..3)
            .map(|_| parked(cache.get_with(1, || backend.answer(11))))
            .collect();
        assert_eq!(log.count("joined"), 3);
        backend.open();
        assert_eq!(leader.await, 10);
        for waiter in waiters {
            assert_eq!(waiter.await, 10);
        }
        assert_eq!(log.count("joined"), 3);
        assert_eq!(log.count("success after 0ns, 3 waiters"), 1);
    });
}

#[test]
fn a_failed_a_dropped_and_a_panicked_load_are_reported_with_their_results() {
    run(|| async {
        let log = Log::default();
        let (cache, backend) = loading(&log);
        let failed = cache
            .try_get_with(1, || async { Err::<u64, _>("down") })
            .await;
        assert!(failed.is_err());
        drop(parked(cache.get_with(2, || backend.answer(20))));
        let panicked = caught(|| drop(parked(cache.get_with(3, || async { boom() }))));
        assert_eq!(panicked, Err("boom".into()));
        until(|| log.count("failure") == 2 && log.count("dropped") == 1).await;
        assert_eq!(log.count("users single"), 3);
        assert_eq!(log.with(|lines| lines.inside), 0, "also after a panic");
        assert_books_balance(&cache);
    });
}

#[test]
fn a_write_during_a_load_makes_it_fenced() {
    run(|| async {
        let log = Log::default();
        let (cache, backend) = loading(&log);
        let call = parked(cache.get_with(1, || backend.answer(10)));
        cache.insert(1, 11);
        backend.open();
        assert_eq!(call.await, 10);
        let ended = "success after 0ns, 0 waiters, fenced";
        assert_eq!(log.take(), ["users single -", ended]);
    });
}

#[test]
fn refreshes_warm_ups_and_computations_are_kinds_of_their_own() {
    run(|| async {
        let log = Log::default();
        let cache = observed(&log)
            .observed_keys(|key| format!("key {key}"))
            .build();
        let refreshed = cache.refresh(1, || async { Ok::<_, &str>(10) }).await;
        assert_eq!(refreshed, Ok(10));
        let loaders = [(2, || async { Ok::<u64, &str>(20) })];
        assert_eq!(cache.warm(1, loaders).await.loaded, 1);
        let computed = cache
            .entry(3)
            .and_compute_with(|_| async { Op::Put(30.into()) })
            .await;
        assert_eq!(computed, Computed::Put(30));
        let removed = cache
            .entry(3)
            .and_compute_with(|_| async { Op::Remove })
            .await;
        assert_eq!(removed, Computed::Removed(Some(30)));
        let borrowed = cache.get_with_by_ref(&4, || async { 40 }).await;
        assert_eq!(borrowed, 40);
        let scoped = cache.get_with_scoped(5, || async { 50 }).await;
        assert_eq!(scoped, 50);
        let mut begun = log.take();
        begun.retain(|line| !line.starts_with("success after 0ns, 0 waiters"));
        let expected = [
            "- refresh key 1",
            "- warm key 2",
            "- compute key 3",
            "- compute key 3",
            "- single key 4",
            "- single key 5",
        ];
        assert_eq!(begun, expected);
    });
}

#[test]
fn a_refresh_in_the_background_is_reported_and_timed_as_a_refresh() {
    run(|| async {
        let (log, backend) = (Log::default(), Backend::new());
        let cache = observed(&log)
            .observed_keys(|key| format!("key {key}"))
            .time_to_live(SECOND * 2)
            .refresh_after(SECOND)
            .build();
        cache.enable_histograms();
        cache.insert(1, 10);
        advance(SECOND).await;
        assert_eq!(cache.get_with(1, || backend.answer(11)).await, 10);
        assert_eq!(log.take(), ["- refresh key 1"]);
        until(|| backend.calls() == 1).await;
        advance(SECOND / 2).await;
        backend.open();
        until(|| log.count("success") == 1).await;
        assert_eq!(log.take(), ["success after 500ms, 0 waiters"]);
        let times = cache.histograms().expect("they are enabled");
        let times = times.load_times(LoadResult::Success);
        assert_eq!((times.count(), times.sum()), (1, SECOND / 2));
    });
}

#[test]
fn a_batch_is_reported_with_its_size_its_window_and_its_reason() {
    run(|| async {
        let (log, store) = (Log::default(), Store::opened());
        let cache = observed(&log).build();
        let view = building(&cache, &store, tens).max_batch_size(3).build();
        let calls = vec![spawn_load!(view, 1), spawn_load!(view, 2)];
        until(|| cache.flight_count() == 2).await;
        advance(WINDOW).await;
        join_all(calls).await;
        let window = format!("dispatched 2: window after {WINDOW:?}");
        assert_eq!((log.count("batch"), log.count(&window)), (2, 1));
        assert_eq!(log.count("batch of 2: success after 0ns"), 1);
        assert_eq!(log.count("joined"), 1, "the second key joins");
        assert_eq!(log.count("success"), 2, "each key is a load");
        log.take();
        let calls = (3..6).map(|key| spawn_load!(view, key)).collect();
        join_all(calls).await;
        assert_eq!(log.count("dispatched 3: full after 0ns"), 1);
        let call = spawn_load!(view, 7);
        until(|| cache.flight_count() == 1).await;
        view.dispatch();
        join_all(vec![call]).await;
        assert_eq!(log.count("dispatched 1: dispatch"), 1);
        assert_eq!(log.with(|lines| lines.inside), 0);
    });
}

#[test]
fn refreshes_that_leave_with_misses_are_reported_as_a_part_of_their_batch() {
    run(|| async {
        let (log, store) = (Log::default(), Store::opened());
        let cache = observed(&log).refresh_after(SECOND).build();
        let view = building(&cache, &store, tens).build();
        cache.insert(1, 1);
        advance(SECOND).await;
        assert_eq!(view.get(1).await.unwrap(), Some(1));
        let call = spawn_load!(view, 2);
        advance(WINDOW).await;
        join_all(vec![call]).await;
        until(|| log.count("batch of 2: success after 0ns") == 1).await;
        until(|| log.count("success") == 2).await;
        let window = format!("dispatched 2: window after {WINDOW:?}");
        assert_eq!((log.count("batch"), log.count(&window)), (2, 1));
        log.take();
        advance(SECOND).await;
        assert_eq!(view.get(1).await.unwrap(), Some(10));
        assert_eq!(log.count("batch"), 0, "it begins when its window ends");
        view.dispatch();
        until(|| log.count("batch of 1: success after 0ns") == 1).await;
        let dispatched = "dispatched 1: dispatch after 0ns";
        assert_eq!((log.count("batch"), log.count(dispatched)), (2, 1));
    });
}

#[test]
fn the_end_of_each_batch_is_counted_and_reported_with_its_result() {
    run(|| async {
        let (log, store) = (Log::default(), Store::opened());
        let cache = observed(&log).build();
        let answered = building(&cache, &store, tens).build();
        let failing = building(&cache, &store, |_| Err::<Vec<u64>, _>("down")).build();
        let short = building(&cache, &store, |_| vec![1_u64]).build();
        let calls = vec![spawn_load!(answered, 1)];
        let failed = vec![spawn_load!(failing, 2)];
        let wrong = vec![spawn_load!(short, 3), spawn_load!(short, 4)];
        until(|| cache.flight_count() == 4).await;
        advance(WINDOW + MS).await;
        join_all(calls).await;
        join_all(failed).await;
        join_all(wrong).await;
        let held = Store::new();
        let waiting = building(&cache, &held, tens).build();
        let gone = spawn_load!(waiting, 5);
        advance(WINDOW + MS).await;
        until(|| held.batches() == 1).await;
        gone.abort();
        // The loads of a batch end after the batch itself.
        until(|| cache.stats().loads_dropped == 1).await;
        let stats = cache.stats();
        assert_eq!((stats.batches, stats.batch_successes), (4, 1));
        assert_eq!((stats.batch_failures, stats.batches_dropped), (2, 1));
        until(|| log.count("batch of 1: dropped") == 1).await;
        assert_eq!(log.count("batch of 1: success"), 1);
        assert_eq!(log.count("batch of 1: failure"), 1);
        assert_eq!(log.count("batch of 2: failure"), 1);
        assert_books_balance(&cache);
    });
}

#[test]
fn a_panic_of_the_observer_reaches_no_caller_and_changes_no_load() {
    run(|| async {
        let (log, store) = (Log::default(), Store::opened());
        log.with(|lines| lines.panics = true);
        let cache = observed(&log).observed_keys(|_| boom()).build();
        let backend = Backend::new();
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let waiter = parked(cache.get_with(1, || backend.answer(11)));
        backend.open();
        assert_eq!((leader.await, waiter.await), (10, 10));
        let view = building(&cache, &store, tens).build();
        let call = spawn_load!(view, 2);
        advance(WINDOW + MS).await;
        assert_eq!(join_all(vec![call]).await, [Ok(Some(20))]);
        assert_eq!((cache.get(&1), cache.get(&2)), (Some(10), Some(20)));
        assert_books_balance(&cache);
    });
}

#[test]
fn a_pair_of_observers_sees_what_each_would_see() {
    run(|| async {
        let (first, second) = (Log::default(), Log::default());
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .observer((first.clone(), Arc::new(second.clone())))
            .build();
        cache.get_with(1, || async { 10 }).await;
        let expected = ["- single -", "success after 0ns, 0 waiters"];
        assert_eq!(
            (first.take(), second.take()),
            (
                expected.map(String::from).into(),
                expected.map(String::from).into()
            )
        );
        assert_eq!(first.with(|lines| lines.inside), 0);
    });
}

#[test]
fn histograms_count_each_load_that_ends_after_they_are_enabled() {
    run(|| async {
        let (cache, backend) = loading(&Log::default());
        cache.get_with(1, || async { 10 }).await;
        assert!(cache.histograms().is_none());
        cache.enable_histograms();
        let memory = cache.memory_used();
        cache.enable_histograms();
        assert_eq!(cache.memory_used(), memory);
        let call = parked(cache.get_with(2, || backend.answer(20)));
        advance(SECOND).await;
        backend.open();
        assert_eq!(call.await, 20);
        let failed = cache
            .try_get_with(3, || async { Err::<u64, _>("down") })
            .await;
        assert!(failed.is_err());
        drop(parked(cache.get_with(4, std::future::pending)));
        let times = cache.histograms().expect("they are enabled");
        let counts = LoadResult::ALL.map(|result| times.load_times(result).count());
        assert_eq!(counts, [1, 1, 1]);
        let success = times.load_times(LoadResult::Success);
        assert_eq!(success.sum(), SECOND);
        let median = success.quantile(0.5).expect("there is a value");
        assert!(median > SECOND * 7 / 8 && median < SECOND * 9 / 8);
    });
}

#[test]
fn histograms_count_the_sizes_of_batches_and_the_times_of_their_loads() {
    run(|| async {
        let (cache, store) = (Cache::builder_on(runtime()).build(), Store::opened());
        cache.enable_histograms();
        let view = building(&cache, &store, tens).build();
        let calls = (0..3).map(|key| spawn_load!(view, key)).collect();
        until(|| cache.flight_count() == 3).await;
        advance(WINDOW + MS).await;
        join_all(calls).await;
        let histograms = cache.histograms().expect("they are enabled");
        let sizes = histograms.batch_sizes();
        assert_eq!((sizes.count(), sizes.sum()), (1, 3));
        let filled = sizes.buckets().find(|bucket| bucket.count == 1);
        assert_eq!(filled.and_then(|bucket| bucket.upper_bound), Some(5));
        assert_eq!(histograms.load_times(LoadResult::Success).count(), 3);
    });
}

#[test]
fn the_weight_of_entries_evicted_for_capacity_is_counted() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .max_capacity(10)
            .shards(1)
            .build();
        cache.insert_weighted(1, 10, 7);
        cache.insert_weighted(2, 20, 2);
        cache.invalidate(&2);
        assert_eq!(cache.stats().evicted_weight, 0);
        cache.insert_weighted(3, 30, 10);
        assert_eq!(cache.stats().evicted_weight, 7);
        cache.set_max_capacity(5);
        assert_eq!(cache.stats().evicted_weight, 17);
        for key in 0..6 {
            cache.insert(key, 1);
        }
        assert_eq!(cache.stats().evicted_weight, 18, "an entry weighs 1");
    });
}

#[test]
fn the_difference_of_two_counts_is_what_happened_between_them() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).build();
        cache.get_with(1, || async { 10 }).await;
        let earlier = cache.stats();
        cache.get(&1);
        cache.get(&2);
        cache.invalidate(&1);
        let later = cache.stats();
        let since = later.since(&earlier).expect("later counts are higher");
        assert_eq!((since.hits, since.misses, since.loads), (1, 1, 0));
        assert_eq!(since.removals(cache_core::RemovalCause::Explicit), 1);
        assert_eq!(since.load_time, Duration::ZERO);
        assert_eq!(earlier.since(&later), None, "a count would be negative");
    });
}
