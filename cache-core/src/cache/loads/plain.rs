//! Loads whose loader returns a value, or finds that there is none.

use core::future::Future;
use core::hash::{BuildHasher, Hash};

use crate::cache::Cache;
use crate::key::ToKey;
use crate::load::{Borrowed, Optional, Owned, Plain};
use crate::runtime::{LoadFuture, Runtime};

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash,
    V: Clone + 'static,
    R: Runtime,
    S: BuildHasher,
{
    /// Returns the value of `key`. On a miss, runs `loader` once, stores its value and returns it
    /// to all callers that request the key meanwhile.
    ///
    /// The loader's future must be `'static` and, on a runtime that moves tasks between threads,
    /// `Send`. For other loaders use [`Cache::get_with_scoped`].
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Panics
    /// If `loader` panics. If the load times out; if the caller joined a load that panicked; if the
    /// call comes from inside a load of the same key. [`Cache::try_get_with`] returns the last
    /// three as errors.
    ///
    /// # Cancel safety
    /// Dropping the future never harms other callers: a load with waiters continues. A load without
    /// waiters is dropped, or continues in the background with
    /// [`detach_loads`](crate::Builder::detach_loads).
    ///
    /// # Cost
    /// A hit is one lookup. A miss is two lookups and two allocations, one for the flight and one
    /// for the loader. The cache spawns one task when a second caller joins.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, String, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let name = cache.get_with(7, || async { "seven".to_string() }).await;
    /// assert_eq!(name, "seven");
    /// # });
    /// ```
    #[doc(alias(
        "computeIfAbsent",
        "get_or_compute",
        "get_or_insert_with",
        "get_or_insert_async"
    ))]
    pub fn get_with<Fut>(&self, key: K, loader: impl FnOnce() -> Fut) -> impl Future<Output = V>
    where
        Fut: LoadFuture<R::Flavor, Output = V>,
    {
        self.request::<Plain, _, _>(Owned::new(key), loader)
    }

    /// As [`Cache::get_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Panics
    /// As [`Cache::get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<String, usize, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let length = cache.get_with_by_ref("seven", || async { 5 }).await;
    /// assert_eq!(length, 5);
    /// # });
    /// ```
    pub fn get_with_by_ref<Q, Fut>(
        &self,
        key: &Q,
        loader: impl FnOnce() -> Fut,
    ) -> impl Future<Output = V>
    where
        Q: ToKey<K> + ?Sized,
        Fut: LoadFuture<R::Flavor, Output = V>,
    {
        self.request::<Plain, _, _>(Borrowed(key), loader)
    }

    /// As [`Cache::get_with`], with a loader that may borrow, or that is not `Send`.
    ///
    /// Only this caller polls the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Panics
    /// As [`Cache::get_with`].
    ///
    /// # Cancel safety
    /// If this future is dropped, its load ends, and one of the waiters runs its own loader. While
    /// this future exists but is not polled, the waiters of its load make no progress.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, String, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let prefix = String::from("user ");
    /// let name = cache.get_with_scoped(7, || async { format!("{prefix}{}", 7) }).await;
    /// assert_eq!(name, "user 7");
    /// # });
    /// ```
    pub async fn get_with_scoped<Fut>(&self, key: K, loader: impl FnOnce() -> Fut) -> V
    where
        Fut: Future<Output = V>,
    {
        self.request::<Plain, _, _>(Owned::new(key), loader)
            .inline()
            .await
    }

    /// Returns the value of `key`. On a miss, runs a loader that returns a value, or `None` if
    /// there is none.
    ///
    /// The cache stores nothing for `None`. All waiters of the load get `None`, and the next call
    /// loads again unless the builder sets [`negative_ttl`](crate::Builder::negative_ttl).
    ///
    /// The loader's future must be `'static` and, on a runtime that moves tasks between threads,
    /// `Send`. For other loaders use [`Cache::optionally_get_with_scoped`].
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Panics
    /// As [`Cache::get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// assert_eq!(cache.optionally_get_with(7, || async { None }).await, None);
    /// assert_eq!(cache.optionally_get_with(7, || async { Some("seven") }).await, Some("seven"));
    /// # });
    /// ```
    pub fn optionally_get_with<Fut>(
        &self,
        key: K,
        loader: impl FnOnce() -> Fut,
    ) -> impl Future<Output = Option<V>>
    where
        Fut: LoadFuture<R::Flavor, Output = Option<V>>,
    {
        self.request::<Optional, _, _>(Owned::new(key), loader)
    }

    /// As [`Cache::optionally_get_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Panics
    /// As [`Cache::get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<String, usize, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let length = cache.optionally_get_with_by_ref("seven", || async { Some(5) }).await;
    /// assert_eq!(length, Some(5));
    /// # });
    /// ```
    pub fn optionally_get_with_by_ref<Q, Fut>(
        &self,
        key: &Q,
        loader: impl FnOnce() -> Fut,
    ) -> impl Future<Output = Option<V>>
    where
        Q: ToKey<K> + ?Sized,
        Fut: LoadFuture<R::Flavor, Output = Option<V>>,
    {
        self.request::<Optional, _, _>(Borrowed(key), loader)
    }

    /// As [`Cache::optionally_get_with`], with a loader that may borrow, or that is not `Send`.
    ///
    /// Only this caller polls the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Panics
    /// As [`Cache::get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, String, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let names = ["zero", "one"];
    /// let loader = || async { names.get(7).map(ToString::to_string) };
    /// assert_eq!(cache.optionally_get_with_scoped(7, loader).await, None);
    /// # });
    /// ```
    pub async fn optionally_get_with_scoped<Fut>(
        &self,
        key: K,
        loader: impl FnOnce() -> Fut,
    ) -> Option<V>
    where
        Fut: Future<Output = Option<V>>,
    {
        self.request::<Optional, _, _>(Owned::new(key), loader)
            .inline()
            .await
    }
}
