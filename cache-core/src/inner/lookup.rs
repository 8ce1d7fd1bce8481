//! Looking up one key.

use core::cell::Cell;

use equivalent::Equivalent;

use super::{Inner, note_time, remaining};
use crate::expiry::Expiry;
use crate::machine::{EntryRef, Instant, Lookup};
use crate::runtime::Runtime;
use crate::shards::{Shard, ShardEffects};

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
        if self.reads_mutate() {
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
        if let Some(expiry) = self.hooks.expiry.get() {
            return self.look_up_and_expire(hash, key, expiry);
        }
        if cfg!(not(target_os = "none")) && !self.reads_need_exclusive {
            return self.look_up_only(hash, key, |value| value);
        }
        let now = || self.now();
        let found = shards.write(hash, |shard| {
            match shard.look_up_exclusive(hash, key, now) {
                Lookup::Hit(value) => Ok(value.clone()),
                Lookup::Expired => Err(true),
                Lookup::Absent => Err(false),
            }
        });
        // Its notice comes before its successor is loaded.
        found
            .map_err(|expired| expired.then(|| self.expire(hash, key)))
            .ok()
    }

    /// What `f` makes of the entry of `key`, without counting as a use.
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
            // Whether the shard has not seen it yet.
            Lookup::Expired => {
                let known = shard.peek_entry(hash, key, || Instant::ORIGIN);
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
                Some((found.version, ttl))
            });
            Ok((value, moved))
        };
        // By its key: the entry may have moved since it was read.
        let set_ttl = |shard: &mut Shard<K, V, R>, version, ttl, fx: &mut ShardEffects<K, V, R>| {
            let found = shard.find(hash, key, now).map(|found| found.token);
            if let Some(token) = found {
                shard.set_ttl_if_same(token, version, ttl, now, fx);
            }
        };
        let mut fx = self.effects();
        let answer = if self.reads_need_exclusive {
            self.shards.write(hash, |shard| {
                let (value, moved) = read(shard)?;
                let _used = shard.look_up_exclusive(hash, key, || now);
                if let Some((version, ttl)) = moved {
                    set_ttl(shard, version, ttl, &mut fx);
                }
                Ok(value)
            })
        } else {
            let answer = self.shards.read(hash, read);
            answer.map(|(value, moved)| {
                if let Some((version, ttl)) = moved {
                    self.shards
                        .write(hash, |shard| set_ttl(shard, version, ttl, &mut fx));
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
