//! What a registry reads of a cache, independent of the types of the cache.

use std::sync::Arc;

use cache_core::runtime::Runtime;
use cache_core::tier::TierStats;
use cache_core::{Cache, CacheStats, Histograms, WeakCache};

/// The figures of a cache of any type. Every [`Cache`] and every
/// [`Tiered`](cache_core::tier::Tiered) cache implements it.
///
/// Each method reads the cache at the time of the call.
///
/// ```
/// use cache_metrics::Observed;
/// use cache_tokio::Cache;
///
/// fn report(caches: &[&dyn Observed]) {
///     for cache in caches {
///         println!("{:?}: {} entries", cache.name(), cache.entry_count());
///     }
/// }
///
/// let users: Cache<u64, String> = Cache::builder().name("users").build();
/// let pages: Cache<String, Vec<u8>> = Cache::new(100);
/// report(&[&users, &pages]);
/// ```
pub trait Observed {
    /// Returns the name of the cache, if it has one.
    fn name(&self) -> Option<&str>;

    /// Returns the counts since the cache was built.
    fn stats(&self) -> CacheStats;

    /// Returns the number of stored entries.
    fn entry_count(&self) -> u64;

    /// Returns the total weight of all entries, in the unit of the weigher.
    fn weighted_size(&self) -> u64;

    /// Returns the bound of the total weight; `None` if the cache has no bound.
    fn max_capacity(&self) -> Option<u64>;

    /// Returns the number of loads in flight.
    fn flight_count(&self) -> u64;

    /// Returns the number of heap bytes that the cache itself holds.
    fn memory_used(&self) -> usize;

    /// Returns the histograms of load times and of batch sizes, if the cache keeps them. A
    /// registered cache does.
    fn histograms(&self) -> Option<Histograms>;

    /// Returns what a tiered cache has done with its second tier; `None` for a cache without one.
    fn tier(&self) -> Option<TierStats> {
        None
    }
}

impl<K, V, R: Runtime, S> Observed for Cache<K, V, R, S> {
    fn name(&self) -> Option<&str> {
        self.name()
    }

    fn stats(&self) -> CacheStats {
        self.stats()
    }

    fn entry_count(&self) -> u64 {
        self.entry_count()
    }

    fn weighted_size(&self) -> u64 {
        self.weighted_size()
    }

    fn max_capacity(&self) -> Option<u64> {
        self.max_capacity()
    }

    fn flight_count(&self) -> u64 {
        self.flight_count()
    }

    fn memory_used(&self) -> usize {
        self.memory_used()
    }

    fn histograms(&self) -> Option<Histograms> {
        self.histograms()
    }
}

/// A handle of an observed cache that does not keep the cache alive.
pub trait WeakObserved: Send + Sync {
    /// Returns the cache, or `None` if it is dropped.
    ///
    /// The result keeps the cache alive. If it is the last handle, its drop drops the entries.
    fn upgrade(&self) -> Option<Arc<dyn Observed + Send + Sync>>;
}

impl<K, V, R: Runtime, S> WeakObserved for WeakCache<K, V, R, S>
where
    Self: Send + Sync,
    Cache<K, V, R, S>: Send + Sync + 'static,
{
    fn upgrade(&self) -> Option<Arc<dyn Observed + Send + Sync>> {
        let cache = Self::upgrade(self)?;
        Some(Arc::new(cache))
    }
}

/// A cache that a [`Registry`](crate::Registry) can hold: every [`Cache`] and every
/// [`Tiered`](cache_core::tier::Tiered) cache that is `Send + Sync + 'static`.
///
/// A cache of an adapter's `local` module is not `Send`, and a registry is shared between threads.
/// [`Observed`] has the figures of such a cache:
///
/// ```
/// use cache_metrics::Observed;
/// use cache_tokio::local;
///
/// let cache: local::Cache<u64, std::rc::Rc<str>> = local::Cache::builder().name("tabs").build();
/// cache.insert(1, "one".into());
/// assert_eq!(Observed::entry_count(&cache), 1);
/// ```
#[diagnostic::on_unimplemented(
    message = "a registry cannot hold `{Self}`",
    label = "this is not a cache that is `Send + Sync + 'static`",
    note = "a cache of an adapter's `local` module is bound to its thread: use a cache of the \
            adapter itself, such as `cache_tokio::Cache`, or read the figures of the local cache \
            by `Observed` on its thread",
    note = "a view, such as a `LoadingCache`, has its cache in `view.cache()`"
)]
pub trait Register {
    /// Returns the name of the cache, if it has one.
    fn name(&self) -> Option<&str>;

    /// Returns a handle that does not keep the cache alive.
    fn downgrade(&self) -> Box<dyn WeakObserved>;

    /// Makes the cache keep histograms.
    fn enable_histograms(&self);
}

#[diagnostic::do_not_recommend]
impl<K, V, R: Runtime, S> Register for Cache<K, V, R, S>
where
    Self: Send + Sync + 'static,
    WeakCache<K, V, R, S>: Send + Sync + 'static,
{
    fn name(&self) -> Option<&str> {
        self.name()
    }

    fn downgrade(&self) -> Box<dyn WeakObserved> {
        Box::new(self.downgrade())
    }

    fn enable_histograms(&self) {
        self.enable_histograms();
    }
}

/// The figures of a cache at one time: [`Registry::snapshots`](crate::Registry::snapshots) returns
/// one for each cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The name of the cache.
    pub name: Arc<str>,
    /// The counts since the cache was built.
    pub stats: CacheStats,
    /// The number of stored entries.
    pub entry_count: u64,
    /// The total weight of all entries, in the unit of the weigher.
    pub weighted_size: u64,
    /// Whether that unit is bytes: [`Registry::register_in_bytes`] says so.
    ///
    /// [`Registry::register_in_bytes`]: crate::Registry::register_in_bytes
    pub weighs_bytes: bool,
    /// The bound of the total weight; `None` if the cache has no bound.
    pub max_capacity: Option<u64>,
    /// The number of loads in flight.
    pub flight_count: u64,
    /// The number of heap bytes that the cache itself holds.
    pub memory_used: usize,
    /// The histograms of load times and of batch sizes, if the cache keeps them. A registered cache
    /// does.
    pub histograms: Option<Histograms>,
    /// What a tiered cache has done with its second tier; `None` for a cache without one.
    pub tier: Option<TierStats>,
}

impl Snapshot {
    /// Reads the figures of `cache`.
    ///
    /// ```
    /// use cache_metrics::Snapshot;
    /// use cache_tokio::local;
    ///
    /// let cache: local::Cache<u64, u64> = local::Cache::new(10);
    /// cache.insert(1, 1);
    /// let snapshot = Snapshot::of("squares", &cache);
    /// assert_eq!((&*snapshot.name, snapshot.entry_count), ("squares", 1));
    /// ```
    #[must_use]
    pub fn of(name: impl Into<Arc<str>>, cache: &(impl Observed + ?Sized)) -> Self {
        let histograms = cache.histograms();
        Self {
            histograms,
            ..Self::figures(name, cache)
        }
    }

    /// As [`Snapshot::of`], without histograms.
    pub(crate) fn figures(name: impl Into<Arc<str>>, cache: &(impl Observed + ?Sized)) -> Self {
        Self {
            name: name.into(),
            stats: cache.stats(),
            entry_count: cache.entry_count(),
            weighted_size: cache.weighted_size(),
            weighs_bytes: false,
            max_capacity: cache.max_capacity(),
            flight_count: cache.flight_count(),
            memory_used: cache.memory_used(),
            histograms: None,
            tier: cache.tier(),
        }
    }
}
