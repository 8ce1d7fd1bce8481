//! Critical sections instead of locks: no interrupt can occur inside.

#[cfg(not(target_has_atomic = "64"))]
use core::cell::Cell;
use core::cell::RefCell;

use super::Mutex;
#[cfg(not(target_has_atomic = "64"))]
use super::Ordering;

/// The mutex around lists of wakers, for programs whose interrupt handlers wake tasks.
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

/// A 64-bit atomic for processors without one. The usual replacement is a spin lock, on which an
/// interrupt handler would spin for ever if the interrupted code holds it.
#[cfg(not(target_has_atomic = "64"))]
#[derive(Debug)]
pub(crate) struct AtomicU64(critical_section::Mutex<Cell<u64>>);

#[cfg(not(target_has_atomic = "64"))]
impl AtomicU64 {
    pub(crate) const fn new(value: u64) -> Self {
        Self(critical_section::Mutex::new(Cell::new(value)))
    }

    pub(crate) fn load(&self, _: Ordering) -> u64 {
        self.change(|value| value)
    }

    pub(crate) fn store(&self, value: u64, _: Ordering) {
        self.change(|_| value);
    }

    pub(crate) fn fetch_add(&self, more: u64, _: Ordering) -> u64 {
        self.change(|value| value.wrapping_add(more))
    }

    pub(crate) fn fetch_max(&self, other: u64, _: Ordering) -> u64 {
        self.change(|value| value.max(other))
    }

    pub(crate) fn fetch_update(
        &self,
        _: Ordering,
        _: Ordering,
        mut f: impl FnMut(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        let mut changed = true;
        let old = self.change(|value| {
            let new = f(value);
            changed = new.is_some();
            new.unwrap_or(value)
        });
        if changed { Ok(old) } else { Err(old) }
    }

    /// Replaces the value by `f` of it. Returns the old value.
    fn change(&self, f: impl FnOnce(u64) -> u64) -> u64 {
        critical_section::with(|token| {
            let cell = self.0.borrow(token);
            let old = cell.get();
            cell.set(f(old));
            old
        })
    }
}

#[cfg(not(target_has_atomic = "64"))]
impl Default for AtomicU64 {
    fn default() -> Self {
        Self::new(0)
    }
}

#[cfg(target_has_atomic = "64")]
pub(crate) use core::sync::atomic::AtomicU64;
