//! The program. `super` imports the adapter under test.

use std::collections::HashMap;
use std::future::{pending, poll_fn};
use std::task::Poll;
use std::time::Duration;

use cache_core::runtime::{Runtime, Timer};

#[allow(unused_imports, reason = "every adapter has all of these names")]
use super::adapter::{
    Answer, Answers, BatchItem, BatchItemOr, BatchLoader, BatchLoaderBuilder, BatchOutput,
    BatchWindow, BuildError, Builder, Cache, CacheStats, Computed, DefaultHasher, EvictionPolicy,
    Expiry, Instant, Iter, KeyEntry, LoadError, Loaded, LoadingCache, Op, RemovalCause, Ttl,
    WarmProgress, WarmReport, cached,
};
use super::{Rt, block_on};

/// A short time.
const MOMENT: Duration = Duration::from_millis(5);

#[test]
fn writes_and_reads_behave_the_same_on_every_adapter() {
    block_on(async {
        let cache: Cache<u64, String> = Cache::builder().max_capacity(100).build();
        cache.insert_with_ttl(1, "one".into(), Ttl::Never);
        assert_eq!(cache.get(&1).as_deref(), Some("one"));
        let two = cache.get_with(2, || async { "two".to_owned() });
        assert_eq!(two.await, "two");
        let failed = cache.try_get_with(3, || async { Err(3) }).await;
        assert_eq!(failed.unwrap_err().loader(), Some(&3));
    });
}

#[test]
fn a_batch_is_dispatched_at_the_end_of_its_window() {
    block_on(async {
        let tens = |keys: Vec<u64>| async move {
            let tens = keys.into_iter().map(|key| (key, key * 10));
            tens.collect::<HashMap<_, _>>()
        };
        // On a busy machine the window may close between the two calls.
        for window in [MOMENT, 100 * MOMENT, 10_000 * MOMENT] {
            let cache: Cache<u64, u64> = Cache::new(100);
            let builder = cache.batching_builder(tens);
            let view = builder.batch_window(BatchWindow::Fixed(window)).build();
            let begun = std::time::Instant::now();
            let both = async { tokio::join!(view.get(1), view.get(2)) };
            let mut both = std::pin::pin!(both);
            let first = poll_fn(|cx| Poll::Ready(both.as_mut().poll(cx))).await;
            let is_one_window = begun.elapsed() < window;
            let both = match first {
                Poll::Ready(both) => both,
                Poll::Pending => both.await,
            };
            assert_eq!((both.0.unwrap(), both.1.unwrap()), (Some(10), Some(20)));
            if is_one_window {
                assert_eq!(cache.stats().batches, 1);
                return;
            }
        }
        panic!("no machine takes that long");
    });
}

#[test]
fn a_load_times_out() {
    block_on(async {
        let cache: Cache<u64, u64> = Cache::builder().load_timeout(MOMENT).build();
        let stuck = cache.try_get_with(1, pending::<Result<u64, ()>>);
        assert!(matches!(stuck.await, Err(LoadError::TimedOut(after)) if after == MOMENT));
    });
}

#[test]
fn the_janitor_purges_expired_entries() {
    block_on(async {
        let (notices, mut received) = tokio::sync::mpsc::unbounded_channel();
        let cache: Cache<u64, u64> = Cache::builder()
            .time_to_live(MOMENT)
            .janitor(true)
            .eviction_listener(move |key: &u64, _: &u64, cause| {
                notices.send((*key, cause)).expect("the test receives");
            })
            .build();
        cache.insert(1, 10);
        assert_eq!(received.recv().await, Some((1, RemovalCause::Expired)));
    });
}

#[test]
fn a_timer_is_ready_at_its_deadline_and_not_before() {
    block_on(async {
        let runtime = Rt::default();
        let mut timer = runtime.timer().expect("the runtime has timers");
        for _ in 0..3 {
            let deadline = runtime.now().after(MOMENT);
            poll_fn(|cx| timer.poll_until(deadline, cx)).await;
            assert!(deadline.has_passed(runtime.now()));
            // It stays ready.
            poll_fn(|cx| timer.poll_until(deadline, cx)).await;
        }
        poll_fn(|cx| timer.poll_until(Instant::ORIGIN, cx)).await;
    });
}

#[test]
fn a_timer_can_be_reset_while_pending_and_after_it_fired() {
    block_on(async {
        let runtime = Rt::default();
        let mut timer = runtime.timer().expect("the runtime has timers");
        let an_hour = runtime.now().after(Duration::from_secs(3_600));
        let (far, nearly) = (Instant::FAR, Instant::from_nanos(u64::MAX - 1));
        for other in [an_hour, far, nearly, an_hour] {
            let pending = poll_fn(|cx| Poll::Ready(timer.poll_until(other, cx).is_pending()));
            assert!(pending.await, "{other:?} is not reached");
            let soon = runtime.now().after(MOMENT);
            poll_fn(|cx| timer.poll_until(soon, cx)).await;
            assert!(soon.has_passed(runtime.now()));
        }
    });
}

#[test]
fn the_clock_advances() {
    block_on(async {
        let runtime = Rt::default();
        let copy = runtime.clone();
        let mut last = runtime.now();
        for _ in 0..100 {
            for now in [runtime.now(), copy.now()] {
                assert!(now >= last);
                last = now;
            }
        }
    });
}
