//! Reads: sync, and without touching what other reads touch.

use alloc::vec::{self, Vec};
use core::fmt;
use core::hash::{BuildHasher, Hash};

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
    /// The value of `key`, if there is one and it has not expired. Counts as a use of the entry and
    /// as a request. O(1).
    ///
    /// The key may be borrowed: `&str` for a `String`.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let value = self.inner.look_up(self.hash(key), key, |value| value);
        self.inner.requests.count(value.is_some());
        value
    }

    /// The value of `key` like [`Cache::get`], but unseen: no use of the entry, no request. O(1).
    pub fn peek<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.inner
            .look_at(self.hash(key), key, |found| found.value.clone())
    }

    /// Whether there is a live value of `key`. No use of the entry, no request. O(1).
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let found = self.inner.look_at(self.hash(key), key, |_| ());
        found.is_some()
    }

    /// The values of `keys`, in their order; each key is a request like one of [`Cache::get`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// assert_eq!(cache.get_all([&1, &2]), [Some("one"), None]);
    /// ```
    pub fn get_all<'a, Q>(&self, keys: impl IntoIterator<Item = &'a Q>) -> Vec<Option<V>>
    where
        Q: Hash + Equivalent<K> + ?Sized + 'a,
    {
        keys.into_iter().map(|key| self.get(key)).collect()
    }

    /// When the entry of `key` expires if nobody reads or writes it, on the runtime's clock;
    /// [`Instant::FAR`] if never. `None` if there is no entry. O(1).
    pub fn expires_at<Q>(&self, key: &Q) -> Option<Instant>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.inner
            .look_at(self.hash(key), key, |found| found.deadline)
    }

    /// The live entries, in no meaningful order, copied out a few at a time: nothing is locked
    /// between two steps, and what is written meanwhile may or may not be seen. A key that is removed
    /// and written again meanwhile may be seen twice. A value that has expired is not returned, also
    /// if it was copied before. No uses, no requests.
    #[must_use]
    pub fn iter(&self) -> Iter<K, V, R, S>
    where
        K: Clone,
    {
        Iter {
            inner: Arc::clone(&self.inner),
            _walk: self.inner.shards().begin_iteration(),
            shard: 0,
            start: 0,
            entries: Vec::new().into_iter(),
        }
    }
}

/// The live entries of a cache: [`Cache::iter`] returns it.
pub struct Iter<K, V: 'static, R: Runtime, S> {
    inner: Arc<Inner<K, V, R, S>>,
    _walk: IterationGuard,
    /// Where the next copy starts: the shard, and the slot in it.
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
