//! The breaker: after several failures in a row, loads bypass the second tier for a while.

use super::settings::TierSettings;
use crate::machine::Instant;
use crate::sync::{AtomicU64, Ordering};

/// Counts failures in a row, and remembers until when loads bypass the second tier.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: AtomicU64,
    /// In nanoseconds; 0 while the breaker is closed.
    open_until: AtomicU64,
}

impl Breaker {
    /// Whether a call at `now` may go to the second tier. Of an open breaker whose pause has ended,
    /// one call gets `true`, and the pause begins again.
    pub(super) fn admits(&self, now: Instant, settings: &TierSettings) -> bool {
        let open_until = self.open_until.load(Ordering::Relaxed);
        if open_until == 0 {
            return true;
        }
        let next = now.after(settings.breaker_pause).as_nanos();
        let admit = |until| (until != 0 && until <= now.as_nanos()).then_some(next);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.open_until.fetch_update(set, fetch, admit).is_ok()
    }

    pub(super) fn close(&self) {
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.open_until.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn count_failure(&self, now: Instant, settings: &TierSettings) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures >= u64::from(settings.breaker_failures) {
            self.open(now, settings);
        }
    }

    /// Opens the breaker, whatever the number of failures.
    pub(super) fn trip(&self, now: Instant, settings: &TierSettings) {
        let most = u64::from(settings.breaker_failures);
        self.failures.fetch_max(most, Ordering::Relaxed);
        self.open(now, settings);
    }

    pub(super) fn is_open(&self) -> bool {
        self.open_until.load(Ordering::Relaxed) != 0
    }

    fn open(&self, now: Instant, settings: &TierSettings) {
        let until = now.after(settings.breaker_pause).as_nanos();
        self.open_until.fetch_max(until, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(any(cache_loom, cache_shuttle))))]
mod tests {
    use super::*;
    use core::time::Duration;

    fn settings() -> TierSettings {
        let mut settings = TierSettings::default();
        (settings.breaker_failures, settings.breaker_pause) = (2, Duration::from_nanos(10));
        settings
    }

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_closes_it() {
        let (breaker, settings) = (Breaker::default(), settings());
        breaker.count_failure(at(1), &settings);
        breaker.close();
        breaker.count_failure(at(2), &settings);
        assert!(breaker.admits(at(2), &settings));
        breaker.count_failure(at(3), &settings);
        assert!(breaker.is_open());
        assert!(!breaker.admits(at(12), &settings));
        breaker.close();
        assert!(breaker.admits(at(12), &settings));
    }

    #[test]
    fn one_call_probes_after_each_pause() {
        let (breaker, settings) = (Breaker::default(), settings());
        breaker.trip(at(0), &settings);
        assert!(breaker.admits(at(10), &settings));
        assert!(!breaker.admits(at(10), &settings));
        breaker.count_failure(at(11), &settings);
        assert!(!breaker.admits(at(20), &settings));
        assert!(breaker.admits(at(21), &settings));
    }
}
