//! Driving a flight: polling its loader, ending it, and handing it to a task.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::flight::{Driver, Flight, LoaderResult, Outcome, OutcomeOn, Role, Step, Work};
use crate::inner::{EffectsGuard, Inner};
use crate::machine::{Instant, LoadEnd};
use crate::panic::{self, Payload};
use crate::runtime::{Context as Entered, Flavor, Runtime};
use crate::sync::Arc;

/// Polls the loader once, and ends the flight if the loader is ready. A leader on whom nobody else
/// depends gets the outcome; else it is left in the flight.
///
/// # Panics
/// If the loader does, unless a background task drives it: then the panic is kept for the leader. A
/// waiter does not panic because what the loader needs has ended with another executor.
pub(super) fn drive<K: Eq, V: Clone, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    mut work: Work<V, R>,
    (role, driver): (Role, Driver),
    cx: &mut Context<'_>,
) -> Poll<Option<OutcomeOn<R::Flavor, V>>> {
    let polled = fail_on_panic(inner, flight, || {
        panic::catch(|| {
            // The loader is dropped where it is polled, also by a panic.
            let polled = inner.runtime.enter(|| {
                let polled = in_context(inner, flight, || work.poll(&inner.runtime, cx));
                match polled {
                    Poll::Pending => Err(work),
                    Poll::Ready(result) => {
                        drop(work);
                        Ok(result)
                    }
                }
            });
            polled.map(|result| match role {
                Role::Leader => complete_for_leader(inner, flight, result),
                Role::Waiter | Role::Task => {
                    complete(inner, flight, result);
                    None
                }
            })
        })
    });
    match polled {
        Ok(Ok(outcome)) => Poll::Ready(outcome),
        Ok(Err(work)) => {
            flight.executors.record(&inner.runtime);
            let left = flight.load.put_back(work, driver);
            inner.runtime.enter(|| drop(left));
            Poll::Pending
        }
        Err(payload) => {
            let executor_ended = executor_has_ended(inner, flight);
            if role == Role::Task || executor_ended && role == Role::Waiter {
                finish_unwound(inner, flight, executor_ended, Some(payload));
                return Poll::Ready(None);
            }
            finish_unwound(inner, flight, executor_ended, None);
            panic::resume(payload);
        }
    }
}

/// Ends a flight whose caller decides what becomes of it, and has `notify` tell of that. `None` if
/// somebody has ended it before.
pub(super) fn complete_with<'a, K, V, R: Runtime, S, T>(
    inner: &'a Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    notify: impl FnOnce(OutcomeOn<R::Flavor, V>),
    decide: impl FnOnce(Instant, &mut EffectsGuard<'a, K, V, R, S>) -> (OutcomeOn<R::Flavor, V>, T),
) -> Option<T> {
    if !flight.begin_completion() {
        return None;
    }
    let now = inner.now();
    inner.requests.record_load(now.since(flight.started));
    let mut fx = inner.effects();
    // The flight is this caller's to end, also if a weigher or a clone panics.
    let (outcome, answer) = on_unwind(
        || decide(now, &mut fx),
        || finish_panicked(inner, flight, None),
    );
    notify(outcome);
    fx.flush();
    Some(answer)
}

/// Runs a caller's loader, or a poll of it: should it panic, the flight ends with that.
pub(super) fn run_loader<K, V, R: Runtime, S, T>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    f: impl FnOnce() -> T,
) -> T {
    fail_on_panic(inner, flight, || in_context(inner, flight, f))
}

/// Polls a caller's loader that lives in the caller.
pub(super) fn poll_inline<K, V, R: Runtime, S, F: Future>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let polled = run_loader(inner, flight, || future.poll(cx));
    if polled.is_pending() {
        flight.executors.record(&inner.runtime);
    }
    polled
}

/// Runs `f` as a part of the flight: a load of the same key inside it is noticed.
fn in_context<K, V, R: Runtime, S, T>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    f: impl FnOnce() -> T,
) -> T {
    struct Leave<'a, R: Runtime>(&'a R);
    impl<R: Runtime> Drop for Leave<'_, R> {
        fn drop(&mut self) {
            self.0.context(Entered::leave);
        }
    }
    let runtime = &inner.runtime;
    runtime.context(|context| context.enter(flight.address()));
    let _leave = Leave(runtime);
    runtime.enter(f)
}

/// Runs `f`; should a panic unwind out of it, the flight ends with that.
fn fail_on_panic<K, V, R: Runtime, S, T>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    f: impl FnOnce() -> T,
) -> T {
    on_unwind(f, || {
        finish_unwound(inner, flight, executor_has_ended(inner, flight), None);
    })
}

/// Runs `f`, and `otherwise` if a panic unwinds out of it: also where panics cannot be caught.
fn on_unwind<T>(f: impl FnOnce() -> T, otherwise: impl FnOnce()) -> T {
    let mut guard = OnDrop(Some(otherwise));
    let answer = f();
    guard.0 = None;
    answer
}

/// Calls a function when it is dropped, also while a panic unwinds.
struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// Brings what a loader returned to its end: stores it and tells everybody, waiters first and
/// listeners after them.
pub(crate) fn complete<K: Eq, V: Clone, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    result: LoaderResult<V, <R::Flavor as Flavor>::Error>,
) {
    let notify = |outcome| flight.complete(&inner.runtime, outcome, None);
    complete_and(notify, inner, flight, result);
}

/// As [`complete`], by the leader: a value that nobody else waits for is given back instead of being
/// left in the flight.
pub(super) fn complete_for_leader<K: Eq, V: Clone, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    result: LoaderResult<V, <R::Flavor as Flavor>::Error>,
) -> Option<OutcomeOn<R::Flavor, V>> {
    let mut own = None;
    let notify = |outcome| match outcome {
        // A flight that ended with a value is off its table: nobody can join any more.
        Outcome::Value(_) if flight.has_only_leader() => own = Some(outcome),
        outcome => flight.complete(&inner.runtime, outcome, None),
    };
    complete_and(notify, inner, flight, result);
    own
}

fn complete_and<K: Eq, V: Clone, R: Runtime, S>(
    notify: impl FnOnce(OutcomeOn<R::Flavor, V>),
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    result: LoaderResult<V, <R::Flavor as Flavor>::Error>,
) {
    let settled = complete_with(inner, flight, notify, |now, fx| {
        let (how, outcome) = match result {
            LoaderResult::Value(loaded) => {
                let value = loaded.value.clone();
                let settled = inner.settle(flight.hash, flight.id, loaded, now, fx);
                // A value that was fenced is dropped out here.
                return (Outcome::Value(value), Some(settled));
            }
            LoaderResult::Missing => (inner.missing(now), Outcome::Missing),
            LoaderResult::TimedOut(after) => (LoadEnd::Failed, Outcome::TimedOut(after)),
            LoaderResult::WrongLength(lengths) => (LoadEnd::Failed, Outcome::WrongLength(lengths)),
            LoaderResult::Failed(error) => (inner.failed(now), Outcome::Failed(error)),
        };
        inner.finish(flight.hash, flight.id, how, fx);
        (outcome, None)
    });
    drop(settled);
}

/// Whether the loader panicked because an executor has ended. `false` if only the leader depends on the
/// load: the panic is the leader's then.
#[cold]
fn executor_has_ended<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
) -> bool {
    !flight.has_only_leader() && flight.executors.has_ended(&inner.runtime)
}

/// Ends a flight whose loader panicked, unless it has ended. If the loader `executor_ended` with its executor,
/// the load is abandoned. The payload is for the leader.
#[cold]
fn finish_unwound<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    executor_ended: bool,
    payload: Option<Payload>,
) {
    if !executor_ended {
        fail_with_panic(inner, flight, payload);
    } else if flight.begin_completion() {
        finish_cancelled(inner, flight, payload);
    }
}

/// Ends a flight whose loader panicked, unless somebody has ended it before.
pub(crate) fn fail_with_panic<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    payload: Option<Payload>,
) {
    if flight.begin_completion() {
        finish_panicked(inner, flight, payload);
    }
}

/// Ends a flight that is the caller's to end.
fn finish_panicked<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    payload: Option<Payload>,
) {
    let mut fx = inner.effects();
    inner.finish(flight.hash, flight.id, LoadEnd::Failed, &mut fx);
    flight.complete(&inner.runtime, Outcome::Panicked, payload);
    fx.flush();
}

/// Ends a flight whose loader is gone: its caller, or its batch, took it away.
pub(crate) fn cancel<K, V, R: Runtime, S>(inner: &Inner<K, V, R, S>, flight: &Flight<V, R>) {
    if flight.begin_completion() {
        finish_cancelled(inner, flight, None);
    }
}

/// Ends a flight that nobody waits for, and its loader first: the key may be asked for again as soon
/// as the flight is off its table. A loader that is being polled is left to whoever polls it, who
/// looks again after that.
pub(super) fn cancel_if_unused<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
) {
    while flight.is_unused() {
        let work = flight.load.take_work();
        if work.is_none() && flight.load.driver() != Driver::Batch {
            return;
        }
        // With the shard locked nobody can join, so this is the last word. Who joins after it waits
        // for a flight that is over soon, and comes again.
        let ends = |_: &mut _| flight.is_unused() && flight.begin_cancel();
        if inner.shards().write(flight.hash, ends) {
            // Also if the drop of the loader panics.
            let _end = OnDrop(Some(|| finish_cancelled(inner, flight, None)));
            return inner.runtime.enter(|| drop(work));
        }
        match work {
            Some(work) => flight.load.restore_work(work),
            None => return,
        }
    }
}

/// Ends a flight that is the caller's to end.
fn finish_cancelled<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    payload: Option<Payload>,
) {
    let mut fx = inner.effects();
    inner.finish(flight.hash, flight.id, LoadEnd::Dropped, &mut fx);
    flight.complete(&inner.runtime, Outcome::Cancelled, payload);
    fx.flush();
}

/// Hands a flight to a background task, if so far only its leader drives it. Says whether it did.
pub(super) fn spawn_driver<K, V, R: Runtime, S>(
    inner: &Arc<Inner<K, V, R, S>>,
    flight: &Arc<Flight<V, R>>,
) -> bool {
    let spawn_driver = flight.load.set_driver_task();
    if spawn_driver {
        let task = (inner.box_load_task)(Arc::clone(inner), Arc::clone(flight));
        // A task that cannot be spawned is dropped, as it is when its runtime shuts down: either
        // way its `Drop` hands the load to those who wait.
        drop(inner.runtime.spawn(task));
    }
    spawn_driver
}

/// The background task of a flight.
///
/// Dropping it hands the load to whoever waits for it; if nobody does, the load is dropped.
#[expect(unnameable_types, reason = "a hidden method boxes it")]
pub struct LoadTask<K, V: 'static, R: Runtime, S> {
    inner: Arc<Inner<K, V, R, S>>,
    flight: Arc<Flight<V, R>>,
}

impl<K, V, R: Runtime, S> LoadTask<K, V, R, S> {
    pub(crate) const fn new(inner: Arc<Inner<K, V, R, S>>, flight: Arc<Flight<V, R>>) -> Self {
        Self { inner, flight }
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> LoadTask<K, V, R, S> {
    fn drive(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { inner, flight } = self;
        // First, or whoever ends or puts back the load would not find anybody to wake.
        flight.load.park_task(cx.waker());
        let (mut work, driver, notifier) = match flight.load.next_step(Role::Task) {
            Step::Complete => return Poll::Ready(()),
            Step::Wait => return Poll::Pending,
            Step::Poll(work, driver, notifier) => (work, driver, notifier),
        };
        work.set_driver(driver);
        let notifier = notifier.map(Waker::from);
        let mut cx = Context::from_waker(notifier.as_ref().unwrap_or_else(|| cx.waker()));
        let polled = drive(inner, flight, work, (Role::Task, driver), &mut cx);
        if polled.is_pending() {
            flight.load.recheck();
            // Who left meanwhile could not drop the loader.
            if !inner.options.detach_loads.is_set() {
                cancel_if_unused(inner, flight);
            }
        }
        polled.map(drop)
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> Future for LoadTask<K, V, R, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // A loader that is dropped may panic, or a waker of a caller, which must not unwind into the
        // executor. The panic hook has reported it; what is left is handed on as the task ends.
        panic::catch(|| self.drive(cx)).unwrap_or(Poll::Ready(()))
    }
}

impl<K, V, R: Runtime, S> Drop for LoadTask<K, V, R, S> {
    fn drop(&mut self) {
        if self.flight.load.is_complete() {
            return;
        }
        self.flight.load.task_dropped();
        cancel_if_unused(&self.inner, &self.flight);
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for LoadTask<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoadTask").field(&self.flight).finish()
    }
}
