//! Wakers with hooks that are `Send`.

use std::sync::Arc;
use std::task::{Wake, Waker};

/// A waker that runs `on_wake` when woken and `on_drop` when dropped.
pub fn waker(
    on_wake: impl Fn() + Send + Sync + 'static,
    on_drop: impl Fn() + Send + Sync + 'static,
) -> Waker {
    Waker::from(Arc::new(Hooked { on_wake, on_drop }))
}

struct Hooked<W, D: Fn()> {
    on_wake: W,
    on_drop: D,
}

impl<W, D> Wake for Hooked<W, D>
where
    W: Fn() + Send + Sync + 'static,
    D: Fn() + Send + Sync + 'static,
{
    fn wake(self: Arc<Self>) {
        (self.on_wake)();
    }
}

impl<W, D: Fn()> Drop for Hooked<W, D> {
    fn drop(&mut self) {
        (self.on_drop)();
    }
}
