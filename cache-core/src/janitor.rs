//! The janitor: a background task that purges entries when they expire.
//!
//! Writers and the task share a [`Signal`]. Its fields say in which state the task is:
//!
//! | state    | `spawned` | `next_purge`      | `notified` | `waker` | next state                   |
//! |----------|-----------|-------------------|------------|---------|------------------------------|
//! | no task  | `false`   | `MAX`             | any        | any     | purging, spawned by a writer |
//! | purging  | `true`    | `MAX`             | `false`    | any     | sleeping, all is purged      |
//! | sleeping | `true`    | earliest deadline | `false`    | set     | purging, the timer fires     |
//! | notified | `true`    | any               | `true`     | taken   | purging, on the next poll    |
//!
//! A writer notifies the task, from any state, if its entry expires before `next_purge`.
//!
//! The task ends when it finds its cache dropped. Each `SeqCst` access is one side of a
//! store-then-load pair; the two sides are in one total order, so at least one sees the other's
//! store:
//!
//! - A writer stores an entry, then loads `next_purge`. The task stores `MAX` into `next_purge`,
//!   then scans the shards. Either the writer loads `MAX` and notifies, or the scan sees the entry.
//! - A writer stores `notified`, then takes `waker`. The task stores `waker`, then loads
//!   `notified`. Either the writer wakes the task, or the task sees that it is notified.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::machine::Instant;
use crate::panic;
use crate::runtime::{Runtime, Task, Timer, working};
use crate::sync::{Arc, AtomicBool, AtomicU64, Mutex, Ordering, WakerMutex, Weak};

/// What the janitor needs of its cache.
#[expect(
    unnameable_types,
    reason = "a hidden method boxes the task of its janitor"
)]
pub trait Purge {
    type Runtime: Runtime;

    /// Removes about `budget` expired entries at most. Returns whether no expired entry is left.
    fn purge(&self, budget: usize) -> bool;

    /// A lower bound of the time at which the next entry expires.
    fn next_deadline(&self) -> Option<Instant>;

    fn runtime(&self) -> &Self::Runtime;
}

/// Boxes the janitor's task.
pub(crate) type BoxJanitorTask<C> = fn(JanitorTask<C>) -> Task<<C as Purge>::Runtime>;

/// The cache's handle to its janitor. Its drop ends the task.
pub(crate) struct Janitor<C: Purge> {
    cache: Weak<C>,
    signal: Arc<Signal>,
    box_task: BoxJanitorTask<C>,
}

/// What writers and the task share; see the table above.
#[derive(Debug)]
struct Signal {
    /// The waker of the sleeping task.
    waker: WakerMutex<Option<Waker>>,
    /// Whether the task must purge at once.
    notified: AtomicBool,
    /// When the task purges next unless it is notified, in nanoseconds.
    next_purge: AtomicU64,
    /// Whether there is a task.
    spawned: AtomicBool,
}

impl Signal {
    fn notify(&self) {
        self.notified.store(true, Ordering::SeqCst);
        if let Some(task) = self.waker.with(Option::take) {
            task.wake();
        }
    }
}

impl<C: Purge> Janitor<C> {
    pub(crate) fn new(cache: Weak<C>, box_task: BoxJanitorTask<C>) -> Self {
        Self {
            cache,
            signal: Arc::new(Signal {
                waker: WakerMutex::new(None),
                notified: AtomicBool::new(false),
                next_purge: AtomicU64::new(u64::MAX),
                spawned: AtomicBool::new(false),
            }),
            box_task,
        }
    }

    /// Makes sure that the task purges at `deadline`. Costs one atomic load if it is scheduled to
    /// run by then.
    pub(crate) fn purge_by(&self, deadline: Instant, runtime: &C::Runtime) {
        if self.signal.next_purge.load(Ordering::SeqCst) > deadline.as_nanos() {
            self.notify_or_spawn(runtime);
        }
    }

    fn notify_or_spawn(&self, runtime: &C::Runtime) {
        if self.signal.spawned.swap(true, Ordering::SeqCst) {
            self.signal.notify();
            return;
        }
        let task = JanitorTask {
            cache: Weak::clone(&self.cache),
            signal: Arc::clone(&self.signal),
            timer: None,
            state: State::Purging,
        };
        // A runtime that cannot spawn drops the task, which resets `spawned`: the next write
        // retries.
        drop(runtime.spawn((self.box_task)(task)));
    }
}

impl<C: Purge> Drop for Janitor<C> {
    fn drop(&mut self) {
        self.signal.notify();
    }
}

/// The janitor's task. It holds its cache weakly and ends with it.
#[expect(unnameable_types, reason = "a hidden method boxes it")]
pub struct JanitorTask<C: Purge> {
    cache: Weak<C>,
    signal: Arc<Signal>,
    timer: Option<<C::Runtime as Runtime>::Timer>,
    state: State,
}

enum State {
    Purging,
    /// `None`: no entry can expire.
    Sleeping {
        until: Option<Instant>,
    },
}

/// What a step of a purge has left.
enum Remaining {
    CacheDropped,
    Expired,
    Nothing { next_deadline: Option<Instant> },
}

impl<C: Purge> JanitorTask<C> {
    /// Purges a bounded number of expired entries.
    fn purge_step(&mut self) -> Remaining {
        const BUDGET: usize = 1_024;
        // Both must come before the scan: a writer that sets a deadline during the scan then
        // notifies again. The second is a swap, not a store, to synchronize with the writer that
        // notified: the scan must see its entry.
        self.signal.next_purge.store(u64::MAX, Ordering::SeqCst);
        self.signal.notified.swap(false, Ordering::SeqCst);
        let Some(cache) = self.cache.upgrade() else {
            return Remaining::CacheDropped;
        };
        // If the listener panics, the panic hook has reported it, and expired entries may be left.
        if !panic::catch(|| cache.purge(BUDGET)).unwrap_or(false) {
            return Remaining::Expired;
        }
        let next_deadline = cache.next_deadline();
        let nanos = next_deadline.map_or(u64::MAX, Instant::as_nanos);
        self.signal.next_purge.store(nanos, Ordering::SeqCst);
        self.timer = working(self.timer.take(), cache.runtime());
        Remaining::Nothing { next_deadline }
    }

    fn poll_sleep(&mut self, until: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        // Must come before the load of `notified`, or a writer that stores it in between finds no
        // waker.
        let waker = cx.waker().clone();
        drop(self.signal.waker.with(|current| current.replace(waker)));
        let notified = self.signal.notified.load(Ordering::SeqCst);
        let due = match (&mut self.timer, until) {
            (Some(timer), Some(until)) => timer.poll_until(until, cx).is_ready(),
            _ => false,
        };
        if notified || due {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Rounds up to a millisecond: one purge removes all entries that expire in the same millisecond.
fn end_of_millisecond(deadline: Instant) -> Instant {
    const MILLISECOND: u64 = 1_000_000;
    let ended = deadline.as_nanos().div_ceil(MILLISECOND);
    Instant::from_nanos(ended.saturating_mul(MILLISECOND))
}

impl<C: Purge> Future for JanitorTask<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let State::Sleeping { until } = self.state {
                if self.poll_sleep(until, cx).is_pending() {
                    return Poll::Pending;
                }
                self.state = State::Purging;
            }
            match self.purge_step() {
                Remaining::CacheDropped => return Poll::Ready(()),
                Remaining::Nothing { next_deadline } => {
                    let until = next_deadline.map(end_of_millisecond);
                    self.state = State::Sleeping { until };
                }
                Remaining::Expired => {
                    // Yields, so that a long purge does not block the executor's other tasks.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<C: Purge> Drop for JanitorTask<C> {
    fn drop(&mut self) {
        // Must come before `spawned` is reset, or it overwrites the deadline of the next task.
        self.signal.next_purge.store(u64::MAX, Ordering::SeqCst);
        self.signal.spawned.store(false, Ordering::SeqCst);
    }
}

impl<C: Purge> fmt::Debug for JanitorTask<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JanitorTask").field(&self.signal).finish()
    }
}
