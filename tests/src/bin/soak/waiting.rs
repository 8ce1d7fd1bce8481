//! The ways in which callers wait: some are cancelled, some stall.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use rand::Rng;
use smol::Timer;
use smol::future::or;

use crate::figures::{Figure, Figures};
use crate::host::Boxed;
use crate::loader::is_expected;
use crate::watchdog::{Ages, What};

/// How a caller waits for its call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    ToTheEnd,
    /// The call is dropped after this many further polls.
    Polls(u32),
    /// The call is dropped after this time.
    For(Duration),
    /// The call is polled once, then not polled for this time. It is then continued, or dropped.
    StandsStill(Duration, bool),
}

impl Patience {
    pub(crate) fn random(rng: &mut impl Rng) -> Self {
        match rng.random_range(0..20) {
            0..=2 => Self::Polls(rng.random_range(0..4)),
            3..=4 => Self::For(Duration::from_micros(rng.random_range(0..4_000))),
            _ => Self::ToTheEnd,
        }
    }

    /// For a call that other callers do not depend on, even if it leads.
    pub(crate) fn random_or_none(rng: &mut impl Rng) -> Self {
        match rng.random_range(0..20) {
            0 => {
                let span = Duration::from_micros(rng.random_range(0..10_000));
                Self::StandsStill(span, rng.random())
            }
            _ => Self::random(rng),
        }
    }

    /// Waits for `call`, which may panic as loaders do. `None` if the call was dropped or panicked.
    pub(crate) async fn wait<T>(
        self,
        call: Boxed<'_, T>,
        (ages, task, what): (&Ages, usize, What),
        figures: &Figures,
    ) -> Option<T> {
        let mut call = AssertUnwindSafe(call).catch_unwind();
        let waiting = ages.wait(task, what);
        let answer = match self {
            Self::ToTheEnd => Some(call.await),
            Self::Polls(mut left) => {
                poll_fn(|cx| match call.poll_unpin(cx) {
                    Poll::Ready(answer) => Poll::Ready(Some(answer)),
                    Poll::Pending if left == 0 => Poll::Ready(None),
                    Poll::Pending => {
                        left -= 1;
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    }
                })
                .await
            }
            Self::For(span) => {
                let leave = async {
                    Timer::after(span).await;
                    None
                };
                or(async { Some((&mut call).await) }, leave).await
            }
            Self::StandsStill(span, goes_on) => {
                let first = poll_fn(|cx| Poll::Ready(call.poll_unpin(cx))).await;
                drop(waiting);
                if first.is_pending() {
                    figures.count(Figure::StoodStill);
                    Timer::after(span).await;
                }
                let _waiting = ages.wait(task, what);
                match first {
                    Poll::Ready(answer) => Some(answer),
                    Poll::Pending if goes_on => Some((&mut call).await),
                    Poll::Pending => None,
                }
            }
        };
        match answer {
            Some(Ok(answer)) => Some(answer),
            Some(Err(payload)) if is_expected(&*payload) => None,
            Some(Err(payload)) => {
                figures.violate("a call panicked; its message is above");
                resume_unwind(payload)
            }
            None => {
                figures.count(Figure::Cancelled);
                None
            }
        }
    }
}
