//! The listener is notified of an expired entry before the key's next value is loaded.

use std::convert::Infallible;

use cache_core::{BatchWindow, Computed, EvictionPolicy, Expiry, Loaded, Op, RemovalCause, Ttl};

use crate::contract::support::common::{Notices, SECOND, after, on_shards, seconds};
use crate::harness::{Cache, Rt, advance, run, runtime};

type Builder = cache_core::Builder<u32, u64, Rt>;

/// An event of a key. The tests record events in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Left(u32, u64, RemovalCause),
    Loading(u32),
}

/// More entries than one write purges.
const MANY: u32 = 30;

/// A short ttl that each read restarts.
struct FromReads;

impl Expiry<u32, u64> for FromReads {
    fn expire_after_create(&self, _: &u32, _: &u64) -> Ttl {
        after(10)
    }

    fn expire_after_read(&self, _: &u32, _: &u64, _: Option<std::time::Duration>) -> Option<Ttl> {
        Some(after(10))
    }
}

/// Every kind of expiry, with and without reads that lock their shard exclusively.
fn builders(shards: usize) -> Vec<Builder> {
    let plain = || Cache::builder_on(runtime()).shards(shards);
    let lru = || Cache::builder_on(runtime()).eviction_policy(EvictionPolicy::Lru);
    let (ttl, idle) = (seconds(10), seconds(10));
    let mut builders = vec![
        plain().time_to_live(ttl),
        plain().time_to_idle(idle),
        plain().time_to_live(ttl).time_to_idle(idle),
        plain().expire_after(FromReads),
        plain().time_to_idle(idle).expire_after(FromReads),
        plain().time_to_live(ttl).max_capacity(1_000),
        plain().time_to_idle(idle).max_capacity(1_000),
    ];
    if shards == 1 {
        builders.push(lru().max_capacity(1_000).time_to_live(ttl));
        builders.push(lru().max_capacity(1_000).time_to_idle(idle));
        builders.push(lru().max_capacity(1_000).expire_after(FromReads));
    }
    builders
}

/// A cache whose keys 0 to [`MANY`] have expired, and its events from now on.
async fn expired(builder: Builder) -> (Cache<u32, u64>, Notices<Event>) {
    let events = Notices::new();
    let listener = {
        let events = events.clone();
        move |key: &u32, value: &u64, cause| events.push(Event::Left(*key, *value, cause))
    };
    let cache = builder.eviction_listener(listener).build();
    for key in 0..MANY {
        cache.insert(key, 1);
    }
    advance(seconds(10)).await;
    (cache, events)
}

/// Loads `key` by method `way` with a loader that returns 2.
async fn load(way: u32, cache: &Cache<u32, u64>, key: u32, events: &Notices<Event>) {
    let events = events.clone();
    let plain = move || {
        let events = events.clone();
        async move {
            events.push(Event::Loading(key));
            2_u64
        }
    };
    let fallible = {
        let plain = plain.clone();
        move || async move { Ok::<_, Infallible>(plain().await) }
    };
    let loaded = {
        let plain = plain.clone();
        move || async move { Ok::<_, Infallible>(Loaded::new(plain().await)) }
    };
    let optional = {
        let plain = plain.clone();
        move || async move { Some(plain().await) }
    };
    let put = {
        let plain = plain.clone();
        move |old| async move {
            assert_eq!(old, None);
            Op::put(plain().await)
        }
    };
    let value = match way {
        0 => cache.get_with(key, plain).await,
        1 => cache.get_with_by_ref(&key, plain).await,
        2 => cache.get_with_scoped(key, plain).await,
        3 => cache.try_get_with(key, fallible).await.unwrap(),
        4 => cache.try_get_with_by_ref(&key, fallible).await.unwrap(),
        5 => cache.try_get_with_scoped(key, fallible).await.unwrap(),
        6 => cache.optionally_get_with(key, optional).await.unwrap(),
        7 => cache
            .optionally_get_with_by_ref(&key, optional)
            .await
            .unwrap(),
        8 => cache
            .optionally_get_with_scoped(key, optional)
            .await
            .unwrap(),
        9 => cache.load_with(key, loaded).await.unwrap(),
        10 => cache.load_with_by_ref(&key, loaded).await.unwrap(),
        11 => cache.load_with_scoped(key, loaded).await.unwrap(),
        12 => cache.refresh(key, fallible).await.unwrap(),
        13 => cache.entry(key).or_insert_with(plain).await.value,
        14 => cache.entry(key).or_insert_with_scoped(plain).await.value,
        15 => match cache.entry(key).and_compute_with(put).await {
            Computed::Put(value) => value,
            other => panic!("{other:?}"),
        },
        16 => {
            let warmed = cache.warm(1, [(key, fallible)]).await;
            assert_eq!(warmed.loaded, 1);
            2
        }
        _ => {
            let view = cache.loading(move |_: u32| fallible());
            let loaded = match way {
                17 => view.get(&key).await,
                18 => view.get_all([&key]).await.remove(0),
                _ => view.refresh(&key).await,
            };
            loaded.unwrap()
        }
    };
    assert_eq!(value, 2);
}

const WAYS: u32 = 20;

/// The expected events of an expired key that is loaded.
fn in_order(key: u32) -> [Event; 2] {
    [
        Event::Left(key, 1, RemovalCause::Expired),
        Event::Loading(key),
    ]
}

#[test]
fn the_listener_is_notified_of_an_expired_entry_before_its_key_is_loaded() {
    on_shards(|shards| async move {
        for way in 0..WAYS {
            for (which, builder) in builders(shards).into_iter().enumerate() {
                let (cache, events) = expired(builder).await;
                let key = MANY - 1;
                load(way, &cache, key, &events).await;
                let mut of_key = events.take();
                of_key.retain(|event| {
                    matches!(event, Event::Left(other, ..) | Event::Loading(other) if *other == key)
                });
                assert_eq!(of_key, in_order(key), "way {way}, builder {which}");
                assert_eq!(cache.peek(&key), Some(2));
            }
        }
    });
}

#[test]
fn the_listener_is_notified_of_expired_entries_before_a_batch_loads_their_keys() {
    on_shards(|shards| async move {
        for refresh in [false, true] {
            for builder in builders(shards) {
                let (cache, events) = expired(builder).await;
                let loader = {
                    let events = events.clone();
                    move |keys: Vec<u32>| async move {
                        keys.iter()
                            .for_each(|key| events.push(Event::Loading(*key)));
                        Ok::<_, Infallible>(keys.iter().map(|_| Some(2)).collect::<Vec<_>>())
                    }
                };
                // One batch, which is dispatched when it is full. With several threads and batches,
                // the values of one could purge a key of the next while another thread loads it.
                let size = if refresh { 1 } else { MANY as usize };
                let view = cache.batching_builder(loader).max_batch_size(size);
                let view = view.batch_window(BatchWindow::Fixed(SECOND)).build();
                if refresh {
                    assert_eq!(view.refresh(MANY - 1).await.unwrap(), Some(2));
                } else {
                    let loaded = view.get_all(0..MANY).await;
                    assert_eq!(loaded.len(), MANY as usize);
                }
                let events = events.take();
                for key in if refresh { MANY - 1..MANY } else { 0..MANY } {
                    let place = |wanted| events.iter().position(|event| *event == wanted);
                    let [left, loading] = in_order(key).map(place);
                    assert!(left.is_some() && left < loading, "{key}: {events:?}");
                }
            }
        }
    });
}

#[test]
fn a_lookup_that_finds_an_expired_entry_removes_it() {
    on_shards(|shards| async move {
        for builder in builders(shards) {
            let (cache, events) = expired(builder).await;
            for key in (0..MANY).rev() {
                assert_eq!(cache.get(&key), None);
                assert_eq!(events.take(), [Event::Left(key, 1, RemovalCause::Expired)]);
            }
            assert_eq!(cache.entry_count(), 0);
        }
    });
}

#[test]
fn an_insertion_over_an_expired_entry_reports_it_as_expired() {
    on_shards(|shards| async move {
        for builder in builders(shards) {
            let (cache, events) = expired(builder).await;
            for key in (0..MANY).rev() {
                cache.insert(key, 3);
                assert_eq!(cache.peek(&key), Some(3));
            }
            let expired = Notices::new();
            let replaced = events.take().into_iter().filter(|event| match event {
                Event::Left(key, 1, RemovalCause::Expired) => {
                    expired.push(*key);
                    false
                }
                _ => true,
            });
            assert_eq!(replaced.collect::<Vec<_>>(), []);
            assert_eq!(expired.take_sorted(), (0..MANY).collect::<Vec<_>>());
            assert_eq!(cache.stats().removals(RemovalCause::Replaced), 0);
        }
    });
}

#[test]
fn the_listener_is_notified_of_an_expired_entry_before_a_refresh_that_fails() {
    run(|| async {
        let (cache, events) = expired(Cache::builder_on(runtime()).time_to_live(seconds(10))).await;
        let events_of_loader = events.clone();
        let refreshed = cache.refresh(7, || async move {
            events_of_loader.push(Event::Loading(7));
            Err::<u64, _>("down")
        });
        assert!(refreshed.await.is_err());
        assert_eq!(events.take(), in_order(7));
    });
}
