//! The cost of a load that is part of a batch: the library's own work, without the backend's.
//!
//! All loads are in flight at once, each as a task or a future of its own. Every contender starts
//! each pass with an empty cache.

mod backend;
mod batchers;

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use self::backend::{Backend, Calls, answer};
use self::batchers::{
    AsyncGraphql, AsyncGraphqlWithoutCache, Batcher, Dataloader, Nothing, in_order, ours,
};
use crate::measure::{Case, Contender, Goal, Report, Row, interleaved};

/// The sizes of the benchmark.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Number of loads in a pass.
    pub loads: u64,
    /// Number of keys that the loads are spread over.
    pub keys: u64,
    /// Maximum number of keys in a batch.
    pub batch: usize,
    /// Number of rounds. Each figure is the median of as many samples.
    pub rounds: usize,
    /// How long each contender runs in a round.
    pub stint: Duration,
}

/// Operations and time of a round, or a description of the contender's fault.
type Stint = Result<(u64, Duration), String>;

/// One combination of an executor and a backend.
#[derive(Clone, Copy, Debug)]
struct Circumstances {
    executor: Executor,
    pause: Option<Duration>,
}

/// The threads and tasks that poll the loads.
#[derive(Clone, Copy, Debug)]
enum Executor {
    /// A current-thread runtime; each load is a task.
    OneThread,
    /// A runtime with two workers; each load is a task.
    TwoWorkers,
    /// A current-thread runtime; all loads are futures in one task.
    OneTask,
}

/// Measures every contender under all circumstances.
///
/// # Errors
///
/// Returns an error if a contender gives a wrong answer.
pub fn run(settings: Settings) -> Result<Report, String> {
    let pauses = [None, Some(Duration::from_millis(1))];
    let executors = [Executor::OneThread, Executor::TwoWorkers, Executor::OneTask];
    let cases = executors
        .into_iter()
        .flat_map(|executor| pauses.map(|pause| Circumstances { executor, pause }));
    let cases: Result<_, _> = cases.map(|case| measure(case, settings)).collect();
    Ok(Report {
        bench: "batch".into(),
        work: format!(
            "{} concurrent loads over {} keys, at most {} keys a batch",
            settings.loads, settings.keys, settings.batch
        ),
        unit: "ns per load".into(),
        cases: cases?,
    })
}

/// This cache's time should be at most this share of the best peer's time.
const GOAL: f64 = 0.7;

fn measure(case: Circumstances, settings: Settings) -> Result<Case, String> {
    let calls: Vec<Calls> = ENTRANTS.iter().map(|_| Calls::default()).collect();
    let samples = interleaved(settings.rounds, ENTRANTS.len(), |index| {
        let Entrant { contender, stint } = &ENTRANTS[index];
        stint(case, settings, &calls[index])
            .map_err(|error| format!("{}: {error}", contender.name()))
    })?;
    let rows = ENTRANTS.iter().zip(samples).zip(&calls);
    let rows = rows.map(|((entrant, samples), calls)| Row {
        contender: entrant.contender.clone(),
        samples: Some(samples),
        notes: vec![
            ("batches".into(), calls.a_pass()),
            ("largest".into(), calls.largest()),
        ],
    });
    let mut case = Case::new(case.circumstances(), rows.collect());
    let found = case.share_of_best();
    case.set_goal(Goal::at_most(GOAL, "of the best peer's time", found));
    Ok(case)
}

impl Circumstances {
    fn circumstances(self) -> [(&'static str, String); 2] {
        let executor = match self.executor {
            Executor::OneThread => "one thread, each load a task",
            Executor::TwoWorkers => "two workers, each load a task",
            Executor::OneTask => "one thread, each load a future in one task",
        };
        let function = match self.pause {
            None => "the batch function is ready at once".to_owned(),
            Some(pause) => format!("the batch function sleeps {pause:?}"),
        };
        [
            ("executor", executor.to_owned()),
            ("batch function", function),
        ]
    }
}

impl Executor {
    fn runtime(self) -> Runtime {
        let mut builder = match self {
            Self::OneThread | Self::OneTask => Builder::new_current_thread(),
            Self::TwoWorkers => Builder::new_multi_thread(),
        };
        let runtime = builder.worker_threads(2).enable_time().build();
        runtime.expect("a runtime without I/O needs only threads from the system")
    }
}

/// One way to load in batches.
struct Entrant {
    contender: Contender,
    stint: fn(Circumstances, Settings, &Calls) -> Stint,
}

/// All entrants, this cache first.
static ENTRANTS: &[Entrant] = &[
    Entrant {
        contender: Contender::reference("cache-tokio", ""),
        stint: |case, settings, calls| stint(case, settings, calls, ours),
    },
    Entrant {
        contender: Contender::reference("cache-tokio", "answers in order"),
        stint: |case, settings, calls| stint(case, settings, calls, in_order),
    },
    Entrant {
        contender: Contender::peer("dataloader", "cached"),
        stint: |case, settings, calls| stint(case, settings, calls, Dataloader::new),
    },
    Entrant {
        contender: Contender::peer("async-graphql", "HashMapCache"),
        stint: |case, settings, calls| stint(case, settings, calls, AsyncGraphql::new),
    },
    Entrant {
        contender: Contender::peer("async-graphql", "NoCache"),
        stint: |case, settings, calls| stint(case, settings, calls, AsyncGraphqlWithoutCache::new),
    },
    Entrant {
        contender: Contender::reference("", "no loader: tasks and futures alone"),
        stint: |case, settings, calls| stint(case, settings, calls, |_, _| Nothing),
    },
];

/// Runs passes one after the other on a runtime of their own until the time is over. The median
/// pass counts.
fn stint<B: Batcher>(
    case: Circumstances,
    settings: Settings,
    calls: &Calls,
    batcher: impl Fn(Backend, usize) -> B,
) -> Stint {
    let runtime = case.executor.runtime();
    let began = Instant::now();
    let mut passes = Vec::new();
    while passes.len() < 2 || began.elapsed() < settings.stint {
        let backend = Backend::new(case.pause, calls.clone());
        let batcher = batcher(backend, settings.batch);
        passes.push(runtime.block_on(pass(case.executor, batcher, settings))?);
        calls.pass_done();
    }
    // The first pass warms the runtime up.
    passes.swap_remove(0);
    passes.sort_unstable();
    Ok((settings.loads, passes[passes.len() / 2]))
}

/// Runs all loads once.
async fn pass<B: Batcher>(
    executor: Executor,
    batcher: B,
    settings: Settings,
) -> Result<Duration, String> {
    // Spawned as a task, so that it runs on the same threads as the tasks that it spawns.
    let pass = match executor {
        Executor::OneThread | Executor::TwoWorkers => tokio::spawn(as_tasks(batcher, settings)),
        Executor::OneTask => tokio::spawn(as_futures(batcher, settings)),
    };
    let elapsed = pass.await.map_err(|error| error.to_string())?;
    // A contender may leave a timer behind. Wait until it ends before the next pass begins.
    tokio::time::sleep(REST).await;
    elapsed
}

/// A pause longer than the window of any contender.
const REST: Duration = Duration::from_millis(2);

async fn as_tasks<B: Batcher>(batcher: B, settings: Settings) -> Result<Duration, String> {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for load in 0..settings.loads {
        let (batcher, key) = (batcher.clone(), load % settings.keys);
        tasks.spawn(async move { batcher.load(key).await });
    }
    let mut sum = 0_u64;
    while let Some(value) = tasks.join_next().await {
        sum = sum.wrapping_add(value.map_err(|error| error.to_string())?);
    }
    let elapsed = started.elapsed();
    checked(sum, settings).map(|()| elapsed)
}

async fn as_futures<B: Batcher>(batcher: B, settings: Settings) -> Result<Duration, String> {
    let started = Instant::now();
    let loads = (0..settings.loads).map(|load| batcher.load(load % settings.keys));
    let mut loads: FuturesUnordered<_> = loads.collect();
    let mut sum = 0_u64;
    while let Some(value) = loads.next().await {
        sum = sum.wrapping_add(value);
    }
    let elapsed = started.elapsed();
    checked(sum, settings).map(|()| elapsed)
}

fn checked(sum: u64, settings: Settings) -> Result<(), String> {
    let right = (0..settings.loads)
        .map(|load| answer(load % settings.keys))
        .fold(0, u64::wrapping_add);
    if sum == right {
        Ok(())
    } else {
        Err("the answers are wrong".to_owned())
    }
}
