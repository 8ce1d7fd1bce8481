//! Writes, removals and refreshes against the end of a load.

use shuttle::thread::{self, JoinHandle};

use crate::shuttle_runtime::{OnStage, Stage, Value, check_loads, explore, one_of};

/// A caller for key 1.
fn get(stage: &Stage, cache: &OnStage) -> JoinHandle<Value> {
    let (stage, cache) = (stage.clone(), cache.clone());
    thread::spawn(move || stage.block_on(cache.get_with(1, || stage.load(1, one_of(2)))))
}

#[test]
fn who_comes_after_an_invalidation_gets_nothing_from_before() {
    explore(|stage| {
        let cache = stage.cache();
        let load = get(stage, &cache);
        let invalidates = {
            let (stage, cache) = (stage.clone(), cache.clone());
            thread::spawn(move || {
                let from = stage.tick();
                match one_of(3) {
                    0 => cache.invalidate(&1),
                    1 => drop(cache.remove(&1)),
                    _ => cache.invalidate_all(),
                }
                let hit = cache.get(&1).map(|value| value.made);
                assert!(hit.is_none_or(|made| made > from), "a stale hit");
                let loaded = stage.block_on(cache.get_with(1, || stage.load(1, 1)));
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
fn an_insert_stays_whatever_load_ends_around_it() {
    explore(|stage| {
        let cache = stage.cache();
        let loads = [get(stage, &cache), get(stage, &cache)];
        let inserts = {
            let (stage, cache) = (stage.clone(), cache.clone());
            thread::spawn(move || {
                let value = stage.value();
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
        assert!(stage.loads(1) <= 1);
        let loaded: Vec<_> = answers.iter().filter(|made| **made != inserted).collect();
        assert!(loaded.windows(2).all(|pair| pair[0] == pair[1]));
        check_loads(&cache);
    });
}

#[test]
fn a_refresh_is_not_overwritten_by_an_older_load() {
    explore(|stage| {
        let cache = stage.cache();
        let load = get(stage, &cache);
        let refreshes = {
            let (stage, cache) = (stage.clone(), cache.clone());
            thread::spawn(move || {
                let polls = one_of(2);
                let from = stage.tick();
                let value = stage.block_on(cache.refresh(1, || {
                    let load = stage.load(1, polls);
                    async move { Ok::<_, ()>(load.await) }
                }));
                let made = value.expect("the loader does not fail").made;
                assert!(made > from, "the refresh got an older load");
                let hit = cache.get(&1).map(|value| value.made);
                assert_eq!(hit, Some(made), "what was refreshed is not stored");
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
fn an_invalidation_an_insert_and_a_refresh_at_the_end_of_a_load() {
    explore(|stage| {
        let cache = stage.cache();
        let value = stage.value();
        let inserted = value.made;
        let load = get(stage, &cache);
        let invalidates = {
            let (stage, cache) = (stage.clone(), cache.clone());
            thread::spawn(move || {
                let from = stage.tick();
                cache.invalidate(&1);
                let hit = cache.get(&1).map(|value| value.made);
                // When the insert happens its value does not say.
                let fresh = hit.is_none_or(|made| made > from || made == inserted);
                assert!(fresh, "a stale hit");
            })
        };
        let inserts = {
            let cache = cache.clone();
            thread::spawn(move || cache.insert(1, value))
        };
        let refreshes = {
            let (stage, cache) = (stage.clone(), cache.clone());
            thread::spawn(move || {
                let load = || {
                    let load = stage.load(1, 1);
                    async move { Ok::<_, ()>(load.await) }
                };
                stage
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

/// An update of an entry through the flight loses to nothing and loses nothing.
#[test]
fn computations_and_loads_of_one_key_follow_each_other() {
    explore(|stage| {
        let cache = stage.cache();
        let load = get(stage, &cache);
        let computes = || {
            let (stage, cache) = (stage.clone(), cache.clone());
            thread::spawn(move || {
                let put = |old: Option<Value>| {
                    let load = stage.load(1, 1);
                    async move {
                        let new = load.await;
                        assert!(old.is_none_or(|old| old.made < new.made));
                        cache_core::Op::Put(new.into())
                    }
                };
                drop(stage.block_on(cache.entry(1).and_compute_with(put)));
            })
        };
        let computations = [computes(), computes()];
        load.join().expect("no panic");
        for computation in computations {
            computation.join().expect("no panic");
        }
        check_loads(&cache);
        assert_eq!(stage.most_at_once(1), 1);
        assert_eq!(cache.entry_count(), 1);
    });
}
