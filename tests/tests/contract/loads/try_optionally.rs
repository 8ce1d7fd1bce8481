//! `try_optionally_get_with`: the loader returns a value, finds none, or fails.

use cache_core::LoadError;

use crate::contract::support::backend::{Backend, all, herd, join_all, parked, yields};
use crate::contract::support::batch_backend::{MS, Store, WINDOW, building, even, spawn_load};
use crate::contract::support::common::{SECOND, boom, caught_in, seconds};
use crate::harness::{Cache, advance, run, runtime, spawn, until};

/// What a loader returns.
type Found = Result<Option<u64>, &'static str>;

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

/// The result of a call whose loader returns `found`.
async fn load(cache: &Cache<u32, u64>, backend: &Backend, found: Found) -> Found {
    let answer = cache.try_optionally_get_with(1, || backend.answer(found));
    answer
        .await
        .map_err(|error| *error.loader().expect("the loader's error"))
}

#[test]
fn a_hit_returns_the_stored_value_without_a_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        cache.insert(1, 10);
        assert_eq!(load(&cache, &backend, Ok(None)).await, Ok(Some(10)));
        let by_ref = cache.try_optionally_get_with_by_ref(&1, || backend.answer(Err("down")));
        assert_eq!(by_ref.await.unwrap(), Some(10));
        let scoped = cache.try_optionally_get_with_scoped(1, || backend.answer(Err("down")));
        assert_eq!(scoped.await.unwrap(), Some(10));
        assert_eq!((backend.calls(), cache.stats().hits), (0, 3));
    });
}

#[test]
fn a_value_is_stored_and_a_missing_value_or_an_error_is_not() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        for found in [Err("down"), Ok(None), Err("gone"), Ok(None)] {
            assert_eq!(load(&cache, &backend, found).await, found);
            assert!(!cache.contains_key(&1));
            assert_eq!(cache.flight_count(), 0);
        }
        assert_eq!(load(&cache, &backend, Ok(Some(10))).await, Ok(Some(10)));
        assert_eq!(cache.get(&1), Some(10));
        assert_eq!((backend.calls(), cache.stats().loads), (5, 5));
    });
}

#[test]
fn all_callers_get_the_result_of_one_load() {
    for found in [Ok(Some(10)), Ok(None), Err("down")] {
        run(|| async move {
            let (cache, backend) = (cache(), Backend::new());
            let handles = (cache.clone(), backend.clone());
            let tasks = herd(100, &handles, move |(cache, backend)| async move {
                load(&cache, &backend, found).await
            });
            until(|| backend.calls() == 1 && cache.stats().coalesced == 99).await;
            backend.open();
            assert_eq!(join_all(tasks).await, [found; 100]);
            assert_eq!((backend.calls(), cache.stats().loads), (1, 1));
        });
    }
}

#[test]
fn it_returns_a_missing_value_that_another_method_finds() {
    run(|| async {
        let (cache, closed, backend) = (cache(), Backend::new(), Backend::opened());
        let leader = parked(cache.optionally_get_with(1, || closed.answer(None)));
        let waiter = parked(load(&cache, &backend, Ok(Some(11))));
        closed.open();
        assert_eq!(waiter.await, Ok(None));
        assert_eq!(leader.await, None);
        assert_eq!((backend.calls(), cache.stats().loads), (0, 1));
    });
}

#[test]
fn it_returns_an_error_of_its_type_and_ignores_one_of_another_type() {
    run(|| async {
        let (cache, closed, backend) = (cache(), Backend::new(), Backend::opened());
        let leader = parked(cache.try_get_with(1, || closed.answer(Err::<u64, _>("down"))));
        let waiter = parked(load(&cache, &backend, Ok(Some(11))));
        let load_other = || backend.answer(Ok::<_, u8>(Some(12)));
        let other = parked(cache.try_optionally_get_with(1, load_other));
        closed.open();
        assert_eq!(waiter.await, Err("down"));
        assert_eq!(leader.await.unwrap_err().loader(), Some(&"down"));
        assert_eq!(backend.calls(), 0);
        assert_eq!(other.await.unwrap(), Some(12));
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn other_methods_join_its_load_and_return_what_they_can() {
    run(|| async {
        let (cache, closed, backend) = (cache(), Backend::new(), Backend::opened());
        let leader = parked(load(&cache, &closed, Ok(None)));
        let optional = parked(cache.optionally_get_with(1, || backend.answer(Some(11))));
        // It cannot return a missing value, so its own loader runs.
        let fallible = parked(cache.try_get_with(1, || backend.answer(Ok::<_, &str>(12))));
        assert_eq!((backend.calls(), cache.stats().coalesced), (0, 2));
        closed.open();
        assert_eq!((leader.await, optional.await), (Ok(None), None));
        assert_eq!(fallible.await.unwrap(), 12);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn it_joins_the_load_of_a_batch_and_a_batch_joins_its_load() {
    run(|| async {
        let (cache, store, backend) = (cache(), Store::opened(), Backend::opened());
        let view = building(&cache, &store, even).build();
        let in_batch = spawn_load!(view, 1);
        until(|| cache.flight_count() == 1).await;
        let joined = parked(load(&cache, &backend, Ok(Some(11))));
        advance(WINDOW + MS).await;
        assert_eq!(in_batch.join().await.unwrap(), None);
        assert_eq!((joined.await, backend.calls()), (Ok(None), 0));

        let closed = Backend::new();
        let leader = parked(load(&cache, &closed, Ok(None)));
        let coalesced = cache.stats().coalesced;
        let in_batch = spawn_load!(view, 1);
        until(|| cache.stats().coalesced == coalesced + 1).await;
        closed.open();
        assert_eq!(leader.await, Ok(None));
        assert_eq!(in_batch.join().await.unwrap(), None);
        assert_eq!(cache.stats().batches, 1);
    });
}

#[test]
fn a_missing_value_is_remembered_for_negative_ttl_and_an_error_for_error_ttl() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .negative_ttl(seconds(5))
            .error_ttl(seconds(2))
            .build();
        let backend = Backend::opened();
        assert_eq!(load(&cache, &backend, Err("down")).await, Err("down"));
        advance(SECOND).await;
        assert_eq!(load(&cache, &backend, Ok(None)).await, Err("down"));
        advance(SECOND).await;
        assert_eq!(load(&cache, &backend, Ok(None)).await, Ok(None));
        assert_eq!(backend.calls(), 2);
        advance(seconds(4)).await;
        assert_eq!(load(&cache, &backend, Ok(Some(10))).await, Ok(None));
        let optional = cache.optionally_get_with(1, || backend.answer(Some(10)));
        assert_eq!(optional.await, None);
        assert_eq!((backend.calls(), cache.entry_count()), (2, 0));
        advance(SECOND).await;
        assert_eq!(load(&cache, &backend, Ok(Some(10))).await, Ok(Some(10)));
        assert_eq!(backend.calls(), 3);
    });
}

#[test]
fn a_load_goes_on_for_its_waiters_when_its_leader_is_cancelled() {
    run(|| async {
        let (cache, closed, backend) = (cache(), Backend::new(), Backend::opened());
        let leader = parked(load(&cache, &closed, Ok(None)));
        let waiters = vec![
            parked(load(&cache, &backend, Ok(Some(11)))),
            parked(load(&cache, &backend, Ok(Some(12)))),
        ];
        drop(leader);
        yields(10).await;
        closed.open();
        assert_eq!(all(waiters).await, [Ok(None); 2]);
        assert_eq!((closed.calls(), backend.calls()), (1, 0));
    });
}

#[test]
fn waiters_run_their_own_loader_when_the_leader_of_a_scoped_load_is_cancelled() {
    run(|| async {
        let (cache, closed, backend) = (cache(), Backend::new(), Backend::opened());
        let scoped = || closed.answer(Ok::<_, &str>(None));
        let leader = parked(cache.try_optionally_get_with_scoped(1, scoped));
        let waiter = parked(load(&cache, &backend, Ok(Some(11))));
        drop(leader);
        assert_eq!(waiter.await, Ok(Some(11)));
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_panic_unwinds_in_one_caller_and_the_others_get_an_error() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(10, &handles, |(cache, backend)| async move {
            let load = || backend.then(|| -> Found { boom() });
            caught_in(cache.try_optionally_get_with(1, load)).await
        });
        until(|| backend.calls() == 1 && cache.stats().coalesced == 9).await;
        backend.open();
        let answers = join_all(tasks).await;
        let is_error =
            |answer: &&Result<Result<_, _>, _>| matches!(answer, Ok(Err(LoadError::Panicked)));
        assert_eq!(answers.iter().filter(is_error).count(), 9);
        let unwound = answers.iter().filter(|answer| answer.is_err());
        assert_eq!(unwound.count(), 1);
        assert_eq!((backend.calls(), cache.flight_count()), (1, 0));
        let next = spawn(async move { load(&cache, &backend, Ok(Some(10))).await });
        assert_eq!(next.join().await, Ok(Some(10)));
    });
}
