//! Locks for one thread of control: they only check that no call re-enters them.

use core::cell::RefCell;

use super::{Mutex, RwLock, used_from_inside};

/// A [`RwLock`] for runtimes with a single thread of control. Not `Sync`.
///
/// # Panics
/// If it is entered again from inside. The cache does not do that, but the equality or the clone of
/// a key or value can.
#[derive(Debug, Default)]
pub struct LocalRwLock<T>(RefCell<T>);

impl<T> RwLock<T> for LocalRwLock<T> {
    fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    fn read<U>(&self, f: impl FnOnce(&T) -> U) -> U {
        let value = self.0.try_borrow();
        f(&value.unwrap_or_else(|_| used_from_inside()))
    }

    fn write<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        let value = self.0.try_borrow_mut();
        f(&mut value.unwrap_or_else(|_| used_from_inside()))
    }
}

/// A [`Mutex`] for runtimes with a single thread of control. Not `Sync`.
///
/// # Panics
/// If it is entered again from inside, which the cache never does.
#[derive(Debug, Default)]
pub struct LocalMutex<T>(RefCell<T>);

impl<T> Mutex<T> for LocalMutex<T> {
    fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    fn with<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        f(&mut self.0.borrow_mut())
    }
}

/// The mutex around lists of wakers without the standard library. It is held for a few
/// instructions. An interrupt handler that wakes a task would spin for ever on a lock that the
/// interrupted code holds: programs with such handlers need the feature `critical-section`.
#[cfg(not(any(feature = "std", feature = "critical-section")))]
#[derive(Debug)]
pub(crate) struct SpinMutex<T>(spin::Mutex<T>);

#[cfg(not(any(feature = "std", feature = "critical-section")))]
impl<T> Mutex<T> for SpinMutex<T> {
    fn new(value: T) -> Self {
        Self(spin::Mutex::new(value))
    }

    fn with<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        f(&mut self.0.lock())
    }
}
