//! Whether the leader of a scoped load is stalled: its loader was woken, and it does not poll it.
//!
//! The loader borrows from its leader, so no other caller can poll it. The leader polls it with a
//! [`LeadWatch`] as the waker, which notes each wake and passes it on:
//!
//! | state | leader polls the loader | the loader is woken | a waiter is polled |
//! |---|---|---|---|
//! | idle | one more poll | woken: wakes the leader and the waiters | registers for the next wake |
//! | woken | idle, one more poll | | has a timer for this wake, and takes the lead at its end |
//!
//! The number of polls identifies a wake: a timer counts only if no poll began since it was set. A
//! wake takes the wakers of all waiters, and a waiter with a timer does not register again. So
//! waiters are woken at most once while their timers run, however often the loader is woken.

use core::task::Waker;

use super::wait_list::{WaitList, WaiterId, wake_all};
use crate::sync::{Arc, Mutex, WakerMutex, impl_wake};

/// The waker of a loader that lives in its leader. One lock guards all of it: a poll, a wake and a
/// waiter's look at them are each one step.
#[derive(Debug)]
pub(crate) struct LeadWatch(WakerMutex<Lead>);

#[derive(Debug)]
struct Lead {
    leader: Option<Waker>,
    waiters: WaitList,
    /// How often the leader has polled the loader.
    polls: usize,
    /// Whether the loader was woken since the last poll began.
    is_woken: bool,
}

impl LeadWatch {
    pub(crate) fn new() -> Self {
        Self(WakerMutex::new(Lead {
            leader: None,
            waiters: WaitList::NONE,
            polls: 0,
            is_woken: false,
        }))
    }

    /// Begins a poll of the loader by its leader, whose waker is `waker`. Must come before the
    /// poll, or a wake during the poll is lost.
    pub(crate) fn begin_poll(&self, waker: &Waker) {
        // Cloned here, and dropped below, outside of the lock: wakers are foreign code.
        let cloned = waker.clone();
        let old = self.0.with(|lead| {
            lead.polls = lead.polls.wrapping_add(1);
            lead.is_woken = false;
            lead.leader.replace(cloned)
        });
        drop(old);
    }

    /// Forgets the waker of the leader: the backend may keep the waker of the loader for longer
    /// than the load lives.
    pub(crate) fn end(&self) {
        let leader = self.0.with(|lead| lead.leader.take());
        drop(leader);
    }

    /// Returns the number of polls if the loader was woken since the last of them. Otherwise
    /// registers `waker` for the next wake.
    pub(crate) fn observe(&self, id: &mut Option<WaiterId>, waker: &Waker) -> Option<usize> {
        let cloned = waker.clone();
        let (woken_after, unused) = self.0.with(|lead| {
            if lead.is_woken {
                (Some(lead.polls), Some(cloned))
            } else {
                (None, lead.waiters.register(id, cloned))
            }
        });
        drop(unused);
        woken_after
    }

    /// Removes a waiter.
    pub(crate) fn deregister(&self, id: WaiterId) {
        let old = self.0.with(|lead| lead.waiters.deregister(id));
        drop(old);
    }

    fn note_wake(&self) {
        let (leader, waiters) = self.0.with(|lead| {
            lead.is_woken = true;
            (lead.leader.take(), lead.waiters.take())
        });
        wake_all(leader.into_iter().chain(waiters));
    }
}

impl_wake!(LeadWatch, |watch| watch.note_wake());
