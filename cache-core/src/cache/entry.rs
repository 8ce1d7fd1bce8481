//! One key: read its value, decide and write, without losing an update to a load.

use core::future::Future;
use core::hash::{BuildHasher, Hash};

use super::Cache;
use crate::load::{FlightHandle, JoinResult};
use crate::op::{Computed, Op};
use crate::runtime::{LoadFuture, Runtime};

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
        KeyEntry { cache: self, key }
    }
}

/// One key of a cache, to be read and written in one step: [`Cache::entry`] returns it.
#[derive(Debug)]
pub struct KeyEntry<'a, K, V: 'static, R: Runtime, S> {
    cache: &'a Cache<K, V, R, S>,
    key: K,
}

impl<K, V, R, S> KeyEntry<'_, K, V, R, S>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
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
    /// assert_eq!(cache.entry(1).or_insert("one").await, "one");
    /// assert_eq!(cache.entry(1).or_insert("uno").await, "one");
    /// # });
    /// ```
    pub async fn or_insert(self, value: V) -> V {
        self.or_insert_with_scoped(|| core::future::ready(value))
            .await
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
    /// assert_eq!(cache.entry(1).or_insert_with(|| async { "one" }).await, "one");
    /// # });
    /// ```
    #[doc(alias = "get_or_insert_with")]
    pub async fn or_insert_with<Fut>(self, loader: impl FnOnce() -> Fut) -> V
    where
        Fut: LoadFuture<R::Flavor, Output = V>,
    {
        self.cache.get_with(self.key, loader).await
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
    /// assert_eq!(cache.entry(1).or_insert_with_scoped(loader).await, "ONE");
    /// # });
    /// ```
    pub async fn or_insert_with_scoped<Fut>(self, loader: impl FnOnce() -> Fut) -> V
    where
        Fut: Future<Output = V>,
    {
        self.cache.get_with_scoped(self.key, loader).await
    }

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
    #[doc(alias = "compute")]
    pub async fn and_compute_with<Fut>(self, compute: impl FnOnce(Option<V>) -> Fut) -> Computed<V>
    where
        Fut: Future<Output = Op<V>>,
    {
        let Self { cache, mut key } = self;
        let hash = cache.hash(&key);
        let (handle, old) = loop {
            match FlightHandle::join_for_compute(&cache.inner, hash, key) {
                (JoinResult::Lead(handle), old) => break (handle, old),
                (JoinResult::Wait(handle, returned_key), _) => {
                    handle.wait_for_end().await;
                    key = returned_key;
                }
                _ => panic!("and_compute_with was called for a key inside a load of that key"),
            }
        };
        handle.compute(old, compute).await
    }
}
