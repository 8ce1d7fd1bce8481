//! What the lock and the seats of threads are made of; the model checker puts its own in their place.

#[cfg(not(cache_loom))]
pub(super) use core::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
};
#[cfg(not(cache_loom))]
pub(super) use std::{
    sync::{RwLock, RwLockReadGuard},
    thread::yield_now,
    thread_local,
};

#[cfg(cache_loom)]
pub(super) use loom::{
    cell::UnsafeCell,
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    sync::{RwLock, RwLockReadGuard},
    thread::yield_now,
    thread_local,
};

/// A cell like loom's.
#[cfg(not(cache_loom))]
#[derive(Debug, Default)]
pub(super) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(cache_loom))]
impl<T> UnsafeCell<T> {
    pub(super) const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    #[inline]
    pub(super) fn with<U>(&self, f: impl FnOnce(*const T) -> U) -> U {
        f(self.0.get())
    }

    #[inline]
    pub(super) fn with_mut<U>(&self, f: impl FnOnce(*mut T) -> U) -> U {
        f(self.0.get())
    }
}

/// What comes before and what comes after are in one order for all threads, if the accesses on both
/// sides are sequentially consistent. Then there is nothing to do; loom knows that of fences only.
#[inline]
pub(super) fn in_one_order() {
    #[cfg(cache_loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}
