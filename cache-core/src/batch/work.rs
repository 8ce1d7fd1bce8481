//! The work of one batch, a future: from its window through the loader to the results.
//!
//! | stage | waits for | next | permit | on drop |
//! |---|---|---|---|---|
//! | `Window` | the window to close | `Queue`; `Done` if the queue has dropped all its requests | no | takes its requests from the queue |
//! | `Queue` | a permit | `Transition` | no | leaves the queue |
//! | `Transition` | nothing: it runs user code, which may panic | `Loading`, or `Done` | yes | releases the permit |
//! | `Loading` | the loader or its deadline | `Transition`, then `Done` | yes | drops the loader, releases the permit |
//! | `Done` | | | no | nothing |
//!
//! In every stage but `Done` a drop cancels the flights of the batch: their callers retry.

use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::mem;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use super::dedup::dedup_keys;
use super::inner::BatchingInner;
use super::observe::{observed, report_call};
use super::queue::{ReadyBatch, Request};
use super::results::{LoaderOutput, match_to_requests};
use crate::flight::{BatchFlight, Driver, Fault, LoadDeadline, LoaderExecutors, LoaderResult};
use crate::machine::{BatchWindow, Generation};
use crate::observe::{BatchReason, Polled};
use crate::opt_in::{Feature, Freshening, Gated, GatedState, LoadTimeout};
use crate::panic;
use crate::runtime::{Flavor, LoadId, Runtime, Timer, working};
use crate::stats::LoadResult;
use crate::sync::{Arc, Mutex, Weak};

/// The work of one batch. [`BatchFlight`] holds it boxed, and its driver polls it.
#[expect(unnameable_types, reason = "a hidden method boxes it")]
pub struct BatchWork<K: 'static, V: 'static, R: Runtime, S> {
    pub(super) inner: Arc<BatchingInner<K, V, R, S>>,
    /// The flight that holds this work.
    pub(super) batch: Weak<BatchFlight<R>>,
    generation: Generation,
    stage: Stage<K, V, R>,
    /// The driver of the latest poll.
    driver: Driver,
    /// Empty until the window closes.
    pub(super) requests: Vec<Request<K, V, R>>,
    executors: LoaderExecutors<R>,
    /// Whether the call of the loader is counted, and its end is not.
    pub(super) is_counted: bool,
    /// Whether the observer was notified of the end.
    pub(super) is_end_reported: bool,
}

enum Stage<K: 'static, V: 'static, R: Runtime> {
    /// The first poll that needs the timer creates it.
    Window(Option<R::Timer>),
    /// How long the window was open, and why it closed.
    Queue(Duration, BatchReason),
    Transition,
    Loading(LoaderCall<K, V, R>),
    Done,
}

struct LoaderCall<K: 'static, V: 'static, R: Runtime> {
    future: <R::Flavor as Flavor>::Future<LoaderOutput<K, V, R::Flavor>>,
    deadline: Gated<LoadDeadline<R>, LoadTimeout>,
    /// The write epoch of every shard when the loader was called. A later write to a shard keeps
    /// the loader from storing values there that were not requested.
    epochs: Vec<u64>,
}

impl<K, V, R: Runtime, S> BatchWork<K, V, R, S> {
    pub(super) fn new(
        inner: Arc<BatchingInner<K, V, R, S>>,
        batch: Weak<BatchFlight<R>>,
        generation: Generation,
    ) -> Self {
        Self {
            inner,
            batch,
            generation,
            stage: Stage::Window(None),
            driver: Driver::Task,
            requests: Vec::new(),
            executors: LoaderExecutors::new(),
            is_counted: false,
            is_end_reported: false,
        }
    }

    /// Drops the timer if another driver polls now: it may be on another executor, and the executor
    /// of the old timer may never fire it.
    fn reset_timers_on_new_driver(&mut self) {
        let Some(batch) = self.batch.upgrade() else {
            return;
        };
        let driver = batch.driver();
        // Each poll may be that of another waiter, on another executor.
        if driver != self.driver || driver == Driver::Waiters {
            self.driver = driver;
            match &mut self.stage {
                Stage::Window(timer) => *timer = None,
                Stage::Loading(call) => {
                    if let Some(deadline) = call.deadline.get_mut() {
                        deadline.reset_timer();
                    }
                }
                Stage::Queue(..) | Stage::Transition | Stage::Done => {}
            }
        }
    }

    /// Ready once the window is closed.
    fn poll_window(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let passes = self
            .batch
            .upgrade()
            .map_or(0, |batch| batch.executor_passes());
        let generation = self.generation;
        if !generation.is_of_refreshes() && self.awaits_report() {
            return Poll::Pending;
        }
        let Stage::Window(timer) = &mut self.stage else {
            return Poll::Ready(());
        };
        let runtime = &self.inner.cache().runtime;
        let (window, deadline) = self
            .inner
            .queue
            .with(|queue| (queue.window(generation), queue.deadline(generation)));
        let mut has_fired = false;
        if let Some(deadline) = deadline {
            *timer = working(timer.take(), runtime);
            let timer = timer.as_mut();
            has_fired = timer.is_some_and(|timer| timer.poll_until(deadline, cx).is_ready());
        }
        let max_passes = match (window, &timer) {
            (BatchWindow::Yield(most), _) => Some(most as usize),
            // Without a timer a window lasts for one pass of the executor.
            (_, None) => Some(1),
            (_, Some(_)) => None,
        };
        let at_once = max_passes.is_some_and(|most| passes >= most);
        let now = self.inner.cache().now();
        let (ready, is_open) = self.inner.queue.with(|queue| {
            let ready = queue.take_ready(generation, now, at_once, true);
            (ready, queue.is_open(generation))
        });
        if let Some(ReadyBatch {
            requests,
            opened,
            reason,
            emptied,
        }) = ready
        {
            self.requests = requests;
            self.stage = Stage::Queue(now.since(opened), reason);
            if Freshening::is_enabled() && self.inner.cache().refreshing.is_set() {
                self.board_refreshes(&emptied);
            }
        } else if !is_open {
            self.stage = Stage::Done;
            self.report_end(LoadResult::Dropped);
        } else {
            // The clock decides, not the timer: a request may have moved the deadline after the
            // timer was set. A timer that has fired wakes no task, so this poll must request the
            // next one, which sets the timer again or counts the next pass.
            if has_fired || max_passes.is_some() {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Makes the refreshes that this batch has taken part of it. `emptied` is the batch in whose
    /// window all of them were.
    fn board_refreshes(&self, emptied: &GatedState<Arc<BatchFlight<R>>, Freshening>) {
        if let Some(emptied) = emptied.get() {
            emptied.notify();
        }
        let Some(batch) = self.batch.upgrade() else {
            return;
        };
        if self.generation.is_of_refreshes() {
            // Not when the window opens: most often its refreshes leave with misses.
            self.inner.report_begin(&batch);
        }
        let cache = self.inner.cache();
        for Request { flight, .. } in &self.requests {
            if flight.is_refresh() {
                cache.shards().read(flight.hash(), |_| flight.board(&batch));
            }
        }
    }

    /// Ready once the batch has its permit.
    fn poll_permit(&self) -> Poll<()> {
        let try_acquire = |batch| {
            self.inner
                .queue
                .with(|queue| queue.try_acquire(self.generation, &batch))
        };
        if self.batch.upgrade().is_some_and(try_acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Ends a batch that has a permit.
    fn finish(&mut self) {
        self.stage = Stage::Done;
        // Without a call yet: all its requests were cancelled in the queue.
        self.report_end(LoadResult::Dropped);
        let requests = mem::take(&mut self.requests);
        // The drop of a key is user code and may panic; the permit must still be released.
        drop(panic::catch(move || drop(requests)));
        self.inner.release_permit();
    }

    /// Drops the loader's future. Must come before the flights complete, or a caller could load a
    /// key again while the old loader still holds it. The panic hook reports a panic in the drop.
    fn drop_loader(&mut self) {
        let stage = mem::replace(&mut self.stage, Stage::Transition);
        let runtime = &self.inner.cache().runtime;
        drop(panic::catch(|| runtime.enter(|| drop(stage))));
    }

    /// Calls `f`, which calls the loader or polls it, as a part of the batch: a load of one of the
    /// batch's keys in it is reentrant. Returns `None` if `f` panics.
    fn run_loader<T>(
        inner: &BatchingInner<K, V, R, S>,
        batch: LoadId,
        observed: Option<&BatchFlight<R>>,
        f: impl FnOnce() -> T,
    ) -> Option<T> {
        let runtime = &inner.cache().runtime;
        runtime.context(|context| context.enter(batch));
        let observed = observed.and_then(BatchFlight::observed);
        let polled = Polled::new(observed.map(Deref::deref));
        let output = panic::catch(|| runtime.enter(f));
        drop(polled);
        runtime.context(|context| context.leave());
        output.ok()
    }
}

impl<K, V, R, S> BatchWork<K, V, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// Calls the loader with the keys that still have callers. The batch has its permit.
    fn call_loader(&mut self, waited: Duration, reason: BatchReason) {
        self.stage = Stage::Transition;
        let (inner, requests) = (&self.inner, &mut self.requests);
        let counted = &mut self.is_counted;
        let batch = observed(&self.batch);
        let load_id = Self::load_id(&self.batch);
        let has_refreshes = Freshening::is_enabled()
            && self
                .batch
                .upgrade()
                .is_some_and(|batch| batch.is_kept_for_refreshes());
        let called = Self::run_loader(inner, load_id, batch.as_deref(), || {
            // Must come before the call of the loader: a flight that is cancelled after it is free
            // to be loaded again, while the loader still loads its key.
            requests.retain(|request| request.flight.mark_dispatched());
            dedup_keys(requests);
            if requests.is_empty() {
                return None;
            }
            let cache = inner.cache();
            *counted = true;
            report_call(cache, batch.as_deref(), requests.len(), waited, reason);
            let keys: Vec<K> = requests.iter().map(|request| request.key.clone()).collect();
            let timeout = match cache.refreshing.get() {
                Some(refreshing) if has_refreshes => refreshing.timeout,
                _ => cache.options.load_timeout,
            };
            let deadline = timeout.map(|after| LoadDeadline::new(after, cache.now()));
            // Must come before the call of the loader, or a value that the loader reads before a
            // write could be stored over that write.
            let epochs = cache.shards().epochs();
            Some(LoaderCall {
                future: (inner.loader)(keys),
                deadline,
                epochs,
            })
        });
        match called {
            Some(Some(call)) => self.stage = Stage::Loading(call),
            Some(None) => self.finish(),
            None => self.fail(),
        }
    }

    /// Ready once the loader has ended and every flight of the batch is complete.
    fn poll_loader(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Stage::Loading(call) = &mut self.stage else {
            return Poll::Ready(());
        };
        let inner = &self.inner;
        let batch = observed(&self.batch);
        let load_id = Self::load_id(&self.batch);
        let polled = Self::run_loader(inner, load_id, batch.as_deref(), || {
            if let Poll::Ready(output) = Pin::new(&mut call.future).poll(cx) {
                return Poll::Ready(output.map_err(LoaderResult::Failed));
            }
            Self::poll_deadline(inner, &self.batch, call, cx)
                .map(|after| Err(LoaderResult::Fault(Fault::TimedOut(after))))
        });
        let answers = match polled {
            Some(Poll::Ready(answers)) => Some(answers),
            Some(Poll::Pending) => {
                self.executors.record(&inner.cache().runtime);
                return Poll::Pending;
            }
            None => None,
        };
        let epochs = mem::take(&mut call.epochs);
        self.drop_loader();
        let results = answers.and_then(|answers| {
            let hash = |key: &K| self.inner.cache().hash(key);
            // The keys' `Eq` and `Hash` are user code and may panic.
            panic::catch(|| match_to_requests(answers, &self.requests, hash)).ok()
        });
        match results {
            Some(results) => {
                self.report_end(results.2);
                self.complete_all(results, &epochs);
                self.finish();
            }
            None => self.fail(),
        }
        Poll::Ready(())
    }

    /// Ends a batch whose loader panicked; the panic hook has reported the panic. The callers get
    /// an error, or retry if an executor of the loader has ended.
    fn fail(&mut self) {
        if self.executors.has_ended(&self.inner.cache().runtime) {
            self.report_end(LoadResult::Dropped);
            self.cancel_all();
        }
        self.report_end(LoadResult::Failure);
        for flight in self.requests.iter().flat_map(Request::flights) {
            self.fail_one(flight);
        }
        self.finish();
    }

    /// Ready with the time limit of the call, once it has passed.
    fn poll_deadline(
        inner: &BatchingInner<K, V, R, S>,
        batch: &Weak<BatchFlight<R>>,
        call: &mut LoaderCall<K, V, R>,
        cx: &mut Context<'_>,
    ) -> Poll<Duration> {
        let Some(deadline) = call.deadline.get_mut() else {
            return Poll::Pending;
        };
        let after = ready!(deadline.poll(&inner.cache().runtime, cx));
        // The default limit of refreshes does not bound the misses of their batch. The batch ends
        // with its callers then.
        if Freshening::is_enabled()
            && !inner.cache().options.load_timeout.is_set()
            && batch
                .upgrade()
                .is_some_and(|batch| batch.abandon_refreshes())
        {
            call.deadline = Gated::UNSET;
            return Poll::Pending;
        }
        Poll::Ready(after)
    }

    fn load_id(batch: &Weak<BatchFlight<R>>) -> LoadId {
        BatchFlight::<R>::load_id_at(batch.as_ptr())
    }
}

impl<K, V, R, S> Future for BatchWork<K, V, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.reset_timers_on_new_driver();
        loop {
            match self.stage {
                Stage::Window(_) => ready!(self.poll_window(cx)),
                Stage::Queue(waited, reason) => {
                    ready!(self.poll_permit());
                    self.call_loader(waited, reason);
                }
                Stage::Loading(_) => ready!(self.poll_loader(cx)),
                Stage::Transition | Stage::Done => return Poll::Ready(()),
            }
        }
    }
}

/// `BatchWork` never pins its fields.
impl<K, V, R: Runtime, S> Unpin for BatchWork<K, V, R, S> {}

impl<K, V, R: Runtime, S> Drop for BatchWork<K, V, R, S> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Done => return,
            Stage::Window(_) => {
                let now = self.inner.cache().now();
                let ready = self
                    .inner
                    .queue
                    .with(|queue| queue.take_ready(self.generation, now, true, false));
                self.requests = ready.map_or_else(Vec::new, |ready| ready.requests);
            }
            Stage::Queue(..) => self.inner.cancel_queued(self.generation),
            Stage::Transition | Stage::Loading(_) => {
                self.drop_loader();
                self.inner.release_permit();
            }
        }
        self.report_end(LoadResult::Dropped);
        self.cancel_all();
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for BatchWork<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchWork")
            .field("generation", &self.generation)
            .field("requests", &self.requests.len())
            .finish_non_exhaustive()
    }
}
