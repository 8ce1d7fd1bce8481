//! What a loader finds around it: nothing of its caller for sure, unless it brings it along.

use std::future::Future;
use std::time::Duration;

use cache_tokio::{BatchWindow, Cache};
use tokio::task::futures::TaskLocalFuture;

use crate::contract::support::backend::{Backend, poll_once, yields};

tokio::task_local! {
    static REQUEST: u64;
}

/// What a loader finds, before and after it has waited.
async fn find(backend: Backend) -> Option<u64> {
    let before = REQUEST.try_with(|request| *request).ok();
    backend.answer(()).await;
    let after = REQUEST.try_with(|request| *request).ok();
    before.filter(|_| before == after)
}

/// The loader's future takes along what its caller has.
fn carried<F: Future>(future: F) -> TaskLocalFuture<u64, F> {
    REQUEST.scope(REQUEST.get(), future)
}

#[tokio::test]
async fn a_loader_takes_its_callers_context_along_alone_and_joined_by_others() {
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
async fn a_batch_loader_takes_along_the_context_that_its_view_was_made_in() {
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
    let loads = REQUEST.scope(8, batches.load_many([1, 2])).await;
    for loaded in loads {
        assert_eq!(loaded.unwrap(), Some(Some(7)));
    }
}

#[tokio::test]
async fn a_loader_in_its_caller_finds_the_callers_context() {
    let (cache, backend) = (Cache::<u32, Option<u64>>::new(10), Backend::opened());
    let load = cache.get_with_inline(1, || find(backend.clone()));
    assert_eq!(REQUEST.scope(7, load).await, Some(7));
}
