//! What a caller holds while it depends on a flight.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

use super::drive::{
    cancel, cancel_if_unused, complete_for_leader, drive, poll_inline, run_loader, spawn_driver,
};
use super::inline::Inline;
use super::methods::LoadMethod;
use crate::flight::{
    BatchFlight, BatchWaiter, Driver, Flight, LoadDeadline, LoaderResult, OutcomeOn, Role, Step,
    WaiterId, Work,
};
use crate::inner::Inner;
use crate::opt_in::{Gated, LoadTimeout};
use crate::runtime::{LoadFuture, Runtime};
use crate::sync::Arc;

/// A caller's share in a flight: a future that is ready once the flight is over.
///
/// Dropping it gives the share up. The load goes on for the others; if there are none, it is
/// dropped, or goes on in the background where the cache was built with `detach_loads`.
pub(crate) struct FlightHandle<'a, K, V: 'static, R: Runtime, S> {
    inner: &'a Arc<Inner<K, V, R, S>>,
    flight: Arc<Flight<V, R>>,
    role: Role,
    waiter_id: Option<WaiterId>,
    /// Whether this caller had the load spawned, on the runtime that it is on.
    has_spawned: bool,
    /// Whether this caller has polled the loader, with the timers of the runtime that it is on.
    has_polled: bool,
    /// Whether the flight has its loader; a leader who leaves before that ends the flight.
    has_loader: bool,
    /// Whether the flight is known to be over.
    is_complete: bool,
    /// The batch that loads the key, and this caller's place among those who wait for it.
    batch_waiter: Option<BatchWaiter<R>>,
}

impl<'a, K: Eq, V: Clone, R: Runtime, S> FlightHandle<'a, K, V, R, S> {
    pub(super) const fn new(
        inner: &'a Arc<Inner<K, V, R, S>>,
        flight: Arc<Flight<V, R>>,
        role: Role,
    ) -> Self {
        Self {
            inner,
            flight,
            role,
            waiter_id: None,
            has_spawned: false,
            has_polled: false,
            has_loader: false,
            is_complete: false,
            batch_waiter: None,
        }
    }

    /// Depends on a load that another leads. `false` if the caller is a part of it.
    pub(super) fn start_waiting(&mut self) -> bool {
        if self.is_inside() {
            return false;
        }
        // The load must not depend on its leader being polled any more.
        self.has_spawned = spawn_driver(self.inner, &self.flight);
        true
    }

    /// Begins to lead a load whose loader lives in the flight. The first part is its leader's: a
    /// loader that is ready at once never gets into the flight.
    pub(super) fn lead<M, Fut>(
        &mut self,
        loader: impl FnOnce() -> Fut,
        cx: &mut Context<'_>,
    ) -> Poll<M::Answer>
    where
        M: LoadMethod<V, R::Flavor>,
        M::Output: 'static,
        Fut: Future<Output = M::Output>,
        Fut: LoadFuture<R::Flavor>,
    {
        let future = run_loader(self.inner, &self.flight, || loader().boxed(M::result));
        let work = Work::new(future, self.deadline());
        let part = (Role::Leader, Driver::Leader);
        self.has_loader = true;
        let polled = drive(self.inner, &self.flight, work, part, cx);
        self.is_complete = polled.is_ready();
        let outcome = if self.is_complete || self.park(true, cx) {
            ready!(polled)
        } else {
            ready!(Pin::new(&mut *self).poll(cx))
        };
        let answer = self.answer::<M>(outcome);
        Poll::Ready(answer.expect("a leader gets what its own loader returned"))
    }

    /// Leads a load whose loader borrows from the caller: it is polled here and nowhere else.
    pub(crate) async fn lead_inline<M, Fut>(mut self, loader: impl FnOnce() -> Fut) -> M::Answer
    where
        M: LoadMethod<V, R::Flavor>,
        Fut: Future<Output = M::Output>,
    {
        let future = run_loader(self.inner, &self.flight, loader);
        let mut future = core::pin::pin!(Inline::new(&self.inner.runtime, future));
        let mut deadline = self.deadline();
        let output = core::future::poll_fn(|cx| {
            let polled = poll_inline(self.inner, &self.flight, future.as_mut(), cx);
            match (polled, deadline.get_mut()) {
                (Poll::Ready(output), _) => Poll::Ready(Ok(output)),
                (Poll::Pending, Some(deadline)) => deadline.poll(&self.inner.runtime, cx).map(Err),
                (Poll::Pending, None) => Poll::Pending,
            }
        });
        let result = match output.await {
            Ok(output) => M::result(output),
            Err(after) => LoaderResult::TimedOut(after),
        };
        let outcome = complete_for_leader(self.inner, &self.flight, result);
        self.is_complete = true;
        self.answer::<M>(outcome)
            .expect("a leader gets what its own loader returned")
    }

    /// Waits for the load of another. `None` if it ended in something that this method cannot
    /// return; then the next who asks does not get that answer again.
    pub(crate) fn wait_for<M: LoadMethod<V, R::Flavor>>(
        mut self,
    ) -> impl Future<Output = Option<M::Answer>> {
        core::future::poll_fn(move |cx| self.poll_for::<M>(cx))
    }

    /// As [`FlightHandle::wait_for`].
    pub(crate) fn poll_for<M: LoadMethod<V, R::Flavor>>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<M::Answer>> {
        let outcome = ready!(Pin::new(&mut *self).poll(cx));
        let answer = self.answer::<M>(outcome);
        if answer.is_none() {
            self.forget_remembered();
        }
        Poll::Ready(answer)
    }

    /// Waits for whatever is under way, without asking for its outcome.
    pub(crate) async fn wait_for_end(mut self) {
        (&mut self).await;
        self.forget_remembered();
    }

    /// An answer that is remembered, but is none to this caller, must not be the end of it.
    fn forget_remembered(&self) {
        let (inner, flight) = (self.inner, &self.flight);
        let mut fx = inner.effects();
        inner
            .shards()
            .write(flight.hash, |shard| shard.forget(flight.id, &mut fx));
        fx.flush();
    }

    /// What the method makes of an outcome, by default that of the flight.
    fn answer<M: LoadMethod<V, R::Flavor>>(
        &self,
        outcome: Option<OutcomeOn<R::Flavor, V>>,
    ) -> Option<M::Answer> {
        if let Some(own) = outcome {
            return M::answer(own);
        }
        if self.role == Role::Leader
            && let Some(payload) = self
                .flight
                .load
                .outcome(|completed| completed.payload.take())
                .flatten()
        {
            crate::panic::resume(payload);
        }
        let outcome = self
            .flight
            .load
            .outcome(|completed| completed.outcome.clone());
        M::answer(outcome?)
    }

    /// Whether this caller is a part of the load that it is about to wait for.
    fn is_inside(&self) -> bool {
        let flight = self.flight.address();
        let batch = self.flight.batch().map(|batch| batch.address());
        self.inner.runtime.context(|context| {
            context.is_inside(flight) || batch.is_some_and(|batch| context.is_inside(batch))
        })
    }

    /// Polls the loader if that is this caller's part. If the flight is not over after that, says
    /// whether the loader was polled.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Result<Option<OutcomeOn<R::Flavor, V>>, bool> {
        let (work, driver, notifier) = match self.flight.load.next_step(self.role) {
            Step::Complete => return Ok(None),
            Step::Wait => {
                // Its batch may be this caller's to drive; whether the flight is over is seen next.
                let batch = self.batch_waiter.as_mut();
                return Err(batch.is_some_and(|batch| batch.poll_step(cx)));
            }
            Step::Poll(mut work, driver, notifier) => {
                work.set_driver(driver);
                (work, driver, notifier)
            }
        };
        let notifier = notifier.map(Waker::from);
        let mut cx = Context::from_waker(notifier.as_ref().unwrap_or_else(|| cx.waker()));
        let part = (self.role, driver);
        match drive(self.inner, &self.flight, work, part, &mut cx) {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => Err(true),
        }
    }
}

impl<'a, K, V, R: Runtime, S> FlightHandle<'a, K, V, R, S> {
    pub(super) const fn inner(&self) -> &'a Arc<Inner<K, V, R, S>> {
        self.inner
    }

    pub(crate) const fn flight(&self) -> &Arc<Flight<V, R>> {
        &self.flight
    }

    /// How long the load may take, counted from its start.
    fn deadline(&self) -> Gated<LoadDeadline<R>, LoadTimeout> {
        let deadline = |after| LoadDeadline::new(after, self.flight.started);
        self.inner.options.load_timeout.map(deadline)
    }

    /// Makes the flight part of a batch, in which this caller has a share at once.
    /// `spawns` says that this caller has it spawned.
    pub(crate) fn assign_to_batch(&mut self, batch: Arc<BatchFlight<R>>, spawns: bool) {
        self.flight.assign_to_batch(batch);
        self.has_loader = true;
        self.has_spawned = spawns;
        self.observe_batch();
    }

    /// Nobody waits any more: the load is dropped, or goes on in the background.
    fn release_last(&self) {
        let (load, detach) = (&self.flight.load, self.inner.options.detach_loads.is_set());
        if detach {
            spawn_driver(self.inner, &self.flight);
        }
        if !(detach && load.leave_to_task()) {
            cancel_if_unused(self.inner, &self.flight);
        }
    }

    /// Whether this caller may have been the last to poll a loader that anyone polls.
    fn may_be_last_driver(&self) -> bool {
        self.has_polled && self.flight.load.driver() == Driver::Waiters
    }

    /// Has this caller woken once there is something to do; `false` if there is already. `polled_now`
    /// says that it has just polled the loader.
    fn park(&mut self, polled_now: bool, cx: &Context<'_>) -> bool {
        self.has_polled |= polled_now;
        let (runtime, waker) = (&self.inner.runtime, cx.waker());
        match &mut self.batch_waiter {
            // A batch ends its flights before it ends itself, or right after.
            Some(batch) if !batch.is_complete() => batch.park(runtime, waker, polled_now),
            _ => {
                let load = &self.flight.load;
                let parked = load.park(runtime, &mut self.waiter_id, waker, polled_now);
                // Only now: a batch that was not known yet has called only those who had a seat.
                parked && (self.batch_waiter.is_some() || self.flight.batch().is_none())
            }
        }
    }

    /// Waits for the batch of the flight from now on, if it has one.
    fn observe_batch(&mut self) {
        if self.batch_waiter.is_none() {
            self.batch_waiter = self.flight.batch().cloned().map(BatchWaiter::new);
        }
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> Future for FlightHandle<'_, K, V, R, S> {
    /// The outcome, if it is this caller's alone; else it is in the flight.
    type Output = Option<OutcomeOn<R::Flavor, V>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(batch) = &mut self.batch_waiter {
            batch.record_poll();
        }
        loop {
            self.observe_batch();
            match self.poll_step(cx) {
                Ok(outcome) => {
                    self.is_complete = true;
                    return Poll::Ready(outcome);
                }
                Err(polled_now) if self.park(polled_now, cx) => return Poll::Pending,
                Err(_) => {}
            }
        }
    }
}

impl<K, V, R: Runtime, S> Drop for FlightHandle<'_, K, V, R, S> {
    fn drop(&mut self) {
        // Where it is over, all seats were emptied.
        if let Some(waiter_id) = self.waiter_id.take().filter(|_| !self.is_complete) {
            self.flight.load.deregister(waiter_id);
        }
        if let Some(batch) = self.batch_waiter.take() {
            batch.deregister();
        }
        // A batch counts those of its flights that have callers, to the end.
        if self.is_complete && self.flight.batch().is_none() {
            return;
        }
        let has_spawned = self.has_spawned && !R::TASKS_OUTLIVE_CALLER;
        let last = self.flight.remove_dependent();
        // Only now: while this caller was counted, the leader may have put the flight into a batch,
        // and have left.
        let batch = self.flight.batch();
        if let Some(batch) = batch {
            let last_of_all = last && batch.remove_dependent();
            if !last_of_all && (has_spawned || self.has_polled) {
                batch.let_waiters_drive();
            }
            // After that: who has left meanwhile as the last one counts on the task.
            batch.cancel_if_unused(self.inner.options.detach_loads.is_set());
        }
        if self.is_complete || self.flight.load.is_complete() {
            return;
        }
        if self.role == Role::Leader && !self.has_loader {
            // Nobody else has the loader.
            return cancel(self.inner, &self.flight);
        }
        if !last && batch.is_none() && (has_spawned || self.may_be_last_driver()) {
            // The runtime that it was spawned on, or whose timer it has, was this caller's, and may
            // stand still from now on.
            self.flight.load.let_waiters_drive();
        }
        // After that, as above.
        if self.flight.is_unused() {
            self.release_last();
        }
    }
}
