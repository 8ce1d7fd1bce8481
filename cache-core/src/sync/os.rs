//! The operating system's locks. A panic inside does not poison them: the engine keeps its
//! invariants through panics in user code, and a cache must stay usable after one.

use std::sync::{self, PoisonError};

use super::{Lock, Mutex};

/// A [`Lock`] of the operating system.
#[derive(Debug, Default)]
pub struct OsLock<T>(sync::RwLock<T>);

impl<T> Lock<T> for OsLock<T> {
    fn new(value: T) -> Self {
        Self(sync::RwLock::new(value))
    }

    fn read<U>(&self, f: impl FnOnce(&T) -> U) -> U {
        f(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        f(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A [`Mutex`] of the operating system.
#[derive(Debug, Default)]
pub struct OsMutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> for OsMutex<T> {
    fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    fn with<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
