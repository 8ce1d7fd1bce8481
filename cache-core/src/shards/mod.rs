//! The shards of a cache: each has its own lock and holds the keys whose hash selects it. All share
//! one capacity.

mod capacity;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::flight::Flight;
use crate::machine::{
    CapacityShortfall, Counters, Effects, Engine, FreshnessSettings, GatedSettings, Instant,
};
use crate::opt_in::{ChangedCapacity, Enabled, Feature, Freshening, Gated, ManyShards};
use crate::runtime::Runtime;
use crate::sync::{Arc, CachePadded, Mutex, RwLock};

use capacity::{Allowance, CreditGuard, SharedCapacity};
pub(crate) use capacity::{IterationGuard, Lease, RemovalObserver};

/// One shard: an engine that shares its capacity with the other shards.
pub(crate) type Shard<K, V, R> = Engine<K, V, Arc<Flight<V, R>>, Lease>;

/// A shard and its lock.
pub(crate) type ShardLock<K, V, R> = <R as Runtime>::Lock<Shard<K, V, R>>;

/// A shard and its lock. It shares no cache line with another shard.
type Padded<K, V, R> = CachePadded<ShardLock<K, V, R>>;

/// The effects of calls to a shard, to be applied after the shard is unlocked.
pub(crate) type ShardEffects<K, V, R> = Effects<K, V, Arc<Flight<V, R>>>;

/// The shards of one cache.
pub(crate) struct Shards<K, V, R: Runtime> {
    shards: Box<[Padded<K, V, R>]>,
    capacity: Arc<SharedCapacity>,
    /// Held by the writer that reclaims capacity from other shards. Without it, two writers could
    /// each hold a part of the credit that they need, and neither could get the rest.
    reclaiming: R::Mutex<()>,
}

impl<K, V, R: Runtime> Shards<K, V, R> {
    /// Creates `count` shards, a power of two, that together hold a weight of at most `max`.
    /// Creates one shard if `count` is not set.
    pub(crate) fn new(
        count: Gated<usize, ManyShards>,
        max: Option<u64>,
        settings: GatedSettings,
    ) -> Self {
        let count = count.value().unwrap_or(1);
        let capacity = Arc::new(SharedCapacity::new(max));
        let has_siblings = count > 1 && max.is_some();
        let shard = |_| {
            let lease = Lease::new(&capacity, has_siblings);
            CachePadded(R::Lock::new(Engine::gated(settings, lease)))
        };
        Self {
            shards: (0..count).map(shard).collect(),
            capacity,
            reclaiming: R::Mutex::new(()),
        }
    }

    /// Sets the ages of values in all shards.
    pub(crate) fn set_freshness(&self, settings: FreshnessSettings, enabled: Enabled<Freshening>) {
        for shard in self.each() {
            shard.write(|shard| shard.set_freshness(settings, enabled));
        }
    }

    /// Bounds how many results without a value all shards remember together. Each shard gets an
    /// equal share. Several shards get `EXTRA` each on top, because keys do not spread evenly.
    pub(crate) fn set_max_remembered(&self, max: u64) {
        const EXTRA: u64 = 16;
        let count = self.shards.len() as u64;
        let extra = if count > 1 { EXTRA } else { 0 };
        let share = usize::try_from(max / count + extra).unwrap_or(usize::MAX);
        for shard in self.each() {
            shard.write(|shard| shard.set_max_remembered(share));
        }
    }

    /// The weight that all shards may hold together; `None` if it is not bounded.
    pub(crate) fn max_capacity(&self) -> Option<u64> {
        self.capacity.max()
    }

    /// Bounds the weight of all shards by `max`. Evicts at once, in each shard in proportion to its
    /// weight. The caller has purged expired entries.
    pub(crate) fn set_max_capacity(
        &self,
        max: u64,
        now: Instant,
        enabled: Enabled<ChangedCapacity>,
        fx: &mut ShardEffects<K, V, R>,
    ) {
        enabled.check();
        // Without this lock a writer could hold credit, which no shard can evict.
        self.reclaiming.with(|()| {
            let mut excess = self.capacity.set_max(max);
            let held = u128::from(self.sum(|shard| shard.weighted_size()).max(1));
            let total = u128::from(excess);
            for shard in self.each() {
                shard.write(|shard| {
                    let share = (u128::from(shard.weighted_size()) * total).div_ceil(held);
                    let share = u64::try_from(share).unwrap_or(u64::MAX).min(excess);
                    excess = self.take_excess(excess, shard.evict_for(share, now, fx));
                });
            }
            // Repeats while writers move weight to shards that the loop has passed.
            while excess > 0 {
                excess = self.take_excess(excess, self.capacity.take_up_to(excess));
                for shard in self.each() {
                    let evicted = shard.write(|shard| shard.evict_for(excess, now, fx));
                    excess = self.take_excess(excess, evicted);
                }
            }
        });
    }

    /// Takes `excess` out of the cache, from the weight `taken`, of which the rest becomes free.
    /// Returns the excess that is left.
    fn take_excess(&self, excess: u64, taken: u64) -> u64 {
        self.capacity.give_back(taken.saturating_sub(excess));
        excess.saturating_sub(taken)
    }

    /// Calls `f` with the shard of `hash`, locked for reading.
    // Part of a hit: `inline` alone does not inline it, because several methods call it.
    #[cfg_attr(target_os = "none", inline)]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn read<T>(&self, hash: u32, f: impl FnOnce(&Shard<K, V, R>) -> T) -> T {
        self.shard(hash).read(f)
    }

    /// Calls `f` with the shard of `hash`, locked for writing. `f` collects effects in a buffer of
    /// the caller, which flushes it after this returns.
    #[inline]
    pub(crate) fn write<T>(&self, hash: u32, f: impl FnOnce(&mut Shard<K, V, R>) -> T) -> T {
        self.shard(hash).write(f)
    }

    /// Calls `f`, which writes `item` to the shard of `hash`. If that shard cannot evict enough by
    /// itself, `f` returns the item in a shortfall, and is called again after other shards have
    /// evicted. No shard evicts a live entry before all shards have removed their expired entries.
    pub(crate) fn write_reclaiming<T, U>(
        &self,
        hash: u32,
        item: T,
        fx: &mut ShardEffects<K, V, R>,
        mut f: impl FnMut(
            &mut Shard<K, V, R>,
            T,
            &mut ShardEffects<K, V, R>,
        ) -> Result<U, CapacityShortfall<T>>,
    ) -> U {
        match self.write(hash, |shard| f(shard, item, fx)) {
            Ok(written) => written,
            Err(shortfall) => self.write_reclaiming_slow(hash, shortfall, fx, &mut f),
        }
    }

    /// The rest of [`Shards::write_reclaiming`], after the first attempt of `f` fell short.
    #[cold]
    #[inline(never)]
    fn write_reclaiming_slow<T, U>(
        &self,
        hash: u32,
        mut shortfall: CapacityShortfall<T>,
        fx: &mut ShardEffects<K, V, R>,
        f: &mut impl FnMut(
            &mut Shard<K, V, R>,
            T,
            &mut ShardEffects<K, V, R>,
        ) -> Result<U, CapacityShortfall<T>>,
    ) -> U {
        let may_fall_short = ManyShards::is_enabled() || ChangedCapacity::is_enabled();
        assert!(
            may_fall_short,
            "a single shard of a fixed capacity cannot fall short"
        );
        // Calls `f` again. Returns its result, and the credit that it did not use.
        let mut attempt = |shortfall: CapacityShortfall<T>,
                           credit: u64,
                           may_evict_live: bool,
                           fx: &mut ShardEffects<K, V, R>| {
            let allowance = Allowance {
                credit,
                may_evict_live,
            };
            self.write(hash, |shard| {
                let mut guard = CreditGuard::new(shard, allowance);
                let result = f(guard.shard(), shortfall.item, fx);
                (result, guard.take_credit())
            })
        };
        while self.capacity.may_have_expired(shortfall.now) {
            let freed = self.reclaim_expired(shortfall.missing, hash, shortfall.now, fx);
            let may_evict_live = freed == 0;
            match attempt(shortfall, 0, may_evict_live, fx).0 {
                Ok(written) => return written,
                Err(still_short) => shortfall = still_short,
            }
            if may_evict_live {
                break;
            }
        }
        self.reclaiming.with(|()| {
            let mut credit = 0;
            loop {
                let wanted = shortfall.missing.saturating_sub(credit);
                credit += self.reclaim(wanted, hash, shortfall.now, fx);
                let (result, unused) = attempt(shortfall, credit, true, fx);
                credit = unused;
                match result {
                    Ok(written) => {
                        self.capacity.give_back(credit);
                        return written;
                    }
                    Err(still_short) => shortfall = still_short,
                }
            }
        })
    }

    /// Iterates over the locks of all shards.
    pub(crate) fn each(&self) -> impl Iterator<Item = &R::Lock<Shard<K, V, R>>> + Clone + '_ {
        self.shards.iter().map(|shard| &shard.0)
    }

    /// Begins an iteration. Must come before its first read of a shard, or a writer that locks the
    /// shard after that read does not see the iteration, and moves entries.
    pub(crate) fn begin_iteration(&self) -> IterationGuard {
        IterationGuard::new(&self.capacity)
    }

    /// Begins to number the removals.
    pub(crate) fn observe_removals(&self) -> RemovalObserver {
        RemovalObserver::new(&self.capacity)
    }

    /// Whether removals are numbered.
    #[inline(always)]
    pub(crate) fn are_removals_observed(&self) -> bool {
        self.capacity.is_observed()
    }

    /// Frees the unused memory of each shard that `which` selects, unless an iteration is in
    /// progress. O(entries).
    pub(crate) fn shrink(&self, which: impl Fn(&Shard<K, V, R>) -> bool) {
        for shard in self.each().filter(|shard| shard.read(&which)) {
            shard.write(|shard| {
                // Must be read with the shard locked, or an iteration could begin, and read the
                // shard, between the check and the compaction.
                if !self.capacity.is_iterated() {
                    shard.compact();
                }
            });
        }
    }

    /// One number per shard that changes when a caller writes, removes or refreshes an entry of it.
    pub(crate) fn epochs(&self) -> Vec<u64> {
        self.each()
            .map(|shard| shard.read(|shard| shard.epoch()))
            .collect()
    }

    /// Adds up what `f` returns for each shard.
    pub(crate) fn sum(&self, mut f: impl FnMut(&Shard<K, V, R>) -> u64) -> u64 {
        self.each().map(|shard| shard.read(&mut f)).sum()
    }

    pub(crate) fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        for shard in self.each() {
            counters += shard.read(|shard| *shard.counters());
        }
        counters
    }

    /// The earliest time at which a shard may have an entry to purge.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.each()
            .filter_map(|shard| shard.read(|shard| shard.next_deadline()))
            .min()
    }

    /// Bytes held on the heap.
    pub(crate) fn memory_used(&self) -> usize {
        size_of_val(&*self.shards)
            + self
                .each()
                .map(|shard| shard.read(Engine::memory_used))
                .sum::<usize>()
    }

    /// Takes a weight of `wanted` from the free capacity, and then from all shards but that of
    /// `hash`, which evict for it. Returns the weight that it got.
    fn reclaim(&self, wanted: u64, hash: u32, now: Instant, fx: &mut ShardEffects<K, V, R>) -> u64 {
        let mut got = self.capacity.take_up_to(wanted);
        for shard in self.others(hash) {
            if got >= wanted {
                break;
            }
            got += shard.write(|shard| shard.evict_for(wanted - got, now, fx));
        }
        got
    }

    /// Removes entries that have expired at `now` from all shards but that of `hash`, until it has
    /// freed `wanted` or none is left. Returns the freed weight.
    fn reclaim_expired(
        &self,
        wanted: u64,
        hash: u32,
        now: Instant,
        fx: &mut ShardEffects<K, V, R>,
    ) -> u64 {
        self.capacity.reset_first_expiry();
        let (mut freed, own) = (0, self.shard(hash));
        for shard in self.others(hash) {
            let mut next = shard.read(|shard| shard.next_expiry());
            if next.is_some_and(|at| at.has_passed(now)) {
                next = shard.write(|shard| {
                    freed += shard.expire_for(wanted - freed, now, fx);
                    shard.next_expiry()
                });
            }
            self.capacity.will_expire(next);
            if freed >= wanted {
                // The remaining shards were not scanned: they may hold expired entries.
                self.capacity.will_expire(Some(now));
                return freed;
            }
        }
        self.capacity
            .will_expire(own.read(|shard| shard.next_expiry()));
        freed
    }

    /// All shards but that of `hash`. The scan starts at its neighbor, so that evictions for
    /// different shards start at different shards.
    fn others(&self, hash: u32) -> impl Iterator<Item = &R::Lock<Shard<K, V, R>>> + '_ {
        let others = self.each().cycle().skip(self.index(hash) + 1);
        others.take(self.shards.len() - 1)
    }

    /// The lock of the shard of `hash`.
    // Part of a hit: `opt-level = "s"` would not inline it.
    #[inline(always)]
    pub(crate) fn shard(&self, hash: u32) -> &ShardLock<K, V, R> {
        &self.shards[self.index(hash)].0
    }

    /// The address of the shard of `hash`, which identifies the shard among all that exist.
    #[inline]
    pub(crate) fn address(&self, hash: u32) -> usize {
        core::ptr::from_ref(self.shard(hash)).addr()
    }

    /// The index of the shard of `hash`. Its multiplier differs from that of the shard's hash
    /// table: otherwise all keys of a shard would share a part of the table.
    #[inline]
    pub(crate) fn index(&self, hash: u32) -> usize {
        // A microcontroller has one core, so most programs for it have one shard.
        if !ManyShards::is_enabled() {
            return 0;
        }
        (hash.wrapping_mul(0x85EB_CA6B) >> 16) as usize & (self.shards.len() - 1)
    }
}
