//! The primitives of the biased lock and of the thread slots. Loom replaces them with its own.

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
    sync::atomic::{AtomicU32, Ordering},
    sync::{RwLock, RwLockReadGuard},
    thread::yield_now,
    thread_local,
};
#[cfg(cache_loom)]
pub(super) use ordered::{AtomicBool, AtomicUsize};

/// A cell with the interface of loom's.
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

/// Loom's atomics, with sequentially consistent accesses.
///
/// Loom treats such an access as one that acquires and releases; only its fences order all threads.
/// So this module adds a fence between two accesses of a thread that are both sequentially
/// consistent, of which the first is a write and the second a read. If one of the two is weaker,
/// there is no fence, and loom finds what the weaker access allows. A limit: weaker accesses before
/// such a fence are ordered more strictly than the standard requires, so loom cannot show that
/// `SlotTable::in_use` needs its ordering.
#[cfg(cache_loom)]
mod ordered {
    use core::cell::Cell;

    use loom::sync::atomic::{self, Ordering, fence};

    loom::thread_local! {
        /// Whether this thread made a sequentially consistent write and no such read since.
        static HAS_WRITTEN: Cell<bool> = Cell::new(false);
    }

    fn before_read(order: Ordering) {
        // `try_with` fails in a thread that is ending: its accesses need no order any more.
        let is_read = order == Ordering::SeqCst;
        if is_read && HAS_WRITTEN.try_with(Cell::take).unwrap_or(false) {
            fence(Ordering::SeqCst);
        }
    }

    fn after_write(order: Ordering) {
        if order == Ordering::SeqCst {
            let _ = HAS_WRITTEN.try_with(|has_written| has_written.set(true));
        }
    }

    macro_rules! ordered {
        ($name:ident, $value:ty) => {
            #[derive(Debug)]
            pub(in crate::sync) struct $name(atomic::$name);

            impl $name {
                pub(in crate::sync) fn new(value: $value) -> Self {
                    Self(atomic::$name::new(value))
                }

                pub(in crate::sync) fn load(&self, order: Ordering) -> $value {
                    before_read(order);
                    self.0.load(order)
                }

                pub(in crate::sync) fn store(&self, value: $value, order: Ordering) {
                    self.0.store(value, order);
                    after_write(order);
                }

                pub(in crate::sync) fn swap(&self, value: $value, order: Ordering) -> $value {
                    before_read(order);
                    let old = self.0.swap(value, order);
                    after_write(order);
                    old
                }
            }
        };
    }

    ordered!(AtomicBool, bool);
    ordered!(AtomicUsize, usize);

    impl AtomicUsize {
        pub(in crate::sync) fn fetch_max(&self, value: usize, order: Ordering) -> usize {
            before_read(order);
            let old = self.0.fetch_max(value, order);
            after_write(order);
            old
        }
    }
}
