//! One key: read, decide and write, without losing an update to a load.

use core::future::Future;
use core::hash::{BuildHasher, Hash};

use super::Cache;
use crate::flight::Loaded;
use crate::load::{FlightHandle, JoinResult};
use crate::runtime::{LoadFuture, Runtime};

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// Selects one key, to be read and written in one go.
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

/// One key of a cache: [`Cache::entry`] returns it.
#[derive(Debug)]
pub struct KeyEntry<'a, K, V: 'static, R: Runtime, S> {
    cache: &'a Cache<K, V, R, S>,
    key: K,
}

/// What a computation wants done with its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op<V> {
    /// Store this value.
    Put(Loaded<V>),
    /// Remove the entry.
    Remove,
    /// Leave everything as it is.
    Nop,
}

impl<V> Op<V> {
    /// Stores `value`, which lives as long and weighs as much as the cache's settings say.
    #[must_use]
    pub const fn put(value: V) -> Self {
        Self::Put(Loaded::new(value))
    }
}

/// What became of a computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Computed<V> {
    /// This value was written. Like any write it may not stay, for its weight or its ttl.
    Put(V),
    /// The entry was removed; this was its value, if there was one.
    Removed(Option<V>),
    /// Nothing was changed; this is the value, if there is one.
    Unchanged(Option<V>),
    /// The key was written, invalidated or refreshed while the computation was under way. That
    /// stands, and the computation, which did not know of it, changed nothing.
    Fenced,
}

impl<K, V, R, S> KeyEntry<'_, K, V, R, S>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// The value of the key; if there is none, `value`, which is stored.
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    pub async fn or_insert(self, value: V) -> V {
        self.or_insert_with_inline(|| core::future::ready(value))
            .await
    }

    /// The value of the key; if there is none, `loader` loads it: [`Cache::get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// What the loader [finds around it](Cache#what-a-loader-finds-around-it) may be another task.
    pub async fn or_insert_with<Fut>(self, loader: impl FnOnce() -> Fut) -> V
    where
        Fut: Future<Output = V>,
        Fut: LoadFuture<R::Flavor>,
    {
        self.cache.get_with(self.key, loader).await
    }

    /// As [`KeyEntry::or_insert_with`], for a loader that borrows: [`Cache::get_with_inline`].
    ///
    /// The loader runs in this caller, and finds [what is around it](Cache#what-a-loader-finds-around-it).
    pub async fn or_insert_with_inline<Fut>(self, loader: impl FnOnce() -> Fut) -> V
    where
        Fut: Future<Output = V>,
    {
        self.cache.get_with_inline(self.key, loader).await
    }

    /// Computes what becomes of the key from the value that it has.
    ///
    /// Computations and loads of one key run one after the other: this one waits for a load that is
    /// under way, and who misses the key meanwhile waits for this one. Hits are answered with the
    /// value as it was. `compute` may borrow; it lives and runs in this caller. An explicit write
    /// waits for nobody: if there is one meanwhile, the answer is [`Computed::Fenced`].
    ///
    /// # Fairness
    /// There is no queue. When a load or a computation ends, all computations that wait for the key
    /// are woken, and the first of them to reach the shard runs; the others wait again. At most `n`
    /// computations of one key run one after the other without a pause, `n` being those that wait,
    /// but a computation that comes at that moment may pass those that wait. As long as others keep
    /// coming, the wait of one has no bound. Where that matters, put a lock or a queue of the key in
    /// front, or a timeout around the call.
    ///
    /// # Cancel safety
    /// Dropping the future while `compute` runs changes nothing in the cache; the next who waits for
    /// the key goes on.
    ///
    /// # Panics
    /// If `compute` does: nothing is changed then.
    ///
    /// The loader runs in this caller, and finds [what is around it](Cache#what-a-loader-finds-around-it).
    pub async fn and_compute_with<Fut>(self, compute: impl FnOnce(Option<V>) -> Fut) -> Computed<V>
    where
        Fut: Future<Output = Op<V>>,
    {
        let Self { cache, mut key } = self;
        let hash = cache.hash(&key);
        let (handle, old) = loop {
            match FlightHandle::join_for_compute(&cache.inner, hash, key) {
                (JoinResult::Lead(handle), old) => break (handle, old),
                (JoinResult::Wait(handle, unused), _) => {
                    handle.wait_for_end().await;
                    key = unused;
                }
                _ => panic!("and_compute_with was called for a key inside a load of that key"),
            }
        };
        handle.compute(old, compute).await
    }
}
