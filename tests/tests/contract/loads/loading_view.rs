//! Loading views: a cache with its own loader.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cache_core::{LoadError, Loaded};

use crate::contract::support::backend::{Backend, herd, join_all, parked, yields};
use crate::contract::support::common::{after, boom, caught_in, now, seconds};
use crate::harness::{Cache, run, runtime, spawn, until};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

fn ten(key: u32) -> u64 {
    u64::from(key) * 10
}

#[test]
fn a_view_loads_a_key_once_for_all_callers() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let source = backend.clone();
        let view = cache.loading(move |key: u32| source.answer(Ok::<_, String>(ten(key))));
        let tasks = herd(1_000, &view, |view| async move { view.get(&7).await });
        until(|| cache.stats().coalesced == 999).await;
        backend.open();
        let answers = join_all(tasks).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(70))));
        assert_eq!(backend.calls(), 1);
        assert_eq!(view.get(&7).await.unwrap(), 70);
        assert_eq!(backend.calls(), 1, "the value is stored");
    });
}

#[test]
fn a_key_has_one_load_across_views_and_methods() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let (one, other) = (backend.clone(), backend.clone());
        let one = cache.loading(move |key: u32| one.answer(Ok::<_, String>(ten(key))));
        let other = cache.loading(move |key: u32| other.answer(Err::<u64, _>(key)));
        let first = parked(one.get(&1));
        let second = parked(other.get(&1));
        let third = parked(cache.get_with(1, || backend.answer(0)));
        backend.open();
        assert_eq!(first.await.unwrap(), 10);
        assert_eq!(second.await.unwrap(), 10);
        assert_eq!(third.await, 10);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_view_of_string_keys_takes_borrowed_keys() {
    run(|| async {
        let cache: Cache<String, usize> = Cache::builder_on(runtime()).build();
        let view = cache.loading(|key: String| async move { Ok::<_, String>(key.len()) });
        assert_eq!(view.get("three").await.unwrap(), 5);
        assert_eq!(view.cache().get("three"), Some(5));
        assert_eq!(view.refresh("three").await.unwrap(), 5);
        let all = view.get_all(["a", "three"]).await.into_iter();
        assert_eq!(all.map(Result::unwrap).collect::<Vec<_>>(), [1, 5]);
    });
}

#[test]
fn get_all_loads_keys_concurrently_and_returns_them_in_order() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        cache.insert(3, 33);
        let source = backend.clone();
        let view = cache.loading(move |key: u32| {
            let before = yields(key as usize);
            let fetched = source.answer(ten(key));
            async move {
                before.await;
                Ok::<_, String>(fetched.await)
            }
        });
        let all = spawn(async move { view.get_all([&5, &1, &3, &4, &1]).await });
        until(|| backend.calls() == 3).await;
        backend.open();
        let answers: Vec<_> = all.join().await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [50, 10, 33, 40, 10]);
        assert_eq!(backend.calls(), 3, "a duplicate shares the load");
    });
}

#[test]
fn a_failing_key_of_get_all_does_not_affect_the_others() {
    run(|| async {
        let cache = cache();
        let view = cache
            .loading(|key: u32| async move { if key == 2 { Err("odd") } else { Ok(ten(key)) } });
        let answers = view.get_all([&1, &2, &3]).await;
        assert_eq!(answers[0].as_ref().unwrap(), &10);
        assert_eq!(answers[1].as_ref().unwrap_err().loader(), Some(&"odd"));
        assert_eq!(answers[2].as_ref().unwrap(), &30);
        assert_eq!((cache.entry_count(), cache.flight_count()), (2, 0));
    });
}

#[test]
fn a_panic_in_a_load_of_get_all_unwinds_in_the_caller_and_the_view_stays_usable() {
    run(|| async {
        let cache = cache();
        let calls = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&calls);
        let view = cache.loading(move |key: u32| {
            let call = counts.fetch_add(1, Ordering::SeqCst);
            async move {
                if call == 1 {
                    boom();
                }
                Ok::<_, String>(ten(key))
            }
        });
        let panicked = caught_in(view.get_all([&1, &2, &3])).await;
        assert_eq!(panicked.map(drop).unwrap_err(), "boom");
        assert_eq!(cache.flight_count(), 0);
        let answers = view.get_all([&1, &2, &3]).await;
        assert!(answers.iter().all(Result::is_ok));
    });
}

#[test]
fn a_refresh_replaces_the_stored_value_and_keeps_it_on_failure() {
    run(|| async {
        let cache = cache();
        let calls = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&calls);
        let view = cache.loading(move |key: u32| {
            let call = counts.fetch_add(1, Ordering::SeqCst) as u64;
            async move {
                if call == 2 {
                    Err("down")
                } else {
                    Ok(ten(key) + call)
                }
            }
        });
        assert_eq!(view.get(&1).await.unwrap(), 10);
        assert_eq!(view.refresh(&1).await.unwrap(), 11);
        assert_eq!(view.get(&1).await.unwrap(), 11);
        let failed = view.refresh(&1).await;
        assert!(matches!(failed, Err(LoadError::Loader(error)) if *error == "down"));
        assert_eq!(view.get(&1).await.unwrap(), 11);
    });
}

#[test]
fn a_views_loader_may_set_the_ttl_of_a_value() {
    run(|| async {
        let cache = cache();
        let view = cache.loading(|key: u32| async move {
            Ok::<_, String>(Loaded::new(ten(key)).ttl(after(u64::from(key))))
        });
        assert_eq!(view.get(&5).await.unwrap(), 50);
        let left = cache.expires_at(&5).map(|at| at.since(now(&cache)));
        assert_eq!(left, Some(seconds(5)));
    });
}

#[test]
fn a_view_holds_the_cache_and_its_loader_is_dropped_with_the_last_clone() {
    run(|| async {
        let token = Arc::new(());
        let held = Arc::clone(&token);
        let view = cache().loading(move |key: u32| {
            let held = Arc::clone(&held);
            async move {
                drop(held);
                Ok::<_, String>(ten(key))
            }
        });
        let other = view.clone();
        assert_eq!(view.get(&1).await.unwrap(), 10);
        drop(view);
        assert_eq!(other.get(&1).await.unwrap(), 10);
        drop(other);
        assert_eq!(Arc::strong_count(&token), 1);
    });
}
