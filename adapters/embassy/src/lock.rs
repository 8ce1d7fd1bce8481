//! Which locks a cache has: the user's choice, by the types that embassy has for it.

use core::cell::RefCell;

use cache_core::runtime::{Flavor, Local, Shared};
use cache_core::sync::{Lock, Mutex};
use embassy_sync::blocking_mutex;
use embassy_sync::blocking_mutex::raw::{CriticalSectionRawMutex, NoopRawMutex, RawMutex};

/// How the locks of a cache keep others out. Sealed: a critical section or nothing.
pub trait Locking: RawMutex + sealed::Sealed + 'static {
    /// Whether interrupts may use the cache, so that what it holds must be `Send`.
    type Flavor: Flavor;
}

/// Interrupts may use the cache.
impl Locking for CriticalSectionRawMutex {
    type Flavor = Shared;
}

/// One executor in thread mode has the cache to itself.
impl Locking for NoopRawMutex {
    type Flavor = Local;
}

/// The lock of a shard, and of a load. Held for the length of one step of the cache: a lookup, or a
/// write with the evictions it asks for; now and then a table grows in it.
#[derive(Debug)]
pub struct Guarded<M, T>(blocking_mutex::Mutex<M, RefCell<T>>);

impl<M: RawMutex, T> Lock<T> for Guarded<M, T> {
    fn new(value: T) -> Self {
        Self(blocking_mutex::Mutex::new(RefCell::new(value)))
    }

    fn read<U>(&self, f: impl FnOnce(&T) -> U) -> U {
        self.0.lock(|value| {
            // A device does without the words: they take flash.
            #[cfg(not(target_os = "none"))]
            if value.try_borrow().is_err() {
                used_from_inside();
            }
            f(&value.borrow())
        })
    }

    fn write<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        self.0.lock(|value| {
            #[cfg(not(target_os = "none"))]
            if value.try_borrow_mut().is_err() {
                used_from_inside();
            }
            f(&mut value.borrow_mut())
        })
    }
}

/// A shard is used from inside.
#[cfg(not(target_os = "none"))]
#[cold]
fn used_from_inside() -> ! {
    panic!("a hook, `Eq` or `Clone` must not use its own cache")
}

impl<M: RawMutex, T> Mutex<T> for Guarded<M, T> {
    fn new(value: T) -> Self {
        Lock::new(value)
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
