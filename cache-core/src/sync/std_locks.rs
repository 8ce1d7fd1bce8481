//! The standard library's mutex, without poisoning: a cache stays usable after a panic.

#[cfg(cache_shuttle)]
use shuttle::sync;
#[cfg(not(cache_shuttle))]
use std::sync;
use std::sync::PoisonError;

use super::Mutex;

/// A [`Mutex`] of the standard library. A panic inside does not poison it.
#[derive(Debug, Default)]
pub struct StdMutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> for StdMutex<T> {
    fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    fn with<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
