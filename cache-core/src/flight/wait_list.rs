//! The wakers of all waiters of one flight or batch.
//!
//! | list | `register` | wake or `take` |
//! |---|---|---|
//! | `One`, no waker | keeps the waker | |
//! | `One`, a waker | replaces it for the same waiter, else becomes `Many` | takes the waker, begins an epoch |
//! | `Many` | adds or replaces the waker | takes all wakers, begins an epoch |
//!
//! A [`WaiterId`] is valid in one epoch. A wake empties the list, and every waiter that it wakes
//! registers again if it still has to wait.

use alloc::vec::Vec;
use core::task::Waker;

use slab::Slab;

use crate::panic;
use crate::sync::{Arc, AtomicBool, Mutex, Ordering, WakerMutex, impl_wake};

/// A list of wakers that is itself a waker, as the `Notifier` of futures-util's `Shared`.
///
/// It is the waker of work that the waiters drive. The executor of a waiter may never poll it
/// again, so a wake reaches all waiters, and the first that is polled polls the work.
#[derive(Debug)]
pub(crate) struct Notifier {
    waiting: WakerMutex<Waiting>,
    notified: AtomicBool,
}

#[derive(Debug)]
struct Waiting {
    wakers: Slab<Waker>,
    /// How often a wake or `take` has emptied the list.
    epoch: usize,
}

/// A waiter's registration in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaiterId {
    epoch: usize,
    index: usize,
}

/// The waiters of one flight or batch. Most flights have their leader only, which needs no
/// notifier.
#[derive(Debug)]
pub(crate) enum WaitList {
    /// At most one waiter. A notifier that replaces this continues its epoch, so that the waiter's
    /// id stays valid.
    One { waker: Option<Waker>, epoch: usize },
    /// Any number of waiters.
    Many(Arc<Notifier>),
}

/// A wake of one task or of all waiters, to be made outside of every lock.
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

    /// Registers `waker`, unless the list has a waker of the same task. The caller drops the waker
    /// that is returned outside of every lock.
    #[must_use]
    pub(crate) fn register_once(&mut self, waker: Waker) -> Option<Waker> {
        let is_registered = match self {
            Self::One { waker: one, .. } => one.as_ref().is_some_and(|one| one.will_wake(&waker)),
            Self::Many(notifier) => notifier.contains(&waker),
        };
        if is_registered {
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

    /// Empties the list, and returns its wakers.
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

    /// A wake of all waiters. The list is emptied now or, if it has a notifier, by that wake.
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

    /// The waker that wakes all waiters.
    pub(crate) fn notifier(&mut self) -> &Arc<Notifier> {
        if let Self::One { waker, epoch } = self {
            *self = Self::Many(Arc::new(Notifier::new(waker.take(), *epoch)));
        }
        match self {
            Self::Many(notifier) => notifier,
            Self::One { .. } => unreachable!("the list was replaced by one with a notifier"),
        }
    }
}

impl PendingWake {
    pub(crate) const NONE: Self = Self::One(None);

    pub(crate) fn wake(self) {
        match self {
            Self::One(Some(waker)) => waker.wake(),
            Self::One(None) => {}
            Self::Many(notifier) => notifier.notify(),
        }
    }
}

impl Notifier {
    /// A notifier that takes over the waker and the epoch of [`WaitList::One`]: the id of its
    /// waiter stays valid.
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

    /// Registers `waker` under `id` if that is valid, else under a new id. The caller drops the
    /// waker that is returned outside of every lock.
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

    /// Whether `id` is valid and its waker wakes the same task as `waker`.
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

    /// Removes `id`. The caller drops the waker that is returned outside of every lock.
    #[must_use]
    fn deregister(&self, id: WaiterId) -> Option<Waker> {
        self.waiting.with(|waiting| {
            let known = id.epoch == waiting.epoch;
            known.then(|| waiting.wakers.try_remove(id.index))?
        })
    }

    /// Empties the list, and returns its wakers.
    fn take(&self) -> Vec<Waker> {
        self.waiting.with(|waiting| {
            waiting.epoch += 1;
            waiting.wakers.drain().collect()
        })
    }

    /// Requests a poll of the work, and wakes all waiters.
    fn notify(&self) {
        // Must come before the wakes, or a waiter that they wake sees nothing to poll and parks.
        self.notified.store(true, Ordering::Release);
        wake_all(self.take().into_iter());
    }

    fn is_notified(&self) -> bool {
        self.notified.load(Ordering::Acquire)
    }

    /// Takes the request for a poll: the caller polls the work next.
    pub(crate) fn take_notified(&self) {
        // Not a plain store: the poll must see what the waking thread did before `notify`.
        self.notified.swap(false, Ordering::AcqRel);
    }
}

impl_wake!(Notifier, |notifier| notifier.notify());

/// Wakes all wakers.
///
/// # Panics
/// With the first panic of a waker, once all others were woken.
pub(crate) fn wake_all(wakers: impl Iterator<Item = Waker>) {
    let mut first = None;
    for waker in wakers {
        let notified = panic::catch(|| waker.wake());
        first = first.or(notified.err());
    }
    panic::resume_first(first);
}
