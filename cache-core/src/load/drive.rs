//! Driving a flight: polling its loader, ending it, and handing it to a task.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::flight::{Flight, Work};
use super::outcome::{Outcome, OutcomeOn, Verdict};
use super::shared::{Driver, Role, Turn};
use crate::cache::{Aftermath, Inner};
use crate::machine::{Finish, Instant};
use crate::panic::{self, Payload};
use crate::runtime::{Context as Entered, Flavor, Runtime};
use crate::sync::Arc;

/// Polls the loader once, and ends the flight if the loader is ready. A leader on whom nobody else
/// depends gets the outcome; else it is left in the flight.
///
/// # Panics
/// If the loader does, unless a background task drives it: then the panic is kept for the leader. A
/// waiter does not panic because what the loader needs has ended with another executor.
#[cfg_attr(not(target_os = "none"), inline)]
pub(super) fn drive<K: Eq, V: Clone, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    mut work: Work<V, R>,
    (role, driver): (Role, Driver),
    cx: &mut Context<'_>,
) -> Poll<Option<OutcomeOn<R::Flavor, V>>> {
    let polled = guarded(inner, flight, || {
        panic::catch(|| {
            // The loader is dropped where it is polled, also by a panic.
            let polled = inner.runtime.around(|| {
                let polled = inside(inner, flight, || work.poll(&inner.runtime, cx));
                match polled {
                    Poll::Pending => Err(work),
                    Poll::Ready(verdict) => {
                        drop(work);
                        Ok(verdict)
                    }
                }
            });
            polled.map(|verdict| match role {
                Role::Leader => land_for_leader(inner, flight, verdict),
                Role::Waiter | Role::Task => {
                    land(inner, flight, verdict);
                    None
                }
            })
        })
    });
    match polled {
        Ok(Ok(outcome)) => Poll::Ready(outcome),
        Ok(Err(work)) => {
            flight.homes.note(&inner.runtime);
            let left = flight.load.put_back(work, driver);
            inner.runtime.around(|| drop(left));
            Poll::Pending
        }
        Err(payload) => {
            let died = has_died(inner, flight);
            if role == Role::Task || died && role == Role::Waiter {
                end_unwound(inner, flight, died, Some(payload));
                return Poll::Ready(None);
            }
            end_unwound(inner, flight, died, None);
            panic::resume(payload);
        }
    }
}

/// Ends a flight whose caller decides what becomes of it, and has `tell` tell of that. `None` if
/// somebody has ended it before.
#[cfg_attr(not(target_os = "none"), inline)]
pub(super) fn conclude<'a, K, V, R: Runtime, S, T>(
    inner: &'a Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    tell: impl FnOnce(OutcomeOn<R::Flavor, V>),
    decide: impl FnOnce(Instant, &mut Aftermath<'a, K, V, R, S>) -> (OutcomeOn<R::Flavor, V>, T),
) -> Option<T> {
    if !flight.claim() {
        return None;
    }
    let now = inner.now();
    inner.requests.record_load(now.since(flight.started));
    let mut fx = inner.effects();
    // The flight is this caller's to end, also if a weigher or a clone panics.
    let (outcome, answer) = or_else_on_panic(
        || decide(now, &mut fx),
        || end_in_panic(inner, flight, None),
    );
    tell(outcome);
    fx.flush();
    Some(answer)
}

/// Runs a caller's loader, or a poll of it: should it panic, the flight ends with that.
pub(super) fn run<K, V, R: Runtime, S, T>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    f: impl FnOnce() -> T,
) -> T {
    guarded(inner, flight, || inside(inner, flight, f))
}

/// Polls a caller's loader that lives in the caller.
pub(super) fn poll_inline<K, V, R: Runtime, S, F: Future>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let polled = run(inner, flight, || future.poll(cx));
    if polled.is_pending() {
        flight.homes.note(&inner.runtime);
    }
    polled
}

/// Runs `f` as a part of the flight: a load of the same key inside it is noticed.
#[cfg_attr(not(target_os = "none"), inline)]
fn inside<K, V, R: Runtime, S, T>(
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
    runtime.around(f)
}

/// Runs `f`; should a panic unwind out of it, the flight ends with that.
#[cfg_attr(not(target_os = "none"), inline)]
fn guarded<K, V, R: Runtime, S, T>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    f: impl FnOnce() -> T,
) -> T {
    or_else_on_panic(f, || {
        end_unwound(inner, flight, has_died(inner, flight), None);
    })
}

/// Runs `f`, and `otherwise` if a panic unwinds out of it: also where panics cannot be caught.
fn or_else_on_panic<T>(f: impl FnOnce() -> T, otherwise: impl FnOnce()) -> T {
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
pub(crate) fn land<K: Eq, V: Clone, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    verdict: Verdict<V, <R::Flavor as Flavor>::Error>,
) {
    let tell = |outcome| flight.complete(&inner.runtime, outcome, None);
    land_and(tell, inner, flight, verdict);
}

/// As [`land`], by the leader: a value that nobody else waits for is given back instead of being
/// left in the flight.
#[cfg_attr(not(target_os = "none"), inline)]
pub(super) fn land_for_leader<K: Eq, V: Clone, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    verdict: Verdict<V, <R::Flavor as Flavor>::Error>,
) -> Option<OutcomeOn<R::Flavor, V>> {
    let mut own = None;
    let tell = |outcome| match outcome {
        // A flight that ended with a value is off its table: nobody can join any more.
        Outcome::Value(_) if flight.is_leaders_alone() => own = Some(outcome),
        outcome => flight.complete(&inner.runtime, outcome, None),
    };
    land_and(tell, inner, flight, verdict);
    own
}

#[cfg_attr(not(target_os = "none"), inline)]
fn land_and<K: Eq, V: Clone, R: Runtime, S>(
    tell: impl FnOnce(OutcomeOn<R::Flavor, V>),
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    verdict: Verdict<V, <R::Flavor as Flavor>::Error>,
) {
    let settled = conclude(inner, flight, tell, |now, fx| {
        let (how, outcome) = match verdict {
            Verdict::Value(loaded) => {
                let value = loaded.value.clone();
                let settled = inner.settle(flight.hash, flight.id, loaded, now, fx);
                // A value that was fenced is dropped out here.
                return (Outcome::Value(value), Some(settled));
            }
            Verdict::Missing => (inner.missing(now), Outcome::Missing),
            Verdict::TimedOut(after) => (Finish::Failed, Outcome::TimedOut(after)),
            Verdict::WrongLength(lengths) => (Finish::Failed, Outcome::WrongLength(lengths)),
            Verdict::Failed(error) => (inner.failed(now), Outcome::Failed(error)),
        };
        inner.finish(flight.hash, flight.id, how, fx);
        (outcome, None)
    });
    drop(settled);
}

/// Whether the loader panicked because an executor has ended. `false` if only the leader depends on the
/// load: the panic is the leader's then.
#[cold]
fn has_died<K, V, R: Runtime, S>(inner: &Inner<K, V, R, S>, flight: &Flight<V, R>) -> bool {
    !flight.is_leaders_alone() && flight.homes.has_ended(&inner.runtime)
}

/// Ends a flight whose loader panicked, unless it has ended. If the loader `died` with its executor,
/// the load is abandoned. The payload is for the leader.
#[cold]
fn end_unwound<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    died: bool,
    payload: Option<Payload>,
) {
    if !died {
        crash(inner, flight, payload);
    } else if flight.claim() {
        end_abandoned(inner, flight, payload);
    }
}

/// Ends a flight whose loader panicked, unless somebody has ended it before.
pub(crate) fn crash<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    payload: Option<Payload>,
) {
    if flight.claim() {
        end_in_panic(inner, flight, payload);
    }
}

/// Ends a flight that is the caller's to end.
fn end_in_panic<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    payload: Option<Payload>,
) {
    let mut fx = inner.effects();
    inner.finish(flight.hash, flight.id, Finish::Failed, &mut fx);
    flight.complete(&inner.runtime, Outcome::Panicked, payload);
    fx.flush();
}

/// Ends a flight whose loader is gone: its caller, or its batch, took it away.
pub(crate) fn abandon<K, V, R: Runtime, S>(inner: &Inner<K, V, R, S>, flight: &Flight<V, R>) {
    if flight.claim() {
        end_abandoned(inner, flight, None);
    }
}

/// Ends a flight that nobody waits for, and its loader first: the key may be asked for again as soon
/// as the flight is off its table. A loader that is being polled is left to whoever polls it, who
/// looks again after that.
pub(super) fn abandon_if_deserted<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
) {
    while flight.is_deserted() {
        let work = flight.load.withdraw();
        if work.is_none() && flight.load.driver() != Driver::Batch {
            return;
        }
        // With the shard locked nobody can join, so this is the last word. Who joins after it waits
        // for a flight that is over soon, and comes again.
        let ends = |_: &mut _| flight.is_deserted() && flight.claim_deserted();
        if inner.shards().write(flight.hash, ends) {
            // Also if the drop of the loader panics.
            let _end = OnDrop(Some(|| end_abandoned(inner, flight, None)));
            return inner.runtime.around(|| drop(work));
        }
        match work {
            Some(work) => flight.load.restore(work),
            None => return,
        }
    }
}

/// Ends a flight that is the caller's to end.
fn end_abandoned<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    payload: Option<Payload>,
) {
    let mut fx = inner.effects();
    inner.finish(flight.hash, flight.id, Finish::Dropped, &mut fx);
    flight.complete(&inner.runtime, Outcome::Abandoned, payload);
    fx.flush();
}

/// Hands a flight to a background task, if so far only its leader drives it. Says whether it did.
pub(super) fn hand_over<K, V, R: Runtime, S>(
    inner: &Arc<Inner<K, V, R, S>>,
    flight: &Arc<Flight<V, R>>,
) -> bool {
    let hand_over = flight.load.hand_to_task();
    if hand_over {
        let task = (inner.boxed)(Drive {
            inner: Arc::clone(inner),
            flight: Arc::clone(flight),
        });
        // A task that cannot be spawned is dropped, as it is when its runtime shuts down: either
        // way its `Drop` hands the load to those who wait.
        drop(inner.runtime.spawn(task));
    }
    hand_over
}

/// The background task of a flight.
///
/// Dropping it hands the load to whoever waits for it; if nobody does, the load is dropped.
pub struct Drive<K, V: 'static, R: Runtime, S> {
    inner: Arc<Inner<K, V, R, S>>,
    flight: Arc<Flight<V, R>>,
}

impl<K: Eq, V: Clone, R: Runtime, S> Drive<K, V, R, S> {
    fn go_on(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { inner, flight } = self;
        // First, or whoever ends or puts back the load would not find anybody to wake.
        flight.load.park_task(cx.waker());
        let (mut work, driver, relay) = match flight.load.turn(Role::Task) {
            Turn::Over => return Poll::Ready(()),
            Turn::Wait => return Poll::Pending,
            Turn::Drive(work, driver, relay) => (work, driver, relay),
        };
        work.hand_to(driver);
        let relay = relay.map(Waker::from);
        let mut cx = Context::from_waker(relay.as_ref().unwrap_or_else(|| cx.waker()));
        let polled = drive(inner, flight, work, (Role::Task, driver), &mut cx);
        if polled.is_pending() {
            flight.load.rest_task();
            // Who left meanwhile could not drop the loader.
            if !inner.options.detach_loads {
                abandon_if_deserted(inner, flight);
            }
        }
        polled.map(drop)
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> Future for Drive<K, V, R, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // A loader that is dropped may panic, or a waker of a caller, which must not unwind into the
        // executor. The panic hook has reported it; what is left is handed on as the task ends.
        panic::catch(|| self.go_on(cx)).unwrap_or(Poll::Ready(()))
    }
}

impl<K, V, R: Runtime, S> Drop for Drive<K, V, R, S> {
    fn drop(&mut self) {
        if self.flight.load.is_over() {
            return;
        }
        self.flight.load.task_is_gone();
        abandon_if_deserted(&self.inner, &self.flight);
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for Drive<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Drive").field(&self.flight).finish()
    }
}
