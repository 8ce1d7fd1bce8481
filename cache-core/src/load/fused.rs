//! A future that knows whether it is complete.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::FusedFuture;
use pin_project_lite::pin_project;

pin_project! {
    /// A future that is dropped as soon as it is ready, and is terminated from then on.
    pub(crate) struct Fused<F> {
        #[pin]
        future: Option<F>,
    }
}

impl<F> Fused<F> {
    pub(crate) const fn new(future: F) -> Self {
        Self {
            future: Some(future),
        }
    }
}

impl<F: Future> Future for Fused<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            polled_after_completion()
        };
        let output = ready!(future.poll(cx));
        this.future.set(None);
        Poll::Ready(output)
    }
}

impl<F: Future> FusedFuture for Fused<F> {
    fn is_terminated(&self) -> bool {
        self.future.is_none()
    }
}

#[cold]
pub(super) fn polled_after_completion() -> ! {
    panic!("the future of a load was polled after it had returned its answer")
}
