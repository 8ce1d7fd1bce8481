//! The bound of a cache that is in use.

use super::Cache;
use crate::error::{BuildError, Value};
use crate::opt_in::{ChangedCapacity, Feature};
use crate::panic;
use crate::runtime::Runtime;

impl<K, V, R: Runtime, S> Cache<K, V, R, S> {
    /// Changes the bound that the builder's [`max_capacity`](crate::Builder::max_capacity) set.
    /// O(shards), plus the evicted entries.
    ///
    /// If the entries weigh more than the new bound, the cache evicts at once, expired entries
    /// first: when this returns, the entries weigh at most the new bound, unless another call has
    /// changed the bound since. The cache calls the listener for each evicted entry with
    /// [`RemovalCause::Size`](crate::RemovalCause::Size). An entry of weight 0 stays. The bound on
    /// [remembered results](crate::Builder::error_ttl) does not change.
    ///
    /// # Panics
    /// If the builder set no `max_capacity`: such a cache keeps no order of eviction. If the
    /// eviction listener panics; the bound is changed then.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// let cache = Cache::builder_on(VirtualRuntime::new()).max_capacity(100).build();
    /// for n in 0..100 {
    ///     cache.insert(n, n * n);
    /// }
    /// cache.set_max_capacity(10);
    /// assert_eq!((cache.max_capacity(), cache.entry_count()), (Some(10), 10));
    /// ```
    #[doc(alias("resize", "set_capacity", "set_max_size", "setMaximum"))]
    #[track_caller]
    pub fn set_max_capacity(&self, max_capacity: u64) {
        if let Err(error) = self.try_set_max_capacity(max_capacity) {
            panic!("{error}");
        }
    }

    /// Changes the bound as [`Cache::set_max_capacity`] does, or returns why it cannot change.
    ///
    /// # Errors
    /// [`BuildError`] if the builder set no `max_capacity`.
    ///
    /// # Panics
    /// If the eviction listener panics; the bound is changed then.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// let unbounded: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// let error = unbounded.try_set_max_capacity(10).unwrap_err();
    /// assert_eq!(error.field(), "max_capacity");
    /// ```
    pub fn try_set_max_capacity(&self, max_capacity: u64) -> Result<(), BuildError> {
        if self.max_capacity().is_none() {
            let rule = "the builder must set it if it is to change later";
            return Err(BuildError::new(
                "max_capacity",
                Value::Word("not set"),
                rule,
            ));
        }
        let inner = self.inner();
        // The bound must change even if the listener panics for an entry that has expired.
        let (_, panicked) = inner.purge_catching(usize::MAX);
        let (now, mut fx) = (inner.now(), inner.effects());
        let enabled = ChangedCapacity::enable();
        inner
            .shards()
            .set_max_capacity(max_capacity, now, enabled, &mut fx);
        panic::resume_first(panicked.or(fx.finish()));
        Ok(())
    }
}
