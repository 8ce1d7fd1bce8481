//! One time for all runtimes that a cache is used on, though each has a clock of its own.
//!
//! A paused clock stands still, or is hours ahead of the clock that the cache is used on next. Time
//! does not run backwards in the cache: without a correction, it would stand still for the runtime
//! behind until that runtime's clock has caught up, and entries would live too long. So a clock that
//! is behind goes on from the latest time, each time it is found behind. An entry never outlives its
//! time to live on any of the clocks; where two paused clocks go on in turn, both count.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cache_core::Instant;
use tokio::runtime::{Handle, Id};
use tokio::time;

/// Where the cache's time is when its clock is made. Not zero: a runtime's clock may be behind.
const AT_ORIGIN: u64 = 3_600_000_000_000;

/// A clock is read more often than its latest time is noted, and may be behind it by this much.
const STEP: u64 = 1_000_000;

/// How many runtimes are known at most. One that was forgotten is corrected anew.
const KNOWN: usize = 64;

/// A runtime, or `None` outside of all of them.
type Place = Option<Id>;

#[derive(Debug)]
pub(crate) struct Clock {
    origin: time::Instant,
    /// The latest time that any runtime has had, or up to one step before it.
    latest: AtomicU64,
    /// Whether there are corrections.
    has_diverged: AtomicBool,
    /// What is added to the clocks of these runtimes, oldest first.
    corrections: Mutex<VecDeque<(Place, u64)>>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            origin: time::Instant::now(),
            latest: AtomicU64::new(AT_ORIGIN),
            has_diverged: AtomicBool::new(false),
            corrections: Mutex::new(VecDeque::new()),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        let read = self.read();
        if self.has_diverged.load(Ordering::Relaxed) {
            return Instant::from_nanos(self.corrected());
        }
        let latest = self.latest.load(Ordering::Relaxed);
        if read > latest.saturating_add(STEP) {
            self.latest.fetch_max(read, Ordering::Relaxed);
        }
        if read >= latest.saturating_sub(STEP) {
            return Instant::from_nanos(read);
        }
        Instant::from_nanos(self.corrected())
    }

    /// The time `at` on the clock of the runtime `place`.
    pub(crate) fn on_clock_of(&self, place: Id, at: Instant) -> time::Instant {
        let correction = if self.has_diverged.load(Ordering::Relaxed) {
            correction_of(Some(place), &self.corrections())
        } else {
            None
        };
        let at = at.as_nanos().saturating_sub(correction.unwrap_or(0));
        match at.checked_sub(AT_ORIGIN) {
            Some(later) => self.origin + Duration::from_nanos(later),
            None => self.origin - Duration::from_nanos(AT_ORIGIN - at),
        }
    }

    /// The time by the clock that there is here, without any correction.
    fn read(&self) -> u64 {
        let now = time::Instant::now();
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        match now.checked_duration_since(self.origin) {
            Some(later) => AT_ORIGIN.saturating_add(nanos(later)),
            None => AT_ORIGIN.saturating_sub(nanos(self.origin - now)),
        }
    }

    /// The time here, where clocks may differ: a clock that is behind goes on from the latest time, at
    /// its own pace.
    #[cold]
    fn corrected(&self) -> u64 {
        let place = Handle::try_current().ok().map(|handle| handle.id());
        let mut corrections = self.corrections();
        // In this order: the clock that the latest time is from cannot be behind it any more.
        let latest = self.latest.load(Ordering::SeqCst);
        let read = self.read();
        let known = correction_of(place, &corrections);
        let time = read.saturating_add(known.unwrap_or(0));
        if time >= latest.saturating_sub(STEP) {
            self.latest.fetch_max(time, Ordering::SeqCst);
            return time;
        }
        // The latest time may be one step later than was noted.
        let time = latest.saturating_add(STEP);
        corrections.retain(|(known, _)| *known != place);
        if corrections.len() == KNOWN {
            corrections.pop_front();
        }
        corrections.push_back((place, time - read));
        self.has_diverged.store(true, Ordering::SeqCst);
        self.latest.fetch_max(time, Ordering::SeqCst);
        time
    }

    fn corrections(&self) -> MutexGuard<'_, VecDeque<(Place, u64)>> {
        let locked = self.corrections.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }
}

fn correction_of(place: Place, corrections: &VecDeque<(Place, u64)>) -> Option<u64> {
    let mut known = corrections.iter();
    let known = known.find(|(known, _)| *known == place);
    known.map(|(_, correction)| *correction)
}
