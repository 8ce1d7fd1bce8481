//! The public handle of a cache, one file for each kind of call.

// In the order in which the documentation of `Cache` shows their methods.
mod read;

mod write;

mod remove_if;

mod stale;

mod loads;

mod warm;

mod entry;

mod load_output;

mod loading;

mod reloading;

mod view_loader;

#[cfg(feature = "std")]
mod blocking;

mod capacity;

mod statistics;

mod events;

mod weak;

use core::fmt;
use core::hash::{BuildHasher, Hash};

use crate::hash::DefaultHasher;
use crate::inner::Inner;
use crate::machine::Instant;
use crate::runtime::Runtime;
use crate::sync::Arc;

#[cfg(feature = "std")]
pub use blocking::Blocking;
#[cfg(any(feature = "macros", test))]
pub(crate) use blocking::block_on_load;
pub use entry::KeyEntry;
pub use load_output::LoadOutput;
#[cfg(feature = "tier")]
pub(crate) use load_output::erase_error;
pub use loading::{LoadingCache, OptionalLoadingCache};
pub use read::Iter;
pub use reloading::Reload;
pub use warm::{WarmProgress, WarmReport};
pub use weak::WeakCache;

/// An async cache with keys `K` and values `V`, on runtime `R`, with hasher `S`.
///
/// A handle is cheap to clone, and all clones are handles of the same cache. It is `Send + Sync` if
/// `K`, `V`, `R` and `S` are. Reads return clones of values: wrap a value in an `Arc` if its clone
/// is expensive.
///
/// Reads and writes are plain function calls; only loads are async. Each adapter has an alias of
/// this type for its runtime, such as `cache_tokio::Cache<K, V>`.
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
/// # Which method loads?
///
/// | the loader returns | method |
/// |---|---|
/// | `V` | [`get_with`](Cache::get_with) |
/// | `Option<V>` | [`optionally_get_with`](Cache::optionally_get_with) |
/// | `Result<V, E>` | [`try_get_with`](Cache::try_get_with) |
/// | `Result<Option<V>, E>` | [`try_optionally_get_with`](Cache::try_optionally_get_with) |
/// | `Result<Loaded<V>, E>`: a value with a ttl or a weight of its own | [`load_with`](Cache::load_with) |
///
/// Each has three more forms: `…_by_ref` takes a borrowed key, `…_scoped` a loader that borrows,
/// and `…_by_ref_scoped` both. [`refresh`](Cache::refresh) loads even if a value is stored.
/// [`loading`](Cache::loading), [`loading_optional`](Cache::loading_optional) and
/// [`batching`](Cache::batching) set the loader once, for all calls.
///
/// # What a loader may borrow
///
/// The cache keeps the loader of [`get_with`](Cache::get_with) and of the other plain loads, so
/// that the load continues when its caller is dropped. So the loader's future must be `'static`
/// and, on a runtime that moves tasks between threads, such as Tokio, `Send`. A cache of an
/// adapter's `local` module needs no `Send`. Clone what the loader needs, and move the clone into
/// its future:
///
/// ```
/// # use cache_core::{Cache, testing::VirtualRuntime};
/// # use std::sync::Arc;
/// # let runtime = VirtualRuntime::new();
/// # let cache: Cache<u64, String, _> = Cache::builder_on(runtime.clone()).build();
/// # struct Db;
/// # impl Db { async fn user(&self, id: u64) -> String { format!("user {id}") } }
/// # let db = Arc::new(Db);
/// # runtime.block_on(async {
/// let load = || {
///     let db = Arc::clone(&db);
///     async move { db.user(7).await }
/// };
/// let user = cache.get_with(7, load).await;
/// # assert_eq!(user, "user 7");
/// # });
/// ```
///
/// A loader that borrows, or that is not `Send`, needs a method whose name ends in `_scoped`, such
/// as [`get_with_scoped`](Cache::get_with_scoped):
///
/// ```
/// # use cache_core::{Cache, testing::VirtualRuntime};
/// # let runtime = VirtualRuntime::new();
/// # let cache: Cache<u64, String, _> = Cache::builder_on(runtime.clone()).build();
/// # struct Db;
/// # impl Db { async fn user(&self, id: u64) -> String { format!("user {id}") } }
/// # let db = Db;
/// # runtime.block_on(async {
/// let user = cache.get_with_scoped(7, || db.user(7)).await;
/// # assert_eq!(user, "user 7");
/// # });
/// ```
///
/// # Context of a loader
///
/// All callers that wait for a load share it, so different tasks may poll its loader. While a load
/// has one caller, the task of that caller polls the loader, which then sees the task-local values
/// and the tracing span of that task. Once a second caller joins, a background task polls the
/// loader, without that context. A batch loader is polled by a background task or by any of its
/// waiters.
///
/// Move what a loader needs into its future: capture values, set a task-local value with its
/// `scope`, set a span with `instrument`. A load that serves several requests then has the context
/// of the request that started it. The front page of `cache-tokio` has an example.
///
/// The methods that end in `_scoped`, and [`KeyEntry::and_compute_with`], are different: only the
/// caller itself polls the loader, which always sees the context of that caller.
///
/// # Drop
///
/// When the last handle is dropped, the cache drops its entries without calls to the eviction
/// listener. Call [`Cache::drain`] or [`Cache::invalidate_all`] first if the listener must see
/// them.
pub struct Cache<K, V, R: Runtime, S = DefaultHasher> {
    inner: Arc<Inner<K, V, R, S>>,
}

impl<K, V, R: Runtime, S> Cache<K, V, R, S> {
    pub(crate) const fn inner(&self) -> &Arc<Inner<K, V, R, S>> {
        &self.inner
    }

    pub(crate) fn from_inner(inner: Arc<Inner<K, V, R, S>>) -> Self {
        Self { inner }
    }

    /// Returns the number of stored entries. O(shards).
    ///
    /// The count includes every write that has returned. It also includes expired entries that are
    /// not yet purged: see [`Cache::run_pending_tasks`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// assert_eq!(cache.entry_count(), 1);
    /// ```
    #[doc(alias("len", "estimatedSize", "currsize"))]
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.inner.shards().sum(|shard| shard.entry_count())
    }

    /// Returns whether no entry is stored, as [`Cache::entry_count`] counts them. O(shards).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// assert!(cache.is_empty());
    /// cache.insert(1, "one");
    /// assert!(!cache.is_empty());
    /// ```
    #[doc(alias = "isEmpty")]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entry_count() == 0
    }

    /// Returns the name that the builder's [`name`](crate::Builder::name) set. O(1).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// let builder = Cache::<u64, &str, _>::builder_on(VirtualRuntime::new());
    /// assert_eq!(builder.name("users").build().name(), Some("users"));
    /// ```
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.inner.name.as_deref()
    }

    /// Returns the bound of the total weight, in the unit of the weigher; `None` if the cache has
    /// no bound. [`Cache::set_max_capacity`] changes it. O(1).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// let builder = Cache::<u64, &str, _>::builder_on(VirtualRuntime::new());
    /// assert_eq!(builder.max_capacity(1_000).build().max_capacity(), Some(1_000));
    /// ```
    #[doc(alias("capacity", "maxsize"))]
    #[must_use]
    pub fn max_capacity(&self) -> Option<u64> {
        self.inner.shards().max_capacity()
    }

    /// Returns the total weight of all entries, in the unit of the weigher; without a weigher, the
    /// number of entries. Counted as [`Cache::entry_count`]. O(shards).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert_weighted(1, "<html>", 6);
    /// assert_eq!(cache.weighted_size(), 6);
    /// ```
    #[doc(alias("weight", "usage", "weightedSize"))]
    #[must_use]
    pub fn weighted_size(&self) -> u64 {
        self.inner.shards().sum(|shard| shard.weighted_size())
    }

    /// Returns the number of loads in flight that no newer write has fenced. O(shards + loads).
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// # let (clock, handle) = (runtime.clone(), cache.clone());
    /// # let load = move || async move {
    /// #     clock.sleep(Duration::from_secs(5)).await;
    /// #     "one"
    /// # };
    /// # runtime.spawn(async move { handle.get_with(1, load).await });
    /// # runtime.run_until_idle();
    /// // While another task waits for `get_with`:
    /// assert_eq!(cache.flight_count(), 1);
    /// ```
    #[must_use]
    pub fn flight_count(&self) -> u64 {
        self.inner.shards().sum(|shard| shard.flight_count() as u64)
    }

    /// Frees the memory that the cache still holds for removed entries. O(entries).
    ///
    /// It is seldom needed: a shard shrinks itself after it has lost three of four entries (not on
    /// microcontrollers), and [`Cache::invalidate_all`] frees everything. This call frees nothing
    /// while an [`Iter`] over the cache exists. It locks one shard at a time.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// for n in 0..1_000 {
    ///     cache.insert(n, n);
    /// }
    /// let full = cache.memory_used();
    /// for n in 0..500 {
    ///     cache.invalidate(&n);
    /// }
    /// cache.shrink_to_fit();
    /// assert!(cache.memory_used() < full);
    /// ```
    pub fn shrink_to_fit(&self) {
        self.inner.shards().shrink(|_| true);
    }

    /// Returns the earliest time at which an entry may expire, on the runtime's clock; `None` if no
    /// entry can expire. O(shards).
    ///
    /// Use it to schedule [`Cache::run_pending_tasks`] yourself.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, Ttl, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// assert_eq!(cache.next_deadline(), None);
    /// cache.insert_with_ttl(1, "one", Ttl::After(Duration::from_secs(60)));
    /// assert!(cache.next_deadline().is_some());
    /// ```
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.inner.shards().next_deadline()
    }

    /// Purges all expired entries. O(expired entries + shards), amortized.
    ///
    /// It is seldom needed: reads never return an expired entry, and each write purges a few. Use
    /// it to free the memory of an idle cache. The builder's [`janitor`](crate::Builder::janitor)
    /// does this in the background, within about two milliseconds of each deadline. It locks one
    /// shard at a time, each for a bounded time.
    ///
    /// # Panics
    /// If the eviction listener panics; all expired entries are purged then.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, Ttl, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// cache.insert_with_ttl(1, "one", Ttl::After(Duration::from_secs(60)));
    /// # runtime.advance(Duration::from_secs(60));
    /// // One minute later:
    /// assert_eq!(cache.entry_count(), 1);
    /// cache.run_pending_tasks();
    /// assert_eq!(cache.entry_count(), 0);
    /// ```
    #[doc(alias("cleanUp", "evict", "flush"))]
    pub fn run_pending_tasks(&self) {
        self.inner.purge(usize::MAX);
    }

    /// Returns the runtime that the cache was built on.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// assert_eq!(cache.runtime().task_count(), 0);
    /// ```
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
            .field("name", &self.name())
            .field("entry_count", &self.entry_count())
            .field("weighted_size", &self.weighted_size())
            .finish_non_exhaustive()
    }
}
