//! Writes, removals and refreshes race the end of a load.

use shuttle::thread::{self, JoinHandle};

use crate::shuttle_runtime::{ShuttleCache, ShuttleRuntime, Value, check_loads, explore, one_of};

/// A caller for key 1.
fn get(runtime: &ShuttleRuntime, cache: &ShuttleCache) -> JoinHandle<Value> {
    let (runtime, cache) = (runtime.clone(), cache.clone());
    thread::spawn(move || runtime.block_on(cache.get_with(1, || runtime.load(1, one_of(2)))))
}

#[test]
fn a_call_after_an_invalidation_gets_no_older_value() {
    explore(|runtime| {
        let cache = runtime.cache();
        let load = get(runtime, &cache);
        let invalidates = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                let from = runtime.tick();
                match one_of(3) {
                    0 => cache.invalidate(&1),
                    1 => drop(cache.remove(&1)),
                    _ => cache.invalidate_all(),
                }
                let hit = cache.get(&1).map(|value| value.made);
                assert!(hit.is_none_or(|made| made > from), "a stale hit");
                let loaded = runtime.block_on(cache.get_with(1, || runtime.load(1, 1)));
                assert!(loaded.made > from, "a stale load");
            })
        };
        load.join().expect("no panic");
        invalidates.join().expect("no panic");
        check_loads(&cache);
        assert_eq!(cache.entry_count(), 1);
    });
}

#[test]
fn an_insert_stays_for_every_end_of_a_concurrent_load() {
    explore(|runtime| {
        let cache = runtime.cache();
        let loads = [get(runtime, &cache), get(runtime, &cache)];
        let inserts = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                let value = runtime.value();
                let made = value.made;
                cache.insert(1, value);
                assert_eq!(cache.get(&1).map(|value| value.made), Some(made));
                made
            })
        };
        let inserted = inserts.join().expect("no panic");
        let answers = loads.map(|load| load.join().expect("no panic").made);
        let stored = cache.get(&1).map(|value| value.made);
        assert_eq!(stored, Some(inserted), "the insert is lost");
        assert!(runtime.loads(1) <= 1);
        let loaded: Vec<_> = answers.iter().filter(|made| **made != inserted).collect();
        assert!(loaded.windows(2).all(|pair| pair[0] == pair[1]));
        check_loads(&cache);
    });
}

#[test]
fn a_refresh_is_not_overwritten_by_an_older_load() {
    explore(|runtime| {
        let cache = runtime.cache();
        let load = get(runtime, &cache);
        let refreshes = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                let polls = one_of(2);
                let from = runtime.tick();
                let value = runtime.block_on(cache.refresh(1, || {
                    let load = runtime.load(1, polls);
                    async move { Ok::<_, ()>(load.await) }
                }));
                let made = value.expect("the loader succeeds").made;
                assert!(made > from, "the refresh got an older load");
                let hit = cache.get(&1).map(|value| value.made);
                assert_eq!(hit, Some(made), "the refreshed value is not stored");
                made
            })
        };
        let refreshed = refreshes.join().expect("no panic");
        load.join().expect("no panic");
        let stored = cache.get(&1).map(|value| value.made);
        assert_eq!(stored, Some(refreshed), "an older load was stored over it");
        check_loads(&cache);
    });
}

#[test]
fn an_invalidation_an_insert_and_a_refresh_race_the_end_of_a_load() {
    explore(|runtime| {
        let cache = runtime.cache();
        let value = runtime.value();
        let inserted = value.made;
        let load = get(runtime, &cache);
        let invalidates = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                let from = runtime.tick();
                cache.invalidate(&1);
                let hit = cache.get(&1).map(|value| value.made);
                // The number of the value does not show when the insert happens.
                let fresh = hit.is_none_or(|made| made > from || made == inserted);
                assert!(fresh, "a stale hit");
            })
        };
        let inserts = {
            let cache = cache.clone();
            thread::spawn(move || cache.insert(1, value))
        };
        let refreshes = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                let load = || {
                    let load = runtime.load(1, 1);
                    async move { Ok::<_, ()>(load.await) }
                };
                runtime
                    .block_on(cache.refresh(1, load))
                    .map(|value| value.made)
            })
        };
        load.join().expect("no panic");
        invalidates.join().expect("no panic");
        inserts.join().expect("no panic");
        refreshes.join().expect("no panic").expect("no error");
        check_loads(&cache);
        let stats = cache.stats();
        let removed: u64 = cache_core::RemovalCause::ALL
            .into_iter()
            .map(|cause| stats.removals(cause))
            .sum();
        assert_eq!(stats.insertions, cache.entry_count() + removed);
    });
}

/// A computation loses no update of others, and its own update is not lost.
#[test]
fn computations_and_loads_of_one_key_run_one_after_the_other() {
    explore(|runtime| {
        let cache = runtime.cache();
        let load = get(runtime, &cache);
        let computes = || {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                let put = |old: Option<Value>| {
                    let load = runtime.load(1, 1);
                    async move {
                        let new = load.await;
                        assert!(old.is_none_or(|old| old.made < new.made));
                        cache_core::Op::Put(new.into())
                    }
                };
                drop(runtime.block_on(cache.entry(1).and_compute_with(put)));
            })
        };
        let computations = [computes(), computes()];
        load.join().expect("no panic");
        for computation in computations {
            computation.join().expect("no panic");
        }
        check_loads(&cache);
        assert_eq!(runtime.most_concurrent(1), 1);
        assert_eq!(cache.entry_count(), 1);
    });
}
