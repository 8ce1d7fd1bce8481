//! Shards: which key lives where, each behind a lock of its own, all on one budget.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::flight::Flight;
use crate::machine::{
    Budget, CapacityShortfall, Counters, Effects, Engine, GatedSettings, Instant,
};
use crate::opt_in::{Feature, Gated, ManyShards};
use crate::runtime::Runtime;
use crate::sync::{Arc, AtomicU64, AtomicUsize, CachePadded, Mutex, Ordering, RwLock};

/// One shard: an engine whose flights are the shell's.
pub(crate) type Shard<K, V, R> = Engine<K, V, Arc<Flight<V, R>>, Lease>;

/// A shard behind its lock, on cache lines of its own.
type Padded<K, V, R> = CachePadded<<R as Runtime>::Lock<Shard<K, V, R>>>;

/// The effects of calls to a shard.
pub(crate) type ShardEffects<K, V, R> = Effects<K, V, Arc<Flight<V, R>>>;

/// The shards of one cache.
pub(crate) struct Shards<K, V: 'static, R: Runtime> {
    shards: Box<[Padded<K, V, R>]>,
    capacity: Arc<SharedCapacity>,
    /// Held by whoever collects room from other shards. One at a time: two who each hold half of
    /// what they need would wait for each other.
    reclaiming: R::Mutex<()>,
}

impl<K, V, R: Runtime> Shards<K, V, R> {
    /// `count` shards, a power of two, with room for `max` together; one shard if it is not set.
    pub(crate) fn new(
        count: Gated<usize, ManyShards>,
        max: Option<u64>,
        settings: GatedSettings,
    ) -> Self {
        let capacity = Arc::new(SharedCapacity {
            max,
            free: AtomicU64::new(max.unwrap_or(u64::MAX)),
            first_expiry: CachePadded(AtomicU64::new(u64::MAX)),
            iterations: AtomicUsize::new(0),
        });
        let count = count.value().unwrap_or(1);
        let has_siblings = count > 1 && max.is_some();
        let shard = |_| {
            let lease = Lease {
                capacity: Arc::clone(&capacity),
                allowance: Allowance::default(),
                has_siblings,
            };
            CachePadded(R::Lock::new(Engine::gated(settings, lease)))
        };
        Self {
            shards: (0..count).map(shard).collect(),
            capacity,
            reclaiming: R::Mutex::new(()),
        }
    }

    /// Bounds how many answers without a value all shards remember together. Each has its share,
    /// and some more where there are several: keys do not spread evenly.
    pub(crate) fn set_max_remembered(&self, most: u64) {
        const MORE: u64 = 16;
        let count = self.shards.len() as u64;
        let more = if count > 1 { MORE } else { 0 };
        let share = usize::try_from(most / count + more).unwrap_or(usize::MAX);
        for shard in self.each() {
            shard.write(|shard| shard.set_max_remembered(share));
        }
    }

    /// Reads the shard of `hash`.
    // Part of a hit: one that several methods call would not be inlined.
    #[cfg_attr(target_os = "none", inline)]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn read<T>(&self, hash: u32, f: impl FnOnce(&Shard<K, V, R>) -> T) -> T {
        self.shard(hash).read(f)
    }

    /// Writes to the shard of `hash`. Effects go into a buffer outside, to be flushed after.
    #[inline]
    pub(crate) fn write<T>(&self, hash: u32, f: impl FnOnce(&mut Shard<K, V, R>) -> T) -> T {
        self.shard(hash).write(f)
    }

    /// Writes to the shard of `hash`, which may need more room than it can make: `f` gives back
    /// what it was to store, and is called again once other shards have given up room. Live entries
    /// leave, here or there, only once expired ones have left everywhere.
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
            Ok(answer) => answer,
            Err(shortfall) => self.write_reclaiming_slow(hash, shortfall, fx, &mut f),
        }
    }

    /// As [`Shards::write_reclaiming`], once the shard itself has no more room to give.
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
        assert!(
            ManyShards::is_enabled(),
            "a shard on its own has all the room"
        );
        let mut again = |shortfall: CapacityShortfall<T>,
                         allowance: Allowance,
                         fx: &mut ShardEffects<K, V, R>| {
            self.write(hash, |shard| {
                let guard = CreditGuard::new(shard, allowance);
                let tried = f(guard.0, shortfall.item, fx);
                (tried, guard.0.budget_mut().take_credit())
            })
        };
        while self.capacity.may_have_expired(shortfall.now) {
            let freed = self.reclaim_expired(shortfall.missing, hash, shortfall.now, fx);
            let may_evict_live = freed == 0;
            match again(
                shortfall,
                Allowance {
                    credit: 0,
                    may_evict_live,
                },
                fx,
            )
            .0
            {
                Ok(answer) => return answer,
                Err(still) => shortfall = still,
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
                let may_evict_live = true;
                let (tried, left) = again(
                    shortfall,
                    Allowance {
                        credit,
                        may_evict_live,
                    },
                    fx,
                );
                credit = left;
                match tried {
                    Ok(answer) => {
                        self.capacity.give_back(credit);
                        return answer;
                    }
                    Err(still) => shortfall = still,
                }
            }
        })
    }

    /// Every shard, one after the other.
    pub(crate) fn each(&self) -> impl Iterator<Item = &R::Lock<Shard<K, V, R>>> + Clone + '_ {
        self.shards.iter().map(|shard| &shard.0)
    }

    /// Begins a walk. Must come before the first look at a shard: a caller that locks that shard after
    /// it to move entries sees that there is a walk.
    pub(crate) fn begin_iteration(&self) -> IterationGuard {
        self.capacity.iterations.fetch_add(1, Ordering::Relaxed);
        IterationGuard(Arc::clone(&self.capacity))
    }

    /// Gives back the memory that no entry needs, of every shard for which `which` says so. Not
    /// during a walk. O(entries).
    pub(crate) fn shrink(&self, which: impl Fn(&Shard<K, V, R>) -> bool) {
        for shard in self.each().filter(|shard| shard.read(&which)) {
            shard.write(|shard| {
                if self.capacity.iterations.load(Ordering::Relaxed) == 0 {
                    shard.compact();
                }
            });
        }
    }

    /// What tells, shard by shard, whether something was written or invalidated since.
    pub(crate) fn epochs(&self) -> Vec<u64> {
        self.each()
            .map(|shard| shard.read(|shard| shard.epoch()))
            .collect()
    }

    /// A sum over all shards.
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

    /// The earliest time at which a shard may have something to purge.
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

    /// Evicts from other shards than that of `hash` until they have given up `wanted`.
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

    /// Removes entries that have expired at `now` from other shards than that of `hash`, until they
    /// have given up `wanted` or no other has expired. Returns how much room is free by that.
    fn reclaim_expired(
        &self,
        wanted: u64,
        hash: u32,
        now: Instant,
        fx: &mut ShardEffects<K, V, R>,
    ) -> u64 {
        // Must come before the look at the shards, or a deadline that is set meanwhile is lost.
        self.capacity
            .first_expiry
            .0
            .store(u64::MAX, Ordering::Relaxed);
        let (mut freed, own) = (0, self.shard(hash));
        for shard in self.others(hash) {
            let mut next = shard.read(|shard| shard.next_expiry());
            if next.is_some_and(|at| at.has_passed(now)) {
                next = shard.write(|shard| {
                    freed += shard.expire_for(wanted - freed, now, fx);
                    shard.next_expiry()
                });
            }
            self.capacity.expires(next);
            if freed >= wanted {
                // The other shards were not looked at.
                self.capacity.expires(Some(now));
                return freed;
            }
        }
        self.capacity.expires(own.read(|shard| shard.next_expiry()));
        freed
    }

    /// All shards but that of `hash`, the neighbors first: not always the same shard is to pay.
    fn others(&self, hash: u32) -> impl Iterator<Item = &R::Lock<Shard<K, V, R>>> + '_ {
        let others = self.each().cycle().skip(self.index(hash) + 1);
        others.take(self.shards.len() - 1)
    }

    // Part of a hit: a program that is built for size would not inline it.
    #[inline(always)]
    fn shard(&self, hash: u32) -> &R::Lock<Shard<K, V, R>> {
        &self.shards[self.index(hash)].0
    }

    /// Another product than the one that spreads a hash within the shard, so that the keys of a
    /// shard are not all in the same part of its table.
    #[inline]
    pub(crate) fn index(&self, hash: u32) -> usize {
        if !ManyShards::is_enabled() {
            return 0;
        }
        (hash.wrapping_mul(0x85EB_CA6B) >> 16) as usize & (self.shards.len() - 1)
    }
}

/// What all shards draw on: the room that no shard holds.
#[derive(Debug)]
pub(crate) struct SharedCapacity {
    max: Option<u64>,
    free: AtomicU64,
    /// No later than the time at which the first entry of all shards expires, in nanoseconds. Where
    /// there is one shard, or no bound, it is never set.
    first_expiry: CachePadded<AtomicU64>,
    /// How many callers are on their way through the shards, slot by slot: no entry may move from a
    /// slot that they have yet to see into one that they have seen.
    iterations: AtomicUsize,
}

/// A caller's way through all shards. Until it is dropped, no entry moves and tokens keep their
/// meaning.
#[derive(Debug)]
pub(crate) struct IterationGuard(Arc<SharedCapacity>);

impl Drop for IterationGuard {
    fn drop(&mut self) {
        self.0.iterations.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SharedCapacity {
    fn try_take(&self, weight: u64) -> bool {
        let taken = self
            .free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
                free.checked_sub(weight)
            });
        taken.is_ok()
    }

    fn take_up_to(&self, weight: u64) -> u64 {
        let taken = self
            .free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
                Some(free - free.min(weight))
            });
        taken.map_or(0, |free| free.min(weight))
    }

    fn give_back(&self, weight: u64) {
        if weight > 0 {
            self.free.fetch_add(weight, Ordering::Relaxed);
        }
    }

    /// An entry expires at `deadline`.
    fn expires(&self, deadline: Option<Instant>) {
        let nanos = deadline.map_or(u64::MAX, Instant::as_nanos);
        let first = &self.first_expiry.0;
        let earlier = |known| (nanos < known).then_some(nanos);
        // An error says that there is an earlier one.
        let _ = first.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earlier);
    }

    #[inline]
    fn may_have_expired(&self, now: Instant) -> bool {
        let first = Instant::from_nanos(self.first_expiry.0.load(Ordering::Relaxed));
        // Where nothing expires, the first comparison is all.
        now >= first && first.has_passed(now)
    }
}

/// A shard's share of the ledger. It holds exactly as much room as its entries take, so a full
/// cache evicts and inserts without touching memory that the shards have in common.
#[derive(Debug)]
pub(crate) struct Lease {
    capacity: Arc<SharedCapacity>,
    allowance: Allowance,
    /// Whether there are other shards that hold a part of the room.
    has_siblings: bool,
}

/// What a shard is lent to store one entry.
#[derive(Debug, Clone, Copy, Default)]
struct Allowance {
    /// Room that was collected for the entry.
    credit: u64,
    /// Whether live entries may leave although other shards may hold expired ones.
    may_evict_live: bool,
}

impl Lease {
    fn take_credit(&mut self) -> u64 {
        core::mem::take(&mut self.allowance.credit)
    }
}

impl Budget for Lease {
    fn max(&self) -> Option<u64> {
        self.capacity.max
    }

    fn try_take(&mut self, weight: u64) -> bool {
        let from_credit = self.allowance.credit.min(weight);
        let bounded = self.capacity.max.is_some();
        let taken =
            !bounded || weight == from_credit || self.capacity.try_take(weight - from_credit);
        if taken {
            self.allowance.credit -= from_credit;
        }
        taken
    }

    fn give_back(&mut self, weight: u64) {
        if self.capacity.max.is_some() {
            self.capacity.give_back(weight);
        }
    }

    fn record_deadline(&mut self, deadline: Instant) {
        if self.has_siblings && ManyShards::is_enabled() {
            self.capacity.expires(Some(deadline));
        }
    }

    fn has_no_expiry(&self) -> bool {
        let first = &self.capacity.first_expiry.0;
        !ManyShards::is_enabled() || first.load(Ordering::Relaxed) == u64::MAX
    }

    fn allows_compaction(&self) -> bool {
        // A device gives memory back when it is told to.
        !cfg!(target_os = "none") && self.capacity.iterations.load(Ordering::Relaxed) == 0
    }

    fn may_reclaim_expired(&self, now: Instant) -> bool {
        ManyShards::is_enabled()
            && self.capacity.may_have_expired(now)
            && !self.allowance.may_evict_live
    }
}

/// A shard with credit. What it has not used by the end is the cache's again: a panic in user code
/// must not strand it here, out of reach of the other shards.
struct CreditGuard<'a, K, V: 'static, R: Runtime>(&'a mut Shard<K, V, R>);

impl<'a, K, V, R: Runtime> CreditGuard<'a, K, V, R> {
    fn new(shard: &'a mut Shard<K, V, R>, allowance: Allowance) -> Self {
        shard.budget_mut().allowance = allowance;
        Self(shard)
    }
}

impl<K, V, R: Runtime> Drop for CreditGuard<'_, K, V, R> {
    fn drop(&mut self) {
        let lease = self.0.budget_mut();
        let unused = core::mem::take(&mut lease.allowance).credit;
        lease.capacity.give_back(unused);
    }
}
