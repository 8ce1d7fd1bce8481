//! A thread that waits for a future.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

#[cfg(cache_shuttle)]
use shuttle::thread;
#[cfg(not(cache_shuttle))]
use std::thread;

use super::{Arc, AtomicBool, Ordering, impl_wake};

/// Polls `future` on this thread until it is ready. Calls `before_park` before the thread parks.
pub(crate) fn block_on<T>(future: impl Future<Output = T>, before_park: impl Fn()) -> T {
    let mut future = pin!(future);
    let parked = Arc::new(ParkedThread {
        thread: thread::current(),
        is_woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&parked));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        if parked.is_woken.swap(false, Ordering::Acquire) {
            // A future that wakes itself lets the rest of its executor run: here, other threads.
            thread::yield_now();
            continue;
        }
        before_park();
        // The flag, not the token of `park`, says whether to poll: a nested call, or other code
        // that parks this thread, may use up the token.
        while !parked.is_woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

/// A thread in [`block_on`], as the waker sees it.
struct ParkedThread {
    thread: thread::Thread,
    is_woken: AtomicBool,
}

impl_wake!(ParkedThread, |this| {
    this.is_woken.store(true, Ordering::Release);
    this.thread.unpark();
});
