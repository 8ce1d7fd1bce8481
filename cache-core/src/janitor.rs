//! A background task that purges expired entries when they are due.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::cache::Inner;
use crate::machine::Instant;
use crate::panic;
use crate::runtime::{Runtime, Task, Timer, working};
use crate::sync::{Arc, AtomicBool, AtomicU64, Mutex, Ordering, WakerMutex, Weak};

/// The cache's end of its janitor. Dropping it ends the janitor.
pub(crate) struct Janitor<K, V: 'static, R: Runtime, S> {
    cache: Weak<Inner<K, V, R, S>>,
    alarm: Arc<Alarm>,
    boxed: fn(Sweep<K, V, R, S>) -> Task<R>,
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

impl<K, V, R: Runtime, S> Janitor<K, V, R, S> {
    pub(crate) fn new(
        cache: Weak<Inner<K, V, R, S>>,
        boxed: fn(Sweep<K, V, R, S>) -> Task<R>,
    ) -> Self {
        Self {
            cache,
            alarm: Arc::new(Alarm {
                resting: WakerMutex::new(None),
                called: AtomicBool::new(false),
                until: AtomicU64::new(u64::MAX),
                running: AtomicBool::new(false),
            }),
            boxed,
        }
    }

    /// Makes sure that the janitor looks at `deadline`. One atomic load if it does anyway.
    pub(crate) fn look_by(&self, deadline: Instant, runtime: &R) {
        if self.alarm.until.load(Ordering::SeqCst) > deadline.as_nanos() {
            self.call(runtime);
        }
    }

    /// Has the janitor look at once.
    fn call(&self, runtime: &R) {
        if self.alarm.running.swap(true, Ordering::SeqCst) {
            self.alarm.ring();
            return;
        }
        let sweep = Sweep {
            cache: Weak::clone(&self.cache),
            alarm: Arc::clone(&self.alarm),
            timer: None,
            rest: None,
        };
        // Where nothing can be spawned the task is dropped, and the next write tries again.
        drop(runtime.spawn((self.boxed)(sweep)));
    }
}

impl<K, V, R: Runtime, S> Drop for Janitor<K, V, R, S> {
    fn drop(&mut self) {
        self.alarm.ring();
    }
}

/// The janitor's task. It holds the cache weakly and ends with it.
pub struct Sweep<K, V: 'static, R: Runtime, S> {
    cache: Weak<Inner<K, V, R, S>>,
    alarm: Arc<Alarm>,
    timer: Option<R::Timer>,
    rest: Option<Rest>,
}

/// The janitor's rest between two rounds.
struct Rest {
    until: Option<Instant>,
}

impl<K, V, R: Runtime, S> Sweep<K, V, R, S> {
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
        let until = cache.shards().next_deadline();
        let nanos = until.map_or(u64::MAX, Instant::as_nanos);
        self.alarm.until.store(nanos, Ordering::SeqCst);
        self.timer = working(self.timer.take(), &cache.runtime);
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

impl<K, V, R: Runtime, S> Future for Sweep<K, V, R, S> {
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

impl<K, V, R: Runtime, S> Drop for Sweep<K, V, R, S> {
    fn drop(&mut self) {
        self.alarm.until.store(u64::MAX, Ordering::SeqCst);
        self.alarm.running.store(false, Ordering::SeqCst);
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for Sweep<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sweep").field(&self.alarm).finish()
    }
}
