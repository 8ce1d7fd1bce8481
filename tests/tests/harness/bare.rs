//! The harness for a cache with only a clock: no spawner and no timer.

#[path = "virtual_runtime.rs"]
mod virtual_runtime;

use cache_core::Instant;
use cache_core::runtime::{Context, CurrentThread, NoTimer, Runtime, Task as Background};
use cache_core::sync::{LocalMutex, LocalRwLock};
use cache_core::testing::VirtualRuntime;

pub use virtual_runtime::{
    Boxed, SINGLE_THREADED, Sendable, Task, advance, run, run_seeds, sleep, spawn, task_count,
    until, waker,
};

/// The runtime under test. It does not depend on what polls the callers.
#[derive(Debug, Clone)]
pub struct Rt(VirtualRuntime);

/// A cache on the runtime under test.
pub type Cache<K, V, S = cache_core::DefaultHasher> = cache_core::Cache<K, V, Rt, S>;

impl Runtime for Rt {
    type Flavor = CurrentThread;
    type Lock<T> = LocalRwLock<T>;
    type Mutex<T> = LocalMutex<T>;
    type Timer = NoTimer;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self) -> Option<NoTimer> {
        None
    }

    fn spawn(&self, task: Background<Self>) -> Result<(), Background<Self>> {
        Err(task)
    }

    fn context<T>(&self, f: impl FnOnce(&Context) -> T) -> T {
        self.0.context(f)
    }
}

/// The runtime of the current test, for `Cache::builder_on`.
pub fn runtime() -> Rt {
    Rt(virtual_runtime::runtime())
}

/// A runtime whose time the test sets by hand, also backwards.
pub fn runtime_with_clock() -> (Rt, impl Fn(Instant)) {
    (runtime(), |at| virtual_runtime::runtime().set_now(at))
}
