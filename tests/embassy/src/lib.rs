//! Runs tests on embassy's executor, which by itself never returns and needs tasks of a named type.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use cache_embassy::{Embassy, Locking};
use embassy_executor::raw::TaskStorage;
use embassy_executor::{Executor, Spawner};

thread_local! {
    static SPAWNER: Cell<Option<Spawner>> = const { Cell::new(None) };
    static TASK_COUNT: Cell<usize> = const { Cell::new(0) };
}

/// A test that takes longer fails.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// Runs `test` on an executor of its own. The test is polled beside the executor's tasks, with a
/// waker that is not embassy's.
///
/// # Panics
/// Panics if the test panics or takes longer than ten minutes.
pub fn block_on(test: impl Future<Output = ()>) {
    TASK_COUNT.set(0);
    let test_waker = Arc::new(TestWaker::default());
    let waker = Waker::from(Arc::clone(&test_waker));
    let begin = |spawner| {
        SPAWNER.set(Some(spawner));
        let test_waker = Arc::clone(&test_waker);
        start(poll_fn(move |cx| {
            *locked(&test_waker.executor) = Some(cx.waker().clone());
            Poll::<()>::Pending
        }));
        waker.wake_by_ref();
    };
    let mut test = pin!(test);
    let executor = Box::leak(Box::new(Executor::new()));
    let (_done, watched) = mpsc::channel::<()>();
    thread::spawn({
        let test_waker = Arc::clone(&test_waker);
        move || {
            if watched.recv_timeout(TIME_LIMIT) == Err(RecvTimeoutError::Timeout) {
                test_waker.is_late.store(true, Ordering::SeqCst);
                test_waker.wake();
            }
        }
    });
    executor.run_until(begin, || {
        assert!(!test_waker.is_late.load(Ordering::SeqCst), "the test hangs");
        let mut cx = Context::from_waker(&waker);
        test_waker.is_woken.swap(false, Ordering::SeqCst) && test.as_mut().poll(&mut cx).is_ready()
    });
}

/// Starts the runner of `runtime` on the executor of this test.
pub fn start_runner<M: Locking>(runtime: &Embassy<M>) {
    let runner = cache_embassy::runner(runtime);
    start(async { runner.run().await });
}

/// Starts an embassy task of any type. Its storage is leaked.
pub fn start(future: impl Future<Output = ()> + 'static) {
    let storage = Box::leak(Box::new(TaskStorage::new()));
    let token = storage.spawn(|| future).expect("the storage is new");
    SPAWNER.get().expect("called inside of a test").spawn(token);
}

/// The waker of the test's own future, which is no embassy task. It wakes the executor, which then
/// polls the test.
#[derive(Default)]
struct TestWaker {
    is_woken: AtomicBool,
    is_late: AtomicBool,
    /// The waker of an embassy task, through which the executor is woken.
    executor: Mutex<Option<Waker>>,
}

impl Wake for TestWaker {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        let executor = locked(&self.executor).clone();
        executor.iter().for_each(Waker::wake_by_ref);
    }
}

/// A background task.
pub struct Task<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    /// The task, while it is not polled.
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    is_aborted: bool,
    output: Option<thread::Result<T>>,
    join_waker: Option<Waker>,
}

/// Starts a task on the executor of this test.
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    let state = Arc::new(Mutex::new(State {
        future: Some(Box::pin(future)),
        is_aborted: false,
        output: None,
        join_waker: None,
    }));
    TASK_COUNT.set(TASK_COUNT.get() + 1);
    let task = Arc::clone(&state);
    start(poll_fn(move |cx| poll_task(&task, cx)));
    Task(state)
}

/// The number of unfinished tasks of this test.
pub fn task_count() -> usize {
    TASK_COUNT.get()
}

fn poll_task<T>(state: &Mutex<State<T>>, cx: &mut Context<'_>) -> Poll<()> {
    let Some(mut future) = locked(state).future.take() else {
        return Poll::Ready(());
    };
    let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
    let output = match polled {
        Ok(Poll::Pending) => {
            let mut state = locked(state);
            if !state.is_aborted {
                state.future = Some(future);
                return Poll::Pending;
            }
            None
        }
        Ok(Poll::Ready(output)) => Some(Ok(output)),
        Err(panic) => Some(Err(panic)),
    };
    TASK_COUNT.set(TASK_COUNT.get() - usize::from(!locked(state).is_aborted));
    let join_waker = {
        let mut state = locked(state);
        state.output = output;
        state.join_waker.take()
    };
    join_waker.iter().for_each(Waker::wake_by_ref);
    Poll::Ready(())
}

impl<T> Task<T> {
    /// Drops the task's future.
    pub fn abort(&self) {
        let mut state = locked(&self.0);
        if state.output.is_none() && !state.is_aborted {
            state.is_aborted = true;
            TASK_COUNT.set(TASK_COUNT.get() - 1);
        }
        let future = state.future.take();
        drop(state);
        drop(future);
    }

    pub fn is_finished(&self) -> bool {
        let state = locked(&self.0);
        state.output.is_some() || state.is_aborted
    }

    /// Waits for the task's output, and resumes its panic.
    pub async fn join(self) -> T {
        let output = poll_fn(|cx| {
            let mut state = locked(&self.0);
            state.join_waker = Some(cx.waker().clone());
            state.output.take().map_or(Poll::Pending, Poll::Ready)
        });
        output.await.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Locks a mutex, also one that a failed test has poisoned.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
