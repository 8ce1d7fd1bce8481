//! Runtimes without timers, and runtimes that have ended: a cache works there without a timer.

use std::future::Future;
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cache_core::LoadError;
use cache_tokio::{BatchWindow, Cache, Tokio, local};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::LocalSet;

use crate::contract::support::backend::{Backend, parked, poll_once, yields};

const HOUR: Duration = Duration::from_secs(3_600);
const MOMENT: Duration = Duration::from_millis(20);

/// A runtime with no driver enabled.
fn bare() -> Runtime {
    let runtime = Builder::new_current_thread().build();
    runtime.expect("the runtime is built")
}

fn bare_with_a_thread() -> Runtime {
    let runtime = Builder::new_multi_thread().worker_threads(1).build();
    runtime.expect("the runtime is built")
}

fn timed() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("the runtime is built")
}

/// The handle of a runtime that has ended.
fn ended() -> Handle {
    timed().handle().clone()
}

/// Held by each test that counts Tokio's panics or causes them, so that they run one at a time.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a test and counts Tokio's panics.
fn count_panics(test: impl FnOnce()) -> usize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                drop(take_hook());
            }
        }
    }
    let _alone = alone();
    let before = take_hook();
    set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        let words = info.payload().downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| info.payload().downcast_ref::<&str>().copied());
        if words.is_some_and(|words| words.contains("Tokio 1.x context")) {
            PANICS.fetch_add(1, Ordering::SeqCst);
        } else {
            before(info);
        }
    }));
    let restore = Restore;
    PANICS.store(0, Ordering::SeqCst);
    test();
    drop(restore);
    PANICS.load(Ordering::SeqCst)
}

/// Polls `future` until it is ready, at most `most` times.
fn ready_within<T>(most: usize, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..most {
        let polled = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(output) = polled {
            return output;
        }
    }
    panic!("it is not ready after {most} polls");
}

fn windows() -> [BatchWindow; 4] {
    [
        BatchWindow::Fixed(HOUR),
        BatchWindow::Fixed(Duration::ZERO),
        BatchWindow::default(),
        BatchWindow::Debounce {
            gap: HOUR,
            max: HOUR,
        },
    ]
}

fn batch_on(tokio: Tokio, window: BatchWindow, runs: impl FnOnce(BatchCall) -> Loaded) -> Loaded {
    let cache: Cache<u32, u32> = Cache::builder_on(tokio).build();
    let batches = cache
        .batching_builder(|keys: Vec<u32>| async move { keys })
        .batch_window(window)
        .build();
    runs(Box::pin(async move { batches.get(1).await.ok().flatten() }))
}

type Loaded = Option<u32>;
type BatchCall = std::pin::Pin<Box<dyn Future<Output = Loaded> + Send>>;

#[test]
fn a_window_is_dispatched_immediately_on_a_runtime_without_timers() {
    for window in windows() {
        let runtime = bare();
        let panics = count_panics(|| {
            for _ in 0..10 {
                let loaded = batch_on(Tokio::default(), window, |call| runtime.block_on(call));
                assert_eq!(loaded, Some(1), "{window:?}");
            }
        });
        assert!(panics <= 1, "{panics} panics");
    }
}

#[test]
fn refreshes_of_a_batching_view_leave_by_themselves_on_a_runtime_without_timers() {
    bare().block_on(async {
        let cache: Cache<u32, u32> = Cache::builder_on(Tokio::default().without_timers())
            .refresh_after(Duration::from_nanos(1))
            .build();
        let view = cache.batching(|keys: Vec<u32>| async move { keys });
        cache.insert(1, 0);
        let mut value = Some(0);
        for _ in 0..1_000 {
            value = view.get(1).await.unwrap();
            yields(1).await;
        }
        assert_eq!(value, Some(1), "it is refreshed");
    });
}

#[test]
fn a_window_is_dispatched_immediately_in_tasks_of_a_runtime_without_timers() {
    for window in windows() {
        let runtime = bare_with_a_thread();
        let panics = count_panics(|| {
            let loaded = batch_on(Tokio::default(), window, |call| {
                runtime.block_on(runtime.spawn(call)).expect("no panic")
            });
            assert_eq!(loaded, Some(1), "{window:?}");
        });
        assert!(panics <= 1, "{panics} panics");
    }
}

#[test]
fn a_window_is_dispatched_immediately_if_the_runtime_is_declared_without_timers() {
    for window in windows() {
        let panics = count_panics(|| {
            let tokio = Tokio::default().without_timers();
            let loaded = batch_on(tokio, window, |call| bare().block_on(call));
            assert_eq!(loaded, Some(1), "{window:?}");
        });
        assert_eq!(panics, 0);
    }
}

#[test]
fn a_window_is_dispatched_immediately_on_the_handle_of_an_ended_runtime() {
    for window in windows() {
        let panics = count_panics(|| {
            let tokio = Tokio::with_handle(ended());
            let loaded = batch_on(tokio, window, |call| ready_within(10, call));
            assert_eq!(loaded, Some(1), "{window:?}");
            let (handle, tokio) = (ended(), Tokio::default());
            let _inside = handle.enter();
            let loaded = batch_on(tokio, window, |call| ready_within(10, call));
            assert_eq!(loaded, Some(1), "{window:?}");
        });
        assert_eq!(panics, 0);
    }
}

#[test]
fn an_open_window_is_dispatched_immediately_when_its_runtime_ends() {
    for window in [windows()[0], windows()[3]] {
        let panics = count_panics(|| {
            let loaded = batch_on(Tokio::default(), window, |mut call| {
                timed().block_on(async {
                    assert!(poll_once(&mut call).is_pending());
                    yields(3).await;
                    assert!(poll_once(&mut call).is_pending(), "the window has a timer");
                });
                ready_within(10, call)
            });
            assert_eq!(loaded, Some(1), "{window:?}");
            let runtime = timed();
            let tokio = Tokio::with_handle(runtime.handle().clone());
            let loaded = batch_on(tokio, window, |mut call| {
                assert!(poll_once(&mut call).is_pending());
                runtime.block_on(yields(3));
                assert!(poll_once(&mut call).is_pending(), "the window has a timer");
                drop(runtime);
                ready_within(10, call)
            });
            assert_eq!(loaded, Some(1), "{window:?}");
        });
        assert_eq!(panics, 0);
    }
}

/// Polls a late load: once with time left, and once without. If this thread was not scheduled for a
/// moment, the first poll already finds it late.
fn times_out(tokio: Tokio, enter: &Handle, poll_first: impl FnOnce(&mut dyn FnMut())) {
    let cache: Cache<u32, u64> = Cache::builder_on(tokio).load_timeout(MOMENT).build();
    let mut call = Box::pin(cache.try_get_with(1, std::future::pending::<Result<u64, String>>));
    let (started, mut first) = (Instant::now(), Poll::Pending);
    poll_first(&mut || first = poll_once(&mut call));
    let second = if first.is_pending() {
        std::thread::sleep(MOMENT);
        let _inside = enter.enter();
        poll_once(&mut call)
    } else {
        assert!(started.elapsed() >= MOMENT, "it has time left");
        first
    };
    let Poll::Ready(answer) = second else {
        panic!("the load is late");
    };
    assert!(matches!(answer, Err(LoadError::TimedOut(MOMENT))));
}

#[test]
fn a_late_load_is_detected_at_the_next_poll_where_no_timer_works() {
    let runtime = bare();
    let panics = count_panics(|| {
        times_out(Tokio::default(), runtime.handle(), |poll| {
            let _inside = runtime.enter();
            poll();
        });
    });
    assert!(panics <= 1, "{panics} panics");
    let panics = count_panics(|| {
        let handle = ended();
        times_out(Tokio::with_handle(handle.clone()), &handle, |poll| poll());
        times_out(Tokio::default(), &handle, |poll| poll());
        // The timer was made before the runtime ended.
        let runtime = timed();
        let handle = runtime.handle().clone();
        times_out(Tokio::default(), &handle, |poll| {
            runtime.block_on(async { poll() });
            drop(runtime);
        });
    });
    assert_eq!(panics, 0);
}

#[test]
fn a_load_with_time_left_is_not_ended_when_its_runtime_ends() {
    let panics = count_panics(|| {
        let runtime = timed();
        let cache: Cache<u32, u64> = Cache::builder().load_timeout(HOUR).build();
        let backend = Backend::new();
        let load = || backend.answer(Ok::<_, String>(10));
        let (mut call,) = runtime.block_on(async { (parked(cache.try_get_with(1, load)),) });
        drop(runtime);
        assert!(poll_once(&mut call).is_pending(), "it has time left");
        backend.open();
        assert_eq!(ready_within(2, call).unwrap(), 10);
    });
    assert_eq!(panics, 0);
}

#[test]
fn writes_with_a_janitor_do_not_panic_where_no_timer_works() {
    let panics = count_panics(|| {
        let runtime = bare_with_a_thread();
        let _inside = runtime.enter();
        let builder = Cache::<u32, u64>::builder().janitor(true);
        let cache = builder.time_to_live(MOMENT).build();
        for key in 0..100 {
            cache.insert(key, 1);
        }
        std::thread::sleep(MOMENT);
        cache.run_pending_tasks();
        assert_eq!(cache.entry_count(), 0);
    });
    assert!(panics <= 1, "{panics} panics");
    let panics = count_panics(|| {
        let tokio = Tokio::with_handle(ended());
        let builder = Cache::<u32, u64>::builder_on(tokio).janitor(true);
        let cache = builder.time_to_live(HOUR).build();
        for key in 0..100 {
            cache.insert(key, 1);
        }
    });
    assert_eq!(panics, 0);
}

#[test]
fn a_local_cache_needs_no_timer_either() {
    let (runtime, set) = (bare(), std::rc::Rc::new(LocalSet::new()));
    let panics = count_panics(|| {
        for tokio in [
            local::Tokio::default(),
            local::Tokio::default().with_local_set(&set),
        ] {
            let builder = local::Cache::<u32, u32>::builder_on(tokio).load_timeout(HOUR);
            let cache = builder.janitor(true).time_to_live(HOUR).build();
            let batches = cache
                .batching_builder(|keys: Vec<u32>| async move { keys })
                .batch_window(BatchWindow::Fixed(HOUR))
                .build();
            let loaded = set.block_on(&runtime, batches.get(1));
            assert_eq!(loaded.unwrap(), Some(1));
            let load = cache.get_with(2, || async {
                yields(2).await;
                2
            });
            assert_eq!(set.block_on(&runtime, load), 2);
        }
    });
    assert!(panics <= 1, "{panics} panics");
}
