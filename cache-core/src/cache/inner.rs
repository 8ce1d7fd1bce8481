//! What all handles of a cache share.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use core::mem::needs_drop;
use core::ops::{Deref, DerefMut};
use core::time::Duration;

use crate::asked::{
    DETACHED_LOADS, JANITOR, LISTENER, LOAD_TIMEOUT, REMEMBERED_ANSWERS, WRITING_READS,
};
use crate::expiry::Expiry;
use crate::hash::fold;
use crate::janitor::Janitor;
use crate::load::{Drive, Loaded, Run};
use crate::machine::{
    Effects, Finish, FlightId, Found, Instant, Rating, Removed, Settled, Stamp, Token, Ttl,
};
use crate::panic::{self, Payload};
#[cfg(not(target_os = "none"))]
use crate::runtime::InHook;
use crate::runtime::{Flavor, Runtime, Task};
use crate::shards::{Shard, ShardEffects, Shards};
use crate::stats::{BatchCounters, Requests};
use crate::sync::Lock;

pub(crate) struct Inner<K, V: 'static, R: Runtime, S> {
    /// To be reached through [`Inner::shards`].
    pub(crate) shards: Shards<K, V, R>,
    pub(crate) runtime: R,
    pub(crate) hasher: S,
    pub(crate) hooks: Hooks<K, V, R>,
    pub(crate) options: Options,
    /// Whether a hook may run while a shard is locked. Not on a device, where the lock notices a
    /// hook that uses its cache.
    pub(crate) locks_around_hooks: bool,
    /// Whether a read may write to its shard, at once or after it has looked, or may come from a
    /// hook that runs while a shard is locked.
    pub(crate) reads_need_care: bool,
    /// Whether it must lock its shard exclusively for that.
    pub(crate) reads_exclude: bool,
    pub(crate) requests: Requests,
    pub(crate) janitor: Option<Box<Janitor<K, V, R, S>>>,
    /// Boxes the background task of a load: only the builder knows that it can travel.
    pub(crate) boxed: fn(Drive<K, V, R, S>) -> Task<R>,
    /// Boxes the background task of a batch.
    pub(crate) boxed_run: fn(Run<R>) -> Task<R>,
    pub(crate) batch_counters: BatchCounters,
}

/// The user's code that the cache calls.
pub(crate) struct Hooks<K, V, R: Runtime> {
    pub(crate) weigher: Option<<R::Flavor as Flavor>::Weigher<K, V>>,
    pub(crate) expiry: Option<<R::Flavor as Flavor>::Expiry<K, V>>,
    pub(crate) listener: Option<<R::Flavor as Flavor>::Listener<K, V>>,
}

/// The settings of loads.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    pub(crate) load_timeout: Option<Duration>,
    pub(crate) error_ttl: Option<Duration>,
    pub(crate) negative_ttl: Option<Duration>,
    pub(crate) detach_loads: bool,
}

impl Options {
    pub(crate) fn load_timeout(&self) -> Option<Duration> {
        self.load_timeout.filter(|_| LOAD_TIMEOUT.is_up())
    }

    fn negative_ttl(&self) -> Option<Duration> {
        self.negative_ttl.filter(|_| REMEMBERED_ANSWERS.is_up())
    }

    fn error_ttl(&self) -> Option<Duration> {
        self.error_ttl.filter(|_| REMEMBERED_ANSWERS.is_up())
    }

    pub(crate) fn detach_loads(&self) -> bool {
        self.detach_loads && DETACHED_LOADS.is_up()
    }
}

impl<K, V, R: Runtime, S> Inner<K, V, R, S> {
    /// The 32 bits of the hasher's 64 that the machine keeps.
    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u32
    where
        S: BuildHasher,
    {
        fold(self.hasher.hash_one(key))
    }

    /// The shards, for a call that locks one of them.
    ///
    /// # Panics
    /// If the call comes from a hook of this cache: one of the shards is locked around it.
    #[inline]
    pub(crate) fn shards(&self) -> &Shards<K, V, R> {
        if self.locks_around_hooks {
            self.assert_outside_of_hooks();
        }
        &self.shards
    }

    #[cfg(not(target_os = "none"))]
    fn assert_outside_of_hooks(&self) {
        let hook = self
            .runtime
            .context(|context| context.hook_of(self.address()));
        if let Some(hook) = hook {
            panic!("{hook} must not use its own cache: a shard of it is locked meanwhile");
        }
    }

    #[cfg(target_os = "none")]
    const fn assert_outside_of_hooks(&self) {}

    /// Calls a hook that runs while a shard is locked.
    #[cfg(not(target_os = "none"))]
    pub(crate) fn call_hook<T>(&self, name: &'static str, hook: impl FnOnce() -> T) -> T {
        let _in_hook = InHook::new(&self.runtime, self.address(), name);
        hook()
    }

    #[cfg(target_os = "none")]
    pub(crate) fn call_hook<T>(&self, _: &'static str, hook: impl FnOnce() -> T) -> T {
        hook()
    }

    #[cfg(not(target_os = "none"))]
    fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// The time. Everywhere but in a hit, which has it inlined.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn now(&self) -> Instant {
        self.runtime.now()
    }

    /// How long an entry lives and what it weighs, to be called by the engine, which may do so more
    /// than once for one write: what the writer says, or else the hooks, asked once.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn rater(
        &self,
        ttl: Ttl,
        weight: Option<u32>,
        now: Instant,
    ) -> impl Fn(&K, &V, Option<Instant>) -> Rating + '_ {
        let known = Cell::new(None);
        move |key, value, old| {
            let rating = known
                .get()
                .unwrap_or_else(|| self.rate((key, value), ttl, weight, old, now));
            known.set(Some(rating));
            rating
        }
    }

    fn rate(
        &self,
        (key, value): (&K, &V),
        ttl: Ttl,
        weight: Option<u32>,
        old: Option<Instant>,
        now: Instant,
    ) -> Rating {
        let expiry = self.hooks.expiry.as_ref();
        let ttl = match (expiry.filter(|_| WRITING_READS.is_up()), ttl, old) {
            (Some(expiry), Ttl::Default, None) => {
                let name = "the expiry (`expire_after_create`)";
                self.call_hook(name, || expiry.expire_after_create(key, value))
            }
            (Some(expiry), Ttl::Default, Some(deadline)) => {
                let name = "the expiry (`expire_after_update`)";
                let left = remaining(deadline, now);
                self.call_hook(name, || expiry.expire_after_update(key, value, left))
            }
            _ => ttl,
        };
        let weigh = || {
            let weigher = self.hooks.weigher.as_ref();
            weigher.map_or(1, |weigh| {
                self.call_hook("the weigher", || weigh(key, value))
            })
        };
        let weight = weight.unwrap_or_else(weigh);
        Rating { ttl, weight }
    }

    /// Ends a flight with a value, which is stored unless the flight was fenced.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn settle(
        &self,
        hash: u32,
        id: FlightId,
        loaded: Loaded<V>,
        now: Instant,
        fx: &mut ShardEffects<K, V, R>,
    ) -> Settled<V>
    where
        K: Eq,
    {
        let Loaded { value, ttl, weight } = loaded;
        let rate = self.rater(ttl, weight, now);
        self.shards()
            .write_with_room(hash, value, fx, |shard, value, fx| {
                shard.settle(hash, id, value, &rate, now, fx)
            })
    }

    /// Ends a flight without a value. Says whether it was still current.
    pub(crate) fn finish(
        &self,
        hash: u32,
        id: FlightId,
        how: Finish,
        fx: &mut ShardEffects<K, V, R>,
    ) -> bool {
        self.shards().write(hash, |shard| {
            if REMEMBERED_ANSWERS.is_up() {
                shard.finish(id, how, fx)
            } else {
                shard.finish_now(id, how, fx)
            }
        })
    }

    /// How a load ends that found no value at `now`.
    pub(crate) fn missing(&self, now: Instant) -> Finish {
        match self.options.negative_ttl() {
            Some(ttl) => Finish::MissingUntil(now.after(ttl)),
            None => Finish::Missing,
        }
    }

    /// How a load ends that failed at `now`.
    pub(crate) fn failed(&self, now: Instant) -> Finish {
        match self.options.error_ttl() {
            Some(ttl) => Finish::FailedUntil(now.after(ttl)),
            None => Finish::Failed,
        }
    }

    /// A buffer for the effects of calls to a shard.
    #[cfg_attr(target_os = "none", inline(never))]
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) const fn effects(&self) -> Aftermath<'_, K, V, R, S> {
        Aftermath {
            inner: self,
            fx: Effects::new(),
        }
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn flush(&self, fx: &mut ShardEffects<K, V, R>) -> Option<Payload> {
        let nothing = fx.is_nothing_to_tell()
            || self.janitor().is_none() && self.listener().is_none() && !needs_drop::<(K, V)>();
        if nothing { None } else { self.tell_of(fx) }
    }

    fn tell_of(&self, fx: &mut ShardEffects<K, V, R>) -> Option<Payload> {
        if let (Some(janitor), Some(deadline)) = (self.janitor(), fx.take_deadline()) {
            janitor.look_by(deadline, &self.runtime);
        }
        if self.listener().is_some() || needs_drop::<(K, V)>() {
            self.tell_all(fx.drain_removed())
        } else {
            None
        }
    }

    /// Tells the listener of every entry that left, and drops it. Returns the first panic, if there
    /// was one.
    #[must_use]
    pub(crate) fn tell_all(&self, removed: impl Iterator<Item = Removed<K, V>>) -> Option<Payload> {
        let mut first = None;
        for removed in removed {
            let told = self.tell(&removed);
            // What it drops is foreign code too, and must not keep the others from being told of.
            let dropped = panic::catch(|| drop(removed)).err();
            first = first.or(told).or(dropped);
        }
        first
    }

    /// Tells the listener of an entry that left. Returns its panic, if there was one.
    #[must_use]
    pub(crate) fn tell(&self, removed: &Removed<K, V>) -> Option<Payload> {
        let listener = self.listener()?;
        panic::catch(|| listener(&removed.key, &removed.value, removed.cause)).err()
    }

    fn listener(&self) -> Option<&<R::Flavor as Flavor>::Listener<K, V>> {
        let listener = self.hooks.listener.as_ref();
        listener.filter(|_| LISTENER.is_up())
    }

    fn janitor(&self) -> Option<&Janitor<K, V, R, S>> {
        self.janitor.as_deref().filter(|_| JANITOR.is_up())
    }

    /// Purges what has expired, about `budget` entries of it at most, and says whether it is done.
    ///
    /// # Panics
    /// If the listener does, at the end.
    pub(crate) fn purge(&self, mut budget: usize) -> bool {
        const STEP: usize = 64;
        let now = self.now();
        let mut panicked = None;
        let mut shards = self.shards().each();
        let mut shard = shards.next();
        while let (Some(current), true) = (shard, budget > 0) {
            let step = budget.min(STEP);
            budget -= step;
            let mut fx = self.effects();
            let done = current.write(|shard| shard.handle_timeout(now, step, &mut fx));
            panicked = panicked.or(fx.finish());
            if done {
                shard = shards.next();
            }
        }
        panic::resume_first(panicked);
        shard.is_none()
    }

    /// Copies live entries of `shard`, from slot `start` on, and says where to go on.
    pub(crate) fn copy_some(
        &self,
        shard: &R::Lock<Shard<K, V, R>>,
        start: usize,
    ) -> (Vec<Copied<K, V>>, Option<usize>)
    where
        K: Clone,
        V: Clone,
    {
        const STEP: usize = 128;
        let now = self.now();
        let (copied, is_due): (Vec<_>, _) = shard.read(|shard| {
            let found = shard.iter_from(start, now).take(STEP);
            let copied = found.map(|found| Copied::new(&found)).collect();
            let due = shard.poll_timeout();
            (copied, due.is_some_and(|due| due.has_passed(now)))
        });
        if is_due {
            shard.write(|shard| note_time(shard, now));
        }
        let next = copied.get(STEP - 1).map(|last| last.token.index() + 1);
        (copied, next)
    }

    /// An entry that was copied, unless it has expired. If its time was over but for what was done
    /// with its key meanwhile, it is copied anew.
    pub(crate) fn if_live(&self, copied: Copied<K, V>) -> Option<Copied<K, V>>
    where
        K: Eq + Hash + Clone,
        V: Clone,
        S: BuildHasher,
    {
        if copied.deadline == Instant::FAR || !copied.deadline.has_passed(self.now()) {
            return Some(copied);
        }
        let hash = self.hash(&copied.key);
        self.look_at(hash, &copied.key, |found| Copied::new(&found))
    }
}

/// What calls to a shard have left to do, with nothing locked and after waiters were woken.
///
/// If a panic in user code keeps [`Aftermath::flush`] from being called, nothing is lost either.
pub(crate) struct Aftermath<'a, K, V: 'static, R: Runtime, S> {
    inner: &'a Inner<K, V, R, S>,
    fx: ShardEffects<K, V, R>,
}

impl<K, V, R: Runtime, S> Aftermath<'_, K, V, R, S> {
    /// Does it.
    ///
    /// # Panics
    /// If the listener does, once every notice was delivered.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn flush(self) {
        panic::resume_first(self.finish());
    }

    /// Does it. Returns what the listener's panic carried, if it panicked.
    #[must_use]
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn finish(mut self) -> Option<Payload> {
        self.inner.flush(&mut self.fx)
    }
}

impl<K, V, R: Runtime, S> Deref for Aftermath<'_, K, V, R, S> {
    type Target = ShardEffects<K, V, R>;

    fn deref(&self) -> &Self::Target {
        &self.fx
    }
}

impl<K, V, R: Runtime, S> DerefMut for Aftermath<'_, K, V, R, S> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.fx
    }
}

impl<K, V, R: Runtime, S> Drop for Aftermath<'_, K, V, R, S> {
    fn drop(&mut self) {
        // Nothing is left here but while a panic unwinds; a second one has been reported.
        drop(self.inner.flush(&mut self.fx));
    }
}

/// An entry copied out of its shard.
pub(crate) struct Copied<K, V> {
    pub(crate) token: Token,
    pub(crate) stamp: Stamp,
    pub(crate) deadline: Instant,
    pub(crate) key: K,
    pub(crate) value: V,
}

impl<K: Clone, V: Clone> Copied<K, V> {
    fn new(found: &Found<'_, K, V>) -> Self {
        Self {
            token: found.token,
            stamp: found.stamp,
            deadline: found.deadline,
            key: found.key.clone(),
            value: found.value.clone(),
        }
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for Inner<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Has `shard` take note of the time, but purge nothing: what was seen to have expired stays so,
/// should the clock step back.
pub(crate) fn note_time<K, V, R: Runtime>(shard: &mut Shard<K, V, R>, now: Instant) {
    shard.handle_timeout(now, 0, &mut Effects::new());
}

/// How long an entry has to live at `now`; `None`: for ever.
pub(crate) fn remaining(deadline: Instant, now: Instant) -> Option<Duration> {
    (deadline != Instant::FAR).then(|| deadline.since(now))
}
