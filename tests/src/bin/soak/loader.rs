//! Loaders, and the faults that they inject.

use std::any::Any;
use std::collections::HashMap;
use std::future::{pending, poll_fn};
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Loaded, Ttl};
use rand::Rng;
use rand::rngs::SmallRng;
use smol::Timer;
use smol::future::yield_now;

use crate::figures::{Figure, Figures};
use crate::truth::{Load, Truth, Value};

/// The error of a loader.
#[derive(Debug)]
pub(crate) struct Refused;

/// The payload of a loader's panic.
#[derive(Debug)]
struct Injected;

/// Whether a call may panic with this payload: its own loader panicked, or it joined a load that
/// panicked or timed out.
pub(crate) fn is_expected(payload: &(dyn Any + Send)) -> bool {
    let message = payload.downcast_ref::<String>();
    payload.is::<Injected>()
        || message.is_some_and(|message| message.contains("has no value to return"))
}

/// The behavior of a loader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    delay: Delay,
    end: End,
}

#[derive(Debug, Clone, Copy)]
enum Delay {
    Yields(u32),
    Sleeps(Duration),
}

#[derive(Debug, Clone, Copy)]
enum End {
    Value(Ttl, u32),
    Nothing,
    Error,
    Panic,
    /// It never completes: `load_timeout` has to drop it.
    Stuck,
}

impl Plan {
    pub(crate) fn random(rng: &mut impl Rng) -> Self {
        let delay = match rng.random_range(0..10) {
            0..=3 => Delay::Yields(0),
            4..=6 => Delay::Yields(rng.random_range(1..6)),
            _ => Delay::Sleeps(Duration::from_micros(rng.random_range(0..4_000))),
        };
        let end = match rng.random_range(0..100) {
            0..=9 => End::Error,
            10..=13 => End::Panic,
            14..=18 => End::Nothing,
            _ => End::Value(ttl(rng), rng.random_range(0..4)),
        };
        Self { delay, end }
    }

    /// Waits for the planned delay on behalf of the loaders of all these keys.
    async fn wait(self, loads: &[Load]) {
        let mut delay = pin!(self.delay());
        poll_fn(|cx| {
            loads.iter().for_each(Load::polled);
            delay.as_mut().poll(cx)
        })
        .await;
    }

    async fn delay(self) {
        match self.delay {
            // Uses timers of no runtime in particular, because a load may outlive the runtime that
            // it began on.
            Delay::Sleeps(span) => drop(Timer::after(span).await),
            Delay::Yields(times) => {
                for _ in 0..times {
                    yield_now().await;
                }
            }
        }
        if matches!(self.end, End::Stuck) {
            pending::<()>().await;
        }
    }

    /// The lifetime and the weight of the value, or why there is none.
    fn end(self, figures: &Figures) -> Result<Option<(Ttl, u32)>, Refused> {
        match self.end {
            End::Value(ttl, weight) => Ok(Some((ttl, weight))),
            End::Nothing => Ok(None),
            End::Error => {
                figures.count(Figure::LoaderErrors);
                Err(Refused)
            }
            End::Panic | End::Stuck => {
                figures.count(Figure::LoaderPanics);
                // Not `panic!`, which would run the panic hook.
                resume_unwind(Box::new(Injected))
            }
        }
    }

    /// A loader that never completes.
    pub(crate) const STUCK: Self = Self {
        delay: Delay::Yields(0),
        end: End::Stuck,
    };
}

/// TTLs around the resolution of the clock and of the runtimes' timers.
pub(crate) fn ttl(rng: &mut impl Rng) -> Ttl {
    match rng.random_range(0..8) {
        0..=2 => Ttl::Default,
        3 => Ttl::Never,
        4 => Ttl::After(Duration::ZERO),
        5 => Ttl::After(Duration::from_nanos(rng.random_range(1..2_000))),
        6 => Ttl::After(Duration::from_nanos((1 << 20) - 1 + rng.random_range(0..3))),
        _ => Ttl::After(Duration::from_micros(rng.random_range(0..20_000))),
    }
}

/// The loader of one load.
#[derive(Debug, Clone)]
pub(crate) struct Loader {
    pub(crate) truth: Arc<Truth>,
    pub(crate) key: u32,
    /// The number of generations that were over before the call: see [`crate::truth::Lookup`].
    pub(crate) since: u64,
    pub(crate) plan: Plan,
}

impl Loader {
    /// For a method whose loader always returns a value.
    pub(crate) async fn always(mut self) -> Value {
        if matches!(self.plan.end, End::Nothing | End::Error) {
            self.plan.end = End::Value(Ttl::Default, 1);
        }
        let found = self.run().await;
        let found = found.ok().flatten();
        found.expect("this plan returns a value").0
    }

    /// For a method whose loader may find nothing.
    pub(crate) async fn maybe(self) -> Option<Value> {
        let found = self.run().await;
        found.ok().flatten().map(|(value, ..)| value)
    }

    /// For a method whose loader may fail.
    pub(crate) async fn fallible(self) -> Result<Value, Refused> {
        let found = self.run().await?;
        Ok(found.ok_or(Refused)?.0)
    }

    /// For a method that blocks its thread: ends at once.
    pub(crate) fn blocking(self) -> Result<Value, Refused> {
        let load = self.truth.load(self.key, self.since);
        load.polled();
        let found = self.plan.end(self.truth.figures())?;
        found.map(|_| load.value()).ok_or(Refused)
    }

    /// For a method whose loader may fail, and sets the lifetime and the weight of the value.
    pub(crate) async fn rated(self) -> Result<Loaded<Value>, Refused> {
        let (value, ttl, weight) = self.run().await?.ok_or(Refused)?;
        Ok(Loaded::new(value).ttl(ttl).weight(weight))
    }

    async fn run(self) -> Result<Option<(Value, Ttl, u32)>, Refused> {
        let load = [self.truth.load(self.key, self.since)];
        self.plan.wait(&load).await;
        let [load] = load;
        match self.plan.end(self.truth.figures())? {
            Some((ttl, weight)) => Ok(Some((load.value(), ttl, weight))),
            None => Ok(None),
        }
    }
}

/// The result of a batch: values by key and errors of single keys, or an error of the whole batch.
pub(crate) type Batch = Result<HashMap<u32, Result<Option<Value>, Refused>>, Refused>;

/// The loader of a batch.
pub(crate) async fn batch(truth: Arc<Truth>, keys: Vec<u32>, mut rng: SmallRng) -> Batch {
    // The start of these flights is unknown, so written keys are not checked for concurrent loads.
    let loads = keys.iter().map(|&key| truth.load(key, 0));
    let loads: Vec<_> = loads.collect();
    let plan = Plan::random(&mut rng);
    plan.wait(&loads).await;
    plan.end(truth.figures())?;
    let found = loads.iter().map(|load| match rng.random_range(0..20) {
        0 => Err(Refused),
        1 => Ok(None),
        _ => Ok(Some(load.value())),
    });
    Ok(keys.into_iter().zip(found).collect())
}
