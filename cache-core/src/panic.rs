//! Catches panics of user code, if the platform can, and resumes them in the right caller.

use alloc::boxed::Box;
use core::any::Any;

/// The payload of a panic.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs `f` and catches its panic.
#[cfg(feature = "std")]
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
    // `AssertUnwindSafe`: the caller drops what `f` may leave half done, and the cache's own state
    // keeps its invariants through panics.
    std::panic::catch_unwind(core::panic::AssertUnwindSafe(f))
}

/// Runs `f`. Without `std`, a panic is not caught.
#[cfg(not(feature = "std"))]
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
    Ok(f())
}

/// Resumes a caught panic.
#[cfg(feature = "std")]
pub(crate) fn resume(payload: Payload) -> ! {
    std::panic::resume_unwind(payload)
}

/// Never called, because `catch` returns no payload.
#[cfg(not(feature = "std"))]
pub(crate) fn resume(_: Payload) -> ! {
    panic!("no panic is caught without std")
}

/// Calls `f`, and `otherwise` if a panic unwinds out of it, even where panics cannot be caught.
pub(crate) fn on_unwind<T>(f: impl FnOnce() -> T, otherwise: impl FnOnce()) -> T {
    let mut guard = OnDrop(Some(otherwise));
    let answer = f();
    guard.0 = None;
    answer
}

/// Calls a function when it is dropped, as when a panic unwinds.
pub(crate) struct OnDrop<F: FnOnce()>(pub(crate) Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// Resumes a caught panic, if there is one.
pub(crate) fn resume_first(payload: Option<Payload>) {
    if let Some(payload) = payload {
        resume(payload);
    }
}
