//! The associated functions of [`Cache`] that start from settings.

#[cfg(feature = "std")]
use core::hash::Hash;

use super::Builder;
#[cfg(feature = "std")]
use super::SupportsCache;
use crate::cache::Cache;
#[cfg(feature = "std")]
use crate::hash::DefaultHasher;
use crate::runtime::Runtime;

impl<K, V, R> Cache<K, V, R>
where
    R: Runtime,
{
    /// Returns a builder for a cache on `runtime`. Use it for a runtime that has state of its own,
    /// such as a clock or an executor; [`Cache::builder`] is shorter for the others.
    ///
    /// ```
    /// use cache_core::{Cache, testing::VirtualRuntime};
    ///
    /// let runtime = VirtualRuntime::new();
    /// let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # drop(cache);
    /// ```
    #[must_use]
    pub fn builder_on(runtime: R) -> Builder<K, V, R> {
        Builder::on(runtime)
    }
}

impl<K, V, R> Cache<K, V, R>
where
    R: Runtime + Default,
{
    /// Returns a builder for a cache on the default value of the runtime `R`.
    ///
    /// ```
    /// # use cache_core::testing::VirtualRuntime;
    /// # type Cache<K, V> = cache_core::Cache<K, V, VirtualRuntime>;
    /// let cache: Cache<u64, u64> = Cache::builder().max_capacity(100).build();
    /// # drop(cache);
    /// ```
    #[must_use]
    pub fn builder() -> Builder<K, V, R> {
        Builder::on(R::default())
    }
}

#[cfg(feature = "std")]
impl<K, V, R> Cache<K, V, R>
where
    K: Eq + Hash,
    V: Clone,
    R: SupportsCache<K, V, DefaultHasher> + Default,
{
    /// Creates a cache for at most `max_capacity` entries, with the defaults of all other settings.
    ///
    /// With a capacity of zero the cache stores nothing, but callers still share loads.
    ///
    /// ```
    /// # use cache_core::testing::VirtualRuntime;
    /// # type Cache<K, V> = cache_core::Cache<K, V, VirtualRuntime>;
    /// let users: Cache<u64, String> = Cache::new(1_000);
    /// users.insert(1, "alice".to_string());
    /// assert_eq!(users.get(&1).as_deref(), Some("alice"));
    /// ```
    #[must_use]
    pub fn new(max_capacity: u64) -> Self {
        Self::builder().max_capacity(max_capacity).build()
    }
}

/// Creates a cache for at most 128 entries that do not expire.
#[cfg(feature = "std")]
impl<K, V, R> Default for Cache<K, V, R>
where
    K: Eq + Hash,
    V: Clone,
    R: SupportsCache<K, V, DefaultHasher> + Default,
{
    fn default() -> Self {
        Self::new(128)
    }
}

impl<K, V, R> Builder<K, V, R>
where
    R: Runtime + Default,
{
    /// Returns a builder for a cache of at most `max_capacity` entries: a shorthand for
    /// [`Cache::builder`] and [`Builder::max_capacity`].
    ///
    /// ```
    /// # use cache_core::testing::VirtualRuntime;
    /// # type Builder<K, V> = cache_core::Builder<K, V, VirtualRuntime>;
    /// let users = Builder::<u64, String>::new(1_000).name("users").build();
    /// assert_eq!(users.max_capacity(), Some(1_000));
    /// ```
    #[must_use]
    pub fn new(max_capacity: u64) -> Self {
        Self::default().max_capacity(max_capacity)
    }
}

/// Returns what [`Cache::builder`] returns: a builder for a cache without a bound.
impl<K, V, R> Default for Builder<K, V, R>
where
    R: Runtime + Default,
{
    fn default() -> Self {
        Self::on(R::default())
    }
}
