//! One time for all runtimes that use a cache, although each runtime has a clock of its own.
//!
//! A paused clock does not advance by itself, and may be hours ahead of the clock of the runtime
//! that uses the cache next. Time does not run backwards in the cache. Without a correction, it
//! would not advance on the runtime that is behind until that runtime's clock has caught up, and
//! entries would live too long. So each time a clock is found to be behind, it is corrected to the
//! latest time.
//!
//! An entry never outlives its time to live on any of the clocks. If two paused clocks are advanced
//! in turn, the cache's time advances by the sum.
//!
//! | `has_diverged` | corrected clock | `now` returns               | effect                           |
//! |----------------|-----------------|-----------------------------|----------------------------------|
//! | false          | not behind      | the reading, without a lock | none                             |
//! | false          | behind          | the latest time             | adds a correction, sets the flag |
//! | true           | not behind      | the corrected reading       | none                             |
//! | true           | behind          | the latest time             | replaces the correction          |
//!
//! Nothing resets the flag.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cache_core::Instant;
use tokio::runtime::{Handle, Id};
use tokio::time;

/// The cache's time at [`Clock::origin`], in nanoseconds. Not zero: the clock of another runtime
/// may be behind the origin.
const TIME_AT_ORIGIN: u64 = 3_600_000_000_000;

/// Seconds after [`Clock::origin`] from which on the cache's time is `u64::MAX`.
const MAX_SECONDS: u64 = (u64::MAX - TIME_AT_ORIGIN) / 1_000_000_000 - 1;

/// The latest time is stored once per this many nanoseconds, so it may be this much too early.
const UPDATE_INTERVAL: u64 = 1_000_000;

/// Maximum number of corrections. A runtime whose correction was dropped gets a new one.
const MAX_CORRECTIONS: usize = 64;

/// The runtime that a call is made in; `None` outside of all runtimes.
type CurrentRuntime = Option<Id>;

#[derive(Debug)]
pub(crate) struct Clock {
    origin: time::Instant,
    /// The latest time that `now` returned on any runtime, or up to one interval before it.
    latest: AtomicU64,
    /// Whether there are corrections.
    has_diverged: AtomicBool,
    /// The nanoseconds to add to the clocks of these runtimes, oldest first.
    corrections: Mutex<VecDeque<(CurrentRuntime, u64)>>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            origin: time::Instant::now(),
            latest: AtomicU64::new(TIME_AT_ORIGIN),
            has_diverged: AtomicBool::new(false),
            corrections: Mutex::new(VecDeque::new()),
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        let reading = self.read();
        let latest = self.latest.load(Ordering::Relaxed);
        // Wraps if the reading is earlier than that: the difference is large then.
        let since = reading.wrapping_sub(latest.wrapping_sub(UPDATE_INTERVAL));
        if since <= 2 * UPDATE_INTERVAL && !self.has_diverged.load(Ordering::Relaxed) {
            return Instant::from_nanos(reading);
        }
        self.now_at(reading)
    }

    /// As [`Clock::now`], for a reading that is not close to the latest time, or diverged clocks.
    #[cold]
    fn now_at(&self, reading: u64) -> Instant {
        if self.has_diverged.load(Ordering::Relaxed) {
            return Instant::from_nanos(self.corrected());
        }
        let latest = self.latest.load(Ordering::Relaxed);
        if reading > latest.saturating_add(UPDATE_INTERVAL) {
            self.latest.fetch_max(reading, Ordering::Relaxed);
        }
        if reading >= latest.saturating_sub(UPDATE_INTERVAL) {
            return Instant::from_nanos(reading);
        }
        Instant::from_nanos(self.corrected())
    }

    /// The cache's time `at`, on the clock of `runtime`.
    pub(crate) fn on_clock_of(&self, runtime: Id, at: Instant) -> time::Instant {
        let correction = if self.has_diverged.load(Ordering::Relaxed) {
            correction_of(Some(runtime), &self.corrections())
        } else {
            None
        };
        let at = at.as_nanos().saturating_sub(correction.unwrap_or(0));
        match at.checked_sub(TIME_AT_ORIGIN) {
            Some(later) => self.origin + Duration::from_nanos(later),
            None => self.origin - Duration::from_nanos(TIME_AT_ORIGIN - at),
        }
    }

    /// The time on the clock of the current runtime, without any correction.
    #[inline]
    fn read(&self) -> u64 {
        let now = time::Instant::now();
        match now.checked_duration_since(self.origin) {
            // Neither `as_nanos`, which computes in 128 bits, nor an arithmetic that saturates:
            // this is a part of each hit with a TTL.
            Some(later) if later.as_secs() < MAX_SECONDS => {
                let nanos = later.as_secs() * 1_000_000_000 + u64::from(later.subsec_nanos());
                TIME_AT_ORIGIN + nanos
            }
            Some(_) => u64::MAX,
            None => {
                let before = u64::try_from((self.origin - now).as_nanos());
                TIME_AT_ORIGIN.saturating_sub(before.unwrap_or(u64::MAX))
            }
        }
    }

    /// The time on the clock of the current runtime, with its correction. Corrects the clock if it
    /// is behind.
    #[cold]
    fn corrected(&self) -> u64 {
        let runtime = Handle::try_current().ok().map(|handle| handle.id());
        let mut corrections = self.corrections();
        // Must load the latest time before reading the clock: a thread that stores a later time of
        // the same clock in between would make that clock look as if it were behind itself.
        let latest = self.latest.load(Ordering::SeqCst);
        let reading = self.read();
        let correction = correction_of(runtime, &corrections);
        let time = reading.saturating_add(correction.unwrap_or(0));
        if time >= latest.saturating_sub(UPDATE_INTERVAL) {
            self.latest.fetch_max(time, Ordering::SeqCst);
            return time;
        }
        // `latest` may be one interval too early.
        let time = latest.saturating_add(UPDATE_INTERVAL);
        corrections.retain(|(known, _)| *known != runtime);
        if corrections.len() == MAX_CORRECTIONS {
            corrections.pop_front();
        }
        corrections.push_back((runtime, time - reading));
        self.has_diverged.store(true, Ordering::SeqCst);
        self.latest.fetch_max(time, Ordering::SeqCst);
        time
    }

    fn corrections(&self) -> MutexGuard<'_, VecDeque<(CurrentRuntime, u64)>> {
        let locked = self.corrections.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }
}

fn correction_of(
    runtime: CurrentRuntime,
    corrections: &VecDeque<(CurrentRuntime, u64)>,
) -> Option<u64> {
    let mut known = corrections.iter();
    let known = known.find(|(known, _)| *known == runtime);
    known.map(|(_, correction)| *correction)
}
