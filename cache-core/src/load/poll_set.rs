//! A set of futures in one task, each with its own waker: a wake costs one poll of the future that
//! was woken.
//!
//! The model is `FuturesUnordered` of futures-util. A [`PollSet`] polls a future as it is added,
//! and catches the panics of its futures.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use futures_core::{FusedStream, Stream};
use slab::Slab;

use crate::panic::{self, Payload};
use crate::sync::{Arc, AtomicBool, Mutex, Ordering, WakerMutex, impl_wake};

/// Futures that one task polls. Each has a tag, which is returned with its output.
pub(crate) struct PollSet<T, F> {
    running: Slab<Slot<T, F>>,
    ready: Arc<ReadyQueue>,
    /// The buffer that each poll swaps with that of the ready queue. Empty between two polls.
    notified: Vec<usize>,
}

/// A finished future: its tag, the future, and its output or the payload of its panic.
pub(crate) type Finished<T, F, O> = (T, F, Result<O, Payload>);

/// One future of the set.
struct Slot<T, F> {
    tag: T,
    future: F,
    waker: Arc<SlotWaker>,
}

/// The waker of one future. A future that reuses the slot of another gets a new waker.
struct SlotWaker {
    index: usize,
    /// Whether a wake has no effect: the next poll of the task polls the future anyway, or the
    /// future has finished.
    is_notified: AtomicBool,
    ready: Arc<ReadyQueue>,
}

/// The slots whose futures were woken, and the task that polls them.
struct ReadyQueue(WakerMutex<Notified>);

struct Notified {
    indices: Vec<usize>,
    /// Taken by the first wake after a poll of the task began.
    task: Option<Waker>,
}

impl<T, F> PollSet<T, F> {
    pub(crate) fn new() -> Self {
        let notified = Notified {
            indices: Vec::new(),
            task: None,
        };
        Self {
            running: Slab::new(),
            ready: Arc::new(ReadyQueue(WakerMutex::new(notified))),
            notified: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }
}

impl<T, F: Future + Unpin> PollSet<T, F> {
    /// Polls each future that was woken since the last call, once. A future that wakes itself is
    /// polled in the next poll of the task.
    pub(crate) fn poll_notified(
        &mut self,
        cx: &Context<'_>,
        done: &mut impl FnMut(Finished<T, F, F::Output>),
    ) {
        let indices = mem::take(&mut self.notified);
        let mut indices = self.ready.begin_poll(indices, cx.waker().clone());
        for index in indices.drain(..) {
            // The slot may belong to another future by now, which was not woken.
            let slot = self.running.get(index);
            if slot.is_some_and(|slot| slot.waker.take_notification()) {
                self.poll_one(index, done);
            }
        }
        self.notified = indices;
    }

    /// Adds a future, and polls it once. Called after [`PollSet::poll_notified`] in the same poll
    /// of the task.
    pub(crate) fn push(
        &mut self,
        tag: T,
        future: F,
        done: &mut impl FnMut(Finished<T, F, F::Output>),
    ) {
        let entry = self.running.vacant_entry();
        let index = entry.key();
        let waker = SlotWaker {
            index,
            is_notified: AtomicBool::new(false),
            ready: Arc::clone(&self.ready),
        };
        entry.insert(Slot {
            tag,
            future,
            waker: Arc::new(waker),
        });
        self.poll_one(index, done);
    }

    fn poll_one(&mut self, index: usize, done: &mut impl FnMut(Finished<T, F, F::Output>)) {
        let slot = &mut self.running[index];
        let waker = Waker::from(Arc::clone(&slot.waker));
        let future = Pin::new(&mut slot.future);
        let polled = panic::catch(|| future.poll(&mut Context::from_waker(&waker)));
        let output = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        let slot = self.running.remove(index);
        slot.waker.is_notified.store(true, Ordering::Relaxed);
        done((slot.tag, slot.future, output));
    }
}

/// A `PollSet` pins its futures only while it polls them, and they are `Unpin`.
impl<T, F> Unpin for PollSet<T, F> {}

impl<T, F> Drop for PollSet<T, F> {
    fn drop(&mut self) {
        // A waker of a future may outlive the set, and must not keep the task alive.
        let task = self.ready.0.with(|notified| notified.task.take());
        drop(task);
    }
}

impl ReadyQueue {
    /// Sets the task that the next wake wakes. Returns the indices of the woken futures, in
    /// exchange for the `empty` buffer.
    fn begin_poll(&self, mut empty: Vec<usize>, task: Waker) -> Vec<usize> {
        // Dropped outside of the lock: wakers are foreign code.
        let old = self.0.with(|notified| {
            mem::swap(&mut notified.indices, &mut empty);
            notified.task.replace(task)
        });
        drop(old);
        empty
    }
}

impl SlotWaker {
    fn notify(&self) {
        if self.is_notified.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = self.ready.0.with(|notified| {
            notified.indices.push(self.index);
            notified.task.take()
        });
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Takes the wake of the future. Must come before the poll of the future, or a wake during that
    /// poll is lost: it requests another poll.
    fn take_notification(&self) -> bool {
        // Not a plain store: the poll must see what the waking thread did before the wake.
        self.is_notified.swap(false, Ordering::AcqRel)
    }
}

impl_wake!(SlotWaker, |waker| waker.notify());

/// The outputs of several futures, in the order of the futures.
///
/// # Panics
/// With the first panic of one of them.
pub(crate) struct JoinAll<F, O> {
    /// Emptied by the first poll.
    unstarted: Vec<F>,
    running: PollSet<usize, F>,
    outputs: Vec<Option<O>>,
}

impl<F, O> JoinAll<F, O> {
    pub(crate) fn new(futures: impl Iterator<Item = F>) -> Self {
        let unstarted: Vec<F> = futures.collect();
        Self {
            outputs: unstarted.iter().map(|_| None).collect(),
            unstarted,
            running: PollSet::new(),
        }
    }
}

impl<F: Future<Output = O> + Unpin, O> Future for JoinAll<F, O> {
    type Output = Vec<O>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<O>> {
        let Self {
            unstarted,
            running,
            outputs,
        } = &mut *self;
        let mut done = |(index, _, output): Finished<usize, F, O>| {
            outputs[index] = Some(output.unwrap_or_else(|payload| panic::resume(payload)));
        };
        running.poll_notified(cx, &mut done);
        for (index, future) in mem::take(unstarted).into_iter().enumerate() {
            running.push(index, future, &mut done);
        }
        if !running.is_empty() {
            return Poll::Pending;
        }
        let outputs = mem::take(outputs).into_iter();
        let outputs = outputs.map(|output| output.expect("a finished future has an output"));
        Poll::Ready(outputs.collect())
    }
}

/// The outputs of several futures, each with its tag, in the order in which they are ready: a
/// stream.
///
/// # Panics
/// With the panic of a future, in the poll that would return its output.
pub(crate) struct JoinEach<T, F, O, B> {
    /// The tags of the futures that have not begun. Emptied by the first poll.
    tags: Vec<T>,
    begin: B,
    running: PollSet<T, F>,
    ready: VecDeque<(T, Result<O, Payload>)>,
}

impl<T, F, O, B> JoinEach<T, F, O, B> {
    /// The first poll calls `begin` with every tag, and then polls the futures.
    pub(crate) fn new(tags: Vec<T>, begin: B) -> Self
    where
        B: FnMut(T) -> F,
    {
        Self {
            tags,
            begin,
            running: PollSet::new(),
            ready: VecDeque::new(),
        }
    }

    fn remaining(&self) -> usize {
        self.tags.len() + self.running.len() + self.ready.len()
    }
}

impl<T, F, O, B> Stream for JoinEach<T, F, O, B>
where
    T: Clone,
    F: Future<Output = O> + Unpin,
    B: FnMut(T) -> F,
{
    type Item = (T, O);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<(T, O)>> {
        let Self {
            tags,
            begin,
            running,
            ready,
        } = &mut *self;
        if ready.is_empty() {
            let mut done = |(tag, _, output): Finished<T, F, O>| ready.push_back((tag, output));
            running.poll_notified(cx, &mut done);
            // All must begin before the first is polled: that poll may close the window of a batch,
            // which would then miss the other keys.
            let begun = mem::take(tags)
                .into_iter()
                .map(|tag| (tag.clone(), begin(tag)));
            for (tag, future) in begun.collect::<Vec<_>>() {
                running.push(tag, future, &mut done);
            }
        }
        match ready.pop_front() {
            Some((tag, Ok(output))) => Poll::Ready(Some((tag, output))),
            Some((_, Err(payload))) => panic::resume(payload),
            None if running.is_empty() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining(), Some(self.remaining()))
    }
}

impl<T, F, O, B> FusedStream for JoinEach<T, F, O, B>
where
    T: Clone,
    F: Future<Output = O> + Unpin,
    B: FnMut(T) -> F,
{
    fn is_terminated(&self) -> bool {
        self.remaining() == 0
    }
}

/// A `JoinEach` pins its futures only while it polls them, and they are `Unpin`.
impl<T, F, O, B> Unpin for JoinEach<T, F, O, B> {}

/// A `JoinAll` pins its futures only while it polls them, and they are `Unpin`.
impl<F, O> Unpin for JoinAll<F, O> {}

#[cfg(test)]
mod tests;
