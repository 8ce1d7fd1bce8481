//! The wakers of everybody who waits for one flight.

use alloc::vec::Vec;
use core::task::Waker;

use slab::Slab;

use crate::panic;
use crate::sync::{Arc, AtomicBool, Mutex, Ordering, WakerMutex, impl_wake};

/// A list of wakers that is itself a waker.
///
/// Where no task can be spawned for a load, its future is polled with the relay as its waker: any
/// of the waiters may be parked for good, so all of them are woken, and whoever comes first
/// goes on with the load.
#[derive(Debug)]
pub(super) struct Relay {
    waiting: WakerMutex<Waiting>,
    woken: AtomicBool,
}

#[derive(Debug)]
struct Waiting {
    wakers: Slab<Waker>,
    /// How often the list was emptied: seats from before are gone.
    round: usize,
}

/// A waiter's place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    round: usize,
    index: usize,
}

/// Everybody who waits for one flight. Most often that is its leader alone, who needs no relay.
#[derive(Debug)]
pub(super) enum Waiters {
    /// At most one, and no relay so far. The rounds are those of the relay to come.
    One { waker: Option<Waker>, round: usize },
    /// Any number.
    Many(Arc<Relay>),
}

/// What is to be done, outside of every lock, to call everybody who waits.
#[must_use]
pub(super) enum Call {
    One(Option<Waker>),
    Many(Arc<Relay>),
}

impl Waiters {
    pub(super) const NONE: Self = Self::One {
        waker: None,
        round: 0,
    };

    /// As [`Relay::sit`].
    #[must_use]
    pub(super) fn sit(&mut self, seat: &mut Option<Seat>, waker: Waker) -> Option<Waker> {
        if let Self::One { waker: one, round } = self {
            let first = Seat {
                round: *round,
                index: 0,
            };
            if one.is_none() || *seat == Some(first) {
                *seat = Some(first);
                return one.replace(waker);
            }
        }
        self.relay().sit(seat, waker)
    }

    /// Puts `waker` into a seat of its own, unless the list has a waker of the same task. Returns a
    /// waker to be dropped by the caller, outside of every lock.
    #[must_use]
    pub(super) fn sit_once(&mut self, waker: Waker) -> Option<Waker> {
        let is_there = match self {
            Self::One { waker: one, .. } => one.as_ref().is_some_and(|one| one.will_wake(&waker)),
            Self::Many(relay) => relay.wakes(&waker),
        };
        if is_there {
            return Some(waker);
        }
        self.sit(&mut None, waker)
    }

    /// As [`Relay::sits`].
    pub(super) fn sits(&self, seat: Seat, waker: &Waker) -> bool {
        match self {
            Self::One { waker: one, round } => {
                let known = one.as_ref();
                seat.round == *round && known.is_some_and(|known| known.will_wake(waker))
            }
            Self::Many(relay) => relay.sits(seat, waker),
        }
    }

    /// As [`Relay::leave`].
    #[must_use]
    pub(super) fn leave(&mut self, seat: Seat) -> Option<Waker> {
        match self {
            Self::One { waker: one, round } if seat.round == *round => one.take(),
            Self::One { .. } => None,
            Self::Many(relay) => relay.leave(seat),
        }
    }

    /// Empties the list.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let (one, many) = match self {
            Self::One { waker, round } => {
                *round += 1;
                (waker.take(), Vec::new())
            }
            Self::Many(relay) => (None, relay.take()),
        };
        one.into_iter().chain(many)
    }

    /// What calls everybody. The list is emptied by it, at the latest.
    pub(super) fn call(&mut self) -> Call {
        match self {
            Self::One { waker, round } => {
                *round += 1;
                Call::One(waker.take())
            }
            Self::Many(relay) => Call::Many(Arc::clone(relay)),
        }
    }

    pub(super) fn is_woken(&self) -> bool {
        matches!(self, Self::Many(relay) if relay.is_woken())
    }

    /// The waker that wakes everybody.
    pub(super) fn relay(&mut self) -> &Arc<Relay> {
        if let Self::One { waker, round } = self {
            *self = Self::Many(Arc::new(Relay::new(waker.take(), *round)));
        }
        match self {
            Self::Many(relay) => relay,
            Self::One { .. } => unreachable!("there is a relay now"),
        }
    }
}

impl Call {
    pub(super) fn make(self) {
        match self {
            Self::One(Some(waker)) => waker.wake(),
            Self::One(None) => {}
            Self::Many(relay) => relay.call_all(),
        }
    }
}

impl Relay {
    /// A relay with one who waits already, in the first seat, if there is one.
    fn new(waker: Option<Waker>, round: usize) -> Self {
        let mut wakers = Slab::new();
        if let Some(waker) = waker {
            wakers.insert(waker);
        }
        Self {
            waiting: WakerMutex::new(Waiting { wakers, round }),
            woken: AtomicBool::new(false),
        }
    }

    /// Puts `waker` into `seat`, or into a new one. Returns a waker to be dropped by the caller,
    /// outside of every lock.
    #[must_use]
    fn sit(&self, seat: &mut Option<Seat>, waker: Waker) -> Option<Waker> {
        self.waiting.with(|waiting| {
            let kept = seat.filter(|seat| seat.round == waiting.round);
            if let Some(known) = kept.and_then(|seat| waiting.wakers.get_mut(seat.index)) {
                return Some(core::mem::replace(known, waker));
            }
            *seat = Some(Seat {
                round: waiting.round,
                index: waiting.wakers.insert(waker),
            });
            None
        })
    }

    /// Whether the waker in `seat` wakes the same task as `waker`.
    fn sits(&self, seat: Seat, waker: &Waker) -> bool {
        self.waiting.with(|waiting| {
            let known = waiting.wakers.get(seat.index);
            seat.round == waiting.round && known.is_some_and(|known| known.will_wake(waker))
        })
    }

    /// Whether the list has a waker of the task that `waker` wakes. O(waiters).
    fn wakes(&self, waker: &Waker) -> bool {
        self.waiting.with(|waiting| {
            let mut wakers = waiting.wakers.iter();
            wakers.any(|(_, known)| known.will_wake(waker))
        })
    }

    /// Gives `seat` up. Returns its waker to be dropped by the caller, outside of every lock.
    #[must_use]
    fn leave(&self, seat: Seat) -> Option<Waker> {
        self.waiting.with(|waiting| {
            let known = seat.round == waiting.round;
            known.then(|| waiting.wakers.try_remove(seat.index))?
        })
    }

    /// Empties the list.
    fn take(&self) -> Vec<Waker> {
        self.waiting.with(|waiting| {
            waiting.round += 1;
            waiting.wakers.drain().collect()
        })
    }

    /// Says that the load is to be polled again, and wakes everybody.
    fn call_all(&self) {
        self.woken.store(true, Ordering::Release);
        wake_all(self.take().into_iter());
    }

    fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    /// Takes the call to poll the load.
    pub(super) fn answer(&self) {
        // Not a plain store: what the one who called has done before must be seen.
        self.woken.swap(false, Ordering::AcqRel);
    }
}

impl_wake!(Relay, |relay| relay.call_all());

/// Wakes them all, also if one of them panics; goes on with the first panic then.
pub(super) fn wake_all(wakers: impl Iterator<Item = Waker>) {
    let mut first = None;
    for waker in wakers {
        let woken = panic::catch(|| waker.wake());
        first = first.or(woken.err());
    }
    panic::resume_first(first);
}
