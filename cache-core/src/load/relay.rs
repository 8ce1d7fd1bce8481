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

#[derive(Debug, Default)]
struct Waiting {
    wakers: Slab<Waker>,
    /// How often the list was emptied: seats from before are gone.
    round: usize,
}

/// A waiter's place in the list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    round: usize,
    index: usize,
}

impl Relay {
    pub(super) fn new() -> Self {
        Self {
            waiting: WakerMutex::new(Waiting::default()),
            woken: AtomicBool::new(false),
        }
    }

    /// Puts `waker` into `seat`, or into a new one. Returns a waker to be dropped by the caller,
    /// outside of every lock.
    #[must_use]
    pub(super) fn sit(&self, seat: &mut Option<Seat>, waker: Waker) -> Option<Waker> {
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
    pub(super) fn sits(&self, seat: Seat, waker: &Waker) -> bool {
        self.waiting.with(|waiting| {
            let known = waiting.wakers.get(seat.index);
            seat.round == waiting.round && known.is_some_and(|known| known.will_wake(waker))
        })
    }

    /// Gives `seat` up. Returns its waker to be dropped by the caller, outside of every lock.
    #[must_use]
    pub(super) fn leave(&self, seat: Seat) -> Option<Waker> {
        self.waiting.with(|waiting| {
            let known = seat.round == waiting.round;
            known.then(|| waiting.wakers.try_remove(seat.index))?
        })
    }

    /// Empties the list.
    pub(super) fn take(&self) -> Vec<Waker> {
        self.waiting.with(|waiting| {
            waiting.round += 1;
            waiting.wakers.drain().collect()
        })
    }

    /// Says that the load is to be polled again, and wakes everybody.
    pub(super) fn call_all(&self) {
        self.woken.store(true, Ordering::Release);
        wake_all(self.take().into_iter());
    }

    pub(super) fn is_woken(&self) -> bool {
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
