//! The runtime of the scenarios, made of shuttle's threads. It provides loaders that record their
//! start, and counts everything that must be dropped at the end.

use std::collections::HashMap;
use std::env;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError, Weak};
use std::task::{self, Poll, Wake, Waker};
use std::time::Duration;

use cache_core::runtime::{Context, ExecutorId, MultiThread, Runtime, Task, Timer};
use cache_core::sync::{RwLock as CoreRwLock, StdMutex as CoreMutex};
use cache_core::{Builder, Cache, Instant};
use shuttle::rand::Rng;
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::sync::RwLock as ShuttleLock;
use shuttle::sync::atomic::AtomicBool;
use shuttle::thread::{self, JoinHandle, Thread};
use shuttle::{Config, MaxSteps, Runner};

/// A cache on this runtime.
pub(crate) type ShuttleCache = Cache<u32, Value, ShuttleRuntime>;

/// Runs `scenario` under many schedules, or under the one in `CACHE_SCHEDULE`.
pub(crate) fn explore(scenario: fn(&ShuttleRuntime)) {
    const USUAL: usize = 10_000;
    const SEED: u64 = 0xCAC4E;
    const CHANGES_OF_PRIORITY: usize = 2;
    if let Ok(schedule) = env::var("CACHE_SCHEDULE") {
        run(ReplayScheduler::new_from_encoded(&schedule), scenario);
        return;
    }
    let schedules = env::var("CACHE_SCHEDULES").map_or(USUAL, |number| {
        number.parse().expect("CACHE_SCHEDULES is a number")
    });
    run(RandomScheduler::new_from_seed(SEED, schedules), scenario);
    let depth = CHANGES_OF_PRIORITY + 1;
    run(
        PctScheduler::new_from_seed(SEED, depth, schedules),
        scenario,
    );
}

fn run(scheduler: impl Scheduler + 'static, scenario: fn(&ShuttleRuntime)) {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    config.max_steps = MaxSteps::FailAfter(20_000);
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(move || {
        let runtime = ShuttleRuntime::new();
        scenario(&runtime);
        runtime.close();
    });
}

/// A number below `count`, which is part of the schedule.
pub(crate) fn one_of(count: u32) -> u32 {
    shuttle::rand::thread_rng().gen_range(0..count)
}

/// A runtime on shuttle's threads. Clones refer to the same runtime.
#[derive(Clone)]
pub(crate) struct ShuttleRuntime(Arc<RuntimeState>);

struct RuntimeState {
    spawner: Spawner,
    has_timer: bool,
    /// Background tasks, each on a thread of its own.
    tasks: StdMutex<Vec<JoinHandle<()>>>,
    clock: Arc<Clock>,
    /// A clock of events: loads, writes and reads take numbers in order.
    order: AtomicU64,
    /// The loaders of each key.
    loads: StdMutex<HashMap<u32, Loads>>,
    alive: Arc<()>,
    wakers: StdMutex<Vec<Weak<Parker>>>,
}

/// Loaders of one key.
#[derive(Debug, Clone, Copy, Default)]
struct Loads {
    running: u32,
    most_concurrent: u32,
    called: u32,
}

/// How background tasks run. Locks that are not shuttle's are held for one step at a time here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spawner {
    /// The runtime cannot spawn.
    None,
    Threads,
    /// On threads, each of which is a separate executor.
    Scattered,
    /// On threads that drop the task after this many polls, as in a shutdown.
    Halting(u32),
}

impl ShuttleRuntime {
    fn new() -> Self {
        let spawner = match one_of(5) {
            0 => Spawner::None,
            1 => Spawner::Threads,
            2 => Spawner::Scattered,
            polls => Spawner::Halting(polls - 3),
        };
        Self(Arc::new(RuntimeState {
            spawner,
            has_timer: one_of(4) > 0,
            tasks: StdMutex::default(),
            clock: Arc::default(),
            order: AtomicU64::new(1),
            loads: StdMutex::default(),
            alive: Arc::default(),
            wakers: StdMutex::default(),
        }))
    }

    /// A builder with a fixed hash seed, so that schedules can be repeated.
    pub(crate) fn builder(&self) -> Builder<u32, Value, Self> {
        Cache::builder_on(self.clone()).hash_seed(1)
    }

    pub(crate) fn cache(&self) -> ShuttleCache {
        self.builder().shards(1).build()
    }

    /// Whether the runtime polls spawned tasks to completion.
    pub(crate) fn completes_tasks(&self) -> bool {
        matches!(self.0.spawner, Spawner::Threads | Spawner::Scattered)
    }

    pub(crate) fn has_timer(&self) -> bool {
        self.0.has_timer
    }

    /// The next number of the clock of events.
    pub(crate) fn tick(&self) -> u64 {
        self.0.order.fetch_add(1, Ordering::Relaxed)
    }

    /// A value that holds its number.
    pub(crate) fn value(&self) -> Value {
        Value {
            made: self.tick(),
            _alive: Arc::clone(&self.0.alive),
        }
    }

    /// A loader of `key` that starts now and returns its value after `polls` further polls.
    pub(crate) fn load(&self, key: u32, polls: u32) -> impl Future<Output = Value> + use<> {
        let loading = Loading::begin(self, key);
        async move {
            yields(polls).await;
            loading.value.clone()
        }
    }

    /// The number of started loaders of `key`.
    pub(crate) fn loads(&self, key: u32) -> u32 {
        locked(&self.0.loads)
            .get(&key)
            .map_or(0, |loads| loads.called)
    }

    /// The maximum number of concurrent loaders of `key`.
    pub(crate) fn most_concurrent(&self, key: u32) -> u32 {
        let loads = locked(&self.0.loads);
        loads.get(&key).map_or(0, |loads| loads.most_concurrent)
    }

    /// Advances the time and fires the timers in order.
    pub(crate) fn advance(&self, by: Duration) {
        for waker in self.0.clock.advance(by) {
            waker.wake();
        }
    }

    /// Runs `future` on this thread.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut call = self.call(future);
        loop {
            match call.poll() {
                Poll::Ready(output) => return output,
                Poll::Pending => call.wait(),
            }
        }
    }

    /// Runs `future` with a new waker for every poll, and with spurious polls. Only wakes of the
    /// last waker count.
    pub(crate) fn block_on_with_spurious_polls<F: Future>(&self, future: F) -> F::Output {
        let mut call = self.call(future);
        loop {
            for _ in 0..2 {
                call.parker = self.parker();
                if let Poll::Ready(output) = call.poll() {
                    return output;
                }
            }
            call.wait();
        }
    }

    /// A future that the scenario polls by hand.
    pub(crate) fn call<F: Future>(&self, future: F) -> Call<F> {
        Call {
            future: Box::pin(future),
            parker: self.parker(),
        }
    }

    fn parker(&self) -> Arc<Parker> {
        let parker = Arc::new(Parker {
            thread: thread::current(),
            woken: AtomicBool::new(false),
        });
        locked(&self.0.wakers).push(Arc::downgrade(&parker));
        parker
    }

    /// Waits for every background task.
    pub(crate) fn join_tasks(&self) {
        loop {
            let task = locked(&self.0.tasks).pop();
            let Some(task) = task else { break };
            task.join().expect("no background task panics");
        }
    }

    /// Ends the scenario: joins every background task, and checks that nothing is left.
    fn close(self) {
        self.join_tasks();
        let state = Arc::try_unwrap(self.0);
        let state = state.unwrap_or_else(|_| panic!("a cache is left"));
        assert_eq!(Arc::strong_count(&state.alive), 1, "a value is left");
        let wakers = state.wakers.into_inner();
        let wakers = wakers.unwrap_or_else(PoisonError::into_inner);
        let left = wakers.iter().filter(|waker| waker.strong_count() > 0);
        assert_eq!(left.count(), 0, "a waker is left");
        assert_eq!(locked(&state.clock.0).waiting.len(), 0, "a timer is left");
    }
}

/// Checks that no load is in flight and that every load has ended.
pub(crate) fn check_loads(cache: &ShuttleCache) {
    assert_eq!(cache.flight_count(), 0, "a load is in flight");
    let stats = cache.stats();
    let ended = stats.load_successes + stats.load_failures + stats.loads_dropped;
    assert_eq!(
        stats.loads, ended,
        "a load started and did not end: {stats:?}"
    );
}

/// Like [`check_loads`], and checks that each miss started or joined one load. Up to `gone` callers
/// may have joined a load as it was cancelled, and not have retried. Does not apply to scoped
/// loaders, loaders without a value, refreshes and computations.
pub(crate) fn check_requests(cache: &ShuttleCache, gone: u64) {
    check_loads(cache);
    let stats = cache.stats();
    let counted = stats.loads + stats.coalesced;
    assert!(counted <= stats.misses, "a miss counts twice: {stats:?}");
    assert!(
        counted + gone >= stats.misses,
        "a miss does not count: {stats:?}"
    );
}

impl Runtime for ShuttleRuntime {
    type Flavor = MultiThread;
    type Lock<T> = ShardLock<T>;
    type Mutex<T> = CoreMutex<T>;
    type Timer = Alarm;

    fn now(&self) -> Instant {
        locked(&self.0.clock.0).now
    }

    fn timer(&self) -> Option<Alarm> {
        self.0.has_timer.then(|| Alarm {
            clock: Arc::clone(&self.0.clock),
            number: None,
        })
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        let runtime = self.clone();
        let body: Box<dyn FnOnce() + Send> = match self.0.spawner {
            Spawner::None => return Err(task),
            Spawner::Threads | Spawner::Scattered => Box::new(move || runtime.block_on(task)),
            Spawner::Halting(polls) => Box::new(move || {
                let mut call = runtime.call(task);
                for _ in 0..polls {
                    if call.poll().is_ready() {
                        return;
                    }
                    thread::yield_now();
                }
            }),
        };
        let task = thread::spawn(body);
        locked(&self.0.tasks).push(task);
        Ok(())
    }

    fn executor(&self) -> Option<ExecutorId> {
        let number = match self.0.spawner {
            Spawner::Scattered => usize::from(thread::current().id()),
            _ => 0,
        };
        Some(ExecutorId::new(number as u64))
    }

    fn context<T>(&self, f: impl FnOnce(&Context) -> T) -> T {
        shuttle::thread_local! {
            static CONTEXT: Context = Context::new();
        }
        CONTEXT.with(f)
    }
}

/// A shard's lock. The biased lock has a separate model.
pub(crate) struct ShardLock<T>(ShuttleLock<T>);

impl<T> CoreRwLock<T> for ShardLock<T> {
    fn new(value: T) -> Self {
        Self(ShuttleLock::new(value))
    }

    fn read<U>(&self, f: impl FnOnce(&T) -> U) -> U {
        f(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        f(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A counted value, with the number of the start of its load or of its write.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) made: u64,
    _alive: Arc<()>,
}

/// A running loader.
struct Loading {
    runtime: Weak<RuntimeState>,
    key: u32,
    value: Value,
}

impl Loading {
    fn begin(runtime: &ShuttleRuntime, key: u32) -> Self {
        let mut loads = locked(&runtime.0.loads);
        let known = loads.entry(key).or_default();
        known.called += 1;
        known.running += 1;
        known.most_concurrent = known.most_concurrent.max(known.running);
        Self {
            runtime: Arc::downgrade(&runtime.0),
            key,
            value: runtime.value(),
        }
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.upgrade() {
            let mut loads = locked(&runtime.loads);
            loads.entry(self.key).or_default().running -= 1;
        }
    }
}

/// Is ready after `times` polls, and wakes itself each time.
pub(crate) async fn yields(mut times: u32) {
    core::future::poll_fn(|cx| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A future that is polled by hand, and the thread that waits for it.
pub(crate) struct Call<F> {
    future: Pin<Box<F>>,
    parker: Arc<Parker>,
}

impl<F: Future> Call<F> {
    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(&self.parker));
        let mut cx = task::Context::from_waker(&waker);
        self.future.as_mut().poll(&mut cx)
    }

    /// The future, for another call.
    pub(crate) fn into_future(self) -> Pin<Box<F>> {
        self.future
    }

    fn wait(&self) {
        if self.parker.woken.swap(false, Ordering::SeqCst) {
            // A call that wakes itself yields, so that other threads can run.
            return thread::yield_now();
        }
        while !self.parker.woken.swap(false, Ordering::SeqCst) {
            thread::park();
        }
    }
}

/// A waker that records whether it was woken.
struct Parker {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

#[derive(Default)]
struct Clock(StdMutex<Time>);

struct Time {
    now: Instant,
    waiting: HashMap<u64, (Instant, Waker)>,
    next: u64,
}

impl Default for Time {
    fn default() -> Self {
        Self {
            now: Instant::ORIGIN,
            waiting: HashMap::new(),
            next: 0,
        }
    }
}

impl Clock {
    /// Advances the time. Returns the wakers of the timers that fire.
    fn advance(&self, by: Duration) -> Vec<Waker> {
        let mut time = locked(&self.0);
        time.now = time.now.after(by);
        let now = time.now;
        let mut due: Vec<_> = time.waiting.iter().collect();
        due.retain(|(_, (deadline, _))| deadline.has_passed(now));
        let mut due: Vec<_> = due.into_iter().map(|(number, _)| *number).collect();
        due.sort_unstable();
        let due = due
            .into_iter()
            .filter_map(|number| time.waiting.remove(&number));
        due.map(|(_, waker)| waker).collect()
    }
}

/// A timer.
pub(crate) struct Alarm {
    clock: Arc<Clock>,
    number: Option<u64>,
}

impl Alarm {
    fn unset(&mut self) {
        let number = self.number.take();
        let waiting = number.and_then(|number| locked(&self.clock.0).waiting.remove(&number));
        drop(waiting);
    }
}

impl Timer for Alarm {
    fn poll_until(&mut self, deadline: Instant, cx: &mut task::Context<'_>) -> Poll<()> {
        self.unset();
        let waker = cx.waker().clone();
        let mut time = locked(&self.clock.0);
        if deadline.has_passed(time.now) {
            return Poll::Ready(());
        }
        time.next += 1;
        let number = time.next;
        time.waiting.insert(number, (deadline, waker));
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.unset();
    }
}

fn locked<T>(mutex: &StdMutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
