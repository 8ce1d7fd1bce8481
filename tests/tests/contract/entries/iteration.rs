//! Iteration over a cache, `retain` and `drain`.

use std::collections::BTreeMap;

use cache_core::{EvictionPolicy, Instant, RemovalCause, Ttl};

use crate::contract::support::common::{
    Gate, Notices, SECOND, after, assert_books_balance, assert_sound, seconds,
};
use crate::harness::{Cache, Rt, Task, advance, run, runtime, runtime_with_clock, spawn, until};

fn builder() -> cache_core::Builder<u32, u64, Rt> {
    Cache::builder_on(runtime()).shards(4)
}

fn filled(entries: u32) -> Cache<u32, u64> {
    let cache = builder().build();
    for key in 0..entries {
        cache.insert(key, u64::from(key));
    }
    cache
}

fn sorted(entries: impl IntoIterator<Item = (u32, u64)>) -> Vec<(u32, u64)> {
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_unstable();
    entries
}

#[test]
fn iter_returns_every_live_entry_once() {
    run(|| async {
        for entries in [0, 1, 127, 128, 129, 512, 2_000] {
            let cache = filled(entries);
            let expected = (0..entries).map(|key| (key, u64::from(key)));
            assert_eq!(sorted(cache.iter()), expected.collect::<Vec<_>>());
        }
    });
}

#[test]
fn entries_may_be_added_and_removed_during_iter() {
    run(|| async {
        for policy in [EvictionPolicy::S3Fifo, EvictionPolicy::Lru] {
            let cache = Cache::<u32, u64>::builder_on(runtime())
                .max_capacity(1_000)
                .eviction_policy(policy)
                .build();
            for key in 0..1_000 {
                cache.insert(key, u64::from(key));
            }
            let mut seen = BTreeMap::new();
            for (number, (key, value)) in cache.iter().enumerate() {
                assert_eq!(u64::from(key), value);
                *seen.entry(key).or_insert(0) += 1;
                // Each step evicts one entry, and some steps empty a part of the cache.
                cache.insert(10_000 + key, u64::from(key) + 10_000);
                if number == 300 {
                    cache.retain(|key, _| key % 3 == 0);
                }
                if number == 600 {
                    cache.invalidate_all();
                }
            }
            assert_eq!(cache.iter().count() as u64, cache.entry_count());
            assert!(seen.values().all(|times| *times == 1), "{policy:?}");
        }
    });
}

#[test]
fn iter_returns_every_entry_that_is_present_throughout() {
    run(|| async {
        let cache = filled(1_000);
        let mut seen = Vec::new();
        for (key, _) in cache.iter() {
            if key < 1_000 {
                seen.push(key);
            }
            cache.insert(key + 1_000, 1);
            cache.insert(key % 1_000, u64::from(key));
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
    });
}

#[test]
fn retain_removes_exactly_the_entries_its_closure_rejects() {
    run(|| async {
        let notices = Notices::new();
        let cache = builder().eviction_listener(notices.listener()).build();
        for key in 0..1_000 {
            cache.insert(key, u64::from(key));
        }
        let mut visited = Vec::new();
        cache.retain(|key, value| {
            visited.push((*key, *value));
            key % 3 == 0
        });
        let expected = (0..1_000).map(|key| (key, u64::from(key)));
        assert_eq!(sorted(visited), expected.collect::<Vec<_>>());
        assert!((0..1_000).all(|key| cache.contains_key(&key) == (key % 3 == 0)));
        let gone = (0..1_000).filter(|key| key % 3 != 0);
        let gone = gone.map(|key| (key, u64::from(key), RemovalCause::Explicit));
        assert_eq!(notices.take_sorted(), gone.collect::<Vec<_>>());
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn an_entry_written_while_retain_checks_its_older_value_stays() {
    run(|| async {
        let cache = filled(300);
        let writer = cache.clone();
        cache.retain(|key, value| {
            assert_eq!(u64::from(*key), *value);
            match key % 3 {
                0 => writer.insert(*key, u64::from(*key) + 1_000),
                // Removed and inserted again: a new entry in the same slot.
                1 => {
                    writer.remove(key);
                    writer.insert(*key, u64::from(*key) + 2_000);
                }
                _ => {}
            }
            false
        });
        for key in 0..300 {
            let newer = [Some(1_000), Some(2_000), None][key as usize % 3];
            assert_eq!(cache.get(&key), newer.map(|more| u64::from(key) + more));
        }
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn retain_does_not_affect_loads_in_flight() {
    run(|| async {
        let (cache, gate) = (filled(10), Gate::new());
        let load = load_behind(&gate, &cache);
        until(|| cache.flight_count() == 1).await;
        cache.retain(|_, _| false);
        gate.open();
        assert_eq!(load.join().await, 7);
        assert_eq!(sorted(cache.iter()), [(10_000, 7)]);
    });
}

fn load_behind(gate: &Gate, cache: &Cache<u32, u64>) -> Task<u64> {
    let (cache, gate) = (cache.clone(), gate.clone());
    spawn(async move {
        let loader = || async move {
            gate.pass().await;
            7
        };
        cache.get_with(10_000, loader).await
    })
}

#[test]
fn drain_returns_every_entry_and_fences_loads_in_flight() {
    run(|| async {
        let notices = Notices::new();
        let cache = builder().eviction_listener(notices.listener()).build();
        for key in 0..1_000 {
            cache.insert(key, u64::from(key));
        }
        let gate = Gate::new();
        let load = load_behind(&gate, &cache);
        until(|| cache.flight_count() == 1).await;
        let drained = sorted(cache.drain());
        assert_eq!(
            drained,
            (0..1_000)
                .map(|key| (key, u64::from(key)))
                .collect::<Vec<_>>()
        );
        let notified = drained.into_iter();
        let notified = notified.map(|(key, value)| (key, value, RemovalCause::Explicit));
        assert_eq!(notices.take_sorted(), notified.collect::<Vec<_>>());
        gate.open();
        assert_eq!(load.join().await, 7);
        assert_eq!((cache.entry_count(), cache.get(&10_000)), (0, None));
        assert_eq!(cache.drain(), []);
        assert_books_balance(&cache);
    });
}

#[test]
fn get_all_returns_values_in_the_order_of_the_keys() {
    run(|| async {
        let cache = filled(10);
        let keys = [9, 99, 0, 9, 5];
        assert_eq!(
            cache.get_all(&keys),
            [Some(9), None, Some(0), Some(9), Some(5)]
        );
        assert_eq!(cache.get_all(&[] as &[u32]), []);
        let names: Cache<String, u64> = Cache::builder_on(runtime()).build();
        names.insert("one".into(), 1);
        assert_eq!(names.get_all(["one", "two"]), [Some(1), None]);
    });
}

#[test]
fn iteration_returns_no_value_that_expired_after_it_was_copied() {
    run(|| async {
        let cache = Cache::<u32, u64>::builder_on(runtime())
            .shards(1)
            .time_to_live(SECOND)
            .build();
        (0..100).for_each(|key| cache.insert(key, 1));
        cache.insert_with_ttl(1_000, 1, Ttl::Never);
        let mut entries = cache.iter();
        assert!(entries.next().is_some());
        advance(seconds(10)).await;
        let rest: Vec<_> = entries.filter(|(key, _)| *key != 1_000).collect();
        assert_eq!(rest, []);
    });
}

#[test]
fn iteration_returns_an_entry_whose_ttl_was_extended_after_it_was_copied() {
    run(|| async {
        let cache = Cache::<u32, u64>::builder_on(runtime())
            .shards(1)
            .time_to_idle(SECOND * 2)
            .build();
        (0..100).for_each(|key| cache.insert(key, 1));
        let mut entries = cache.iter();
        let mut seen = vec![entries.next().expect("there are a hundred")];
        advance(SECOND).await;
        // Read, given a longer ttl, and written again; the other entries expire.
        for key in 0..30 {
            assert_eq!(cache.get(&key), Some(1));
        }
        (30..60)
            .for_each(|key| assert!(cache.set_ttl(&key, after(60)) && cache.contains_key(&key)));
        (60..90).for_each(|key| cache.insert(key, 2));
        advance(SECOND + SECOND / 2).await;
        seen.retain(|(key, _)| *key < 30 || (60..90).contains(key));
        seen.extend(entries);
        let values: BTreeMap<_, _> = seen.into_iter().collect();
        assert!((0..30).all(|key| values.get(&key) == Some(&1)));
        assert!((60..90).all(|key| values.contains_key(&key)), "{values:?}");
        assert!((90..100).all(|key| !values.contains_key(&key)));
        assert!(
            cache
                .iter()
                .all(|entry| cache.peek(&entry.0) == Some(entry.1))
        );
    });
}

#[test]
fn retain_does_not_check_entries_that_expired_after_they_were_copied() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache = Cache::<u32, u64>::builder_on(runtime)
            .shards(1)
            .time_to_live(SECOND)
            .build();
        set_clock(Instant::ORIGIN.after(seconds(100)));
        (0..100).for_each(|key| cache.insert(key, 1));
        let mut visited = 0;
        cache.retain(|_, _| {
            visited += 1;
            set_clock(Instant::ORIGIN.after(seconds(101)));
            false
        });
        assert_eq!(visited, 1);
        assert!(cache.drain().is_empty());
        assert_eq!(cache.stats().removals(RemovalCause::Expired), 100);
    });
}
