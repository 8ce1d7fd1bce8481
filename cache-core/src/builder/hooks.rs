//! Hooks: the weigher, the expiry, the eviction listener and the observer.

use alloc::boxed::Box;
use alloc::string::String;

use super::Builder;
use crate::expiry::Expiry;
use crate::machine::RemovalCause;
use crate::observe::Observer;
use crate::opt_in::{Gated, GatedState};
use crate::runtime::{Hook, Runtime};

impl<K, V, R: Runtime, S> Builder<K, V, R, S> {
    /// Sets the function that weighs an entry when it is written. By default each entry weighs 1.
    ///
    /// The unit is the same as that of [`max_capacity`](Builder::max_capacity). The cache never
    /// evicts an entry of weight 0 for its capacity.
    ///
    /// The cache calls the weigher while a shard is locked, so it must be fast. A weigher that
    /// calls its own cache panics.
    ///
    /// ```
    /// use cache_core::{Cache, testing::VirtualRuntime};
    ///
    /// let cache = Cache::builder_on(VirtualRuntime::new())
    ///     .max_capacity(1_000_000)
    ///     .weigher(|_: &u64, page: &String| page.len() as u32)
    ///     .build();
    /// cache.insert(1, "<html>".to_string());
    /// assert_eq!(cache.weighted_size(), 6);
    /// ```
    #[doc(alias = "with_weighter")]
    #[must_use]
    pub fn weigher<H>(mut self, weigher: H) -> Self
    where
        H: Fn(&K, &V) -> u32,
        H: Hook<R::Flavor, K, V>,
    {
        self.hooks.weigher = Some(weigher.into_weigher());
        self
    }

    /// Sets an [`Expiry`], which computes from each entry how long it lives.
    ///
    /// With a [`time_to_live`](Builder::time_to_live), an entry expires at the earlier of both. A
    /// value that is written with a ttl of its own overrides both.
    ///
    /// The cache calls it while a shard is locked, so it must be fast. An expiry that calls its own
    /// cache panics.
    ///
    /// ```
    /// # use core::time::Duration;
    /// use cache_core::{Cache, Expiry, Ttl, testing::VirtualRuntime};
    ///
    /// struct ByRole;
    ///
    /// impl Expiry<u64, &str> for ByRole {
    ///     fn expire_after_create(&self, _: &u64, role: &&str) -> Ttl {
    ///         match *role {
    ///             "guest" => Ttl::After(Duration::from_secs(60)),
    ///             _ => Ttl::Never,
    ///         }
    ///     }
    /// }
    ///
    /// # let runtime = VirtualRuntime::new();
    /// let roles = Cache::builder_on(runtime.clone()).expire_after(ByRole).build();
    /// roles.insert(1, "guest");
    /// roles.insert(2, "admin");
    /// # runtime.advance(Duration::from_secs(60));
    /// // One minute later:
    /// assert_eq!(roles.get_all([&1, &2]), [None, Some("admin")]);
    /// ```
    #[doc(alias = "expireAfter")]
    #[must_use]
    pub fn expire_after<H>(mut self, expiry: H) -> Self
    where
        H: Expiry<K, V>,
        H: Hook<R::Flavor, K, V>,
    {
        self.hooks.expiry = Gated::new(expiry.into_expiry());
        self
    }

    /// Sets the function that the cache calls once for each removed entry, with the cause.
    ///
    /// The call runs in the caller that removed the entry, after the shard is unlocked and after
    /// the waiters of a load are woken. The listener may use the cache. The order of calls from
    /// different threads is unspecified. The cache does not call the listener for entries that
    /// it still holds when its last handle is dropped.
    ///
    /// # Panics
    /// The builder does not panic. If the listener panics, the cache first calls it for the other
    /// entries that the same call removed; then that call panics.
    ///
    /// ```
    /// use cache_core::{Cache, RemovalCause, testing::VirtualRuntime};
    /// use std::sync::Mutex;
    ///
    /// static REMOVED: Mutex<Vec<(u64, RemovalCause)>> = Mutex::new(Vec::new());
    ///
    /// let cache = Cache::builder_on(VirtualRuntime::new())
    ///     .eviction_listener(|key, _, cause| REMOVED.lock().unwrap().push((*key, cause)))
    ///     .build();
    /// cache.insert(1, "one");
    /// cache.insert(1, "uno");
    /// cache.invalidate(&1);
    /// let removed = REMOVED.lock().unwrap();
    /// assert_eq!(*removed, [(1, RemovalCause::Replaced), (1, RemovalCause::Explicit)]);
    /// ```
    #[doc(alias("removalListener", "with_event_listener", "on_evict"))]
    #[must_use]
    pub fn eviction_listener<H>(mut self, listener: H) -> Self
    where
        H: Fn(&K, &V, RemovalCause),
        H: Hook<R::Flavor, K, V>,
    {
        self.hooks.listener = Gated::new(listener.into_listener());
        self
    }

    /// Sets the [`Observer`], which sees the loads and batches of the cache, for traces and
    /// metrics. Hits do not call it.
    ///
    /// ```
    /// use cache_core::{Cache, LoadEnded, Observer, testing::VirtualRuntime};
    ///
    /// struct Log;
    ///
    /// impl Observer for Log {
    ///     fn load_ended(&self, load: &LoadEnded<'_>) {
    ///         println!("{:?}: {:?} after {:?}", load.cache, load.result, load.took);
    ///     }
    /// }
    ///
    /// let cache: Cache<u64, u64, _> =
    ///     Cache::builder_on(VirtualRuntime::new()).name("users").observer(Log).build();
    /// # drop(cache);
    /// ```
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.hooks.observer = GatedState::new(Gated::new(Box::new(observer)));
        self
    }

    /// Sets the function that names the key of a load for the [`observer`](Builder::observer). By
    /// default, the observer does not see keys.
    ///
    /// A name leaves the process if the observer exports it. Leave out what is personal, and keep
    /// the number of names small if they become labels.
    ///
    /// The cache calls it in each caller that misses, while no shard is locked. If it panics, the
    /// panic hook reports the panic, and the key has no name.
    ///
    /// ```
    /// # use cache_core::{Cache, LoadBegun, Observation, Observer, testing::VirtualRuntime};
    /// # struct Log;
    /// # impl Observer for Log {
    /// #     fn load_begun(&self, load: &LoadBegun<'_>) -> Option<Box<dyn Observation>> {
    /// #         assert_eq!(load.key, Some("tenant 7"));
    /// #         None
    /// #     }
    /// # }
    /// # let runtime = VirtualRuntime::new();
    /// let cache: Cache<(u64, String), u64, _> = Cache::builder_on(runtime.clone())
    ///     .observer(Log)
    ///     .observed_keys(|(tenant, _)| format!("tenant {tenant}"))
    ///     .build();
    /// # runtime.block_on(cache.get_with((7, "alice".to_owned()), || async { 1 }));
    /// ```
    #[must_use]
    pub fn observed_keys(mut self, name: impl Fn(&K) -> String + Send + Sync + 'static) -> Self {
        self.hooks.name_key = GatedState::new(Gated::new(Box::new(name)));
        self
    }
}
