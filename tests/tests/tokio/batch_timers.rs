//! Batches whose timer is on a stalled runtime: the driver on that runtime is cancelled, and the
//! other callers continue with timers of their own.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use cache_core::LoadError;
use cache_tokio::{BatchWindow, Cache};
use tokio::runtime::{Builder, Runtime};

use crate::contract::support::backend::{Backend, poll_once, yields};

/// Times on runtimes whose clock advances when they are idle. No test waits for them in real time,
/// and they are so long that no machine delays a test past them.
const WINDOW: Duration = Duration::from_secs(300);
const LIMIT: Duration = Duration::from_secs(300);

/// A runtime that runs only inside `block_on`.
fn lazy() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("the runtime is built")
}

/// A runtime whose paused time advances when it is idle.
fn hasty() -> Runtime {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    runtime.expect("the runtime is built")
}

/// Runs `future` with a timeout that is reached only if it hangs.
fn within<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let in_time = runtime.block_on(async { tokio::time::timeout(LIMIT * 12, future).await });
    in_time.expect("the test hangs")
}

type Call<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;
type Answer = Result<Option<u64>, LoadError<String>>;

fn tens(keys: Vec<u32>) -> Result<Vec<u64>, String> {
    Ok(keys.into_iter().map(|key| u64::from(key) * 10).collect())
}

/// Polls a call that must be pending, inside or outside of a runtime.
fn begin(on: Option<&Runtime>, call: &mut Call<'_>) {
    let is_pending = match on {
        Some(runtime) => runtime.block_on(async { poll_once(call).is_pending() }),
        None => poll_once(call).is_pending(),
    };
    assert!(is_pending, "the call waits for its batch");
}

#[test]
fn a_window_is_dispatched_in_time_though_the_runtime_of_its_timer_stalls() {
    let cache: Cache<u32, u64> = Cache::new(10);
    let view = cache
        .batching_builder(|keys: Vec<u32>| async move { tens(keys) })
        .batch_window(BatchWindow::Fixed(WINDOW))
        .build();
    let (still, second) = (lazy(), hasty());
    // Opened outside of any runtime, so nothing is spawned and any caller drives the batch.
    let (mut stays, mut goes): (Call<'_>, Call<'_>) =
        (Box::pin(view.get(1)), Box::pin(view.get(2)));
    begin(None, &mut stays);
    begin(Some(&still), &mut goes);
    let waits = second.spawn({
        let view = view.clone();
        async move { view.get(3).await }
    });
    second.block_on(yields(1));
    assert_eq!(cache.flight_count(), 3);
    drop(goes);
    assert_eq!(within(&second, waits).unwrap().unwrap(), Some(30));
    assert_eq!(pollster::block_on(stays).unwrap(), Some(10));
    assert_eq!(cache.stats().batches, 1);
    drop(still);
}

#[test]
fn a_batch_times_out_though_the_runtime_of_its_timer_stalls() {
    let cache: Cache<u32, u64> = Cache::builder().load_timeout(LIMIT).build();
    let backend = Backend::new();
    let source = backend.clone();
    // Yields once before it fetches, for the caller outside of any runtime.
    let view = cache
        .batching_builder(move |keys: Vec<u32>| {
            let answer = source.then(|| tens(keys));
            async move {
                yields(1).await;
                answer.await
            }
        })
        .batch_window(BatchWindow::Yield(1))
        .build();
    let (still, second) = (lazy(), hasty());
    let (mut stays, mut goes): (Call<'_>, Call<'_>) =
        (Box::pin(view.get(1)), Box::pin(view.get(2)));
    begin(None, &mut stays);
    begin(None, &mut goes);
    // The window is dispatched in the second pass.
    begin(None, &mut stays);
    assert_eq!((cache.stats().batches, backend.calls()), (1, 0));
    begin(Some(&still), &mut goes);
    assert_eq!(backend.calls(), 1, "it was polled on the stalled runtime");
    let waits = second.spawn({
        let view = view.clone();
        async move { view.get(1).await }
    });
    second.block_on(yields(1));
    assert_eq!(cache.stats().coalesced, 1);
    drop(goes);
    let answer = within(&second, waits).unwrap();
    assert!(
        matches!(answer, Err(LoadError::TimedOut(LIMIT))),
        "{answer:?}"
    );
    let answer = pollster::block_on(stays);
    assert!(
        matches!(answer, Err(LoadError::TimedOut(LIMIT))),
        "{answer:?}"
    );
    assert_eq!(cache.flight_count(), 0);
    drop(still);
}
