//! The tasks of a virtual runtime, and the queue of those that can run.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use slab::Slab;

use super::VirtualRuntime;
use crate::sync::{Arc, AtomicBool, Mutex, Ordering, WakerMutex, impl_wake};

pub(super) type Body = Pin<Box<dyn Future<Output = ()>>>;

/// A task's slot, and its number: slots are reused, numbers are not.
type TaskId = (usize, u64);

/// The tasks that are not complete.
pub(super) struct Tasks {
    slots: RefCell<Slab<Slot>>,
    queue: Arc<RunQueue>,
    next_number: Cell<u64>,
    /// The state of the generator that picks the next task; 0: the task that was woken first.
    generator: Cell<u64>,
}

/// A task; its body is taken out while it is polled.
struct Slot {
    waker: Arc<TaskWaker>,
    body: Option<Body>,
}

/// Tasks to be polled, oldest first. Their wakers may be woken on any thread.
struct RunQueue(WakerMutex<VecDeque<Arc<TaskWaker>>>);

struct TaskWaker {
    task: TaskId,
    is_queued: AtomicBool,
    queue: Arc<RunQueue>,
}

impl_wake!(TaskWaker, |task| {
    if !task.is_queued.swap(true, Ordering::SeqCst) {
        task.queue.0.with(|queue| queue.push_back(Arc::clone(task)));
    }
});

impl Tasks {
    pub(super) fn new() -> Self {
        Self {
            slots: RefCell::default(),
            queue: Arc::new(RunQueue(WakerMutex::new(VecDeque::new()))),
            next_number: Cell::new(0),
            generator: Cell::new(0),
        }
    }

    /// Picks the next task at random from now on.
    pub(super) fn seed(&self, seed: u64) {
        // The generator's state must not be 0.
        let state = seed.wrapping_add(0x9E37_79B9_7F4A_7C15).max(1);
        self.generator.set(state);
    }

    pub(super) fn len(&self) -> usize {
        self.slots.borrow().len()
    }

    /// Adds a task at the end of the queue.
    pub(super) fn spawn(&self, body: Body) -> TaskId {
        let number = self.next_number.replace(self.next_number.get() + 1);
        let mut slots = self.slots.borrow_mut();
        let slot = slots.vacant_entry();
        let task = (slot.key(), number);
        let waker = Arc::new(TaskWaker {
            task,
            is_queued: AtomicBool::new(false),
            queue: Arc::clone(&self.queue),
        });
        Waker::from(Arc::clone(&waker)).wake();
        slot.insert(Slot {
            waker,
            body: Some(body),
        });
        task
    }

    /// Polls one task from the queue. Returns `false` if the queue is empty.
    pub(super) fn run_one(&self) -> bool {
        let Some(waker) = self.next() else {
            return false;
        };
        // Must come before the poll: a task that is woken while it is polled is polled again.
        waker.is_queued.store(false, Ordering::SeqCst);
        let task = waker.task;
        let body = slot(&mut self.slots.borrow_mut(), task).and_then(|slot| slot.body.take());
        let Some(mut body) = body else { return true };
        let waker = Waker::from(waker);
        let polled = body.as_mut().poll(&mut Context::from_waker(&waker));
        self.put_back(task, body, polled.is_ready());
        true
    }

    /// Puts a task back after a poll. Drops it if it is complete or was aborted, with nothing
    /// borrowed: its destructor may spawn or abort tasks.
    fn put_back(&self, task: TaskId, body: Body, is_complete: bool) {
        let mut slots = self.slots.borrow_mut();
        if is_complete {
            drop(remove(&mut slots, task));
            drop(slots);
            drop(body);
        } else if let Some(slot) = slot(&mut slots, task) {
            slot.body = Some(body);
        } else {
            drop(slots);
            drop(body);
        }
    }

    /// Takes the next task from the queue.
    fn next(&self) -> Option<Arc<TaskWaker>> {
        self.queue.0.with(|queue| {
            if self.generator.get() == 0 || queue.len() < 2 {
                return queue.pop_front();
            }
            // Xorshift (Marsaglia, 2003).
            let mut state = self.generator.get();
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            self.generator.set(state);
            let len = queue.len() as u64;
            queue.remove(usize::try_from(state % len).unwrap_or(0))
        })
    }

    fn abort(&self, task: TaskId) {
        let aborted = remove(&mut self.slots.borrow_mut(), task);
        drop(aborted);
    }

    pub(super) fn abort_all(&self) {
        let aborted: Vec<_> = self.slots.borrow_mut().drain().collect();
        drop(aborted);
    }
}

/// The slot of `task`; `None` if it is complete or was aborted, even if another task has its slot.
fn slot(slots: &mut Slab<Slot>, task: TaskId) -> Option<&mut Slot> {
    slots.get_mut(task.0).filter(|slot| slot.waker.task == task)
}

fn remove(slots: &mut Slab<Slot>, task: TaskId) -> Option<Slot> {
    slot(slots, task)?;
    Some(slots.remove(task.0))
}

/// A handle of a background task: a future of the task's output.
///
/// [`VirtualRuntime::spawn`] returns it. Dropping it does not abort the task.
pub struct JoinHandle<T> {
    runtime: VirtualRuntime,
    task: TaskId,
    result: Rc<TaskResult<T>>,
}

/// The output of a task, and the waker of the task that waits for it.
struct TaskResult<T> {
    output: RefCell<Option<T>>,
    waker: RefCell<Option<Waker>>,
}

impl<T: 'static> JoinHandle<T> {
    pub(super) fn spawn(
        runtime: &VirtualRuntime,
        future: impl Future<Output = T> + 'static,
    ) -> Self {
        let result = Rc::new(TaskResult {
            output: RefCell::new(None),
            waker: RefCell::new(None),
        });
        let completed = Rc::clone(&result);
        let task = runtime.tasks().spawn(Box::pin(async move {
            let output = future.await;
            *completed.output.borrow_mut() = Some(output);
            let waker = completed.waker.borrow_mut().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }));
        Self {
            runtime: runtime.clone(),
            task,
            result,
        }
    }
}

impl<T> JoinHandle<T> {
    /// Drops the task at its current `await`. Awaiting the handle then never completes, unless the
    /// task was complete.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    ///
    /// let runtime = VirtualRuntime::new();
    /// runtime.spawn(core::future::pending::<()>()).abort();
    /// assert_eq!(runtime.task_count(), 0);
    /// ```
    pub fn abort(&self) {
        self.runtime.tasks().abort(self.task);
    }

    /// Returns whether the task is complete and its output was not taken yet.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    ///
    /// let runtime = VirtualRuntime::new();
    /// let task = runtime.spawn(async { 7 });
    /// runtime.run_until_idle();
    /// assert!(task.is_finished());
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.result.output.borrow().is_some()
    }

    /// Takes the output, if the task is complete and the output was not taken yet.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    ///
    /// let runtime = VirtualRuntime::new();
    /// let task = runtime.spawn(async { 7 });
    /// runtime.run_until_idle();
    /// assert_eq!(task.take(), Some(7));
    /// ```
    #[must_use]
    pub fn take(&self) -> Option<T> {
        self.result.output.borrow_mut().take()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(output) = self.take() {
            return Poll::Ready(output);
        }
        let old = self.result.waker.replace(Some(cx.waker().clone()));
        drop(old);
        Poll::Pending
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
