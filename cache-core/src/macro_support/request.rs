//! A call of a decorated function, from the look-up to the result.

use core::fmt;
use core::future::{Future, ready};
use core::hash::{BuildHasher, Hash};

use crate::cache::{Cache, block_on_load};
use crate::error::LoadError;
use crate::load::{Fallible, FallibleOptional, Get, LoadMethod, Optional, Owned, Plain};
use crate::runtime::{LoadErrorType, LoadFuture, Runtime};

/// A key that is to be loaded, and not requested yet.
#[must_use]
pub struct PendingLoad<'a, K, V, R: Runtime, S> {
    cache: &'a Cache<K, V, R, S>,
    hash: u32,
    key: K,
    /// Whether the load fences one that is in flight instead of joining it.
    refreshes: bool,
}

/// As [`PendingLoad`], for a loader that borrows from its caller: only that caller polls it.
#[must_use]
pub struct PendingScopedLoad<'a, K, V, R: Runtime, S>(PendingLoad<'a, K, V, R, S>);

/// As [`PendingLoad`], for a sync loader: the thread that calls it waits.
#[must_use]
pub struct Blocking<'a, K, V: 'static, R: Runtime, S>(PendingLoad<'a, K, V, R, S>);

impl<K, V, R, S> PendingLoad<'_, K, V, R, S>
where
    V: 'static,
    R: Runtime,
    S: BuildHasher,
{
    /// See [`Cache::get_with`].
    pub async fn load<Fut>(self, loader: impl FnOnce() -> Fut) -> V
    where
        K: Eq + Hash,
        V: Clone,
        Fut: LoadFuture<R::Flavor, Output = V>,
    {
        self.get::<Plain, _>(loader).await
    }

    /// See [`Cache::try_get_with`].
    ///
    /// # Errors
    /// See [`Cache::try_get_with`].
    pub async fn try_load<E, Fut>(self, loader: impl FnOnce() -> Fut) -> Result<V, LoadError<E>>
    where
        K: Eq + Hash,
        V: Clone,
        E: 'static,
        Fut: LoadFuture<R::Flavor, Output = Result<V, E>>,
        E: LoadErrorType<R::Flavor>,
    {
        self.get::<Fallible<E, V>, _>(loader).await
    }

    /// See [`Cache::optionally_get_with`].
    pub async fn optionally_load<Fut>(self, loader: impl FnOnce() -> Fut) -> Option<V>
    where
        K: Eq + Hash,
        V: Clone,
        Fut: LoadFuture<R::Flavor, Output = Option<V>>,
    {
        self.get::<Optional, _>(loader).await
    }

    /// See [`Cache::try_optionally_get_with`].
    ///
    /// # Errors
    /// See [`Cache::try_optionally_get_with`].
    pub async fn try_optionally_load<E, Fut>(
        self,
        loader: impl FnOnce() -> Fut,
    ) -> Result<Option<V>, LoadError<E>>
    where
        K: Eq + Hash,
        V: Clone,
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: LoadFuture<R::Flavor, Output = Result<Option<V>, E>>,
    {
        self.get::<FallibleOptional<E>, _>(loader).await
    }
}

impl<K, V, R, S> PendingScopedLoad<'_, K, V, R, S>
where
    R: Runtime,
    S: BuildHasher,
{
    /// See [`Cache::get_with_scoped`].
    pub async fn load<Fut>(self, loader: impl FnOnce() -> Fut) -> V
    where
        K: Eq + Hash,
        V: Clone,
        Fut: Future<Output = V>,
    {
        self.0.get::<Plain, _>(loader).scoped().await
    }

    /// See [`Cache::try_get_with_scoped`].
    ///
    /// # Errors
    /// See [`Cache::try_get_with_scoped`].
    pub async fn try_load<E, Fut>(self, loader: impl FnOnce() -> Fut) -> Result<V, LoadError<E>>
    where
        K: Eq + Hash,
        V: Clone,
        E: 'static,
        Fut: Future<Output = Result<V, E>>,
        E: LoadErrorType<R::Flavor>,
    {
        self.0.get::<Fallible<E, V>, _>(loader).scoped().await
    }

    /// See [`Cache::optionally_get_with_scoped`].
    pub async fn optionally_load<Fut>(self, loader: impl FnOnce() -> Fut) -> Option<V>
    where
        K: Eq + Hash,
        V: Clone,
        Fut: Future<Output = Option<V>>,
    {
        self.0.get::<Optional, _>(loader).scoped().await
    }

    /// See [`Cache::try_optionally_get_with_scoped`].
    ///
    /// # Errors
    /// See [`Cache::try_optionally_get_with_scoped`].
    pub async fn try_optionally_load<E, Fut>(
        self,
        loader: impl FnOnce() -> Fut,
    ) -> Result<Option<V>, LoadError<E>>
    where
        K: Eq + Hash,
        V: Clone,
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: Future<Output = Result<Option<V>, E>>,
    {
        self.0.get::<FallibleOptional<E>, _>(loader).scoped().await
    }
}

/// The methods of the handle that [`Cache::blocking`] returns.
impl<K, V, R, S> Blocking<'_, K, V, R, S>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// See [`Cache::get_with`].
    pub fn load(self, loader: impl FnOnce() -> V) -> V {
        self.wait::<Plain>(loader)
    }

    /// See [`Cache::try_get_with`].
    ///
    /// # Errors
    /// See [`Cache::try_get_with`].
    pub fn try_load<E>(self, loader: impl FnOnce() -> Result<V, E>) -> Result<V, LoadError<E>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.wait::<Fallible<E, V>>(loader)
    }

    /// See [`Cache::optionally_get_with`].
    pub fn optionally_load(self, loader: impl FnOnce() -> Option<V>) -> Option<V> {
        self.wait::<Optional>(loader)
    }

    /// See [`Cache::try_optionally_get_with`].
    ///
    /// # Errors
    /// See [`Cache::try_optionally_get_with`].
    pub fn try_optionally_load<E>(
        self,
        loader: impl FnOnce() -> Result<Option<V>, E>,
    ) -> Result<Option<V>, LoadError<E>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.wait::<FallibleOptional<E>>(loader)
    }

    fn wait<M: LoadMethod<V, R::Flavor>>(self, loader: impl FnOnce() -> M::Output) -> M::Answer {
        let request = self.0.get::<M, _>(|| ready(loader()));
        block_on_load::<R, _>(request.blocking())
    }
}

impl<'a, K, V, R: Runtime, S> PendingLoad<'a, K, V, R, S> {
    /// The same key, for a sync loader.
    pub fn blocking(self) -> Blocking<'a, K, V, R, S> {
        Blocking(self)
    }

    pub(super) fn new(cache: &'a Cache<K, V, R, S>, hash: u32, key: K, refreshes: bool) -> Self {
        Self {
            cache,
            hash,
            key,
            refreshes,
        }
    }

    /// The same key, for a loader that borrows from its caller.
    pub fn scoped(self) -> PendingScopedLoad<'a, K, V, R, S> {
        PendingScopedLoad(self)
    }

    fn get<M, L>(self, loader: L) -> Get<'a, K, V, R, S, M, Owned<K>, L> {
        let get = Get::new(self.cache.inner(), Owned::new(self.key), loader).after_miss(self.hash);
        if self.refreshes {
            get.refreshing()
        } else {
            get
        }
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for PendingLoad<'_, K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingLoad")
            .field("refreshes", &self.refreshes)
            .finish_non_exhaustive()
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for PendingScopedLoad<'_, K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PendingScopedLoad").field(&self.0).finish()
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for Blocking<'_, K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(&self.0).finish()
    }
}
