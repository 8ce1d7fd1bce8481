//! The `entry` API: read and write one key atomically.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::{Computed, LoadError, Op};

use crate::contract::support::common::{Gate, assert_sound, boom, caught_in, yield_once};
use crate::harness::{Cache, Task, run, run_seeds, runtime, spawn, until};

pub fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

/// Spawns a computation that adds one once the gate is open.
pub fn add_behind(gate: &Gate, cache: &Cache<u32, u64>) -> Task<Computed<u64>> {
    let (cache, gate) = (cache.clone(), gate.clone());
    spawn(async move {
        let add = |old: Option<u64>| async move {
            gate.pass().await;
            Op::put(old.unwrap_or(0) + 1)
        };
        cache.entry(1).and_compute_with(add).await
    })
}

/// A computation that adds one.
pub async fn add_one(cache: &Cache<u32, u64>) -> Computed<u64> {
    let add = |old: Option<u64>| async move {
        yield_once().await;
        Op::put(old.unwrap_or(0) + 1)
    };
    cache.entry(1).and_compute_with(add).await
}

#[test]
fn or_insert_returns_the_stored_value_or_stores_the_given_one() {
    run(|| async {
        let cache = cache();
        assert_eq!(cache.entry(1).or_insert(1).await.value, 1);
        assert_eq!(cache.entry(1).or_insert(2).await.value, 1);
        assert_eq!(cache.entry(2).or_insert_with(|| async { 3 }).await.value, 3);
        assert_eq!(cache.entry(2).or_insert_with(|| async { 4 }).await.value, 3);
        let borrowed = [5];
        let loader = || async { borrowed[0] };
        assert_eq!(cache.entry(3).or_insert_with_scoped(loader).await.value, 5);
        assert_eq!(cache.get_all([&1, &2, &3]), [Some(1), Some(3), Some(5)]);
    });
}

#[test]
fn or_insert_with_shares_the_flight_of_every_other_load() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        let load = spawn({
            let (cache, gate) = (cache.clone(), gate.clone());
            async move {
                let loader = || async move {
                    gate.pass().await;
                    1
                };
                cache.get_with(1, loader).await
            }
        });
        until(|| cache.flight_count() == 1).await;
        let inserts = [(); 4].map(|()| {
            let cache = cache.clone();
            spawn(async move { cache.entry(1).or_insert(2).await.value })
        });
        until(|| cache.stats().coalesced == 4).await;
        gate.open();
        for insert in inserts {
            assert_eq!(insert.join().await, 1);
        }
        assert_eq!((load.join().await, cache.stats().loads), (1, 1));
    });
}

#[test]
fn a_computation_returns_what_it_did() {
    run(|| async {
        let cache = cache();
        let nop = cache.entry(1).and_compute_with(|old| async move {
            assert_eq!(old, None);
            Op::Nop
        });
        assert_eq!(nop.await, Computed::Unchanged(None));
        let remove = cache.entry(1).and_compute_with(|_| async { Op::Remove });
        assert_eq!(remove.await, Computed::Removed(None));
        assert_eq!(cache.entry_count(), 0);
        assert_eq!(add_one(&cache).await, Computed::Put(1));
        assert_eq!(add_one(&cache).await, Computed::Put(2));
        let nop = cache.entry(1).and_compute_with(|old| async move {
            assert_eq!(old, Some(2));
            Op::Nop
        });
        assert_eq!(nop.await, Computed::Unchanged(Some(2)));
        assert_eq!(cache.get(&1), Some(2));
        let remove = cache.entry(1).and_compute_with(|_| async { Op::Remove });
        assert_eq!(remove.await, Computed::Removed(Some(2)));
        assert_eq!(cache.get(&1), None);
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_computation_may_borrow() {
    run(|| async {
        let (cache, mut seen, names) = (cache(), Vec::new(), [String::from("one")]);
        let borrows = |old: Option<u64>| {
            seen.push(old);
            async { Op::put(names[0].len() as u64) }
        };
        assert_eq!(
            cache.entry(1).and_compute_with(borrows).await,
            Computed::Put(3)
        );
        assert_eq!(seen, [None]);
    });
}

#[test]
fn no_increment_is_lost_among_computations_and_loads() {
    run_seeds(|_| async {
        let cache = cache();
        let tasks: Vec<_> = (0..12)
            .map(|number| {
                let cache = cache.clone();
                spawn(async move {
                    for _ in 0..5 {
                        if number % 4 == 0 {
                            let loader = || async {
                                yield_once().await;
                                0
                            };
                            cache.get_with(1, loader).await;
                        } else {
                            let added = add_one(&cache).await;
                            assert!(matches!(added, Computed::Put(_)), "{added:?}");
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.join().await;
        }
        assert_eq!(cache.get(&1), Some(9 * 5));
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn no_increment_is_lost_or_repeated_when_the_value_is_removed_meanwhile() {
    run_seeds(|_| async {
        let (cache, taken) = (cache(), Arc::new(AtomicU64::new(0)));
        let tasks: Vec<_> = (0..10)
            .map(|number| {
                let (cache, taken) = (cache.clone(), Arc::clone(&taken));
                spawn(async move {
                    for round in 0..10 {
                        yield_once().await;
                        let away: u64 = match (number + round) % 5 {
                            0 => cache.remove(&1).unwrap_or(0),
                            1 if number == 5 => cache.drain().iter().map(|entry| entry.1).sum(),
                            _ => {
                                while add_one(&cache).await == Computed::Fenced {}
                                continue;
                            }
                        };
                        taken.fetch_add(away, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.join().await;
        }
        let puts = 10 * 10 - 10 * 2 - 2;
        let left = cache.get(&1).unwrap_or(0);
        assert_eq!(taken.load(Ordering::SeqCst) + left, puts);
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_computation_waits_for_a_load_and_sees_its_value() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        let load = spawn({
            let (cache, gate) = (cache.clone(), gate.clone());
            async move {
                let loader = || async move {
                    gate.pass().await;
                    41
                };
                cache.get_with(1, loader).await
            }
        });
        until(|| cache.flight_count() == 1).await;
        let add = spawn({
            let cache = cache.clone();
            async move { add_one(&cache).await }
        });
        until(|| cache.stats().coalesced == 1).await;
        gate.open();
        assert_eq!(add.join().await, Computed::Put(42));
        assert_eq!((load.join().await, cache.get(&1)), (41, Some(42)));
    });
}

#[test]
fn a_miss_during_a_computation_waits_for_it_and_gets_its_value() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        let add = add_behind(&gate, &cache);
        until(|| cache.flight_count() == 1).await;
        let load = spawn({
            let cache = cache.clone();
            async move { cache.get_with(1, || async { boom() }).await }
        });
        until(|| cache.stats().coalesced == 1).await;
        gate.open();
        assert_eq!(load.join().await, 1);
        assert_eq!(add.join().await, Computed::Put(1));
    });
}

#[test]
fn a_hit_during_a_computation_returns_the_old_value_without_waiting() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        cache.insert(1, 10);
        let add = add_behind(&gate, &cache);
        until(|| cache.flight_count() == 1).await;
        assert_eq!(cache.get(&1), Some(10));
        assert_eq!(cache.get_with(1, || async { boom() }).await, 10);
        assert_eq!(cache.entry(1).or_insert(0).await.value, 10);
        gate.open();
        assert_eq!(add.join().await, Computed::Put(11));
        assert_eq!(cache.get(&1), Some(11));
    });
}

#[test]
fn a_computation_inside_a_load_of_its_own_key_panics_with_the_cause() {
    const WHY: &str = "and_compute_with was called for a key inside a load of that key";
    run(|| async {
        let cache = cache();
        let inside = |_| async {
            let panicked = caught_in(add_one(&cache)).await;
            assert_eq!(panicked, Err(WHY.to_owned()));
            let loaded = cache.try_get_with(1, || async { Ok::<_, Infallible>(1) });
            assert!(matches!(loaded.await, Err(LoadError::Reentrant)));
            Op::put(5)
        };
        let computed = cache.entry(1).and_compute_with(inside).await;
        assert_eq!(computed, Computed::Put(5));
        cache.invalidate_all();
        let inner = cache.clone();
        let loader = || async move { caught_in(add_one(&inner)).await.map(|_| 1) };
        let failed = cache.try_get_with(1, loader).await.expect_err("a panic");
        assert_eq!(failed.loader().map(String::as_str), Some(WHY));
        assert_sound(&cache, |_, _| 1);
    });
}
