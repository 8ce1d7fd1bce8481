//! The janitor, while deadlines are set and time passes.

use std::time::Duration;

use cache_core::{RemovalCause, Ttl};
use shuttle::thread;

use crate::shuttle_runtime::{OnStage, Stage, explore, one_of};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn cache(stage: &Stage) -> OnStage {
    let shards = [1, 2][one_of(2) as usize];
    stage.builder().shards(shards).janitor(true).build()
}

/// Waits until the janitor has purged everything: for ever, if it missed a deadline.
fn wait_until_empty(cache: &OnStage) {
    while cache.entry_count() > 0 {
        thread::yield_now();
    }
}

#[test]
fn the_janitor_misses_no_deadline_that_is_set_while_it_looks() {
    explore(|stage| {
        if !stage.carries_tasks_through() || !stage.has_timer() {
            return;
        }
        let cache = cache(stage);
        cache.insert_with_ttl(0, stage.value(), Ttl::After(seconds(5)));
        let writer = {
            let (stage, cache) = (stage.clone(), cache.clone());
            thread::spawn(move || {
                cache.insert_with_ttl(1, stage.value(), Ttl::After(seconds(10)));
                cache.insert_with_ttl(2, stage.value(), Ttl::After(seconds(8)));
            })
        };
        stage.advance(seconds(6));
        writer.join().expect("no panic");
        stage.advance(seconds(20));
        wait_until_empty(&cache);
        assert_eq!(cache.stats().removals(RemovalCause::Expired), 3);
    });
}

#[test]
fn the_janitor_looks_earlier_if_an_earlier_deadline_is_set() {
    explore(|stage| {
        if !stage.carries_tasks_through() || !stage.has_timer() {
            return;
        }
        let cache = cache(stage);
        let writers: Vec<_> = [100, 10]
            .into_iter()
            .map(|ttl| {
                let (stage, cache) = (stage.clone(), cache.clone());
                thread::spawn(move || {
                    cache.insert_with_ttl(ttl, stage.value(), Ttl::After(seconds(u64::from(ttl))));
                })
            })
            .collect();
        for writer in writers {
            writer.join().expect("no panic");
        }
        stage.advance(seconds(11));
        while cache.entry_count() > 1 {
            thread::yield_now();
        }
        assert!(cache.contains_key(&100));
    });
}
