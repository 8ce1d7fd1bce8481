//! A background task that purges expired entries when they are due.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::machine::Instant;
use crate::panic;
use crate::runtime::{Runtime, Task, Timer, working};
use crate::sync::{Arc, AtomicBool, AtomicU64, Mutex, Ordering, WakerMutex, Weak};

/// A cache, as its janitor sees it.
#[expect(
    unnameable_types,
    reason = "a hidden method boxes the task of its janitor"
)]
pub trait Purge {
    type Runtime: Runtime;

    /// Removes at most about `budget` expired entries. Returns whether no more have expired.
    fn purge(&self, budget: usize) -> bool;

    /// No later than the time at which the next entry expires.
    fn next_deadline(&self) -> Option<Instant>;

    fn runtime(&self) -> &Self::Runtime;
}

/// The cache's end of its janitor. Dropping it ends the janitor.
pub(crate) struct Janitor<C: Purge> {
    cache: Weak<C>,
    alarm: Arc<Alarm>,
    box_load_task: fn(JanitorTask<C>) -> Task<C::Runtime>,
}

/// What writers and the janitor share.
#[derive(Debug)]
struct Alarm {
    /// The janitor, while it rests.
    resting: WakerMutex<Option<Waker>>,
    /// Whether it is to look at once.
    called: AtomicBool,
    /// It will look by then, in nanoseconds, if nobody calls it.
    until: AtomicU64,
    running: AtomicBool,
}

impl Alarm {
    fn ring(&self) {
        self.called.store(true, Ordering::SeqCst);
        if let Some(janitor) = self.resting.with(Option::take) {
            janitor.wake();
        }
    }
}

impl<C: Purge> Janitor<C> {
    pub(crate) fn new(
        cache: Weak<C>,
        box_load_task: fn(JanitorTask<C>) -> Task<C::Runtime>,
    ) -> Self {
        Self {
            cache,
            alarm: Arc::new(Alarm {
                resting: WakerMutex::new(None),
                called: AtomicBool::new(false),
                until: AtomicU64::new(u64::MAX),
                running: AtomicBool::new(false),
            }),
            box_load_task,
        }
    }

    /// Makes sure that the janitor looks at `deadline`. One atomic load if it does anyway.
    pub(crate) fn look_by(&self, deadline: Instant, runtime: &C::Runtime) {
        if self.alarm.until.load(Ordering::SeqCst) > deadline.as_nanos() {
            self.call(runtime);
        }
    }

    /// Has the janitor look at once.
    fn call(&self, runtime: &C::Runtime) {
        if self.alarm.running.swap(true, Ordering::SeqCst) {
            self.alarm.ring();
            return;
        }
        let sweep = JanitorTask {
            cache: Weak::clone(&self.cache),
            alarm: Arc::clone(&self.alarm),
            timer: None,
            rest: None,
        };
        // Where nothing can be spawned the task is dropped, and the next write tries again.
        drop(runtime.spawn((self.box_load_task)(sweep)));
    }
}

impl<C: Purge> Drop for Janitor<C> {
    fn drop(&mut self) {
        self.alarm.ring();
    }
}

/// The janitor's task. It holds the cache weakly and ends with it.
#[expect(unnameable_types, reason = "a hidden method boxes it")]
pub struct JanitorTask<C: Purge> {
    cache: Weak<C>,
    alarm: Arc<Alarm>,
    timer: Option<<C::Runtime as Runtime>::Timer>,
    rest: Option<Rest>,
}

/// The janitor's rest between two rounds.
struct Rest {
    until: Option<Instant>,
}

impl<C: Purge> JanitorTask<C> {
    /// Purges a part of what has expired. `None` once the cache is gone.
    fn purge(&mut self) -> Option<Round> {
        const PART: usize = 1_024;
        self.alarm.until.store(u64::MAX, Ordering::SeqCst);
        // Answers before it looks: a deadline that is set meanwhile calls it again. Not by a plain
        // store: what the one who called has written must be seen.
        self.alarm.called.swap(false, Ordering::SeqCst);
        let cache = self.cache.upgrade()?;
        // A panic in the listener has been reported by the panic hook; the rest is still to do.
        if !panic::catch(|| cache.purge(PART)).unwrap_or(false) {
            return Some(Round::Partly);
        }
        let until = cache.next_deadline();
        let nanos = until.map_or(u64::MAX, Instant::as_nanos);
        self.alarm.until.store(nanos, Ordering::SeqCst);
        self.timer = working(self.timer.take(), cache.runtime());
        let until = until.map(end_of_millisecond);
        Some(Round::Done(Rest { until }))
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(());
        };
        // First, or a call that comes while it looks around would not find anybody to wake.
        let waker = cx.waker().clone();
        drop(self.alarm.resting.with(|resting| resting.replace(waker)));
        let called = self.alarm.called.load(Ordering::SeqCst);
        let due = match (&mut self.timer, rest.until) {
            (Some(timer), Some(until)) => timer.poll_until(until, cx).is_ready(),
            _ => false,
        };
        if called || due {
            self.rest = None;
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// What expires in the same millisecond as `deadline` costs one round together.
fn end_of_millisecond(deadline: Instant) -> Instant {
    const MILLISECOND: u64 = 1_000_000;
    let ended = deadline.as_nanos().div_ceil(MILLISECOND);
    Instant::from_nanos(ended.saturating_mul(MILLISECOND))
}

enum Round {
    Done(Rest),
    Partly,
}

impl<C: Purge> Future for JanitorTask<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.poll_rest(cx).is_pending() {
                return Poll::Pending;
            }
            match self.purge() {
                None => return Poll::Ready(()),
                Some(Round::Done(rest)) => self.rest = Some(rest),
                Some(Round::Partly) => {
                    // Much has expired: the executor's other tasks take turns with this one.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<C: Purge> Drop for JanitorTask<C> {
    fn drop(&mut self) {
        self.alarm.until.store(u64::MAX, Ordering::SeqCst);
        self.alarm.running.store(false, Ordering::SeqCst);
    }
}

impl<C: Purge> fmt::Debug for JanitorTask<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JanitorTask").field(&self.alarm).finish()
    }
}
