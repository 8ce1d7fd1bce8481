//! Shards: which key lives where, each behind a lock of its own, all on one budget.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::asked::{SHARDS, WRITING_READS};
use crate::load::Flight;
use crate::machine::{Budget, Counters, Effects, Engine, Instant, Settings};
use crate::runtime::Runtime;
use crate::sync::{Arc, AtomicU64, CachePadded, Lock, Mutex, Ordering};

/// One shard: an engine whose flights are the shell's.
pub(crate) type Shard<K, V, R> = Engine<K, V, Arc<Flight<V, R>>, Lease>;

/// A shard behind its lock, on cache lines of its own.
type Padded<K, V, R> = CachePadded<<R as Runtime>::Lock<Shard<K, V, R>>>;

/// The effects of calls to a shard.
pub(crate) type ShardEffects<K, V, R> = Effects<K, V, Arc<Flight<V, R>>>;

/// The shards of one cache.
pub(crate) struct Shards<K, V: 'static, R: Runtime> {
    shards: Box<[Padded<K, V, R>]>,
    ledger: Arc<Ledger>,
    /// Held by whoever collects room from other shards. One at a time: two who each hold half of
    /// what they need would wait for each other.
    collecting: R::Mutex<()>,
}

impl<K, V, R: Runtime> Shards<K, V, R> {
    /// `count` shards, a power of two, with room for `max` together.
    pub(crate) fn new(count: usize, max: Option<u64>, settings: Settings) -> Self {
        // By default there are several only where there are threads.
        if cfg!(feature = "std") && count > 1 {
            SHARDS.raise();
        }
        debug_assert!(count == 1 || SHARDS.is_up());
        let ledger = Arc::new(Ledger {
            max,
            free: AtomicU64::new(max.unwrap_or(u64::MAX)),
        });
        let shard = |_| {
            let lease = Lease {
                ledger: Arc::clone(&ledger),
                credit: 0,
            };
            let engine = if WRITING_READS.is_up() {
                Engine::new(settings, lease)
            } else {
                Engine::plain(settings.time_to_live, lease)
            };
            CachePadded(R::Lock::new(engine))
        };
        Self {
            shards: (0..count).map(shard).collect(),
            ledger,
            collecting: R::Mutex::new(()),
        }
    }

    /// Bounds how many answers without a value all shards remember together. Each has its share,
    /// and some more where there are several: keys do not spread evenly.
    pub(crate) fn remember_at_most(&self, most: u64) {
        const MORE: u64 = 16;
        let count = self.shards.len() as u64;
        let more = if count > 1 { MORE } else { 0 };
        let share = usize::try_from(most / count + more).unwrap_or(usize::MAX);
        for shard in self.each() {
            shard.write(|shard| shard.remember_at_most(share));
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
    /// what it was to store, and is called again once other shards have given up `short`.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn write_with_room<T, U>(
        &self,
        hash: u32,
        item: T,
        fx: &mut ShardEffects<K, V, R>,
        mut f: impl FnMut(&mut Shard<K, V, R>, T, &mut ShardEffects<K, V, R>) -> Result<U, (T, u64)>,
    ) -> U {
        let (mut item, mut short) = match self.write(hash, |shard| f(shard, item, fx)) {
            Ok(answer) => return answer,
            Err(no_room) => no_room,
        };
        assert!(SHARDS.is_up(), "a shard on its own has all the room");
        self.collecting.with(|()| {
            let mut credit = 0;
            loop {
                credit += self.collect(short.saturating_sub(credit), hash, fx);
                let tried = self.write(hash, |shard| {
                    let borrower = Borrower::new(shard, credit);
                    let tried = f(borrower.0, item, fx);
                    credit = borrower.0.budget_mut().take_credit();
                    tried
                });
                match tried {
                    Ok(answer) => {
                        self.ledger.give_back(credit);
                        return answer;
                    }
                    Err(no_room) => (item, short) = no_room,
                }
            }
        })
    }

    /// Every shard, one after the other.
    pub(crate) fn each(&self) -> impl Iterator<Item = &R::Lock<Shard<K, V, R>>> + Clone + '_ {
        self.shards.iter().map(|shard| &shard.0)
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
            .filter_map(|shard| shard.read(|shard| shard.poll_timeout()))
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
    fn collect(&self, wanted: u64, hash: u32, fx: &mut ShardEffects<K, V, R>) -> u64 {
        let mut got = self.ledger.take_up_to(wanted);
        // The neighbours first: not always the same shard is to pay.
        let others = self.each().cycle().skip(self.index(hash) + 1);
        for shard in others.take(self.shards.len() - 1) {
            if got >= wanted {
                break;
            }
            got += shard.write(|shard| shard.evict_for(wanted - got, fx));
        }
        got
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
        // A device has one core, and most often one shard.
        if cfg!(target_os = "none") && !SHARDS.is_up() {
            return 0;
        }
        (hash.wrapping_mul(0x85EB_CA6B) >> 16) as usize & (self.shards.len() - 1)
    }
}

/// What all shards draw on: the room that no shard holds.
#[derive(Debug)]
pub(crate) struct Ledger {
    max: Option<u64>,
    free: AtomicU64,
}

impl Ledger {
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
}

/// A shard's share of the ledger. It holds exactly as much room as its entries take, so a full
/// cache evicts and inserts without touching memory that the shards have in common.
#[derive(Debug)]
pub(crate) struct Lease {
    ledger: Arc<Ledger>,
    /// Room collected for one entry that is about to be stored.
    credit: u64,
}

impl Lease {
    fn take_credit(&mut self) -> u64 {
        core::mem::take(&mut self.credit)
    }
}

impl Budget for Lease {
    fn max(&self) -> Option<u64> {
        self.ledger.max
    }

    fn try_take(&mut self, weight: u64) -> bool {
        let from_credit = self.credit.min(weight);
        let bounded = self.ledger.max.is_some();
        let taken = !bounded || weight == from_credit || self.ledger.try_take(weight - from_credit);
        if taken {
            self.credit -= from_credit;
        }
        taken
    }

    fn give_back(&mut self, weight: u64) {
        if self.ledger.max.is_some() {
            self.ledger.give_back(weight);
        }
    }
}

/// A shard with credit. What it has not used by the end is the cache's again: a panic in user code
/// must not strand it here, out of reach of the other shards.
struct Borrower<'a, K, V: 'static, R: Runtime>(&'a mut Shard<K, V, R>);

impl<'a, K, V, R: Runtime> Borrower<'a, K, V, R> {
    fn new(shard: &'a mut Shard<K, V, R>, credit: u64) -> Self {
        shard.budget_mut().credit = credit;
        Self(shard)
    }
}

impl<K, V, R: Runtime> Drop for Borrower<'_, K, V, R> {
    fn drop(&mut self) {
        let lease = self.0.budget_mut();
        let unused = lease.take_credit();
        lease.ledger.give_back(unused);
    }
}
