//! Loads whose loader returns a value, or finds that there is none.

use core::future::Future;
use core::hash::{BuildHasher, Hash};

use futures_core::FusedFuture;

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
    /// A loader that borrows needs [`Cache::get_with_scoped`]. Here the loader's future must be
    /// `Send + 'static` (on a runtime of one thread `'static`): clone what it needs, and use
    /// `async move`. See [what a loader may borrow](Cache#what-a-loader-may-borrow).
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
        "get_or_insert_async",
        "singleflight",
        "stampede"
    ))]
    pub fn get_with<Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl FusedFuture<Output = V> + use<'_, K, V, R, S, Fut, L>
    where
        Fut: LoadFuture<R::Flavor, Output = V>,
        L: FnOnce() -> Fut,
    {
        self.request::<Plain, _, _>(Owned::new(key), loader)
    }

    /// As [`Cache::get_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// A loader that borrows needs [`Cache::get_with_by_ref_scoped`]. A background task may poll
    /// the loader: see [context of a loader](Cache#context-of-a-loader).
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
    pub fn get_with_by_ref<'q, Q, Fut, L>(
        &self,
        key: &'q Q,
        loader: L,
    ) -> impl FusedFuture<Output = V> + use<'_, 'q, K, V, R, S, Q, Fut, L>
    where
        Q: ToKey<K> + ?Sized,
        Fut: LoadFuture<R::Flavor, Output = V>,
        L: FnOnce() -> Fut,
    {
        self.request::<Plain, _, _>(Borrowed(key), loader)
    }

    /// As [`Cache::get_with`], with a loader that may borrow and need not be `Send`.
    ///
    /// Only this caller polls the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Panics
    /// As [`Cache::get_with`].
    ///
    /// # Cancel safety
    /// If this future is dropped, its load ends, and one of the waiters runs its own loader. The
    /// same happens if the loader is woken and this future is not polled for
    /// [`takeover_after`](crate::Builder::takeover_after) (100 ms by default, where there is a
    /// timer). This future then returns the value of its own loader, which the cache does not
    /// store.
    ///
    /// # Cost
    /// As [`Cache::get_with`]: the second allocation of a miss is the waker of the loader.
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
    pub fn get_with_scoped<Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl FusedFuture<Output = V> + use<'_, K, V, R, S, Fut, L>
    where
        Fut: Future<Output = V>,
        L: FnOnce() -> Fut,
    {
        self.request::<Plain, _, _>(Owned::new(key), loader)
            .scoped()
    }

    /// As [`Cache::get_with_scoped`], with a borrowed key. Makes an owned key only on a miss.
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
    /// # let cache: Cache<String, usize, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let id = String::from("seven");
    /// let length = cache.get_with_by_ref_scoped(&id, || async { id.len() }).await;
    /// assert_eq!(length, 5);
    /// # });
    /// ```
    pub fn get_with_by_ref_scoped<'q, Q, Fut, L>(
        &self,
        key: &'q Q,
        loader: L,
    ) -> impl FusedFuture<Output = V> + use<'_, 'q, K, V, R, S, Q, Fut, L>
    where
        Q: ToKey<K> + ?Sized,
        Fut: Future<Output = V>,
        L: FnOnce() -> Fut,
    {
        self.request::<Plain, _, _>(Borrowed(key), loader).scoped()
    }

    /// Returns the value of `key`. On a miss, runs a loader that returns a value, or `None` if
    /// there is none.
    ///
    /// The cache stores nothing for `None`. All waiters of the load get `None`, and the next call
    /// loads again unless the builder sets [`negative_ttl`](crate::Builder::negative_ttl).
    ///
    /// A loader that borrows needs [`Cache::optionally_get_with_scoped`]. Here the loader's future
    /// must be `Send + 'static` (on a runtime of one thread `'static`): clone what it needs, and
    /// use `async move`. See [what a loader may borrow](Cache#what-a-loader-may-borrow).
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
    pub fn optionally_get_with<Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl FusedFuture<Output = Option<V>> + use<'_, K, V, R, S, Fut, L>
    where
        Fut: LoadFuture<R::Flavor, Output = Option<V>>,
        L: FnOnce() -> Fut,
    {
        self.request::<Optional, _, _>(Owned::new(key), loader)
    }

    /// As [`Cache::optionally_get_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// A loader that borrows needs [`Cache::optionally_get_with_by_ref_scoped`]. A background task
    /// may poll the loader: see [context of a loader](Cache#context-of-a-loader).
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
    pub fn optionally_get_with_by_ref<'q, Q, Fut, L>(
        &self,
        key: &'q Q,
        loader: L,
    ) -> impl FusedFuture<Output = Option<V>> + use<'_, 'q, K, V, R, S, Q, Fut, L>
    where
        Q: ToKey<K> + ?Sized,
        Fut: LoadFuture<R::Flavor, Output = Option<V>>,
        L: FnOnce() -> Fut,
    {
        self.request::<Optional, _, _>(Borrowed(key), loader)
    }

    /// As [`Cache::optionally_get_with`], with a loader that may borrow and need not be `Send`.
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
    pub fn optionally_get_with_scoped<Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl FusedFuture<Output = Option<V>> + use<'_, K, V, R, S, Fut, L>
    where
        Fut: Future<Output = Option<V>>,
        L: FnOnce() -> Fut,
    {
        self.request::<Optional, _, _>(Owned::new(key), loader)
            .scoped()
    }

    /// As [`Cache::optionally_get_with_scoped`], with a borrowed key. Makes an owned key only on a
    /// miss.
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
    /// # let cache: Cache<String, char, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let id = String::from("seven");
    /// let first = || async { id.chars().next() };
    /// assert_eq!(cache.optionally_get_with_by_ref_scoped(&id, first).await, Some('s'));
    /// # });
    /// ```
    pub fn optionally_get_with_by_ref_scoped<'q, Q, Fut, L>(
        &self,
        key: &'q Q,
        loader: L,
    ) -> impl FusedFuture<Output = Option<V>> + use<'_, 'q, K, V, R, S, Q, Fut, L>
    where
        Q: ToKey<K> + ?Sized,
        Fut: Future<Output = Option<V>>,
        L: FnOnce() -> Fut,
    {
        self.request::<Optional, _, _>(Borrowed(key), loader)
            .scoped()
    }
}
