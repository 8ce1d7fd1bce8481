//! The registry of named caches.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::observed::{Observed, Register, Snapshot, WeakObserved};

/// Named caches of any type, for exporters of their figures.
///
/// A registry is cheap to clone, and all clones share the same caches. It holds weak handles, so it
/// keeps no cache alive, and a cache that is dropped is no longer in it.
///
/// ```
/// use cache_metrics::Registry;
/// use cache_tokio::Cache;
///
/// # fn main() -> Result<(), cache_metrics::RegisterError> {
/// let registry = Registry::new();
/// let users: Cache<u64, String> = Cache::builder().name("users").build();
/// let pages: Cache<String, Vec<u8>> = Cache::builder().name("pages").build();
/// registry.register(&users)?;
/// registry.register(&pages)?;
///
/// let names = |registry: &Registry| -> Vec<String> {
///     registry.snapshots().iter().map(|cache| cache.name.to_string()).collect()
/// };
/// assert_eq!(names(&registry), ["pages", "users"]);
/// drop(pages);
/// assert_eq!(names(&registry), ["users"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    caches: Arc<Mutex<Caches>>,
}

/// The handles by name.
type Caches = BTreeMap<Arc<str>, Registered>;

/// A registered cache.
struct Registered {
    handle: Arc<dyn WeakObserved>,
    /// Whether its weigher returns bytes.
    weighs_bytes: bool,
}

impl Registry {
    /// Creates a registry without caches.
    ///
    /// ```
    /// assert!(cache_metrics::Registry::new().snapshots().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `cache` under the name that its builder set. O(log caches).
    ///
    /// The cache keeps histograms of load times and of batch sizes from then on, which take 3.3 kB:
    /// see [`enable_histograms`](cache_core::Cache::enable_histograms).
    ///
    /// # Errors
    /// [`RegisterError::Unnamed`] if the cache has no name, and [`RegisterError::NameTaken`] if a
    /// live cache of that name is registered, which may be `cache` itself. The name of a cache that
    /// is dropped is free.
    ///
    /// ```
    /// use cache_metrics::{RegisterError, Registry};
    /// use cache_tokio::Cache;
    ///
    /// let registry = Registry::new();
    /// let unnamed: Cache<u64, u64> = Cache::new(10);
    /// assert_eq!(registry.register(&unnamed), Err(RegisterError::Unnamed));
    ///
    /// let named = || -> Cache<u64, u64> { Cache::builder().name("users").build() };
    /// let (first, second) = (named(), named());
    /// assert_eq!(registry.register(&first), Ok(()));
    /// let error = registry.register(&second).unwrap_err();
    /// assert_eq!(error.to_string(), "a live cache named \"users\" is registered already");
    /// drop(first);
    /// assert_eq!(registry.register(&second), Ok(()));
    /// ```
    pub fn register(&self, cache: &(impl Register + ?Sized)) -> Result<(), RegisterError> {
        self.add(cache, false)
    }

    /// As [`Registry::register`], for a cache whose weigher returns bytes.
    ///
    /// Exporters then also have the total weight and its bound with the unit of bytes:
    /// `cache_size_bytes` and `cache_size_limit_bytes`, in OpenTelemetry `cache.size` and
    /// `cache.size.limit`.
    ///
    /// # Errors
    /// As [`Registry::register`].
    ///
    /// ```
    /// use cache_metrics::Registry;
    /// use cache_tokio::Cache;
    ///
    /// # fn main() -> Result<(), cache_metrics::RegisterError> {
    /// let registry = Registry::new();
    /// let pages: Cache<u64, String> = Cache::builder()
    ///     .name("pages")
    ///     .max_capacity(64 << 20)
    ///     .weigher(|_, page: &String| page.len().try_into().unwrap_or(u32::MAX))
    ///     .build();
    /// registry.register_in_bytes(&pages)?;
    /// pages.insert(1, "<html>".to_owned());
    /// let text = registry.prometheus_text("cache");
    /// assert!(text.contains("\ncache_size_bytes{cache=\"pages\"} 6\n"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn register_in_bytes(&self, cache: &(impl Register + ?Sized)) -> Result<(), RegisterError> {
        self.add(cache, true)
    }

    fn add(
        &self,
        cache: &(impl Register + ?Sized),
        weighs_bytes: bool,
    ) -> Result<(), RegisterError> {
        let name: Arc<str> = cache.name().ok_or(RegisterError::Unnamed)?.into();
        let registered = Registered {
            handle: cache.downgrade().into(),
            weighs_bytes,
        };
        let mut caches = self.lock();
        let holder = caches.get(&name).and_then(|found| found.handle.upgrade());
        if holder.is_none() {
            caches.insert(name, registered);
            drop(caches);
            cache.enable_histograms();
            return Ok(());
        }
        // Unlock before the drop of `holder`: if it is the last handle, it drops entries.
        drop(caches);
        Err(RegisterError::NameTaken(name))
    }

    /// Returns the live caches with their names, in the order of the names. O(caches).
    ///
    /// The result keeps the caches alive.
    ///
    /// ```
    /// use cache_metrics::Registry;
    /// use cache_tokio::Cache;
    ///
    /// # fn main() -> Result<(), cache_metrics::RegisterError> {
    /// let registry = Registry::new();
    /// let users: Cache<u64, u64> = Cache::builder().name("users").build();
    /// registry.register(&users)?;
    /// let (name, cache) = &registry.caches()[0];
    /// assert_eq!((&**name, cache.entry_count()), ("users", 0));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn caches(&self) -> Vec<(Arc<str>, Arc<dyn Observed + Send + Sync>)> {
        let live = self.live().into_iter();
        live.map(|(name, cache, _)| (name, cache)).collect()
    }

    /// The live caches with their names, and whether their weighers return bytes.
    fn live(&self) -> Vec<(Arc<str>, Arc<dyn Observed + Send + Sync>, bool)> {
        let mut live = Vec::new();
        self.lock().retain(|name, found| {
            let cache = found.handle.upgrade();
            let is_live = cache.is_some();
            live.extend(cache.map(|cache| (Arc::clone(name), cache, found.weighs_bytes)));
            is_live
        });
        live
    }

    /// Returns the figures of the live caches, in the order of their names. O(shards of all caches,
    /// plus loads in flight).
    ///
    /// No lock of the registry is held while a cache is read.
    ///
    /// ```
    /// use cache_metrics::Registry;
    /// use cache_tokio::Cache;
    ///
    /// # fn main() -> Result<(), cache_metrics::RegisterError> {
    /// let registry = Registry::new();
    /// let users: Cache<u64, u64> = Cache::builder().name("users").max_capacity(10).build();
    /// registry.register(&users)?;
    /// users.insert(1, 1);
    /// let snapshot = &registry.snapshots()[0];
    /// assert_eq!((snapshot.entry_count, snapshot.max_capacity), (1, Some(10)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let caches = self.live().into_iter();
        caches
            .map(|(name, cache, weighs_bytes)| Snapshot {
                weighs_bytes,
                ..Snapshot::of(name, &*cache)
            })
            .collect()
    }

    /// As [`Registry::snapshots`], without histograms.
    #[cfg(any(feature = "metrics", feature = "opentelemetry"))]
    pub(crate) fn figures(&self) -> impl Iterator<Item = Snapshot> {
        let caches = self.live().into_iter();
        caches.map(|(name, cache, weighs_bytes)| Snapshot {
            weighs_bytes,
            ..Snapshot::figures(name, &*cache)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Caches> {
        // No code that runs while the map is locked leaves it half changed.
        self.caches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

/// Why a registry did not add a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// The cache has no name: its builder needs [`name`](cache_core::Builder::name).
    Unnamed,
    /// A live cache of this name is registered.
    NameTaken(Arc<str>),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => f.write_str("the cache has no name: set one with `Builder::name`"),
            Self::NameTaken(name) => {
                write!(f, "a live cache named {name:?} is registered already")
            }
        }
    }
}

impl Error for RegisterError {}
