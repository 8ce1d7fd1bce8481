//! The janitor, while deadlines are set and time passes.

use std::time::Duration;

use cache_core::{RemovalCause, Ttl};
use shuttle::thread;

use crate::shuttle_runtime::{ShuttleCache, ShuttleRuntime, explore, one_of};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn cache(runtime: &ShuttleRuntime) -> ShuttleCache {
    let shards = [1, 2][one_of(2) as usize];
    runtime.builder().shards(shards).janitor(true).build()
}

/// Waits until the janitor has purged everything. Never returns if it misses a deadline.
fn wait_until_empty(cache: &ShuttleCache) {
    while cache.entry_count() > 0 {
        thread::yield_now();
    }
}

#[test]
fn the_janitor_misses_no_deadline_that_is_set_while_it_purges() {
    explore(|runtime| {
        if !runtime.completes_tasks() || !runtime.has_timer() {
            return;
        }
        let cache = cache(runtime);
        cache.insert_with_ttl(0, runtime.value(), Ttl::After(seconds(5)));
        let writer = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                cache.insert_with_ttl(1, runtime.value(), Ttl::After(seconds(10)));
                cache.insert_with_ttl(2, runtime.value(), Ttl::After(seconds(8)));
            })
        };
        runtime.advance(seconds(6));
        writer.join().expect("no panic");
        runtime.advance(seconds(20));
        wait_until_empty(&cache);
        assert_eq!(cache.stats().removals(RemovalCause::Expired), 3);
    });
}

#[test]
fn an_earlier_deadline_wakes_the_janitor_earlier() {
    explore(|runtime| {
        if !runtime.completes_tasks() || !runtime.has_timer() {
            return;
        }
        let cache = cache(runtime);
        let writers: Vec<_> = [100, 10]
            .into_iter()
            .map(|ttl| {
                let (runtime, cache) = (runtime.clone(), cache.clone());
                thread::spawn(move || {
                    cache.insert_with_ttl(
                        ttl,
                        runtime.value(),
                        Ttl::After(seconds(u64::from(ttl))),
                    );
                })
            })
            .collect();
        for writer in writers {
            writer.join().expect("no panic");
        }
        runtime.advance(seconds(11));
        while cache.entry_count() > 1 {
            thread::yield_now();
        }
        assert!(cache.contains_key(&100));
    });
}
