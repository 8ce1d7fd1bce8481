//! The state behind all handles of a cache.

mod effects_guard;
#[cfg(feature = "tier")]
mod horizon;
mod lookup;
mod refreshing;
mod snapshot;

use alloc::boxed::Box;
use core::cell::Cell;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use core::time::Duration;

use crate::events::EventSource;
use crate::expiry::Expiry;
use crate::flight::{Flight, Loaded};
use crate::hash::fold;
use crate::janitor::{Janitor, Purge};
use crate::machine::{
    Effects, EntryLimits, FlightId, Instant, LoadEnd, OldDeadlines, Settled, Times, Ttl, nanos,
};
use crate::observe::{NameKey, Observer};
use crate::opt_in::{
    CustomExpiry, DetachedLoads, EvictionListener, Feature, Freshening, Gated, GatedState,
    Histograms, LoadTimeout, Observers, PurgeTask, RememberedResults, TtlJitter, reads_may_mutate,
};
use crate::panic::{self, Payload};
#[cfg(not(target_os = "none"))]
use crate::runtime::HookGuard;
use crate::runtime::{Flavor, Runtime, Task};
use crate::shards::{Shard, ShardEffects, Shards};
use crate::stats::{BatchCounters, HistogramCounters, Requests};
use crate::sync::{Arc, Once, RwLock};

#[cfg(feature = "tier")]
pub(crate) use horizon::Horizon;
pub(crate) use refreshing::{CancelUnused, RefreshCounters, RefreshListener, Refreshing, count};
pub(crate) use snapshot::Snapshot;

pub(crate) struct Inner<K, V, R: Runtime, S> {
    /// Code that may run inside of a hook uses [`Inner::shards`] instead, which panics where the
    /// lock of the shard would deadlock.
    pub(crate) shards: Shards<K, V, R>,
    pub(crate) runtime: R,
    pub(crate) hasher: S,
    pub(crate) name: Option<Box<str>>,
    pub(crate) hooks: Hooks<K, V, R>,
    pub(crate) options: LoadOptions,
    /// Boxed: few caches have it.
    pub(crate) ttl_jitter: GatedState<Box<Jitter>, TtlJitter>,
    /// Whether a hook may run while a shard is locked. `false` on a microcontroller, where the lock
    /// itself detects a hook that calls its cache.
    pub(crate) locks_around_hooks: bool,
    /// Whether neither a weigher nor an expiry decides the limits of entries.
    pub(crate) writes_are_plain: bool,
    /// Whether neither a weigher nor an expiry decides the limits of entries, which may expire, and
    /// there is no janitor.
    pub(crate) writes_are_timed: bool,
    /// Whether a read may write to its shard, or may come from a hook that runs while a shard is
    /// locked. [`Inner::reads_mutate`] reads it, and also tests the features that it needs.
    pub(crate) may_mutate: bool,
    /// Whether a hit goes to the log of its shard, under a shared lock.
    pub(crate) hits_are_logged: bool,
    /// Whether a read must lock its shard for writing.
    pub(crate) reads_need_exclusive: bool,
    /// Whether a read calls an expiry, or needs the age of the value.
    pub(crate) reads_are_special: bool,
    pub(crate) requests: Requests,
    /// The refreshes in the background, and the values that are kept after their ttl.
    pub(crate) refreshing: GatedState<Box<Refreshing<K, V, R, S>>, Freshening>,
    pub(crate) janitor: GatedState<Box<Janitor<Self>>, PurgeTask>,
    /// Boxes the background task of a load. Only the builder has the bounds that boxing it needs.
    pub(crate) box_load_task: BoxLoadTask<K, V, R, S>,
    pub(crate) batch_counters: BatchCounters,
    /// Set once a caller requests histograms.
    pub(crate) histograms: Once<GatedState<Box<HistogramCounters>, Histograms>>,
    pub(crate) events: EventSource<K, R>,
    /// Of the first tier of a tiered cache.
    #[cfg(feature = "tier")]
    pub(crate) horizon: Horizon,
}

/// Boxes the background task of a load.
pub(crate) type BoxLoadTask<K, V, R, S> = fn(Arc<Inner<K, V, R, S>>, Arc<Flight<V, R>>) -> Task<R>;

/// The user's functions that the cache calls.
pub(crate) struct Hooks<K, V, R: Runtime> {
    pub(crate) weigher: Option<<R::Flavor as Flavor>::Weigher<K, V>>,
    pub(crate) expiry: Gated<<R::Flavor as Flavor>::Expiry<K, V>, CustomExpiry>,
    pub(crate) listener: Gated<<R::Flavor as Flavor>::Listener<K, V>, EvictionListener>,
    pub(crate) observer: GatedState<Box<dyn Observer>, Observers>,
    pub(crate) name_key: GatedState<NameKey<K>, Observers>,
}

/// The limits that the writer of an entry sets.
pub(crate) type Requested = (Ttl, Option<u32>, Gated<Times, Freshening>);

/// The settings of loads.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LoadOptions {
    pub(crate) load_timeout: Gated<Duration, LoadTimeout>,
    pub(crate) error_ttl: Gated<Duration, RememberedResults>,
    pub(crate) negative_ttl: Gated<Duration, RememberedResults>,
    pub(crate) detach_loads: Gated<(), DetachedLoads>,
    /// Not gated: the loads that read it are.
    pub(crate) takeover_after: Option<Duration>,
}

/// How much shorter than the time to live an entry may live.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jitter {
    pub(crate) percent: u8,
    pub(crate) ttl: Duration,
}

impl Jitter {
    /// The ttl of an entry of a key with this hash that is written at `now`.
    fn ttl(self, hash: u32, now: Instant) -> Duration {
        let seed = u64::from(hash) ^ now.as_nanos();
        let mixed = (seed ^ (seed >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let most = u128::from(nanos(self.ttl)) * u128::from(self.percent) / 100;
        let less = (most * u128::from(mixed)) >> 32;
        let less = u64::try_from(less).unwrap_or(u64::MAX);
        Duration::from_nanos(nanos(self.ttl) - less)
    }
}

impl<K, V, R: Runtime, S> Inner<K, V, R, S> {
    /// Hashes `key`, folded to the 32 bits that a shard stores.
    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u32
    where
        S: BuildHasher,
    {
        fold(self.hasher.hash_one(key))
    }

    /// Returns the shards, for a call that locks one of them.
    ///
    /// # Panics
    /// If the call comes from a hook of this cache, which runs while a shard is locked.
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
            panic!("{hook} must not use its own cache: a shard of it is locked");
        }
    }

    #[cfg(target_os = "none")]
    const fn assert_outside_of_hooks(&self) {}

    /// Whether a read may write to its shard, during or after the lookup, or may come from a hook
    /// that runs while a shard is locked.
    #[inline(always)]
    fn reads_mutate(&self) -> bool {
        self.may_mutate && reads_may_mutate()
    }

    /// Whether a write may be [`Engine::insert_plain`](crate::machine::Engine): no hook computes
    /// the limits of entries, and by default they do not expire. Not on a microcontroller, where
    /// one path for all writes takes less code.
    #[inline(always)]
    pub(crate) fn may_write_plain(&self) -> bool {
        cfg!(not(target_os = "none")) && self.writes_are_plain
    }

    /// Whether a write may be [`Engine::insert_timed`](crate::machine::Engine): no hook computes
    /// the limits of entries, and no janitor waits for their deadlines.
    #[inline(always)]
    pub(crate) fn may_write_timed(&self) -> bool {
        cfg!(not(target_os = "none")) && self.writes_are_timed
    }

    /// Whether the leader of a load may begin without a flight: its value is likely to be written
    /// plainly, no timer limits the load, and no observer sees it.
    #[inline(always)]
    pub(crate) fn may_lead_solo(&self) -> bool {
        self.may_write_plain() && !self.options.load_timeout.is_set() && !self.is_observed()
    }

    /// Calls a hook that runs while a shard is locked.
    #[cfg(not(target_os = "none"))]
    pub(crate) fn call_hook<T>(&self, name: &'static str, hook: impl FnOnce() -> T) -> T {
        let _in_hook = HookGuard::new(&self.runtime, self.address(), name);
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

    /// Reads the clock. A hit of `get` calls the runtime instead, so that the call is inlined. In
    /// larger functions the compiler would inline the clock, and then not the functions around it.
    #[inline(never)]
    pub(crate) fn now(&self) -> Instant {
        self.runtime.now()
    }

    /// Returns a function that computes the ttl and the weight of an entry: those of the writer, or
    /// else those of the hooks. The engine may call the function several times for one write; the
    /// function calls each hook at most once.
    pub(crate) fn entry_limits(
        &self,
        hash: u32,
        (ttl, weight, times): Requested,
        now: Instant,
    ) -> impl Fn(&K, &V, Option<OldDeadlines>) -> EntryLimits + '_ {
        let known = Cell::new(None);
        let ttl = match self.ttl_jitter.get() {
            Some(jitter) if ttl == Ttl::Default && !self.hooks.expiry.is_set() => {
                Ttl::After(jitter.ttl(hash, now))
            }
            _ => ttl,
        };
        let requested = (ttl, weight, times);
        move |key, value, old| {
            let limits = known
                .get()
                .unwrap_or_else(|| self.compute_limits((key, value), requested, old, now));
            known.set(Some(limits));
            limits
        }
    }

    fn compute_limits(
        &self,
        (key, value): (&K, &V),
        (ttl, weight, times): Requested,
        old: Option<OldDeadlines>,
        now: Instant,
    ) -> EntryLimits {
        let by_hook = self.hooks.expiry.get().filter(|_| ttl == Ttl::Default);
        let ttl = by_hook.map_or(ttl, |expiry| {
            self.ttl_by_hook(expiry, (key, value), old, now)
        });
        let weigh = || {
            let weigher = self.hooks.weigher.as_ref();
            weigher.map_or(1, |weigh| {
                self.call_hook("the weigher", || weigh(key, value))
            })
        };
        let weight = weight.unwrap_or_else(weigh);
        let limits = EntryLimits::new(ttl, weight);
        let limits = match times.value().zip(times.proof()) {
            Some((times, enabled)) => limits.times_if(times, enabled),
            None => limits,
        };
        match self.hooks.expiry.proof() {
            Some(enabled) if by_hook.is_some() => limits.capped_if(enabled),
            _ => limits,
        }
    }

    /// Asks the expiry for the own ttl of an entry that is written at `now`.
    fn ttl_by_hook(
        &self,
        expiry: &impl Expiry<K, V>,
        (key, value): (&K, &V),
        old: Option<OldDeadlines>,
        now: Instant,
    ) -> Ttl {
        let ttl = match old {
            None => {
                let name = "the expiry (`expire_after_create`)";
                self.call_hook(name, || expiry.expire_after_create(key, value))
            }
            Some(old) => {
                let name = "the expiry (`expire_after_update`)";
                let left = remaining(old.deadline, now);
                let ttl = self.call_hook(name, || expiry.expire_after_update(key, value, left));
                ttl.unwrap_or_else(|| remaining(old.own, now).map_or(Ttl::Never, Ttl::After))
            }
        };
        // The cap is the time to live, so the entry needs no ttl of its own.
        if ttl == Ttl::Default { Ttl::Never } else { ttl }
    }

    /// Ends a flight with a value, and stores the value unless the flight is fenced. `IS_WRITE` is
    /// whether the value is that of a computation: a constant, so that a load does not test it.
    pub(crate) fn settle<const IS_WRITE: bool>(
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
        let requested = (loaded.ttl, loaded.weight, loaded.times());
        let compute_limits = self.entry_limits(hash, requested, now);
        self.shards()
            .write_reclaiming(hash, loaded.value, fx, |shard, value, fx| {
                if IS_WRITE {
                    shard.settle_write(hash, id, value, &compute_limits, now, fx)
                } else {
                    shard.settle(hash, id, value, &compute_limits, now, fx)
                }
            })
    }

    /// Ends a flight without a value. Returns whether it was current: neither fenced nor cancelled.
    pub(crate) fn finish(
        &self,
        hash: u32,
        id: FlightId,
        end: LoadEnd,
        fx: &mut ShardEffects<K, V, R>,
    ) -> bool {
        self.shards()
            .write(hash, |shard| match RememberedResults::enabled() {
                Some(enabled) => shard.finish_remembering(id, end, enabled, fx),
                None => shard.finish_and_release(id, end, fx),
            })
    }

    /// The end of a load that found no value at `now`.
    pub(crate) fn missing(&self, now: Instant) -> LoadEnd {
        match self.options.negative_ttl.value() {
            Some(ttl) => LoadEnd::MissingUntil(now.after(ttl)),
            None => LoadEnd::Missing,
        }
    }

    /// The end of a load that failed at `now`.
    pub(crate) fn failed(&self, now: Instant) -> LoadEnd {
        match self.options.error_ttl.value() {
            Some(ttl) => LoadEnd::FailedUntil(now.after(ttl)),
            None => LoadEnd::Failed,
        }
    }

    /// The histograms, if a caller has requested them.
    #[inline(always)]
    pub(crate) fn histograms(&self) -> Option<&HistogramCounters> {
        // The flag is tested first: no compiler removes the acquiring load behind `Once::get`.
        Histograms::enabled()?;
        Some(&**self.histograms.get()?.get()?)
    }

    fn listener(&self) -> Option<&<R::Flavor as Flavor>::Listener<K, V>> {
        self.hooks.listener.get()
    }

    fn janitor(&self) -> Option<&Janitor<Self>> {
        self.janitor.get().map(Box::as_ref)
    }

    /// Purges expired entries of all shards, in about `budget` steps. Returns whether no expired
    /// entry is left.
    ///
    /// # Panics
    /// If the listener panics, after all shards were purged.
    pub(crate) fn purge(&self, budget: usize) -> bool {
        let (is_done, panicked) = self.purge_catching(budget);
        panic::resume_first(panicked);
        is_done
    }

    /// As [`Inner::purge`], but returns the first panic of the listener.
    pub(crate) fn purge_catching(&self, mut budget: usize) -> (bool, Option<Payload>) {
        const STEP: usize = 64;
        let now = self.now();
        let mut panicked = None;
        let mut shards = self.shards().each();
        let mut shard = shards.next();
        while let (Some(current), true) = (shard, budget > 0) {
            let step = budget.min(STEP);
            budget -= step;
            let mut fx = self.effects();
            let done = current.write(|shard| shard.purge_expired(now, step, &mut fx));
            panicked = panicked.or(fx.finish());
            if done {
                shard = shards.next();
            }
        }
        (shard.is_none(), panicked)
    }
}

impl<K, V, R: Runtime, S> Drop for Inner<K, V, R, S> {
    fn drop(&mut self) {
        self.events.close(&self.runtime);
    }
}

impl<K, V, R: Runtime, S> Purge for Inner<K, V, R, S> {
    type Runtime = R;

    fn purge(&self, budget: usize) -> bool {
        self.purge(budget)
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.shards().next_deadline()
    }

    fn runtime(&self) -> &R {
        &self.runtime
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for Inner<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Advances the clock of `shard` without a purge: an entry that was expired for one caller stays
/// expired for all, even if the runtime's clock steps back.
pub(crate) fn note_time<K, V, R: Runtime>(shard: &mut Shard<K, V, R>, now: Instant) {
    shard.purge_expired(now, 0, &mut Effects::new());
}

/// The time from `now` to the deadline of an entry. `None` if the entry never expires.
pub(crate) fn remaining(deadline: Instant, now: Instant) -> Option<Duration> {
    (deadline != Instant::FAR).then(|| deadline.since(now))
}
