//! The bound on the stall of a scoped load: a waiter takes the lead from a leader that does not
//! poll its woken loader.
//!
//! The waiter cancels the flight, so all its waiters retry, and the first of them leads with its
//! own loader, whichever method it is of. The late result of the old leader is for its own caller
//! only. Its flight has left the table, and a shard keeps nothing of a flight or of a removal that
//! is over: it could not distinguish a key that nothing has touched since from one that was
//! invalidated.

use alloc::boxed::Box;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use super::handle::FlightHandle;
use crate::flight::{LeadWatch, LoadDeadline, WaiterId};
use crate::runtime::Runtime;
use crate::sync::Arc;

/// The leader's part of a [`LeadWatch`].
pub(super) struct WatchedLeader<'a>(Option<(&'a LeadWatch, Waker)>);

/// A waiter's part of a [`LeadWatch`].
pub(crate) struct StallTimer<R: Runtime> {
    id: Option<WaiterId>,
    /// The poll after which the loader was woken, and the end of the leader's time to poll again.
    woken_after: Option<(usize, LoadDeadline<R>)>,
}

impl<'a> WatchedLeader<'a> {
    pub(super) fn new(watch: Option<&'a Arc<LeadWatch>>) -> Self {
        Self(watch.map(|watch| (&**watch, Waker::from(Arc::clone(watch)))))
    }

    /// Calls `poll`, which polls the loader, with a context that notes its wakes.
    pub(super) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> T,
    ) -> T {
        match &self.0 {
            Some((watch, waker)) => {
                watch.begin_poll(cx.waker());
                poll(&mut Context::from_waker(waker))
            }
            None => poll(cx),
        }
    }
}

impl Drop for WatchedLeader<'_> {
    fn drop(&mut self) {
        if let Some((watch, _)) = &self.0 {
            watch.end();
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
        let known = self.woken_after.take().filter(|(known, _)| *known == polls);
        let (_, deadline) = self
            .woken_after
            .insert(known.unwrap_or_else(|| (polls, LoadDeadline::new(after, runtime.now()))));
        deadline.poll(runtime, cx).map(drop)
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> FlightHandle<'_, K, V, R, S> {
    /// Takes the lead from a leader that is stalled: cancels the flight. Returns whether it did.
    /// Otherwise this caller, which is in the wait list of the flight, is also woken when the
    /// leader is stalled.
    pub(super) fn takes_over(&mut self, cx: &mut Context<'_>) -> bool {
        let watch = &self.flight.watch;
        let (Some(lead), Some(enabled), Some(after)) = (
            watch.get(),
            watch.proof(),
            self.inner.options.takeover_after,
        ) else {
            return false;
        };
        let timer = self
            .stall
            .get_or_insert_with(enabled, || Box::new(StallTimer::new()));
        let stalled = timer.poll(lead, after, &self.inner.runtime, cx);
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
