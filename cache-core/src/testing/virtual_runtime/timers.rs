//! The clock of a virtual runtime, and the timers on it.

use alloc::collections::BTreeMap;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use super::VirtualRuntime;
use crate::machine::Instant;
use crate::runtime::Timer;

/// The time, and the timers that are set.
pub(super) struct Timers {
    now: Cell<Instant>,
    /// The wakers, by deadline and then in the order in which the timers were set.
    wakers: RefCell<BTreeMap<TimerId, Waker>>,
    next_number: Cell<u64>,
}

type TimerId = (Instant, u64);

impl Timers {
    pub(super) const fn new() -> Self {
        Self {
            now: Cell::new(Instant::ORIGIN),
            wakers: RefCell::new(BTreeMap::new()),
            next_number: Cell::new(0),
        }
    }

    pub(super) const fn now(&self) -> Instant {
        self.now.get()
    }

    pub(super) fn set_now(&self, now: Instant) {
        self.now.set(now);
    }

    /// Moves the time forward to `now`; never back.
    pub(super) fn move_to(&self, now: Instant) {
        self.now.set(self.now.get().max(now));
    }

    /// Moves the time to the next timer, if it is due by `until`, and wakes its task. Returns
    /// whether there was one.
    pub(super) fn fire_next(&self, until: Option<Instant>) -> bool {
        let fired = {
            let mut wakers = self.wakers.borrow_mut();
            let next = wakers.first_entry();
            next.filter(|next| until.is_none_or(|until| next.key().0 <= until))
                .map(|next| next.remove_entry())
        };
        let Some(((deadline, _), waker)) = fired else {
            return false;
        };
        self.move_to(deadline);
        waker.wake();
        true
    }

    fn set(&self, deadline: Instant, waker: Waker) -> TimerId {
        let number = self.next_number.replace(self.next_number.get() + 1);
        let id = (deadline, number);
        self.wakers.borrow_mut().insert(id, waker);
        id
    }

    fn cancel(&self, id: TimerId) {
        let waker = self.wakers.borrow_mut().remove(&id);
        drop(waker);
    }
}

/// A timer of a [`VirtualRuntime`].
pub struct VirtualTimer {
    runtime: VirtualRuntime,
    id: Option<TimerId>,
}

impl VirtualTimer {
    pub(super) const fn new(runtime: VirtualRuntime) -> Self {
        Self { runtime, id: None }
    }

    fn cancel(&mut self) {
        if let Some(id) = self.id.take() {
            self.runtime.timers().cancel(id);
        }
    }
}

impl Timer for VirtualTimer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        self.cancel();
        let timers = self.runtime.timers();
        if deadline.has_passed(timers.now()) {
            return Poll::Ready(());
        }
        if deadline != Instant::FAR {
            self.id = Some(timers.set(deadline, cx.waker().clone()));
        }
        Poll::Pending
    }
}

impl Drop for VirtualTimer {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for VirtualTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualTimer")
            .field("set", &self.id.map(|(deadline, _)| deadline))
            .finish_non_exhaustive()
    }
}

/// The future that [`VirtualRuntime::sleep`] returns: completes when its time has passed.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Sleep {
    deadline: Instant,
    timer: VirtualTimer,
}

impl Sleep {
    pub(super) fn new(runtime: &VirtualRuntime, duration: Duration) -> Self {
        Self {
            deadline: runtime.now().after(duration),
            timer: VirtualTimer::new(runtime.clone()),
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        self.timer.poll_until(deadline, cx)
    }
}
