//! The handle that users hold.

mod entry;
mod loading;
mod loads;
mod read;
mod warm;
mod write;

use core::fmt;
use core::hash::{BuildHasher, Hash};

use crate::hash::DefaultHasher;
use crate::inner::Inner;
use crate::machine::Instant;
use crate::runtime::Runtime;
use crate::stats::CacheStats;
use crate::sync::Arc;

pub use entry::{Computed, KeyEntry, Op};
pub use loading::Loading;
pub use read::Iter;
pub use warm::{WarmProgress, WarmReport};

/// An async cache: keys `K`, values `V`, on runtime `R`, with hasher `S`.
///
/// A handle is cheap to clone and all clones are the same cache. It is `Send + Sync` if keys, values
/// and the runtime are. Values are handed out as clones: wrap what is dear to clone in an `Arc`.
///
/// Reads and writes are plain calls; only loads are async. Adapters name this type with their
/// runtime filled in, `cache_tokio::Cache<K, V>` for one.
///
/// ```
/// use cache_core::Cache;
/// use cache_core::testing::VirtualRuntime;
///
/// let runtime = VirtualRuntime::new();
/// let users: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).max_capacity(1_000).build();
///
/// users.insert(1, "alice");
/// assert_eq!(users.get(&1), Some("alice"));
/// let bob = runtime.block_on(users.get_with(2, || async { "bob" }));
/// assert_eq!(bob, "bob");
/// assert_eq!(users.entry_count(), 2);
/// ```
///
/// # What a loader finds around it
///
/// A load belongs to all callers that wait for it, so several tasks may poll its loader in turn. As long
/// as a load has one caller, the caller's task polls it: the loader finds the task-local values and the
/// tracing span of that task. Once a second caller joins, a background task polls the loader, and there
/// are none of these. A batch loader is always polled by a background task or by any member. Move what a
/// loader needs into its future: capture a value, set a task-local value by its `scope`, a span by
/// `instrument`. The front page of `cache-tokio` has an example.
///
/// One load serves several requests, with the context of the request that began it. A loader that stays
/// in its caller (the methods that end in `_inline`, and `and_compute_with`) is polled by that caller
/// alone, and finds all that the caller has.
///
/// # The end
///
/// What is left in the cache when its last handle is dropped is dropped with it; the eviction
/// listener is not told. [`Cache::drain`] or [`Cache::invalidate_all`] before that, if it should be.
pub struct Cache<K, V: 'static, R: Runtime, S = DefaultHasher> {
    inner: Arc<Inner<K, V, R, S>>,
}

impl<K, V, R: Runtime, S> Cache<K, V, R, S> {
    pub(crate) const fn inner(&self) -> &Arc<Inner<K, V, R, S>> {
        &self.inner
    }

    pub(crate) fn from_inner(inner: Arc<Inner<K, V, R, S>>) -> Self {
        Self { inner }
    }

    /// Entries stored, exact as soon as a write returns. An entry that has expired counts until it is
    /// purged: see [`Cache::run_pending_tasks`]. O(shards).
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.inner.shards().sum(|shard| shard.entry_count())
    }

    /// The weight of all entries together; counted like [`Cache::entry_count`].
    #[must_use]
    pub fn weighted_size(&self) -> u64 {
        self.inner.shards().sum(|shard| shard.weighted_size())
    }

    /// Loads under way whose value would be stored. O(shards + loads).
    #[must_use]
    pub fn flight_count(&self) -> u64 {
        self.inner.shards().sum(|shard| shard.flight_count() as u64)
    }

    /// What the cache has done so far. O(shards).
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let inner = &self.inner;
        let mut stats = CacheStats::new(
            &inner.shards().counters(),
            inner.requests.hits(),
            inner.requests.misses(),
            inner.requests.load_time(),
        );
        inner.batch_counters.add_to(&mut stats);
        stats
    }

    /// Bytes that the cache itself holds on the heap: not those that keys and values own, and not
    /// those of loads under way. O(shards).
    #[must_use]
    pub fn memory_used(&self) -> usize {
        size_of::<Inner<K, V, R, S>>()
            + self.inner.shards().memory_used()
            + self.inner.requests.memory_used()
    }

    /// Gives back the memory that the cache holds for entries that are gone.
    ///
    /// The cache does so itself where three of four entries have left, but on microcontrollers, and
    /// `invalidate_all` gives everything back at once. Nothing is given back while an iterator over
    /// the cache is alive. Shards are locked one at a time. O(entries).
    pub fn shrink_to_fit(&self) {
        self.inner.shards().shrink(|_| true);
    }

    /// The earliest time at which something may have to be purged; `None` if nothing can expire.
    /// For who drives maintenance from a timer of their own. O(shards).
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.inner.shards().next_deadline()
    }

    /// Purges everything that has expired. The cache is right without it: expired values are never
    /// returned, and every write purges a little. It bounds how long an idle cache holds on to
    /// memory; the builder's `janitor` does the same at the right times, within a millisecond or
    /// two. Shards are locked one at a time, each for a bounded time. O(expired entries + shards),
    /// amortized.
    pub fn run_pending_tasks(&self) {
        self.inner.purge(usize::MAX);
    }

    /// The runtime that the cache was built on.
    #[must_use]
    pub fn runtime(&self) -> &R {
        &self.inner.runtime
    }
}

impl<K, V, R: Runtime, S: BuildHasher> Cache<K, V, R, S> {
    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u32 {
        self.inner.hash(key)
    }
}

impl<K, V, R: Runtime, S> Clone for Cache<K, V, R, S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for Cache<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("entry_count", &self.entry_count())
            .field("weighted_size", &self.weighted_size())
            .finish_non_exhaustive()
    }
}
