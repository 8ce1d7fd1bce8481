//! Random programs on a cache.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use cache_core::testing::VirtualRuntime;
use cache_core::{
    BatchWindow, Cache, Event, Events, EvictionPolicy, Loaded, Op, RemovalCause, Ttl,
};
use futures_core::Stream;

use crate::figures::Figures;
use crate::truth::{Load, Truth, Value};

/// A cache, and the concurrent operations of tasks on it.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    settings: Settings,
    seed: u64,
    spawns: bool,
    tasks: Vec<Vec<Step>>,
}

#[derive(Debug, Clone, Arbitrary)]
struct Settings {
    #[arbitrary(with = few)]
    capacity: Option<u64>,
    #[arbitrary(with = policy)]
    policy: EvictionPolicy,
    #[arbitrary(with = limit)]
    ttl: Option<Duration>,
    #[arbitrary(with = limit)]
    tti: Option<Duration>,
    #[arbitrary(with = limit)]
    load_timeout: Option<Duration>,
    #[arbitrary(with = limit)]
    error_ttl: Option<Duration>,
    #[arbitrary(with = limit)]
    negative_ttl: Option<Duration>,
    detaches: bool,
    has_janitor: bool,
    #[arbitrary(with = window)]
    window: BatchWindow,
    #[arbitrary(with = size)]
    batch_size: usize,
    #[arbitrary(with = size)]
    batches: usize,
}

#[derive(Debug, Clone, Arbitrary)]
enum Step {
    Get(#[arbitrary(with = key)] u32),
    Load(#[arbitrary(with = key)] u32, Method, Plan, Patience),
    LoadMany(#[arbitrary(with = keys)] Vec<u32>, Plan, Patience),
    Insert(#[arbitrary(with = key)] u32, #[arbitrary(with = ttl)] Ttl),
    Prime(#[arbitrary(with = key)] u32),
    Remove(#[arbitrary(with = key)] u32),
    Clear,
    SetTtl(#[arbitrary(with = key)] u32, #[arbitrary(with = ttl)] Ttl),
    Purge,
    Sleep(#[arbitrary(with = span)] Duration),
    /// A load on the thread of the task, with a loader that is ready at once.
    Block(#[arbitrary(with = key)] u32, End),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Method {
    Plain,
    Scoped,
    Fallible,
    Optional,
    Rated,
    Refresh,
    Compute,
}

/// The behavior of a loader.
#[derive(Debug, Clone, Copy, Arbitrary)]
struct Plan {
    /// The loader's duration; zero is ready immediately.
    #[arbitrary(with = span)]
    takes: Duration,
    end: End,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum End {
    Value(
        #[arbitrary(with = ttl)] Ttl,
        #[arbitrary(with = |u: &mut Unstructured<'_>| u.int_in_range(0..=3))] u32,
    ),
    Nothing,
    Error,
    Panic,
    /// The loader never completes, if loads have a timeout.
    Stuck,
}

/// How a caller waits for its call.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Patience {
    ToTheEnd,
    /// The call is dropped after this time.
    For(#[arbitrary(with = span)] Duration),
    /// The call is polled once, then not polled for this time, then continued.
    StandsStill(#[arbitrary(with = span)] Duration),
}

#[derive(Debug)]
struct Refused;

#[derive(Debug)]
struct Injected;

/// Whether a call may panic with this payload: its own loader panicked, it joined a load that
/// panicked or timed out, or it blocks the thread that the load needs.
pub(crate) fn is_expected(payload: &(dyn Any + Send)) -> bool {
    let message = payload.downcast_ref::<String>();
    let blocks = payload.downcast_ref::<&str>();
    payload.is::<Injected>()
        || message.is_some_and(|message| message.contains("has no value to return"))
        || blocks.is_some_and(|message| message.starts_with("a blocking load waits"))
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            settings: bytes.arbitrary()?,
            seed: bytes.arbitrary()?,
            spawns: bytes.ratio(3, 4)?,
            tasks: bytes.arbitrary()?,
        })
    }
}

fn few(bytes: &mut Unstructured<'_>) -> Result<Option<u64>> {
    bytes
        .ratio(2, 3)?
        .then(|| bytes.int_in_range(0..=5))
        .transpose()
}

fn key(bytes: &mut Unstructured<'_>) -> Result<u32> {
    bytes.int_in_range(0..=KEYS - 1)
}

fn keys(bytes: &mut Unstructured<'_>) -> Result<Vec<u32>> {
    let len = bytes.int_in_range(1..=3)?;
    (0..len).map(|_| key(bytes)).collect()
}

fn span(bytes: &mut Unstructured<'_>) -> Result<Duration> {
    Ok(Duration::from_millis(bytes.int_in_range(0..=5)?))
}

/// Limits are longer than zero.
fn limit(bytes: &mut Unstructured<'_>) -> Result<Option<Duration>> {
    let is_set = bytes.ratio(1, 3)?;
    let span = |millis| Ok(Duration::from_millis(millis));
    is_set
        .then(|| bytes.int_in_range(1..=5).and_then(span))
        .transpose()
}

fn ttl(bytes: &mut Unstructured<'_>) -> Result<Ttl> {
    Ok(match bytes.int_in_range(0..=3)? {
        0..=1 => Ttl::Default,
        2 => Ttl::Never,
        _ => Ttl::After(span(bytes)?),
    })
}

fn policy(bytes: &mut Unstructured<'_>) -> Result<EvictionPolicy> {
    Ok(*bytes.choose(&[EvictionPolicy::S3Fifo, EvictionPolicy::Lru])?)
}

fn window(bytes: &mut Unstructured<'_>) -> Result<BatchWindow> {
    Ok(match bytes.int_in_range(0..=2)? {
        0 => BatchWindow::Yield(bytes.int_in_range(0..=2)?),
        1 => BatchWindow::Fixed(span(bytes)?),
        _ => {
            let gap = span(bytes)?;
            let max = gap + span(bytes)?;
            BatchWindow::Debounce { gap, max }
        }
    })
}

fn size(bytes: &mut Unstructured<'_>) -> Result<usize> {
    bytes.int_in_range(1..=4)
}

type View = Rc<dyn Fn(Vec<u32>) -> Boxed<Vec<Option<Value>>>>;
type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// A running program.
#[derive(Clone)]
struct Run {
    runtime: VirtualRuntime,
    cache: Cache<u32, Value, VirtualRuntime>,
    truth: Arc<Truth>,
    get_all: View,
    prime: Rc<dyn Fn(u32, Value)>,
    /// The behavior of the next batch.
    batch: Rc<Cell<Plan>>,
    /// Whether a loader that never completes is dropped by a timeout.
    limited: bool,
    requests: Rc<Cell<u64>>,
    events: Rc<RefCell<Events<u32, VirtualRuntime>>>,
}

impl Program {
    /// Runs the program and checks every promise.
    pub(crate) fn run(&self) {
        let runtime = match self.spawns {
            true => VirtualRuntime::seeded(self.seed),
            false => VirtualRuntime::without_spawner(),
        };
        let figures = Arc::new(Figures::default());
        let notices: Rc<Cell<u64>> = Rc::default();
        let run = Run::new(&self.settings, &runtime, &figures, &notices);
        let tasks = self.tasks.iter().map(|steps| {
            let (run, steps) = (run.clone(), steps.clone());
            runtime.spawn(async move { run.all(&steps).await })
        });
        for task in tasks.collect::<Vec<_>>() {
            runtime.block_on(task);
        }
        // Detached loads end, and expired entries are purged.
        runtime.advance(Duration::from_secs(3_600));
        run.check(&figures, notices.get());
        let truth = Arc::clone(&run.truth);
        drop(run);
        runtime.advance(Duration::from_secs(1));
        assert_eq!(runtime.task_count(), 0, "tasks outlive the cache");
        assert_eq!(truth.census(), 0, "values outlive the cache");
    }
}

impl Run {
    fn new(
        settings: &Settings,
        runtime: &VirtualRuntime,
        figures: &Arc<Figures>,
        notices: &Rc<Cell<u64>>,
    ) -> Self {
        let truth = Arc::new(Truth::new(KEYS, 1, Arc::clone(figures)));
        let notified = Rc::clone(notices);
        let mut builder = Cache::builder_on(runtime.clone())
            .hash_seed(1)
            .eviction_policy(settings.policy)
            .detach_loads(settings.detaches)
            .janitor(settings.has_janitor)
            .eviction_listener(move |_: &u32, _: &Value, _| notified.set(notified.get() + 1));
        macro_rules! set {
            ($($setting:ident => $method:ident),*) => {
                $(if let Some(value) = settings.$setting { builder = builder.$method(value); })*
            };
        }
        set!(capacity => max_capacity, ttl => time_to_live, tti => time_to_idle, load_timeout => load_timeout,
             error_ttl => error_ttl, negative_ttl => negative_ttl);
        let cache = builder.build();
        let batch = Rc::new(Cell::new(Plan {
            takes: Duration::ZERO,
            end: End::Nothing,
        }));
        let limited = settings.load_timeout.is_some();
        let load = {
            let (runtime, truth, plan) = (runtime.clone(), Arc::clone(&truth), Rc::clone(&batch));
            move |keys: Vec<u32>| load_batch(runtime, truth, plan.get(), limited, keys)
        };
        let view = cache
            .batching_builder(load)
            .batch_window(settings.window)
            .max_batch_size(settings.batch_size)
            .max_concurrent_batches(settings.batches)
            .build();
        let loads = view.clone();
        Self {
            runtime: runtime.clone(),
            events: Rc::new(RefCell::new(cache.events())),
            cache,
            truth,
            get_all: Rc::new(move |keys| {
                let loads = loads.clone();
                Box::pin(async move {
                    let found = loads.get_all(keys).await.into_iter();
                    found.map(|found| found.ok().flatten()).collect()
                })
            }),
            prime: Rc::new(move |key, value| {
                view.prime(key, value);
            }),
            batch,
            limited,
            requests: Rc::default(),
        }
    }

    async fn all(&self, steps: &[Step]) {
        for step in steps {
            self.step(step).await;
        }
    }

    async fn step(&self, step: &Step) {
        let (cache, truth) = (&self.cache, &self.truth);
        match *step {
            Step::Get(key) => {
                let lookup = truth.begin_lookup(key);
                self.count_requests(1);
                let found = cache.get(&key);
                found.iter().for_each(|value| truth.check(lookup, value));
            }
            Step::Load(key, method, plan, patience) => self.load(key, method, plan, patience).await,
            Step::LoadMany(ref keys, plan, patience) => {
                self.batch.set(plan);
                let lookup: Vec<_> = keys.iter().map(|&key| truth.begin_lookup(key)).collect();
                let load = async {
                    self.count_requests(keys.len() as u64);
                    (self.get_all)(keys.clone()).await
                };
                let found = self.wait(patience, load).await.into_iter().flatten();
                for (lookup, found) in lookup.into_iter().zip(found) {
                    found.iter().for_each(|value| truth.check(lookup, value));
                }
            }
            Step::Insert(key, ttl) => truth.write(key, |version| {
                cache.insert_with_ttl(key, truth.value(key, version), ttl);
            }),
            Step::Prime(key) => truth.prime(key, |value| (self.prime)(key, value)),
            Step::Remove(key) => truth.write(key, |_| drop(cache.remove(&key))),
            Step::Clear => truth.write_all(|| cache.invalidate_all()),
            Step::SetTtl(key, ttl) => drop(cache.set_ttl(&key, ttl)),
            Step::Purge => cache.run_pending_tasks(),
            Step::Sleep(span) => self.runtime.sleep(span).await,
            Step::Block(key, end) => self.block(key, end),
        }
    }

    /// Panics, as is expected, if the key has a load in flight: on one thread the call would wait
    /// for itself.
    fn block(&self, key: u32, end: End) {
        let lookup = self.truth.begin_lookup(key);
        self.count_requests(1);
        let loader = || {
            let load = self.truth.load(key, lookup.since);
            load.polled();
            let takes = Duration::ZERO;
            always(Plan { takes, end }.end(&load))
        };
        let call = || self.cache.blocking().try_get_with(key, loader);
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(Ok(value)) => self.truth.check(lookup, &value),
            Ok(Err(_)) => {}
            Err(payload) if is_expected(&*payload) => {}
            Err(payload) => resume_unwind(payload),
        }
    }

    async fn load(&self, key: u32, method: Method, plan: Plan, patience: Patience) {
        let (cache, lookup) = (&self.cache, self.truth.begin_lookup(key));
        let _refreshing = matches!(method, Method::Refresh).then(|| self.truth.refresh(key));
        if !matches!(method, Method::Refresh | Method::Compute) {
            self.count_requests(1);
        }
        let (runtime, truth) = (self.runtime.clone(), Arc::clone(&self.truth));
        // `load_timeout` applies to loads only.
        let limited = self.limited && !matches!(method, Method::Compute);
        let since = lookup.since;
        let loader = move || async move {
            let load = [truth.load(key, since)];
            plan.wait(&runtime, &load, limited).await;
            plan.end(&load[0])
        };
        // A scoped load makes no progress while its caller is not polled, so its waiters would
        // stall too.
        let patience = match (method, patience) {
            (Method::Scoped | Method::Compute, Patience::StandsStill(_)) => Patience::ToTheEnd,
            (_, patience) => patience,
        };
        let call = async {
            match method {
                Method::Plain => {
                    let load = move || async move { always(loader().await) };
                    cache.try_get_with(key, load).await.ok()
                }
                Method::Scoped => {
                    let load = move || async move { always(loader().await) };
                    cache.try_get_with_scoped(key, load).await.ok()
                }
                Method::Fallible => {
                    let load = move || async move { always(loader().await) };
                    cache.try_get_with_by_ref(&key, load).await.ok()
                }
                Method::Optional => {
                    let load =
                        move || async move { loader().await.ok().flatten().map(|found| found.0) };
                    cache.optionally_get_with(key, load).await
                }
                Method::Rated => {
                    let load = move || async move { rated(loader().await) };
                    cache.load_with(key, load).await.ok()
                }
                Method::Refresh => {
                    let load = move || async move { always(loader().await) };
                    cache.refresh(key, load).await.ok()
                }
                Method::Compute => {
                    let compute = move |_| async move {
                        match loader().await {
                            Ok(Some((value, ttl, weight))) => {
                                Op::Put(Loaded::new(value).ttl(ttl).weight(weight))
                            }
                            Ok(None) => Op::Remove,
                            Err(Refused) => Op::Nop,
                        }
                    };
                    drop(cache.entry(key).and_compute_with(compute).await);
                    None
                }
            }
        };
        if let Some(Some(value)) = self.wait(patience, call).await {
            self.truth.check(lookup, &value);
        }
    }

    /// Waits for `call`, which may panic as loaders do. `None` if the call was dropped or panicked.
    async fn wait<T>(&self, patience: Patience, call: impl Future<Output = T>) -> Option<T> {
        let mut call = pin!(call);
        let mut call =
            poll_fn(
                move |cx| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
                    Ok(polled) => polled.map(Some),
                    Err(payload) if is_expected(&*payload) => Poll::Ready(None),
                    Err(payload) => resume_unwind(payload),
                },
            );
        match patience {
            Patience::ToTheEnd => call.await,
            Patience::For(span) => {
                let mut leaves = pin!(self.runtime.sleep(span));
                let mut call = pin!(call);
                poll_fn(|cx| match call.as_mut().poll(cx) {
                    Poll::Pending => leaves.as_mut().poll(cx).map(|()| None),
                    ready => ready,
                })
                .await
            }
            Patience::StandsStill(span) => {
                let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut call).poll(cx))).await;
                match first {
                    Poll::Ready(answer) => answer,
                    Poll::Pending => {
                        self.runtime.sleep(span).await;
                        call.await
                    }
                }
            }
        }
    }

    fn count_requests(&self, many: u64) {
        self.requests.set(self.requests.get() + many);
    }

    /// Reads the stream to its end.
    fn count_events(&self) -> u64 {
        let mut cx = Context::from_waker(Waker::noop());
        let mut events = self.events.borrow_mut();
        let mut count = 0;
        while let Poll::Ready(Some(event)) = Pin::new(&mut *events).poll_next(&mut cx) {
            count += match event {
                Event::Removed { .. } => 1,
                Event::Lagged(missed) => missed,
            };
        }
        count
    }

    fn check(&self, figures: &Figures, notices: u64) {
        let (cache, stats) = (&self.cache, self.cache.stats());
        assert_eq!(figures.violations(), [""; 0]);
        assert_eq!(cache.flight_count(), 0, "flights without callers remain");
        assert_eq!(stats.requests(), self.requests.get());
        let causes = RemovalCause::ALL.into_iter();
        let removed: u64 = causes.map(|cause| stats.removals(cause)).sum();
        assert_eq!(stats.insertions, cache.entry_count() + removed);
        assert_eq!(
            notices, removed,
            "the listener is notified once for each removed entry"
        );
        assert_eq!(self.count_events(), removed, "the stream reports each once");
        let ended = stats.load_successes + stats.load_failures + stats.loads_dropped;
        assert_eq!(stats.loads, ended);
        assert_eq!(
            self.truth.census(),
            cache.entry_count(),
            "values that the cache does not hold are alive"
        );
    }
}

impl Plan {
    async fn wait(self, runtime: &VirtualRuntime, loads: &[Load], limited: bool) {
        let mut wait = pin!(async {
            if !self.takes.is_zero() {
                runtime.sleep(self.takes).await;
            }
            if limited && matches!(self.end, End::Stuck) {
                pending::<()>().await;
            }
        });
        poll_fn(|cx| {
            loads.iter().for_each(Load::polled);
            wait.as_mut().poll(cx)
        })
        .await;
    }

    fn end(self, load: &Load) -> Result<Option<(Value, Ttl, u32)>, Refused> {
        match self.end {
            End::Value(ttl, weight) => Ok(Some((load.value(), ttl, weight))),
            End::Nothing | End::Stuck => Ok(None),
            End::Error => Err(Refused),
            End::Panic => resume_unwind(Box::new(Injected)),
        }
    }
}

type Found = Result<Option<(Value, Ttl, u32)>, Refused>;

fn always(found: Found) -> Result<Value, Refused> {
    Ok(found?.ok_or(Refused)?.0)
}

fn rated(found: Found) -> Result<Loaded<Value>, Refused> {
    let (value, ttl, weight) = found?.ok_or(Refused)?;
    Ok(Loaded::new(value).ttl(ttl).weight(weight))
}

async fn load_batch(
    runtime: VirtualRuntime,
    truth: Arc<Truth>,
    plan: Plan,
    limited: bool,
    keys: Vec<u32>,
) -> Result<HashMap<u32, Result<Option<Value>, Refused>>, Refused> {
    // The start of these flights is unknown, so written keys are not checked for concurrent loads.
    let loads: Vec<_> = keys.iter().map(|&key| truth.load(key, 0)).collect();
    plan.wait(&runtime, &loads, limited).await;
    let mut found = HashMap::new();
    for (key, load) in keys.into_iter().zip(&loads) {
        let answer = match key % 4 {
            0 => plan.end(load).map(|found| found.map(|(value, ..)| value)),
            _ => Ok(Some(load.value())),
        };
        found.insert(key, answer);
    }
    Ok(found)
}

const KEYS: u32 = 4;
