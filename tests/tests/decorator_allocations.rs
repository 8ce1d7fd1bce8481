//! A hit on a cached function does not allocate if its arguments do not.

#![allow(missing_docs, reason = "a test program")]

use std::alloc::System;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cache_tokio::{LoadError, cached};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Counts the allocations of a call until its result, and returns both.
fn allocations<F: Future>(call: impl FnOnce() -> F) -> (usize, F::Output) {
    let region = Region::new(ALLOCATOR);
    let mut call = pin!(call());
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => (region.change().allocations, answer),
        Poll::Pending => panic!("the call is ready immediately"),
    }
}

/// Runs each call several times: the load allocates, and the hits do not. The test framework's own
/// thread may allocate during a few of the hits, so one without allocations is enough.
macro_rules! hits_do_not_allocate {
    ($($call:expr => $answer:expr),* $(,)?) => {$(
        let (for_load, first) = allocations(|| $call);
        assert!(for_load > 0, "{}: the counter counts", stringify!($call));
        let hits = (0..100).map(|_| allocations(|| $call));
        let (for_hit, second) = hits.min_by_key(|hit| hit.0).expect("there are hits");
        assert_eq!(for_hit, 0, "{}", stringify!($call));
        assert_eq!((first, second), ($answer, $answer));
    )*};
}

#[test]
fn hits_do_not_allocate() {
    #[cached]
    async fn copy(id: u64, flag: Option<bool>) -> u64 {
        id + u64::from(flag.unwrap_or_default())
    }

    #[cached(ttl = "1h", policy = "s3-fifo")]
    async fn borrowed(name: &str, parts: &[u8]) -> usize {
        name.len() + parts.len()
    }

    #[cached(key = "id / 10")]
    async fn by_expression(id: u64) -> Option<u64> {
        Some(id)
    }

    #[cached]
    async fn fallible(id: u64) -> Result<u64, LoadError<std::fmt::Error>> {
        Ok(id)
    }

    struct Service(u64);

    impl Service {
        #[cached(skip(self))]
        async fn method(&self, id: u64) -> u64 {
            self.0 + id
        }
    }

    hits_do_not_allocate! {
        copy(1, Some(true)) => 2,
        borrowed("four", &[1, 2]) => 6,
        by_expression(41) => Some(41),
        async { fallible(1).await.ok() } => Some(1),
        Service(10).method(1) => 11,
    }
}
