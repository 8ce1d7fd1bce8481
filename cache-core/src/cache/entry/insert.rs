//! Loads: the `or_` methods, which return the value and whether this call produced it.

use core::future::{Future, ready};
use core::hash::{BuildHasher, Hash};

use super::KeyEntry;
#[cfg(doc)]
use crate::cache::Cache;
use crate::error::LoadError;
use crate::load::{Fallible, KeyArg, Optional, Plain};
use crate::op::EntryValue;
use crate::runtime::{LoadErrorType, LoadFuture, Runtime};

impl<K, V, R, S, N> KeyEntry<'_, K, V, R, S, N>
where
    K: Eq + Hash,
    V: Clone + 'static,
    R: Runtime,
    S: BuildHasher,
    N: KeyArg<K>,
{
    /// Returns the value of the key. On a miss, stores `value` and returns it.
    ///
    /// If a load of the key is in flight, waits for that load.
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
    /// let first = cache.entry(1).or_insert("one").await;
    /// assert_eq!((first.value, first.is_fresh), ("one", true));
    /// let second = cache.entry(1).or_insert("uno").await;
    /// assert_eq!((second.value, second.is_fresh), ("one", false));
    /// # });
    /// ```
    #[doc(alias("get_or_insert", "putIfAbsent", "setdefault"))]
    pub async fn or_insert(self, value: V) -> EntryValue<V> {
        self.or_insert_now(|| value).await
    }

    /// Returns the value of the key. On a miss, stores the default value of `V` and returns it.
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
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// assert_eq!(cache.entry(1).or_default().await.value, 0);
    /// # });
    /// ```
    pub async fn or_default(self) -> EntryValue<V>
    where
        V: Default,
    {
        self.or_insert_now(V::default).await
    }

    async fn or_insert_now(self, value: impl FnOnce() -> V) -> EntryValue<V> {
        let mut is_fresh = false;
        let loader = noting(&mut is_fresh, || ready(value()));
        let load = self.cache.request::<Plain, _, _>(self.key, loader);
        let value = load.ready_at_once().await;
        EntryValue { value, is_fresh }
    }

    /// Returns the value of the key. On a miss, `loader` loads it, as in [`Cache::get_with`].
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
    /// let loaded = cache.entry(1).or_insert_with(|| async { "one" }).await;
    /// assert_eq!((loaded.value, loaded.is_fresh), ("one", true));
    /// # });
    /// ```
    #[doc(alias("get_or_insert_with", "computeIfAbsent"))]
    pub async fn or_insert_with<Fut>(self, loader: impl FnOnce() -> Fut) -> EntryValue<V>
    where
        Fut: LoadFuture<R::Flavor, Output = V>,
    {
        let mut is_fresh = false;
        let loader = noting(&mut is_fresh, loader);
        let value = self.cache.request::<Plain, _, _>(self.key, loader).await;
        EntryValue { value, is_fresh }
    }

    /// Returns the value of the key. On a miss, loads it with a loader that may borrow, as in
    /// [`Cache::get_with_scoped`].
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
    /// let name = String::from("one");
    /// let loader = || async { name.to_uppercase() };
    /// assert_eq!(cache.entry(1).or_insert_with_scoped(loader).await.value, "ONE");
    /// # });
    /// ```
    pub async fn or_insert_with_scoped<Fut>(self, loader: impl FnOnce() -> Fut) -> EntryValue<V>
    where
        Fut: Future<Output = V>,
    {
        let mut is_fresh = false;
        let loader = noting(&mut is_fresh, loader);
        let load = self.cache.request::<Plain, _, _>(self.key, loader);
        let value = load.scoped().await;
        EntryValue { value, is_fresh }
    }

    /// Returns the value of the key. On a miss, `loader` loads it or fails, as in
    /// [`Cache::try_get_with`].
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
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
    /// let parsed = cache.entry(1).or_try_insert_with(|| async { "42".parse::<u64>() }).await;
    /// assert!(parsed.unwrap().is_fresh);
    /// # });
    /// ```
    #[doc(alias("try_get_or_insert_with", "or_try_insert_with_if"))]
    pub async fn or_try_insert_with<E, Fut>(
        self,
        loader: impl FnOnce() -> Fut,
    ) -> Result<EntryValue<V>, LoadError<E>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: LoadFuture<R::Flavor, Output = Result<V, E>>,
    {
        let mut is_fresh = false;
        let loader = noting(&mut is_fresh, loader);
        let load = self.cache.request::<Fallible<E, V>, _, _>(self.key, loader);
        let value = load.await?;
        Ok(EntryValue { value, is_fresh })
    }

    /// As [`KeyEntry::or_try_insert_with`], with a loader that may borrow, as in
    /// [`Cache::try_get_with_scoped`].
    ///
    /// Only this caller polls the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Panics
    /// If `loader` panics.
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
    /// let parse = || async { text.parse::<u64>() };
    /// let parsed = cache.entry(1).or_try_insert_with_scoped(parse).await;
    /// assert_eq!(parsed.unwrap().value, 42);
    /// # });
    /// ```
    pub async fn or_try_insert_with_scoped<E, Fut>(
        self,
        loader: impl FnOnce() -> Fut,
    ) -> Result<EntryValue<V>, LoadError<E>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        Fut: Future<Output = Result<V, E>>,
    {
        let mut is_fresh = false;
        let loader = noting(&mut is_fresh, loader);
        let load = self.cache.request::<Fallible<E, V>, _, _>(self.key, loader);
        let value = load.scoped().await?;
        Ok(EntryValue { value, is_fresh })
    }

    /// Returns the value of the key. On a miss, `loader` loads it or finds that there is none, as
    /// in [`Cache::optionally_get_with`].
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
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// assert_eq!(cache.entry(1).or_optionally_insert_with(|| async { None }).await, None);
    /// # });
    /// ```
    pub async fn or_optionally_insert_with<Fut>(
        self,
        loader: impl FnOnce() -> Fut,
    ) -> Option<EntryValue<V>>
    where
        Fut: LoadFuture<R::Flavor, Output = Option<V>>,
    {
        let mut is_fresh = false;
        let loader = noting(&mut is_fresh, loader);
        let load = self.cache.request::<Optional, _, _>(self.key, loader);
        let value = load.await?;
        Some(EntryValue { value, is_fresh })
    }

    /// As [`KeyEntry::or_optionally_insert_with`], with a loader that may borrow, as in
    /// [`Cache::optionally_get_with_scoped`].
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
    /// # let cache: Cache<usize, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let rows = [7];
    /// let find = || async { rows.get(3).copied() };
    /// assert_eq!(cache.entry(3).or_optionally_insert_with_scoped(find).await, None);
    /// # });
    /// ```
    pub async fn or_optionally_insert_with_scoped<Fut>(
        self,
        loader: impl FnOnce() -> Fut,
    ) -> Option<EntryValue<V>>
    where
        Fut: Future<Output = Option<V>>,
    {
        let mut is_fresh = false;
        let loader = noting(&mut is_fresh, loader);
        let load = self.cache.request::<Optional, _, _>(self.key, loader);
        let value = load.scoped().await?;
        Some(EntryValue { value, is_fresh })
    }
}

/// Wraps `loader`. The wrapper sets `called` before it calls `loader`.
fn noting<T>(called: &mut bool, loader: impl FnOnce() -> T) -> impl FnOnce() -> T {
    || {
        *called = true;
        loader()
    }
}
