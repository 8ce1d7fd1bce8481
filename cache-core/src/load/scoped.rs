//! The future of a loader that lives in its caller.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::runtime::Runtime;

pin_project! {
    /// The future of a loader that borrows from its caller. Drops that future inside
    /// [`Runtime::enter`]: its drop may need the context of the runtime, as its poll does.
    pub(super) struct Scoped<'a, R: Runtime, F> {
        runtime: &'a R,
        #[pin]
        future: Option<F>,
    }

    impl<R: Runtime, F> PinnedDrop for Scoped<'_, R, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.runtime.enter(|| this.future.set(None));
        }
    }
}

impl<'a, R: Runtime, F> Scoped<'a, R, F> {
    pub(super) const fn new(runtime: &'a R, future: F) -> Self {
        Self {
            runtime,
            future: Some(future),
        }
    }

    /// Drops the loader, which is not polled again.
    pub(super) fn drop_loader(self: Pin<&mut Self>) {
        self.project().future.set(None);
    }
}

impl<R: Runtime, F: Future> Future for Scoped<'_, R, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let future = self.project().future.as_pin_mut();
        future.expect("only the drop takes the future").poll(cx)
    }
}
