//! Timers of a runtime that may have none, or may shut down.
//!
//! | `TokioTimer` | `poll_until`                                              | next state    |
//! |--------------|-----------------------------------------------------------|---------------|
//! | new          | sets the sleep to the deadline and polls it               | set or broken |
//! | set          | sets the sleep if the deadline has changed, and polls it  | set or broken |
//! | broken       | not called: `works` is false, the cache requests another  |               |
//!
//! A timer is broken once a poll of the sleep has panicked, because the runtime was shut down.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use cache_core::Instant;
use cache_core::runtime;
use tokio::runtime::{Handle, Id, RuntimeFlavor};
use tokio::task;
use tokio::time::{self, Sleep};

use crate::clock::Clock;

/// A timer of Tokio or of a test's clock.
#[derive(Debug)]
pub enum Timer {
    /// A timer of Tokio.
    Tokio(TokioTimer),
    /// A timer of a test's clock.
    #[cfg(feature = "testing")]
    Mock(cache_core::testing::MockTimer),
}

/// A timer of Tokio.
#[derive(Debug)]
pub struct TokioTimer {
    clock: Arc<Clock>,
    handle: Handle,
    /// The deadline that `sleep` is set to, on the clock of its runtime.
    deadline: Option<time::Instant>,
    sleep: Pin<Box<Sleep>>,
    /// Whether a poll of `sleep` panicked, because its runtime was shut down.
    is_broken: bool,
}

impl TokioTimer {
    /// A timer of the runtime that `handle` belongs to, unless that has shut down or has no timers.
    pub(crate) fn new(handle: Handle, clock: Arc<Clock>) -> Option<Self> {
        if !can_poll_timers(&handle) {
            return None;
        }
        let sleep = RuntimesWithoutTimers::new_sleep(&handle)?;
        Some(Self {
            clock,
            handle,
            deadline: None,
            sleep,
            is_broken: false,
        })
    }

    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if deadline == Instant::FAR {
            return Poll::Pending;
        }
        let deadline = self.clock.on_clock_of(self.handle.id(), deadline);
        if self.deadline != Some(deadline) {
            self.deadline = Some(deadline);
            self.sleep.as_mut().reset(deadline);
        }
        // Outside of its tasks a runtime may shut down at any time, also after the cache has called
        // `works`. Then the poll panics.
        let polled = catch_unwind(AssertUnwindSafe(|| self.sleep.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            self.is_broken = true;
            // The next poll finds that this timer is broken and requests another.
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
}

impl runtime::Timer for Timer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tokio(timer) => timer.poll_until(deadline, cx),
            #[cfg(feature = "testing")]
            Self::Mock(timer) => timer.poll_until(deadline, cx),
        }
    }

    fn is_usable(&self) -> bool {
        match self {
            Self::Tokio(timer) => !timer.is_broken && can_poll_timers(&timer.handle),
            #[cfg(feature = "testing")]
            Self::Mock(_) => true,
        }
    }
}

/// Whether this call may poll the timers of this runtime.
fn can_poll_timers(handle: &Handle) -> bool {
    // A runtime shuts down its timers after its tasks.
    is_task_of(handle) || !rejects_tasks(handle)
}

/// Whether a task of this runtime makes this call.
fn is_task_of(handle: &Handle) -> bool {
    let current = || Handle::try_current().is_ok_and(|current| current.id() == handle.id());
    task::try_id().is_some() && current()
}

/// Whether this runtime rejects new tasks: it has begun to drop its tasks, or has shut down.
pub(crate) fn rejects_tasks(handle: &Handle) -> bool {
    let task = handle.spawn(std::future::pending::<()>());
    let is_rejected = task.is_finished();
    task.abort();
    is_rejected
}

/// Whether this runtime has begun to shut down. True earlier than [`rejects_tasks`]: a runtime with
/// several threads rejects blocking tasks before it drops the others.
///
/// If the runtime is not shutting down, this may start one of its threads.
pub(crate) fn is_shutting_down(handle: &Handle) -> bool {
    if rejects_tasks(handle) {
        return true;
    }
    if handle.runtime_flavor() == RuntimeFlavor::CurrentThread {
        return false;
    }
    let has_run = Arc::new(AtomicBool::new(false));
    let task = handle.spawn_blocking({
        let has_run = Arc::clone(&has_run);
        move || has_run.store(true, Ordering::SeqCst)
    });
    task.is_finished() && !has_run.load(Ordering::SeqCst)
}

/// The runtimes that were found to have no timers, oldest first.
struct RuntimesWithoutTimers(Mutex<VecDeque<Id>>);

static WITHOUT_TIMERS: RuntimesWithoutTimers = RuntimesWithoutTimers(Mutex::new(VecDeque::new()));

/// Whether [`WITHOUT_TIMERS`] is not empty.
static ANY_WITHOUT_TIMERS: AtomicBool = AtomicBool::new(false);

impl RuntimesWithoutTimers {
    const MAX_IDS: usize = 256;

    /// A new timer of this runtime; `None` if the runtime has no timers. Tokio reports that only by
    /// a panic (its issue 8361), which this causes and catches once per such runtime.
    fn new_sleep(handle: &Handle) -> Option<Pin<Box<Sleep>>> {
        if ANY_WITHOUT_TIMERS.load(Ordering::Relaxed) && WITHOUT_TIMERS.contains(handle.id()) {
            return None;
        }
        let made = catch_unwind(AssertUnwindSafe(|| {
            let _entered = handle.enter();
            Box::pin(time::sleep_until(time::Instant::now()))
        }));
        if made.is_err() {
            WITHOUT_TIMERS.insert(handle.id());
        }
        made.ok()
    }

    fn contains(&self, id: Id) -> bool {
        let ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.contains(&id)
    }

    fn insert(&self, id: Id) {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() == Self::MAX_IDS {
            ids.pop_front();
        }
        ids.push_back(id);
        ANY_WITHOUT_TIMERS.store(true, Ordering::Relaxed);
    }
}
