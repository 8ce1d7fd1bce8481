//! `Arc`, atomics and locks: every other module imports them from here.
//!
//! A target without compare-and-swap, or a model checker, replaces them in this module only. The
//! runtime's type chooses the locks, not a cargo feature: features are unified over the dependency
//! graph, and a firmware's critical section must not end up under Tokio. A lock takes a closure
//! instead of returning a guard, since a critical section does.
//!
//! Two model checkers use this module:
//!
//! - Loom (`cfg(cache_loom)`) checks the biased lock under every interleaving and every memory
//!   ordering that the standard allows: `primitives` and `model`.
//! - Shuttle (`cfg(cache_shuttle)`) runs the whole cache under chosen schedules
//!   (`cache-core/tests/interleavings.rs`). It replaces the atomics and the mutex that are named
//!   here; the test's runtime has a lock of its own for shards. `Arc` and `Once` stay as they are,
//!   since each of their calls is one step. So do the locks inside `event-listener`, but it wakes
//!   wakers under them, and shuttle must not switch threads there: `MockClock`, which uses it, is
//!   not compiled then.

#[cfg(feature = "std")]
#[expect(unsafe_code, reason = "the only module that may: ARCHITECTURE.md")]
mod biased;
#[cfg(feature = "std")]
mod block_on;
#[cfg(all(not(feature = "std"), feature = "critical-section"))]
mod critical;
mod local;
#[cfg(all(test, cache_loom))]
mod model;
#[cfg(feature = "std")]
mod primitives;
#[cfg(feature = "std")]
mod std_locks;
#[cfg(feature = "std")]
mod thread_slots;

#[cfg(feature = "std")]
pub use biased::StdRwLock;
#[cfg(feature = "std")]
pub(crate) use block_on::block_on;
pub use local::{LocalMutex, LocalRwLock};
#[cfg(feature = "std")]
pub use std_locks::StdMutex;
#[cfg(all(feature = "std", not(cache_shuttle)))]
pub(crate) use thread_slots::{known_slot_number, slot_number};

/// The number of the current thread's slot: always `None`, because there are no threads, or because
/// the thread-locals of shuttle's threads are those of the one thread that runs them all.
#[cfg(any(not(feature = "std"), cache_shuttle))]
pub(crate) const fn slot_number() -> Option<usize> {
    None
}

/// As [`slot_number`], as a number that is larger than every number of a slot.
#[cfg(any(not(feature = "std"), cache_shuttle))]
pub(crate) const fn known_slot_number() -> usize {
    usize::MAX
}

#[cfg(not(feature = "portable-atomic"))]
pub use alloc::sync::{Arc, Weak};
#[cfg(feature = "portable-atomic")]
pub use portable_atomic_util::{Arc, Weak};

#[cfg(any(feature = "macros", test))]
pub(crate) use std::sync::OnceLock;

/// A value that is set once and then read without a lock.
pub(crate) use spin::Once;

#[cfg(not(any(feature = "portable-atomic", cache_shuttle)))]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
#[cfg(all(feature = "portable-atomic", not(cache_shuttle)))]
pub(crate) use portable_atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
#[cfg(cache_shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

#[cfg(cache_loom)]
pub(crate) use loom::sync::atomic::AtomicU64;

#[cfg(not(any(
    cache_loom,
    cache_shuttle,
    feature = "portable-atomic",
    all(not(feature = "std"), feature = "critical-section")
)))]
pub(crate) use core::sync::atomic::AtomicU64;
#[cfg(all(not(feature = "std"), feature = "critical-section"))]
pub(crate) use critical::AtomicU64;
#[cfg(all(
    not(cache_shuttle),
    feature = "portable-atomic",
    any(feature = "std", not(feature = "critical-section"))
))]
pub(crate) use portable_atomic::AtomicU64;

/// A readers-writer lock around a shard.
///
/// Inside run the cache's own code and, of the user's code, only the equality of keys, the clone of
/// a key or value, a weigher and an expiry. A panic in one of those must leave the lock usable: an
/// implementation must not poison it.
pub trait RwLock<T> {
    /// A lock around `value`.
    fn new(value: T) -> Self;

    /// Runs `f` with shared access. Calls may run at the same time.
    fn read<U>(&self, f: impl FnOnce(&T) -> U) -> U;

    /// Runs `f` with exclusive access.
    fn write<U>(&self, f: impl FnOnce(&mut T) -> U) -> U;
}

/// Panics because the thread that holds a shard's lock requests it again.
#[cold]
fn used_from_inside() -> ! {
    panic!(
        "the equality or the clone of a key or value, a weigher and an expiry must not use the \
         cache that calls them: a shard is locked meanwhile"
    )
}

/// A lock with exclusive access only, around the state of one load.
pub trait Mutex<T> {
    /// A mutex around `value`.
    fn new(value: T) -> Self;

    /// Runs `f` with exclusive access.
    fn with<U>(&self, f: impl FnOnce(&mut T) -> U) -> U;
}

/// The mutex around a list of wakers. Wakers are `Send + Sync` on every runtime, so the runtime
/// cannot choose this mutex.
#[cfg(feature = "std")]
pub(crate) type WakerMutex<T> = StdMutex<T>;
#[cfg(all(not(feature = "std"), feature = "critical-section"))]
pub(crate) type WakerMutex<T> = critical::CriticalMutex<T>;
#[cfg(not(any(feature = "std", feature = "critical-section")))]
pub(crate) type WakerMutex<T> = local::SpinMutex<T>;

/// Implements `Wake` for a type in an [`Arc`]. The two crates that the `Arc` can be from have
/// different traits for it.
macro_rules! impl_wake {
    ($type:ty, |$this:ident| $wake:expr) => {
        #[cfg(not(feature = "portable-atomic"))]
        impl alloc::task::Wake for $type {
            fn wake(self: Arc<Self>) {
                Self::wake_by_ref(&self);
            }

            fn wake_by_ref(self: &Arc<Self>) {
                let $this = self;
                $wake
            }
        }

        #[cfg(feature = "portable-atomic")]
        impl portable_atomic_util::task::Wake for $type {
            fn wake(this: Arc<Self>) {
                Self::wake_by_ref(&this);
            }

            fn wake_by_ref($this: &Arc<Self>) {
                $wake
            }
        }
    };
}
pub(crate) use impl_wake;

/// A value on cache lines of its own: 128 bytes, since current processors prefetch lines in pairs.
#[derive(Debug, Default)]
#[cfg_attr(feature = "std", repr(align(128)))]
pub(crate) struct CachePadded<T>(pub(crate) T);
