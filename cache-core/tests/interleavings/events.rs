//! Streams of removals race the removals, other streams and the drop of the cache.

use core::pin::pin;
use std::future::poll_fn;

use cache_core::{Event, Events, RemovalCause};
use futures_core::Stream;
use shuttle::thread;

use crate::shuttle_runtime::{ShuttleCache, ShuttleRuntime, explore, one_of};

/// Reads `events` to its end. Returns the number of events of key 1 and of those that it missed.
async fn read(events: Events<u32, ShuttleRuntime>) -> (u64, u64) {
    let mut events = pin!(events);
    let (mut received, mut missed, mut last) = (0, 0, RemovalCause::Explicit);
    while let Some(event) = poll_fn(|cx| events.as_mut().poll_next(cx)).await {
        match event {
            Event::Lagged(count) => missed += count,
            Event::Removed { key, cause } => {
                assert_eq!(key, 1);
                received += 1;
                last = cause;
            }
        }
    }
    assert!(
        received == 0 || last == RemovalCause::Explicit,
        "the last removal comes last"
    );
    (received, missed)
}

fn removals(cache: &ShuttleCache) -> u64 {
    let stats = cache.stats();
    RemovalCause::ALL
        .map(|cause| stats.removals(cause))
        .iter()
        .sum()
}

#[test]
fn a_stream_gets_every_removal_in_order_and_its_reader_is_woken() {
    explore(|runtime| {
        let cache = runtime.cache();
        let capacity = if one_of(2) == 0 { 1 } else { 100 };
        let events = cache.events().with_capacity(capacity);
        let reader = {
            let runtime = runtime.clone();
            thread::spawn(move || runtime.block_on(read(events)))
        };
        let writers = [(); 2].map(|()| {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                cache.insert(1, runtime.value());
                cache.insert(1, runtime.value());
            })
        });
        for writer in writers {
            writer.join().expect("no panic");
        }
        cache.invalidate(&1);
        let expected = removals(&cache);
        assert_eq!(expected, 4);
        drop(cache);
        let (received, missed) = reader.join().expect("no panic");
        assert_eq!(received + missed, expected);
        assert!(capacity == 1 || missed == 0);
    });
}

#[test]
fn streams_begin_and_end_while_entries_leave() {
    explore(|runtime| {
        let cache = runtime.cache();
        let writer = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                for _ in 0..3 {
                    cache.insert(1, runtime.value());
                    cache.invalidate(&1);
                }
            })
        };
        let brief = {
            let cache = cache.clone();
            thread::spawn(move || drop(cache.events()))
        };
        // Must not wait for a removal that was published before the stream began.
        let events = cache.events();
        brief.join().expect("no panic");
        writer.join().expect("no panic");
        drop(cache);
        let (received, missed) = runtime.block_on(read(events));
        assert!(received <= 3);
        assert_eq!(missed, 0);
    });
}
