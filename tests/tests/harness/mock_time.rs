//! Shared parts of harnesses whose runtimes cannot pause their clocks. The cache and the timers of
//! loaders use a [`MockClock`]. The adapter under test spawns the tasks.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cache_core::Instant;
use cache_core::runtime::{Runtime, Timer};
use futures_util::FutureExt;
use futures_util::future::{AbortHandle, Abortable};
use tokio::sync::oneshot;

use super::{Place, RUNTIMES, Rt, SETTLES_AFTER, Sendable, block_on};

thread_local! {
    static CURRENT: RefCell<Option<Rt>> = const { RefCell::new(None) };
}

/// Runs a test on each of the runtimes in turn, or on the one that `CONTRACT_RUNTIME` names.
pub fn run<F: Future<Output = ()>>(test: impl Fn() -> F) {
    for name in chosen() {
        let _place = Named(name);
        block_on(name, |place| {
            let runtime = Rt::new(place);
            let test = &test;
            inside(runtime, async move { test().await })
        });
    }
}

/// Runs a test several times with different seeds.
pub fn run_seeds<F: Future<Output = ()>>(test: impl Fn(u64) -> F) {
    for seed in 0..20 {
        run(|| test(seed));
    }
}

fn chosen() -> Vec<&'static str> {
    let Ok(choice) = std::env::var("CONTRACT_RUNTIME") else {
        return RUNTIMES.to_vec();
    };
    let known = RUNTIMES.iter().find(|name| **name == choice);
    let known = known.copied();
    vec![known.unwrap_or_else(|| {
        panic!("CONTRACT_RUNTIME is {choice:?}, but it must be one of {RUNTIMES:?}")
    })]
}

/// Reports the runtime on which a test failed.
struct Named(&'static str);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was on {}", self.0);
        }
    }
}

/// Runs `future` with `rt` as the result of [`runtime`].
pub async fn inside<T>(runtime: Rt, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _outer = Outer(CURRENT.replace(Some(runtime.clone())));
        future.as_mut().poll(cx)
    })
    .await
}

/// The previous runtime of this thread. The drop restores it.
struct Outer(Option<Rt>);

impl Drop for Outer {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// The runtime of the current test, for `Cache::builder_on`.
pub fn runtime() -> Rt {
    CURRENT.with_borrow(|runtime| runtime.clone().expect("a test is running"))
}

/// A runtime whose time the test sets by hand, also backwards.
pub fn runtime_with_clock() -> (Rt, impl Fn(Instant)) {
    let runtime = Rt::new(runtime().place);
    let clock = runtime.clock.clone();
    (runtime, move |at| clock.set(at))
}

/// A spawned task.
pub struct Task<T> {
    output: oneshot::Receiver<std::thread::Result<T>>,
    abort: AbortHandle,
    alive: Weak<()>,
}

pub fn spawn<T>(future: impl Future<Output = T> + Sendable + 'static) -> Task<T>
where
    T: Sendable + 'static,
{
    let (sender, output) = oneshot::channel();
    let (abort, registration) = AbortHandle::new_pair();
    let alive = Arc::new(());
    let task = Task {
        output,
        abort,
        alive: Arc::downgrade(&alive),
    };
    let body = async move {
        let output = AssertUnwindSafe(future).catch_unwind().await;
        // The test may have dropped its handle.
        let _heard = sender.send(output);
        drop(alive);
    };
    let body = Abortable::new(body, registration).map(drop);
    let spawned = runtime().spawn(Box::pin(body));
    assert!(spawned.is_ok(), "the runtime spawns");
    task
}

impl<T> Task<T> {
    /// Cancels the task.
    pub fn abort(&self) {
        self.abort.abort();
    }

    pub fn is_finished(&self) -> bool {
        self.alive.strong_count() == 0
    }

    /// The output of the task. Resumes its panic.
    pub async fn join(self) -> T {
        match self.output.await.expect("the task was not aborted") {
            Ok(output) => output,
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// Yields until `condition` holds. Time does not pass.
pub async fn until(condition: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < Duration::from_secs(300),
            "the condition did not become true"
        );
        tokio::task::yield_now().await;
    }
}

/// Advances the time by `by` and lets tasks run.
pub async fn advance(by: Duration) {
    runtime().clock.advance(by);
    for _ in 0..SETTLES_AFTER {
        tokio::task::yield_now().await;
    }
}

/// Waits for `duration` of the clock's time. For loaders.
pub fn sleep(duration: Duration) -> impl Future<Output = ()> + Sendable {
    let clock = runtime().clock;
    let (deadline, mut timer) = (clock.now().after(duration), clock.timer());
    poll_fn(move |cx| timer.poll_until(deadline, cx))
}

/// The number of the runtime's unfinished tasks.
pub fn task_count() -> usize {
    runtime().tasks.load(Ordering::SeqCst)
}

/// Counts as a task until it is dropped.
pub struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub fn new(tasks: &Arc<AtomicUsize>) -> Self {
        tasks.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(tasks))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
