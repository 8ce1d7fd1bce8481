//! The lock of single-core devices: no interrupt comes in between.

use core::cell::RefCell;

use super::Mutex;

/// Guards lists of wakers where wakers are called from interrupts.
#[derive(Debug)]
pub(crate) struct CriticalMutex<T>(critical_section::Mutex<RefCell<T>>);

impl<T> Mutex<T> for CriticalMutex<T> {
    fn new(value: T) -> Self {
        Self(critical_section::Mutex::new(RefCell::new(value)))
    }

    fn with<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        critical_section::with(|token| f(&mut self.0.borrow_ref_mut(token)))
    }
}
