//! What the observer and the histograms of a cache get of its loads.

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
    /// The name of `key` for the observer, if the builder sets a function for it. A panic of that
    /// function is caught: the key has no name then.
    #[inline(always)]
    pub(crate) fn name_key(&self, key: &K) -> Option<String> {
        let name = self.hooks.name_key.get()?;
        panic::catch(|| name(key)).ok()
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> FlightHandle<'_, K, V, R, S> {
    /// Reports a load that this leader begins. Must come before the call of the loader.
    #[inline(always)]
    pub(crate) fn report_begin(&self, kind: LoadKind, key: Option<&str>) {
        let hook = &self.inner.hooks.observer;
        if let (Some(observer), Some(enabled)) = (hook.get(), hook.proof()) {
            let cache = self.inner.name.as_deref();
            let load = LoadBegun { cache, kind, key };
            let observed = Observed::new(enabled, || observer.load_begun(&load));
            self.flight.observe(observed);
        }
    }

    /// Reports that this caller waits for its load or batch, once. A leader that another thread
    /// runs may not have reported the begin yet: this caller reports itself when it is polled next.
    #[inline(always)]
    pub(super) fn report_join(&mut self) {
        if !self.inner.hooks.observer.is_set() || self.is_reported {
            return;
        }
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
    /// Reports the end of the load to the histograms and to the observer. Must come before its
    /// waiters are woken: a caller that has its answer finds the load counted.
    #[inline(always)]
    pub(super) fn report_end(
        self,
        result: LoadResult,
        fenced: bool,
        took: impl FnOnce() -> Duration,
    ) {
        let (inner, flight) = (self.inner, self.flight);
        let (histograms, observer) = (inner.histograms(), inner.hooks.observer.get());
        if histograms.is_none() && observer.is_none() {
            return;
        }
        let took = took();
        if let Some(histograms) = histograms {
            histograms.record_load(result, took);
        }
        if let Some(observer) = observer {
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
