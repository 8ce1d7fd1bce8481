//! Batches whose callers are on several runtimes.

#![allow(missing_docs)]

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().build();
    runtime.expect("the runtime is built")
}

/// Polls a call once, and then runs the tasks that it spawned.
async fn begin(call: &mut (impl Future + Unpin)) {
    let mut call = std::pin::Pin::new(call);
    assert!(poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

fn tens(keys: Vec<u32>) -> Vec<u64> {
    keys.into_iter().map(|key| u64::from(key) * 10).collect()
}

/// The timer of the window is on a runtime that stalls after the opener is cancelled.
#[test]
fn a_window_opened_on_a_stalled_runtime_is_dispatched_for_its_other_callers() {
    let (still, runtime) = (runtime(), runtime());
    let cache: cache_tokio::Cache<u32, u64> = cache_tokio::Cache::new(10);
    let view = cache.batching(|keys: Vec<u32>| async move { tens(keys) });
    let mut opener = Box::pin(view.get(1));
    still.block_on(begin(&mut opener));
    let answer = runtime.block_on(async {
        let mut call = Box::pin(view.get(2));
        begin(&mut call).await;
        drop(opener);
        tokio::time::timeout(Duration::from_secs(30), call).await
    });
    assert_eq!(answer.expect("it hangs").unwrap(), Some(20));
    drop(still);
}

#[test]
fn a_batch_continues_though_the_runtime_that_it_was_spawned_on_shuts_down() {
    let (ends, runtime) = (runtime(), runtime());
    let cache: cache_tokio::Cache<u32, u64> = cache_tokio::Cache::new(10);
    let view = cache.batching(|keys: Vec<u32>| async move { tens(keys) });
    let mut opener = Box::pin(view.get(1));
    ends.block_on(begin(&mut opener));
    let (one, two) = runtime.block_on(async {
        let mut call = Box::pin(view.get(2));
        begin(&mut call).await;
        ends.shutdown_background();
        let both = async { (opener.await, call.await) };
        let in_time = tokio::time::timeout(Duration::from_secs(30), both).await;
        in_time.expect("it hangs")
    });
    assert_eq!((one.unwrap(), two.unwrap()), (Some(10), Some(20)));
}

#[test]
fn a_batch_outside_of_any_runtime_is_driven_by_its_callers() {
    let cache: cache_tokio::Cache<u32, u64> = cache_tokio::Cache::new(10);
    let view = cache.batching(|keys: Vec<u32>| async move { tens(keys) });
    let answers = pollster::block_on(view.get_all([1, 2, 1]));
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [10, 20, 10].map(Some));
    assert_eq!(cache.stats().batches, 1);
}
