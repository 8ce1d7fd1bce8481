//! Several futures at once in one task, each with a waker of its own: a wake costs a poll of the
//! future that was woken, and of no other. futures-util's `FuturesUnordered` is the model.

use alloc::vec::Vec;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use slab::Slab;

use crate::panic::{self, Payload};
use crate::sync::{Arc, AtomicBool, Mutex, Ordering, WakerMutex, impl_wake};

/// Futures that run side by side in one task. Each has a name by which it is told when it is ready.
pub(crate) struct Several<N, F> {
    running: Slab<Member<N, F>>,
    ready: Arc<ReadyQueue>,
    /// The buffer that the ready queue is swapped with, empty between two polls.
    notified: Vec<usize>,
}

/// A future that is over: its name, the future, and its output or what its panic carried.
pub(crate) type Done<N, F, T> = (N, F, Result<T, Payload>);

/// One of the futures.
struct Member<N, F> {
    name: N,
    future: F,
    waker: Arc<MemberWaker>,
}

/// The waker of one of the futures. A future that takes the place of another gets a new one.
struct MemberWaker {
    place: usize,
    /// Whether a wake is of no use: the next poll of the task polls the future anyway, or the future
    /// is over.
    is_notified: AtomicBool,
    ready: Arc<ReadyQueue>,
}

/// The futures that are to be polled again, and the task that polls them.
struct ReadyQueue(WakerMutex<Notified>);

struct Notified {
    places: Vec<usize>,
    /// Until the first wake after a poll has begun.
    task: Option<Waker>,
}

impl<N, F> Several<N, F> {
    pub(crate) fn new() -> Self {
        let notified = Notified {
            places: Vec::new(),
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

impl<N, F: Future + Unpin> Several<N, F> {
    /// Polls each future that was woken since the last call, once. One that wakes itself meanwhile
    /// comes back through the executor.
    pub(crate) fn poll_notified(
        &mut self,
        cx: &Context<'_>,
        done: &mut impl FnMut(Done<N, F, F::Output>),
    ) {
        let places = mem::take(&mut self.notified);
        let mut places = self.ready.begin_poll(places, cx.waker().clone());
        for place in places.drain(..) {
            // The place may be another's by now, which was not woken.
            let member = self.running.get(place);
            if member.is_some_and(|member| member.waker.take_notification()) {
                self.poll_one(place, done);
            }
        }
        self.notified = places;
    }

    /// Adds a future, and polls it for the first time. In one poll of the task it comes after
    /// [`Several::poll_notified`].
    pub(crate) fn start(
        &mut self,
        name: N,
        future: F,
        done: &mut impl FnMut(Done<N, F, F::Output>),
    ) {
        let entry = self.running.vacant_entry();
        let place = entry.key();
        let waker = MemberWaker {
            place,
            is_notified: AtomicBool::new(false),
            ready: Arc::clone(&self.ready),
        };
        entry.insert(Member {
            name,
            future,
            waker: Arc::new(waker),
        });
        self.poll_one(place, done);
    }

    fn poll_one(&mut self, place: usize, done: &mut impl FnMut(Done<N, F, F::Output>)) {
        let member = &mut self.running[place];
        let waker = Waker::from(Arc::clone(&member.waker));
        let future = Pin::new(&mut member.future);
        let polled = panic::catch(|| future.poll(&mut Context::from_waker(&waker)));
        let output = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        let member = self.running.remove(place);
        member.waker.is_notified.store(true, Ordering::Relaxed);
        done((member.name, member.future, output));
    }
}

/// `Several` pins its futures only while it polls them, and they are `Unpin`.
impl<N, F> Unpin for Several<N, F> {}

impl<N, F> Drop for Several<N, F> {
    fn drop(&mut self) {
        // A waker of one of the futures may be kept for long; it must not keep the task's.
        let task = self.ready.0.with(|notified| notified.task.take());
        drop(task);
    }
}

impl ReadyQueue {
    /// Has the next wake wake `task`, and takes the places of the futures that were woken; `empty`
    /// takes their place.
    fn begin_poll(&self, mut empty: Vec<usize>, task: Waker) -> Vec<usize> {
        // The waker of the last poll is dropped outside of the lock.
        let old = self.0.with(|notified| {
            mem::swap(&mut notified.places, &mut empty);
            notified.task.replace(task)
        });
        drop(old);
        empty
    }
}

impl MemberWaker {
    fn notify(&self) {
        if self.is_notified.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = self.ready.0.with(|notified| {
            notified.places.push(self.place);
            notified.task.take()
        });
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Takes the wake of the future, before it is polled: a wake that comes later asks for a poll of
    /// its own.
    fn take_notification(&self) -> bool {
        // Not a plain store: the poll must see what the caller of the waker has done before.
        self.is_notified.swap(false, Ordering::AcqRel)
    }
}

impl_wake!(MemberWaker, |waker| waker.notify());

/// The outputs of several futures, in their order. A panic of one of them unwinds in the caller.
pub(crate) struct JoinAll<F, T> {
    /// Until the first poll.
    coming: Vec<F>,
    running: Several<usize, F>,
    outputs: Vec<Option<T>>,
}

impl<F, T> JoinAll<F, T> {
    pub(crate) fn new(futures: impl Iterator<Item = F>) -> Self {
        let coming: Vec<F> = futures.collect();
        Self {
            outputs: coming.iter().map(|_| None).collect(),
            coming,
            running: Several::new(),
        }
    }
}

impl<F: Future<Output = T> + Unpin, T> Future for JoinAll<F, T> {
    type Output = Vec<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<T>> {
        let Self {
            coming,
            running,
            outputs,
        } = &mut *self;
        let mut done = |(place, _, output): Done<usize, F, T>| {
            outputs[place] = Some(output.unwrap_or_else(|payload| panic::resume(payload)));
        };
        running.poll_notified(cx, &mut done);
        for (place, future) in mem::take(coming).into_iter().enumerate() {
            running.start(place, future, &mut done);
        }
        if !running.is_empty() {
            return Poll::Pending;
        }
        let outputs = mem::take(outputs).into_iter();
        let outputs = outputs.map(|output| output.expect("every future has an output once over"));
        Poll::Ready(outputs.collect())
    }
}

/// `JoinAll` pins its futures only while it polls them, and they are `Unpin`.
impl<F, T> Unpin for JoinAll<F, T> {}

#[cfg(test)]
mod tests;
