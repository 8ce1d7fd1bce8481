//! If the last driver of a load or a batch is cancelled, a background task continues it where the
//! runtime can spawn, even if the remaining waiters are never polled again.

use crate::contract::support::backend::{Backend, parked, poll_once, yields};
use crate::contract::support::batch_backend::{Store, building, cache, tens};
use crate::harness::{Cache, SINGLE_THREADED, run, runtime, task_count, until};

/// The caller whose join spawned the task is cancelled first. After that any waiter may drive the
/// load.
#[test]
fn a_load_continues_in_the_background_after_its_driver_is_cancelled() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let tasks = task_count();
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let spawner = parked(cache.get_with(1, || backend.answer(11)));
        let mut driver = parked(cache.get_with(1, || backend.answer(12)));
        if task_count() == tasks || !SINGLE_THREADED {
            // The runtime cannot spawn, or the task may run before the driver.
            return;
        }
        yields(3).await;
        drop(spawner);
        assert!(poll_once(&mut driver).is_pending());
        yields(3).await;
        backend.open();
        drop(driver);
        until(|| cache.peek(&1) == Some(10)).await;
        assert_eq!(leader.await, 10);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_batch_continues_in_the_background_after_its_driver_is_cancelled() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).max_batch_size(3).build();
        let tasks = task_count();
        let opener = parked(view.get(1));
        let mut driver = parked(view.get(2));
        let stays = parked(view.get(3));
        if task_count() == tasks || !SINGLE_THREADED {
            return; // See above.
        }
        yields(3).await;
        drop(opener);
        assert!(poll_once(&mut driver).is_pending());
        yields(3).await;
        store.open();
        drop(driver);
        until(|| cache.peek(&3) == Some(30)).await;
        assert_eq!(stays.await.unwrap(), Some(30));
        assert_eq!(store.requested(), [[1, 2, 3]]);
    });
}

/// Any waiter could drive the load, and only the background task is left.
#[test]
fn a_detached_load_continues_after_the_last_of_several_drivers_is_cancelled() {
    run(|| async {
        let builder = Cache::<u32, u64>::builder_on(runtime()).detach_loads(true);
        let (cache, backend) = (builder.build(), Backend::new());
        let tasks = task_count();
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let spawner = parked(cache.get_with(1, || backend.answer(11)));
        let mut driver = parked(cache.get_with(1, || backend.answer(12)));
        if task_count() == tasks {
            return; // Without a spawner the load ends.
        }
        yields(3).await;
        drop(spawner);
        assert!(poll_once(&mut driver).is_pending());
        yields(3).await;
        drop(driver);
        yields(3).await;
        drop(leader);
        assert_eq!(cache.flight_count(), 1);
        yields(3).await;
        backend.open();
        until(|| cache.peek(&1) == Some(10)).await;
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.stats().loads_dropped, 0);
    });
}

#[test]
fn a_detached_batch_continues_after_the_last_of_several_drivers_is_cancelled() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).detach_loads(true).build();
        let store = Store::new();
        let view = building(&cache, &store, tens).max_batch_size(3).build();
        let tasks = task_count();
        let opener = parked(view.get(1));
        let mut driver = parked(view.get(2));
        let last = parked(view.get(3));
        if task_count() == tasks {
            return; // See above.
        }
        yields(3).await;
        drop(opener);
        assert!(poll_once(&mut driver).is_pending());
        yields(3).await;
        drop(driver);
        yields(3).await;
        drop(last);
        assert_eq!(cache.flight_count(), 3);
        yields(3).await;
        store.open();
        until(|| cache.entry_count() == 3).await;
        assert_eq!(store.requested(), [[1, 2, 3]]);
        assert_eq!(cache.stats().loads_dropped, 0);
    });
}

/// A waiter completed the load, so the task is woken and ends.
#[test]
fn the_background_task_ends_if_a_waiter_completes_the_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let tasks = task_count();
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let spawner = parked(cache.get_with(1, || backend.answer(11)));
        let driver = parked(cache.get_with(1, || backend.answer(12)));
        yields(3).await;
        drop(spawner);
        yields(3).await;
        backend.open();
        assert_eq!((driver.await, leader.await), (10, 10));
        until(|| task_count() == tasks).await;
    });
}

#[test]
fn the_background_task_ends_if_a_waiter_completes_the_batch() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).max_batch_size(3).build();
        let tasks = task_count();
        let opener = parked(view.get(1));
        let driver = parked(view.get(2));
        let last = parked(view.get(3));
        yields(3).await;
        drop(opener);
        yields(3).await;
        store.open();
        assert_eq!(driver.await.unwrap(), Some(20));
        assert_eq!(last.await.unwrap(), Some(30));
        until(|| task_count() == tasks).await;
    });
}
