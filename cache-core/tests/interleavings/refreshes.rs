//! Refreshes in the background race writes, other callers, and the end of their task.

use std::time::Duration;

use shuttle::thread::{self, JoinHandle};

use crate::shuttle_runtime::{ShuttleCache, ShuttleRuntime, Value, check_loads, explore, one_of};

const DUE: Duration = Duration::from_secs(80);
const TTL: Duration = Duration::from_secs(100);
const STALE_UNTIL: Duration = Duration::from_secs(120);

/// A cache with a value that is due, and at most one refresh at a time.
fn cache(runtime: &ShuttleRuntime) -> ShuttleCache {
    let cache = runtime
        .builder()
        .shards(1)
        .time_to_live(TTL)
        .refresh_after(DUE)
        .stale_while_revalidate(STALE_UNTIL - TTL)
        .stale_if_error(10 * TTL)
        .max_concurrent_refreshes(1)
        .build();
    cache.insert(1, runtime.value());
    runtime.advance(DUE);
    cache
}

fn get(runtime: &ShuttleRuntime, cache: &ShuttleCache) -> JoinHandle<Value> {
    let (runtime, cache) = (runtime.clone(), cache.clone());
    thread::spawn(move || {
        let polls = one_of(3);
        runtime.block_on(cache.get_with(1, || runtime.load(1, polls)))
    })
}

/// Checks that every load has ended, and that the permit of the refresh is free.
fn check_refreshes(runtime: &ShuttleRuntime, cache: &ShuttleCache) {
    runtime.join_tasks();
    check_loads(cache);
    cache.insert(1, runtime.value());
    runtime.advance(DUE);
    let skipped = cache.stats().refreshes_skipped;
    runtime.block_on(cache.get_with(1, || runtime.load(1, 0)));
    let stats = cache.stats();
    assert_eq!(stats.refreshes_skipped, skipped, "a permit is lost");
    runtime.join_tasks();
    check_loads(cache);
    let stats = cache.stats();
    assert!(stats.refreshes_fenced <= stats.refreshes, "{stats:?}");
    assert!(stats.refreshes <= stats.loads, "{stats:?}");
}

#[test]
fn a_refresh_is_not_stored_over_a_newer_write() {
    explore(|runtime| {
        let cache = cache(runtime);
        let hits = [get(runtime, &cache), get(runtime, &cache)];
        let writes = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                let value = runtime.value();
                let made = value.made;
                match one_of(3) {
                    0 => {
                        cache.insert(1, value);
                        assert!(cache.get(&1).is_some_and(|value| value.made >= made));
                    }
                    1 => {
                        cache.invalidate(&1);
                        assert!(cache.get(&1).is_none_or(|value| value.made > made));
                    }
                    _ => {
                        cache.mark_stale(&1);
                        assert!(cache.get(&1).is_none_or(|value| value.made > made));
                    }
                }
                made
            })
        };
        let written = writes.join().expect("no panic");
        for hit in hits {
            hit.join().expect("no panic");
        }
        runtime.join_tasks();
        let stored = cache.get(&1).map(|value| value.made);
        assert!(stored.is_none_or(|made| made >= written), "a write is lost");
        check_refreshes(runtime, &cache);
    });
}

#[test]
fn a_caller_that_joins_a_refresh_gets_an_answer_whatever_becomes_of_its_task() {
    explore(|runtime| {
        let cache = cache(runtime);
        let hit = get(runtime, &cache);
        let late = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                runtime.advance(STALE_UNTIL - DUE);
                runtime.block_on(cache.get_with(1, || runtime.load(1, 1)))
            })
        };
        hit.join().expect("no panic");
        late.join().expect("no panic");
        check_refreshes(runtime, &cache);
    });
}

#[test]
fn a_load_that_is_left_for_being_slow_ends_once() {
    explore(|runtime| {
        let cache = runtime
            .builder()
            .shards(1)
            .time_to_live(TTL)
            .stale_if_error(10 * TTL)
            .stale_if_slow(Duration::from_secs(1))
            .refresh_after(DUE)
            .max_concurrent_refreshes(1)
            .build();
        cache.insert(1, runtime.value());
        runtime.advance(TTL);
        let calls = [get(runtime, &cache), get(runtime, &cache)];
        let slow = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                runtime.advance(Duration::from_secs(1));
                if one_of(2) == 0 {
                    cache.invalidate(&1);
                }
            })
        };
        slow.join().expect("no panic");
        for call in calls {
            call.join().expect("no panic");
        }
        check_refreshes(runtime, &cache);
    });
}
