//! A computation that is fenced by a write, dropped, or panics changes nothing.

use std::convert::Infallible;

use cache_core::{Computed, LoadError, Op};

use super::entry::{add_behind, add_one, cache};
use crate::contract::support::common::{
    Gate, SECOND, after, assert_sound, boom, caught_in, yield_once,
};
use crate::harness::{Cache, advance, run, spawn, until};

#[test]
fn a_computation_fenced_by_a_write_changes_nothing() {
    run(|| async {
        type Write = fn(&Cache<u32, u64>);
        let writes: [(Write, Option<u64>); 5] = [
            (|cache| cache.insert(1, 20), Some(20)),
            (|cache| cache.insert_with_ttl(1, 20, after(0)), None),
            (|cache| assert_eq!(cache.remove(&1), Some(10)), None),
            (|cache| cache.invalidate_all(), None),
            (|cache| assert_eq!(cache.drain(), [(1, 10)]), None),
        ];
        for (write, left) in writes {
            let (cache, gate) = (cache(), Gate::new());
            cache.insert(1, 10);
            let add = add_behind(&gate, &cache);
            until(|| cache.flight_count() == 1).await;
            write(&cache);
            assert_eq!(cache.get(&1), left, "the write waits for no computation");
            gate.open();
            assert_eq!(add.join().await, Computed::Fenced);
            assert_eq!(cache.get(&1), left);
            assert_sound(&cache, |_, _| 1);
        }
    });
}

#[test]
fn removing_an_absent_key_fences_a_computation_too() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        let add = add_behind(&gate, &cache);
        until(|| cache.flight_count() == 1).await;
        cache.invalidate(&1);
        gate.open();
        assert_eq!(add.join().await, Computed::Fenced);
        assert_eq!(cache.get(&1), None);
    });
}

#[test]
fn a_refresh_fences_a_computation() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        cache.insert(1, 10);
        let add = add_behind(&gate, &cache);
        until(|| cache.flight_count() == 1).await;
        let refreshed = cache.refresh(1, || async { Ok::<_, Infallible>(20) });
        assert_eq!(refreshed.await.expect("a value"), 20);
        gate.open();
        assert_eq!(add.join().await, Computed::Fenced);
        assert_eq!(cache.get(&1), Some(20));
    });
}

#[test]
fn an_expiry_does_not_fence_a_computation() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        cache.insert_with_ttl(1, 10, after(5));
        let add = add_behind(&gate, &cache);
        until(|| cache.flight_count() == 1).await;
        advance(SECOND * 6).await;
        cache.run_pending_tasks();
        assert_eq!(cache.get(&1), None);
        gate.open();
        assert_eq!(add.join().await, Computed::Put(11));
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_dropped_computation_changes_nothing_and_the_next_one_runs() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        cache.insert(1, 10);
        let dropped = add_behind(&gate, &cache);
        until(|| cache.flight_count() == 1).await;
        let next = spawn({
            let cache = cache.clone();
            async move { add_one(&cache).await }
        });
        until(|| cache.stats().coalesced == 1).await;
        dropped.abort();
        assert_eq!(next.join().await, Computed::Put(11));
        assert_eq!((cache.get(&1), cache.stats().loads_dropped), (Some(11), 1));
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_waiter_of_a_dropped_computation_runs_its_own_loader() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        let dropped = add_behind(&gate, &cache);
        until(|| cache.flight_count() == 1).await;
        let loads = [(); 3].map(|()| {
            let cache = cache.clone();
            spawn(async move { cache.get_with(1, || async { 7 }).await })
        });
        until(|| cache.stats().coalesced == 3).await;
        dropped.abort();
        for load in loads {
            assert_eq!(load.join().await, 7);
        }
        assert_eq!(cache.get(&1), Some(7));
    });
}

#[test]
fn a_panicking_computation_changes_nothing_and_the_next_one_runs() {
    run(|| async {
        let cache = cache();
        cache.insert(1, 10);
        let at_once = |_| -> std::future::Ready<Op<u64>> { boom() };
        let panicked = caught_in(cache.entry(1).and_compute_with(at_once));
        assert_eq!(panicked.await, Err("boom".into()));
        let later = |_| async {
            yield_once().await;
            boom()
        };
        let panicked = caught_in(cache.entry(1).and_compute_with(later));
        assert_eq!(panicked.await, Err("boom".into()));
        assert_eq!(cache.get(&1), Some(10));
        assert_eq!(cache.stats().load_failures, 2);
        assert_eq!(add_one(&cache).await, Computed::Put(11));
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn waiters_of_a_panicking_computation_get_an_error_or_run_their_own_computation() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        let panics = spawn({
            let (cache, gate) = (cache.clone(), gate.clone());
            async move {
                let compute = |_| async move {
                    gate.pass().await;
                    boom()
                };
                caught_in(cache.entry(1).and_compute_with(compute)).await
            }
        });
        until(|| cache.flight_count() == 1).await;
        let load = spawn({
            let cache = cache.clone();
            let loader = || async { Ok::<_, Infallible>(1) };
            async move { cache.try_get_with(1, loader).await }
        });
        until(|| cache.stats().coalesced == 1).await;
        let add = spawn({
            let cache = cache.clone();
            async move { add_one(&cache).await }
        });
        until(|| cache.stats().coalesced == 2).await;
        gate.open();
        assert_eq!(panics.join().await, Err("boom".into()));
        assert!(matches!(load.join().await, Err(LoadError::Panicked)));
        assert_eq!(add.join().await, Computed::Put(1));
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_computation_without_a_change_is_fenced_by_a_write_too() {
    run(|| async {
        let cache = cache();
        cache.insert(1, 10);
        for write in [true, false] {
            let gate = Gate::new();
            let computation = spawn({
                let (cache, gate) = (cache.clone(), gate.clone());
                async move {
                    let look = |_| async move {
                        gate.pass().await;
                        Op::Nop
                    };
                    cache.entry(1).and_compute_with(look).await
                }
            });
            until(|| cache.flight_count() == 1).await;
            if write {
                cache.insert(1, 11);
            } else {
                cache.invalidate(&1);
            }
            gate.open();
            assert_eq!(computation.join().await, Computed::Fenced);
            assert_eq!(cache.get(&1), write.then_some(11));
        }
    });
}

/// The unchanged value is no result for a waiter, because it may have expired meanwhile.
#[test]
fn a_waiter_of_a_computation_without_a_change_runs_its_own_loader() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        let computation = spawn({
            let (cache, gate) = (cache.clone(), gate.clone());
            async move {
                let look = |_| async move {
                    gate.pass().await;
                    Op::Nop
                };
                cache.entry(1).and_compute_with(look).await
            }
        });
        until(|| cache.flight_count() == 1).await;
        let waiter = spawn({
            let cache = cache.clone();
            async move { cache.optionally_get_with(1, || async { Some(10) }).await }
        });
        until(|| cache.stats().coalesced == 1).await;
        gate.open();
        assert_eq!(computation.join().await, Computed::Unchanged(None));
        assert_eq!(waiter.join().await, Some(10));
    });
}
