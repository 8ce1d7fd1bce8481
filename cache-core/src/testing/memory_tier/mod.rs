//! A second tier in memory, with faults.

mod calls;
mod faults;
mod feed;
mod server;
mod slots;

use alloc::boxed::Box;
use core::fmt;
use core::hash::Hash;
use core::time::Duration;

use crate::runtime::Runtime;
use crate::sync::{Arc, Mutex, WakerMutex};
use crate::tier::TierSettings;

use super::VirtualRuntime;
use server::Server;

pub use faults::{Fault, MemoryTierError, Step};

/// A second tier in memory, for tests of programs that use a tiered cache.
///
/// It is a server that several caches share, which stand for processes, and the connection of one
/// of them. It behaves as a real server does, on the clock of the runtime, and fails where the test
/// says: [`MemoryTier::set_faults`] decides at each step of each message.
///
/// ```
/// use cache_core::{Cache, testing::{Fault, MemoryTier, VirtualRuntime}};
///
/// let runtime = VirtualRuntime::new();
/// let tier = MemoryTier::new(runtime.clone());
/// let first = Cache::builder_on(runtime.clone()).tiered(tier.process());
/// let second = Cache::builder_on(runtime.clone()).tiered(tier.process());
/// runtime.run_until_idle(); // both connect
///
/// runtime.block_on(async {
///     first.get_with(7, || async { "loaded" }).await;
///     assert_eq!(second.get_with(7, || async { "not called" }).await, "loaded");
///     // The server fails, and loads continue without it.
///     tier.set_faults(|_, _| Fault::Fail);
///     assert_eq!(second.get_with(8, || async { "eight" }).await, "eight");
/// });
/// ```
pub struct MemoryTier<K, V, R: Runtime = VirtualRuntime> {
    server: Arc<WakerMutex<Server<K, V>>>,
    process: usize,
    runtime: R,
    settings: TierSettings,
}

impl<K, V, R: Runtime> MemoryTier<K, V, R>
where
    K: Eq + Hash + Clone,
    V: Clone,
{
    /// Returns a new server without values, and a connection to it.
    ///
    /// ```
    /// use cache_core::testing::{MemoryTier, VirtualRuntime};
    ///
    /// let tier = MemoryTier::<u64, &str>::new(VirtualRuntime::new());
    /// assert_eq!(tier.value(&7), None);
    /// ```
    #[must_use]
    pub fn new(runtime: R) -> Self {
        Self {
            server: Arc::new(WakerMutex::new(Server::new())),
            process: 0,
            runtime,
            settings: TierSettings::default(),
        }
    }

    /// Returns the connection of another process to the same server.
    ///
    /// ```
    /// use cache_core::testing::{MemoryTier, VirtualRuntime};
    ///
    /// let tier = MemoryTier::new(VirtualRuntime::new());
    /// tier.set(7, "seven");
    /// assert_eq!(tier.process().value(&7), Some("seven"));
    /// ```
    #[must_use]
    pub fn process(&self) -> Self
    where
        R: Clone,
    {
        Self {
            process: self.server.with(Server::add_process),
            ..self.clone()
        }
    }

    /// Sets `max_staleness` of this connection and of those that [`MemoryTier::process`] makes of
    /// it.
    ///
    /// ```
    /// use cache_core::testing::{MemoryTier, VirtualRuntime};
    /// use core::time::Duration;
    ///
    /// let tier = MemoryTier::<u64, u64>::new(VirtualRuntime::new());
    /// let tier = tier.max_staleness(Duration::from_secs(1));
    /// # drop(tier);
    /// ```
    #[must_use]
    pub const fn max_staleness(mut self, max_staleness: Duration) -> Self {
        self.settings.max_staleness = max_staleness;
        self
    }

    /// Sets all settings, as [`MemoryTier::max_staleness`] sets one.
    ///
    /// ```
    /// use cache_core::{testing::{MemoryTier, VirtualRuntime}, tier::TierSettings};
    ///
    /// let tier = MemoryTier::<u64, u64>::new(VirtualRuntime::new());
    /// let tier = tier.with_settings(TierSettings::default());
    /// # drop(tier);
    /// ```
    #[must_use]
    pub const fn with_settings(mut self, settings: TierSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Decides what becomes of each message: the server calls `faults` with the number of the
    /// process, in the order in which they were made, and the step. The first connection has number
    /// 0. `faults` must not use the tier: the server is locked meanwhile.
    ///
    /// ```
    /// use cache_core::testing::{Fault, MemoryTier, Step, VirtualRuntime};
    ///
    /// let tier = MemoryTier::<u64, u64>::new(VirtualRuntime::new());
    /// tier.set_faults(|_, step| match step {
    ///     Step::Message => Fault::Double,
    ///     _ => Fault::None,
    /// });
    /// ```
    pub fn set_faults(&self, faults: impl FnMut(usize, Step) -> Fault + Send + 'static) {
        let old = self
            .server
            .with(|server| server.set_faults(Box::new(faults)));
        drop(old);
    }

    /// Breaks the stream of messages of this process. What it has not received is lost.
    ///
    /// ```
    /// use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    ///
    /// let runtime = VirtualRuntime::new();
    /// let tier = MemoryTier::<u64, u64>::new(runtime.clone());
    /// let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// runtime.run_until_idle();
    /// cache.tier().cut();
    /// runtime.run_until_idle();
    /// assert_eq!(cache.tier_stats().connections, 2);
    /// ```
    pub fn cut(&self) {
        self.with(|server| server.cut(self.process));
    }

    /// Holds the messages of this process back, or lets them through: a link that stalls without
    /// an error.
    ///
    /// ```
    /// use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// use core::time::Duration;
    ///
    /// let runtime = VirtualRuntime::new();
    /// let tier = MemoryTier::new(runtime.clone());
    /// let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// runtime.block_on(async {
    ///     cache.get_with(7, || async { 49 }).await;
    ///     cache.tier().stall(true);
    ///     runtime.sleep(Duration::from_secs(2)).await;
    ///     assert_eq!(cache.get(&7), None);
    /// });
    /// ```
    pub fn stall(&self, stalled: bool) {
        self.with(|server| server.stall(self.process, stalled));
    }

    /// Makes the server refuse writes and heartbeats, as a primary does that lost its replicas.
    ///
    /// ```
    /// use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    ///
    /// let runtime = VirtualRuntime::new();
    /// let tier = MemoryTier::<u64, u64>::new(runtime.clone());
    /// let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// cache.tier().set_read_only(true);
    /// assert!(runtime.block_on(cache.invalidate(&7)).is_err());
    /// ```
    pub fn set_read_only(&self, read_only: bool) {
        self.server.with(|server| server.set_read_only(read_only));
    }

    /// Empties the server and breaks all streams, as a restart does.
    ///
    /// ```
    /// use cache_core::testing::{MemoryTier, VirtualRuntime};
    ///
    /// let tier = MemoryTier::new(VirtualRuntime::new());
    /// tier.set(7, "seven");
    /// tier.restart();
    /// assert_eq!(tier.value(&7), None);
    /// ```
    pub fn restart(&self) {
        self.with(Server::restart);
    }

    /// Stores a value in the server at once, without a message to other processes.
    ///
    /// ```
    /// use cache_core::testing::{MemoryTier, VirtualRuntime};
    ///
    /// let tier = MemoryTier::new(VirtualRuntime::new());
    /// tier.set(7, "seven");
    /// assert_eq!(tier.value(&7), Some("seven"));
    /// ```
    pub fn set(&self, key: K, value: V) {
        self.with(|server| server.set(key, value));
    }

    /// Returns the value of `key` in the server.
    ///
    /// ```
    /// use cache_core::testing::{MemoryTier, VirtualRuntime};
    ///
    /// let tier = MemoryTier::<u64, &str>::new(VirtualRuntime::new());
    /// assert_eq!(tier.value(&7), None);
    /// ```
    #[must_use]
    pub fn value(&self, key: &K) -> Option<V> {
        let now = self.runtime.now();
        self.server.with(|server| server.value(key, now))
    }

    /// Returns whether a process has the lease of `key`.
    ///
    /// ```
    /// use cache_core::testing::{MemoryTier, VirtualRuntime};
    ///
    /// let tier = MemoryTier::<u64, &str>::new(VirtualRuntime::new());
    /// assert!(!tier.is_leased(&7));
    /// ```
    #[must_use]
    pub fn is_leased(&self, key: &K) -> bool {
        let now = self.runtime.now();
        self.server.with(|server| server.is_leased(key, now))
    }
}

impl<K, V, R: Runtime + Clone> Clone for MemoryTier<K, V, R> {
    fn clone(&self) -> Self {
        Self {
            server: Arc::clone(&self.server),
            process: self.process,
            runtime: self.runtime.clone(),
            settings: self.settings,
        }
    }
}

impl<K, V, R: Runtime> fmt::Debug for MemoryTier<K, V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTier")
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}
