//! A call of a decorated function, from the look-up to the answer.

use core::fmt;
use core::future::Future;
use core::hash::BuildHasher;

use super::{Arguments, Part, Value};
use crate::cache::Cache;
use crate::error::LoadError;
use crate::load::{Fallible, Get, Optional, Owned, Plain};
use crate::runtime::{LoadErrorType, LoadFuture, Runtime};

/// The value for `arguments`, or the right to ask for a load.
///
/// # Errors
/// What can be loaded, if there is no value.
pub fn look_up<'a, K, V, R, S>(
    cache: &'a Cache<K, V, R, S>,
    arguments: impl Arguments<K>,
) -> Result<V, Missed<'a, K, V, R, S>>
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
    Err(Missed {
        cache,
        hash,
        key: arguments.into_key(),
        forced: false,
    })
}

/// The right to a newer load for `arguments`, whatever is stored.
pub fn forced<'a, K, V, R, S>(
    cache: &'a Cache<K, V, R, S>,
    arguments: impl Arguments<K>,
) -> Missed<'a, K, V, R, S>
where
    R: Runtime,
    S: BuildHasher,
{
    Missed {
        cache,
        hash: cache.hash(&arguments),
        key: arguments.into_key(),
        forced: true,
    }
}

/// Removes the entry for `arguments`: as [`Cache::invalidate`].
pub fn invalidate<K, V, R, S>(cache: &Cache<K, V, R, S>, arguments: impl Arguments<K>)
where
    K: Part,
    V: Value,
    R: Runtime,
    S: BuildHasher,
{
    cache.invalidate(&arguments);
}

/// Removes all entries: as [`Cache::invalidate_all`].
pub fn clear<K, V, R, S>(cache: &Cache<K, V, R, S>)
where
    K: Part,
    V: Value,
    R: Runtime,
    S: BuildHasher,
{
    cache.invalidate_all();
}

/// A key that is to be loaded.
#[must_use]
pub struct Missed<'a, K, V: 'static, R: Runtime, S> {
    cache: &'a Cache<K, V, R, S>,
    hash: u32,
    key: K,
    /// Whether a newer load is wanted than any that is under way.
    forced: bool,
}

/// A key that is to be loaded in its caller, because the load borrows from there.
#[must_use]
pub struct Inline<'a, K, V: 'static, R: Runtime, S>(Missed<'a, K, V, R, S>);

impl<K, V, R, S> Missed<'_, K, V, R, S>
where
    R: Runtime,
    S: BuildHasher,
{
    /// As [`Cache::get_with`].
    pub async fn load<Fut>(self, loader: impl FnOnce() -> Fut) -> V
    where
        K: Part,
        V: Value,
        Fut: Future<Output = V>,
        Fut: LoadFuture<R::Flavor>,
    {
        self.ask::<Plain, _>(loader).await
    }

    /// As [`Cache::try_get_with`].
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    pub async fn try_load<E, Fut>(self, loader: impl FnOnce() -> Fut) -> Result<V, LoadError<E>>
    where
        K: Part,
        V: Value,
        E: 'static,
        Fut: Future<Output = Result<V, E>>,
        Fut: LoadFuture<R::Flavor>,
        E: LoadErrorType<R::Flavor>,
    {
        self.ask::<Fallible<E, V>, _>(loader).await
    }

    /// As [`Cache::optionally_get_with`].
    pub async fn optionally_load<Fut>(self, loader: impl FnOnce() -> Fut) -> Option<V>
    where
        K: Part,
        V: Value,
        Fut: Future<Output = Option<V>>,
        Fut: LoadFuture<R::Flavor>,
    {
        self.ask::<Optional, _>(loader).await
    }
}

impl<K, V, R, S> Inline<'_, K, V, R, S>
where
    R: Runtime,
    S: BuildHasher,
{
    /// As [`Cache::get_with_inline`].
    pub async fn load<Fut>(self, loader: impl FnOnce() -> Fut) -> V
    where
        K: Part,
        V: Value,
        Fut: Future<Output = V>,
    {
        self.0.ask::<Plain, _>(loader).inline().await
    }

    /// As [`Cache::try_get_with_inline`].
    ///
    /// # Errors
    /// As [`Cache::try_get_with_inline`].
    pub async fn try_load<E, Fut>(self, loader: impl FnOnce() -> Fut) -> Result<V, LoadError<E>>
    where
        K: Part,
        V: Value,
        E: 'static,
        Fut: Future<Output = Result<V, E>>,
        E: LoadErrorType<R::Flavor>,
    {
        self.0.ask::<Fallible<E, V>, _>(loader).inline().await
    }

    /// As [`Cache::optionally_get_with_inline`].
    pub async fn optionally_load<Fut>(self, loader: impl FnOnce() -> Fut) -> Option<V>
    where
        K: Part,
        V: Value,
        Fut: Future<Output = Option<V>>,
    {
        self.0.ask::<Optional, _>(loader).inline().await
    }
}

impl<'a, K, V, R: Runtime, S> Missed<'a, K, V, R, S> {
    /// The same, for a load that stays in its caller.
    pub fn inline(self) -> Inline<'a, K, V, R, S> {
        Inline(self)
    }

    fn ask<M, L>(self, loader: L) -> Get<'a, K, V, R, S, M, Owned<K>, L> {
        let get = Get::new(self.cache.inner(), Owned::new(self.key), loader).after_miss(self.hash);
        if self.forced { get.refreshing() } else { get }
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for Missed<'_, K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Missed")
            .field("forced", &self.forced)
            .finish_non_exhaustive()
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for Inline<'_, K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inline").field(&self.0).finish()
    }
}
