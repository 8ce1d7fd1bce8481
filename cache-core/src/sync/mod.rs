//! The one door to `Arc`, atomics and locks.
//!
//! Every other room takes them from here, so that a target without compare-and-swap or a model
//! checker changes this file and no other. Locks are chosen by the runtime's type, not by a
//! feature: a firmware's critical section in the dependency graph must not end up under Tokio.
//! They are closure-shaped, because a critical section is.
//!
//! Two model checkers come through it. Loom (`cfg(cache_loom)`) goes through the biased lock, with
//! every order of memory that the standard allows: `primitives`, `model`. Shuttle
//! (`cfg(cache_shuttle)`) runs the whole shell under chosen schedules: the atomics and the mutex
//! that are named here are its own then, and its runtime brings a lock for shards
//! (`cache-core/tests/interleavings.rs`). `Arc` and `Once` stay what they are: each of their calls
//! is one step. The locks inside `event-listener` stay too, but wakers are called under them, and a
//! thread must not change hands there: what uses it, `MockClock`, is left out.

#[cfg(feature = "std")]
#[expect(unsafe_code, reason = "the one room that may: ARCHITECTURE.md")]
mod biased;
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
pub use local::{LocalMutex, LocalRwLock};
#[cfg(feature = "std")]
pub use std_locks::StdMutex;
#[cfg(all(feature = "std", not(cache_shuttle)))]
pub(crate) use thread_slots::slot_number;

/// No two threads run at the same time, or none is known from another: shuttle's share one of the
/// operating system's.
#[cfg(any(not(feature = "std"), cache_shuttle))]
pub(crate) const fn slot_number() -> Option<usize> {
    None
}

#[cfg(not(feature = "portable-atomic"))]
pub use alloc::sync::{Arc, Weak};
#[cfg(feature = "portable-atomic")]
pub use portable_atomic_util::{Arc, Weak};

#[cfg(any(feature = "macros", test))]
pub(crate) use std::sync::OnceLock;

/// Set once, and then read without a lock.
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
/// What runs inside is the cache's own code and, of the user's, only the equality of keys, the
/// clone of a value, a weigher and an expiry: a panic in one of those must leave the lock usable.
pub trait RwLock<T> {
    /// A lock around `value`.
    fn new(value: T) -> Self;

    /// Runs `f` with shared access. Calls may run side by side.
    fn read<U>(&self, f: impl FnOnce(&T) -> U) -> U;

    /// Runs `f` with exclusive access.
    fn write<U>(&self, f: impl FnOnce(&mut T) -> U) -> U;
}

/// A shard is used from inside: the thread that holds its lock asks for it again.
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

/// The mutex around a list of wakers. Wakers are `Send + Sync` whatever the runtime, so this one
/// cannot be the runtime's choice.
#[cfg(feature = "std")]
pub(crate) type WakerMutex<T> = StdMutex<T>;
#[cfg(all(not(feature = "std"), feature = "critical-section"))]
pub(crate) type WakerMutex<T> = critical::CriticalMutex<T>;
#[cfg(not(any(feature = "std", feature = "critical-section")))]
pub(crate) type WakerMutex<T> = local::SpinMutex<T>;

/// Makes a type that is shared by an [`Arc`] into a waker. The two crates that an `Arc` can be from
/// spell their traits differently.
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

/// Keeps a value on cache lines of its own: 128 bytes, since today's processors fetch lines in
/// pairs.
#[derive(Debug, Default)]
#[cfg_attr(feature = "std", repr(align(128)))]
pub(crate) struct CachePadded<T>(pub(crate) T);
