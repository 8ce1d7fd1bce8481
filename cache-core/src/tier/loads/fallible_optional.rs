//! Loads whose loader may fail, or find that there is no value.

use core::future::Future;
use core::hash::{BuildHasher, Hash};

use crate::error::LoadError;
use crate::key::ToKey;
use crate::load::{Borrowed, FallibleOptional, Owned};
use crate::runtime::{DeferredLoader, LoadErrorType, LoadFuture};
use crate::tier::store::Tier;
use crate::tier::support::SupportsTier;
use crate::tier::tiered::Tiered;

impl<K, V, T, R, S> Tiered<K, V, T, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    T: Tier<K, V, R::Flavor>,
    R: SupportsTier<K, V, T, S>,
    S: BuildHasher + 'static,
{
    /// Returns the value of `key`. If neither tier has one, runs a loader that may fail, or find
    /// that there is none.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// If `loader` panics.
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let user = users.try_optionally_get_with(7, || async { Ok::<_, String>(Some("alice")) });
    /// assert_eq!(user.await.unwrap(), Some("alice"));
    /// # });
    /// ```
    pub fn try_optionally_get_with<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl Future<Output = Result<Option<V>, LoadError<E>>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = Result<Option<V>, E>>,
    {
        self.load::<FallibleOptional<E>, _, _>(Owned::new(key), loader)
    }

    /// As [`Tiered::try_optionally_get_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// As [`Tiered::try_optionally_get_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<String, &str>::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let find = || async { Ok::<_, String>(Some("alice")) };
    /// let user = users.try_optionally_get_with_by_ref("seven", find).await;
    /// assert_eq!(user.unwrap(), Some("alice"));
    /// # });
    /// ```
    pub fn try_optionally_get_with_by_ref<Q, E, Fut, L>(
        &self,
        key: &Q,
        loader: L,
    ) -> impl Future<Output = Result<Option<V>, LoadError<E>>>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = Result<Option<V>, E>>,
    {
        self.load::<FallibleOptional<E>, _, _>(Borrowed(key), loader)
    }

    /// As [`Tiered::try_optionally_get_with`], with a loader that may borrow and need not be `Send`.
    ///
    /// Only this caller polls the loader.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// As [`Tiered::try_optionally_get_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let database = ["alice"];
    /// let find = || async { Ok::<_, String>(database.first().copied()) };
    /// let user = users.try_optionally_get_with_scoped(7, find).await;
    /// assert_eq!(user.unwrap(), Some("alice"));
    /// # });
    /// ```
    pub fn try_optionally_get_with_scoped<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl Future<Output = Result<Option<V>, LoadError<E>>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<V>, E>>,
    {
        self.request_scoped::<FallibleOptional<E>, _>(Owned::new(key), loader)
    }

    /// As [`Tiered::try_optionally_get_with_scoped`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// As [`Tiered::try_optionally_get_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<String, char>::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let id = String::from("seven");
    /// let first = || async { Ok::<_, String>(id.chars().next()) };
    /// let found = users.try_optionally_get_with_by_ref_scoped(&id, first).await;
    /// assert_eq!(found.unwrap(), Some('s'));
    /// # });
    /// ```
    pub fn try_optionally_get_with_by_ref_scoped<Q, E, Fut, L>(
        &self,
        key: &Q,
        loader: L,
    ) -> impl Future<Output = Result<Option<V>, LoadError<E>>>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<V>, E>>,
    {
        self.request_scoped::<FallibleOptional<E>, _>(Borrowed(key), loader)
    }
}
