//! Converts embassy's ticks to the cache's nanoseconds and back.

use cache_core::Instant;
use embassy_time::TICK_HZ;

/// A tick is `NANOS / TICKS` nanoseconds, in lowest terms. The compiler replaces the divisions by a
/// multiplication and perhaps a shift.
const NANOS: u64 = 1_000_000_000 / DIVISOR;
const TICKS: u64 = TICK_HZ / DIVISOR;
const DIVISOR: u64 = greatest_common_divisor(1_000_000_000, TICK_HZ);

/// The time on embassy's clock.
pub(crate) fn now() -> Instant {
    instant(embassy_time::Instant::now().as_ticks())
}

/// The instant of a tick.
#[allow(clippy::modulo_one, reason = "the divisor is one at some frequencies")]
const fn instant(ticks: u64) -> Instant {
    let (whole, rest) = (ticks / TICKS, ticks % TICKS * NANOS / TICKS);
    // Equal to saturating arithmetic, but cheaper. Every hit on an entry that can expire reads the
    // clock.
    if whole >= u64::MAX / NANOS {
        return Instant::FAR;
    }
    Instant::from_nanos(whole * NANOS + rest)
}

/// The first tick at which `at` has passed.
#[allow(clippy::modulo_one, reason = "the divisor is one at some frequencies")]
pub(crate) const fn tick(at: Instant) -> embassy_time::Instant {
    let nanos = at.as_nanos();
    let whole = (nanos / NANOS).saturating_mul(TICKS);
    let rest = (nanos % NANOS * TICKS).div_ceil(NANOS);
    embassy_time::Instant::from_ticks(whole.saturating_add(rest))
}

const fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A timer that fires too early would be registered again in a busy loop.
    #[test]
    fn an_instant_has_passed_at_its_tick_and_not_one_tick_earlier() {
        for nanos in [1, 999, 1_000, 1_001, 123_456_789, u64::MAX / 2] {
            let at = Instant::from_nanos(nanos);
            let tick = tick(at).as_ticks();
            assert!(at.has_passed(instant(tick)), "{nanos}");
            assert!(!at.has_passed(instant(tick - 1)), "{nanos}");
        }
    }

    #[test]
    fn conversions_saturate_at_the_end_of_time() {
        assert_eq!(instant(u64::MAX), Instant::FAR);
        assert!(tick(Instant::FAR).as_ticks() > u64::MAX / 2_000);
    }
}
