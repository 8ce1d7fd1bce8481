//! What any engine of the program was ever asked for.
//!
//! A setting is a value, so the code that serves it is linked into every program, set or not. Here it
//! stands behind a flag that nothing raises but who makes the setting: where the program as a whole is
//! optimized, and nobody can raise the flag, it is known to be down, and what stands behind it is left
//! out. To a microcontroller that is a third of the cache.

use core::sync::atomic::{AtomicBool, Ordering};

/// One thing that may be asked for.
pub(crate) struct OptIn(AtomicBool);

impl OptIn {
    pub(crate) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Something is made that asks for it. Whoever gets that sees this.
    pub(crate) fn enable(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether anything has asked for it. To be asked after the setting itself: who has not set it
    /// pays nothing.
    #[inline(always)]
    pub(crate) fn is_enabled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

pub(super) static LRU: OptIn = OptIn::new();
pub(super) static IDLE_EXPIRY: OptIn = OptIn::new();
/// Loads that brought no value, and are remembered.
pub(super) static REMEMBERED: OptIn = OptIn::new();
