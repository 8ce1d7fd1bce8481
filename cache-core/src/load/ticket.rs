//! What a caller holds while it depends on a flight.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

use super::drive::{abandon, abandon_if_deserted, drive, hand_over, land_for_leader, run};
use super::errand::{Errand, Place};
use super::flight::{Flight, Limit, Work};
use super::outcome::{Method, OutcomeOn, Verdict};
use super::relay::Seat;
use super::shared::{Driver, Role, Turn};
use crate::cache::Inner;
use crate::runtime::{Holds, Runtime};
use crate::sync::Arc;

/// A caller's share in a flight: a future that is ready once the flight is over.
///
/// Dropping it gives the share up. The load goes on for the others; if there are none, it is
/// dropped, or goes on in the background where the cache was built with `detach_loads`.
pub(crate) struct Ticket<'a, K, V: 'static, R: Runtime, S> {
    inner: &'a Arc<Inner<K, V, R, S>>,
    flight: Arc<Flight<V, R>>,
    role: Role,
    seat: Option<Seat>,
    /// Whether this caller had the load spawned, on the runtime that it is on.
    has_spawned: bool,
    /// Whether this caller has polled the loader, with the timers of the runtime that it is on.
    has_driven: bool,
    /// Whether the flight has its loader; a leader who leaves before that ends the flight.
    has_boarded: bool,
    /// Whether the flight is known to be over.
    is_over: bool,
    /// The batch that loads the key, and this caller's place among those who wait for it.
    batch: Option<Place<R>>,
}

impl<'a, K: Eq, V: Clone, R: Runtime, S> Ticket<'a, K, V, R, S> {
    pub(super) const fn new(
        inner: &'a Arc<Inner<K, V, R, S>>,
        flight: Arc<Flight<V, R>>,
        role: Role,
    ) -> Self {
        Self {
            inner,
            flight,
            role,
            seat: None,
            has_spawned: false,
            has_driven: false,
            has_boarded: false,
            is_over: false,
            batch: None,
        }
    }

    /// Depends on a load that another leads. `false` if the caller is a part of it.
    pub(super) fn depend(&mut self) -> bool {
        if self.is_inside() {
            return false;
        }
        // The load must not depend on its leader being polled any more.
        self.has_spawned = hand_over(self.inner, &self.flight);
        true
    }

    /// Begins to lead a load whose loader lives in the flight. The first part is its leader's: a
    /// loader that is ready at once never gets into the flight.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn lead<M, Fut>(
        &mut self,
        loader: impl FnOnce() -> Fut,
        cx: &mut Context<'_>,
    ) -> Poll<M::Answer>
    where
        M: Method<V, R::Flavor>,
        M::Output: 'static,
        Fut: Future<Output = M::Output>,
        R::Flavor: Holds<Fut>,
    {
        let future = run(self.inner, &self.flight, || {
            R::Flavor::hold(loader(), M::verdict)
        });
        let work = Work::new(future, self.limit());
        let part = (Role::Leader, Driver::Leader);
        self.has_boarded = true;
        let polled = drive(self.inner, &self.flight, work, part, cx);
        self.is_over = polled.is_ready();
        let outcome = if self.is_over || self.park(true, cx) {
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
        M: Method<V, R::Flavor>,
        Fut: Future<Output = M::Output>,
    {
        let future = run(self.inner, &self.flight, loader);
        let mut future = core::pin::pin!(future);
        let mut limit = self.limit();
        let output = core::future::poll_fn(|cx| {
            let polled = run(self.inner, &self.flight, || future.as_mut().poll(cx));
            match (polled, &mut limit) {
                (Poll::Ready(output), _) => Poll::Ready(Ok(output)),
                (Poll::Pending, Some(limit)) => limit.poll(&self.inner.runtime, cx).map(Err),
                (Poll::Pending, None) => Poll::Pending,
            }
        });
        let verdict = match output.await {
            Ok(output) => M::verdict(output),
            Err(after) => Verdict::TimedOut(after),
        };
        let outcome = land_for_leader(self.inner, &self.flight, verdict);
        self.is_over = true;
        self.answer::<M>(outcome)
            .expect("a leader gets what its own loader returned")
    }

    /// Waits for the load of another. `None` if it ended in something that this method cannot
    /// return; then the next who asks does not get that answer again.
    pub(crate) fn wait_for<M: Method<V, R::Flavor>>(
        mut self,
    ) -> impl Future<Output = Option<M::Answer>> {
        core::future::poll_fn(move |cx| self.poll_for::<M>(cx))
    }

    /// As [`Ticket::wait_for`].
    pub(crate) fn poll_for<M: Method<V, R::Flavor>>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<M::Answer>> {
        let outcome = ready!(Pin::new(&mut *self).poll(cx));
        let answer = self.answer::<M>(outcome);
        if answer.is_none() {
            self.forget();
        }
        Poll::Ready(answer)
    }

    /// Waits for whatever is under way, without asking for its outcome.
    pub(crate) async fn wait_out(mut self) {
        (&mut self).await;
        self.forget();
    }

    /// An answer that is remembered, but is none to this caller, must not be the end of it.
    fn forget(&self) {
        let (inner, flight) = (self.inner, &self.flight);
        let mut fx = inner.effects();
        inner
            .shards
            .write(flight.hash, |shard| shard.forget(flight.id, &mut fx));
        fx.flush();
    }

    /// What the method makes of an outcome, by default that of the flight.
    fn answer<M: Method<V, R::Flavor>>(
        &self,
        outcome: Option<OutcomeOn<R::Flavor, V>>,
    ) -> Option<M::Answer> {
        if let Some(own) = outcome {
            return M::answer(own);
        }
        if self.role == Role::Leader {
            if let Some(payload) = self
                .flight
                .load
                .outcome(|landed| landed.payload.take())
                .flatten()
            {
                crate::panic::resume(payload);
            }
        }
        let outcome = self.flight.load.outcome(|landed| landed.outcome.clone());
        M::answer(outcome?)
    }

    /// Whether this caller is a part of the load that it is about to wait for.
    fn is_inside(&self) -> bool {
        let flight = self.flight.address();
        let batch = self.flight.errand().map(|errand| errand.address());
        self.inner.runtime.context(|context| {
            context.is_inside(flight) || batch.is_some_and(|batch| context.is_inside(batch))
        })
    }

    /// Polls the loader if that is this caller's part. If the flight is not over after that, says
    /// whether the loader was polled.
    fn take_turn(&mut self, cx: &mut Context<'_>) -> Result<Option<OutcomeOn<R::Flavor, V>>, bool> {
        let (work, driver, relay) = match self.flight.load.turn(self.role) {
            Turn::Over => return Ok(None),
            Turn::Wait => {
                // Its batch may be this caller's to drive; whether the flight is over is seen next.
                let batch = self.batch.as_mut();
                return Err(batch.is_some_and(|batch| batch.take_turn(cx)));
            }
            Turn::Drive(mut work, driver, relay) => {
                work.hand_to(driver);
                (work, driver, relay)
            }
        };
        let relay = relay.map(Waker::from);
        let mut cx = Context::from_waker(relay.as_ref().unwrap_or_else(|| cx.waker()));
        let part = (self.role, driver);
        match drive(self.inner, &self.flight, work, part, &mut cx) {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => Err(true),
        }
    }
}

impl<'a, K, V, R: Runtime, S> Ticket<'a, K, V, R, S> {
    pub(super) const fn inner(&self) -> &'a Arc<Inner<K, V, R, S>> {
        self.inner
    }

    pub(crate) const fn flight(&self) -> &Arc<Flight<V, R>> {
        &self.flight
    }

    /// How long the load may take, counted from its start.
    fn limit(&self) -> Option<Limit<R>> {
        let after = self.inner.options.load_timeout()?;
        Some(Limit::new(after, self.flight.started))
    }

    /// Makes the flight part of a batch, in which this caller has a share at once.
    /// `spawns` says that this caller has it spawned.
    pub(crate) fn enlist(&mut self, errand: Arc<Errand<R>>, spawns: bool) {
        self.flight.enlist(errand);
        self.has_boarded = true;
        self.has_spawned = spawns;
        self.find_batch();
    }

    /// Nobody waits any more: the load is dropped, or goes on in the background.
    fn leave_last(&self) {
        let (load, detach) = (&self.flight.load, self.inner.options.detach_loads());
        if detach {
            hand_over(self.inner, &self.flight);
        }
        if !(detach && load.leave_to_task()) {
            abandon_if_deserted(self.inner, &self.flight);
        }
    }

    /// Whether this caller may have been the last to poll a loader that anyone polls.
    fn has_driven_for_all(&self) -> bool {
        self.has_driven && self.flight.load.driver() == Driver::Anyone
    }

    /// Has this caller woken once there is something to do; `false` if there is already. `driven`
    /// says that it has just polled the loader.
    fn park(&mut self, driven: bool, cx: &Context<'_>) -> bool {
        self.has_driven |= driven;
        let (runtime, waker) = (&self.inner.runtime, cx.waker());
        match &mut self.batch {
            // A batch ends its flights before it ends itself, or right after.
            Some(batch) if !batch.is_over() => batch.park(runtime, waker, driven),
            _ => {
                let load = &self.flight.load;
                let parked = load.park(runtime, &mut self.seat, waker, driven);
                // Only now: a batch that was not known yet has called only those who had a seat.
                parked && (self.batch.is_some() || self.flight.errand().is_none())
            }
        }
    }

    /// Waits for the batch of the flight from now on, if it has one.
    fn find_batch(&mut self) {
        if self.batch.is_none() {
            self.batch = self.flight.errand().cloned().map(Place::new);
        }
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> Future for Ticket<'_, K, V, R, S> {
    /// The outcome, if it is this caller's alone; else it is in the flight.
    type Output = Option<OutcomeOn<R::Flavor, V>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(batch) = &mut self.batch {
            batch.come();
        }
        loop {
            self.find_batch();
            match self.take_turn(cx) {
                Ok(outcome) => {
                    self.is_over = true;
                    return Poll::Ready(outcome);
                }
                Err(driven) if self.park(driven, cx) => return Poll::Pending,
                Err(_) => {}
            }
        }
    }
}

impl<K, V, R: Runtime, S> Drop for Ticket<'_, K, V, R, S> {
    fn drop(&mut self) {
        // Where it is over, all seats were emptied.
        if let Some(seat) = self.seat.take().filter(|_| !self.is_over) {
            self.flight.load.leave_seat(seat);
        }
        if let Some(batch) = self.batch.take() {
            batch.leave();
        }
        // A batch counts those of its flights that have callers, to the end.
        if self.is_over && self.flight.errand().is_none() {
            return;
        }
        let has_spawned = self.has_spawned && !R::SPAWNS_APART;
        let last = self.flight.leave();
        // Only now: while this caller was counted, the leader may have put the flight into a batch,
        // and have left.
        let errand = self.flight.errand();
        if let Some(errand) = errand {
            let last_of_all = last && errand.leave();
            if !last_of_all && (has_spawned || self.has_driven) {
                errand.hand_to_anyone();
            }
            // After that: who has left meanwhile as the last one counts on the task.
            errand.end_if_deserted(self.inner.options.detach_loads());
        }
        if self.is_over || self.flight.load.is_over() {
            return;
        }
        if self.role == Role::Leader && !self.has_boarded {
            // Nobody else has the loader.
            return abandon(self.inner, &self.flight);
        }
        if !last && errand.is_none() && (has_spawned || self.has_driven_for_all()) {
            // The runtime that it was spawned on, or whose timer it has, was this caller's, and may
            // stand still from now on.
            self.flight.load.hand_to_anyone();
        }
        // After that, as above.
        if self.flight.is_deserted() {
            self.leave_last();
        }
    }
}
