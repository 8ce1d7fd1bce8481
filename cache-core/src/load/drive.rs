//! Driving a flight: polling its loader, ending it, and handing it to a task.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::flight::{Flight, Work};
use super::outcome::{Outcome, OutcomeOn, Verdict};
use super::shared::{Role, Turn};
use crate::cache::Inner;
use crate::machine::{Effects, Finish, Instant};
use crate::panic::{self, Payload};
use crate::runtime::{Context as Entered, Flavor, Runtime};
use crate::sync::Arc;

type Fx<K, V, R> = Effects<K, V, Arc<Flight<V, R>>>;

/// How a poll of a loader went.
enum Step<K, V: 'static, R: Runtime> {
    Pending(Work<V, R>),
    Landed(OutcomeOn<R::Flavor, V>, Fx<K, V, R>),
    /// Somebody else has ended the flight meanwhile.
    Late,
}

/// Polls the loader once, and ends the flight if the loader is ready.
///
/// # Panics
/// If the loader does, unless a background task drives it: then the panic is kept for the leader.
pub(super) fn drive<K: Eq, V: Clone, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    mut work: Work<V, R>,
    role: Role,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let step = guarded(inner, flight, || {
        panic::catch(|| {
            let Poll::Ready(verdict) = inside(inner, flight, || work.poll(&inner.runtime, cx))
            else {
                return Step::Pending(work);
            };
            drop(work);
            settle(inner, flight, verdict)
        })
    });
    match step {
        Ok(Step::Pending(work)) => {
            flight.load.put_back(work, role);
            return Poll::Pending;
        }
        Ok(step) => complete(inner, flight, step),
        Err(payload) if role == Role::Task => crash(inner, flight, Some(payload)),
        Err(payload) => {
            crash(inner, flight, None);
            panic::resume(payload);
        }
    }
    Poll::Ready(())
}

/// Brings what the loader of an inline load returned to its end.
pub(super) fn land<K: Eq, V: Clone, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    verdict: Verdict<V, <R::Flavor as Flavor>::Error>,
) {
    let step = guarded(inner, flight, || settle(inner, flight, verdict));
    complete(inner, flight, step);
}

/// Ends a flight whose caller decides what becomes of it. `None` if somebody has ended it before.
pub(super) fn conclude<K, V, R: Runtime, S, T>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    decide: impl FnOnce(Instant, &mut Fx<K, V, R>) -> (OutcomeOn<R::Flavor, V>, T),
) -> Option<T> {
    if !flight.claim() {
        return None;
    }
    let now = inner.runtime.now();
    inner.load_time.record(now.since(flight.started));
    let mut fx = Effects::new();
    let (outcome, answer) = guarded(inner, flight, || decide(now, &mut fx));
    complete(inner, flight, Step::Landed(outcome, fx));
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

/// Runs `f` as a part of the flight: a load of the same key inside it is noticed.
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
    f()
}

/// Runs `f`; should a panic unwind out of it, the flight ends with that.
fn guarded<K, V, R: Runtime, S, T>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    f: impl FnOnce() -> T,
) -> T {
    struct Guard<'a, K, V: 'static, R: Runtime, S>(&'a Inner<K, V, R, S>, &'a Flight<V, R>);
    impl<K, V, R: Runtime, S> Drop for Guard<'_, K, V, R, S> {
        fn drop(&mut self) {
            crash(self.0, self.1, None);
        }
    }
    let guard = Guard(inner, flight);
    let answer = f();
    core::mem::forget(guard);
    answer
}

/// Tells everybody how the flight ended; waiters first, listeners after them.
fn complete<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    step: Step<K, V, R>,
) {
    if let Step::Landed(outcome, fx) = step {
        flight.complete(outcome, None);
        inner.flush(fx);
    }
}

/// Stores what was loaded, if nobody has ended the flight before.
fn settle<K: Eq, V: Clone, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    verdict: Verdict<V, <R::Flavor as Flavor>::Error>,
) -> Step<K, V, R> {
    if !flight.claim() {
        return Step::Late;
    }
    let now = inner.runtime.now();
    inner.load_time.record(now.since(flight.started));
    let mut fx = Effects::new();
    let (how, outcome) = match verdict {
        Verdict::Value(loaded) => {
            let value = loaded.value.clone();
            // A value that was fenced comes back, to be dropped out here.
            drop(inner.settle(flight.hash, flight.id, loaded, now, &mut fx));
            return Step::Landed(Outcome::Value(value), fx);
        }
        Verdict::Missing => (Finish::Missing, Outcome::Missing),
        Verdict::TimedOut(after) => (Finish::Failed, Outcome::TimedOut(after)),
        Verdict::Failed(error) => (inner.failed(now), Outcome::Failed(error)),
    };
    inner.finish(flight.hash, flight.id, how, &mut fx);
    Step::Landed(outcome, fx)
}

/// Ends a flight whose loader panicked.
pub(super) fn crash<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    payload: Option<Payload>,
) {
    // Who has claimed it before is who has just panicked.
    flight.claim();
    let mut fx = Effects::new();
    inner.finish(flight.hash, flight.id, Finish::Failed, &mut fx);
    flight.complete(Outcome::Panicked, payload);
    inner.flush(fx);
}

/// Ends a flight that nobody waits for, or whose caller took its loader away.
pub(super) fn abandon<K, V, R: Runtime, S>(
    inner: &Inner<K, V, R, S>,
    flight: &Flight<V, R>,
    only_if_deserted: bool,
) {
    let mut fx = Effects::new();
    let abandoned = inner.shards.write(flight.hash, |engine| {
        // With the shard locked nobody can join any more, so this is the last word.
        let ends = (!only_if_deserted || flight.is_deserted()) && flight.claim();
        if ends {
            engine.finish(flight.hash, flight.id, Finish::Dropped, &mut fx);
        }
        ends
    });
    if abandoned {
        flight.complete(Outcome::Abandoned, None);
        inner.flush(fx);
    }
}

/// Hands a flight to a background task, if so far only its leader drives it.
pub(super) fn hand_over<K, V, R: Runtime, S>(
    inner: &Arc<Inner<K, V, R, S>>,
    flight: &Arc<Flight<V, R>>,
) {
    if flight.load.hand_to_task() {
        let task = (inner.boxed)(Drive {
            inner: Arc::clone(inner),
            flight: Arc::clone(flight),
        });
        // A task that cannot be spawned is dropped, as it is when its runtime shuts down: either
        // way its `Drop` hands the load to those who wait.
        drop(inner.runtime.spawn(task));
    }
}

/// The background task of a flight.
///
/// Dropping it hands the load to whoever waits for it; if nobody does, the load is dropped.
pub struct Drive<K, V: 'static, R: Runtime, S> {
    inner: Arc<Inner<K, V, R, S>>,
    flight: Arc<Flight<V, R>>,
}

impl<K: Eq, V: Clone, R: Runtime, S> Future for Drive<K, V, R, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { inner, flight } = &*self;
        // First, or whoever ends or puts back the load would not find anybody to wake.
        flight.load.park_task(cx.waker());
        match flight.load.turn(Role::Task) {
            Turn::Over => Poll::Ready(()),
            Turn::Drive(mut work, driver, _) => {
                work.hand_to(driver);
                drive(inner, flight, work, Role::Task, cx)
            }
            Turn::Wait => Poll::Pending,
        }
    }
}

impl<K, V, R: Runtime, S> Drop for Drive<K, V, R, S> {
    fn drop(&mut self) {
        if self.flight.load.is_over() {
            return;
        }
        self.flight.load.hand_to_anyone();
        if self.flight.is_deserted() {
            abandon(&self.inner, &self.flight, true);
        }
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for Drive<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Drive").field(&self.flight).finish()
    }
}
