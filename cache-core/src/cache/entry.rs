//! One key: read its value, decide and write, without losing an update to a load.

use core::convert::Infallible;
use core::future::{Future, ready};
use core::hash::{BuildHasher, Hash};

use super::Cache;
use crate::error::LoadError;
use crate::flight::Loaded;
use crate::key::ToKey;
use crate::load::{Borrowed, Fallible, FlightHandle, JoinResult, KeyArg, Optional, Owned, Plain};
use crate::observe::LoadKind;
use crate::op::{Computed, EntryValue, Op};
use crate::runtime::{LoadErrorType, LoadFuture, Runtime};

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// Selects one key, to read and write it in one step: see [`KeyEntry`].
    ///
    /// ```
    /// # use cache_core::{Cache, Computed, Op, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let visits: Cache<&str, u32, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let count = |old: Option<u32>| async move { Op::put(old.unwrap_or(0) + 1) };
    /// visits.entry("home").and_compute_with(count).await;
    /// let second = visits.entry("home").and_compute_with(count).await;
    /// assert_eq!(second, Computed::Put(2));
    /// # });
    /// ```
    #[must_use]
    pub const fn entry(&self, key: K) -> KeyEntry<'_, K, V, R, S> {
        KeyEntry {
            cache: self,
            key: Owned::new(key),
        }
    }

    /// As [`Cache::entry`], with a borrowed key. Makes an owned key only to load or to compute.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<String, u32, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let seven = cache.entry_by_ref("seven").or_insert(7).await;
    /// assert_eq!((seven.value, seven.is_fresh), (7, true));
    /// # });
    /// ```
    #[must_use]
    pub const fn entry_by_ref<'a, Q>(
        &'a self,
        key: &'a Q,
    ) -> KeyEntry<'a, K, V, R, S, Borrowed<'a, Q>>
    where
        Q: ToKey<K> + ?Sized,
    {
        KeyEntry {
            cache: self,
            key: Borrowed(key),
        }
    }
}

/// One key of a cache, to be read and written in one step: [`Cache::entry`] and
/// [`Cache::entry_by_ref`] return it.
///
/// The `or_` methods return the value and whether this call produced it. They load as the methods
/// of [`Cache`] do, and share loads with them. The `and_` methods see the current value and decide
/// what becomes of it.
#[derive(Debug)]
pub struct KeyEntry<'a, K, V, R: Runtime, S, N = Owned<K>> {
    cache: &'a Cache<K, V, R, S>,
    key: N,
}

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
        self.or_insert_with_scoped(|| ready(value)).await
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
        self.or_insert_with_scoped(|| ready(V::default())).await
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
}

impl<K, V, R, S, N> KeyEntry<'_, K, V, R, S, N>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
    N: KeyArg<K>,
{
    /// Calls `compute` with the current value of the key, and stores a value, removes the entry or
    /// leaves it, as `compute` decides.
    ///
    /// Loads and computations of one key never run at the same time: this call waits for the one in
    /// flight, and callers that miss the key meanwhile wait for this computation. Hits return the
    /// old value until the computation completes. An explicit write (`insert`, `remove`,
    /// `invalidate`, `refresh`) does not wait: it fences the computation, which then returns
    /// [`Computed::Fenced`].
    ///
    /// `compute` may borrow. Only this caller polls it: see
    /// [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Fairness
    /// Waiting computations have no queue. When the flight of the key ends, all of them are woken,
    /// the first to lock the shard runs, and the others wait again. A computation that starts at
    /// that moment may run before those that wait. So `n` waiting computations run within `n` turns
    /// only if no new ones arrive; otherwise the wait has no bound. If that matters, put a lock per
    /// key in front, or a timeout around the call.
    ///
    /// # Panics
    /// If `compute` panics; the cache changes nothing then. If `compute` or a loader calls this
    /// method for the key that it computes or loads.
    ///
    /// # Cancel safety
    /// If the future is dropped while `compute` runs, the cache changes nothing, and the waiters of
    /// the key continue.
    ///
    /// ```
    /// # use cache_core::{Cache, Computed, Op, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let stock: Cache<&str, u32, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// stock.insert("apples", 1);
    /// let take_one = |left: Option<u32>| async move {
    ///     match left {
    ///         None => Op::Nop,
    ///         Some(1) => Op::Remove,
    ///         Some(n) => Op::put(n - 1),
    ///     }
    /// };
    /// let first = stock.entry("apples").and_compute_with(take_one).await;
    /// assert_eq!(first, Computed::Removed(Some(1)));
    /// let second = stock.entry("apples").and_compute_with(take_one).await;
    /// assert_eq!(second, Computed::Unchanged(None));
    /// # });
    /// ```
    #[doc(alias("compute", "entry_async"))]
    pub async fn and_compute_with<Fut>(self, compute: impl FnOnce(Option<V>) -> Fut) -> Computed<V>
    where
        Fut: Future<Output = Op<V>>,
    {
        let Ok(computed) = self.compute(compute, Ok::<_, Infallible>).await;
        computed
    }

    /// As [`KeyEntry::and_compute_with`], with a computation that may fail.
    ///
    /// # Errors
    /// The error of `compute`; the cache changes nothing then, and each waiter of the key runs its
    /// own loader.
    ///
    /// # Panics
    /// As [`KeyEntry::and_compute_with`].
    ///
    /// # Cancel safety
    /// As [`KeyEntry::and_compute_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, Computed, Op, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let stock: Cache<&str, u32, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let take_one = |left: Option<u32>| async move {
    ///     let left = left.unwrap_or(0).checked_sub(1).ok_or("sold out")?;
    ///     Ok(Op::put(left))
    /// };
    /// assert_eq!(stock.entry("apples").and_try_compute_with(take_one).await, Err("sold out"));
    /// stock.insert("apples", 2);
    /// assert_eq!(stock.entry("apples").and_try_compute_with(take_one).await, Ok(Computed::Put(1)));
    /// # });
    /// ```
    #[doc(alias("try_compute", "and_try_compute_if_nobody_else"))]
    pub async fn and_try_compute_with<E, Fut>(
        self,
        compute: impl FnOnce(Option<V>) -> Fut,
    ) -> Result<Computed<V>, E>
    where
        Fut: Future<Output = Result<Op<V>, E>>,
    {
        self.compute(compute, |op| op).await
    }

    /// As [`KeyEntry::and_compute_with`], with a computation that always returns a new value, or a
    /// [`Loaded`] that sets its ttl and its weight.
    ///
    /// Returns [`Computed::Put`] with the new value, or [`Computed::Fenced`] if the key was written
    /// while `compute` ran.
    ///
    /// # Panics
    /// As [`KeyEntry::and_compute_with`].
    ///
    /// # Cancel safety
    /// As [`KeyEntry::and_compute_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, Computed, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let visits: Cache<&str, u32, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let count = |old: Option<u32>| async move { old.unwrap_or(0) + 1 };
    /// assert_eq!(visits.entry("home").and_upsert_with(count).await, Computed::Put(1));
    /// assert_eq!(visits.entry("home").and_upsert_with(count).await, Computed::Put(2));
    /// # });
    /// ```
    #[doc(alias("upsert", "merge"))]
    pub async fn and_upsert_with<W, Fut>(
        self,
        compute: impl FnOnce(Option<V>) -> Fut,
    ) -> Computed<V>
    where
        W: Into<Loaded<V>>,
        Fut: Future<Output = W>,
    {
        let put = |value: W| Ok::<_, Infallible>(Op::Put(value.into()));
        let Ok(computed) = self.compute(compute, put).await;
        computed
    }

    /// Waits until this caller leads a computation of the key, and runs it. `op` reads its output.
    async fn compute<Fut, E>(
        mut self,
        compute: impl FnOnce(Option<V>) -> Fut,
        op: impl FnOnce(Fut::Output) -> Result<Op<V>, E>,
    ) -> Result<Computed<V>, E>
    where
        Fut: Future,
    {
        let inner = self.cache.inner();
        let hash = inner.hash(self.key.query());
        let (handle, old) = loop {
            let key = self.key.take();
            let name = inner.name_key(&key);
            match FlightHandle::join_for_compute(inner, hash, key) {
                (JoinResult::Lead(handle), old) => {
                    handle.report_begin(LoadKind::Compute, name);
                    break (handle, old);
                }
                (JoinResult::Wait(handle, key), _) => {
                    handle.wait_for_end().await;
                    self.key.put_back(key);
                }
                _ => panic!("and_compute_with was called for a key inside a load of that key"),
            }
        };
        handle.compute(old, compute, op).await
    }
}

/// Wraps `loader`. The wrapper sets `called` before it calls `loader`.
fn noting<T>(called: &mut bool, loader: impl FnOnce() -> T) -> impl FnOnce() -> T {
    || {
        *called = true;
        loader()
    }
}
