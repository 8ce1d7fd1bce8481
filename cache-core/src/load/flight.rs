//! One load under way, shared by everybody who depends on it.
//!
//! The loader's future lives here, not in the caller who started it. Who may poll it is written
//! down in [`Driver`]; whoever does takes it out of its place first, so no lock is held meanwhile.

use alloc::vec::Vec;
use core::fmt;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use super::outcome::{OutcomeOn, Verdict};
use super::relay::{Relay, Seat};
use crate::machine::{FlightId, Instant};
use crate::panic::Payload;
use crate::runtime::{Flavor, Runtime, Timer};
use crate::sync::{Arc, AtomicUsize, Mutex, Ordering};

/// The flavour's boxed future of a loader.
pub(super) type Loading<V, R> = <<R as Runtime>::Flavor as Flavor>::Future<
    Verdict<V, <<R as Runtime>::Flavor as Flavor>::Error>,
>;

/// One load under way.
pub(crate) struct Flight<V: 'static, R: Runtime> {
    pub(super) id: FlightId,
    pub(super) hash: u32,
    pub(super) started: Instant,
    /// How many callers depend on the outcome. Raised only while the shard is locked, so that
    /// whoever finds it at zero there knows that nobody can join any more.
    interest: AtomicUsize,
    state: R::Mutex<State<V, R>>,
}

struct State<V: 'static, R: Runtime> {
    driver: Driver,
    /// The loader, while nobody polls it.
    work: Option<Work<V, R>>,
    /// Somebody is bringing the flight to its end: nobody else may.
    claimed: bool,
    outcome: Option<OutcomeOn<R::Flavor, V>>,
    /// What the loader's panic carried, if it was caught in the background.
    payload: Option<Payload>,
    /// The background task, while it waits.
    task: Option<Waker>,
    /// Everybody else who waits. Most loads that are ready at once never need it.
    relay: Option<Arc<Relay>>,
}

/// Who may poll the loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// The loader borrows from its caller and lives there.
    Caller,
    /// The leader, inline: nobody else depends on the load.
    Leader,
    /// A background task.
    Task,
    /// Whoever waits: nothing can be spawned.
    Anyone,
}

/// In which part somebody comes to a flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Leader,
    Waiter,
    Task,
}

/// What there is to do for somebody who comes to a flight.
pub(super) enum Turn<V: 'static, R: Runtime> {
    /// Nothing: it is over.
    Over,
    /// Poll the loader, with the relay as the waker if there is one here.
    Drive(Work<V, R>, Option<Arc<Relay>>),
    /// Wait.
    Wait,
}

impl<V, R: Runtime> Flight<V, R> {
    /// A flight with one caller who depends on it.
    pub(crate) fn new(id: FlightId, hash: u32, driver: Driver, started: Instant) -> Self {
        Self {
            id,
            hash,
            started,
            interest: AtomicUsize::new(1),
            state: R::Mutex::new(State {
                driver,
                work: None,
                claimed: false,
                outcome: None,
                payload: None,
                task: None,
                relay: None,
            }),
        }
    }

    /// One more caller depends on the outcome. Call it with the shard locked.
    pub(crate) fn join(&self) {
        self.interest.fetch_add(1, Ordering::Relaxed);
    }

    /// One caller less. Says whether it was the last.
    pub(super) fn leave(&self) -> bool {
        self.interest.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(super) fn is_deserted(&self) -> bool {
        self.interest.load(Ordering::Acquire) == 0
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.with(|state| state.outcome.is_some())
    }

    pub(super) fn driver(&self) -> Driver {
        self.state.with(|state| state.driver)
    }

    /// What tells this flight from all others that exist.
    pub(super) fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// Gives the flight its loader.
    pub(super) fn board(&self, work: Work<V, R>) {
        self.state.with(|state| state.work = Some(work));
    }

    /// The right and the duty to end this flight, given once.
    pub(super) fn claim(&self) -> bool {
        self.state
            .with(|state| !core::mem::replace(&mut state.claimed, true))
    }

    /// What there is to do.
    pub(super) fn turn(&self, role: Role) -> Turn<V, R> {
        self.state.with(|state| state.turn(role))
    }

    /// From now on a background task drives the load, if so far only its leader does. Says whether
    /// the caller must spawn it.
    pub(super) fn hand_to_task(&self) -> bool {
        self.state.with(|state| {
            let hand_over = state.driver == Driver::Leader && state.outcome.is_none();
            if hand_over {
                state.driver = Driver::Task;
            }
            hand_over
        })
    }

    /// The background task is gone: whoever waits drives the load from now on.
    pub(super) fn hand_to_anyone(&self) {
        let relay = self.state.with(|state| {
            state.driver = Driver::Anyone;
            state.task = None;
            state.outcome.is_none().then(|| Arc::clone(state.relay()))
        });
        if let Some(relay) = relay {
            relay.call_all();
        }
    }

    /// Puts the loader back after a poll that left it pending.
    pub(super) fn put_back(&self, work: Work<V, R>, role: Role) {
        let (dropped, task) = self.state.with(|state| {
            if state.outcome.is_some() {
                return (Some(work), None);
            }
            state.work = Some(work);
            let handed_over = state.driver == Driver::Task && role != Role::Task;
            (None, if handed_over { state.task.take() } else { None })
        });
        drop(dropped);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Has `waker` woken once there is something to do. Says `false` if there is already: then
    /// the caller is to come again. `driven` says that the caller has just polled the loader.
    pub(super) fn park(&self, seat: &mut Option<Seat>, waker: &Waker, driven: bool) -> bool {
        let known = self.state.with(|state| {
            let relay = state.relay.as_ref();
            relay.is_some_and(|relay| relay.sits(*seat, waker))
        });
        // Cloned and dropped out here: wakers are foreign code.
        let cloned = (!known).then(|| waker.clone());
        let (parked, calling, old) = self.state.with(|state| {
            if state.outcome.is_some() {
                return (false, None, None);
            }
            let calling = state.is_calling();
            let relay = state.relay();
            let old = match cloned {
                Some(cloned) => relay.sit(seat, cloned),
                // Emptied since: the next round will find the seat gone.
                None if !relay.sits(*seat, waker) => return (false, None, None),
                None => None,
            };
            // A loader that wakes itself whenever it is polled must not keep its driver here for
            // ever: it comes back through the executor.
            let calling_all = (calling && driven).then(|| Arc::clone(relay));
            (!calling || driven, calling_all, old)
        });
        drop(old);
        if let Some(relay) = calling {
            relay.call_all();
        }
        parked
    }

    /// Has the background task woken once there is something to do for it.
    pub(super) fn park_task(&self, waker: &Waker) {
        let waker = waker.clone();
        let old = self.state.with(|state| state.task.replace(waker));
        drop(old);
    }

    /// Gives up a place among those who wait.
    pub(super) fn leave_seat(&self, seat: Seat) {
        let relay = self.state.with(|state| state.relay.clone());
        drop(relay.and_then(|relay| relay.leave(seat)));
    }

    /// Ends the flight and wakes everybody, once.
    pub(super) fn complete(&self, outcome: OutcomeOn<R::Flavor, V>, payload: Option<Payload>) {
        let (wakers, task, work) = self.state.with(|state| {
            state.claimed = true;
            state.outcome = Some(outcome);
            state.payload = payload;
            let wakers = state
                .relay
                .as_ref()
                .map_or_else(Vec::new, |relay| relay.take());
            (wakers, state.task.take(), state.work.take())
        });
        for waker in wakers.into_iter().chain(task) {
            waker.wake();
        }
        drop(work);
    }

    /// Reads the outcome of a flight that is over.
    pub(super) fn outcome<T>(&self, f: impl FnOnce(&OutcomeOn<R::Flavor, V>) -> T) -> Option<T> {
        self.state.with(|state| state.outcome.as_ref().map(f))
    }

    pub(super) fn take_payload(&self) -> Option<Payload> {
        self.state.with(|state| state.payload.take())
    }
}

impl<V, R: Runtime> State<V, R> {
    fn turn(&mut self, role: Role) -> Turn<V, R> {
        if self.outcome.is_some() {
            return Turn::Over;
        }
        let (may_drive, relay) = match (self.driver, role) {
            (Driver::Leader, Role::Leader) | (Driver::Task, Role::Task) => (true, None),
            (Driver::Anyone, Role::Leader | Role::Waiter) if self.is_calling() => {
                let relay = self.relay();
                relay.answer();
                (true, Some(Arc::clone(relay)))
            }
            _ => (false, None),
        };
        match self.work.take_if(|_| may_drive) {
            Some(mut work) => {
                work.hand_to(self.driver);
                Turn::Drive(work, relay)
            }
            None => Turn::Wait,
        }
    }

    /// Whether the loader waits to be polled by anyone.
    fn is_calling(&self) -> bool {
        let called = self.relay.as_ref().is_some_and(|relay| relay.is_woken());
        self.driver == Driver::Anyone && self.work.is_some() && called
    }

    fn relay(&mut self) -> &Arc<Relay> {
        self.relay.get_or_insert_with(|| Arc::new(Relay::new()))
    }
}

impl<V, R: Runtime> fmt::Debug for Flight<V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("id", &self.id)
            .field("interest", &self.interest.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// A loader's future, and how long it may take.
pub(super) struct Work<V: 'static, R: Runtime> {
    future: Loading<V, R>,
    limit: Option<Limit<R>>,
    driver: Driver,
}

/// A bound on the time of a load.
pub(super) struct Limit<R: Runtime> {
    timer: Option<R::Timer>,
    deadline: Instant,
    after: Duration,
}

impl<V, R: Runtime> Work<V, R> {
    pub(super) fn new(future: Loading<V, R>, limit: Option<Limit<R>>) -> Self {
        Self {
            future,
            limit,
            driver: Driver::Leader,
        }
    }

    pub(super) fn poll(
        &mut self,
        runtime: &R,
        cx: &mut Context<'_>,
    ) -> Poll<Verdict<V, <R::Flavor as Flavor>::Error>> {
        if let Poll::Ready(verdict) = core::pin::Pin::new(&mut self.future).poll(cx) {
            return Poll::Ready(verdict);
        }
        match &mut self.limit {
            Some(limit) => limit.poll(runtime, cx).map(Verdict::TimedOut),
            None => Poll::Pending,
        }
    }

    /// Another kind of driver polls from now on, perhaps on another runtime: a timer of the one
    /// before might never fire.
    fn hand_to(&mut self, driver: Driver) {
        if self.driver != driver {
            self.driver = driver;
            if let Some(limit) = &mut self.limit {
                limit.timer = None;
            }
        }
    }
}

impl<R: Runtime> Limit<R> {
    pub(super) fn new(after: Duration, started: Instant) -> Self {
        Self {
            timer: None,
            deadline: started.after(after),
            after,
        }
    }

    /// Ready, with its length, once the time is over. Without a timer it notices when it is polled.
    pub(super) fn poll(&mut self, runtime: &R, cx: &mut Context<'_>) -> Poll<Duration> {
        if self.deadline.has_passed(runtime.now()) {
            return Poll::Ready(self.after);
        }
        self.timer = self.timer.take().or_else(|| runtime.timer());
        match &mut self.timer {
            Some(timer) => timer.poll_until(self.deadline, cx).map(|()| self.after),
            None => Poll::Pending,
        }
    }
}
