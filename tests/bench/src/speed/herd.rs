//! Many tasks that request the same keys at once.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::caches::{Life, Settings, Subject, entrants};
use super::race::Pace;
use crate::measure::{Case, Goal, Progress, Report, interleaved};

/// Measures the cost for each of many tasks that wait for a load, beyond the load itself.
pub fn herd(pace: Pace) -> Report {
    let mut herds = Vec::new();
    for flavor in [Flavor::CurrentThread, Flavor::MultiThread] {
        for loader in [Loader::Sleeps, Loader::WaitsForAll] {
            for tasks in [1_000, 10_000] {
                for keys in [1, 1_000] {
                    herds.push(Herd {
                        tasks,
                        keys,
                        flavor,
                        loader,
                    });
                }
            }
        }
    }
    let progress = Progress::new("herd", herds.len());
    let cases = herds.into_iter().map(|herd| {
        let case = herd.measure(pace);
        progress.step();
        case
    });
    Report {
        bench: "herd".into(),
        work: "concurrent loads of absent keys, each a task, from the first spawn to the last join"
            .into(),
        unit: "ns per task, beyond the loader".into(),
        cases: cases.collect(),
    }
}

/// The size of a herd, its runtime and its loader.
#[derive(Clone, Copy, Debug)]
struct Herd {
    tasks: usize,
    keys: usize,
    flavor: Flavor,
    loader: Loader,
}

#[derive(Clone, Copy, Debug)]
enum Flavor {
    CurrentThread,
    MultiThread,
}

/// The kind of loader.
#[derive(Clone, Copy, Debug)]
enum Loader {
    /// Sleeps like a call to a backend. The sleep hides the time that the herd needs to gather.
    Sleeps,
    /// Waits until every task has arrived. Nothing is hidden.
    WaitsForAll,
}

/// The time that a loader sleeps. It is long enough for the largest herd to gather.
const SLEEP: Duration = Duration::from_millis(20);

impl Herd {
    fn measure(self, pace: Pace) -> Case {
        let runtime = self.flavor.runtime();
        let settings = Settings::new(100_000, Life::Unlimited);
        let entrants = entrants::<u64, u64>();
        let subjects: Vec<_> = entrants.iter().map(|e| (e.build)(settings)).collect();
        let requested = AtomicU64::new(0);
        let pass = |subject: &Arc<dyn Subject<u64>>| {
            let first = requested.fetch_add(self.keys as u64, Ordering::Relaxed);
            runtime.block_on(self.pass(subject.clone(), first))
        };
        let able = subjects.iter().enumerate().filter_map(|(lane, subject)| {
            let subject = subject.as_ref()?;
            pass(subject).map(|_| (lane, subject))
        });
        let able: Vec<_> = able.collect();
        let Ok(samples) = interleaved(pace.rounds, able.len(), |contender| {
            let (_, subject) = able[contender];
            let began = Instant::now();
            let mut passes = Vec::new();
            while passes.is_empty() || began.elapsed() < pace.stint {
                passes.extend(pass(subject));
            }
            passes.sort_unstable();
            Ok::<_, Infallible>((self.tasks as u64, passes[passes.len() / 2]))
        });
        let lanes = able.iter().map(|(lane, _)| *lane);
        let mut samples = lanes.zip(samples).peekable();
        let rows = entrants.iter().enumerate().map(|(lane, entrant)| {
            let samples = samples.next_if(|(able, _)| *able == lane);
            entrant.row(samples.map(|(_, samples)| samples), Vec::new())
        });
        let mut case = Case::new(self.circumstances(), rows.collect());
        let found = case.share_of_best();
        case.set_goal(Goal::at_most(0.9, "of the best peer's time", found));
        case
    }

    /// Runs all tasks once, over keys that have never been requested. `None`: this cache cannot.
    async fn pass(self, subject: Arc<dyn Subject<u64>>, first: u64) -> Option<Duration> {
        // Spawned as a task, so that it runs on the same threads as the tasks that it spawns.
        let pass = tokio::spawn(async move {
            let gate = Arc::new(Gate::new(self.loader, self.tasks));
            let mut tasks = JoinSet::new();
            let started = Instant::now();
            for task in 0..self.tasks {
                let key = first + (task % self.keys) as u64;
                subject.clone().spawn_load(key, gate.clone(), &mut tasks);
            }
            let mut able = true;
            while let Some(loaded) = tasks.join_next().await {
                able &= loaded.expect("no contender panics");
            }
            let elapsed = started.elapsed();
            able.then(|| elapsed.saturating_sub(gate.time_of_loaders()))
        });
        pass.await.expect("no contender panics")
    }

    fn circumstances(self) -> [(&'static str, String); 4] {
        let keys = match self.keys {
            1 => "one key".to_owned(),
            several => format!("{several} keys"),
        };
        [
            ("tasks", format!("{} tasks", self.tasks)),
            ("keys", keys),
            ("runtime", self.flavor.title().to_owned()),
            ("loader", self.loader.title().to_owned()),
        ]
    }
}

impl Flavor {
    fn runtime(self) -> Runtime {
        let mut builder = match self {
            Self::CurrentThread => Builder::new_current_thread(),
            Self::MultiThread => Builder::new_multi_thread(),
        };
        let runtime = builder.worker_threads(2).enable_time().build();
        runtime.expect("a runtime without I/O needs only threads from the system")
    }

    fn title(self) -> &'static str {
        match self {
            Self::CurrentThread => "current-thread runtime",
            Self::MultiThread => "two workers",
        }
    }
}

impl Loader {
    fn title(self) -> &'static str {
        match self {
            Self::Sleeps => "the loader sleeps 20 ms",
            Self::WaitsForAll => "the loader waits until all have come",
        }
    }
}

/// The gate that loaders wait for.
#[derive(Debug)]
pub(crate) struct Gate {
    loader: Loader,
    /// The number of tasks that have not arrived yet.
    missing: AtomicUsize,
    all_here: Notify,
    /// The instants at which the first loader began to sleep and the last one woke.
    slept: Mutex<Option<(Instant, Instant)>>,
}

impl Gate {
    fn new(loader: Loader, tasks: usize) -> Self {
        Self {
            loader,
            missing: AtomicUsize::new(tasks),
            all_here: Notify::new(),
            slept: Mutex::new(None),
        }
    }

    /// Called by a task just before it requests its key.
    pub(crate) fn arrive(&self) {
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_here.notify_waiters();
        }
    }

    /// Called by a loader; waits as [`Loader`] prescribes.
    pub(crate) async fn pass(&self) {
        match self.loader {
            Loader::Sleeps => {
                let began = Instant::now();
                tokio::time::sleep(SLEEP).await;
                let mut slept = self.slept.lock().unwrap_or_else(PoisonError::into_inner);
                let first = slept.map_or(began, |(first, _)| first.min(began));
                *slept = Some((first, Instant::now()));
            }
            Loader::WaitsForAll => {
                let all_here = self.all_here.notified();
                if self.missing.load(Ordering::Acquire) > 0 {
                    all_here.await;
                }
            }
        }
    }

    fn time_of_loaders(&self) -> Duration {
        let slept = self.slept.lock().unwrap_or_else(PoisonError::into_inner);
        slept.map_or(Duration::ZERO, |(first, last)| last - first)
    }
}
