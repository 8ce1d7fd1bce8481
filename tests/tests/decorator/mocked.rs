//! The adapter under test on a mock clock. Each thread has its own clock.

use cache_core::Instant;
use cache_core::runtime::{self, Task};
use cache_core::testing::MockClock;

pub(crate) use super::adapter::{CacheStats, EvictionPolicy, macro_support};
use super::{Runtime, adapter};

pub(crate) type Cache<K, V> = cache_core::Cache<K, V, OnClock>;

/// The runtime. Its default uses the clock of the current thread.
#[derive(Debug)]
pub(crate) struct OnClock(Runtime);

thread_local! {
    static CLOCK: MockClock = MockClock::new();
}

pub(crate) fn clock() -> MockClock {
    CLOCK.with(MockClock::clone)
}

impl Default for OnClock {
    fn default() -> Self {
        Self(Runtime::on_clock(clock()))
    }
}

impl runtime::Runtime for OnClock {
    type Flavor = <Runtime as runtime::Runtime>::Flavor;
    type Lock<T> = <Runtime as runtime::Runtime>::Lock<T>;
    type Mutex<T> = <Runtime as runtime::Runtime>::Mutex<T>;
    type Timer = <Runtime as runtime::Runtime>::Timer;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self) -> Option<Self::Timer> {
        self.0.timer()
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        self.0.spawn(task)
    }

    fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
        self.0.context(f)
    }
}

// The attribute needs only these names of an adapter.
const _: fn(adapter::CacheStats) -> CacheStats = |stats| stats;
