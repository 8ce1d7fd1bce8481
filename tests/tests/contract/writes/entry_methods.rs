//! The methods of the `entry` API: whether a value is fresh, borrowed keys, and computations that
//! may fail.

use std::convert::Infallible;

use cache_core::{Computed, EntryValue, LoadError, Loaded, Op, Ttl};

use crate::contract::support::backend::parked;
use crate::contract::support::common::{Gate, seconds};
use crate::harness::{Cache, run, runtime};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

/// The value, and whether the call produced it.
fn pair(entry: EntryValue<u64>) -> (u64, bool) {
    (entry.value, entry.is_fresh)
}

#[test]
fn a_value_is_fresh_for_the_call_that_produced_it() {
    run(|| async {
        let cache = cache();
        assert_eq!(pair(cache.entry(1).or_insert(10).await), (10, true));
        assert_eq!(pair(cache.entry(1).or_insert(11).await), (10, false));
        assert_eq!(pair(cache.entry(2).or_default().await), (0, true));
        assert_eq!(pair(cache.entry(1).or_default().await), (10, false));

        let load = cache.entry(3).or_insert_with(|| async { 30 });
        assert_eq!(pair(load.await), (30, true));
        let load = cache.entry(3).or_insert_with(|| async { 31 });
        assert_eq!(pair(load.await), (30, false));
        let values = [40];
        let load = cache.entry(4).or_insert_with_scoped(|| async { values[0] });
        assert_eq!(pair(load.await), (40, true));

        let load = cache
            .entry(5)
            .or_try_insert_with(|| async { Ok::<_, Infallible>(50) });
        assert_eq!(load.await.map(pair), Ok((50, true)));
        let load = cache.entry(5).or_try_insert_with(|| async { Err("down") });
        assert_eq!(load.await.map(pair), Ok((50, false)));

        let load = cache
            .entry(6)
            .or_optionally_insert_with(|| async { Some(60) });
        assert_eq!(load.await.map(pair), Some((60, true)));
        let load = cache.entry(6).or_optionally_insert_with(|| async { None });
        assert_eq!(load.await.map(pair), Some((60, false)));

        let (found, none) = ([70], None::<u64>);
        let entry = cache.entry(7);
        let load = entry.or_try_insert_with_scoped(|| async { Ok::<_, Infallible>(found[0]) });
        assert_eq!(load.await.map(pair), Ok((70, true)));
        let entry = cache.entry(8);
        let load = entry.or_optionally_insert_with_scoped(|| async { none.as_ref().copied() });
        assert_eq!(load.await.map(pair), None);
    });
}

#[test]
fn a_value_is_not_fresh_for_a_caller_that_joined_the_load() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        let held_back = gate.clone();
        let leader = parked(cache.entry(1).or_insert_with(|| async move {
            held_back.pass().await;
            1
        }));
        let waiter = parked(cache.entry(1).or_insert_with(|| async { 2 }));
        gate.open();
        assert_eq!(pair(leader.await), (1, true));
        assert_eq!(pair(waiter.await), (1, false));
        assert_eq!(cache.stats().loads, 1);
    });
}

#[test]
fn a_loader_that_finds_nothing_or_fails_stores_nothing() {
    run(|| async {
        let cache = cache();
        let missing = cache.entry(1).or_optionally_insert_with(|| async { None });
        assert_eq!(missing.await, None);
        let failed = cache.entry(1).or_try_insert_with(|| async { Err("down") });
        assert_eq!(failed.await, Err(LoadError::from("down")));
        assert_eq!(cache.entry_count(), 0);
    });
}

#[test]
fn an_entry_of_a_borrowed_key_is_the_entry_of_the_owned_key() {
    run(|| async {
        let cache: Cache<String, u64> = Cache::builder_on(runtime()).build();
        let first = cache.entry_by_ref("one").or_insert(1).await;
        assert_eq!(pair(first), (1, true));
        let second = cache.entry("one".to_owned()).or_insert(2).await;
        assert_eq!(pair(second), (1, false));
        let add = |old: Option<u64>| async move { Op::put(old.unwrap_or(0) + 1) };
        let added = cache.entry_by_ref("one").and_compute_with(add).await;
        assert_eq!(added, Computed::Put(2));
        let added = cache.entry_by_ref("two").and_compute_with(add).await;
        assert_eq!(added, Computed::Put(1));
        assert_eq!((cache.get("one"), cache.get("two")), (Some(2), Some(1)));
    });
}

#[test]
fn a_computation_of_a_borrowed_key_waits_for_the_load_in_flight() {
    run(|| async {
        let cache: Cache<String, u64> = Cache::builder_on(runtime()).build();
        let gate = Gate::new();
        let held_back = gate.clone();
        let load = parked(cache.get_with("one".to_owned(), || async move {
            held_back.pass().await;
            1
        }));
        let add = |old: Option<u64>| async move { old.unwrap_or(0) + 1 };
        let added = parked(cache.entry_by_ref("one").and_upsert_with(add));
        gate.open();
        assert_eq!(load.await, 1);
        assert_eq!(added.await, Computed::Put(2));
    });
}

#[test]
fn an_upsert_stores_the_new_value_with_its_ttl_unless_the_key_is_written_meanwhile() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        let ttl = Ttl::After(seconds(5));
        let timed = |old: Option<u64>| async move { Loaded::new(old.unwrap_or(7)).ttl(ttl) };
        assert_eq!(
            cache.entry(1).and_upsert_with(timed).await,
            Computed::Put(7)
        );
        assert_eq!(cache.time_to_expiry(&1), Some(seconds(5)));

        let held_back = gate.clone();
        let upsert = parked(cache.entry(1).and_upsert_with(|_| async move {
            held_back.pass().await;
            8_u64
        }));
        cache.insert(1, 9);
        gate.open();
        assert_eq!(upsert.await, Computed::Fenced);
        assert_eq!(cache.get(&1), Some(9));
    });
}

#[test]
fn a_computation_that_fails_changes_nothing_and_returns_its_error() {
    run(|| async {
        let cache = cache();
        cache.insert(1, 1);
        let fail = |_: Option<u64>| async { Err::<Op<u64>, _>("down") };
        assert_eq!(cache.entry(1).and_try_compute_with(fail).await, Err("down"));
        assert_eq!(cache.entry(2).and_try_compute_with(fail).await, Err("down"));
        assert_eq!((cache.get(&1), cache.entry_count()), (Some(1), 1));
        assert_eq!((cache.stats().load_failures, cache.flight_count()), (2, 0));
        let remove = |_: Option<u64>| async { Ok::<_, Infallible>(Op::Remove) };
        let removed = cache.entry(1).and_try_compute_with(remove).await;
        assert_eq!(removed, Ok(Computed::Removed(Some(1))));
    });
}

#[test]
fn the_waiters_of_a_computation_that_fails_run_their_own_loader() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        let held_back = gate.clone();
        let failing = parked(cache.entry(1).and_try_compute_with(|_| async move {
            held_back.pass().await;
            Err::<Op<u64>, _>("down")
        }));
        let waiter = parked(cache.get_with(1, || async { 5 }));
        gate.open();
        assert_eq!(failing.await, Err("down"));
        assert_eq!(waiter.await, 5);
        assert_eq!(cache.get(&1), Some(5));
    });
}
