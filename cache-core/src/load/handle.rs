//! What a caller holds while it depends on a flight.
//!
//! | stage | the loader is in | dropping the handle |
//! |---|---|---|
//! | `Leading` | this caller, or not created yet | cancels the load: its waiters retry |
//! | `InFlight` | the flight, a batch or another caller | leaves the load to its other callers |
//! | `Complete` | | |
//!
//! A leader begins with `Leading`. It reaches `InFlight` once the flight has its loader or its
//! batch, but not with a loader that borrows from it: that one stays in the caller. A waiter begins
//! with `InFlight`. The last caller that leaves drops the load, or leaves it to a background task
//! if loads are detached.

use alloc::boxed::Box;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::drive::LoadCtx;
use super::get::LoadingOn;
use super::methods::LoadMethod;
use super::scoped::Scoped;
use super::solo::FirstPoll;
use super::takeover::{StallTimer, WatchedLeader};
use crate::flight::{
    BatchFlight, BatchWaiter, Driver, Fault, Flight, LoadDeadline, LoaderResult, OutcomeOn,
    Progress, Role, WaiterId, Work,
};
use crate::inner::Inner;
use crate::opt_in::{Freshening, GatedState, Takeover};
use crate::runtime::Runtime;
use crate::sync::Arc;

/// A caller's reference to a flight: a future that is ready once the flight is complete.
///
/// # Cancel safety
/// Dropping it removes this caller from the flight. The table of stages says what becomes of the
/// load.
pub(crate) struct FlightHandle<'a, K, V, R: Runtime, S> {
    pub(super) inner: &'a Arc<Inner<K, V, R, S>>,
    pub(super) flight: Arc<Flight<V, R>>,
    pub(super) role: Role,
    pub(super) stage: Stage,
    /// Whether this caller spawned the background task of the load or of its batch, which then runs
    /// on this caller's executor.
    pub(super) has_spawned: bool,
    /// Whether this caller polled the loader or the batch, which may wait for a timer of this
    /// caller's executor.
    pub(super) has_polled: bool,
    /// Whether the observer was notified that this caller waits.
    pub(super) is_reported: bool,
    pub(super) waiter_id: Option<WaiterId>,
    /// This caller's registration in the wait list of the batch that loads the key.
    pub(super) batch_waiter: Option<BatchWaiter<R>>,
    /// How this caller, which waits for a scoped leader, sees that the leader is stalled.
    pub(super) stall: GatedState<Box<StallTimer<R>>, Takeover>,
    /// The time at which this caller leaves a load for being slow.
    pub(super) slow: GatedState<Box<LoadDeadline<R>>, Freshening>,
}

/// The stage of a caller's flight, as far as the caller has seen: the table of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Leading,
    InFlight,
    Complete,
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
            stage: match role {
                Role::Leader => Stage::Leading,
                Role::Waiter | Role::Task => Stage::InFlight,
            },
            has_spawned: false,
            has_polled: false,
            is_reported: false,
            waiter_id: None,
            batch_waiter: None,
            stall: GatedState::UNSET,
            slow: GatedState::UNSET,
        }
    }

    /// Begins to wait for a load that another caller leads. Returns `false` if this caller runs
    /// inside of that load, and would wait for itself.
    pub(super) fn start_waiting(&mut self) -> bool {
        if self.is_reentrant() {
            return false;
        }
        // From now on the load must not depend on its leader: its executor may never poll it again.
        self.has_spawned = self.spawn_driver();
        if self.flight.is_refresh() && !R::TASKS_OUTLIVE_CALLER {
            // The task of a refresh runs on the executor of a caller that has left.
            self.flight.load.let_waiters_drive();
        }
        true
    }

    /// Calls the loader of this leader and polls its future once. A future that is pending moves
    /// into the flight.
    ///
    /// # Panics
    /// If the loader does.
    pub(super) fn lead<M: LoadMethod<V, R::Flavor>>(
        &mut self,
        loader: impl FnOnce() -> LoadingOn<R::Flavor, V>,
        cx: &mut Context<'_>,
    ) -> Poll<M::Answer> {
        let ctx = self.ctx();
        let future = ctx.run_loader(loader);
        let work = Work::new(future, ctx.deadline());
        // Must come before the poll: if a waker panics after the poll has put the loader into the
        // flight, the drop of this handle must leave the load to the other callers.
        self.stage = Stage::InFlight;
        let polled = self
            .ctx()
            .poll_work(work, (Role::Leader, Driver::Leader), cx);
        self.after_first_poll::<M>(polled, cx)
    }

    /// Continues a load whose first poll had no flight.
    #[cold]
    pub(super) fn lead_on<M: LoadMethod<V, R::Flavor>>(
        &mut self,
        first: FirstPoll<V, R>,
        cx: &mut Context<'_>,
    ) -> Poll<M::Answer> {
        // Must come first, as in `lead`.
        self.stage = Stage::InFlight;
        let ctx = self.ctx();
        let polled = match first {
            Ok(result) => Poll::Ready(ctx.complete_as(Role::Leader, result)),
            Err(future) => {
                ctx.suspend(Work::new(future, ctx.deadline()), Driver::Leader);
                Poll::Pending
            }
        };
        self.after_first_poll::<M>(polled, cx)
    }

    /// The answer of a leader whose loader is ready. Parks a leader whose loader is pending.
    fn after_first_poll<M: LoadMethod<V, R::Flavor>>(
        &mut self,
        polled: Poll<Option<OutcomeOn<R::Flavor, V>>>,
        cx: &mut Context<'_>,
    ) -> Poll<M::Answer> {
        let outcome = match polled {
            Poll::Ready(outcome) => {
                self.stage = Stage::Complete;
                outcome
            }
            Poll::Pending if self.park(true, cx) => return Poll::Pending,
            Poll::Pending => ready!(Pin::new(&mut *self).poll(cx)),
        };
        let answer = self.answer::<M>(outcome);
        Poll::Ready(answer.expect("a leader gets the answer of its own loader"))
    }

    /// Leads a load whose loader borrows from this caller: only this future polls it.
    ///
    /// # Panics
    /// If the loader does.
    pub(crate) async fn lead_scoped<M, Fut>(mut self, loader: impl FnOnce() -> Fut) -> M::Answer
    where
        M: LoadMethod<V, R::Flavor>,
        Fut: Future<Output = M::Output>,
    {
        let ctx = self.ctx();
        let runtime = &self.inner.runtime;
        let future = ctx.run_loader(loader);
        let mut future = core::pin::pin!(Scoped::new(runtime, future));
        let mut deadline = ctx.deadline();
        let result = {
            let leader = WatchedLeader::new(self.flight.watch.get());
            let mut poll = |cx: &mut Context<'_>| match ctx.poll_scoped(future.as_mut(), cx) {
                Poll::Ready(output) => Poll::Ready(M::result(output)),
                Poll::Pending => match deadline.get_mut() {
                    Some(deadline) => deadline
                        .poll(runtime, cx)
                        .map(|after| LoaderResult::Fault(Fault::TimedOut(after))),
                    None => Poll::Pending,
                },
            };
            core::future::poll_fn(|cx| leader.poll(cx, &mut poll)).await
        };
        // Must come before the flight completes, or a waiter could start a second loader of the key
        // beside this one.
        ctx.run_loader(|| future.as_mut().drop_loader());
        let outcome = ctx.complete_as(Role::Leader, result);
        self.stage = Stage::Complete;
        let answer = self.answer::<M>(outcome);
        answer.expect("a leader gets the answer of its own loader")
    }

    /// Waits for the load of another caller. Returns `None` if the method cannot return the
    /// outcome. If the cache remembers that outcome, it forgets it.
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

    /// Waits for the end of the load, and ignores its outcome.
    pub(crate) async fn wait_for_end(mut self) {
        (&mut self).await;
        self.forget_remembered();
    }

    /// Forgets an outcome that the cache remembers: a caller that cannot return it would join the
    /// same flight in every retry.
    fn forget_remembered(&self) {
        let (inner, flight) = (self.inner, &self.flight);
        let mut fx = inner.effects();
        inner
            .shards()
            .write(flight.hash, |shard| shard.forget(flight.id, &mut fx));
        fx.flush();
    }

    /// Converts `outcome`, or that in the flight if `outcome` is `None`, to the method's answer.
    fn answer<M: LoadMethod<V, R::Flavor>>(
        &self,
        outcome: Option<OutcomeOn<R::Flavor, V>>,
    ) -> Option<M::Answer> {
        if let Some(own) = outcome {
            return M::answer(own);
        }
        let load = &self.flight.load;
        if self.role == Role::Leader
            && let Some(payload) = load.outcome(|completed| completed.payload.take()).flatten()
        {
            crate::panic::resume(payload);
        }
        let outcome = load.outcome(|completed| completed.outcome.clone());
        M::answer(outcome?)
    }

    /// Whether this caller runs inside of the load that it is about to wait for.
    fn is_reentrant(&self) -> bool {
        let flight = self.ctx().load_id();
        let batch = self.flight.batch().map(|batch| batch.load_id());
        self.inner.runtime.context(|context| {
            context.is_inside(flight) || batch.is_some_and(|batch| context.is_inside(batch))
        })
    }

    /// Polls the loader, or the batch, once if this caller drives it now.
    fn poll_step(&mut self, cx: &Context<'_>) -> Progress<OutcomeOn<R::Flavor, V>> {
        let progress = self.ctx().poll_step(self.role, cx);
        if matches!(progress, Progress::NotMine)
            && let Some(batch) = &mut self.batch_waiter
            && batch.poll_step(cx)
        {
            return Progress::Polled;
        }
        // A complete batch has completed the flight. A cancelled batch is about to do so: `park`
        // then waits for the flight.
        progress
    }
}

impl<'a, K, V, R: Runtime, S> FlightHandle<'a, K, V, R, S> {
    pub(super) fn ctx(&self) -> LoadCtx<'_, K, V, R, S> {
        LoadCtx::new(self.inner, &self.flight)
    }

    pub(crate) const fn flight(&self) -> &Arc<Flight<V, R>> {
        &self.flight
    }

    /// Makes the flight part of a batch. `spawned` says that this caller spawns the task of the
    /// batch.
    pub(crate) fn assign_to_batch(&mut self, batch: Arc<BatchFlight<R>>, spawned: bool) {
        self.flight.assign_to_batch(batch);
        self.stage = Stage::InFlight;
        self.has_spawned = spawned;
        self.observe_batch();
    }

    /// Begins to wait for the batch of the flight, if the flight is part of one. A flight that one
    /// party completes or cancels ends without its batch: this caller then waits for the flight.
    fn observe_batch(&mut self) {
        if self.batch_waiter.is_none() && self.flight.is_pending() {
            self.batch_waiter = self.flight.batch().cloned().map(BatchWaiter::new);
        }
    }

    /// Hands the load to a new background task, if the driver is still the leader. Returns whether
    /// it did.
    pub(super) fn spawn_driver(&self) -> bool {
        let spawns = self.flight.load.set_driver_task();
        if spawns {
            let (inner, flight) = (Arc::clone(self.inner), Arc::clone(&self.flight));
            let task = (self.inner.box_load_task)(inner, flight);
            // If the runtime cannot spawn the task, the task is dropped here, and its drop lets the
            // waiters drive.
            drop(self.inner.runtime.spawn(task));
        }
        spawns
    }

    /// Registers the waker of this caller. Returns `false` if the caller must not wait, but call
    /// `poll_step` again. `polled` says that the caller has just polled the loader or the batch.
    fn park(&mut self, polled: bool, cx: &Context<'_>) -> bool {
        self.has_polled |= polled;
        let (runtime, waker) = (&self.inner.runtime, cx.waker());
        match &mut self.batch_waiter {
            // The wake of the batch is enough: the batch completes its flights before itself. If
            // the batch is cancelled, this caller is woken first, and then waits for its flight.
            Some(batch) if !batch.is_complete() => batch.park(runtime, waker, polled),
            _ => {
                let load = &self.flight.load;
                let parked = load.park(runtime, &mut self.waiter_id, waker, polled);
                // Must come after `park`, or an assignment to a batch between the two is lost: it
                // does not notify this caller, and this caller does not see the batch.
                parked
                    && (self.batch_waiter.is_some()
                        || self.flight.batch().is_none()
                        || !self.flight.is_pending())
            }
        }
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> Future for FlightHandle<'_, K, V, R, S> {
    /// The outcome, if it is for this caller alone; else it is in the flight.
    type Output = Option<OutcomeOn<R::Flavor, V>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.report_join();
        if let Some(batch) = &mut self.batch_waiter {
            batch.record_poll();
        }
        loop {
            self.observe_batch();
            let polled = match self.poll_step(cx) {
                Progress::Done(outcome) => {
                    self.stage = Stage::Complete;
                    return Poll::Ready(outcome);
                }
                Progress::Polled => true,
                Progress::NotMine => false,
            };
            if self.park(polled, cx) && !self.takes_over(cx) {
                return Poll::Pending;
            }
        }
    }
}
