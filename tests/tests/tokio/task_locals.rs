//! Task-locals of the caller: a loader sees them for certain only if it carries them along.

use std::future::Future;
use std::time::Duration;

use cache_tokio::{BatchWindow, Cache};
use tokio::task::futures::TaskLocalFuture;

use crate::contract::support::backend::{Backend, poll_once, yields};

tokio::task_local! {
    static REQUEST: u64;
}

/// The task-local value that a loader sees before and after it waits, if it is the same.
async fn find(backend: Backend) -> Option<u64> {
    let before = REQUEST.try_with(|request| *request).ok();
    backend.answer(()).await;
    let after = REQUEST.try_with(|request| *request).ok();
    before.filter(|_| before == after)
}

/// Carries the caller's task-local value into `future`.
fn carried<F: Future>(future: F) -> TaskLocalFuture<u64, F> {
    REQUEST.scope(REQUEST.get(), future)
}

#[tokio::test]
async fn a_loader_can_carry_its_callers_task_local_with_and_without_waiters() {
    for joins in [false, true] {
        let (cache, backend) = (Cache::<u32, Option<u64>>::new(10), Backend::new());
        let (led, source) = (cache.clone(), backend.clone());
        let leader = tokio::spawn(REQUEST.scope(7, async move {
            led.get_with(1, || carried(find(source))).await
        }));
        while backend.calls() == 0 {
            yields(1).await;
        }
        let mut waiter = Box::pin(cache.get_with(1, || find(backend.clone())));
        if joins {
            assert!(poll_once(&mut waiter).is_pending());
        }
        backend.open();
        assert_eq!(leader.await.expect("no panic"), Some(7));
        assert_eq!(waiter.await, Some(7));
        assert_eq!(backend.calls(), 1);
    }
}

#[tokio::test]
async fn a_batch_loader_can_carry_the_task_local_that_its_view_was_built_with() {
    let (cache, backend) = (Cache::<u32, Option<u64>>::new(10), Backend::opened());
    let batches = REQUEST.sync_scope(7, || {
        let request = REQUEST.get();
        cache
            .batching_builder(move |keys: Vec<u32>| {
                let found = find(backend.clone());
                REQUEST.scope(request, async move {
                    let found = found.await;
                    keys.iter().map(|_| found).collect::<Vec<_>>()
                })
            })
            .batch_window(BatchWindow::Fixed(Duration::ZERO))
            .build()
    });
    let loads = REQUEST.scope(8, batches.get_all([1, 2])).await;
    for loaded in loads {
        assert_eq!(loaded.unwrap(), Some(Some(7)));
    }
}

#[tokio::test]
async fn a_scoped_loader_sees_the_task_locals_of_its_caller() {
    let (cache, backend) = (Cache::<u32, Option<u64>>::new(10), Backend::opened());
    let load = cache.get_with_scoped(1, || find(backend.clone()));
    assert_eq!(REQUEST.scope(7, load).await, Some(7));
}
