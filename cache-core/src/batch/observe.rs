//! What the observer, the histograms and the counters of a cache get of its batches.

use core::mem;
use core::time::Duration;

use super::inner::BatchingInner;
use super::work::BatchWork;
use crate::flight::BatchFlight;
use crate::inner::Inner;
use crate::observe::{BatchBegun, BatchDispatched, BatchEnded, BatchReason, Observed};
use crate::opt_in::{Feature, Observers};
use crate::panic;
use crate::runtime::Runtime;
use crate::stats::LoadResult;
use crate::sync::{Arc, Weak};

impl<K, V, R: Runtime, S> BatchingInner<K, V, R, S> {
    /// Reports a batch whose window this caller has opened. Must come before the first poll of its
    /// task: until then, the work does not leave its window.
    pub(super) fn report_begin(&self, batch: &BatchFlight<R>) {
        let cache = self.cache();
        let hook = &cache.hooks.observer;
        if let (Some(observer), Some(enabled)) = (hook.get(), hook.proof()) {
            let cache = cache.name.as_deref();
            let begun = BatchBegun { cache };
            batch.observe(Observed::new(enabled, || observer.batch_begun(&begun)));
        }
    }
}

impl<K, V, R: Runtime, S> BatchWork<K, V, R, S> {
    /// Whether the batch must not leave its window yet: the caller that opens the window reports
    /// the batch to the observer, and then spawns the task. Another driver may poll before that.
    pub(super) fn awaits_report(&self) -> bool {
        self.inner.cache().hooks.observer.is_set()
            && observed(&self.batch).is_some_and(|batch| batch.observed().is_none())
    }

    /// Counts the end of the batch and reports it to the observer, once. Must come before the
    /// callers are woken: a caller that has its answer finds the batch counted.
    pub(super) fn report_end(&mut self, result: LoadResult) {
        let cache = self.inner.cache();
        if mem::take(&mut self.is_counted) {
            cache.batch_counters.record_end(result);
        }
        let Some(observer) = cache.hooks.observer.get() else {
            return;
        };
        let batch = self.batch.upgrade();
        let Some(observed) = batch.as_deref().and_then(BatchFlight::observed) else {
            return;
        };
        if mem::replace(&mut self.is_end_reported, true) {
            return;
        }
        let (keys, took) = match observed.call.get() {
            Some((keys, started)) => (*keys, cache.now().since(*started)),
            None => (0, Duration::ZERO),
        };
        let ended = BatchEnded {
            cache: cache.name.as_deref(),
            result,
            keys,
            took,
        };
        observed.notify(|observation| observation.batch_ended(&ended));
        drop(panic::catch(|| observer.batch_ended(&ended)));
    }
}

/// Counts the call of the loader with `keys` keys and reports it to the observer.
pub(super) fn report_call<K, V, R: Runtime, S>(
    cache: &Inner<K, V, R, S>,
    batch: Option<&BatchFlight<R>>,
    keys: usize,
    waited: Duration,
    reason: BatchReason,
) {
    cache.batch_counters.record(keys, waited);
    if let Some(histograms) = cache.histograms() {
        histograms.record_batch(keys);
    }
    if let Some(observed) = batch.and_then(BatchFlight::observed) {
        let keys = keys as u64;
        observed.call.call_once(|| (keys, cache.now()));
        let dispatched = BatchDispatched {
            keys,
            reason,
            window_time: waited,
        };
        observed.notify(|observation| observation.dispatched(&dispatched));
    }
}

/// The batch, in a program that has observers.
pub(super) fn observed<R: Runtime>(batch: &Weak<BatchFlight<R>>) -> Option<Arc<BatchFlight<R>>> {
    if Observers::is_enabled() {
        batch.upgrade()
    } else {
        None
    }
}
