//! On a single-threaded runtime, no user type and no future needs to be `Send`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use cache_core::{LoadError, Loaded, Op, Ttl};
use tokio::task::yield_now;

use crate::contract::support::backend::parked;
use crate::contract::support::common::caught;
use crate::harness::{Cache, run, runtime, sleep, spawn, until};

#[test]
fn keys_values_and_errors_need_not_be_send() {
    run(|| async {
        let cache: Cache<Rc<str>, Rc<Cell<u64>>> = Cache::builder_on(runtime()).build();
        let shared = Rc::new(Cell::new(1));
        let loaded = cache.get_with("one".into(), || {
            let shared = Rc::clone(&shared);
            async move {
                yield_now().await;
                shared
            }
        });
        loaded.await.set(2);
        assert_eq!(shared.get(), 2);
        assert_eq!(cache.get("one").map(|value| value.get()), Some(2));
        let failed =
            cache.try_get_with("two".into(), || async { Err::<_, Rc<str>>("down".into()) });
        assert_eq!(**failed.await.unwrap_err().loader().unwrap(), *"down");
    });
}

#[test]
fn tasks_of_one_thread_share_a_load_whose_loader_is_not_send() {
    run(|| async {
        let cache: Cache<u32, Rc<str>> = Cache::builder_on(runtime()).build();
        let calls = Rc::new(Cell::new(0));
        let tasks = [(); 10].map(|()| {
            let (cache, calls) = (cache.clone(), Rc::clone(&calls));
            spawn(async move {
                let load = || async move {
                    calls.set(calls.get() + 1);
                    yield_now().await;
                    Rc::from("loaded")
                };
                cache.get_with(1, load).await
            })
        });
        let mut answers: Vec<Rc<str>> = Vec::new();
        for task in tasks {
            answers.push(task.join().await);
        }
        assert_eq!(calls.get(), 1);
        assert!(answers.iter().all(|answer| Rc::ptr_eq(answer, &answers[0])));
    });
}

#[test]
fn hooks_need_not_be_send() {
    run(|| async {
        let notified = Rc::new(RefCell::new(Vec::new()));
        let heavy = Rc::new(Cell::new(0));
        let cache: Cache<u32, Rc<u64>> = Cache::builder_on(runtime())
            .max_capacity(1)
            .weigher({
                let heavy = Rc::clone(&heavy);
                move |_, _| {
                    heavy.set(heavy.get() + 1);
                    1
                }
            })
            .eviction_listener({
                let notified = Rc::clone(&notified);
                move |key: &u32, value: &Rc<u64>, _| {
                    notified.borrow_mut().push((*key, Rc::clone(value)))
                }
            })
            .build();
        cache.insert(1, Rc::new(10));
        cache.remove(&1);
        assert_eq!(*notified.borrow(), [(1, Rc::new(10))]);
        assert_eq!(heavy.get(), 1);
    });
}

#[test]
fn a_batch_of_values_that_are_not_send_is_one_call() {
    run(|| async {
        let cache: Cache<u32, Rc<u64>> = Cache::builder_on(runtime()).build();
        let calls = Rc::new(Cell::new(0));
        let load = {
            let calls = Rc::clone(&calls);
            move |keys: Vec<u32>| async move {
                calls.set(calls.get() + 1);
                let tens = keys
                    .into_iter()
                    .map(|key| (key, Rc::new(u64::from(key) * 10)));
                tens.collect::<HashMap<_, _>>()
            }
        };
        let view = cache.batching(load);
        let members = [1, 2, 1].map(|key| {
            let view = view.clone();
            spawn(async move { view.get(key).await.expect("the load succeeds") })
        });
        until(|| view.cache().stats().misses == 3).await;
        view.dispatch();
        for (member, value) in members.into_iter().zip([10, 20, 10]) {
            assert_eq!(member.join().await, Some(Rc::new(value)));
        }
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn every_loading_method_takes_a_loader_that_is_not_send() {
    run(|| async {
        let cache: Cache<u32, Rc<u64>> = Cache::builder_on(runtime()).detach_loads(true).build();
        let value = Rc::new(1);
        let some = || async { Some(Rc::clone(&value)) };
        let owned = {
            let value = Rc::clone(&value);
            move || async move { Some(value) }
        };
        assert_eq!(
            cache.optionally_get_with(1, owned).await.as_deref(),
            Some(&1)
        );
        assert_eq!(
            cache.optionally_get_with_scoped(2, some).await.as_deref(),
            Some(&1)
        );
        let loaded = Rc::clone(&value);
        let load = || async move { Ok::<_, Rc<str>>(Loaded::new(loaded).ttl(Ttl::Never)) };
        let answer: Result<_, LoadError<Rc<str>>> = cache.load_with(3, load).await;
        assert_eq!(answer.ok().as_deref(), Some(&1));
        let fresh = || async { Ok::<_, Rc<str>>(Rc::new(2)) };
        assert_eq!(cache.refresh(3, fresh).await.ok().as_deref(), Some(&2));
        let compute = |_| async { Op::Put(Loaded::new(Rc::new(4))) };
        let _computed = cache.entry(4).and_compute_with(compute).await;
        assert_eq!(cache.get(&4).as_deref(), Some(&4));
    });
}

#[test]
fn a_loader_that_is_not_send_can_time_out() {
    run(|| async {
        let cache: Cache<u32, Rc<u64>> = Cache::builder_on(runtime())
            .load_timeout(std::time::Duration::from_secs(1))
            .build();
        let value = Rc::new(1);
        let slow = sleep(std::time::Duration::from_secs(60));
        let task = spawn({
            let cache = cache.clone();
            async move {
                let load = || async move {
                    slow.await;
                    Ok::<_, ()>(value)
                };
                cache.try_get_with(1, load).await
            }
        });
        until(|| cache.flight_count() == 1).await;
        crate::harness::advance(std::time::Duration::from_secs(2)).await;
        assert!(matches!(task.join().await, Err(LoadError::TimedOut(_))));
    });
}

#[test]
fn a_blocking_load_panics_instead_of_waiting_for_a_task_of_its_own_thread() {
    run(|| async {
        let cache: Cache<u32, Rc<u64>> = Cache::builder_on(runtime()).build();
        let (open, closed) = tokio::sync::oneshot::channel();
        let leader = parked(cache.get_with(1, || async { closed.await.expect("it is sent") }));
        let panicked = caught(|| cache.blocking().get_with(1, || Rc::new(20)));
        let words = panicked.expect_err("it must not wait");
        assert!(words.contains("a runtime of one thread"), "{words}");
        open.send(Rc::new(10)).expect("the loader waits for it");
        assert_eq!(*leader.await, 10);
        assert_eq!(*cache.blocking().get_with(1, || Rc::new(20)), 10);
    });
}
