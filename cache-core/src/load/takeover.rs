//! The bound on the stall of a scoped load: a waiter takes the lead from a leader that does not poll
//! its woken loader.
//!
//! The waiter cancels the flight, so all its waiters retry, and the first of them leads with its own
//! loader, whichever method it is of. The late result of the old leader is for its own caller: its
//! flight has ended, so the result is not stored, as that of a fenced load.

use core::task::{Context, Poll, Waker};
use core::time::Duration;

use super::handle::FlightHandle;
use crate::flight::{Driver, LeadWatch, LoadDeadline, WaiterId};
use crate::inner::Inner;
use crate::opt_in::{Feature, Gated, Takeover};
use crate::runtime::Runtime;
use crate::sync::Arc;

/// The leader's part of a [`LeadWatch`]. Its drop removes the leader from the watch.
pub(super) struct WatchedLeader<'a> {
    watch: Option<(&'a LeadWatch, Waker)>,
    id: Option<WaiterId>,
}

/// A waiter's part of a [`LeadWatch`].
pub(crate) struct StallTimer<R: Runtime> {
    id: Option<WaiterId>,
    /// The poll after which the loader was woken, and the end of the leader's time to poll again.
    woken_after: Option<(usize, LoadDeadline<R>)>,
}

impl<K, V, R: Runtime, S> Inner<K, V, R, S> {
    /// The watch of a new flight that `driver` drives.
    pub(super) fn lead_watch(&self, driver: Driver) -> Gated<Arc<LeadWatch>, Takeover> {
        match Takeover::enabled() {
            Some(enabled) if driver == Driver::Scoped && self.options.takeover_after.is_some() => {
                Gated::proven(Arc::new(LeadWatch::new()), enabled)
            }
            _ => Gated::UNSET,
        }
    }
}

impl<'a> WatchedLeader<'a> {
    pub(super) fn new(watch: Option<&'a Arc<LeadWatch>>) -> Self {
        Self {
            watch: watch.map(|watch| (&**watch, Waker::from(Arc::clone(watch)))),
            id: None,
        }
    }

    /// Calls `poll`, which polls the loader, with a context that notes its wakes.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> T,
    ) -> T {
        match &self.watch {
            Some((watch, waker)) => {
                watch.begin_poll(&mut self.id, cx.waker());
                poll(&mut Context::from_waker(waker))
            }
            None => poll(cx),
        }
    }
}

impl Drop for WatchedLeader<'_> {
    fn drop(&mut self) {
        // The backend may keep the waker for longer than the load lives.
        if let (Some((watch, _)), Some(id)) = (&self.watch, self.id) {
            watch.deregister(id);
        }
    }
}

impl<R: Runtime> StallTimer<R> {
    const fn new() -> Self {
        Self {
            id: None,
            woken_after: None,
        }
    }

    /// Ready once the leader has not polled its woken loader for `after`.
    fn poll(
        &mut self,
        watch: &LeadWatch,
        after: Duration,
        runtime: &R,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(polls) = watch.observe(&mut self.id, cx.waker()) else {
            self.woken_after = None;
            return Poll::Pending;
        };
        if self.woken_after.as_ref().map(|(known, _)| *known) != Some(polls) {
            self.woken_after = Some((polls, LoadDeadline::new(after, runtime.now())));
        }
        match &mut self.woken_after {
            Some((_, deadline)) => deadline.poll(runtime, cx).map(drop),
            None => Poll::Pending,
        }
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> FlightHandle<'_, K, V, R, S> {
    /// Takes the lead from a leader that is stalled: cancels the flight. Returns whether it did. The
    /// caller is in the wait list of the flight, so it misses no end of the flight otherwise.
    pub(super) fn takes_over(&mut self, cx: &mut Context<'_>) -> bool {
        let runtime = &self.inner.runtime;
        let (Some(watch), Some(enabled), Some(after)) = (
            self.flight.watch.get(),
            self.flight.watch.proof(),
            self.inner.options.takeover_after,
        ) else {
            return false;
        };
        let mut stall = match core::mem::take(&mut self.stall).into_value() {
            Some(stall) => stall,
            None => alloc::boxed::Box::new(StallTimer::new()),
        };
        let stalled = stall.poll(watch, after, runtime, cx);
        self.stall = Gated::proven(stall, enabled);
        stalled.is_ready() && self.ctx().cancel()
    }
}

impl<K, V, R: Runtime, S> FlightHandle<'_, K, V, R, S> {
    /// Removes this caller from the watch.
    pub(super) fn stop_watching(&self) {
        if let (Some(watch), Some(stall)) = (self.flight.watch.get(), self.stall.get())
            && let Some(id) = stall.id
        {
            watch.deregister(id);
        }
    }
}
