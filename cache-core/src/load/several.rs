//! Several futures at once in one task.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::panic::{self, Payload};

/// Polls up to `limit` of a sequence of futures side by side. Every wake polls all that run, so a
/// wake costs O(limit).
/// Each has a name by which it is told when it is done.
pub(crate) struct Several<N, Fut, I: Iterator<Item = (N, Fut)>> {
    coming: I,
    running: Vec<(N, Pin<Box<Fut>>)>,
    limit: usize,
    /// Where the next round begins: behind the last that was done, or many that are done together
    /// would each cost a look at all those before them.
    at: usize,
}

/// A future that is done: its name, and its output or what its panic carried.
pub(crate) type Done<N, T> = (N, Result<T, Payload>);

impl<N, Fut: Future, I: Iterator<Item = (N, Fut)>> Several<N, Fut, I> {
    pub(crate) const fn new(limit: usize, futures: I) -> Self {
        Self {
            coming: futures,
            running: Vec::new(),
            limit,
            at: 0,
        }
    }

    /// The next that is done: its name, and its output or what its panic carried. `None` once all
    /// are done.
    pub(crate) async fn next(&mut self) -> Option<Done<N, Fut::Output>> {
        core::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Done<N, Fut::Output>>> {
        while self.start_one() {}
        let mut pending = 0;
        while pending < self.running.len() {
            let at = self.at % self.running.len();
            let (_, future) = &mut self.running[at];
            let polled = match panic::catch(|| future.as_mut().poll(cx)) {
                Ok(Poll::Pending) => {
                    self.at = at + 1;
                    pending += 1;
                    continue;
                }
                Ok(Poll::Ready(output)) => Ok(output),
                Err(payload) => Err(payload),
            };
            self.at = at;
            let (name, _) = self.running.swap_remove(at);
            return Poll::Ready(Some((name, polled)));
        }
        if self.running.is_empty() {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    }

    /// Starts the next of the sequence, if there is one and it may run.
    fn start_one(&mut self) -> bool {
        if self.running.len() >= self.limit {
            return false;
        }
        let Some((name, future)) = self.coming.next() else {
            return false;
        };
        self.running.push((name, Box::pin(future)));
        true
    }
}
