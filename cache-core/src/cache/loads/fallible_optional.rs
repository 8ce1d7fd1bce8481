//! Loads whose loader may fail, or find that there is no value.

use core::future::Future;
use core::hash::{BuildHasher, Hash};

use futures_core::FusedFuture;

use crate::cache::Cache;
use crate::error::LoadError;
use crate::key::ToKey;
use crate::load::{Borrowed, FallibleOptional, Owned};
use crate::runtime::{LoadErrorType, LoadFuture, Runtime};

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash,
    V: Clone + 'static,
    R: Runtime,
    S: BuildHasher,
{
    /// Returns the value of `key`. On a miss, runs a loader that returns a value, `None` if there
    /// is none, or an error.
    ///
    /// It takes what a query for one row returns: `fetch_optional` of sqlx, `optional()` of diesel,
    /// `one` of sea-orm.
    ///
    /// The cache stores nothing for `Ok(None)` and for an error. All waiters of the load get the
    /// same result, and the next call loads again unless the builder sets
    /// [`negative_ttl`](crate::Builder::negative_ttl) for `None` or
    /// [`error_ttl`](crate::Builder::error_ttl) for errors.
    ///
    /// If a load of the same key that this call joined ends with an error of another type than `E`,
    /// this call ignores that and runs its own loader.
    ///
    /// A loader that borrows needs [`Cache::try_optionally_get_with_scoped`]. Here the loader's
    /// future must be `Send + 'static` (on a runtime of one thread `'static`): clone what it needs,
    /// and use `async move`. See [what a loader may borrow](Cache#what-a-loader-may-borrow).
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
    /// # use core::num::ParseIntError;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// // A stand-in for `sqlx::query_as(…).fetch_optional(…)`.
    /// async fn fetch_optional(row: Option<&str>) -> Result<Option<u64>, ParseIntError> {
    ///     row.map(str::parse).transpose()
    /// }
    /// # runtime.block_on(async {
    /// let found = cache.try_optionally_get_with(7, || fetch_optional(Some("42"))).await;
    /// assert_eq!(found.unwrap(), Some(42));
    /// let missing = cache.try_optionally_get_with(8, || fetch_optional(None)).await;
    /// assert_eq!(missing.unwrap(), None);
    /// let failed = cache.try_optionally_get_with(9, || fetch_optional(Some("x"))).await;
    /// assert!(failed.is_err());
    /// # });
    /// ```
    #[doc(alias = "fetch_optional")]
    pub fn try_optionally_get_with<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl FusedFuture<Output = Result<Option<V>, LoadError<E>>> + use<'_, K, V, R, S, E, Fut, L>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: LoadFuture<R::Flavor, Output = Result<Option<V>, E>>,
        L: FnOnce() -> Fut,
    {
        self.request::<FallibleOptional<E>, _, _>(Owned::new(key), loader)
    }

    /// As [`Cache::try_optionally_get_with`], with a borrowed key. Makes an owned key only on a
    /// miss.
    ///
    /// A loader that borrows needs [`Cache::try_optionally_get_with_by_ref_scoped`]. A background
    /// task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
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
    /// let load = || async { "42".parse::<u64>().map(Some) };
    /// let answer = cache.try_optionally_get_with_by_ref("answer", load).await;
    /// assert_eq!(answer.unwrap(), Some(42));
    /// # });
    /// ```
    pub fn try_optionally_get_with_by_ref<'q, Q, E, Fut, L>(
        &self,
        key: &'q Q,
        loader: L,
    ) -> impl FusedFuture<Output = Result<Option<V>, LoadError<E>>> + use<'_, 'q, K, V, R, S, Q, E, Fut, L>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: LoadFuture<R::Flavor, Output = Result<Option<V>, E>>,
        L: FnOnce() -> Fut,
    {
        self.request::<FallibleOptional<E>, _, _>(Borrowed(key), loader)
    }

    /// As [`Cache::try_optionally_get_with`], with a loader that may borrow and need not be `Send`.
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
    /// let rows = [String::from("42")];
    /// let load = || async { rows.get(7).map(|row| row.parse::<u64>()).transpose() };
    /// assert_eq!(cache.try_optionally_get_with_scoped(7, load).await.unwrap(), None);
    /// # });
    /// ```
    pub fn try_optionally_get_with_scoped<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl FusedFuture<Output = Result<Option<V>, LoadError<E>>> + use<'_, K, V, R, S, E, Fut, L>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: Future<Output = Result<Option<V>, E>>,
        L: FnOnce() -> Fut,
    {
        self.request::<FallibleOptional<E>, _, _>(Owned::new(key), loader)
            .scoped()
    }

    /// As [`Cache::try_optionally_get_with_scoped`], with a borrowed key. Makes an owned key only
    /// on a miss.
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
    /// let load = || async { text.parse::<u64>().map(Some) };
    /// let found = cache.try_optionally_get_with_by_ref_scoped(&text, load).await;
    /// assert_eq!(found.unwrap(), Some(42));
    /// # });
    /// ```
    pub fn try_optionally_get_with_by_ref_scoped<'q, Q, E, Fut, L>(
        &self,
        key: &'q Q,
        loader: L,
    ) -> impl FusedFuture<Output = Result<Option<V>, LoadError<E>>> + use<'_, 'q, K, V, R, S, Q, E, Fut, L>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: Future<Output = Result<Option<V>, E>>,
        L: FnOnce() -> Fut,
    {
        self.request::<FallibleOptional<E>, _, _>(Borrowed(key), loader)
            .scoped()
    }
}
