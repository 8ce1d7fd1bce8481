//! One batch on its way: through its window, past the permits, to the loader and back.

use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use super::BatchingInner;
use super::dedup::dedup_keys;
use super::queue::{ReadyBatch, Request};
use super::results::{LoaderOutput, LoaderResultOn, MatchedResults, match_to_requests};
use crate::flight::{BatchFlight, Driver, Flight, LoadDeadline, LoaderExecutors, LoaderResult};
use crate::load::{cancel, complete, fail_with_panic};
use crate::machine::{BatchWindow, Generation};
use crate::opt_in::BATCH_MAPS;
use crate::panic;
use crate::runtime::{Flavor, Runtime, Timer, working};
use crate::sync::{Arc, Mutex, Weak};

/// The work of one batch. Dropping it ends the flights of its keys: whoever waits for one of them
/// asks anew.
#[expect(unnameable_types, reason = "a bound of the methods that make a view")]
pub struct BatchWork<K: 'static, V: 'static, R: Runtime, S> {
    inner: Arc<BatchingInner<K, V, R, S>>,
    batch: Weak<BatchFlight<R>>,
    generation: Generation,
    stage: Stage<K, V, R>,
    /// Who had this polled last.
    driver: Driver,
    /// Who is in the batch, once it has left its window.
    requests: Vec<Request<K, V, R>>,
    executors: LoaderExecutors<R>,
}

enum Stage<K: 'static, V: 'static, R: Runtime> {
    /// In the window, with a timer once one was needed.
    Window(Option<R::Timer>),
    /// Out of the window, after this long, and without a permit.
    Queue(Duration),
    /// On the way to the loader or back, with a permit.
    Transition,
    /// At the loader, with a permit.
    Loading(LoaderCall<K, V, R>),
    Done,
}

struct LoaderCall<K: 'static, V: 'static, R: Runtime> {
    future: <R::Flavor as Flavor>::Future<LoaderOutput<K, V, R::Flavor>>,
    limit: Option<LoadDeadline<R>>,
    /// What tells whether a shard was written to since the batch left.
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
        }
    }

    /// Notes who has this polled. Another one is perhaps on another runtime: a timer of the one
    /// before might never fire.
    fn reset_timers_on_new_driver(&mut self) {
        let Some(batch) = self.batch.upgrade() else {
            return;
        };
        let driver = batch.driver();
        if driver != self.driver || driver == Driver::Waiters {
            self.driver = driver;
            match &mut self.stage {
                Stage::Window(timer) => *timer = None,
                Stage::Loading(call) => call.limit.iter_mut().for_each(LoadDeadline::reset_timer),
                Stage::Queue(_) | Stage::Transition | Stage::Done => {}
            }
        }
    }

    /// Waits until the window leaves.
    fn poll_window(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let passes = self
            .batch
            .upgrade()
            .map_or(0, |batch| batch.executor_passes());
        let Stage::Window(timer) = &mut self.stage else {
            return Poll::Ready(());
        };
        let (runtime, generation) = (&self.inner.cache.runtime, self.generation);
        let (window, deadline) = self
            .inner
            .queue
            .with(|queue| (queue.window(), queue.deadline(generation)));
        let mut has_come_due = false;
        if let Some(deadline) = deadline {
            *timer = working(timer.take(), runtime);
            let timer = timer.as_mut();
            has_come_due = timer.is_some_and(|timer| timer.poll_until(deadline, cx).is_ready());
        }
        // Where there is no timer, a window lasts until the executor has come round once.
        let max_passes = match (window, &timer) {
            (BatchWindow::Yield(most), _) => Some(most as usize),
            (_, None) => Some(1),
            (_, Some(_)) => None,
        };
        let at_once = max_passes.is_some_and(|most| passes >= most);
        let now = self.inner.cache.now();
        let (ready, is_open) = self.inner.queue.with(|queue| {
            let ready = queue.take_ready(generation, now, at_once);
            (ready, queue.is_open(generation))
        });
        if let Some(ReadyBatch { requests, opened }) = ready {
            self.requests = requests;
            self.stage = Stage::Queue(now.since(opened));
        } else if !is_open {
            self.stage = Stage::Done;
        } else {
            // Whether it is time says the clock: a member who came just now may have put it off, and
            // the timer is to be set anew.
            if has_come_due || max_passes.is_some() {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Waits for a permit.
    fn poll_queue(&self) -> Poll<()> {
        let batch = self.batch.upgrade();
        let may =
            batch.is_some_and(|batch| self.inner.queue.with(|queue| queue.try_acquire(&batch)));
        if may { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ends a batch that had a permit.
    fn finish(&mut self) {
        self.stage = Stage::Done;
        let requests = mem::take(&mut self.requests);
        // Keys are foreign, and their drops too.
        drop(panic::catch(move || drop(requests)));
        self.inner.release_permit();
    }

    /// Drops what is left of the loader: its keys may be asked for again once their flights end. A
    /// panic in it has been reported.
    fn drop_loader(&mut self) {
        let stage = mem::replace(&mut self.stage, Stage::Transition);
        let runtime = &self.inner.cache.runtime;
        drop(panic::catch(|| runtime.around(|| drop(stage))));
    }

    /// Ends a batch whose loader panicked. The panic hook has reported it; everybody who waits gets
    /// an error. If the loader died with an executor, they ask anew.
    fn fail(&mut self) {
        if self.executors.has_ended(&self.inner.cache.runtime) {
            self.cancel_all();
        }
        for flight in self.requests.iter().flat_map(Request::flights) {
            self.fail_one(flight);
        }
        self.finish();
    }

    fn cancel_all(&self) {
        for flight in self.requests.iter().flat_map(Request::flights) {
            // A waker may panic: the others are told all the same.
            drop(panic::catch(|| cancel(&self.inner.cache, flight)));
        }
    }

    fn fail_one(&self, flight: &Flight<V, R>) {
        // Listeners and wakers may panic too: the others are told all the same.
        drop(panic::catch(|| {
            fail_with_panic(&self.inner.cache, flight, None)
        }));
    }

    /// Runs a part of the loader: a load of one of its keys inside it is noticed, and a panic ends
    /// the batch.
    fn run_loader<T>(
        inner: &BatchingInner<K, V, R, S>,
        batch: usize,
        f: impl FnOnce() -> T,
    ) -> Option<T> {
        let runtime = &inner.cache.runtime;
        runtime.context(|context| context.enter(batch));
        let answer = panic::catch(|| runtime.around(f));
        runtime.context(|context| context.leave());
        answer.ok()
    }
}

impl<K, V, R, S> BatchWork<K, V, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// Takes leave with a permit, and calls the loader: from here on the keys are asked for.
    fn call_loader(&mut self, waited: Duration) {
        self.stage = Stage::Transition;
        let (inner, requests) = (&self.inner, &mut self.requests);
        let called = Self::run_loader(inner, Self::address(&self.batch), || {
            requests.retain(|request| request.flight.mark_dispatched());
            dedup_keys(requests);
            if requests.is_empty() {
                return None;
            }
            let cache = &inner.cache;
            cache.batch_counters.record(requests.len(), waited);
            let keys: Vec<K> = requests.iter().map(|request| request.key.clone()).collect();
            let limit = cache.options.load_timeout();
            let limit = limit.map(|after| LoadDeadline::new(after, cache.now()));
            let epochs = cache.shards().epochs();
            Some(LoaderCall {
                future: (inner.loader)(keys),
                limit,
                epochs,
            })
        });
        match called {
            Some(Some(call)) => self.stage = Stage::Loading(call),
            Some(None) => self.finish(),
            None => self.fail(),
        }
    }

    /// Waits for the loader, and hands out what it brings.
    fn poll_loader(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Stage::Loading(call) = &mut self.stage else {
            return Poll::Ready(());
        };
        let inner = &self.inner;
        let polled = Self::run_loader(inner, Self::address(&self.batch), || {
            if let Poll::Ready(output) = Pin::new(&mut call.future).poll(cx) {
                return Poll::Ready(output.map_err(LoaderResult::Failed));
            }
            match &mut call.limit {
                Some(limit) => limit
                    .poll(&inner.cache.runtime, cx)
                    .map(|after| Err(LoaderResult::TimedOut(after))),
                None => Poll::Pending,
            }
        });
        let answers = match polled {
            Some(Poll::Ready(answers)) => Some(answers),
            Some(Poll::Pending) => {
                self.executors.record(&inner.cache.runtime);
                return Poll::Pending;
            }
            None => None,
        };
        let epochs = mem::take(&mut call.epochs);
        self.drop_loader();
        // The keys' `Eq` and `Hash` may panic as well as the loader.
        let results = answers.and_then(|answers| {
            let hash = |key: &K| self.inner.cache.hash(key);
            panic::catch(|| match_to_requests(answers, &self.requests, hash)).ok()
        });
        match results {
            Some(results) => {
                self.distribute(results, &epochs);
                self.finish();
            }
            None => self.fail(),
        }
        Poll::Ready(())
    }

    /// Completes every flight of the batch with the result for its key, and stores the values of
    /// keys that no request has.
    fn distribute(&self, (results, unrequested): MatchedResults<K, V, R>, epochs: &[u64]) {
        for (request, result) in self.requests.iter().zip(results) {
            let result = self.with_ttl(result);
            for duplicate in &request.duplicates {
                self.complete_one(&duplicate.flight, || result.clone());
            }
            self.complete_one(&request.flight, || result);
        }
        for (key, loaded) in unrequested.into_iter().filter(|_| BATCH_MAPS.is_enabled()) {
            drop(panic::catch(|| {
                self.inner.insert_if_absent(key, loaded, Some(epochs))
            }));
        }
    }

    /// Ends one flight. A clone, a weigher or a listener may panic in it: the others are served all
    /// the same.
    fn complete_one(&self, flight: &Flight<V, R>, results: impl FnOnce() -> LoaderResultOn<V, R>) {
        let brought = panic::catch(|| complete(&self.inner.cache, flight, results()));
        if brought.is_err() {
            self.fail_one(flight);
        }
    }

    fn with_ttl(&self, results: LoaderResultOn<V, R>) -> LoaderResultOn<V, R> {
        match results {
            LoaderResult::Value(loaded) => LoaderResult::Value(self.inner.with_ttl(loaded)),
            other => other,
        }
    }

    fn address(batch: &Weak<BatchFlight<R>>) -> usize {
        batch.as_ptr().addr()
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
                Stage::Queue(waited) => {
                    ready!(self.poll_queue());
                    self.call_loader(waited);
                }
                Stage::Loading(_) => ready!(self.poll_loader(cx)),
                Stage::Transition | Stage::Done => return Poll::Ready(()),
            }
        }
    }
}

/// Nothing in it is ever pinned.
impl<K, V, R: Runtime, S> Unpin for BatchWork<K, V, R, S> {}

impl<K, V, R: Runtime, S> Drop for BatchWork<K, V, R, S> {
    fn drop(&mut self) {
        let now = self.inner.cache.now();
        match self.stage {
            Stage::Done => return,
            Stage::Window(_) => {
                let left = self
                    .inner
                    .queue
                    .with(|queue| queue.take_ready(self.generation, now, true));
                self.requests = left.map_or_else(Vec::new, |left| left.requests);
            }
            Stage::Queue(_) => self.inner.cancel_queued(self.batch.as_ptr().addr()),
            Stage::Transition | Stage::Loading(_) => {
                self.drop_loader();
                self.inner.release_permit();
            }
        }
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
