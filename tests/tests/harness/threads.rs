//! The harness for multi-threaded runtimes: Tokio's multi-thread runtime, async-std and smol.

#[macro_use]
#[path = "any_of.rs"]
mod any_of;
#[path = "delays.rs"]
mod delays;
#[path = "mock_time.rs"]
mod mock_time;
#[path = "send_waker.rs"]
mod send_waker;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use cache_async_std::AsyncStd;
use cache_core::Instant;
use cache_core::runtime::{self, MultiThread, Runtime};
use cache_core::sync::{StdMutex, StdRwLock};
use cache_core::testing::MockClock;
use cache_smol::Smol;
use cache_tokio::Tokio;
use smol::Executor;

pub use mock_time::{
    Task, advance, run, run_seeds, runtime, runtime_with_clock, sleep, spawn, task_count, until,
};
pub use send_waker::waker;

any_of!(MultiThread, StdRwLock, StdMutex: Tokio(Tokio), AsyncStd(AsyncStd), Smol(Smol));

impl Rt {
    fn delayed(task: runtime::Task<Self>) -> impl Future<Output = ()> + Send {
        delays::Delayed::new(task)
    }

    fn after_spawn() {
        // The new task may run before the caller continues.
        delays::stall();
    }
}

/// A cache on the runtime under test.
pub type Cache<K, V, S = cache_core::DefaultHasher> = cache_core::Cache<K, V, Rt, S>;

/// A boxed future that a waker can hold.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Whether one task runs at a time.
pub const SINGLE_THREADED: bool = false;

/// The values of `CONTRACT_RUNTIME`.
const RUNTIMES: &[&str] = &["tokio-multi-thread", "async-std", "smol"];

/// How many times a test yields after time has passed.
const SETTLES_AFTER: usize = 1;

/// The bound of spawned tasks.
pub trait Sendable: Send {}

impl<T: Send + ?Sized> Sendable for T {}

/// The executor that spawns tasks.
#[derive(Debug, Clone)]
enum Place {
    Tokio,
    AsyncStd,
    Smol(Weak<Executor<'static>>),
}

impl Place {
    fn adapter(&self, clock: MockClock) -> Adapter {
        match self {
            Self::Tokio => Adapter::Tokio(Tokio::on_clock(clock)),
            Self::AsyncStd => Adapter::AsyncStd(AsyncStd::on_clock(clock)),
            Self::Smol(executor) => {
                let executor = executor.upgrade().expect("the test is running");
                Adapter::Smol(Smol::on_clock(clock).with_executor(&executor))
            }
        }
    }
}

/// Runs a test on a fresh runtime of four threads, or on async-std's global one.
fn block_on<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Place) -> F) {
    match name {
        "tokio-multi-thread" => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let runtime = builder.worker_threads(4).enable_time().build();
            let runtime = runtime.expect("the runtime is built");
            runtime.block_on(in_time(test(Place::Tokio)));
        }
        "async-std" => async_std::task::block_on(in_time(test(Place::AsyncStd))),
        _ => on_smol(test),
    }
}

fn on_smol<F: Future<Output = ()>>(test: impl FnOnce(Place) -> F) {
    let executor = Arc::new(Executor::new());
    let place = Place::Smol(Arc::downgrade(&executor));
    let (running, over) = smol::channel::bounded::<()>(1);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| smol::block_on(executor.run(over.recv())));
        }
        // Dropped at the end, also during unwinding.
        let _running = running;
        smol::block_on(in_time(test(place)));
    });
}

/// The timeout of a test that hangs. No test waits for it otherwise.
async fn in_time(test: impl Future<Output = ()>) {
    smol::future::or(test, async {
        smol::Timer::after(Duration::from_secs(900)).await;
        panic!("the test hangs");
    })
    .await;
}

/// Runs `f` on `count` plain threads, outside of any runtime, and joins them.
pub fn on_threads(count: usize, f: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for number in 0..count {
            let f = &f;
            scope.spawn(move || f(number));
        }
    });
}
