//! What all handles of a cache share.

mod effects_guard;
mod lookup;
mod snapshot;

use alloc::boxed::Box;
use core::cell::Cell;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use core::time::Duration;

use crate::expiry::Expiry;
use crate::flight::{Flight, Loaded};
use crate::hash::fold;
use crate::janitor::{Janitor, JanitorTask, Purge};
use crate::machine::{Effects, EntryLimits, FlightId, Instant, LoadEnd, Settled, Ttl};
use crate::opt_in::{
    DETACHED_LOADS, JANITOR, LISTENER, LOAD_TIMEOUT, REMEMBERED_ANSWERS, WRITING_READS,
};
use crate::panic;
#[cfg(not(target_os = "none"))]
use crate::runtime::HookGuard;
use crate::runtime::{Flavor, Runtime, Task};
use crate::shards::{Shard, ShardEffects, Shards};
use crate::stats::{BatchCounters, Requests};
use crate::sync::{Arc, RwLock};

pub(crate) use effects_guard::EffectsGuard;
pub(crate) use snapshot::Snapshot;

pub(crate) struct Inner<K, V: 'static, R: Runtime, S> {
    /// To be reached through [`Inner::shards`].
    pub(crate) shards: Shards<K, V, R>,
    pub(crate) runtime: R,
    pub(crate) hasher: S,
    pub(crate) hooks: Hooks<K, V, R>,
    pub(crate) options: LoadOptions,
    /// Whether a hook may run while a shard is locked. Not on a device, where the lock notices a
    /// hook that uses its cache.
    pub(crate) locks_around_hooks: bool,
    /// Whether a read may write to its shard, at once or after it has looked, or may come from a
    /// hook that runs while a shard is locked.
    pub(crate) reads_mutate: bool,
    /// Whether it must lock its shard exclusively for that.
    pub(crate) reads_need_exclusive: bool,
    pub(crate) requests: Requests,
    pub(crate) janitor: Option<Box<Janitor<Self>>>,
    /// Boxes the background task of a load: only the builder knows that it can travel.
    pub(crate) box_load_task: BoxLoadTask<K, V, R, S>,
    pub(crate) batch_counters: BatchCounters,
}

/// The functions that box the background tasks of a cache. Only where a cache is built does the
/// compiler know that its tasks can be spawned.
#[derive(Debug)]
#[expect(unnameable_types, reason = "a hidden method returns it")]
pub struct TaskBoxes<K, V: 'static, R: Runtime, S> {
    pub(crate) load: BoxLoadTask<K, V, R, S>,
    pub(crate) janitor: BoxJanitorTask<Inner<K, V, R, S>, R>,
}

type BoxLoadTask<K, V, R, S> = fn(Arc<Inner<K, V, R, S>>, Arc<Flight<V, R>>) -> Task<R>;

type BoxJanitorTask<C, R> = fn(JanitorTask<C>) -> Task<R>;

/// The user's code that the cache calls.
pub(crate) struct Hooks<K, V, R: Runtime> {
    pub(crate) weigher: Option<<R::Flavor as Flavor>::Weigher<K, V>>,
    pub(crate) expiry: Option<<R::Flavor as Flavor>::Expiry<K, V>>,
    pub(crate) listener: Option<<R::Flavor as Flavor>::Listener<K, V>>,
}

/// The settings of loads.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LoadOptions {
    pub(crate) load_timeout: Option<Duration>,
    pub(crate) error_ttl: Option<Duration>,
    pub(crate) negative_ttl: Option<Duration>,
    pub(crate) detach_loads: bool,
}

impl LoadOptions {
    pub(crate) fn load_timeout(&self) -> Option<Duration> {
        self.load_timeout.filter(|_| LOAD_TIMEOUT.is_enabled())
    }

    fn negative_ttl(&self) -> Option<Duration> {
        self.negative_ttl
            .filter(|_| REMEMBERED_ANSWERS.is_enabled())
    }

    fn error_ttl(&self) -> Option<Duration> {
        self.error_ttl.filter(|_| REMEMBERED_ANSWERS.is_enabled())
    }

    pub(crate) fn detach_loads(&self) -> bool {
        self.detach_loads && DETACHED_LOADS.is_enabled()
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

    /// The time. Everywhere but in a hit, which has it inlined.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn now(&self) -> Instant {
        self.runtime.now()
    }

    /// How long an entry lives and what it weighs, to be called by the engine, which may do so more
    /// than once for one write: what the writer says, or else the hooks, asked once.
    pub(crate) fn entry_limits(
        &self,
        ttl: Ttl,
        weight: Option<u32>,
        now: Instant,
    ) -> impl Fn(&K, &V, Option<Instant>) -> EntryLimits + '_ {
        let known = Cell::new(None);
        move |key, value, old| {
            let limits = known
                .get()
                .unwrap_or_else(|| self.compute_limits((key, value), ttl, weight, old, now));
            known.set(Some(limits));
            limits
        }
    }

    fn compute_limits(
        &self,
        (key, value): (&K, &V),
        ttl: Ttl,
        weight: Option<u32>,
        old: Option<Instant>,
        now: Instant,
    ) -> EntryLimits {
        let expiry = self.hooks.expiry.as_ref();
        let ttl = match (expiry.filter(|_| WRITING_READS.is_enabled()), ttl, old) {
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
        EntryLimits { ttl, weight }
    }

    /// Ends a flight with a value, which is stored unless the flight was fenced.
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
        let compute_limits = self.entry_limits(ttl, weight, now);
        self.shards()
            .write_reclaiming(hash, value, fx, |shard, value, fx| {
                shard.settle(hash, id, value, &compute_limits, now, fx)
            })
    }

    /// Ends a flight without a value. Says whether it was still current.
    pub(crate) fn finish(
        &self,
        hash: u32,
        id: FlightId,
        how: LoadEnd,
        fx: &mut ShardEffects<K, V, R>,
    ) -> bool {
        self.shards().write(hash, |shard| {
            if REMEMBERED_ANSWERS.is_enabled() {
                shard.finish(id, how, fx)
            } else {
                shard.finish_now(id, how, fx)
            }
        })
    }

    /// How a load ends that found no value at `now`.
    pub(crate) fn missing(&self, now: Instant) -> LoadEnd {
        match self.options.negative_ttl() {
            Some(ttl) => LoadEnd::MissingUntil(now.after(ttl)),
            None => LoadEnd::Missing,
        }
    }

    /// How a load ends that failed at `now`.
    pub(crate) fn failed(&self, now: Instant) -> LoadEnd {
        match self.options.error_ttl() {
            Some(ttl) => LoadEnd::FailedUntil(now.after(ttl)),
            None => LoadEnd::Failed,
        }
    }

    fn listener(&self) -> Option<&<R::Flavor as Flavor>::Listener<K, V>> {
        let listener = self.hooks.listener.as_ref();
        listener.filter(|_| LISTENER.is_enabled())
    }

    fn janitor(&self) -> Option<&Janitor<Self>> {
        self.janitor.as_deref().filter(|_| JANITOR.is_enabled())
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
            let done = current.write(|shard| shard.purge_expired(now, step, &mut fx));
            panicked = panicked.or(fx.finish());
            if done {
                shard = shards.next();
            }
        }
        panic::resume_first(panicked);
        shard.is_none()
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

/// Has `shard` take note of the time, but purge nothing: what was seen to have expired stays so,
/// should the clock step back.
pub(crate) fn note_time<K, V, R: Runtime>(shard: &mut Shard<K, V, R>, now: Instant) {
    shard.purge_expired(now, 0, &mut Effects::new());
}

/// How long an entry has to live at `now`; `None`: for ever.
pub(crate) fn remaining(deadline: Instant, now: Instant) -> Option<Duration> {
    (deadline != Instant::FAR).then(|| deadline.since(now))
}
