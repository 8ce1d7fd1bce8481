//! Reads: sync, and without touching what other reads touch.

use alloc::vec::{self, Vec};
use core::fmt;
use core::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use super::inner::{Copied, remaining};
use super::{Cache, Inner};
use crate::asked::WRITING_READS;
use crate::expiry::Expiry;
use crate::machine::{Instant, Lookup};
use crate::runtime::Runtime;
use crate::shards::{Shard, ShardEffects, Walk};
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
        let (inner, hash) = (&self.inner, self.hash(key));
        let now = || inner.now();
        inner
            .shards
            .read(hash, |shard| shard.peek(hash, key, now).cloned())
    }

    /// Whether there is a live value of `key`. No use of the entry, no request. O(1).
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let (inner, hash) = (&self.inner, self.hash(key));
        let now = || inner.now();
        inner
            .shards
            .read(hash, |shard| shard.peek(hash, key, now).is_some())
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
        let (hash, now) = (self.hash(key), self.inner.now());
        let deadline =
            |shard: &crate::shards::Shard<K, V, R>| Some(shard.find(hash, key, now)?.deadline);
        self.inner.shards.read(hash, deadline)
    }

    /// The live entries, in no meaningful order, copied out a few at a time: nothing is locked
    /// between two steps, and what is written meanwhile may or may not be seen. No uses, no
    /// requests.
    #[must_use]
    pub fn iter(&self) -> Iter<K, V, R, S>
    where
        K: Clone,
    {
        Iter {
            inner: Arc::clone(&self.inner),
            _walk: self.inner.shards.walk(),
            shard: 0,
            start: 0,
            entries: Vec::new().into_iter(),
        }
    }
}

impl<K, V, R, S> Inner<K, V, R, S>
where
    V: Clone,
    R: Runtime,
{
    /// What `hit` makes of the value of `key`, which is counted as a use.
    // Each caller has it inlined, as far as into the shard: a call of a call costs a hit a tenth of
    // its time. For that its closures must be the caller's own, which `hit` makes them.
    #[cfg_attr(target_os = "none", inline)]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn look_up<Q, T>(&self, hash: u32, key: &Q, hit: impl FnOnce(V) -> T) -> Option<T>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if self.reads_write && WRITING_READS.is_up() {
            return self.look_up_and_write(hash, key).map(hit);
        }
        let now = || self.runtime.now();
        let found = self
            .shards
            .read(hash, |shard| match shard.look_up(hash, key, now) {
                Lookup::Hit(value) => Ok(value.clone()),
                Lookup::Expired => Err(true),
                Lookup::Absent => Err(false),
            });
        // What was seen to have expired is gone for good, whatever the clock does.
        found
            .map_err(|expired| expired.then(|| self.expire(hash, key)))
            .map(hit)
            .ok()
    }

    /// As [`Inner::look_up`], where a read may write to its shard.
    // What it needs on its stack must not be set up for every hit.
    #[cfg_attr(target_os = "none", inline(never))]
    fn look_up_and_write<Q>(&self, hash: u32, key: &Q) -> Option<V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if let Some(expiry) = &self.hooks.expiry {
            return self.look_up_and_expire(hash, key, expiry);
        }
        let now = || self.now();
        let found = self
            .shards
            .write(hash, |shard| match shard.get_mut(hash, key, now) {
                Lookup::Hit(value) => Ok(value.clone()),
                Lookup::Expired => Err(true),
                Lookup::Absent => Err(false),
            });
        // Its notice comes before its successor is loaded.
        found
            .map_err(|expired| expired.then(|| self.expire(hash, key)))
            .ok()
    }

    /// Removes an entry that was seen to have expired.
    #[cfg_attr(target_os = "none", inline(never))]
    fn expire<Q>(&self, hash: u32, key: &Q)
    where
        Q: Equivalent<K> + ?Sized,
    {
        let now = self.now();
        let mut fx = self.effects();
        self.shards
            .write(hash, |shard| shard.expire(hash, key, now, &mut fx));
        fx.flush();
    }

    /// As [`Inner::look_up`], where the user's expiry may move the deadline of what is read.
    fn look_up_and_expire<Q>(&self, hash: u32, key: &Q, expiry: &impl Expiry<K, V>) -> Option<V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let now = self.now();
        let read = |shard: &Shard<K, V, R>| {
            let value = match shard.look_up(hash, key, || now) {
                Lookup::Hit(value) => value.clone(),
                Lookup::Expired => return Err(true),
                Lookup::Absent => return Err(false),
            };
            let found = shard.find(hash, key, now);
            let moved = found.and_then(|found| {
                let left = remaining(found.deadline, now);
                let ttl = expiry.expire_after_read(found.key, found.value, left)?;
                Some((found.stamp, ttl))
            });
            Ok((value, moved))
        };
        // By its key: the entry may have moved since it was read.
        let set_ttl = |shard: &mut Shard<K, V, R>, stamp, ttl, fx: &mut ShardEffects<K, V, R>| {
            let found = shard.find(hash, key, now).map(|found| found.token);
            if let Some(token) = found {
                shard.set_ttl_if_same(token, stamp, ttl, now, fx);
            }
        };
        let mut fx = self.effects();
        let answer = if self.reads_exclude {
            self.shards.write(hash, |shard| {
                let (value, moved) = read(shard)?;
                let _used = shard.get_mut(hash, key, || now);
                if let Some((stamp, ttl)) = moved {
                    set_ttl(shard, stamp, ttl, &mut fx);
                }
                Ok(value)
            })
        } else {
            let answer = self.shards.read(hash, read);
            answer.map(|(value, moved)| {
                if let Some((stamp, ttl)) = moved {
                    self.shards
                        .write(hash, |shard| set_ttl(shard, stamp, ttl, &mut fx));
                }
                value
            })
        };
        fx.flush();
        answer
            .map_err(|expired| expired.then(|| self.expire(hash, key)))
            .ok()
    }
}

/// The live entries of a cache: [`Cache::iter`] returns it.
pub struct Iter<K, V: 'static, R: Runtime, S> {
    inner: Arc<Inner<K, V, R, S>>,
    _walk: Walk,
    /// Where the next copy starts: the shard, and the slot in it.
    shard: usize,
    start: usize,
    entries: vec::IntoIter<Copied<K, V>>,
}

impl<K: Clone, V: Clone, R: Runtime, S> Iterator for Iter<K, V, R, S> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        loop {
            if let Some(Copied { key, value, .. }) = self.entries.next() {
                return Some((key, value));
            }
            let shard = self.inner.shards.each().nth(self.shard)?;
            let (entries, next) = self.inner.copy_some(shard, self.start);
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
