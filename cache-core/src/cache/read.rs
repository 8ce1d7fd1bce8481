//! Reads. They are synchronous, and write to no memory that other threads write to.

use alloc::vec::{self, Vec};
use core::fmt;
use core::hash::{BuildHasher, Hash};
use core::time::Duration;

use equivalent::Equivalent;

use super::Cache;
use crate::inner::{Inner, Snapshot};
use crate::machine::Instant;
use crate::runtime::Runtime;
use crate::shards::IterationGuard;
use crate::sync::Arc;

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// Returns a clone of the value of `key`, or `None` if there is no live entry. O(1).
    ///
    /// The call is a request in [`CacheStats`](crate::CacheStats), and a use of the entry for the
    /// eviction policy and the idle expiry. The key may be borrowed: a `&str` finds a `String`, and
    /// [`KeyParts`](crate::KeyParts) of references find a tuple.
    ///
    /// ```
    /// # use cache_core::{Cache, KeyParts, testing::VirtualRuntime};
    /// # let cache: Cache<String, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert("one".to_string(), 1);
    /// assert_eq!(cache.get("one"), Some(1));
    /// assert_eq!(cache.get("two"), None);
    /// # let users = Cache::builder_on(VirtualRuntime::new()).build();
    ///
    /// users.insert(("acme".to_string(), 7), "alice");
    /// assert_eq!(users.get(&KeyParts(("acme", &7))), Some("alice"));
    /// ```
    #[doc(alias("getIfPresent", "cache_get", "touch"))]
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let value = self.inner.look_up(self.hash(key), key, |value| value);
        self.inner.requests.count(value.is_some());
        value
    }

    /// Returns the value of `key` as [`Cache::get`] does, but counts neither a request nor a use of
    /// the entry. O(1).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// assert_eq!(cache.peek(&1), Some("one"));
    /// assert_eq!(cache.stats().requests(), 0);
    /// ```
    #[doc(alias("getIfPresentQuietly", "cache_peek"))]
    pub fn peek<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.inner
            .look_at(self.hash(key), key, |found| found.value.clone())
    }

    /// Returns whether `key` has a live entry. Counts neither a request nor a use of the entry.
    /// O(1).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// assert!(cache.contains_key(&1));
    /// assert!(!cache.contains_key(&2));
    /// ```
    #[doc(alias("contains", "has"))]
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let found = self.inner.look_at(self.hash(key), key, |_| ());
        found.is_some()
    }

    /// Returns the values of `keys`, in their order. Each key counts as one call of [`Cache::get`].
    /// O(keys).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// assert_eq!(cache.get_all([&1, &2]), [Some("one"), None]);
    /// ```
    #[doc(alias("getAllPresent", "get_many"))]
    pub fn get_all<'a, Q>(&self, keys: impl IntoIterator<Item = &'a Q>) -> Vec<Option<V>>
    where
        Q: Hash + Equivalent<K> + ?Sized + 'a,
    {
        keys.into_iter().map(|key| self.get(key)).collect()
    }

    /// Returns when the entry of `key` expires unless it is read or written before, on the
    /// runtime's clock; [`Instant::FAR`] if it never expires, `None` if there is no live entry.
    /// O(1).
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, Instant, Ttl, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// let minute = Duration::from_secs(60);
    /// cache.insert_with_ttl(1, "one", Ttl::After(minute));
    /// cache.insert(2, "two");
    /// assert_eq!(cache.expires_at(&1), Some(runtime.now().after(minute)));
    /// assert_eq!(cache.expires_at(&2), Some(Instant::FAR));
    /// assert_eq!(cache.expires_at(&3), None);
    /// ```
    #[doc(alias = "getExpiresAfter")]
    pub fn expires_at<Q>(&self, key: &Q) -> Option<Instant>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.inner
            .look_at(self.hash(key), key, |found| found.deadline)
    }

    /// Returns how long the entry of `key` lives unless it is read or written before;
    /// [`Duration::MAX`] if it never expires, `None` if there is no live entry. O(1).
    ///
    /// The call counts neither a request nor a use of the entry. [`Cache::expires_at`] returns the
    /// same as a point in time.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, Ttl, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// cache.insert_with_ttl(1, "one", Ttl::After(Duration::from_secs(60)));
    /// cache.insert(2, "two");
    /// # runtime.advance(Duration::from_secs(20));
    /// // Twenty seconds later:
    /// assert_eq!(cache.time_to_expiry(&1), Some(Duration::from_secs(40)));
    /// assert_eq!(cache.time_to_expiry(&2), Some(Duration::MAX));
    /// assert_eq!(cache.time_to_expiry(&3), None);
    /// ```
    #[doc(alias = "ttl")]
    pub fn time_to_expiry<Q>(&self, key: &Q) -> Option<Duration>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let deadline = self.expires_at(key)?;
        if deadline == Instant::FAR {
            return Some(Duration::MAX);
        }
        Some(deadline.since(self.inner.now()))
    }

    /// Returns an iterator over clones of the live entries, in no particular order.
    ///
    /// The iterator clones up to 128 entries at a time and holds no lock between calls of `next`.
    /// It may or may not return entries that are written during the iteration, and may return a key
    /// twice that is removed and written again. It returns no entry that has expired by then. It
    /// counts neither requests nor uses of the entries. O(entries) in total.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// cache.insert(2, "two");
    /// let mut entries: Vec<_> = cache.iter().collect();
    /// entries.sort();
    /// assert_eq!(entries, [(1, "one"), (2, "two")]);
    /// ```
    #[doc(alias("asMap", "items"))]
    #[must_use]
    pub fn iter(&self) -> Iter<K, V, R, S>
    where
        K: Clone,
    {
        Iter {
            inner: Arc::clone(&self.inner),
            _guard: self.inner.shards().begin_iteration(),
            shard: 0,
            start: 0,
            entries: Vec::new().into_iter(),
        }
    }
}

/// Iterates as [`Cache::iter`] does.
///
/// ```
/// # use cache_core::{Cache, testing::VirtualRuntime};
/// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
/// cache.insert(1, "one");
/// for (key, value) in &cache {
///     assert_eq!((key, value), (1, "one"));
/// }
/// ```
impl<K, V, R, S> IntoIterator for &Cache<K, V, R, S>
where
    K: Eq + Hash + Clone,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    type Item = (K, V);
    type IntoIter = Iter<K, V, R, S>;

    fn into_iter(self) -> Iter<K, V, R, S> {
        self.iter()
    }
}

/// An iterator over the live entries of a cache: [`Cache::iter`] returns it.
///
/// While it exists, the cache keeps the memory of removed entries: see [`Cache::shrink_to_fit`].
pub struct Iter<K, V, R: Runtime, S> {
    inner: Arc<Inner<K, V, R, S>>,
    _guard: IterationGuard,
    /// The shard and the slot from which the next chunk is cloned.
    shard: usize,
    start: usize,
    entries: vec::IntoIter<Snapshot<K, V>>,
}

impl<K, V, R, S> Iterator for Iter<K, V, R, S>
where
    K: Eq + Hash + Clone,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        loop {
            for snapshot in self.entries.by_ref() {
                if let Some(Snapshot { key, value, .. }) = self.inner.if_live(snapshot) {
                    return Some((key, value));
                }
            }
            let shard = self.inner.shards().each().nth(self.shard)?;
            let (entries, next) = self.inner.snapshot_chunk(shard, self.start);
            self.shard += usize::from(next.is_none());
            self.start = next.unwrap_or(0);
            self.entries = entries.into_iter();
        }
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for Iter<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}
