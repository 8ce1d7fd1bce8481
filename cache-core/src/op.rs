//! What a computation on one key decides, and what became of it.

use crate::flight::Loaded;

/// What a computation does with its key: [`KeyEntry::and_compute_with`] takes one from its closure.
///
/// [`KeyEntry::and_compute_with`]: crate::KeyEntry::and_compute_with
///
/// ```
/// use cache_core::{Loaded, Op, Ttl};
/// use core::time::Duration;
///
/// let plain = Op::put("open");
/// let short = Op::Put(Loaded::new("open").ttl(Ttl::After(Duration::from_secs(5))));
/// assert_ne!(plain, short);
/// assert_ne!(plain, Op::Remove);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op<V> {
    /// Stores this value.
    Put(Loaded<V>),
    /// Removes the entry.
    Remove,
    /// Leaves the entry as it is.
    Nop,
}

impl<V> Op<V> {
    /// Stores `value` with the ttl and the weight that the cache's settings give it. Use
    /// [`Op::Put`] with a [`Loaded`] to choose them.
    ///
    /// ```
    /// use cache_core::{Loaded, Op};
    ///
    /// assert_eq!(Op::put(7), Op::Put(Loaded::new(7)));
    /// ```
    #[must_use]
    pub const fn put(value: V) -> Self {
        Self::Put(Loaded::new(value))
    }
}

/// What a computation changed: [`KeyEntry::and_compute_with`] returns it.
///
/// [`KeyEntry::and_compute_with`]: crate::KeyEntry::and_compute_with
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Computed<V> {
    /// The cache wrote this value. As after any write, the value may be gone already: if it weighs
    /// more than the cache holds, or if its ttl is zero.
    Put(V),
    /// The cache removed the entry. Contains the removed value, `None` if there was no entry.
    Removed(Option<V>),
    /// The computation chose [`Op::Nop`]. Contains the value of the entry, if there is one.
    Unchanged(Option<V>),
    /// The computation changed nothing, because the key was written, invalidated or refreshed while
    /// it ran. It did not see that newer write, so it must not overwrite it.
    Fenced,
}

/// The value of a key, and where it came from: the `or_` methods of [`KeyEntry`] return it.
///
/// [`KeyEntry`]: crate::KeyEntry
///
/// ```
/// # use cache_core::{Cache, testing::VirtualRuntime};
/// # let runtime = VirtualRuntime::new();
/// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
/// # runtime.block_on(async {
/// cache.insert(1, "one");
/// let one = cache.entry(1).or_insert_with(|| async { "uno" }).await;
/// assert!(!one.is_fresh);
/// assert_eq!(one.value, "one");
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryValue<V> {
    /// The value.
    pub value: V,
    /// Whether this call produced the value. `false` if the value was stored, or if it came from
    /// the load of another caller.
    #[doc(alias("was_cached", "with_cached_flag"))]
    pub is_fresh: bool,
}
