//! A failing loader: one load, the same error for all callers, and nothing is stored.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use cache_core::{LoadError, Loaded};

use crate::contract::support::backend::{Backend, herd, join_all, parked};
use crate::harness::{Cache, run, runtime, until};

#[derive(Debug, PartialEq)]
struct Down(u32);

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backend {} is down", self.0)
    }
}

impl Error for Down {}

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

#[test]
fn all_callers_of_a_failing_load_get_the_same_error() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let handles = (cache.clone(), backend.clone());
        let mut tasks = herd(10, &handles, |(cache, backend)| async move {
            let load = || backend.answer(Err::<u64, _>(Down(1)));
            cache.try_get_with(1, load).await
        });
        tasks.extend(herd(10, &handles, |(cache, backend)| async move {
            let load = || backend.answer(Err::<Loaded<u64>, _>(Down(2)));
            cache.load_with(1, load).await
        }));
        until(|| cache.stats().coalesced == 19).await;
        backend.open();
        let errors: Vec<Arc<Down>> = join_all(tasks)
            .await
            .into_iter()
            .map(|answer| {
                answer
                    .unwrap_err()
                    .into_loader()
                    .expect("the loader's error")
            })
            .collect();
        assert!(errors.iter().all(|error| Arc::ptr_eq(error, &errors[0])));
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.stats().load_failures, 1);
    });
}

#[test]
fn an_error_is_not_stored_and_the_next_call_loads_again() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        for number in 0..3 {
            let load = || backend.answer(Err::<u64, _>(Down(number)));
            let error = cache.try_get_with(1, load).await.unwrap_err();
            assert_eq!(
                error.loader(),
                Some(&Down(number)),
                "the error of its own load"
            );
            assert_eq!(cache.peek(&1), None);
            assert_eq!(cache.flight_count(), 0);
        }
        let load = || backend.answer(Ok::<u64, Down>(10));
        assert_eq!(cache.try_get_with(1, load).await.unwrap(), 10);
        assert_eq!(backend.calls(), 4);
    });
}

#[test]
fn the_error_shows_the_message_of_the_loaders_error_once_and_returns_it() {
    run(|| async {
        let cache = cache();
        let failed = cache.try_get_with(1, || async { Err::<u64, _>(Down(3)) });
        let error = failed.await.unwrap_err();
        let dynamic: &dyn Error = &error;
        assert_eq!(dynamic.to_string(), "backend 3 is down");
        assert!(
            dynamic.source().is_none(),
            "the message occurs once in the chain"
        );
        assert_eq!(error.loader(), Some(&Down(3)));
        assert_eq!(
            *error.clone().into_loader().expect("the loader's error"),
            Down(3)
        );
        assert!(LoadError::<Down>::Panicked.source().is_none());
        assert!(LoadError::<Down>::Reentrant.into_loader().is_err());
    });
}

#[test]
fn callers_with_other_error_types_get_the_value_of_a_successful_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let first = parked(cache.try_get_with(1, || backend.answer(Ok::<u64, Down>(10))));
        let second = parked(cache.try_get_with(1, || backend.answer(Ok::<u64, String>(11))));
        let third = parked(cache.load_with(1, || backend.answer(Ok::<_, u8>(Loaded::new(12)))));
        backend.open();
        assert_eq!(third.await.unwrap(), 10);
        assert_eq!(second.await.unwrap(), 10);
        assert_eq!(first.await.unwrap(), 10);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn callers_with_another_error_type_than_the_failed_load_share_one_load_of_their_own() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let (first, second) = (Backend::new(), &backend);
        let failing = parked(cache.try_get_with(1, || first.answer(Err::<u64, _>(Down(1)))));
        let handles = (cache.clone(), second.clone());
        let others = herd(100, &handles, |(cache, backend)| async move {
            let load = || backend.answer(Err::<u64, _>(String::from("unknown")));
            cache.try_get_with(1, load).await
        });
        until(|| cache.stats().coalesced == 100).await;
        first.open();
        assert_eq!(failing.await.unwrap_err().loader(), Some(&Down(1)));
        // One of them leads, and the others wait for it.
        until(|| cache.stats().coalesced == 199).await;
        backend.open();
        for answer in join_all(others).await {
            let error = answer.unwrap_err();
            assert_eq!(error.loader().map(String::as_str), Some("unknown"));
        }
        assert_eq!((first.calls(), backend.calls()), (1, 1));
    });
}

#[test]
fn callers_of_infallible_methods_share_one_load_of_their_own_after_an_error() {
    run(|| async {
        let (cache, backend, failing) = (cache(), Backend::new(), Backend::new());
        let failed = parked(cache.try_get_with(1, || failing.answer(Err::<u64, _>(Down(1)))));
        let handles = (cache.clone(), backend.clone());
        let others = herd(100, &handles, |(cache, backend)| async move {
            cache.get_with(1, || backend.answer(10)).await
        });
        until(|| cache.stats().coalesced == 100).await;
        failing.open();
        assert!(failed.await.is_err());
        until(|| cache.stats().coalesced == 199).await;
        backend.open();
        assert_eq!(join_all(others).await, [10; 100]);
        assert_eq!((failing.calls(), backend.calls()), (1, 1));
    });
}

#[test]
fn callers_that_cannot_return_a_missing_value_share_one_load_of_their_own() {
    run(|| async {
        let (cache, backend, empty) = (cache(), Backend::new(), Backend::new());
        let missing = parked(cache.optionally_get_with(1, || empty.answer(None)));
        let handles = (cache.clone(), backend.clone());
        let plain = herd(50, &handles, |(cache, backend)| async move {
            cache.get_with(1, || backend.answer(10)).await
        });
        let fallible = herd(50, &handles, |(cache, backend)| async move {
            let answer = cache
                .try_get_with(1, || backend.answer(Ok::<_, Down>(10)))
                .await;
            answer.expect("the value of one caller's loader")
        });
        until(|| cache.stats().coalesced == 100).await;
        empty.open();
        assert_eq!(missing.await, None);
        until(|| cache.stats().coalesced == 199).await;
        backend.open();
        assert_eq!(join_all(plain).await, [10; 50]);
        assert_eq!(join_all(fallible).await, [10; 50]);
        assert_eq!((empty.calls(), backend.calls()), (1, 1));
    });
}

#[test]
fn all_callers_get_a_missing_value_and_it_is_not_stored() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(100, &handles, |(cache, backend)| async move {
            cache.optionally_get_with(1, || backend.answer(None)).await
        });
        until(|| cache.stats().coalesced == 99).await;
        backend.open();
        assert_eq!(join_all(tasks).await, [None; 100]);
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.entry_count(), 0);
        assert_eq!(
            cache
                .optionally_get_with(1, || backend.answer(Some(10)))
                .await,
            Some(10)
        );
        assert_eq!(backend.calls(), 2);
    });
}
