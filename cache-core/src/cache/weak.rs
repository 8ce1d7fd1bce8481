//! A handle that does not keep its cache alive.

use core::fmt;

use super::Cache;
use crate::hash::DefaultHasher;
use crate::inner::Inner;
use crate::runtime::Runtime;
use crate::sync::{Arc, Weak};

/// A handle of a [`Cache`] that does not keep the cache alive: [`Cache::downgrade`]
/// returns it.
///
/// A task or a hook that the cache itself owns, such as an eviction listener, holds this instead of
/// a [`Cache`], which would keep the cache alive forever.
///
/// ```
/// # use cache_core::{Cache, testing::VirtualRuntime};
/// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
/// let weak = cache.downgrade();
/// cache.insert(1, "one");
/// assert_eq!(weak.upgrade().unwrap().get(&1), Some("one"));
/// drop(cache);
/// assert!(weak.upgrade().is_none());
/// ```
pub struct WeakCache<K, V, R: Runtime, S = DefaultHasher> {
    inner: Weak<Inner<K, V, R, S>>,
}

impl<K, V, R: Runtime, S> Cache<K, V, R, S> {
    /// Returns a handle that does not keep the cache alive. O(1).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// let weak = cache.downgrade();
    /// drop(cache);
    /// assert!(weak.upgrade().is_none());
    /// ```
    #[doc(alias = "weak")]
    #[must_use]
    pub fn downgrade(&self) -> WeakCache<K, V, R, S> {
        WeakCache {
            inner: Arc::downgrade(&self.inner),
        }
    }
}

impl<K, V, R: Runtime, S> WeakCache<K, V, R, S> {
    /// Returns a handle of the cache, or `None` if the cache is dropped.
    ///
    /// Views, iterators and loads in flight keep the cache alive, as its handles do.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// let weak = cache.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// ```
    #[must_use]
    pub fn upgrade(&self) -> Option<Cache<K, V, R, S>> {
        self.inner.upgrade().map(Cache::from_inner)
    }
}

impl<K, V, R: Runtime, S> Clone for WeakCache<K, V, R, S> {
    fn clone(&self) -> Self {
        Self {
            inner: Weak::clone(&self.inner),
        }
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for WeakCache<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakCache").finish_non_exhaustive()
    }
}
