//! Reads: sync, and without touching what other reads touch.

use alloc::vec::{self, Vec};
use core::cell::Cell;
use core::fmt;
use core::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use super::inner::{Copied, note_time, remaining};
use super::{Cache, Inner};
use crate::asked::WRITING_READS;
use crate::expiry::Expiry;
use crate::machine::{Found, Instant, Lookup};
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
            _walk: self.inner.shards().walk(),
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
        if self.reads_need_care && (cfg!(not(target_os = "none")) || WRITING_READS.is_up()) {
            return self.look_up_with_care(hash, key).map(hit);
        }
        self.look_up_only(hash, key, hit)
    }

    /// As [`Inner::look_up`], where a read writes to its shard only what it has seen to have expired.
    #[cfg_attr(target_os = "none", inline)]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn look_up_only<Q, T>(&self, hash: u32, key: &Q, hit: impl FnOnce(V) -> T) -> Option<T>
    where
        Q: Equivalent<K> + ?Sized,
    {
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

    /// As [`Inner::look_up`], where a read may write to its shard or come from a hook.
    // What it needs on its stack must not be set up for every hit.
    #[cfg_attr(target_os = "none", inline(never))]
    fn look_up_with_care<Q>(&self, hash: u32, key: &Q) -> Option<V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let shards = self.shards();
        if let Some(expiry) = &self.hooks.expiry {
            return self.look_up_and_expire(hash, key, expiry);
        }
        if cfg!(not(target_os = "none")) && !self.reads_exclude {
            return self.look_up_only(hash, key, |value| value);
        }
        let now = || self.now();
        let found = shards.write(hash, |shard| match shard.get_mut(hash, key, now) {
            Lookup::Hit(value) => Ok(value.clone()),
            Lookup::Expired => Err(true),
            Lookup::Absent => Err(false),
        });
        // Its notice comes before its successor is loaded.
        found
            .map_err(|expired| expired.then(|| self.expire(hash, key)))
            .ok()
    }

    /// What `f` makes of the entry of `key`, without counting as a use.
    pub(super) fn look_at<Q, T>(
        &self,
        hash: u32,
        key: &Q,
        f: impl FnOnce(Found<'_, K, V>) -> T,
    ) -> Option<T>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let seen = Cell::new(Instant::ORIGIN);
        let now = || {
            seen.set(self.now());
            seen.get()
        };
        let shards = self.shards();
        let found = shards.read(hash, |shard| match shard.seek(hash, key, now) {
            Lookup::Hit(found) => Ok(f(found)),
            // Whether the shard has not seen it yet.
            Lookup::Expired => {
                let known = shard.seek(hash, key, || Instant::ORIGIN);
                Err(!matches!(known, Lookup::Expired))
            }
            Lookup::Absent => Err(false),
        });
        found
            .map_err(|is_news| {
                is_news.then(|| shards.write(hash, |shard| note_time(shard, seen.get())))
            })
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
                let name = "the expiry (`expire_after_read`)";
                let ttl = self.call_hook(name, || {
                    expiry.expire_after_read(found.key, found.value, left)
                })?;
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
            for copied in self.entries.by_ref() {
                if let Some(Copied { key, value, .. }) = self.inner.if_live(copied) {
                    return Some((key, value));
                }
            }
            let shard = self.inner.shards().each().nth(self.shard)?;
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
