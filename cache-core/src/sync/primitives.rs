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
    sync::atomic::{AtomicU32, Ordering},
    sync::{RwLock, RwLockReadGuard},
    thread::yield_now,
    thread_local,
};
#[cfg(cache_loom)]
pub(super) use ordered::{AtomicBool, AtomicUsize};

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

/// Loom's atomics, with sequentially consistent accesses.
///
/// Loom takes such an access for one that acquires and releases, and orders all threads at fences
/// only. Here a thread makes such a fence between two accesses that are both sequentially consistent,
/// the first a write and the next one a read. If one of the two is weaker, there is no fence, and
/// loom finds what the weaker access allows. Weaker accesses before such a fence are still ordered
/// more strictly than the standard asks: loom cannot tell whether `Table::in_use` needs its order.
#[cfg(cache_loom)]
mod ordered {
    use core::cell::Cell;

    use loom::sync::atomic::{self, Ordering, fence};

    loom::thread_local! {
        /// Whether this thread made a sequentially consistent write, and no such read since.
        static HAS_WRITTEN: Cell<bool> = Cell::new(false);
    }

    fn before_read(order: Ordering) {
        // A thread that ends makes no more accesses whose order counts.
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
