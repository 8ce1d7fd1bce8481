//! Loads whose loader may fail.

use core::future::Future;
use core::hash::{BuildHasher, Hash};

use futures_core::FusedFuture;

use crate::cache::Cache;
use crate::error::LoadError;
use crate::flight::Loaded;
use crate::key::ToKey;
use crate::load::{Borrowed, Fallible, Owned};
use crate::runtime::{LoadErrorType, LoadFuture, Runtime};

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash,
    V: Clone + 'static,
    R: Runtime,
    S: BuildHasher,
{
    /// Returns the value of `key`. On a miss, runs a loader that returns a value or an error.
    ///
    /// The cache stores nothing for an error. All waiters of the load get the same error, and the
    /// next call loads again unless the builder sets [`error_ttl`](crate::Builder::error_ttl).
    ///
    /// If a load of the same key that this call joined ends with an error of another type than `E`,
    /// or finds no value, this call ignores that and runs its own loader.
    ///
    /// A loader that borrows needs [`Cache::try_get_with_scoped`]. Here the loader's future must be
    /// `Send + 'static` (on a runtime of one thread `'static`): clone what it needs, and use
    /// `async move`. See [what a loader may borrow](Cache#what-a-loader-may-borrow).
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// [`LoadError::Loader`] with the loader's error. The other variants if the load times out, if
    /// the caller joined a load that panicked, or if the call comes from inside a load of the same
    /// key.
    ///
    /// # Panics
    /// If `loader` panics.
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let answer = cache.try_get_with(7, || async { "42".parse::<u64>() }).await;
    /// assert_eq!(answer.unwrap(), 42);
    /// let error = cache.try_get_with(8, || async { "x".parse::<u64>() }).await.unwrap_err();
    /// assert!(error.loader().is_some());
    /// # });
    /// ```
    #[doc(alias(
        "computeIfAbsent",
        "get_or_fetch",
        "get_or_insert_async",
        "try_get_or_insert_with"
    ))]
    pub fn try_get_with<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl FusedFuture<Output = Result<V, LoadError<E>>> + use<'_, K, V, R, S, E, Fut, L>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: LoadFuture<R::Flavor, Output = Result<V, E>>,
        L: FnOnce() -> Fut,
    {
        self.request::<Fallible<E, V>, _, _>(Owned::new(key), loader)
    }

    /// As [`Cache::try_get_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// A loader that borrows needs [`Cache::try_get_with_by_ref_scoped`]. A background task may
    /// poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Panics
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<String, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let answer = cache.try_get_with_by_ref("answer", || async { "42".parse::<u64>() }).await;
    /// assert_eq!(answer.unwrap(), 42);
    /// # });
    /// ```
    pub fn try_get_with_by_ref<'q, Q, E, Fut, L>(
        &self,
        key: &'q Q,
        loader: L,
    ) -> impl FusedFuture<Output = Result<V, LoadError<E>>> + use<'_, 'q, K, V, R, S, Q, E, Fut, L>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: LoadFuture<R::Flavor, Output = Result<V, E>>,
        L: FnOnce() -> Fut,
    {
        self.request::<Fallible<E, V>, _, _>(Borrowed(key), loader)
    }

    /// As [`Cache::try_get_with`], with a loader that may borrow and need not be `Send`.
    ///
    /// Only this caller polls the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Panics
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let text = String::from("42");
    /// let answer = cache.try_get_with_scoped(7, || async { text.parse::<u64>() }).await;
    /// assert_eq!(answer.unwrap(), 42);
    /// # });
    /// ```
    pub fn try_get_with_scoped<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl FusedFuture<Output = Result<V, LoadError<E>>> + use<'_, K, V, R, S, E, Fut, L>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: Future<Output = Result<V, E>>,
        L: FnOnce() -> Fut,
    {
        self.request::<Fallible<E, V>, _, _>(Owned::new(key), loader)
            .scoped()
    }

    /// As [`Cache::try_get_with_scoped`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// Only this caller polls the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Panics
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<String, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let text = String::from("42");
    /// let answer = cache.try_get_with_by_ref_scoped(&text, || async { text.parse::<u64>() });
    /// assert_eq!(answer.await.unwrap(), 42);
    /// # });
    /// ```
    pub fn try_get_with_by_ref_scoped<'q, Q, E, Fut, L>(
        &self,
        key: &'q Q,
        loader: L,
    ) -> impl FusedFuture<Output = Result<V, LoadError<E>>> + use<'_, 'q, K, V, R, S, Q, E, Fut, L>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: Future<Output = Result<V, E>>,
        L: FnOnce() -> Fut,
    {
        self.request::<Fallible<E, V>, _, _>(Borrowed(key), loader)
            .scoped()
    }

    /// As [`Cache::try_get_with`], with a loader that returns a [`Loaded`]: a value with a ttl or a
    /// weight of its own.
    ///
    /// A loader that borrows needs [`Cache::load_with_scoped`]. Here the loader's future must be
    /// `Send + 'static` (on a runtime of one thread `'static`): clone what it needs, and use
    /// `async move`. See [what a loader may borrow](Cache#what-a-loader-may-borrow).
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Panics
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, Loaded, Ttl, testing::VirtualRuntime};
    /// # use core::convert::Infallible;
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let load = || async { Ok::<_, Infallible>(Loaded::new("constant").ttl(Ttl::Never)) };
    /// assert_eq!(cache.load_with(1, load).await.unwrap(), "constant");
    /// # });
    /// ```
    pub fn load_with<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl FusedFuture<Output = Result<V, LoadError<E>>> + use<'_, K, V, R, S, E, Fut, L>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: LoadFuture<R::Flavor, Output = Result<Loaded<V>, E>>,
        L: FnOnce() -> Fut,
    {
        self.request::<Fallible<E, Loaded<V>>, _, _>(Owned::new(key), loader)
    }

    /// As [`Cache::load_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// A loader that borrows needs [`Cache::load_with_by_ref_scoped`]. A background task may poll
    /// the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Panics
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, Loaded, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<String, usize, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let load = || async { Ok::<_, String>(Loaded::new(6).weight(6)) };
    /// assert_eq!(cache.load_with_by_ref("<html>", load).await.unwrap(), 6);
    /// # });
    /// ```
    pub fn load_with_by_ref<'q, Q, E, Fut, L>(
        &self,
        key: &'q Q,
        loader: L,
    ) -> impl FusedFuture<Output = Result<V, LoadError<E>>> + use<'_, 'q, K, V, R, S, Q, E, Fut, L>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: LoadFuture<R::Flavor, Output = Result<Loaded<V>, E>>,
        L: FnOnce() -> Fut,
    {
        self.request::<Fallible<E, Loaded<V>>, _, _>(Borrowed(key), loader)
    }

    /// As [`Cache::load_with`], with a loader that may borrow and need not be `Send`.
    ///
    /// Only this caller polls the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Panics
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, Loaded, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, usize, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let page = String::from("<html>");
    /// let load = || async { Ok::<_, String>(Loaded::new(page.len()).weight(6)) };
    /// assert_eq!(cache.load_with_scoped(1, load).await.unwrap(), 6);
    /// # });
    /// ```
    pub fn load_with_scoped<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl FusedFuture<Output = Result<V, LoadError<E>>> + use<'_, K, V, R, S, E, Fut, L>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: Future<Output = Result<Loaded<V>, E>>,
        L: FnOnce() -> Fut,
    {
        self.request::<Fallible<E, Loaded<V>>, _, _>(Owned::new(key), loader)
            .scoped()
    }

    /// As [`Cache::load_with_scoped`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// Only this caller polls the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Panics
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, Loaded, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<String, usize, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let page = String::from("<html>");
    /// let load = || async { Ok::<_, String>(Loaded::new(page.len()).weight(6)) };
    /// assert_eq!(cache.load_with_by_ref_scoped(&page, load).await.unwrap(), 6);
    /// # });
    /// ```
    pub fn load_with_by_ref_scoped<'q, Q, E, Fut, L>(
        &self,
        key: &'q Q,
        loader: L,
    ) -> impl FusedFuture<Output = Result<V, LoadError<E>>> + use<'_, 'q, K, V, R, S, Q, E, Fut, L>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: Future<Output = Result<Loaded<V>, E>>,
        L: FnOnce() -> Fut,
    {
        self.request::<Fallible<E, Loaded<V>>, _, _>(Borrowed(key), loader)
            .scoped()
    }

    /// Loads `key` even if a value is stored, and replaces the stored value when the load succeeds.
    ///
    /// The call never joins a load in flight, which may have read the old value from the backend.
    /// Such a load continues for its waiters, but its value does not replace the refreshed one.
    /// Later misses on the key join this load. Until it completes, hits return the stored value.
    /// The call does not count as a request. The loader returns the value, or a [`Loaded`] that
    /// sets its ttl and its weight.
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// As [`Cache::try_get_with`]. The stored value stays.
    ///
    /// # Panics
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, Loaded, Ttl, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// cache.insert(7, 1);
    /// let newer = cache.refresh(7, || async { Ok::<_, String>(2) }).await;
    /// assert_eq!(newer.unwrap(), 2);
    /// assert_eq!(cache.get(&7), Some(2));
    /// let forever = cache.refresh(7, || async { Ok::<_, String>(Loaded::new(3).ttl(Ttl::Never)) });
    /// assert_eq!(forever.await.unwrap(), 3);
    /// # });
    /// ```
    #[doc(alias("reload", "force_refresh"))]
    pub fn refresh<W, E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl FusedFuture<Output = Result<V, LoadError<E>>> + use<'_, K, V, R, S, W, E, Fut, L>
    where
        W: Into<Loaded<V>> + 'static,
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: LoadFuture<R::Flavor, Output = Result<W, E>>,
        L: FnOnce() -> Fut,
    {
        self.request::<Fallible<E, W>, _, _>(Owned::new(key), loader)
            .refreshing()
    }
}
