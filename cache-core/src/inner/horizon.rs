//! Until when the first tier of a tiered cache returns its values.
//!
//! Let an invalidation return `Ok` at time t, and let this process have sent its last answered
//! heartbeat at p, so the horizon is p + Δ with Δ = `max_staleness`. The store had sent the
//! invalidation to this process before it answered the invalidating one.
//!
//! - If p > t, the store answered the heartbeat later. The stream is in order, so this process
//!   handled the invalidation before it advanced the horizon.
//! - If p ≤ t, the horizon is at most t + Δ.
//!
//! So a call that begins after t + Δ and finds the horizon ahead comes after the invalidation was
//! handled, and every flight that it can join began after that too. The proof uses one clock, that
//! of this process, and assumes nothing about the network or about pauses of the process.

use core::time::Duration;

use crate::machine::Instant;
use crate::sync::{AtomicU64, Ordering};

/// The time until which the first tier returns its values, in nanoseconds.
#[derive(Debug)]
pub(crate) struct Horizon(AtomicU64);

impl Horizon {
    /// Every value is past the horizon until a heartbeat is answered.
    pub(crate) fn unknown() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Without other writers, the first tier needs no heartbeats.
    pub(crate) fn remove(&self) {
        self.advance_to(Instant::FAR);
    }

    /// Whether the first tier needs no heartbeats.
    pub(crate) fn is_removed(&self) -> bool {
        self.until() == Instant::FAR
    }

    pub(crate) fn advance_to(&self, until: Instant) {
        self.0.fetch_max(until.as_nanos(), Ordering::Relaxed);
    }

    /// Whether a call that began at `now` may use the values and the flights of the first tier.
    // Relaxed: the caller locks the shard afterwards. If that came before the lock by which the
    // listener removed a value, this load would happen before the store that it reads from.
    #[inline(always)]
    pub(crate) fn is_ahead_of(&self, now: Instant) -> bool {
        now.as_nanos() < self.0.load(Ordering::Relaxed)
    }

    /// How long the first tier returns its values from `now` on; zero past the horizon.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        self.until().since(now)
    }

    /// How long before `now` the last answered heartbeat was sent; zero without heartbeats.
    pub(crate) fn lag(&self, now: Instant, max_staleness: Duration) -> Duration {
        if self.is_removed() {
            return Duration::ZERO;
        }
        now.after(max_staleness).since(self.until())
    }

    fn until(&self) -> Instant {
        Instant::from_nanos(self.0.load(Ordering::Relaxed))
    }
}
