//! The capacity that all shards of a cache share.
//!
//! Weight is always in one of three places, and their sum is `max`, but while the bound
//! is lowered:
//! - `SharedCapacity::free`: held by no shard;
//! - a shard: the weight of its entries. The shard takes it through its [`Lease`] before it stores
//!   an entry, and gives it back when the entry is removed;
//! - a writer's credit: weight that the writer reclaimed from other shards for one entry. The
//!   [`CreditGuard`] lends it to the entry's shard for one attempt, and unused credit
//!   goes back to the writer, or to `free` if the attempt panics.
//!
//! A shard replaces an evicted entry from its own weight, so a full cache writes without touching
//! `free`. Each update of `free` is one atomic read-modify-write of a number that guards no other
//! memory, so `Relaxed` is enough.

use crate::machine::{Budget, Instant};
use crate::opt_in::{ChangedCapacity, EventStreams, Feature, ManyShards};
use crate::runtime::Runtime;
use crate::sync::{Arc, AtomicU64, AtomicUsize, CachePadded, Ordering};

use super::Shard;

/// The weight that no shard holds, and what the shards know of each other.
#[derive(Debug)]
pub(super) struct SharedCapacity {
    /// The bound that the builder set. Without one, the cache never has a bound.
    initial_max: Option<u64>,
    /// The bound in force. Read only if the program changes it: on a target without 64-bit atomics
    /// a read is a critical section.
    max: AtomicU64,
    free: AtomicU64,
    /// A lower bound of the earliest deadline in all shards, in nanoseconds. `u64::MAX` if no entry
    /// can expire; a cache of one shard or without `max` never sets it.
    first_expiry: CachePadded<AtomicU64>,
    /// The number of iterations over the shards. While it is not zero, no entry may move from a
    /// slot that an iteration has not reached into one that it has passed.
    iterations: AtomicUsize,
    /// Not beside `free`, which writers change: each removal reads it.
    removals: CachePadded<Removals>,
}

/// The numbers of removals, for streams that report them in order.
#[derive(Debug)]
struct Removals {
    observers: AtomicUsize,
    next: AtomicU64,
}

impl SharedCapacity {
    pub(super) fn new(max: Option<u64>) -> Self {
        Self {
            initial_max: max,
            max: AtomicU64::new(max.unwrap_or(u64::MAX)),
            free: AtomicU64::new(max.unwrap_or(u64::MAX)),
            first_expiry: CachePadded(AtomicU64::new(u64::MAX)),
            iterations: AtomicUsize::new(0),
            removals: CachePadded(Removals {
                observers: AtomicUsize::new(0),
                next: AtomicU64::new(1),
            }),
        }
    }

    pub(super) fn max(&self) -> Option<u64> {
        if ChangedCapacity::is_enabled() && self.is_bounded() {
            Some(self.max.load(Ordering::Relaxed))
        } else {
            self.initial_max
        }
    }

    const fn is_bounded(&self) -> bool {
        self.initial_max.is_some()
    }

    /// Replaces the bound of a bounded capacity. Returns the weight that the caller must now take
    /// out of the cache, of which this has taken what was free. Adds the weight of a higher bound
    /// to the free weight. Calls must not overlap.
    pub(super) fn set_max(&self, max: u64) -> u64 {
        let (Ok(old) | Err(old)) =
            self.max
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |_| Some(max));
        self.give_back(max.saturating_sub(old));
        let excess = old.saturating_sub(max);
        excess - self.take_up_to(excess)
    }

    #[inline]
    fn has_free(&self, weight: u64) -> bool {
        self.free.load(Ordering::Relaxed) >= weight
    }

    fn try_take(&self, weight: u64) -> bool {
        let taken = self
            .free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
                free.checked_sub(weight)
            });
        taken.is_ok()
    }

    /// Takes `weight`, or all that is free if that is less. Returns what it took.
    pub(super) fn take_up_to(&self, weight: u64) -> u64 {
        let taken = self
            .free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
                Some(free - free.min(weight))
            });
        taken.map_or(0, |free| free.min(weight))
    }

    pub(super) fn give_back(&self, weight: u64) {
        if weight > 0 {
            self.free.fetch_add(weight, Ordering::Relaxed);
        }
    }

    /// Forgets the earliest deadline, for a scan that reads it from the shards again. Must come
    /// before the scan reads the first shard, or it erases a deadline that a writer sets in a shard
    /// that the scan has passed.
    pub(super) fn reset_first_expiry(&self) {
        self.first_expiry.0.store(u64::MAX, Ordering::Relaxed);
    }

    /// Records that an entry expires at `deadline`.
    pub(super) fn will_expire(&self, deadline: Option<Instant>) {
        let nanos = deadline.map_or(u64::MAX, Instant::as_nanos);
        let first = &self.first_expiry.0;
        let earlier = |known| (nanos < known).then_some(nanos);
        // `Err` means that an earlier deadline is known already.
        let _ = first.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earlier);
    }

    /// Whether an entry of some shard may have expired at `now`.
    #[inline]
    pub(super) fn may_have_expired(&self, now: Instant) -> bool {
        let first = Instant::from_nanos(self.first_expiry.0.load(Ordering::Relaxed));
        // The cheap comparison comes first: it is false if no entry can expire.
        now >= first && first.has_passed(now)
    }

    /// Whether an observer of the removals exists.
    #[inline(always)]
    pub(super) fn is_observed(&self) -> bool {
        EventStreams::is_enabled() && self.removals.0.observers.load(Ordering::Relaxed) != 0
    }

    /// Whether an iteration is in progress. Called with a shard locked: that lock, not the ordering
    /// of this load, makes an iteration that has read the shard visible.
    pub(super) fn is_iterated(&self) -> bool {
        self.iterations.load(Ordering::Relaxed) != 0
    }
}

/// An iteration over all shards. While it exists, no entry moves and tokens keep their meaning.
#[derive(Debug)]
pub(crate) struct IterationGuard(Arc<SharedCapacity>);

impl IterationGuard {
    pub(super) fn new(capacity: &Arc<SharedCapacity>) -> Self {
        capacity.iterations.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(capacity))
    }
}

impl Drop for IterationGuard {
    fn drop(&mut self) {
        self.0.iterations.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An observer of the removals. While one exists, each removal gets a number.
#[derive(Debug)]
pub(crate) struct RemovalObserver(Arc<SharedCapacity>);

impl RemovalObserver {
    pub(super) fn new(capacity: &Arc<SharedCapacity>) -> Self {
        let observers = &capacity.removals.0.observers;
        observers.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(capacity))
    }

    /// The number of the next removal. The writer that gets this number or a later one sees what
    /// this thread did before the call, such as its registration.
    pub(crate) fn next(&self) -> u64 {
        // An update, not a load: with a load, a removal with a later number could come first and
        // not see the registration of this observer.
        self.0.removals.0.next.fetch_add(0, Ordering::AcqRel)
    }
}

impl Drop for RemovalObserver {
    fn drop(&mut self) {
        let observers = &self.0.removals.0.observers;
        observers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A shard's access to the shared capacity.
#[derive(Debug)]
pub(crate) struct Lease {
    capacity: Arc<SharedCapacity>,
    allowance: Allowance,
    /// Whether other shards hold a part of a bounded capacity.
    has_siblings: bool,
}

/// What a shard may use, besides the free weight, to store one entry.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowance {
    /// Weight that the writer reclaimed from other shards.
    pub(super) credit: u64,
    /// Whether the shard may evict live entries although other shards may hold expired ones.
    pub(super) may_evict_live: bool,
}

impl Lease {
    pub(super) fn new(capacity: &Arc<SharedCapacity>, has_siblings: bool) -> Self {
        Self {
            capacity: Arc::clone(capacity),
            allowance: Allowance::default(),
            has_siblings,
        }
    }
}

impl Budget for Lease {
    fn max(&self) -> Option<u64> {
        self.capacity.max()
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn try_take(&mut self, weight: u64) -> bool {
        // The common case of a full cache, first. Not where each read is a critical section.
        if cfg!(not(target_os = "none"))
            && self.allowance.credit == 0
            && !self.capacity.has_free(weight)
        {
            return false;
        }
        let from_credit = self.allowance.credit.min(weight);
        let bounded = self.capacity.is_bounded();
        let taken =
            !bounded || weight == from_credit || self.capacity.try_take(weight - from_credit);
        if taken {
            self.allowance.credit -= from_credit;
        }
        taken
    }

    fn give_back(&mut self, weight: u64) {
        if self.capacity.is_bounded() {
            self.capacity.give_back(weight);
        }
    }

    fn record_deadline(&mut self, deadline: Instant) {
        if self.has_siblings && ManyShards::is_enabled() {
            self.capacity.will_expire(Some(deadline));
        }
    }

    fn has_no_expiry(&self) -> bool {
        let first = &self.capacity.first_expiry.0;
        !ManyShards::is_enabled() || first.load(Ordering::Relaxed) == u64::MAX
    }

    fn allows_compaction(&self) -> bool {
        // A microcontroller gives memory back only in `shrink_to_fit`.
        !cfg!(target_os = "none") && !self.capacity.is_iterated()
    }

    fn number_removal(&mut self) -> u64 {
        if !self.capacity.is_observed() {
            return 0;
        }
        // Acquire: see `RemovalObserver::next`. The lock of the shard orders the removals of a key.
        let next = &self.capacity.removals.0.next;
        next.fetch_add(1, Ordering::AcqRel)
    }

    fn may_reclaim_expired(&self, now: Instant) -> bool {
        ManyShards::is_enabled()
            && self.capacity.may_have_expired(now)
            && !self.allowance.may_evict_live
    }
}

/// A shard with an allowance for one attempt to store an entry. Its drop gives unused credit back
/// to the shared capacity: a panic in user code must not strand it in this shard, where the other
/// shards cannot take it.
pub(super) struct CreditGuard<'a, K, V, R: Runtime>(&'a mut Shard<K, V, R>);

impl<'a, K, V, R: Runtime> CreditGuard<'a, K, V, R> {
    pub(super) fn new(shard: &'a mut Shard<K, V, R>, allowance: Allowance) -> Self {
        shard.budget_mut().allowance = allowance;
        Self(shard)
    }

    pub(super) fn shard(&mut self) -> &mut Shard<K, V, R> {
        self.0
    }

    /// Takes the unused credit, for the writer's next attempt.
    pub(super) fn take_credit(&mut self) -> u64 {
        core::mem::take(&mut self.0.budget_mut().allowance.credit)
    }
}

impl<K, V, R: Runtime> Drop for CreditGuard<'_, K, V, R> {
    fn drop(&mut self) {
        let lease = self.0.budget_mut();
        let unused = core::mem::take(&mut lease.allowance).credit;
        lease.capacity.give_back(unused);
    }
}
