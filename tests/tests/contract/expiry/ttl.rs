//! `time_to_live`, and the ttl of single entries.

use std::convert::Infallible;
use std::time::Duration;

use cache_core::{Computed, Instant, Loaded, Op, Ttl};

use crate::contract::support::common::{Gate, SECOND, after, now, on_shards, seconds};
use crate::harness::{Cache, advance, runtime, runtime_with_clock, spawn, until};

const TTL: Duration = Duration::from_secs(60);

fn cache(shards: usize) -> Cache<u32, u64> {
    let builder = Cache::builder_on(runtime()).shards(shards);
    builder.time_to_live(TTL).build()
}

/// The methods that load a value.
#[derive(Debug, Clone, Copy)]
enum Way {
    Plain,
    Fallible,
    Optional,
    Loaded,
    Scoped,
    Refresh,
    OrInsertWith,
    Compute,
}

const WAYS: [Way; 8] = [
    Way::Plain,
    Way::Fallible,
    Way::Optional,
    Way::Loaded,
    Way::Scoped,
    Way::Refresh,
    Way::OrInsertWith,
    Way::Compute,
];

async fn load(cache: &Cache<u32, u64>, way: Way, gate: Gate) -> u64 {
    let value = async move {
        gate.pass().await;
        7
    };
    match way {
        Way::Plain => cache.get_with(1, || value).await,
        Way::Scoped => cache.get_with_scoped(1, || value).await,
        Way::Optional => {
            let found = cache.optionally_get_with(1, || async { Some(value.await) });
            found.await.expect("a value is loaded")
        }
        Way::Fallible => {
            let loaded = cache.try_get_with(1, || async { Ok::<_, Infallible>(value.await) });
            loaded.await.expect("the loader succeeds")
        }
        Way::Refresh => {
            let loaded = cache.refresh(1, || async { Ok::<_, Infallible>(value.await) });
            loaded.await.expect("the loader succeeds")
        }
        Way::Loaded => {
            let loader = || async { Ok::<_, Infallible>(Loaded::new(value.await)) };
            let loaded = cache.load_with(1, loader);
            loaded.await.expect("the loader succeeds")
        }
        Way::OrInsertWith => cache.entry(1).or_insert_with(|| value).await.value,
        Way::Compute => {
            let computed = cache
                .entry(1)
                .and_compute_with(|_| async { Op::put(value.await) });
            assert_eq!(computed.await, Computed::Put(7));
            7
        }
    }
}

#[test]
fn the_ttl_of_a_loaded_value_starts_when_its_load_completes() {
    on_shards(|shards| async move {
        for way in WAYS {
            let (cache, gate) = (cache(shards), Gate::new());
            let task = spawn({
                let (cache, gate) = (cache.clone(), gate.clone());
                async move { load(&cache, way, gate).await }
            });
            until(|| cache.flight_count() == 1).await;
            advance(TTL * 2).await;
            gate.open();
            assert_eq!(task.join().await, 7);
            let completion = now(&cache);
            assert_eq!(cache.expires_at(&1), Some(completion.after(TTL)), "{way:?}");
            advance(TTL - SECOND).await;
            assert_eq!(cache.get(&1), Some(7), "{way:?}");
            advance(SECOND).await;
            assert_eq!(cache.get(&1), None, "{way:?}");
        }
    });
}

#[test]
fn every_read_returns_a_value_until_its_deadline_and_not_from_then_on() {
    on_shards(|shards| async move {
        let (runtime, set_clock) = runtime_with_clock();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime)
            .shards(shards)
            .time_to_live(TTL)
            .build();
        set_clock(Instant::from_nanos(1_234_567_891));
        cache.insert(1, 10);
        let deadline = cache.expires_at(&1).expect("an entry exists");
        assert_eq!(deadline, Instant::from_nanos(61_234_567_891));

        set_clock(Instant::from_nanos(deadline.as_nanos() - 1));
        assert_eq!(cache.get(&1), Some(10));
        assert_eq!(cache.peek(&1), Some(10));
        assert!(cache.contains_key(&1));
        assert_eq!(cache.iter().collect::<Vec<_>>(), [(1, 10)]);

        set_clock(deadline);
        assert_eq!(cache.get(&1), None);
        assert_eq!(cache.peek(&1), None);
        assert!(!cache.contains_key(&1));
        assert_eq!(cache.get_all([&1]), [None]);
        assert_eq!(cache.iter().next(), None);
        assert_eq!(cache.expires_at(&1), None);
        assert!(!cache.set_ttl(&1, Ttl::Never));
        cache.retain(|key, _| panic!("{key} has expired"));
        assert_eq!(cache.remove(&1), None);
    });
}

#[test]
fn an_expired_value_is_not_drained_not_computed_with_and_not_returned_by_a_load() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        for key in 1..=3 {
            cache.insert(key, 10);
        }
        advance(TTL).await;
        let seen = cache.entry(1).and_compute_with(|old| async move {
            assert_eq!(old, None);
            Op::Nop
        });
        assert_eq!(seen.await, Computed::Unchanged(None));
        assert_eq!(cache.get_with(2, || async { 20 }).await, 20);
        assert_eq!(cache.entry(3).or_insert(30).await.value, 30);
        let mut drained = cache.drain();
        drained.sort_unstable();
        assert_eq!(drained, [(2, 20), (3, 30)]);
    });
}

#[test]
fn a_ttl_means_the_same_in_every_method_that_writes() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        let start = now(&cache);
        let meanings = [
            (Ttl::Default, start.after(TTL)),
            (Ttl::Never, Instant::FAR),
            (after(5), start.after(seconds(5))),
            (after(500), start.after(seconds(500))),
            (Ttl::After(Duration::MAX), Instant::FAR),
        ];
        for (ttl, deadline) in meanings {
            let loaded = move || async move { Ok::<_, Infallible>(Loaded::new(1).ttl(ttl)) };
            cache.insert_with_ttl(1, 1, ttl);
            cache.load_with(2, loaded).await.expect("a value");
            cache.load_with_scoped(3, loaded).await.expect("a value");
            cache.load_with_by_ref(&4, loaded).await.expect("a value");
            let put = move |_| async move { Op::Put(Loaded::new(1).ttl(ttl)) };
            let computed = cache.entry(5).and_compute_with(put).await;
            assert_eq!(computed, Computed::Put(1));
            cache.insert(6, 1);
            assert!(cache.set_ttl(&6, ttl));
            for key in 1..=6 {
                assert_eq!(cache.expires_at(&key), Some(deadline), "{key}: {ttl:?}");
            }
            cache.invalidate_all();
        }
    });
}

#[test]
fn a_write_without_a_ttl_uses_the_ttl_of_the_cache() {
    on_shards(|shards| async move {
        let mortal = cache(shards);
        let immortal: Cache<u32, u64> = Cache::builder_on(runtime()).shards(shards).build();
        let deadline = now(&mortal).after(TTL);
        for (cache, deadline) in [(mortal, deadline), (immortal, Instant::FAR)] {
            cache.insert(1, 1);
            cache.insert_weighted(2, 1, 1);
            cache.insert_with_ttl(3, 1, Ttl::Default);
            cache.get_with(4, || async { 1 }).await;
            cache.entry(5).or_insert(1).await;
            for key in 1..=5 {
                assert_eq!(cache.expires_at(&key), Some(deadline), "{key}");
            }
        }
    });
}

#[test]
fn a_newer_value_has_the_ttl_of_its_own_write() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        cache.insert_with_ttl(1, 1, after(5));
        advance(seconds(3)).await;
        cache.insert(1, 2);
        assert_eq!(cache.expires_at(&1), Some(now(&cache).after(TTL)));
        cache.insert_with_ttl(1, 3, Ttl::Never);
        advance(TTL * 2).await;
        assert_eq!(cache.get(&1), Some(3));
        cache.insert_with_ttl(1, 4, after(1));
        advance(SECOND).await;
        assert_eq!(cache.get(&1), None);
    });
}

#[test]
fn set_ttl_starts_now_and_returns_whether_the_entry_exists() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        assert!(!cache.set_ttl(&1, Ttl::Never));
        cache.insert(1, 1);
        advance(seconds(50)).await;
        assert!(cache.set_ttl(&1, Ttl::Default));
        advance(seconds(50)).await;
        assert_eq!(cache.get(&1), Some(1));
        assert!(cache.set_ttl(&1, after(5)));
        assert_eq!(cache.expires_at(&1), Some(now(&cache).after(seconds(5))));
        advance(seconds(5)).await;
        assert_eq!(cache.get(&1), None);
        assert!(!cache.set_ttl(&1, after(5)), "the entry has expired");
        assert_eq!(cache.get(&1), None);
    });
}
