//! Refreshes of a batching view race misses, writes, callers that need their keys, and the end of
//! their task.

use std::convert::Infallible;
use std::time::Duration;

use cache_core::{BatchLoader, BatchWindow};
use shuttle::thread::{self, JoinHandle};

use crate::batches::find_all;
use crate::shuttle_runtime::{ShuttleCache, ShuttleRuntime, check_loads, explore, one_of};

const DUE: Duration = Duration::from_secs(80);
const TTL: Duration = Duration::from_secs(100);
const STALE_UNTIL: Duration = Duration::from_secs(120);
const REFRESH_WINDOW: Duration = Duration::from_millis(100);

type View = BatchLoader<u32, crate::shuttle_runtime::Value, Infallible, ShuttleRuntime>;

/// A cache in which keys 1 and 2 have values that are due, and at most two refreshes at a time.
fn cache(runtime: &ShuttleRuntime) -> ShuttleCache {
    let cache = runtime
        .builder()
        .shards(1)
        .time_to_live(TTL)
        .refresh_after(DUE)
        .stale_while_revalidate(STALE_UNTIL - TTL)
        .stale_if_error(10 * TTL)
        .max_concurrent_refreshes(2)
        .detach_loads(one_of(2) == 0)
        .build();
    make_due(runtime, &cache);
    cache
}

fn make_due(runtime: &ShuttleRuntime, cache: &ShuttleCache) {
    for key in 1..=2 {
        cache.insert(key, runtime.value());
    }
    runtime.advance(DUE);
}

fn view(runtime: &ShuttleRuntime, cache: &ShuttleCache) -> View {
    let (source, polls) = (runtime.clone(), one_of(3));
    cache
        .batching_builder(move |keys: Vec<u32>| find_all(&source, &keys, polls))
        .batch_window(BatchWindow::Yield(1))
        .max_batch_size(1 + one_of(3) as usize)
        .build()
}

fn get(runtime: &ShuttleRuntime, view: &View, key: u32) -> JoinHandle<()> {
    let (runtime, view) = (runtime.clone(), view.clone());
    thread::spawn(move || {
        let answer = runtime.block_on(view.get(key)).expect("no error");
        assert!(answer.is_some(), "a value is found");
    })
}

/// Ends the windows of all refreshes, and checks that each load has ended, and that the permits of
/// the refreshes are free.
fn check_refreshes(runtime: &ShuttleRuntime, cache: &ShuttleCache) {
    let settle = || {
        while cache.flight_count() > 0 {
            runtime.advance(REFRESH_WINDOW);
            thread::yield_now();
        }
        runtime.advance(REFRESH_WINDOW);
        runtime.join_tasks();
        check_loads(cache);
    };
    settle();
    make_due(runtime, cache);
    let skipped = cache.stats().refreshes_skipped;
    for key in 1..=2 {
        runtime.block_on(cache.get_with(key, || runtime.load(key, 0)));
    }
    let stats = cache.stats();
    assert_eq!(stats.refreshes_skipped, skipped, "a permit is lost");
    settle();
    let stats = cache.stats();
    assert!(stats.refreshes_fenced <= stats.refreshes, "{stats:?}");
    assert!(stats.refreshes <= stats.loads, "{stats:?}");
}

#[test]
fn refreshes_of_a_view_end_once_beside_misses_and_callers_of_their_keys() {
    explore(|runtime| {
        let cache = cache(runtime);
        let view = view(runtime, &cache);
        let hits = [1, 2].map(|key| get(runtime, &view, key));
        let miss = {
            let (runtime, view) = (runtime.clone(), view.clone());
            let polls = one_of(4);
            thread::spawn(move || {
                if polls == 0 {
                    drop(runtime.block_on(view.get(3)));
                } else {
                    let mut call = runtime.call(view.get(3));
                    let _ = (0..polls).find(|_| call.poll().is_ready());
                }
            })
        };
        let other = {
            let (runtime, cache, view) = (runtime.clone(), cache.clone(), view.clone());
            thread::spawn(move || match one_of(4) {
                0 => view.dispatch(),
                1 => runtime.advance(REFRESH_WINDOW),
                2 => {
                    runtime.advance(STALE_UNTIL - DUE);
                    runtime.block_on(cache.get_with(1, || runtime.load(1, 1)));
                }
                _ => {
                    runtime.advance(STALE_UNTIL - DUE);
                    drop(runtime.block_on(view.get(1)));
                }
            })
        };
        for call in hits.into_iter().chain([miss, other]) {
            call.join().expect("no panic");
        }
        drop(view);
        check_refreshes(runtime, &cache);
        for key in 1..=3 {
            assert!(runtime.most_concurrent(key) <= 1, "{key} is loaded twice");
        }
    });
}

#[test]
fn a_refresh_of_a_view_is_not_stored_over_a_newer_write() {
    explore(|runtime| {
        let cache = cache(runtime);
        let view = view(runtime, &cache);
        let calls = [1, 2, 3].map(|key| get(runtime, &view, key));
        let writes = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                let value = runtime.value();
                let made = value.made;
                match one_of(3) {
                    0 => cache.insert(1, value),
                    1 => cache.invalidate(&1),
                    _ => drop(cache.mark_stale(&1)),
                }
                made
            })
        };
        let written = writes.join().expect("no panic");
        for call in calls {
            call.join().expect("no panic");
        }
        drop(view);
        check_refreshes(runtime, &cache);
        let stored = cache.get(&1).map(|value| value.made);
        assert!(stored.is_none_or(|made| made >= written), "a write is lost");
    });
}
