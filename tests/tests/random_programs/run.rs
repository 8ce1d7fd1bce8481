//! Runs a program and reports its events to the model.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use cache_core::testing::VirtualRuntime;
use cache_core::{BatchLoader, Cache, LoadError, RemovalCause, Ttl};
use futures_util::FutureExt;
use futures_util::future::{Either, select};

use crate::loaders::Running;
use crate::outcomes::{Accepts, Answer};
use crate::program::{Ends, KEYS, Load, Method, Order, Patience, Program, Settings, Step};
use crate::sequential_model::{Call, Model};
use crate::streams::Streams;

type Virtual = Cache<u32, u64, VirtualRuntime>;

/// The payload of a panic.
type Unwound = Box<dyn Any + Send>;

/// Maximum number of keys in a batch.
const BATCH: usize = 2;

/// Runs `program`.
///
/// # Panics
/// Panics if the model cannot explain an observation, or if the program hangs.
pub(crate) fn try_out(program: &Program) {
    let stage = Stage::new(&program.settings);
    let batch = program.settings.batch;
    let on_batch = stage.clone();
    let batches = stage
        .cache
        .batching_builder(move |keys: Vec<u32>| on_batch.batch(keys, batch))
        .batch_window(program.settings.window)
        .max_batch_size(BATCH)
        .build();
    let tasks: Vec<_> = program
        .tasks
        .iter()
        .map(|steps| {
            let (stage, batches, steps) = (stage.clone(), batches.clone(), steps.clone());
            stage.runtime.clone().spawn(async move {
                for step in steps {
                    stage.step(step, &batches).await;
                }
            })
        })
        .collect();
    stage.runtime.block_on(async {
        for task in tasks {
            task.await;
        }
        // Detached loads continue without callers.
        stage.runtime.sleep(Duration::from_secs(1)).await;
    });
    if program.answers_each_miss_once() {
        stage.check_requests();
    }
    stage.check_the_end();
}

/// A cache and its model on one virtual time.
#[derive(Clone)]
struct Stage {
    runtime: VirtualRuntime,
    cache: Virtual,
    model: Rc<RefCell<Model>>,
    /// The entries that the listener was notified of, by their values.
    removed: Rc<RefCell<HashMap<u64, (u32, RemovalCause)>>>,
    streams: Streams,
    /// Misses of callers without a loader.
    looks: Rc<Cell<u64>>,
}

impl Stage {
    fn new(settings: &Settings) -> Self {
        let runtime = match settings.order {
            Order::FirstCome => VirtualRuntime::new(),
            Order::Random(seed) => VirtualRuntime::seeded(seed),
            Order::WithoutSpawner => VirtualRuntime::without_spawner(),
        };
        let model = Model::new(runtime.clone(), settings.clone());
        let model = Rc::new(RefCell::new(model));
        let removed: Rc<RefCell<HashMap<u64, (u32, RemovalCause)>>> = Rc::default();
        let (notified, complains) = (Rc::clone(&removed), Rc::clone(&model));
        let mut builder = Cache::builder_on(runtime.clone())
            .hash_seed(1)
            .detach_loads(settings.detach)
            .takeover_after(settings.takeover.map(Duration::from_millis))
            .eviction_listener(move |key: &u32, value: &u64, cause| {
                let notice = (*key, cause);
                if notified.borrow_mut().insert(*value, notice).is_some() {
                    let wrong = format!("the listener was notified of {value} twice");
                    complains.borrow_mut().wrong.push(wrong);
                }
            });
        if let Some(capacity) = settings.capacity {
            builder = builder.max_capacity(capacity);
        }
        let millis = |millis: Option<u64>| millis.map(Duration::from_millis);
        if let Some(ttl) = millis(settings.ttl) {
            builder = builder.time_to_live(ttl);
        }
        if let Some(tti) = millis(settings.tti) {
            builder = builder.time_to_idle(tti);
        }
        if let Some(timeout) = millis(settings.timeout) {
            builder = builder.load_timeout(timeout);
        }
        if let Some(ttl) = millis(settings.negative_ttl) {
            builder = builder.negative_ttl(ttl);
        }
        if let Some(ttl) = millis(settings.error_ttl) {
            builder = builder.error_ttl(ttl);
        }
        let cache = builder.build();
        Self {
            streams: Streams::new(&runtime, &cache),
            runtime,
            cache,
            model,
            removed,
            looks: Rc::default(),
        }
    }

    async fn step(&self, step: Step, batches: &BatchLoader<u32, u64, u64, VirtualRuntime>) {
        let (cache, model) = (&self.cache, &self.model);
        match step {
            Step::Get(key) => {
                let seen = cache.get(&key);
                self.looks.set(self.looks.get() + u64::from(seen.is_none()));
                model.borrow_mut().read(key, seen);
            }
            Step::Peek(key) => {
                let seen = cache.peek(&key);
                model.borrow_mut().check_stored("peek", key, seen);
                let is_there = cache.contains_key(&key);
                assert_eq!(is_there, seen.is_some(), "contains_key and peek agree");
            }
            Step::Load(key, method, load, patience) => {
                let call = model.borrow_mut().call(key, method.accepts());
                let answer = self.load(key, call, method, load);
                let answer = self.wait(answer, patience).await;
                self.close(call, answer);
            }
            Step::Refresh(key, load, patience) => self.refresh(key, load, patience).await,
            Step::Batch(key, patience) => {
                let call = model.borrow_mut().call(key, Accepts::ALL);
                let mut loading = Box::pin(batches.get(key));
                let mut load = None;
                let answer = poll_fn(|cx| {
                    let is_new;
                    (load, is_new) = model.borrow_mut().begin_batch(key, load);
                    let polled = loading.as_mut().poll(cx).map(answer_of);
                    if let (Some(load), true, true) = (load, is_new, polled.is_ready()) {
                        model.borrow_mut().take_back(load);
                    }
                    polled
                });
                let answer = self.wait(answer, patience).await;
                self.close(call, answer);
            }
            Step::Blocking(key, load) => self.blocking(key, load),
            Step::Compute(key, load, life, patience) => {
                self.compute(key, load, life.ttl(), patience).await;
            }
            Step::Insert(key, life) => {
                let value = model.borrow_mut().fresh_value();
                cache.insert_with_ttl(key, value, life.ttl());
                model.borrow_mut().insert(key, value, life.ttl());
            }
            Step::SetTtl(key, life) => {
                let there = cache.set_ttl(&key, life.ttl());
                let mut model = model.borrow_mut();
                let seen = model.stored(key).filter(|_| there);
                model.check_stored("set_ttl", key, seen);
                assert_eq!(
                    model.set_ttl(key, life.ttl()),
                    there,
                    "set_ttl finds the entry"
                );
            }
            Step::Remove(key) => {
                let removed = cache.remove(&key);
                let mut model = model.borrow_mut();
                model.check_stored("remove", key, removed);
                model.remove(key);
            }
            Step::Invalidate(key) => {
                cache.invalidate(&key);
                model.borrow_mut().remove(key);
            }
            Step::InvalidateAll => {
                cache.invalidate_all();
                let mut model = model.borrow_mut();
                for key in 0..KEYS {
                    model.remove(key);
                }
            }
            Step::Purge => cache.run_pending_tasks(),
            Step::Sleep(millis) => self.runtime.sleep(Duration::from_millis(millis)).await,
        }
    }

    /// A call of one of the loading methods.
    async fn load(&self, key: u32, call: Call, method: Method, load: Load) -> Answer {
        let begin = || {
            let number = self.model.borrow_mut().begin(call);
            self.running(vec![number])
        };
        let cache = &self.cache;
        match method {
            Method::Plain => {
                let loader = || begin().value(load);
                Answer::Value(cache.get_with(key, loader).await)
            }
            Method::Scoped => {
                let loader = || {
                    let number = self.model.borrow_mut().begin_scoped(call, load.takes);
                    self.running(vec![number]).value(load)
                };
                Answer::Value(cache.get_with_scoped(key, loader).await)
            }
            Method::Optional => {
                let loader = || begin().option(load);
                let found = cache.optionally_get_with(key, loader).await;
                found.map_or(Answer::Missing, Answer::Value)
            }
            Method::Fallible => {
                let loader = || begin().result(load);
                answer_of(cache.try_get_with(key, loader).await.map(Some))
            }
            Method::WithTtl(life) => {
                let loader = || begin().loaded(load, life.ttl());
                answer_of(cache.load_with(key, loader).await.map(Some))
            }
        }
    }

    /// A call that blocks its thread. It panics if the key has a load in flight: on one thread it
    /// would wait for itself.
    fn blocking(&self, key: u32, load: Load) {
        let call = self.model.borrow_mut().call(key, Accepts::ERRORS);
        let (was_called, flights) = (Cell::new(false), self.cache.flight_count());
        let loader = || {
            was_called.set(true);
            let number = self.model.borrow_mut().begin(call);
            self.running(vec![number]).blocking(load)
        };
        let blocked = AssertUnwindSafe(|| self.cache.blocking().try_get_with(key, loader));
        let answer = catch_unwind(blocked).map(|answer| answer_of(answer.map(Some)));
        let waits = answer.is_err() && !was_called.get();
        if waits {
            assert!(flights > 0, "only a waiter panics");
        }
        self.close(call, (!waits).then_some(answer));
    }

    /// A call has ended, with a result unless its caller was cancelled.
    fn close(&self, call: Call, answer: Option<Result<Answer, Unwound>>) {
        let mut model = self.model.borrow_mut();
        if let Some(answer) = answer {
            model.check_answer(call, answer.unwrap_or(Answer::Panicked));
        }
        model.close(call);
    }

    async fn compute(&self, key: u32, load: Load, ttl: Ttl, patience: Patience) {
        let call = self.model.borrow_mut().look(key, Accepts::NOTHING);
        let expected = Cell::new(None);
        let compute = |old| {
            let number = self.model.borrow_mut().begin_computation(key, old);
            let running = self.running(vec![number]);
            let expected = &expected;
            async move {
                let (op, computed) = running.compute(load, ttl, old).await;
                expected.set(Some(computed));
                op
            }
        };
        let computed = self.cache.entry(key).and_compute_with(compute);
        let computed_result = self.wait(computed, patience).await;
        let mut model = self.model.borrow_mut();
        model.close(call);
        if let Some(Ok(computed_result)) = computed_result {
            assert_eq!(
                Some(computed_result),
                expected.get(),
                "the outcome of a computation"
            );
        }
    }

    async fn refresh(&self, key: u32, load: Load, patience: Patience) {
        let call = self.model.borrow_mut().look(key, Accepts::ERRORS);
        let loader = || {
            let number = self.model.borrow_mut().begin_refresh(key);
            self.running(vec![number]).result(load)
        };
        let refreshed = self.cache.refresh(key, loader);
        let answer = async { answer_of(refreshed.await.map(Some)) };
        let answer = self.wait(answer, patience).await;
        let mut model = self.model.borrow_mut();
        if let Some(answer) = answer {
            model.check_refreshed(call, answer.unwrap_or(Answer::Panicked));
        }
        model.close(call);
    }

    /// A batch loader.
    fn batch(
        &self,
        keys: Vec<u32>,
        load: Load,
    ) -> impl Future<Output = HashMap<u32, Result<u64, u64>>> + use<> {
        let mut model = self.model.borrow_mut();
        if keys.len() > BATCH {
            model.wrong.push(format!("a batch is too large: {keys:?}"));
        }
        let numbers = keys.iter().map(|key| model.begin_batched(*key));
        let numbers: Vec<Vec<_>> = numbers.collect();
        drop(model);
        let runtime = self.runtime.clone();
        let running = numbers.into_iter().map(|loads| self.running(loads));
        let running: Vec<_> = running.collect();
        async move {
            runtime.sleep(Duration::from_millis(load.takes)).await;
            let brought = running.into_iter().map(|one| one.bring(load, Ttl::Default));
            let brought: Vec<_> = brought.collect();
            if load.ends == Ends::Panic {
                resume_unwind(Box::new("the batch loader panics"));
            }
            let found = keys.into_iter().zip(brought);
            found
                .filter_map(|(key, brought)| Some((key, brought.transpose()?)))
                .collect()
        }
    }

    /// A loader that starts now.
    fn running(&self, loads: Vec<usize>) -> Running {
        Running::new(self.runtime.clone(), Rc::clone(&self.model), loads)
    }

    /// Waits for a call as `how` says. `None` if the caller was cancelled.
    async fn wait<T>(
        &self,
        call: impl Future<Output = T>,
        how: Patience,
    ) -> Option<Result<T, Unwound>> {
        let mut call = pin!(AssertUnwindSafe(call).catch_unwind());
        match how {
            Patience::Waits => Some(call.await),
            Patience::Leaves(millis) => {
                let leaves = self.runtime.sleep(Duration::from_millis(millis));
                match select(call, leaves).await {
                    Either::Left((answer, _)) => Some(answer),
                    Either::Right(_) => None,
                }
            }
            Patience::Stalls(millis) => {
                if let Some(answer) = (&mut call).now_or_never() {
                    return Some(answer);
                }
                self.runtime.sleep(Duration::from_millis(millis)).await;
                Some(call.await)
            }
        }
    }

    /// Checks that each miss of a caller with a loader started or joined one load.
    fn check_requests(&self) {
        let stats = self.cache.stats();
        assert_eq!(
            stats.misses,
            stats.loads + stats.coalesced + self.looks.get(),
            "each miss counts once: {stats:?}"
        );
    }

    /// Checks that the model, the statistics and the listener agree.
    fn check_the_end(self) {
        let Self { cache, model, .. } = self;
        cache.run_pending_tasks();
        self.runtime.run_until_idle();
        self.streams.check(self.removed.borrow().values().copied());
        let mut model = model.borrow_mut();
        for key in 0..KEYS {
            model.check_stored("the end", key, cache.peek(&key));
        }
        assert_eq!(model.wrong, Vec::<String>::new());
        assert_eq!(cache.flight_count(), 0, "no load is in flight");
        assert_eq!(model.loads_in_flight(), 0, "no loader is running");
        let stored = (0..KEYS).filter(|key| model.stored(*key).is_some()).count();
        assert_eq!(cache.entry_count(), stored as u64);
        let stats = cache.stats();
        let (succeeded, others) = model.loads_that_ended();
        let ended = stats.load_successes + stats.load_failures + stats.loads_dropped;
        assert_eq!(stats.loads, ended, "every load has ended: {stats:?}");
        if stats.batches == 0 && !model.has_batches() {
            // The loss of a lead is not seen if the key has another load, or a value.
            let doubtful = model.leads_that_may_be_lost();
            let successes = succeeded - doubtful..=succeeded;
            assert!(successes.contains(&stats.load_successes), "{stats:?}");
            assert_eq!(stats.loads, succeeded + others);
        }
        let removed: u64 = RemovalCause::ALL
            .map(|cause| stats.removals(cause))
            .iter()
            .sum();
        assert_eq!(stats.insertions, cache.entry_count() + removed);
        assert_eq!(
            self.removed.borrow().len() as u64,
            removed,
            "the listener is notified once for each removed entry"
        );
    }
}

impl Method {
    const fn accepts(self) -> Accepts {
        Accepts {
            missing: matches!(self, Self::Optional),
            errors: matches!(self, Self::Fallible | Self::WithTtl(_)),
        }
    }
}

fn answer_of(answer: Result<Option<u64>, LoadError<u64>>) -> Answer {
    match answer {
        Ok(Some(value)) => Answer::Value(value),
        Ok(None) => Answer::Missing,
        Err(LoadError::Loader(error)) => Answer::Error(*error),
        Err(LoadError::Panicked) => Answer::Panicked,
        Err(LoadError::TimedOut(_)) => Answer::TimedOut,
        Err(other) => panic!("no loader requests its own key: {other}"),
    }
}
