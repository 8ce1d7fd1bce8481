//! Streams of what leaves the cache: every removal once, in order, without delay of a writer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use cache_core::{Event, RemovalCause};
use futures_util::Stream;
use futures_util::stream::FusedStream;

use crate::contract::support::backend::yields;
use crate::contract::support::common::{Notices, SECOND, after, caught, on_shards};
use crate::contract::support::traps::{Trap, Trapped, Traps};
use crate::harness::{Cache, Rt, advance, on_threads, run, runtime, spawn, waker};

type Events<K> = cache_core::Events<K, Rt>;

const CAUSES: [RemovalCause; 6] = RemovalCause::ALL;

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

/// The next event, which must be there; `None` is the end of the stream.
fn next<K: Clone>(events: &mut Events<K>) -> Option<Event<K>> {
    match poll(events, Waker::noop()) {
        Poll::Ready(event) => event,
        Poll::Pending => panic!("there must be an event"),
    }
}

fn poll<K: Clone>(events: &mut Events<K>, waker: &Waker) -> Poll<Option<Event<K>>> {
    Pin::new(events).poll_next(&mut Context::from_waker(waker))
}

fn is_pending<K: Clone>(events: &mut Events<K>) -> bool {
    poll(events, Waker::noop()).is_pending()
}

/// All events that are there, and how many the stream missed.
fn read<K: Clone>(events: &mut Events<K>) -> (Vec<(K, RemovalCause)>, u64) {
    let (mut removed, mut missed) = (Vec::new(), 0);
    while let Poll::Ready(Some(event)) = poll(events, Waker::noop()) {
        match event {
            Event::Removed { key, cause } => removed.push((key, cause)),
            Event::Lagged(count) => missed += count,
        }
    }
    (removed, missed)
}

fn removed(key: u32, cause: RemovalCause) -> Option<Event<u32>> {
    Some(Event::Removed { key, cause })
}

fn removals<K, V, S>(cache: &Cache<K, V, S>) -> u64 {
    let stats = cache.stats();
    CAUSES.map(|cause| stats.removals(cause)).iter().sum()
}

#[test]
fn a_stream_gets_what_the_listener_gets_in_the_order_of_the_removals() {
    on_shards(|shards| async move {
        let notices = Notices::new();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .max_capacity(20)
            .shards(shards)
            .stale_if_error(SECOND)
            .weigher(|_: &u32, value: &u64| u32::try_from(*value).expect("a small weight"))
            .eviction_listener({
                let notices = notices.clone();
                move |key: &u32, _: &u64, cause| notices.push((*key, cause))
            })
            .build();
        cache.insert(1, 1);
        cache.invalidate(&1);
        let mut events = cache.events();
        notices.take();
        cache.insert(1, 1);
        cache.insert(1, 2);
        cache.insert(2, 100);
        cache.insert_with_ttl(3, 1, after(1));
        cache.insert_with_ttl(4, 1, after(1));
        advance(SECOND).await;
        // A value that is kept after its ttl leaves when a load finds that there is none.
        assert_eq!(cache.optionally_get_with(4, || async { None }).await, None);
        advance(SECOND).await;
        cache.run_pending_tasks();
        for key in 10..50 {
            cache.insert(key, 1);
        }
        cache.remove(&1);
        cache.retain(|key, _| key % 2 == 0);
        cache.get_with(4, || async { 30 }).await;
        cache.drain();
        cache.insert(1, 1);
        cache.invalidate_all();
        let (received, missed) = read(&mut events);
        assert_eq!(missed, 0);
        assert_eq!(received, notices.take());
        assert_eq!(received.len() as u64, removals(&cache) - 1);
        for cause in CAUSES {
            let found = received.iter().any(|(_, found)| *found == cause);
            assert!(found, "{cause:?}");
        }
    });
}

#[test]
fn a_stream_begins_with_the_next_removal_and_each_stream_gets_every_event() {
    run(|| async {
        let cache = cache();
        cache.insert(1, 10);
        cache.invalidate(&1);
        let mut first = cache.events();
        assert!(is_pending(&mut first));
        cache.insert(2, 20);
        cache.invalidate(&2);
        let mut second = cache.events();
        cache.insert(3, 30);
        cache.invalidate(&3);
        assert_eq!(next(&mut first), removed(2, RemovalCause::Explicit));
        assert_eq!(next(&mut first), removed(3, RemovalCause::Explicit));
        assert_eq!(next(&mut second), removed(3, RemovalCause::Explicit));
        assert!(is_pending(&mut first) && is_pending(&mut second));
    });
}

#[test]
fn all_streams_get_the_events_of_concurrent_threads_in_the_same_order() {
    run(|| async {
        let cache = Cache::<u32, u64>::builder_on(runtime()).shards(4).build();
        let events: Vec<_> = (0..3)
            .map(|_| cache.events().with_capacity(100_000))
            .collect();
        on_threads(4, |number| {
            for round in 0..2_000 {
                let key = (number as u32 + round) % 8;
                if round % 2 == 0 {
                    cache.insert(key, 1);
                } else {
                    cache.invalidate(&key);
                }
            }
        });
        let expected = removals(&cache);
        let logs = events.into_iter().map(|mut events| read(&mut events));
        let logs: Vec<_> = logs.collect();
        for (received, missed) in &logs {
            assert_eq!((received.len() as u64, *missed), (expected, 0));
            assert_eq!(received, &logs[0].0, "all streams agree");
        }
    });
}

thread_local! {
    static ON_CLONE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// A key whose next clone on this thread calls `ON_CLONE`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Hooked(u32);

impl Clone for Hooked {
    fn clone(&self) -> Self {
        if let Some(hook) = ON_CLONE.take() {
            hook();
        }
        Self(self.0)
    }
}

#[test]
fn events_of_one_key_come_in_the_order_in_which_its_entries_left() {
    run(|| async {
        let cache: Cache<Hooked, u64> = Cache::builder_on(runtime()).build();
        let events = Rc::new(RefCell::new(cache.events()));
        cache.insert(Hooked(1), 1);
        let (handle, stream) = (cache.clone(), Rc::clone(&events));
        ON_CLONE.set(Some(Box::new(move || {
            // The second entry leaves, and is published, before the first is.
            handle.invalidate(&Hooked(1));
            assert!(is_pending(&mut stream.borrow_mut()));
        })));
        cache.insert(Hooked(1), 2);
        let mut causes = Vec::new();
        for _ in 0..2 {
            let Some(Event::Removed { key, cause }) = next(&mut events.borrow_mut()) else {
                panic!("two entries left");
            };
            causes.push((key.0, cause));
        }
        let expected = [RemovalCause::Replaced, RemovalCause::Explicit];
        assert_eq!(causes, expected.map(|cause| (1, cause)));
    });
}

#[test]
fn a_key_whose_clone_panics_counts_as_lagged_and_its_writer_gets_the_panic() {
    run(|| async {
        let traps = Traps::default();
        let key = |number| Trapped {
            number,
            traps: traps.clone(),
        };
        let cache: Cache<Trapped, u64> = Cache::builder_on(runtime()).build();
        let mut events = cache.events();
        for number in 1..3 {
            cache.insert(key(number), 1);
        }
        traps.arm(Trap::Clone, 1);
        assert_eq!(caught(|| cache.invalidate(&key(1))).unwrap_err(), "boom");
        cache.invalidate(&key(2));
        assert!(matches!(next(&mut events), Some(Event::Lagged(1))));
        let removed = next(&mut events);
        assert!(matches!(removed, Some(Event::Removed { key, .. }) if key.number == 2));
        assert!(is_pending(&mut events));
        assert_eq!(cache.entry_count(), 0);
    });
}

#[test]
fn a_slow_stream_loses_the_oldest_events_and_gets_their_exact_number() {
    run(|| async {
        let cache = cache();
        let mut slow = cache.events().with_capacity(3);
        let mut fast = cache.events();
        for key in 0..10 {
            cache.insert(key, 1);
            cache.invalidate(&key);
        }
        assert_eq!(next(&mut slow), Some(Event::Lagged(7)));
        for key in 7..10 {
            assert_eq!(next(&mut slow), removed(key, RemovalCause::Explicit));
        }
        assert!(is_pending(&mut slow));
        let (received, missed) = read(&mut fast);
        assert_eq!((received.len(), missed), (10, 0));
        cache.insert(10, 1);
        cache.invalidate(&10);
        assert_eq!(next(&mut slow), removed(10, RemovalCause::Explicit));
    });
}

#[test]
fn received_and_lagged_events_add_up_to_the_removals_of_concurrent_threads() {
    run(|| async {
        let cache = Cache::<u32, u64>::builder_on(runtime())
            .max_capacity(16)
            .shards(4)
            .build();
        let mut streams =
            [1, 7, 100, 1_000_000].map(|capacity| cache.events().with_capacity(capacity));
        let mut totals = [0; 4];
        for _ in 0..5 {
            on_threads(4, |number| {
                for key in 0..500 {
                    cache.insert(key * (number as u32 + 1), 1);
                }
                cache.invalidate_all();
            });
            for (total, events) in totals.iter_mut().zip(&mut streams) {
                let (received, missed) = read(events);
                *total += received.len() as u64 + missed;
            }
        }
        assert_eq!(totals, [removals(&cache); 4]);
    });
}

#[test]
fn a_stream_that_is_dropped_affects_no_other_stream() {
    run(|| async {
        let cache = cache();
        let (gone, mut stays) = (cache.events(), cache.events());
        cache.insert(1, 1);
        cache.invalidate(&1);
        drop(gone);
        cache.insert(2, 1);
        cache.invalidate(&2);
        let (received, missed) = read(&mut stays);
        let keys: Vec<_> = received.into_iter().map(|(key, _)| key).collect();
        assert_eq!((keys, missed), (vec![1, 2], 0));
        drop(stays);
        cache.insert(3, 1);
        cache.invalidate(&3);
        let mut late = cache.events();
        assert!(is_pending(&mut late));
    });
}

#[test]
fn the_drop_of_the_cache_ends_its_streams_after_their_last_event() {
    run(|| async {
        let cache = cache();
        let (mut events, mut waiting) = (cache.events(), cache.events());
        let end = spawn(async move { poll_fn(|cx| Pin::new(&mut waiting).poll_next(cx)).await });
        cache.insert(1, 1);
        drop(cache);
        assert_eq!(
            end.join().await,
            None,
            "the entries of a dropped cache are not reported"
        );
        assert!(!events.is_terminated());
        assert_eq!(next(&mut events), None);
        assert!(events.is_terminated());
        assert_eq!(next(&mut events), None);
    });
}

#[test]
fn a_dropped_cache_leaves_the_events_that_are_not_read() {
    run(|| async {
        let cache = cache();
        let mut events = cache.events();
        cache.insert(1, 1);
        cache.invalidate(&1);
        drop(cache);
        assert_eq!(next(&mut events), removed(1, RemovalCause::Explicit));
        assert_eq!(next(&mut events), None);
    });
}

#[test]
fn a_task_that_waits_gets_every_event() {
    run(|| async {
        let cache = cache();
        let mut events = cache.events().with_capacity(10_000);
        let reader = spawn(async move {
            let mut counts = BTreeMap::new();
            while let Some(event) = poll_fn(|cx| Pin::new(&mut events).poll_next(cx)).await {
                let Event::Removed { key, .. } = event else {
                    panic!("the capacity suffices");
                };
                *counts.entry(key).or_insert(0) += 1;
            }
            counts
        });
        let writer = spawn({
            let cache = cache.clone();
            async move {
                for round in 0..300 {
                    cache.insert(round % 3, 1);
                    cache.invalidate(&(round % 3));
                    yields(1).await;
                }
            }
        });
        writer.join().await;
        drop(cache);
        let counts = reader.join().await;
        assert_eq!(counts, BTreeMap::from([(0, 100), (1, 100), (2, 100)]));
    });
}

#[test]
fn a_waker_is_woken_once_and_may_use_the_cache_and_the_stream() {
    run(|| async {
        let cache = cache();
        let wakes = Arc::new(AtomicUsize::new(0));
        let mut other = cache.events();
        let mut events = cache.events();
        let own = {
            let (cache, wakes) = (cache.clone(), Arc::clone(&wakes));
            let on_wake = move || {
                wakes.fetch_add(1, Ordering::SeqCst);
                cache.insert(7, 1);
                cache.invalidate(&7);
                let _another = cache.events();
            };
            waker(on_wake, || ())
        };
        assert!(poll(&mut events, &own).is_pending());
        for key in 1..4 {
            cache.insert(key, 1);
            cache.invalidate(&key);
        }
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        let keys = |events: &mut Events<u32>| {
            let (received, missed) = read(events);
            assert_eq!(missed, 0);
            received.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(keys(&mut events), [1, 7, 2, 3]);
        assert_eq!(keys(&mut other), [1, 7, 2, 3]);
        assert!(poll(&mut events, &own).is_pending());
        cache.insert(4, 1);
        cache.invalidate(&4);
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
        drop((events, own));
    });
}

#[test]
fn a_key_is_cloned_only_while_a_stream_exists() {
    run(|| async {
        let clones = Arc::new(AtomicUsize::new(0));
        let cache: Cache<Counted, u64> = Cache::builder_on(runtime()).build();
        let remove_one = || {
            cache.insert(Counted(Arc::clone(&clones)), 1);
            cache.invalidate(&Counted(Arc::clone(&clones)));
            clones.load(Ordering::SeqCst)
        };
        assert_eq!(remove_one(), 0);
        let mut events = cache.events();
        assert_eq!(remove_one(), 1);
        assert!(matches!(next(&mut events), Some(Event::Removed { .. })));
        assert_eq!(
            clones.load(Ordering::SeqCst),
            1,
            "the only stream gets that clone"
        );
        drop(events);
        assert_eq!(remove_one(), 1);
    });
}

/// A key that counts its clones.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl PartialEq for Counted {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&self.0))
    }
}
