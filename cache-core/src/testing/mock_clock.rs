//! A clock that a test sets.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use event_listener::{Event, EventListener};

use crate::machine::Instant;
use crate::runtime::Timer;
use crate::sync::{Arc, AtomicU64, Ordering};

/// A clock that moves only when a test moves it. Clones are handles of the same clock.
///
/// ```
/// use cache_core::testing::MockClock;
/// use core::time::Duration;
///
/// let clock = MockClock::new();
/// let start = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().since(start), Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Default)]
pub struct MockClock(Arc<State>);

#[derive(Debug, Default)]
struct State {
    nanos: AtomicU64,
    moved: Event,
}

impl MockClock {
    /// Returns a clock at [`Instant::ORIGIN`].
    ///
    /// ```
    /// use cache_core::{Instant, testing::MockClock};
    ///
    /// assert_eq!(MockClock::new().now(), Instant::ORIGIN);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the current time.
    ///
    /// ```
    /// use cache_core::testing::MockClock;
    ///
    /// let clock = MockClock::new();
    /// assert_eq!(clock.now(), clock.clone().now());
    /// ```
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::from_nanos(self.0.nanos.load(Ordering::SeqCst))
    }

    /// Moves the clock forward and wakes the tasks that wait for its timers.
    ///
    /// ```
    /// use cache_core::testing::MockClock;
    /// use core::time::Duration;
    ///
    /// let clock = MockClock::new();
    /// let start = clock.now();
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!(clock.now(), start.after(Duration::from_secs(5)));
    /// ```
    pub fn advance(&self, by: Duration) {
        self.set(self.now().after(by));
    }

    /// Sets the clock, forward or back, and wakes the tasks that wait for its timers.
    ///
    /// A cache on a clock that is set back continues with the latest time that it has seen.
    ///
    /// ```
    /// use cache_core::{Instant, testing::MockClock};
    ///
    /// let clock = MockClock::new();
    /// clock.set(Instant::from_nanos(7));
    /// assert_eq!(clock.now().as_nanos(), 7);
    /// ```
    pub fn set(&self, now: Instant) {
        self.0.nanos.store(now.as_nanos(), Ordering::SeqCst);
        self.0.moved.notify(usize::MAX);
    }

    /// Returns a timer on this clock: the `Runtime::timer` of a runtime that uses the clock.
    ///
    /// ```
    /// use cache_core::runtime::Timer;
    /// use cache_core::testing::MockClock;
    /// use core::task::{Context, Poll, Waker};
    /// use core::time::Duration;
    ///
    /// let clock = MockClock::new();
    /// let end = clock.now().after(Duration::from_secs(5));
    /// let mut timer = clock.timer();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(timer.poll_until(end, &mut cx), Poll::Pending);
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!(timer.poll_until(end, &mut cx), Poll::Ready(()));
    /// ```
    #[must_use]
    pub fn timer(&self) -> MockTimer {
        MockTimer {
            clock: self.clone(),
            moved: None,
        }
    }
}

/// A timer on a [`MockClock`].
pub struct MockTimer {
    clock: MockClock,
    moved: Option<EventListener>,
}

impl Timer for MockTimer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // Must come before the clock is read, or a move in between is missed.
            let moved = self
                .moved
                .get_or_insert_with(|| self.clock.0.moved.listen());
            if deadline.has_passed(self.clock.now()) {
                return Poll::Ready(());
            }
            if Pin::new(moved).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.moved = None;
        }
    }
}

impl fmt::Debug for MockTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MockTimer").field(&self.clock).finish()
    }
}
