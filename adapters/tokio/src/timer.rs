//! Timers of a runtime that may have none, or may have ended.

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

/// A timer of Tokio's, or of a test's clock.
#[derive(Debug)]
pub enum Timer {
    /// Tokio's.
    Tokio(TokioTimer),
    /// A test's.
    #[cfg(feature = "testing")]
    Mock(cache_core::testing::MockTimer),
}

/// A timer of Tokio's.
#[derive(Debug)]
pub struct TokioTimer {
    clock: Arc<Clock>,
    handle: Handle,
    /// For when it is set, on the clock of its runtime.
    set: Option<time::Instant>,
    sleep: Pin<Box<Sleep>>,
    /// Whether its runtime ended while it was polled.
    is_broken: bool,
}

impl TokioTimer {
    /// A timer of the runtime that `handle` belongs to, if that runs and has timers.
    pub(crate) fn new(handle: Handle, clock: Arc<Clock>) -> Option<Self> {
        if !runs(&handle) {
            return None;
        }
        let sleep = WithoutTimers::unless_known(&handle)?;
        Some(Self {
            clock,
            handle,
            set: None,
            sleep,
            is_broken: false,
        })
    }

    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if deadline == Instant::FAR {
            return Poll::Pending;
        }
        let at = self.clock.on_clock_of(self.handle.id(), deadline);
        if self.set != Some(at) {
            self.set = Some(at);
            self.sleep.as_mut().reset(at);
        }
        // Outside of its tasks a runtime may end at any time, also between the last look and now.
        let polled = catch_unwind(AssertUnwindSafe(|| self.sleep.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            self.is_broken = true;
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
            Self::Tokio(timer) => !timer.is_broken && runs(&timer.handle),
            #[cfg(feature = "testing")]
            Self::Mock(_) => true,
        }
    }
}

/// Whether the timers of this runtime may be polled here and now.
fn runs(handle: &Handle) -> bool {
    // Its timers end after its tasks.
    is_task_of(handle) || !has_ended(handle)
}

/// Whether a task of this runtime makes this call.
fn is_task_of(handle: &Handle) -> bool {
    let current = || Handle::try_current().is_ok_and(|current| current.id() == handle.id());
    task::try_id().is_some() && current()
}

/// Whether this runtime has ended, or has begun to drop its tasks: it takes no new one.
pub(crate) fn has_ended(handle: &Handle) -> bool {
    let task = handle.spawn(std::future::pending::<()>());
    let has_ended = task.is_finished();
    task.abort();
    has_ended
}

/// As [`has_ended`], from the moment on when the runtime begins to end: one with several threads refuses
/// blocking tasks before it drops the others. On one that runs, this may start a thread.
pub(crate) fn is_ending(handle: &Handle) -> bool {
    if has_ended(handle) {
        return true;
    }
    if handle.runtime_flavor() == RuntimeFlavor::CurrentThread {
        return false;
    }
    let has_run = Arc::new(AtomicBool::new(false));
    let runs = Arc::clone(&has_run);
    let task = handle.spawn_blocking(move || runs.store(true, Ordering::SeqCst));
    task.is_finished() && !has_run.load(Ordering::SeqCst)
}

/// The runtimes that were found to have no timers, oldest first.
struct WithoutTimers(Mutex<VecDeque<Id>>);

static WITHOUT_TIMERS: WithoutTimers = WithoutTimers(Mutex::new(VecDeque::new()));

/// Whether there are any.
static ARE_ANY_WITHOUT: AtomicBool = AtomicBool::new(false);

impl WithoutTimers {
    const KNOWN: usize = 256;

    /// A timer of this runtime. Whether it has timers, Tokio tells only by a panic (its issue 8361):
    /// that happens once for each runtime that has none.
    fn unless_known(handle: &Handle) -> Option<Pin<Box<Sleep>>> {
        if ARE_ANY_WITHOUT.load(Ordering::Relaxed) && WITHOUT_TIMERS.knows(handle.id()) {
            return None;
        }
        let made = catch_unwind(AssertUnwindSafe(|| {
            let _inside = handle.enter();
            Box::pin(time::sleep_until(time::Instant::now()))
        }));
        if made.is_err() {
            WITHOUT_TIMERS.note(handle.id());
        }
        made.ok()
    }

    fn knows(&self, id: Id) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(&id)
    }

    fn note(&self, id: Id) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == Self::KNOWN {
            known.pop_front();
        }
        known.push_back(id);
        ARE_ANY_WITHOUT.store(true, Ordering::Relaxed);
    }
}
