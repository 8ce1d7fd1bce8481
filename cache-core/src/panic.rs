//! Panics in user code: caught where the platform can, passed on to whom they belong.

use alloc::boxed::Box;
use core::any::Any;

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs `f`; where the platform can, a panic in it is caught.
#[cfg(feature = "std")]
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
    // What `f` may leave half done is either dropped by the caller or the cache's own, which
    // keeps its invariants through panics.
    std::panic::catch_unwind(core::panic::AssertUnwindSafe(f))
}

/// Runs `f`.
#[cfg(not(feature = "std"))]
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
    Ok(f())
}

/// Goes on with a panic that was caught.
#[cfg(feature = "std")]
pub(crate) fn resume(payload: Payload) -> ! {
    std::panic::resume_unwind(payload)
}

/// Never called: nothing was caught.
#[cfg(not(feature = "std"))]
pub(crate) fn resume(_: Payload) -> ! {
    panic!("a panic was caught where none can be")
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

/// Goes on with a panic that was caught, if there was one.
pub(crate) fn resume_first(payload: Option<Payload>) {
    if let Some(payload) = payload {
        resume(payload);
    }
}
