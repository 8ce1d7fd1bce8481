//! A handle that does not keep a tiered cache alive.

use core::fmt;

use super::state::TierState;
use super::store::Tier;
use super::tiered::Tiered;
use crate::hash::DefaultHasher;
use crate::runtime::Runtime;
use crate::sync::{Arc, Weak};

/// A handle of a [`Tiered`] cache that does not keep the cache alive: [`Tiered::downgrade`] returns
/// it.
///
/// ```
/// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
/// # let runtime = VirtualRuntime::new();
/// # let tier = MemoryTier::<u64, u64>::new(runtime.clone());
/// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
/// let weak = users.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(users);
/// assert!(weak.upgrade().is_none());
/// ```
pub struct WeakTiered<K: 'static, V: 'static, T, R, S = DefaultHasher>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    state: Weak<TierState<K, V, T, R, S>>,
}

impl<K, V, T, R, S> Tiered<K, V, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    /// Returns a handle that does not keep the cache alive. O(1).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<u64, u64>::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// let weak = users.downgrade();
    /// drop(users);
    /// assert!(weak.upgrade().is_none());
    /// ```
    #[must_use]
    pub fn downgrade(&self) -> WeakTiered<K, V, T, R, S> {
        WeakTiered {
            state: Arc::downgrade(&self.state),
        }
    }
}

impl<K, V, T, R, S> WeakTiered<K, V, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    /// Returns a handle of the cache, or `None` if the cache is dropped. Views and loads in flight
    /// keep the cache alive, as its handles do.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<u64, u64>::new(runtime.clone());
    /// let users = Cache::builder_on(runtime.clone()).name("users").tiered(tier);
    /// let again = users.downgrade().upgrade().unwrap();
    /// assert_eq!(again.cache().name(), Some("users"));
    /// ```
    #[must_use]
    pub fn upgrade(&self) -> Option<Tiered<K, V, T, R, S>> {
        let state = self.state.upgrade()?;
        Some(Tiered {
            cache: state.cache.clone(),
            state,
        })
    }
}

impl<K, V, T, R, S> Clone for WeakTiered<K, V, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn clone(&self) -> Self {
        Self {
            state: Weak::clone(&self.state),
        }
    }
}

impl<K, V, T, R, S> fmt::Debug for WeakTiered<K, V, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakTiered").finish_non_exhaustive()
    }
}
