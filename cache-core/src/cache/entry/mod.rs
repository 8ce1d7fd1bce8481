//! One key: read its value, decide and write, without losing an update to a load.

mod compute;
mod insert;

use core::hash::{BuildHasher, Hash};

use super::Cache;
use crate::key::ToKey;
use crate::load::{Borrowed, Owned};
use crate::runtime::Runtime;

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
        KeyEntry {
            cache: self,
            key: Owned::new(key),
        }
    }

    /// As [`Cache::entry`], with a borrowed key. Makes an owned key only to load or to compute.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<String, u32, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// let seven = cache.entry_by_ref("seven").or_insert(7).await;
    /// assert_eq!((seven.value, seven.is_fresh), (7, true));
    /// # });
    /// ```
    #[must_use]
    pub const fn entry_by_ref<'a, Q>(
        &'a self,
        key: &'a Q,
    ) -> KeyEntry<'a, K, V, R, S, Borrowed<'a, Q>>
    where
        Q: ToKey<K> + ?Sized,
    {
        KeyEntry {
            cache: self,
            key: Borrowed(key),
        }
    }
}

/// One key of a cache, to be read and written in one step: [`Cache::entry`] and
/// [`Cache::entry_by_ref`] return it.
///
/// The `or_` methods return the value and whether this call produced it. They load as the methods
/// of [`Cache`] do, and share loads with them. The `and_` methods see the current value and decide
/// what becomes of it.
#[derive(Debug)]
pub struct KeyEntry<'a, K, V, R: Runtime, S, N = Owned<K>> {
    cache: &'a Cache<K, V, R, S>,
    key: N,
}
