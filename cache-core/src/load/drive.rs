//! Polling the loader of a flight.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::flight::{
    Driver, Fault, Flight, LoadDeadline, LoaderResultOn, Outcome, OutcomeOn, Progress, Role, Work,
};
use crate::inner::Inner;
use crate::observe::Polled;
use crate::opt_in::{Gated, LoadTimeout};
use crate::panic::{self, OnDrop, on_unwind};
use crate::runtime::{Context as Entered, LoadId, Runtime};

/// A flight and its cache: the methods that poll and end a load.
pub(crate) struct LoadCtx<'a, K, V, R: Runtime, S> {
    pub(super) inner: &'a Inner<K, V, R, S>,
    pub(super) flight: &'a Flight<V, R>,
}

impl<K, V, R: Runtime, S> Clone for LoadCtx<'_, K, V, R, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V, R: Runtime, S> Copy for LoadCtx<'_, K, V, R, S> {}

impl<'a, K, V, R: Runtime, S> LoadCtx<'a, K, V, R, S> {
    pub(crate) const fn new(inner: &'a Inner<K, V, R, S>, flight: &'a Flight<V, R>) -> Self {
        Self { inner, flight }
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> LoadCtx<'_, K, V, R, S> {
    /// Polls the loader once if `role` drives it now.
    ///
    /// # Panics
    /// As [`LoadCtx::poll_work`].
    pub(super) fn poll_step(
        self,
        role: Role,
        cx: &Context<'_>,
    ) -> Progress<OutcomeOn<R::Flavor, V>> {
        let load = &self.flight.load;
        load.poll_step(role, cx, |mut work, driver, cx| {
            work.set_driver(driver);
            self.poll_work(work, (role, driver), cx)
        })
    }

    /// Polls the loader once. If it is ready, completes the flight; if not, puts the work into the
    /// flight. Returns the outcome if it is for this leader alone, and leaves it in the flight
    /// otherwise.
    ///
    /// # Panics
    /// If the loader does. A background task does not panic: the flight keeps the payload for the
    /// leader. A waiter does not panic either if an executor of the loader has ended.
    pub(super) fn poll_work(
        self,
        work: Work<V, R>,
        (role, driver): (Role, Driver),
        cx: &mut Context<'_>,
    ) -> Poll<Option<OutcomeOn<R::Flavor, V>>> {
        let polled = self.fail_on_panic(|| {
            panic::catch(|| {
                let result = self.poll_loader(work, cx);
                result.map(|result| self.complete_as(role, result))
            })
        });
        match polled {
            Ok(Ok(outcome)) => Poll::Ready(outcome),
            Ok(Err(work)) => {
                self.suspend(work, driver);
                Poll::Pending
            }
            Err(payload) => {
                let outcome = self.outcome_of_panic();
                let is_kept = match role {
                    Role::Leader => false,
                    Role::Waiter => matches!(outcome, Outcome::Cancelled),
                    Role::Task => true,
                };
                if is_kept {
                    self.abort(outcome, Some(payload));
                    return Poll::Ready(None);
                }
                self.abort(outcome, None);
                panic::resume(payload);
            }
        }
    }

    /// Puts pending work into the flight after `driver` polled it.
    pub(super) fn suspend(self, work: Work<V, R>, driver: Driver) {
        self.flight.executors.record(&self.inner.runtime);
        let complete = self.flight.load.put_back(work, driver);
        self.inner.runtime.enter(|| drop(complete));
    }

    /// Polls the loader once. Returns the work as the error if it is pending.
    fn poll_loader(
        self,
        mut work: Work<V, R>,
        cx: &mut Context<'_>,
    ) -> Result<LoaderResultOn<R::Flavor, V>, Work<V, R>> {
        let runtime = &self.inner.runtime;
        // A loader that is ready or panics is dropped inside `enter`: its drop may need the context
        // of the runtime, as its poll does.
        runtime.enter(|| match self.in_context(|| work.poll(runtime, cx)) {
            Poll::Pending => Err(work),
            Poll::Ready(result) => {
                drop(work);
                Ok(result)
            }
        })
    }

    /// Calls `f`, which calls the loader or polls it. A panic in `f` ends the flight.
    pub(super) fn run_loader<T>(self, f: impl FnOnce() -> T) -> T {
        self.fail_on_panic(|| self.in_context(f))
    }

    /// Polls a loader that lives in its caller.
    pub(super) fn poll_scoped<F: Future>(
        self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let polled = self.run_loader(|| future.poll(cx));
        if polled.is_pending() {
            self.flight.executors.record(&self.inner.runtime);
        }
        polled
    }

    /// Calls `f`. If a panic unwinds out of `f`, ends the flight with that panic.
    fn fail_on_panic<T>(self, f: impl FnOnce() -> T) -> T {
        on_unwind(f, || {
            self.abort(self.outcome_of_panic(), None);
        })
    }
}

impl<K, V, R: Runtime, S> LoadCtx<'_, K, V, R, S> {
    /// The deadline of the load, counted from its start.
    pub(super) fn deadline(self) -> Gated<LoadDeadline<R>, LoadTimeout> {
        let deadline = |after| LoadDeadline::new(after, self.flight.started);
        self.inner.options.load_timeout.map(deadline)
    }

    /// Identifies the load, to detect reentrant loads.
    pub(super) fn load_id(self) -> LoadId {
        let flight = self.flight;
        if cfg!(target_os = "none") {
            return LoadId::at(core::ptr::from_ref(flight).addr());
        }
        LoadId::of_shard(self.inner.shards.address(flight.hash), flight.id.serial())
    }

    /// Calls `f` as a part of the load: a load of the same key in it is reentrant.
    fn in_context<T>(self, f: impl FnOnce() -> T) -> T {
        let runtime = &self.inner.runtime;
        runtime.context(|context| context.enter(self.load_id()));
        let _leave = OnDrop(Some(|| runtime.context(Entered::leave)));
        let _polled = Polled::new(self.observed());
        runtime.enter(f)
    }

    /// The outcome of a load whose loader panicked. If an executor of the loader has ended, the
    /// load is cancelled, and its waiters run their own loaders. A load without waiters fails: its
    /// leader gets the panic. A refresh has no leader that does.
    #[cold]
    pub(super) fn outcome_of_panic(self) -> OutcomeOn<R::Flavor, V> {
        let flight = self.flight;
        let has_callers = !flight.has_only_leader() || flight.is_refresh();
        if has_callers && flight.executors.has_ended(&self.inner.runtime) {
            Outcome::Cancelled
        } else {
            Outcome::Fault(Fault::Panicked)
        }
    }
}
