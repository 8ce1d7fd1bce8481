//! Loads: the value of a key, loaded by one caller for all if it is not there.
//!
//! Every method comes three times. `name` takes the key by value and a loader that lives in the
//! flight; `name_by_ref` borrows the key and makes it an owned one only on a miss; `name_inline`
//! takes a loader that borrows.

use alloc::borrow::ToOwned;
use core::future::Future;
use core::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use super::Cache;
use crate::error::LoadError;
use crate::flight::Loaded;
use crate::load::{Borrowed, Fallible, Get, Optional, Owned, Plain};
use crate::runtime::{LoadErrorType, LoadFuture, Runtime};

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// The value of `key`; on a miss, `loader` loads it, once for everybody who asks meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future never harms other callers: a load that others wait for goes on. If
    /// nobody waits, the load is dropped, or goes on in the background with `detach_loads`.
    ///
    /// # Panics
    /// If the loader does, in the caller that drove it; if another's load of this key panicked, timed
    /// out or is one that this call is a part of: [`Cache::try_get_with`] returns these as errors.
    ///
    /// # Cost
    /// A hit is one lookup. A miss is two, and an allocation for the flight and for its loader; one
    /// task is spawned when a second caller joins.
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
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub fn get_with<Fut>(&self, key: K, loader: impl FnOnce() -> Fut) -> impl Future<Output = V>
    where
        Fut: Future<Output = V>,
        Fut: LoadFuture<R::Flavor>,
    {
        self.ask::<Plain, _, _>(Owned::new(key), loader)
    }

    /// [`Cache::get_with`] for a borrowed key.
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub fn get_with_by_ref<Q, Fut>(
        &self,
        key: &Q,
        loader: impl FnOnce() -> Fut,
    ) -> impl Future<Output = V>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        Fut: Future<Output = V>,
        Fut: LoadFuture<R::Flavor>,
    {
        self.ask::<Plain, _, _>(Borrowed(key), loader)
    }

    /// [`Cache::get_with`] for a loader that borrows: it lives and runs in this caller.
    ///
    /// # Cancel safety
    /// If this future is dropped, its load ends, and the next caller who waits runs its own loader.
    /// While it is alive but not polled, those who wait for its load wait for it.
    ///
    /// The loader runs in this caller, and finds [what is around it](Cache#what-a-loader-finds-around-it).
    pub async fn get_with_inline<Fut>(&self, key: K, loader: impl FnOnce() -> Fut) -> V
    where
        Fut: Future<Output = V>,
    {
        self.ask::<Plain, _, _>(Owned::new(key), loader)
            .inline()
            .await
    }

    /// The value of `key`; on a miss, `loader` loads it or fails. Nothing is stored for an error,
    /// everybody who waits gets the same one, and the next call loads again (but see `error_ttl`).
    ///
    /// A load of the same key that ends with an error of another type than `E`, or that finds no
    /// value, is none of this caller's business: its own loader runs then.
    ///
    /// # Errors
    /// [`LoadError`]: the loader's own error, or that the load panicked elsewhere, timed out, or is
    /// one that this call is a part of.
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
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub fn try_get_with<E, Fut>(
        &self,
        key: K,
        loader: impl FnOnce() -> Fut,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        E: 'static,
        Fut: Future<Output = Result<V, E>>,
        Fut: LoadFuture<R::Flavor>,
        E: LoadErrorType<R::Flavor>,
    {
        self.ask::<Fallible<E, V>, _, _>(Owned::new(key), loader)
    }

    /// [`Cache::try_get_with`] for a borrowed key.
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub fn try_get_with_by_ref<Q, E, Fut>(
        &self,
        key: &Q,
        loader: impl FnOnce() -> Fut,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        E: 'static,
        Fut: Future<Output = Result<V, E>>,
        Fut: LoadFuture<R::Flavor>,
        E: LoadErrorType<R::Flavor>,
    {
        self.ask::<Fallible<E, V>, _, _>(Borrowed(key), loader)
    }

    /// [`Cache::try_get_with`] for a loader that borrows.
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with_inline`].
    ///
    /// The loader runs in this caller, and finds [what is around it](Cache#what-a-loader-finds-around-it).
    pub async fn try_get_with_inline<E, Fut>(
        &self,
        key: K,
        loader: impl FnOnce() -> Fut,
    ) -> Result<V, LoadError<E>>
    where
        E: 'static,
        Fut: Future<Output = Result<V, E>>,
        E: LoadErrorType<R::Flavor>,
    {
        self.ask::<Fallible<E, V>, _, _>(Owned::new(key), loader)
            .inline()
            .await
    }

    /// The value of `key`; on a miss, `loader` loads it or finds that there is none. Nothing is
    /// stored for `None`; everybody who waits gets it.
    ///
    /// # Panics
    /// As [`Cache::get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub fn optionally_get_with<Fut>(
        &self,
        key: K,
        loader: impl FnOnce() -> Fut,
    ) -> impl Future<Output = Option<V>>
    where
        Fut: Future<Output = Option<V>>,
        Fut: LoadFuture<R::Flavor>,
    {
        self.ask::<Optional, _, _>(Owned::new(key), loader)
    }

    /// [`Cache::optionally_get_with`] for a borrowed key.
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub fn optionally_get_with_by_ref<Q, Fut>(
        &self,
        key: &Q,
        loader: impl FnOnce() -> Fut,
    ) -> impl Future<Output = Option<V>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        Fut: Future<Output = Option<V>>,
        Fut: LoadFuture<R::Flavor>,
    {
        self.ask::<Optional, _, _>(Borrowed(key), loader)
    }

    /// [`Cache::optionally_get_with`] for a loader that borrows.
    ///
    /// # Cancel safety
    /// As [`Cache::get_with_inline`].
    ///
    /// The loader runs in this caller, and finds [what is around it](Cache#what-a-loader-finds-around-it).
    pub async fn optionally_get_with_inline<Fut>(
        &self,
        key: K,
        loader: impl FnOnce() -> Fut,
    ) -> Option<V>
    where
        Fut: Future<Output = Option<V>>,
    {
        self.ask::<Optional, _, _>(Owned::new(key), loader)
            .inline()
            .await
    }

    /// [`Cache::try_get_with`] for a loader that says how long its value lives or what it weighs.
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, Loaded, Ttl, testing::VirtualRuntime};
    /// # use core::convert::Infallible;
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let load = || async { Ok::<_, Infallible>(Loaded::new("for ever").ttl(Ttl::Never)) };
    /// assert_eq!(cache.load_with(1, load).await.unwrap(), "for ever");
    /// # });
    /// ```
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub fn load_with<E, Fut>(
        &self,
        key: K,
        loader: impl FnOnce() -> Fut,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        E: 'static,
        Fut: Future<Output = Result<Loaded<V>, E>>,
        Fut: LoadFuture<R::Flavor>,
        E: LoadErrorType<R::Flavor>,
    {
        self.ask::<Fallible<E, Loaded<V>>, _, _>(Owned::new(key), loader)
    }

    /// [`Cache::load_with`] for a borrowed key.
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub fn load_with_by_ref<Q, E, Fut>(
        &self,
        key: &Q,
        loader: impl FnOnce() -> Fut,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        E: 'static,
        Fut: Future<Output = Result<Loaded<V>, E>>,
        Fut: LoadFuture<R::Flavor>,
        E: LoadErrorType<R::Flavor>,
    {
        self.ask::<Fallible<E, Loaded<V>>, _, _>(Borrowed(key), loader)
    }

    /// [`Cache::load_with`] for a loader that borrows.
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with_inline`].
    ///
    /// The loader runs in this caller, and finds [what is around it](Cache#what-a-loader-finds-around-it).
    pub async fn load_with_inline<E, Fut>(
        &self,
        key: K,
        loader: impl FnOnce() -> Fut,
    ) -> Result<V, LoadError<E>>
    where
        E: 'static,
        Fut: Future<Output = Result<Loaded<V>, E>>,
        E: LoadErrorType<R::Flavor>,
    {
        self.ask::<Fallible<E, Loaded<V>>, _, _>(Owned::new(key), loader)
            .inline()
            .await
    }

    /// Loads `key` anew, whatever is stored, and replaces what is stored once the load succeeds.
    ///
    /// A load that is under way is not joined: it may have read what this caller wants to be rid of.
    /// It goes on for those who wait for it, and its value is not stored over the newer one. Who
    /// misses the key from now on joins this load. Until it is over, hits are still answered with
    /// the value that is stored. Not counted as a request.
    ///
    /// # Errors
    /// As [`Cache::try_get_with`]; the stored value stays.
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub fn refresh<E, Fut>(
        &self,
        key: K,
        loader: impl FnOnce() -> Fut,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        E: 'static,
        Fut: Future<Output = Result<V, E>>,
        Fut: LoadFuture<R::Flavor>,
        E: LoadErrorType<R::Flavor>,
    {
        self.ask::<Fallible<E, V>, _, _>(Owned::new(key), loader)
            .refreshing()
    }

    /// The future of a method that asks for `key`, and loads it with `loader` if it is not there.
    pub(super) const fn ask<M, N, L>(&self, key: N, loader: L) -> Get<'_, K, V, R, S, M, N, L> {
        Get::new(&self.inner, key, loader)
    }
}
