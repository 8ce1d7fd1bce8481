//! Refreshes in the background, and values that are kept after their ttl.
//!
//! A refresh is a flight like any other. This module counts refreshes, bounds them, and reports
//! their ends.

use alloc::boxed::Box;
use core::time::Duration;

use super::{Inner, Requested};
use crate::flight::{Fault, Flight, LoaderResult, LoaderResultOn, Outcome};
use crate::machine::{FlightId, Instant, LoadEnd};
use crate::opt_in::{Enabled, Gated, LoadTimeout, RememberedResults};
use crate::panic::{self, Payload};
use crate::refresh::{RefreshEnd, RefreshError};
use crate::runtime::{Flavor, Runtime};
use crate::shards::ShardEffects;
use crate::stats::CacheStats;
use crate::sync::{AtomicU64, AtomicUsize, Ordering};

/// Drops the loader of a flight that no caller waits for. A function of the layer above.
pub(crate) type CancelUnused<K, V, R, S> = fn(&Inner<K, V, R, S>, &Flight<V, R>);

/// The settings and the state of the refreshes of a cache.
pub(crate) struct Refreshing<K, V, R: Runtime, S> {
    /// How long a refresh may take.
    pub(crate) timeout: Gated<Duration, LoadTimeout>,
    /// How long a caller waits for a load before it gets a value that is kept.
    pub(crate) if_slow: Option<Duration>,
    /// The largest number of refreshes at the same time.
    pub(crate) max: usize,
    pub(crate) listener: Option<RefreshListener<K, R>>,
    pub(crate) remembers: Enabled<RememberedResults>,
    pub(crate) cancel_unused: CancelUnused<K, V, R, S>,
    pub(crate) running: AtomicUsize,
    pub(crate) counters: RefreshCounters,
}

/// The listener of a cache, and the clone of a key for it.
pub(crate) struct RefreshListener<K, R: Runtime> {
    pub(crate) listener: <R::Flavor as Flavor>::RefreshListener<K>,
    pub(crate) clone_key: fn(&K) -> K,
}

/// What a cache counts of its refreshes.
#[derive(Debug, Default)]
pub(crate) struct RefreshCounters {
    pub(crate) stale_hits: AtomicU64,
    pub(crate) stale_on_error: AtomicU64,
    pub(crate) stale_on_slow: AtomicU64,
    pub(crate) started: AtomicU64,
    /// Started refreshes that nothing could run.
    pub(crate) undone: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) fenced: AtomicU64,
    pub(crate) skipped: AtomicU64,
}

/// The end of a refresh, which is to be reported.
pub(crate) struct Ending<K, X> {
    /// How it ended, with the key for the listener.
    listened: Option<(K, ReportedEnd<X>)>,
    is_failure: bool,
}

enum ReportedEnd<X> {
    Stored,
    Missing,
    Failed(X),
    Fault(Fault),
    Dropped,
}

/// The [`Ending`] of a refresh on runtime `R`.
pub(crate) type EndingOn<K, R> = Ending<K, <<R as Runtime>::Flavor as Flavor>::Error>;

impl RefreshCounters {
    pub(crate) fn add_to(&self, stats: &mut CacheStats) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        stats.stale_hits = read(&self.stale_hits);
        stats.stale_on_error = read(&self.stale_on_error);
        stats.stale_on_slow = read(&self.stale_on_slow);
        // In this order, or a refresh that is undone between the two makes the difference negative.
        let undone = read(&self.undone);
        stats.refreshes = read(&self.started) - undone;
        stats.refresh_failures = read(&self.failed);
        stats.refreshes_fenced = read(&self.fenced);
        stats.refreshes_skipped = read(&self.skipped);
    }
}

impl<K, V, R: Runtime, S> Refreshing<K, V, R, S> {
    /// Takes a permit for one more refresh. Returns `false` if as many run as may.
    pub(crate) fn start(&self) -> bool {
        let more = |running| (running < self.max).then_some(running + 1);
        let (order, unless) = (Ordering::AcqRel, Ordering::Acquire);
        let starts = self.running.fetch_update(order, unless, more).is_ok();
        count(if starts {
            &self.counters.started
        } else {
            &self.counters.skipped
        });
        starts
    }

    /// Gives the permit of a refresh back. A load that became a refresh has none.
    fn end(&self, flight: &Flight<V, R>) {
        if flight.take_permit() {
            self.running.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Counts one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl<K, V, R: Runtime, S> Inner<K, V, R, S> {
    /// The end of the load with `result`, if it is a refresh. Must be called before the flight is
    /// settled, which gives its key away.
    #[inline(always)]
    pub(crate) fn ending(
        &self,
        flight: &Flight<V, R>,
        result: &LoaderResultOn<R::Flavor, V>,
    ) -> Option<Box<EndingOn<K, R>>> {
        if !flight.is_refresh() {
            return None;
        }
        let is_failure = !matches!(result, LoaderResult::Value(_) | LoaderResult::Missing);
        Some(self.ending_as(flight, is_failure, || match result {
            LoaderResult::Value(_) => ReportedEnd::Stored,
            LoaderResult::Missing => ReportedEnd::Missing,
            LoaderResult::Failed(error) => ReportedEnd::Failed(error.clone()),
            LoaderResult::Fault(fault) => ReportedEnd::Fault(*fault),
        }))
    }

    /// As [`Inner::ending`], for a load whose loader panicked.
    pub(crate) fn ending_of_panic(&self, flight: &Flight<V, R>) -> Option<Box<EndingOn<K, R>>> {
        let end = || ReportedEnd::Fault(Fault::Panicked);
        flight
            .is_refresh()
            .then(|| self.ending_as(flight, true, end))
    }

    /// As [`Inner::ending`], for a load whose loader was dropped.
    pub(crate) fn ending_of_drop(&self, flight: &Flight<V, R>) -> Option<Box<EndingOn<K, R>>> {
        let end = || ReportedEnd::Dropped;
        flight
            .is_refresh()
            .then(|| self.ending_as(flight, false, end))
    }

    #[inline(never)]
    fn ending_as<X>(
        &self,
        flight: &Flight<V, R>,
        is_failure: bool,
        end: impl FnOnce() -> ReportedEnd<X>,
    ) -> Box<Ending<K, X>> {
        let refreshing = self.refreshing.get();
        let listener = refreshing.and_then(|refreshing| refreshing.listener.as_ref());
        let key = listener.and_then(|listener| {
            let clone = || {
                self.shards().read(flight.hash, |shard| {
                    shard.key_of(flight.id).map(listener.clone_key)
                })
            };
            // The party that calls this must end the flight: a panic here would leave its waiters.
            panic::catch(clone).ok().flatten()
        });
        Box::new(Ending {
            listened: key.map(|key| (key, end())),
            is_failure,
        })
    }

    /// Reports the end of a load whose flight was current, if it is a refresh. A fenced one is
    /// reported by the call that fenced it.
    ///
    /// # Panics
    /// If the listener panics.
    #[inline(always)]
    pub(crate) fn report(&self, flight: &Flight<V, R>, ending: Option<Box<EndingOn<K, R>>>) {
        if flight.is_refresh() {
            self.report_refresh(flight, ending);
        }
    }

    #[inline(never)]
    fn report_refresh(&self, flight: &Flight<V, R>, ending: Option<Box<EndingOn<K, R>>>) {
        let Some(refreshing) = self.refreshing.get() else {
            return;
        };
        if !flight.begin_report() {
            return;
        }
        refreshing.end(flight);
        // Without an ending it was a load with callers when it began to complete, and a caller has
        // left it for being slow meanwhile. The callers got the result, so the listener gets none.
        let Some(ending) = ending else {
            return;
        };
        if ending.is_failure {
            count(&refreshing.counters.failed);
        }
        let Some((listener, (key, end))) = refreshing.listener.as_ref().zip(ending.listened) else {
            return;
        };
        let end = match &end {
            ReportedEnd::Stored => RefreshEnd::Stored,
            ReportedEnd::Missing => RefreshEnd::Missing,
            ReportedEnd::Dropped => RefreshEnd::Dropped,
            ReportedEnd::Failed(error) => {
                RefreshEnd::Failed(RefreshError::new(R::Flavor::error_as_any(error)))
            }
            ReportedEnd::Fault(Fault::TimedOut(after)) => RefreshEnd::TimedOut(*after),
            ReportedEnd::Fault(Fault::WrongLength { keys, results }) => RefreshEnd::WrongLength {
                keys: *keys,
                results: *results,
            },
            ReportedEnd::Fault(Fault::Panicked | Fault::Reentrant) => RefreshEnd::Panicked,
        };
        (listener.listener)(&key, end);
    }

    /// Makes a load of a kept value a refresh, because a caller leaves it for being slow. Returns
    /// the value for that caller. `None` if there is none, or if the key was written since the load
    /// began: the caller waits on.
    pub(crate) fn leave_slow(&self, flight: &Flight<V, R>, continues: bool) -> Option<V>
    where
        K: Eq,
        V: Clone,
    {
        let refreshing = self.refreshing.get()?;
        let now = self.now();
        // Must begin the refresh with the shard locked: the call that fences a refresh ends it, and
        // so does the call that settles it.
        self.shards().read(flight.hash, |shard| {
            let found = shard.usable(flight.id, now)?;
            let value = (shard.keeps_values() && !flight.is_forced()).then(|| found.value.clone());
            if value.is_some() && continues && flight.begin_refresh(false) {
                count(&refreshing.counters.started);
            }
            value
        })
    }

    /// Ends a flight whose loader found the stored value unchanged. Returns `false` if the flight
    /// has to be settled with the value.
    #[inline(never)]
    pub(super) fn settle_unchanged(
        &self,
        (hash, id): (u32, FlightId),
        requested: Requested,
        now: Instant,
        fx: &mut ShardEffects<K, V, R>,
    ) -> bool
    where
        K: Eq,
    {
        let limits = self.entry_limits(hash, requested, now);
        self.shards()
            .write(hash, |shard| shard.settle_unchanged(id, &limits, now, fx))
    }

    /// As [`Inner::finish`], for a load and not a computation. In a cache with freshness a missing
    /// value removes the entry, and a failed load leaves it: `covers` says whether it also stays
    /// after its ttl. If `wants_value`, and if the cache keeps values after their ttl, also returns
    /// that of the entry.
    #[inline(always)]
    pub(crate) fn finish_load(
        &self,
        (hash, id): (u32, FlightId),
        end: LoadEnd,
        (covers, wants_value): (bool, bool),
        now: Instant,
        fx: &mut ShardEffects<K, V, R>,
    ) -> (bool, Option<V>)
    where
        K: Eq,
        V: Clone,
    {
        if self.refreshing.is_set() {
            self.finish_aged((hash, id), end, (covers, wants_value), now, fx)
        } else {
            (self.finish(hash, id, end, fx), None)
        }
    }

    #[inline(never)]
    fn finish_aged(
        &self,
        (hash, id): (u32, FlightId),
        end: LoadEnd,
        (covers, wants_value): (bool, bool),
        now: Instant,
        fx: &mut ShardEffects<K, V, R>,
    ) -> (bool, Option<V>)
    where
        K: Eq,
        V: Clone,
    {
        let Some(refreshing) = self.refreshing.get() else {
            return (self.finish(hash, id, end, fx), None);
        };
        self.shards().write(hash, |shard| {
            let usable = shard.usable(id, now);
            let usable = usable.filter(|_| wants_value && shard.keeps_values());
            let usable = usable.map(|usable| usable.value.clone());
            let remembers = refreshing.remembers;
            let is_current = shard.finish_aged_remembering(id, end, covers, now, remembers, fx);
            (is_current, usable)
        })
    }

    /// Counts callers that got a stored value because their load failed.
    pub(crate) fn count_on_error(&self, callers: usize) {
        if let Some(refreshing) = self.refreshing.get() {
            let counter = &refreshing.counters.stale_on_error;
            counter.fetch_add(callers as u64, Ordering::Relaxed);
        }
    }

    /// Takes back a refresh that could not start. Nothing is reported.
    pub(crate) fn forget_refresh(&self, flight: &Flight<V, R>) {
        if let Some(refreshing) = self.refreshing.get()
            && flight.begin_report()
        {
            refreshing.end(flight);
            count(&refreshing.counters.undone);
            flight.forget_refresh();
        }
    }

    /// Ends a refresh that nothing can run. Nothing is reported.
    pub(crate) fn undo_refresh(&self, flight: &Flight<V, R>)
    where
        K: Eq,
    {
        self.forget_refresh(flight);
        if !flight.begin_completion() {
            return;
        }
        let mut fx = self.effects();
        self.shards().write(flight.hash, |shard| {
            if !shard.undo_start(flight.id, &mut fx) {
                shard.count_dropped();
            }
        });
        flight.complete(&self.runtime, Outcome::Cancelled, None);
        fx.flush();
    }

    /// Ends the refreshes among the flights that a call has taken out of their table. Returns the
    /// payload of the first panic.
    #[must_use]
    pub(super) fn end_fenced(&self, fx: &mut ShardEffects<K, V, R>) -> Option<Payload> {
        let refreshing = self.refreshing.get()?;
        let mut first = None;
        for (key, flight) in fx.drain_released() {
            if let Some(flight) = &flight
                && flight.begin_report()
            {
                refreshing.end(flight);
                count(&refreshing.counters.fenced);
                let listener = refreshing.listener.as_ref();
                if let Some((listener, key)) = listener.zip(key.as_ref()) {
                    let call = || (listener.listener)(key, RefreshEnd::Fenced);
                    first = first.or(panic::catch(call).err());
                }
                // If no caller waits for it, its loader is dropped: here, or by the task after its
                // poll. Not left to the task alone, which may be dropped meanwhile.
                if flight.abandon_refresh() {
                    let cancel = || (refreshing.cancel_unused)(self, flight);
                    first = first.or(panic::catch(cancel).err());
                }
            }
            // The drop of a key is user code.
            let dropped = panic::catch(|| drop((key, flight)));
            first = first.or(dropped.err());
        }
        first
    }
}
