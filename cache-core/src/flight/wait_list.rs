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
pub(crate) struct Notifier {
    waiting: WakerMutex<Waiting>,
    notified: AtomicBool,
}

#[derive(Debug)]
struct Waiting {
    wakers: Slab<Waker>,
    /// How often the list was emptied: seats from before are gone.
    epoch: usize,
}

/// A waiter's place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaiterId {
    epoch: usize,
    index: usize,
}

/// Everybody who waits for one flight. Most often that is its leader alone, who needs no relay.
#[derive(Debug)]
pub(crate) enum WaitList {
    /// At most one, and no relay so far. The rounds are those of the relay to come.
    One { waker: Option<Waker>, epoch: usize },
    /// Any number.
    Many(Arc<Notifier>),
}

/// What is to be done, outside of every lock, to call everybody who waits.
#[must_use]
pub(crate) enum PendingWake {
    One(Option<Waker>),
    Many(Arc<Notifier>),
}

impl WaitList {
    pub(crate) const NONE: Self = Self::One {
        waker: None,
        epoch: 0,
    };

    /// As [`Notifier::register`].
    #[must_use]
    pub(crate) fn register(&mut self, id: &mut Option<WaiterId>, waker: Waker) -> Option<Waker> {
        if let Self::One { waker: one, epoch } = self {
            let first = WaiterId {
                epoch: *epoch,
                index: 0,
            };
            if one.is_none() || *id == Some(first) {
                *id = Some(first);
                return one.replace(waker);
            }
        }
        self.notifier().register(id, waker)
    }

    /// Puts `waker` into a seat of its own, unless the list has a waker of the same task. Returns a
    /// waker to be dropped by the caller, outside of every lock.
    #[must_use]
    pub(crate) fn register_once(&mut self, waker: Waker) -> Option<Waker> {
        let is_there = match self {
            Self::One { waker: one, .. } => one.as_ref().is_some_and(|one| one.will_wake(&waker)),
            Self::Many(notifier) => notifier.contains(&waker),
        };
        if is_there {
            return Some(waker);
        }
        self.register(&mut None, waker)
    }

    /// As [`Notifier::is_registered`].
    pub(crate) fn is_registered(&self, id: WaiterId, waker: &Waker) -> bool {
        match self {
            Self::One { waker: one, epoch } => {
                let known = one.as_ref();
                id.epoch == *epoch && known.is_some_and(|known| known.will_wake(waker))
            }
            Self::Many(notifier) => notifier.is_registered(id, waker),
        }
    }

    /// As [`Notifier::deregister`].
    #[must_use]
    pub(crate) fn deregister(&mut self, id: WaiterId) -> Option<Waker> {
        match self {
            Self::One { waker: one, epoch } if id.epoch == *epoch => one.take(),
            Self::One { .. } => None,
            Self::Many(notifier) => notifier.deregister(id),
        }
    }

    /// Empties the list.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let (one, many) = match self {
            Self::One { waker, epoch } => {
                *epoch += 1;
                (waker.take(), Vec::new())
            }
            Self::Many(notifier) => (None, notifier.take()),
        };
        one.into_iter().chain(many)
    }

    /// What calls everybody. The list is emptied by it, at the latest.
    pub(crate) fn pending_wake(&mut self) -> PendingWake {
        match self {
            Self::One { waker, epoch } => {
                *epoch += 1;
                PendingWake::One(waker.take())
            }
            Self::Many(notifier) => PendingWake::Many(Arc::clone(notifier)),
        }
    }

    pub(crate) fn is_notified(&self) -> bool {
        matches!(self, Self::Many(notifier) if notifier.is_notified())
    }

    /// The waker that wakes everybody.
    pub(crate) fn notifier(&mut self) -> &Arc<Notifier> {
        if let Self::One { waker, epoch } = self {
            *self = Self::Many(Arc::new(Notifier::new(waker.take(), *epoch)));
        }
        match self {
            Self::Many(notifier) => notifier,
            Self::One { .. } => unreachable!("there is a notifier now"),
        }
    }
}

impl PendingWake {
    pub(crate) fn wake(self) {
        match self {
            Self::One(Some(waker)) => waker.wake(),
            Self::One(None) => {}
            Self::Many(notifier) => notifier.notify(),
        }
    }
}

impl Notifier {
    /// A relay with one who waits already, in the first seat, if there is one.
    fn new(waker: Option<Waker>, epoch: usize) -> Self {
        let mut wakers = Slab::new();
        if let Some(waker) = waker {
            wakers.insert(waker);
        }
        Self {
            waiting: WakerMutex::new(Waiting { wakers, epoch }),
            notified: AtomicBool::new(false),
        }
    }

    /// Puts `waker` into `id`, or into a new one. Returns a waker to be dropped by the caller,
    /// outside of every lock.
    #[must_use]
    fn register(&self, id: &mut Option<WaiterId>, waker: Waker) -> Option<Waker> {
        self.waiting.with(|waiting| {
            let kept = id.filter(|id| id.epoch == waiting.epoch);
            if let Some(known) = kept.and_then(|id| waiting.wakers.get_mut(id.index)) {
                return Some(core::mem::replace(known, waker));
            }
            *id = Some(WaiterId {
                epoch: waiting.epoch,
                index: waiting.wakers.insert(waker),
            });
            None
        })
    }

    /// Whether the waker in `id` wakes the same task as `waker`.
    fn is_registered(&self, id: WaiterId, waker: &Waker) -> bool {
        self.waiting.with(|waiting| {
            let known = waiting.wakers.get(id.index);
            id.epoch == waiting.epoch && known.is_some_and(|known| known.will_wake(waker))
        })
    }

    /// Whether the list has a waker of the task that `waker` wakes. O(waiters).
    fn contains(&self, waker: &Waker) -> bool {
        self.waiting.with(|waiting| {
            let mut wakers = waiting.wakers.iter();
            wakers.any(|(_, known)| known.will_wake(waker))
        })
    }

    /// Gives `id` up. Returns its waker to be dropped by the caller, outside of every lock.
    #[must_use]
    fn deregister(&self, id: WaiterId) -> Option<Waker> {
        self.waiting.with(|waiting| {
            let known = id.epoch == waiting.epoch;
            known.then(|| waiting.wakers.try_remove(id.index))?
        })
    }

    /// Empties the list.
    fn take(&self) -> Vec<Waker> {
        self.waiting.with(|waiting| {
            waiting.epoch += 1;
            waiting.wakers.drain().collect()
        })
    }

    /// Says that the load is to be polled again, and wakes everybody.
    fn notify(&self) {
        self.notified.store(true, Ordering::Release);
        wake_all(self.take().into_iter());
    }

    fn is_notified(&self) -> bool {
        self.notified.load(Ordering::Acquire)
    }

    /// Takes the call to poll the load.
    pub(crate) fn take_notified(&self) {
        // Not a plain store: what the one who called has done before must be seen.
        self.notified.swap(false, Ordering::AcqRel);
    }
}

impl_wake!(Notifier, |notifier| notifier.notify());

/// Wakes them all, also if one of them panics; goes on with the first panic then.
pub(crate) fn wake_all(wakers: impl Iterator<Item = Waker>) {
    let mut first = None;
    for waker in wakers {
        let notified = panic::catch(|| waker.wake());
        first = first.or(notified.err());
    }
    panic::resume_first(first);
}
