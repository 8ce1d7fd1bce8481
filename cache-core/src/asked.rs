//! What any cache of the program was ever asked for.
//!
//! A setting is a value, so the code that serves it is linked into every program, set or not. Here it
//! stands behind a flag that nothing but the setting's own method raises: where the program as a
//! whole is optimized, and never calls that method, the flag is known to be down, and what stands
//! behind it is left out. To a microcontroller that is half of the cache.

use core::sync::atomic::{AtomicBool, Ordering};

/// One thing that may be asked for.
pub(crate) struct Asked(AtomicBool);

impl Asked {
    const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// A cache is being built that asks for it. Whoever gets that cache sees this.
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether any cache has asked for it. To be asked after the cache's own setting: who has not
    /// set it pays nothing.
    #[inline(always)]
    pub(crate) fn is_up(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Reads that write to their shard: exact LRU, an idle or a custom expiry.
pub(crate) static WRITING_READS: Asked = Asked::new();
pub(crate) static LISTENER: Asked = Asked::new();
pub(crate) static JANITOR: Asked = Asked::new();
pub(crate) static LOAD_TIMEOUT: Asked = Asked::new();
pub(crate) static DETACHED_LOADS: Asked = Asked::new();
/// Batches that wait for others to come back.
pub(crate) static BATCH_PERMITS: Asked = Asked::new();
/// Batch loaders that return maps.
pub(crate) static BATCH_MAPS: Asked = Asked::new();
