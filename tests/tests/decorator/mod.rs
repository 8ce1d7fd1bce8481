//! The promises of `#[cached]`, each written once. `super` has the runtime.

mod expiry;
mod freshness;
mod functions;
mod generics;
mod keys;
mod kinds;
mod methods;
mod mocked;
mod parameters;
mod patterns;
mod recursion;
mod signatures;
mod sync;

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

use super::{Runtime, adapter, run};

/// Counts loads. Each load has a number.
struct Loads(AtomicU64);

impl Loads {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts a load and returns its number.
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Delays loads until the test opens it.
struct Gate(Semaphore);

impl Gate {
    const fn closed() -> Self {
        Self(Semaphore::const_new(0))
    }

    fn open(&self) {
        self.0.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    async fn pass(&self) {
        self.0.acquire().await.expect("the gate is never closed").forget();
    }
}

/// Polls a call once. It must be pending.
fn start<F: Future>(call: F) -> std::pin::Pin<Box<F>> {
    let mut call = Box::pin(call);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(call.as_mut().poll(&mut context).is_pending());
    call
}

/// Waits until a background task has made `condition` true.
async fn settled(condition: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed().as_secs() < 60, "the condition stays false");
        std::thread::yield_now();
        let mut has_yielded = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut has_yielded, true) {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }
}
