//! The locks of a cache, chosen by embassy's mutex types.

use core::cell::RefCell;

use cache_core::runtime::{CurrentThread, Flavor, MultiThread};
use cache_core::sync::{Mutex, RwLock};
use embassy_sync::blocking_mutex;
use embassy_sync::blocking_mutex::raw::{CriticalSectionRawMutex, NoopRawMutex, RawMutex};

/// The mutual exclusion of a cache's locks. Sealed: critical sections or none.
pub trait Locking: RawMutex + sealed::Sealed + 'static {
    /// Whether interrupts may use the cache. If so, its keys, values and loaders must be `Send`.
    type Flavor: Flavor;
}

/// Interrupts may use the cache.
impl Locking for CriticalSectionRawMutex {
    type Flavor = MultiThread;
}

/// Only one executor in thread mode uses the cache.
impl Locking for NoopRawMutex {
    type Flavor = CurrentThread;
}

/// The lock of a shard or of a load. The cache holds it for one step: a lookup, or a write with its
/// evictions, in which a table may grow.
#[derive(Debug)]
pub struct EmbassyLock<M, T>(blocking_mutex::Mutex<M, RefCell<T>>);

impl<M: RawMutex, T> RwLock<T> for EmbassyLock<M, T> {
    fn new(value: T) -> Self {
        Self(blocking_mutex::Mutex::new(RefCell::new(value)))
    }

    fn read<U>(&self, f: impl FnOnce(&T) -> U) -> U {
        self.0.lock(|value| {
            // Not on a device: the message takes flash. There `borrow` panics without it.
            #[cfg(not(target_os = "none"))]
            if value.try_borrow().is_err() {
                reentrant_use();
            }
            f(&value.borrow())
        })
    }

    fn write<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        self.0.lock(|value| {
            #[cfg(not(target_os = "none"))]
            if value.try_borrow_mut().is_err() {
                reentrant_use();
            }
            f(&mut value.borrow_mut())
        })
    }
}

/// Panics because a hook, `Eq` or `Clone` that runs under this lock has used its own cache.
#[cfg(not(target_os = "none"))]
#[cold]
fn reentrant_use() -> ! {
    panic!("a hook, `Eq` or `Clone` must not use its own cache")
}

impl<M: RawMutex, T> Mutex<T> for EmbassyLock<M, T> {
    fn new(value: T) -> Self {
        RwLock::new(value)
    }

    fn with<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        self.write(f)
    }
}

mod sealed {
    use embassy_sync::blocking_mutex::raw::{CriticalSectionRawMutex, NoopRawMutex};

    #[expect(unnameable_types, reason = "the trait is sealed by it")]
    pub trait Sealed {}

    impl Sealed for CriticalSectionRawMutex {}
    impl Sealed for NoopRawMutex {}
}
