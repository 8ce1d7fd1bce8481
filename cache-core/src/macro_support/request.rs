//! A call of a decorated function, from the look-up to the result.

use core::fmt;
use core::future::Future;
use core::hash::BuildHasher;

use super::{Arguments, KeyPart, Value};
use crate::cache::Cache;
use crate::error::LoadError;
use crate::load::{Fallible, Get, Optional, Owned, Plain};
use crate::runtime::{LoadErrorType, LoadFuture, Runtime};

/// Returns the cached value for `arguments`.
///
/// # Errors
/// On a miss, the load that is to be started or joined.
pub fn look_up<'a, K, V, R, S>(
    cache: &'a Cache<K, V, R, S>,
    arguments: impl Arguments<K>,
) -> Result<V, PendingLoad<'a, K, V, R, S>>
where
    V: Value,
    R: Runtime,
    S: BuildHasher,
{
    let hash = cache.hash(&arguments);
    if let Some(value) = cache.inner().look_up(hash, &arguments, |value| value) {
        cache.inner().requests.count(true);
        return Ok(value);
    }
    Err(PendingLoad {
        cache,
        hash,
        key: arguments.into_key(),
        refreshes: false,
    })
}

/// A load for `arguments` that replaces a stored value, and fences a load that is in flight.
pub fn refresh<'a, K, V, R, S>(
    cache: &'a Cache<K, V, R, S>,
    arguments: impl Arguments<K>,
) -> PendingLoad<'a, K, V, R, S>
where
    R: Runtime,
    S: BuildHasher,
{
    PendingLoad {
        cache,
        hash: cache.hash(&arguments),
        key: arguments.into_key(),
        refreshes: true,
    }
}

/// Removes the entry for `arguments`: see [`Cache::invalidate`].
pub fn invalidate<K, V, R, S>(cache: &Cache<K, V, R, S>, arguments: impl Arguments<K>)
where
    K: KeyPart,
    V: Value,
    R: Runtime,
    S: BuildHasher,
{
    cache.invalidate(&arguments);
}

/// Removes all entries: see [`Cache::invalidate_all`].
pub fn clear<K, V, R, S>(cache: &Cache<K, V, R, S>)
where
    K: KeyPart,
    V: Value,
    R: Runtime,
    S: BuildHasher,
{
    cache.invalidate_all();
}

/// A key that is to be loaded, and not requested yet.
#[must_use]
pub struct PendingLoad<'a, K, V: 'static, R: Runtime, S> {
    cache: &'a Cache<K, V, R, S>,
    hash: u32,
    key: K,
    /// Whether the load fences one that is in flight instead of joining it.
    refreshes: bool,
}

/// As [`PendingLoad`], for a loader that borrows from its caller: only that caller polls it.
#[must_use]
pub struct Inline<'a, K, V: 'static, R: Runtime, S>(PendingLoad<'a, K, V, R, S>);

impl<K, V, R, S> PendingLoad<'_, K, V, R, S>
where
    R: Runtime,
    S: BuildHasher,
{
    /// See [`Cache::get_with`].
    pub async fn load<Fut>(self, loader: impl FnOnce() -> Fut) -> V
    where
        K: KeyPart,
        V: Value,
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
        K: KeyPart,
        V: Value,
        E: 'static,
        Fut: LoadFuture<R::Flavor, Output = Result<V, E>>,
        E: LoadErrorType<R::Flavor>,
    {
        self.get::<Fallible<E, V>, _>(loader).await
    }

    /// See [`Cache::optionally_get_with`].
    pub async fn optionally_load<Fut>(self, loader: impl FnOnce() -> Fut) -> Option<V>
    where
        K: KeyPart,
        V: Value,
        Fut: LoadFuture<R::Flavor, Output = Option<V>>,
    {
        self.get::<Optional, _>(loader).await
    }
}

impl<K, V, R, S> Inline<'_, K, V, R, S>
where
    R: Runtime,
    S: BuildHasher,
{
    /// See [`Cache::get_with_scoped`].
    pub async fn load<Fut>(self, loader: impl FnOnce() -> Fut) -> V
    where
        K: KeyPart,
        V: Value,
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
        K: KeyPart,
        V: Value,
        E: 'static,
        Fut: Future<Output = Result<V, E>>,
        E: LoadErrorType<R::Flavor>,
    {
        self.0.get::<Fallible<E, V>, _>(loader).scoped().await
    }

    /// See [`Cache::optionally_get_with_scoped`].
    pub async fn optionally_load<Fut>(self, loader: impl FnOnce() -> Fut) -> Option<V>
    where
        K: KeyPart,
        V: Value,
        Fut: Future<Output = Option<V>>,
    {
        self.0.get::<Optional, _>(loader).scoped().await
    }
}

impl<'a, K, V, R: Runtime, S> PendingLoad<'a, K, V, R, S> {
    /// The same key, for a loader that borrows from its caller.
    pub fn inline(self) -> Inline<'a, K, V, R, S> {
        Inline(self)
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

impl<K, V, R: Runtime, S> fmt::Debug for Inline<'_, K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inline").field(&self.0).finish()
    }
}
