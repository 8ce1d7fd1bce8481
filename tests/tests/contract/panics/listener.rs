//! Listeners that panic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cache_core::runtime::Runtime;
use cache_core::{Computed, Op, RemovalCause};

use crate::contract::support::backend::parked;
use crate::contract::support::common::{
    Gate, Notices, SECOND, after, assert_books_balance, assert_sound, boom, caught, caught_in,
};
use crate::harness::{Cache, Rt, advance, run, runtime, spawn, until};

type Notified = Notices<(u32, u64, RemovalCause)>;

/// A listener that records each notice and panics while it is armed.
#[derive(Clone)]
struct Faulty {
    notices: Notified,
    armed: Arc<AtomicBool>,
}

impl Faulty {
    fn cache(builder: cache_core::Builder<u32, u64, Rt>) -> (Cache<u32, u64>, Self) {
        let faulty = Self {
            notices: Notices::new(),
            armed: Arc::new(AtomicBool::new(true)),
        };
        let listener = {
            let faulty = faulty.clone();
            move |key: &u32, value: &u64, cause| {
                faulty.notices.push((*key, *value, cause));
                if faulty.armed.load(Ordering::SeqCst) {
                    boom();
                }
            }
        };
        (builder.eviction_listener(listener).build(), faulty)
    }

    /// Checks the number of notices and returns their keys.
    fn keys(&self) -> Vec<u32> {
        let notices = self.notices.take_sorted();
        notices.into_iter().map(|(key, ..)| key).collect()
    }

    fn disarm(&self) {
        self.armed.store(false, Ordering::SeqCst);
    }
}

fn bounded() -> cache_core::Builder<u32, u64, Rt> {
    Cache::builder_on(runtime()).max_capacity(10).shards(2)
}

fn assert_usable(cache: &Cache<u32, u64>, faulty: &Faulty) {
    faulty.disarm();
    for key in 0..100 {
        cache.insert(key, 7);
        assert_eq!(cache.get(&key), Some(7));
    }
    assert_eq!(cache.entry_count(), 10);
    assert_sound(cache, |_, _| 1);
}

#[test]
fn a_write_is_complete_when_the_listeners_panic_unwinds_from_it() {
    run(|| async {
        let (cache, faulty) = Faulty::cache(bounded());
        cache.insert(1, 1);
        let panicked = caught(|| cache.insert(1, 2));
        assert_eq!(panicked, Err("boom".into()));
        assert_eq!(cache.get(&1), Some(2));
        assert_eq!(faulty.keys(), [1]);
        let panicked = caught(|| cache.remove(&1));
        assert_eq!(panicked, Err("boom".into()));
        assert_eq!(cache.get(&1), None);
        assert_eq!(faulty.keys(), [1]);
        assert_usable(&cache, &faulty);
    });
}

#[test]
fn the_bound_changes_when_the_listener_panics_for_an_expired_entry() {
    run(|| async {
        let (cache, faulty) = Faulty::cache(bounded());
        cache.insert_with_ttl(0, 1, after(1));
        for key in 1..10 {
            cache.insert(key, 1);
        }
        advance(SECOND * 2).await;
        let panicked = caught(|| cache.set_max_capacity(4));
        assert_eq!(panicked, Err("boom".into()));
        assert_eq!((cache.max_capacity(), cache.entry_count()), (Some(4), 4));
        assert_eq!(faulty.keys().len(), 6);
        cache.set_max_capacity(10);
        assert_usable(&cache, &faulty);
    });
}

#[test]
fn the_remaining_notices_are_delivered_and_the_panic_unwinds_in_the_caller() {
    run(|| async {
        let (cache, faulty) = Faulty::cache(bounded());
        for key in 0..10 {
            cache.insert(key, 1);
        }
        let panicked = caught(|| cache.insert_weighted(10, 1, 10));
        assert_eq!(panicked, Err("boom".into()));
        assert_eq!(faulty.keys(), (0..10).collect::<Vec<_>>());
        assert_eq!(cache.get(&10), Some(1));
        assert_usable(&cache, &faulty);
    });
}

#[test]
fn a_call_that_removes_many_entries_removes_and_reports_all_of_them() {
    run(|| async {
        let leave: [fn(&Cache<u32, u64>); 4] = [
            |cache| cache.invalidate_all(),
            |cache| drop(cache.drain()),
            |cache| cache.retain(|key, _| *key >= 1_000),
            |cache| cache.run_pending_tasks(),
        ];
        for (number, leave) in leave.into_iter().enumerate() {
            let (cache, faulty) = Faulty::cache(Cache::builder_on(runtime()).shards(4));
            for key in 0..1_000 {
                cache.insert_with_ttl(key, 1, after(60));
            }
            if number == 3 {
                advance(SECOND * 61).await;
            }
            let panicked = caught(|| leave(&cache));
            assert_eq!(panicked, Err("boom".into()), "way {number}");
            assert_eq!(cache.entry_count(), 0, "way {number}");
            assert_eq!(faulty.keys(), (0..1_000).collect::<Vec<_>>());
            assert_books_balance(&cache);
        }
    });
}

#[test]
fn a_load_unwinds_with_the_listeners_panic_and_its_value_is_stored() {
    run(|| async {
        let (cache, faulty) = Faulty::cache(bounded());
        cache.insert_weighted(1, 1, 10);
        let panicked = caught_in(cache.get_with(2, || async { 2 })).await;
        assert_eq!(panicked, Err("boom".into()));
        assert_eq!(faulty.keys(), [1]);
        assert_eq!(cache.get(&2), Some(2));
        let put = cache.entry(2).and_compute_with(|_| async { Op::put(3) });
        assert_eq!(caught_in(put).await, Err("boom".into()));
        assert_eq!(cache.get(&2), Some(3));
        assert_usable(&cache, &faulty);
    });
}

#[test]
fn a_background_load_serves_its_callers_and_does_not_harm_the_executor() {
    run(|| async {
        let (cache, faulty) = Faulty::cache(bounded());
        cache.insert_weighted(1, 1, 10);
        let gate = Gate::new();
        let passes = gate.clone();
        // Its only poll before the gate opens ends here, or it could complete the load.
        let leader = parked(cache.get_with(2, || async move {
            passes.pass().await;
            2
        }));
        let waiters = [(); 4].map(|()| {
            let cache = cache.clone();
            spawn(async move { cache.get_with(2, || async { 3 }).await })
        });
        until(|| cache.stats().coalesced == 4).await;
        gate.open();
        let mut answers = Vec::new();
        for waiter in waiters {
            answers.push(caught_in(waiter.join()).await);
        }
        answers.push(caught_in(leader).await);
        let panicked = answers.iter().filter(|answer| answer.is_err()).count();
        assert!(answers.iter().flatten().all(|served| *served == 2));
        // The driver gets the panic. It is a task, if one is guaranteed to run.
        let in_a_task = runtime().executor().is_some();
        assert_eq!(panicked, usize::from(!in_a_task));
        until(|| faulty.notices.len() == 1).await;
        assert_eq!(faulty.keys(), [1]);
        assert_usable(&cache, &faulty);
    });
}

#[test]
fn a_miss_whose_purge_panics_leaves_no_flight() {
    run(|| async {
        let (cache, faulty) = Faulty::cache(bounded());
        cache.insert_with_ttl(1, 1, after(1));
        advance(SECOND * 2).await;
        let panicked = caught_in(cache.get_with(1, || async { 2 })).await;
        assert_eq!(panicked, Err("boom".into()));
        assert_eq!(faulty.keys(), [1]);
        assert_eq!(cache.flight_count(), 0);
        assert_eq!(cache.get_with(1, || async { 3 }).await, 3);
        assert_books_balance(&cache);
        assert_usable(&cache, &faulty);
    });
}

#[test]
fn a_computation_after_a_panic_starts_from_the_stored_value() {
    run(|| async {
        let (cache, faulty) = Faulty::cache(bounded());
        cache.insert(1, 1);
        for expected in 2..10 {
            let add = |old: Option<u64>| async move { Op::put(old.unwrap_or(0) + 1) };
            let computed = caught_in(cache.entry(1).and_compute_with(add)).await;
            assert_eq!(computed, Err("boom".into()));
            assert_eq!(cache.get(&1), Some(expected));
        }
        faulty.disarm();
        let removed = cache.entry(1).and_compute_with(|_| async { Op::Remove });
        assert_eq!(removed.await, Computed::Removed(Some(9)));
        assert_usable(&cache, &faulty);
    });
}
