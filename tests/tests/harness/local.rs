//! The harness for single-threaded executors: Tokio's `LocalSet`, smol's `LocalExecutor`, and the
//! local executor of async-std.

#[macro_use]
#[path = "any_of.rs"]
mod any_of;
#[path = "local_waker.rs"]
mod local_waker;
#[path = "mock_time.rs"]
mod mock_time;

use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};

use cache_async_std::local::AsyncStd;
use cache_core::Instant;
use cache_core::runtime::{self, CurrentThread, Runtime};
use cache_core::sync::{LocalMutex, LocalRwLock};
use cache_core::testing::MockClock;
use cache_smol::local::Smol;
use cache_tokio::local::Tokio;
use smol::LocalExecutor;
use tokio::task::LocalSet;

pub use local_waker::waker;
pub use mock_time::{
    Task, advance, run, run_seeds, runtime, runtime_with_clock, sleep, spawn, task_count, until,
};

any_of!(CurrentThread, LocalRwLock, LocalMutex: Tokio(Tokio), AsyncStd(AsyncStd), Smol(Smol));

impl Rt {
    /// The order of tasks on one thread is fixed, and tests rely on it.
    fn delayed(task: runtime::Task<Self>) -> runtime::Task<Self> {
        task
    }

    fn after_spawn() {}
}

/// A cache on the runtime under test.
pub type Cache<K, V, S = cache_core::DefaultHasher> = cache_core::Cache<K, V, Rt, S>;

/// A boxed future that a waker can hold.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// Whether one task runs at a time.
pub const SINGLE_THREADED: bool = true;

/// The values of `CONTRACT_RUNTIME`.
const RUNTIMES: &[&str] = &["tokio-local-set", "async-std-local", "smol-local"];

/// How many times a test yields after time has passed.
const SETTLES_AFTER: usize = 20;

/// The bound of spawned tasks: none on one thread.
pub trait Sendable {}

impl<T: ?Sized> Sendable for T {}

/// The executor that spawns tasks.
#[derive(Debug, Clone)]
enum Place {
    Tokio(Weak<LocalSet>),
    AsyncStd,
    Smol(Weak<LocalExecutor<'static>>),
}

impl Place {
    fn adapter(&self, clock: MockClock) -> Adapter {
        match self {
            Self::Tokio(set) => {
                let set = set.upgrade().expect("the test is running");
                Adapter::Tokio(Tokio::on_clock(clock).with_local_set(&set))
            }
            Self::AsyncStd => Adapter::AsyncStd(AsyncStd::on_clock(clock)),
            Self::Smol(executor) => {
                let executor = executor.upgrade().expect("the test is running");
                Adapter::Smol(Smol::on_clock(clock).with_executor(&executor))
            }
        }
    }
}

/// Runs a test on a fresh executor, or on the thread's own for async-std.
fn block_on<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Place) -> F) {
    match name {
        "tokio-local-set" => {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let set = Rc::new(LocalSet::new());
            let test = test(Place::Tokio(Rc::downgrade(&set)));
            set.block_on(&runtime.expect("the runtime is built"), test);
        }
        "async-std-local" => async_std::task::block_on(test(Place::AsyncStd)),
        _ => {
            let executor = Rc::new(LocalExecutor::new());
            let test = test(Place::Smol(Rc::downgrade(&executor)));
            smol::block_on(executor.run(test));
        }
    }
}

/// Runs `f` `count` times on this thread, because the cache cannot be sent to others.
pub fn on_threads(count: usize, f: impl Fn(usize)) {
    (0..count).for_each(f);
}
