//! What the observer and the histograms of a cache get of its loads.
//!
//! Each function tests one pointer in a cache without an observer. What it does otherwise is cold
//! and not inlined, so that a miss pays for no more than the test.

use alloc::string::String;
use core::ops::Deref;
use core::time::Duration;

use super::drive::LoadCtx;
use super::handle::FlightHandle;
use crate::flight::Role;
use crate::inner::Inner;
use crate::observe::{LoadBegun, LoadEnded, LoadKind, Observed};
use crate::panic;
use crate::runtime::Runtime;
use crate::stats::LoadResult;

impl<K, V, R: Runtime, S> Inner<K, V, R, S> {
    /// Whether the cache has an observer.
    #[inline(always)]
    pub(crate) fn is_observed(&self) -> bool {
        self.hooks.observer.is_set()
    }

    /// The name of `key` for the observer, if the builder sets a function for it. A panic of that
    /// function is caught: the key has no name then.
    #[inline(always)]
    pub(crate) fn name_key(&self, key: &K) -> Option<String> {
        if self.hooks.name_key.is_set() {
            self.name_key_cold(key)
        } else {
            None
        }
    }

    #[cold]
    #[inline(never)]
    fn name_key_cold(&self, key: &K) -> Option<String> {
        let name = self.hooks.name_key.get()?;
        panic::catch(|| name(key)).ok()
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> FlightHandle<'_, K, V, R, S> {
    /// Reports a load that this leader begins. Must come before the call of the loader.
    #[inline(always)]
    pub(crate) fn report_begin(&self, kind: LoadKind, key: Option<String>) {
        if self.inner.is_observed() {
            self.report_begin_cold(kind, key);
        }
    }

    #[cold]
    #[inline(never)]
    fn report_begin_cold(&self, kind: LoadKind, key: Option<String>) {
        let hook = &self.inner.hooks.observer;
        if let (Some(observer), Some(enabled)) = (hook.get(), hook.proof()) {
            let (cache, key) = (self.inner.name.as_deref(), key.as_deref());
            let load = LoadBegun { cache, kind, key };
            let observed = Observed::new(enabled, || observer.load_begun(&load));
            self.flight.observe(observed);
        }
    }

    /// Reports that this caller waits for its load or batch, once. If another thread leads, it may
    /// not have reported the begin yet: then this caller is reported when it is polled next.
    #[inline(always)]
    pub(super) fn report_join(&mut self) {
        if self.inner.is_observed() && !self.is_reported {
            self.report_join_cold();
        }
    }

    #[cold]
    #[inline(never)]
    fn report_join_cold(&mut self) {
        let observed = match (self.flight.batch(), self.role) {
            // A leader that has spawned the task of its batch has begun that batch.
            (Some(_), Role::Leader) if self.has_spawned => return,
            (None, Role::Leader) => return,
            (Some(batch), _) => batch.observed().map(Deref::deref),
            (None, _) => self.flight.observed(),
        };
        if let Some(observed) = observed {
            self.is_reported = true;
            observed.notify(|observation| observation.joined());
        }
    }
}

impl<K, V, R: Runtime, S> LoadCtx<'_, K, V, R, S> {
    /// What observes the load, if anything does.
    #[inline(always)]
    pub(super) fn observed(&self) -> Option<&Observed> {
        if self.inner.is_observed() {
            self.flight.observed()
        } else {
            None
        }
    }

    /// Reports the end of the load to the histograms and to the observer. Must come before its
    /// waiters are woken: a caller that has its answer finds the load counted.
    #[inline(always)]
    pub(super) fn report_end(
        self,
        result: LoadResult,
        fenced: bool,
        took: impl FnOnce() -> Duration,
    ) {
        if self.inner.is_observed() || self.inner.histograms().is_some() {
            self.report_end_cold(result, fenced, took());
        }
    }

    #[cold]
    #[inline(never)]
    fn report_end_cold(self, result: LoadResult, fenced: bool, took: Duration) {
        let (inner, flight) = (self.inner, self.flight);
        if let Some(histograms) = inner.histograms() {
            histograms.record_load(result, took);
        }
        if let Some(observer) = inner.hooks.observer.get() {
            let load = LoadEnded {
                cache: inner.name.as_deref(),
                result,
                fenced,
                waiters: flight.waiter_count(),
                took,
            };
            if let Some(observed) = flight.observed() {
                observed.notify(|observation| observation.load_ended(&load));
            }
            drop(panic::catch(|| observer.load_ended(&load)));
        }
    }
}
