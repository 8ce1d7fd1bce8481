//! Lookups of one key.

use core::cell::Cell;

use equivalent::Equivalent;

use super::{Inner, count, note_time, remaining};
use crate::expiry::Expiry;
use crate::machine::{Age, Aged, EntryRef, Instant, Lookup, Ttl};
use crate::opt_in::{CustomExpiry, Feature, Freshening};
use crate::runtime::Runtime;
use crate::shards::{Shard, ShardEffects};

impl<K, V, R, S> Inner<K, V, R, S>
where
    V: Clone,
    R: Runtime,
{
    /// Looks up `key` and passes its value to `hit`. Counts a use of the entry.
    // Inlined into each caller, down to the shard: one more call takes a tenth of the time of a
    // hit. rustc inlines the closures below only if each caller has its own, which `hit` ensures.
    #[cfg_attr(target_os = "none", inline)]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn look_up<Q, T>(&self, hash: u32, key: &Q, hit: impl FnOnce(V) -> T) -> Option<T>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.look_up_by::<false, _, _>(hash, key, hit)
    }

    /// As [`Inner::look_up`], for a caller with a loader if `HAS_LOADER`: it also gets a value
    /// after its ttl, but none whose refresh it may have to start.
    #[cfg_attr(target_os = "none", inline)]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn look_up_by<const HAS_LOADER: bool, Q, T>(
        &self,
        hash: u32,
        key: &Q,
        hit: impl FnOnce(V) -> T,
    ) -> Option<T>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if self.reads_mutate() {
            return self.look_up_mutating::<HAS_LOADER, _>(hash, key).map(hit);
        }
        self.look_up_shared(hash, key, || self.runtime.now(), hit)
    }

    /// As [`Inner::look_up_by`], for a caller with a loader.
    ///
    /// # Errors
    /// If the shard has no entry of the key, how many entries it has stored so far: until it stores
    /// another, it has none. `None` if that is not known.
    // Apart from `look_up`, whose answer is smaller: a hit of `get` would pay for it.
    #[cfg_attr(target_os = "none", inline)]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn look_up_or_absent<Q, T>(
        &self,
        hash: u32,
        key: &Q,
        hit: impl FnOnce(V) -> T,
    ) -> Result<T, Option<u64>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if cfg!(target_os = "none") || self.reads_mutate() {
            return self.look_up_by::<true, _, _>(hash, key, hit).ok_or(None);
        }
        let now = || self.now();
        let found = self
            .shards
            .read(hash, |shard| match shard.look_up(hash, key, now) {
                Lookup::Hit(value) => Ok(value.clone()),
                Lookup::Expired => Err(None),
                Lookup::Absent => Err(Some(shard.counters().inserted)),
            });
        if let Err(None) = found {
            self.expire(hash, key);
        }
        found.map(hit)
    }

    /// As [`Inner::look_up_by`], for the first tier of a tiered cache: finds nothing past the horizon.
    /// Only entries that can expire are checked.
    // The clock is read once, for the expiry of the entry and for the horizon.
    #[cfg(feature = "tier")]
    #[inline(always)]
    pub(crate) fn look_up_within_horizon<const HAS_LOADER: bool, Q, T>(
        &self,
        hash: u32,
        key: &Q,
        hit: impl FnOnce(V) -> T,
    ) -> Option<T>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if self.reads_mutate() {
            let is_valid = self.horizon.is_ahead_of(self.now());
            let found = is_valid.then(|| self.look_up_mutating::<HAS_LOADER, _>(hash, key));
            return found.flatten().map(hit);
        }
        let now = || {
            let now = self.runtime.now();
            // At the end of time every entry has expired that can. The entry is not removed,
            // because a removal reads the clock again.
            if self.horizon.is_ahead_of(now) {
                now
            } else {
                Instant::FAR
            }
        };
        self.look_up_shared(hash, key, now, hit)
    }

    /// As [`Inner::look_up`], for a cache whose hits write nothing to their shard.
    #[cfg_attr(target_os = "none", inline)]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn look_up_shared<Q, T>(
        &self,
        hash: u32,
        key: &Q,
        now: impl FnOnce() -> Instant,
        hit: impl FnOnce(V) -> T,
    ) -> Option<T>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let found = self
            .shards
            .read(hash, |shard| match shard.look_up(hash, key, now) {
                Lookup::Hit(value) => Ok(value.clone()),
                Lookup::Expired => Err(true),
                Lookup::Absent => Err(false),
            });
        // An expired entry must be removed, or it could be a hit again if the clock steps back.
        found
            .map_err(|expired| expired.then(|| self.expire(hash, key)))
            .map(hit)
            .ok()
    }

    /// As [`Inner::look_up`], for a cache whose hits may write to their shard, or whose hooks run
    /// while a shard is locked.
    // The functions that it calls are not inlined: the common hit must not set up their stack
    // frames.
    #[cfg_attr(target_os = "none", inline(never))]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn look_up_mutating<const HAS_LOADER: bool, Q>(&self, hash: u32, key: &Q) -> Option<V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if (CustomExpiry::is_enabled() || Freshening::is_enabled()) && self.reads_are_special {
            if Freshening::is_enabled() && self.reads_need_age {
                self.look_up_fresh::<HAS_LOADER, _>(hash, key)
            } else {
                self.look_up_special(hash, key, HAS_LOADER)
            }
        } else {
            self.look_up_exclusively(hash, key)
        }
    }

    /// As [`Inner::look_up_by`], for a cache whose hits need nothing but the age of the value. A
    /// value that is not fresh is looked up a second time.
    #[cfg_attr(not(target_os = "none"), inline(never))]
    fn look_up_fresh<const HAS_LOADER: bool, Q>(&self, hash: u32, key: &Q) -> Option<V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let now = || self.runtime.now();
        let found = self
            .shards
            .read(hash, |shard| match shard.look_up_fresh(hash, key, now) {
                Lookup::Hit(value) => Ok(value.clone()),
                Lookup::Expired => Err(true),
                Lookup::Absent => Err(false),
            });
        match found {
            Ok(value) => Some(value),
            Err(true) => self.look_up_special(hash, key, HAS_LOADER),
            Err(false) => None,
        }
    }

    /// As [`Inner::look_up_by`], for a cache that has an expiry, or whose values have an age.
    #[cfg_attr(not(target_os = "none"), inline(never))]
    fn look_up_special<Q>(&self, hash: u32, key: &Q, has_loader: bool) -> Option<V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        // Panics if a hook of this cache calls: the shard is locked then.
        let _ = self.shards();
        match self.hooks.expiry.get() {
            Some(expiry) => self.look_up_with_expiry(hash, key, has_loader, expiry),
            None => self.look_up_aged(hash, key, has_loader),
        }
    }

    /// As [`Inner::look_up`], for a cache whose hits may write to their shard.
    #[cfg_attr(not(target_os = "none"), inline(never))]
    fn look_up_exclusively<Q>(&self, hash: u32, key: &Q) -> Option<V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let shards = self.shards();
        if cfg!(not(target_os = "none")) && !self.reads_need_exclusive {
            return self.look_up_shared(hash, key, || self.runtime.now(), |value| value);
        }
        if cfg!(not(target_os = "none")) && self.hits_are_logged {
            let now = || self.runtime.now();
            let found = shards.read(hash, |shard| {
                match shard.look_up_logged(hash, key, now)? {
                    Lookup::Hit(value) => Some(Ok(value.clone())),
                    Lookup::Expired => Some(Err(true)),
                    Lookup::Absent => Some(Err(false)),
                }
            });
            if let Some(found) = found {
                return found
                    .map_err(|expired| expired.then(|| self.expire(hash, key)))
                    .ok();
            }
        }
        let now = || self.now();
        let found = shards.write(hash, |shard| {
            match shard.look_up_exclusive(hash, key, now) {
                Lookup::Hit(value) => Ok(value.clone()),
                Lookup::Expired => Err(true),
                Lookup::Absent => Err(false),
            }
        });
        // Must come before a load of the key: the listener is called for the expired entry before
        // the load replaces it.
        found
            .map_err(|expired| expired.then(|| self.expire(hash, key)))
            .ok()
    }

    /// Looks up `key` and passes its entry to `f`. Does not count a use of the entry.
    pub(crate) fn look_at<Q, T>(
        &self,
        hash: u32,
        key: &Q,
        f: impl FnOnce(EntryRef<'_, K, V>) -> T,
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
        let found = shards.read(hash, |shard| match shard.peek_entry(hash, key, now) {
            Lookup::Hit(found) => Ok(f(found)),
            // `true` if the entry has not expired by the shard's own clock, which must advance
            // then.
            Lookup::Expired => {
                let known = shard.peek_entry(hash, key, || Instant::ORIGIN);
                Err(!matches!(known, Lookup::Expired))
            }
            Lookup::Absent => Err(false),
        });
        found
            .map_err(|is_new| {
                is_new.then(|| shards.write(hash, |shard| note_time(shard, seen.get())))
            })
            .ok()
    }

    /// As [`Inner::look_up_by`], for a cache whose values have an age.
    fn look_up_aged<Q>(&self, hash: u32, key: &Q, has_loader: bool) -> Option<V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let (shards, now) = (self.shards(), || self.now());
        let found = if self.reads_need_exclusive {
            shards.write(hash, |shard| {
                self.copy_aged(shard.look_up_aged_exclusive(hash, key, has_loader, now))
            })
        } else {
            shards.read(hash, |shard| {
                self.copy_aged(shard.look_up_aged(hash, key, has_loader, now))
            })
        };
        found
            .map_err(|expired| expired.then(|| self.expire(hash, key)))
            .ok()
    }

    /// Clones a value that was found, and counts it if it is past its ttl. The error says whether
    /// there is an expired entry.
    #[inline]
    fn copy_aged(&self, found: Lookup<Aged<&V>>) -> Result<V, bool> {
        match found {
            Lookup::Hit(Aged { value, age }) => {
                self.count_age(age);
                Ok(value.clone())
            }
            Lookup::Expired => Err(true),
            Lookup::Absent => Err(false),
        }
    }

    /// Counts a hit with a value of this age.
    pub(crate) fn count_age(&self, age: Age) {
        if age.is_past_ttl()
            && let Some(refreshing) = self.refreshing.get()
        {
            count(&refreshing.counters.stale_hits);
        }
    }

    /// Removes the entry of `key` if it has expired.
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

    /// As [`Inner::look_up`], for a cache whose expiry may move the deadline of the entry.
    #[cfg_attr(not(target_os = "none"), inline(never))]
    fn look_up_with_expiry<Q>(
        &self,
        hash: u32,
        key: &Q,
        has_loader: bool,
        expiry: &impl Expiry<K, V>,
    ) -> Option<V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let now = self.now();
        let read = |shard: &Shard<K, V, R>| -> Result<_, bool> {
            let found = if self.refreshing.is_set() {
                shard.look_up_aged(hash, key, has_loader, || now)
            } else {
                shard.look_up(hash, key, || now).map(Aged::fresh)
            };
            let value = self.copy_aged(found)?;
            let found = shard.find(hash, key, now);
            let moved = found.and_then(|found| {
                let left = remaining(found.deadline, now);
                let name = "the expiry (`expire_after_read`)";
                let ttl = self.call_hook(name, || {
                    expiry.expire_after_read(found.key, found.value, left)
                })?;
                // The time to live counts from the write, not from this read.
                let ttl = if ttl == Ttl::Default { Ttl::Never } else { ttl };
                Some((found.version, ttl))
            });
            Ok((value, moved))
        };
        // Must find the entry by its key again: the shard was unlocked since `read`, and the entry
        // may have moved. The version tells whether it is the same entry.
        let set_ttl = |shard: &mut Shard<K, V, R>, version, ttl, fx: &mut ShardEffects<K, V, R>| {
            let found = shard.find(hash, key, now).map(|found| found.token);
            if let Some(token) = found {
                shard.set_ttl_if_same(token, version, ttl, now, fx);
            }
        };
        let mut fx = self.effects();
        let found = if self.reads_need_exclusive {
            self.shards.write(hash, |shard| {
                let (value, moved) = read(shard)?;
                let _used = shard.look_up_exclusive(hash, key, || now);
                if let Some((version, ttl)) = moved {
                    set_ttl(shard, version, ttl, &mut fx);
                }
                Ok(value)
            })
        } else {
            let found = self.shards.read(hash, read);
            found.map(|(value, moved)| {
                if let Some((version, ttl)) = moved {
                    self.shards
                        .write(hash, |shard| set_ttl(shard, version, ttl, &mut fx));
                }
                value
            })
        };
        fx.flush();
        found
            .map_err(|expired| expired.then(|| self.expire(hash, key)))
            .ok()
    }
}
