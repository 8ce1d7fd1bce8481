//! A deterministic executor on one thread, with virtual time.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use slab::Slab;

use crate::machine::Instant;
use crate::runtime::{self, CurrentThread, Runtime, Task, Timer};
use crate::sync::{
    Arc, AtomicBool, LocalMutex, LocalRwLock, Mutex, Ordering, WakerMutex, impl_wake,
};

/// A runtime for tests: tasks run on one thread, in the order in which they were woken, and time
/// passes only when nothing else can happen. Clones are the same runtime.
///
/// ```
/// use cache_core::Cache;
/// use cache_core::testing::VirtualRuntime;
/// use core::time::Duration;
///
/// let runtime = VirtualRuntime::new();
/// let cache: Cache<u32, &str, _> = Cache::builder_on(runtime.clone())
///     .time_to_live(Duration::from_secs(3_600))
///     .build();
///
/// runtime.block_on(async {
///     let sleepy = runtime.clone();
///     let load = || async move {
///         sleepy.sleep(Duration::from_secs(5)).await;
///         "loaded"
///     };
///     assert_eq!(cache.get_with(1, load).await, "loaded");
///     runtime.sleep(Duration::from_secs(3_600)).await;
///     assert_eq!(cache.get(&1), None);
/// });
/// assert_eq!(runtime.elapsed(), Duration::from_secs(3_605));
/// ```
#[derive(Clone)]
pub struct VirtualRuntime(Rc<Inner>);

struct Inner {
    tasks: RefCell<Slab<Slot>>,
    woken: Arc<Woken>,
    timers: RefCell<Timers>,
    now: Cell<Instant>,
    spawns: Cell<bool>,
    /// The state of the generator that picks the next task; 0: the one that was woken first.
    dice: Cell<u64>,
    context: runtime::Context,
    next_id: Cell<u64>,
}

type Body = Pin<Box<dyn Future<Output = ()>>>;

/// A task; its body is taken out while it is polled.
struct Slot {
    waker: Arc<TaskWaker>,
    body: Option<Body>,
}

/// Tasks to be polled, oldest first. Wakers reach it from anywhere.
struct Woken(WakerMutex<VecDeque<Arc<TaskWaker>>>);

#[derive(Default)]
struct Timers {
    waiting: BTreeMap<(Instant, u64), Waker>,
    next: u64,
}

impl VirtualRuntime {
    /// A runtime at the origin of time.
    #[must_use]
    pub fn new() -> Self {
        Self(Rc::new(Inner {
            tasks: RefCell::default(),
            woken: Arc::new(Woken(WakerMutex::new(VecDeque::new()))),
            timers: RefCell::default(),
            now: Cell::new(Instant::ORIGIN),
            spawns: Cell::new(true),
            dice: Cell::new(0),
            context: runtime::Context::new(),
            next_id: Cell::new(0),
        }))
    }

    /// A runtime that picks the next task at random among those that can run: another order for
    /// each seed, the same for the same one.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let runtime = Self::new();
        runtime
            .0
            .dice
            .set(seed.wrapping_add(0x9E37_79B9_7F4A_7C15).max(1));
        runtime
    }

    /// A runtime on which the cache cannot spawn: loads are driven by whoever waits for them.
    #[must_use]
    pub fn without_spawner() -> Self {
        let runtime = Self::new();
        runtime.0.spawns.set(false);
        runtime
    }

    /// Runs `future` and everything spawned until `future` is done. Time jumps to the next timer
    /// whenever nothing else can run.
    ///
    /// # Panics
    /// If `future` is not done and nothing is left that could wake it: it would hang for ever. If
    /// a task panics.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = core::pin::pin!(future);
        let main = Arc::new(Main(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&main));
        let mut cx = Context::from_waker(&waker);
        loop {
            if main.0.swap(false, Ordering::SeqCst)
                && let Poll::Ready(output) = future.as_mut().poll(&mut cx)
            {
                return output;
            }
            let ran = self.run_one();
            let idle = !ran && !main.0.load(Ordering::SeqCst);
            assert!(
                !idle || self.fire_next(None),
                "the future hangs: no task can run and no timer is set"
            );
        }
    }

    /// Runs every task that can run, and those that they wake, without any time passing.
    pub fn run_until_idle(&self) {
        while self.run_one() {}
    }

    /// Lets `by` pass: fires the timers that come due, in order, and runs what they wake.
    pub fn advance(&self, by: Duration) {
        let until = self.0.now.get().after(by);
        self.run_until_idle();
        while self.fire_next(Some(until)) {
            self.run_until_idle();
        }
        self.0.now.set(self.0.now.get().max(until));
    }

    /// Sets the clock back or forward without firing a timer: what a broken clock does.
    pub fn set_now(&self, now: Instant) {
        self.0.now.set(now);
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.0.now.get()
    }

    /// The time that has passed since the runtime was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.now.get().since(Instant::ORIGIN)
    }

    /// Waits for `duration` of virtual time.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep {
            deadline: self.0.now.get().after(duration),
            timer: self.timer_here(),
        }
    }

    /// Lets every other task that can run do so once.
    pub async fn yield_now(&self) {
        let mut yielded = false;
        core::future::poll_fn(|cx| {
            if core::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Runs `future` in the background; it first runs when the executor comes to it. Dropping the
    /// handle lets it go on.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
        let shared = Rc::new(Joined {
            output: RefCell::new(None),
            waker: RefCell::new(None),
        });
        let joined = Rc::clone(&shared);
        let task = self.spawn_body(Box::pin(async move {
            let output = future.await;
            *joined.output.borrow_mut() = Some(output);
            let waker = joined.waker.borrow_mut().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }));
        JoinHandle {
            runtime: self.clone(),
            task,
            shared,
        }
    }

    /// Tasks that are not done.
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.0.tasks.borrow().len()
    }

    /// Drops every task, as the shutdown of a runtime does.
    pub fn abort_all(&self) {
        let tasks: Vec<_> = self.0.tasks.borrow_mut().drain().collect();
        drop(tasks);
    }

    fn timer_here(&self) -> VirtualTimer {
        VirtualTimer {
            runtime: self.clone(),
            set: None,
        }
    }

    fn spawn_body(&self, body: Body) -> (usize, u64) {
        let id = self.0.next_id.replace(self.0.next_id.get() + 1);
        let mut tasks = self.0.tasks.borrow_mut();
        let entry = tasks.vacant_entry();
        let task = (entry.key(), id);
        let waker = Arc::new(TaskWaker {
            task,
            queued: AtomicBool::new(false),
            woken: Arc::clone(&self.0.woken),
        });
        Waker::from(Arc::clone(&waker)).wake();
        entry.insert(Slot {
            waker,
            body: Some(body),
        });
        task
    }

    /// Polls one task that was woken. `false` if there is none.
    fn run_one(&self) -> bool {
        let Some(woken) = self.pick() else {
            return false;
        };
        // From here on it may be woken again.
        woken.queued.store(false, Ordering::SeqCst);
        let task = woken.task;
        let body =
            Self::slot(&mut self.0.tasks.borrow_mut(), task).and_then(|slot| slot.body.take());
        let Some(mut body) = body else { return true };
        let waker = Waker::from(woken);
        let done = body
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready();
        self.put_back(task, body, done);
        true
    }

    /// Puts a task back after a poll; drops it, with nothing borrowed, if it is done or aborted.
    fn put_back(&self, task: (usize, u64), body: Body, done: bool) {
        let mut tasks = self.0.tasks.borrow_mut();
        if done {
            drop(Self::take(&mut tasks, task));
            drop(tasks);
            drop(body);
        } else if let Some(slot) = Self::slot(&mut tasks, task) {
            slot.body = Some(body);
        } else {
            drop(tasks);
            drop(body);
        }
    }

    /// The task, unless it is done or aborted and its place taken by another.
    fn slot(tasks: &mut Slab<Slot>, task: (usize, u64)) -> Option<&mut Slot> {
        tasks.get_mut(task.0).filter(|slot| slot.waker.task == task)
    }

    fn take(tasks: &mut Slab<Slot>, task: (usize, u64)) -> Option<Slot> {
        Self::slot(tasks, task)?;
        Some(tasks.remove(task.0))
    }

    fn pick(&self) -> Option<Arc<TaskWaker>> {
        let dice = &self.0.dice;
        self.0.woken.0.with(|woken| {
            if dice.get() == 0 || woken.len() < 2 {
                return woken.pop_front();
            }
            // Xorshift (Marsaglia, 2003).
            let mut state = dice.get();
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            dice.set(state);
            let len = woken.len() as u64;
            woken.remove(usize::try_from(state % len).unwrap_or(0))
        })
    }

    /// Moves time to the next timer, if that is not after `until`, and wakes it.
    fn fire_next(&self, until: Option<Instant>) -> bool {
        let fired = {
            let waiting = &mut self.0.timers.borrow_mut().waiting;
            let due = waiting.first_entry();
            due.filter(|due| until.is_none_or(|until| due.key().0 <= until))
                .map(|due| due.remove_entry())
        };
        let Some(((at, _), waker)) = fired else {
            return false;
        };
        self.0.now.set(self.0.now.get().max(at));
        waker.wake();
        true
    }
}

impl Default for VirtualRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for VirtualRuntime {
    type Flavor = CurrentThread;
    type Lock<T> = LocalRwLock<T>;
    type Mutex<T> = LocalMutex<T>;
    type Timer = VirtualTimer;

    fn now(&self) -> Instant {
        self.0.now.get()
    }

    fn timer(&self) -> Option<VirtualTimer> {
        Some(self.timer_here())
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        if !self.0.spawns.get() {
            return Err(task);
        }
        self.spawn_body(task);
        Ok(())
    }

    fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
        f(&self.0.context)
    }
}

impl fmt::Debug for VirtualRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualRuntime")
            .field("now", &self.0.now.get())
            .field("tasks", &self.task_count())
            .finish_non_exhaustive()
    }
}

/// A timer of a [`VirtualRuntime`].
pub struct VirtualTimer {
    runtime: VirtualRuntime,
    set: Option<(Instant, u64)>,
}

impl VirtualTimer {
    fn unset(&mut self) {
        if let Some(set) = self.set.take() {
            let waker = self.runtime.0.timers.borrow_mut().waiting.remove(&set);
            drop(waker);
        }
    }
}

impl Timer for VirtualTimer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        self.unset();
        if deadline.has_passed(self.runtime.now()) {
            return Poll::Ready(());
        }
        if deadline != Instant::FAR {
            let waker = cx.waker().clone();
            let timers = &mut *self.runtime.0.timers.borrow_mut();
            let set = (deadline, timers.next);
            timers.next += 1;
            timers.waiting.insert(set, waker);
            self.set = Some(set);
        }
        Poll::Pending
    }
}

impl Drop for VirtualTimer {
    fn drop(&mut self) {
        self.unset();
    }
}

impl fmt::Debug for VirtualTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualTimer")
            .field("set", &self.set.map(|(at, _)| at))
            .finish_non_exhaustive()
    }
}

/// A wait for virtual time to pass: [`VirtualRuntime::sleep`] returns it.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Sleep {
    deadline: Instant,
    timer: VirtualTimer,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        self.timer.poll_until(deadline, cx)
    }
}

struct Joined<T> {
    output: RefCell<Option<T>>,
    waker: RefCell<Option<Waker>>,
}

/// A task in the background: a future of its output.
pub struct JoinHandle<T> {
    runtime: VirtualRuntime,
    task: (usize, u64),
    shared: Rc<Joined<T>>,
}

impl<T> JoinHandle<T> {
    /// Drops the task where it is. Awaiting the handle then hangs, unless the task was done.
    pub fn abort(&self) {
        let aborted = VirtualRuntime::take(&mut self.runtime.0.tasks.borrow_mut(), self.task);
        drop(aborted);
    }

    /// Whether the task is done.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.shared.output.borrow().is_some()
    }

    /// The output, if the task is done and the output was not taken yet.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        self.shared.output.borrow_mut().take()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(output) = self.take() {
            return Poll::Ready(output);
        }
        let old = self.shared.waker.replace(Some(cx.waker().clone()));
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

struct TaskWaker {
    /// The task's place, and its number: places are used again, numbers are not.
    task: (usize, u64),
    queued: AtomicBool,
    woken: Arc<Woken>,
}

impl_wake!(TaskWaker, |task| {
    if !task.queued.swap(true, Ordering::SeqCst) {
        task.woken.0.with(|woken| woken.push_back(Arc::clone(task)));
    }
});

struct Main(AtomicBool);

impl_wake!(Main, |main| main.0.store(true, Ordering::SeqCst));
