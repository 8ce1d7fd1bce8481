//! Points in time as numbers, with arithmetic that saturates.

use core::time::Duration;

/// A point in time: nanoseconds since the origin of the clock that it was read from.
///
/// The machine reads no clock: every call that depends on the time takes an `Instant`. Only
/// instants of the same clock can be compared. 64 bits of nanoseconds last 584 years. Arithmetic
/// saturates at [`Instant::FAR`], which as a deadline means "never".
///
/// ```
/// use cache_core::machine::Instant;
/// use core::time::Duration;
///
/// let start = Instant::from_nanos(0);
/// assert_eq!(start.after(Duration::from_micros(3)).as_nanos(), 3_000);
/// assert_eq!(start.after(Duration::MAX), Instant::FAR);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The clock's origin.
    pub const ORIGIN: Self = Self(0);

    /// The end of time. A deadline here never passes, not even when the clock reaches it.
    pub const FAR: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the clock's origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The instant `by` later, or [`Instant::FAR`] if that cannot be represented.
    #[must_use]
    // On a 32-bit target this is a hundred bytes of code.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }

    /// The instant `by` earlier, or [`Instant::ORIGIN`] if that cannot be represented.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whether a deadline at this instant has passed at `now`: `now >= deadline`.
    #[must_use]
    pub fn has_passed(self, now: Self) -> bool {
        self != Self::FAR && now >= self
    }
}

/// The duration in nanoseconds, saturated.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_has_passed_at_its_own_instant() {
        let deadline = Instant::from_nanos(10);
        assert!(!deadline.has_passed(Instant::from_nanos(9)));
        assert!(deadline.has_passed(Instant::from_nanos(10)));
    }

    #[test]
    fn a_deadline_at_the_end_of_time_never_passes() {
        assert!(!Instant::FAR.has_passed(Instant::FAR));
        assert_eq!(Instant::from_nanos(1).after(Duration::MAX), Instant::FAR);
    }

    #[test]
    fn before_saturates_at_the_origin() {
        let start = Instant::from_nanos(5);
        assert_eq!(start.before(Duration::from_nanos(2)).as_nanos(), 3);
        assert_eq!(start.before(Duration::MAX), Instant::ORIGIN);
    }

    #[test]
    fn time_since_a_later_instant_is_zero() {
        assert_eq!(
            Instant::from_nanos(1).since(Instant::from_nanos(2)),
            Duration::ZERO
        );
    }
}
