//! Loads for threads that run no executor: a sync loader, and a thread that waits for it.

use core::fmt;
use core::future::{Future, ready};
use core::hash::{BuildHasher, Hash};

use super::Cache;
use crate::error::LoadError;
use crate::flight::Loaded;
use crate::key::ToKey;
use crate::load::{
    Borrowed, Fallible, FallibleOptional, Get, KeyArg, LoadMethod, Optional, Owned, Plain,
};
use crate::runtime::{Flavor, LoadErrorType, Runtime};
use crate::sync::block_on;

/// The loads of a [`Cache`] for plain threads: [`Cache::blocking`] returns it.
///
/// A loader is a sync closure, which may borrow and need not be `Send`. The thread that misses a
/// key runs its loader. A thread or a task that requests the key meanwhile waits for that loader
/// and gets its value. A thread that requests a key whose load a task leads waits for that load.
///
/// # Do not call it from async code
/// A call blocks its thread until the load ends. On a thread of an executor it stops the other
/// tasks of that thread, and waits forever if one of them leads the load. Call it inside of
/// `spawn_blocking` or its like, or use the async method of the same name.
///
/// # Timeouts
/// The cache cannot interrupt a sync loader, so [`load_timeout`](crate::Builder::load_timeout) does
/// not apply to it, nor to the callers that wait for it. A thread that waits for the load of an
/// async caller gets the timeout of that load.
///
/// # A loader that loads
/// A loader may load other keys. If a loader requests the key that it loads, directly or through
/// the loader of another key on the same thread, the inner call returns
/// [`LoadError::Reentrant`], or panics where the method has no error. The cache does not detect two
/// loaders on two threads that request each other's keys: they wait forever.
pub struct Blocking<'a, K, V: 'static, R: Runtime, S> {
    cache: &'a Cache<K, V, R, S>,
}

impl<K, V, R: Runtime, S> Cache<K, V, R, S> {
    /// Returns the loads for threads that run no executor: single-flight with sync loaders.
    ///
    /// # Panics
    /// The methods of the returned handle panic if the cache is on a runtime of one thread and the
    /// key has a load in flight: that load is a task of the thread that the call would block.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, String, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// let name = String::from("alice");
    /// assert_eq!(cache.blocking().get_with(1, || name.clone()), "alice");
    /// ```
    #[doc(alias("sync", "get_or_insert_with"))]
    #[must_use]
    pub const fn blocking(&self) -> Blocking<'_, K, V, R, S> {
        Blocking { cache: self }
    }
}

impl<K, V, R, S> Blocking<'_, K, V, R, S>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// Returns the value of `key`. On a miss, runs `loader` once, stores its value and returns it
    /// to all callers that request the key meanwhile.
    ///
    /// # Panics
    /// If `loader` panics, or [as the handle does](Cache::blocking). If the caller joined a
    /// load that panicked or timed out, or if the call comes from inside a load of the same key:
    /// [`Blocking::try_get_with`] returns these as errors.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// assert_eq!(cache.blocking().get_with(2, || 4), 4);
    /// assert_eq!(cache.get(&2), Some(4));
    /// ```
    pub fn get_with(&self, key: K, loader: impl FnOnce() -> V) -> V {
        self.load::<Plain, _>(Owned::new(key), loader)
    }

    /// As [`Blocking::get_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// # Panics
    /// As [`Blocking::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<String, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// assert_eq!(cache.blocking().get_with_by_ref("two", || 2), 2);
    /// ```
    pub fn get_with_by_ref<Q>(&self, key: &Q, loader: impl FnOnce() -> V) -> V
    where
        Q: ToKey<K> + ?Sized,
    {
        self.load::<Plain, _>(Borrowed(key), loader)
    }

    /// As [`Blocking::get_with`], with a loader that may fail. All callers of the load share its
    /// error. The cache stores nothing for an error: the next call loads again unless the builder
    /// sets [`error_ttl`](crate::Builder::error_ttl).
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Panics
    /// If `loader` panics, or [as the handle does](Cache::blocking).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// let cache = cache.blocking();
    /// assert_eq!(cache.try_get_with(7, || "42".parse::<u64>()).unwrap(), 42);
    /// assert!(cache.try_get_with(8, || "x".parse::<u64>()).is_err());
    /// ```
    pub fn try_get_with<E>(
        &self,
        key: K,
        loader: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, LoadError<E>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.load::<Fallible<E, V>, _>(Owned::new(key), loader)
    }

    /// As [`Blocking::try_get_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// # Errors
    /// As [`Blocking::try_get_with`].
    ///
    /// # Panics
    /// As [`Blocking::try_get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<String, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// let answer = cache.blocking().try_get_with_by_ref("answer", || "42".parse::<u64>());
    /// assert_eq!(answer.unwrap(), 42);
    /// ```
    pub fn try_get_with_by_ref<Q, E>(
        &self,
        key: &Q,
        loader: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, LoadError<E>>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.load::<Fallible<E, V>, _>(Borrowed(key), loader)
    }

    /// As [`Blocking::get_with`], with a loader that may find that there is no value. The cache
    /// stores nothing for `None`: the next call loads again unless the builder sets
    /// [`negative_ttl`](crate::Builder::negative_ttl).
    ///
    /// # Panics
    /// As [`Blocking::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// assert_eq!(cache.blocking().optionally_get_with(1, || None), None);
    /// assert_eq!(cache.blocking().optionally_get_with(1, || Some(10)), Some(10));
    /// ```
    pub fn optionally_get_with(&self, key: K, loader: impl FnOnce() -> Option<V>) -> Option<V> {
        self.load::<Optional, _>(Owned::new(key), loader)
    }

    /// As [`Blocking::optionally_get_with`], with a borrowed key. Makes an owned key only on a
    /// miss.
    ///
    /// # Panics
    /// As [`Blocking::optionally_get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<String, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// assert_eq!(cache.blocking().optionally_get_with_by_ref("one", || Some(1)), Some(1));
    /// ```
    pub fn optionally_get_with_by_ref<Q>(
        &self,
        key: &Q,
        loader: impl FnOnce() -> Option<V>,
    ) -> Option<V>
    where
        Q: ToKey<K> + ?Sized,
    {
        self.load::<Optional, _>(Borrowed(key), loader)
    }

    /// As [`Blocking::get_with`], with a loader that may fail, or find that there is no value: what
    /// a query for one row returns.
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Panics
    /// If `loader` panics, or [as the handle does](Cache::blocking).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// let row = || "42".parse::<u64>().map(Some);
    /// assert_eq!(cache.blocking().try_optionally_get_with(7, row).unwrap(), Some(42));
    /// ```
    pub fn try_optionally_get_with<E>(
        &self,
        key: K,
        loader: impl FnOnce() -> Result<Option<V>, E>,
    ) -> Result<Option<V>, LoadError<E>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.load::<FallibleOptional<E>, _>(Owned::new(key), loader)
    }

    /// As [`Blocking::try_optionally_get_with`], with a borrowed key. Makes an owned key only on a
    /// miss.
    ///
    /// # Errors
    /// As [`Blocking::try_optionally_get_with`].
    ///
    /// # Panics
    /// As [`Blocking::try_optionally_get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<String, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// let row = || "42".parse::<u64>().map(Some);
    /// let found = cache.blocking().try_optionally_get_with_by_ref("answer", row);
    /// assert_eq!(found.unwrap(), Some(42));
    /// ```
    pub fn try_optionally_get_with_by_ref<Q, E>(
        &self,
        key: &Q,
        loader: impl FnOnce() -> Result<Option<V>, E>,
    ) -> Result<Option<V>, LoadError<E>>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.load::<FallibleOptional<E>, _>(Borrowed(key), loader)
    }

    /// As [`Blocking::try_get_with`], with a loader that returns a [`Loaded`]: a value with a ttl
    /// or a weight of its own.
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Panics
    /// If `loader` panics, or [as the handle does](Cache::blocking).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// # use cache_core::{Loaded, Ttl};
    /// let load = || Ok::<_, String>(Loaded::new(42).ttl(Ttl::Never));
    /// assert_eq!(cache.blocking().load_with(1, load).unwrap(), 42);
    /// ```
    pub fn load_with<E>(
        &self,
        key: K,
        loader: impl FnOnce() -> Result<Loaded<V>, E>,
    ) -> Result<V, LoadError<E>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.load::<Fallible<E, Loaded<V>>, _>(Owned::new(key), loader)
    }

    /// As [`Blocking::load_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// # Errors
    /// As [`Blocking::load_with`].
    ///
    /// # Panics
    /// As [`Blocking::load_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<String, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// # use cache_core::Loaded;
    /// let load = || Ok::<_, String>(Loaded::new(6).weight(6));
    /// assert_eq!(cache.blocking().load_with_by_ref("<html>", load).unwrap(), 6);
    /// ```
    pub fn load_with_by_ref<Q, E>(
        &self,
        key: &Q,
        loader: impl FnOnce() -> Result<Loaded<V>, E>,
    ) -> Result<V, LoadError<E>>
    where
        Q: ToKey<K> + ?Sized,
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.load::<Fallible<E, Loaded<V>>, _>(Borrowed(key), loader)
    }

    /// Looks the key up. After a miss, leads a load whose future is ready at its first poll, or
    /// waits for the load of another caller.
    fn load<M, N>(&self, key: N, loader: impl FnOnce() -> M::Output) -> M::Answer
    where
        M: LoadMethod<V, R::Flavor>,
        N: KeyArg<K>,
    {
        let loader = || ready(loader());
        let mut request = Get::<_, _, _, _, M, _, _>::new(self.cache.inner(), key, loader);
        if let Some(answer) = request.look_up() {
            return answer;
        }
        block_on_load::<R, _>(request.blocking())
    }
}

/// Blocks the thread until a load ends.
///
/// # Panics
/// If the load is pending, and a task of the same thread drives it: `R` has one thread.
pub(crate) fn block_on_load<R: Runtime, F: Future>(load: F) -> F::Output {
    block_on(load, || {
        assert!(
            <R::Flavor as Flavor>::HAS_THREADS,
            "a blocking load waits for a load in flight, which is a task of the same thread: the \
             cache is on a runtime of one thread"
        );
    })
}

impl<K, V, R: Runtime, S> Clone for Blocking<'_, K, V, R, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V, R: Runtime, S> Copy for Blocking<'_, K, V, R, S> {}

impl<K, V, R: Runtime, S> fmt::Debug for Blocking<'_, K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(self.cache).finish()
    }
}
