//! Single-flight across all loading methods, and results that each method can return.

use cache_core::{LoadError, Loaded};

use crate::contract::support::backend::Backend;
use crate::harness::{Boxed, Cache, run, runtime, spawn, until};

/// The result of a call, in a form that all methods share.
type Answer = Result<Option<u64>, LoadError<String>>;
type Call = fn(Cache<u32, u64>, Backend, u64) -> Boxed<Answer>;

const KEY: u32 = 1;

/// Calls of every loading method, with a loader that returns a value.
const METHODS: [(&str, Call); 19] = [
    ("get_with", |cache, backend, answer| {
        Box::pin(async move { Ok(Some(cache.get_with(KEY, || backend.answer(answer)).await)) })
    }),
    ("get_with_by_ref", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(answer);
            Ok(Some(cache.get_with_by_ref(&KEY, load).await))
        })
    }),
    ("get_with_scoped", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(answer);
            Ok(Some(cache.get_with_scoped(KEY, load).await))
        })
    }),
    ("or_insert_with", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(answer);
            Ok(Some(cache.entry(KEY).or_insert_with(load).await.value))
        })
    }),
    ("or_insert_with_scoped", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(answer);
            Ok(Some(
                cache.entry(KEY).or_insert_with_scoped(load).await.value,
            ))
        })
    }),
    ("or_try_insert_with_scoped", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(Ok::<_, String>(answer));
            let loaded = cache.entry(KEY).or_try_insert_with_scoped(load).await;
            Ok(Some(loaded?.value))
        })
    }),
    (
        "or_optionally_insert_with_scoped",
        |cache, backend, answer| {
            Box::pin(async move {
                let load = || backend.answer(Some(answer));
                let entry = cache.entry(KEY);
                let found = entry.or_optionally_insert_with_scoped(load).await;
                Ok(found.map(|found| found.value))
            })
        },
    ),
    ("optionally_get_with", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(Some(answer));
            Ok(cache.optionally_get_with(KEY, load).await)
        })
    }),
    ("optionally_get_with_by_ref", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(Some(answer));
            Ok(cache.optionally_get_with_by_ref(&KEY, load).await)
        })
    }),
    ("optionally_get_with_scoped", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(Some(answer));
            Ok(cache.optionally_get_with_scoped(KEY, load).await)
        })
    }),
    ("try_get_with", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(Ok::<_, String>(answer));
            cache.try_get_with(KEY, load).await.map(Some)
        })
    }),
    ("try_get_with_by_ref", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(Ok::<_, String>(answer));
            cache.try_get_with_by_ref(&KEY, load).await.map(Some)
        })
    }),
    ("try_get_with_scoped", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(Ok::<_, String>(answer));
            cache.try_get_with_scoped(KEY, load).await.map(Some)
        })
    }),
    ("load_with", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(Ok::<_, String>(Loaded::new(answer)));
            cache.load_with(KEY, load).await.map(Some)
        })
    }),
    ("load_with_by_ref", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(Ok::<_, String>(Loaded::new(answer)));
            cache.load_with_by_ref(&KEY, load).await.map(Some)
        })
    }),
    ("load_with_scoped", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(Ok::<_, String>(Loaded::new(answer)));
            cache.load_with_scoped(KEY, load).await.map(Some)
        })
    }),
    ("try_optionally_get_with", |cache, backend, answer| {
        Box::pin(async move {
            let load = || backend.answer(Ok::<_, String>(Some(answer)));
            cache.try_optionally_get_with(KEY, load).await
        })
    }),
    (
        "try_optionally_get_with_by_ref",
        |cache, backend, answer| {
            Box::pin(async move {
                let load = || backend.answer(Ok::<_, String>(Some(answer)));
                cache.try_optionally_get_with_by_ref(&KEY, load).await
            })
        },
    ),
    (
        "try_optionally_get_with_scoped",
        |cache, backend, answer| {
            Box::pin(async move {
                let load = || backend.answer(Ok::<_, String>(Some(answer)));
                cache.try_optionally_get_with_scoped(KEY, load).await
            })
        },
    ),
];

const REFRESH: Call = |cache, backend, answer| {
    Box::pin(async move {
        let load = || backend.answer(Ok::<_, String>(answer));
        cache.refresh(KEY, load).await.map(Some)
    })
};

/// Calls of loads that find no value.
const MISSING: Call = |cache, backend, _| {
    Box::pin(async move {
        let load = || backend.answer(None);
        Ok(cache.optionally_get_with(KEY, load).await)
    })
};

/// Calls of loads that fail.
const FAILING: Call = |cache, backend, _| {
    Box::pin(async move {
        let load = || backend.answer(Err::<u64, _>(String::from("down")));
        cache.try_get_with(KEY, load).await.map(Some)
    })
};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

fn is_down(answer: &Answer) -> bool {
    matches!(answer, Err(LoadError::Loader(error)) if **error == "down")
}

#[test]
fn one_key_loaded_through_different_methods_has_one_load() {
    let leaders = METHODS.into_iter().chain([("refresh", REFRESH)]);
    for (name, leader) in leaders {
        run(|| async move {
            let (cache, backend) = (cache(), Backend::new());
            let leader = spawn(leader(cache.clone(), backend.clone(), 10));
            until(|| backend.calls() == 1).await;
            let waiters: Vec<_> = METHODS
                .into_iter()
                .map(|(_, call)| spawn(call(cache.clone(), backend.clone(), 11)))
                .collect();
            until(|| cache.stats().coalesced == METHODS.len() as u64).await;
            backend.open();
            assert_eq!(leader.join().await.unwrap(), Some(10), "{name}");
            for (waiter, (name, _)) in waiters.into_iter().zip(METHODS) {
                assert_eq!(
                    waiter.join().await.unwrap(),
                    Some(10),
                    "{name} after {name}"
                );
            }
            assert_eq!(backend.calls(), 1, "{name}");
            assert_eq!(cache.stats().loads, 1, "{name}");
        });
    }
}

#[test]
fn every_method_returns_a_stored_value_without_a_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        cache.insert(KEY, 10);
        for (name, call) in METHODS {
            let answer = call(cache.clone(), backend.clone(), 11).await;
            assert_eq!(answer.unwrap(), Some(10), "{name}");
        }
        assert_eq!(backend.calls(), 0);
        assert_eq!(cache.stats().loads, 0);
        assert_eq!(cache.stats().hits, METHODS.len() as u64);
    });
}

#[test]
fn a_missing_value_is_returned_by_methods_that_can_and_others_run_their_own_loader() {
    for (name, call) in METHODS {
        run(|| async move {
            let (cache, empty, backend) = (cache(), Backend::new(), Backend::opened());
            let leader = spawn(MISSING(cache.clone(), empty.clone(), 0));
            until(|| empty.calls() == 1).await;
            let waiter = spawn(call(cache.clone(), backend.clone(), 11));
            until(|| cache.stats().coalesced == 1).await;
            empty.open();
            assert_eq!(leader.join().await.unwrap(), None, "{name}");
            let takes_none = name.contains("optionally");
            let expected = if takes_none { None } else { Some(11) };
            assert_eq!(waiter.join().await.unwrap(), expected, "{name}");
            assert_eq!(backend.calls(), usize::from(!takes_none), "{name}");
        });
    }
}

#[test]
fn an_error_is_returned_by_methods_that_can_and_others_run_their_own_loader() {
    for (name, call) in METHODS {
        run(|| async move {
            let (cache, failing, backend) = (cache(), Backend::new(), Backend::opened());
            let leader = spawn(FAILING(cache.clone(), failing.clone(), 0));
            until(|| failing.calls() == 1).await;
            let waiter = spawn(call(cache.clone(), backend.clone(), 11));
            until(|| cache.stats().coalesced == 1).await;
            failing.open();
            assert!(is_down(&leader.join().await), "{name}");
            let answer = waiter.join().await;
            if name.contains("try") || name.starts_with("load") {
                assert!(is_down(&answer), "{name}");
                assert_eq!(backend.calls(), 0, "{name}");
            } else {
                assert_eq!(answer.unwrap(), Some(11), "{name}");
                assert_eq!(backend.calls(), 1, "{name}");
            }
        });
    }
}

#[test]
fn waiters_of_an_abandoned_load_run_their_own_loader() {
    for (name, call) in METHODS {
        run(|| async move {
            let (cache, closed, backend) = (cache(), Backend::new(), Backend::opened());
            // Scoped, so that the load ends with its caller.
            let load = || closed.answer(10);
            let leader =
                crate::contract::support::backend::parked(cache.get_with_scoped(KEY, load));
            let waiter = spawn(call(cache.clone(), backend.clone(), 11));
            until(|| cache.stats().coalesced == 1).await;
            drop(leader);
            assert_eq!(waiter.join().await.unwrap(), Some(11), "{name}");
            assert_eq!(backend.calls(), 1, "{name}");
        });
    }
}
