//! Hit ratios on replayed traces of real programs.

mod optimum;
mod report;
mod trace;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::runtime::Builder;

use self::trace::Trace;
use crate::measure::{Contender, Progress};
use crate::speed::{Entrant, Life, Settings, Work, lru, policies};

pub use self::report::{HitRatios, Ratios};

/// Replays each trace with every contender at several capacities. A file that cannot be read is
/// skipped after a call of `skip` with the reason.
///
/// `most` limits the number of requests of each trace.
pub fn hit_ratios(files: &[PathBuf], most: usize, skip: impl Fn(String)) -> HitRatios {
    let read = |path: &PathBuf| match Trace::read(path, most) {
        Ok(trace) => Some(trace),
        Err(error) => {
            skip(format!("{}: {error}", path.display()));
            None
        }
    };
    let traces: Vec<Trace> = files.iter().filter_map(read).collect();
    let replays = replays(&traces);
    let progress = Progress::new("hitratio", replays.len());
    let ratios = on_all_cores(&replays, |replay| {
        let ratio = replay.ratio();
        progress.step();
        ratio
    });
    let mut ratios = ratios.into_iter();
    let contenders = Policy::all();
    let traces = traces.iter().map(|trace| {
        let capacities = trace.capacities();
        let of_each = |_| ratios.by_ref().take(capacities.len()).collect();
        let ratios = contenders.iter().map(of_each).collect();
        Ratios {
            trace: trace.name.clone(),
            requests: trace.requests.len(),
            keys: trace.keys,
            capacities,
            ratios,
        }
    });
    let traces = traces.collect();
    HitRatios::new(contenders.iter().map(Policy::contender).collect(), traces)
}

/// The policy that decides which entries stay.
#[derive(Clone)]
enum Policy {
    Cache(Entrant<u64>),
    Clairvoyant,
}

/// One trace, one policy, one capacity.
struct Replay<'a> {
    trace: &'a Trace,
    policy: Policy,
    capacity: usize,
}

/// By trace, then by policy, then by capacity.
fn replays(traces: &[Trace]) -> Vec<Replay<'_>> {
    let of_trace = |trace| {
        let of_policy = move |policy: Policy| {
            let at = move |capacity| Replay {
                trace,
                policy: policy.clone(),
                capacity,
            };
            trace.capacities().into_iter().map(at)
        };
        Policy::all().into_iter().flat_map(of_policy)
    };
    traces.iter().flat_map(of_trace).collect()
}

impl Policy {
    /// This cache first, then the peers, LRU, and the optimum.
    fn all() -> Vec<Self> {
        let caches = policies().into_iter().chain([lru()]).map(Self::Cache);
        caches.chain([Self::Clairvoyant]).collect()
    }

    fn contender(&self) -> Contender {
        match self {
            Self::Cache(entrant) => entrant.contender.clone(),
            Self::Clairvoyant => Contender::reference("", "clairvoyant optimum"),
        }
    }
}

impl Replay<'_> {
    /// Hits in percent of the requests.
    fn ratio(&self) -> f64 {
        let hits = match &self.policy {
            Policy::Cache(entrant) => self.hits(entrant),
            Policy::Clairvoyant => optimum::hits(self.trace, self.capacity),
        };
        hits as f64 / self.trace.requests.len() as f64 * 100.0
    }

    fn hits(&self, entrant: &Entrant<u64>) -> u64 {
        let settings = Settings {
            in_one_piece: true,
            ..Settings::new(self.capacity, Life::Unlimited)
        };
        let subject = (entrant.build)(settings).expect("every policy supports these settings");
        let runtime = Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime without I/O needs nothing from the system");
        let requests = &self.trace.requests;
        let hits = runtime.block_on(subject.work(Work::ReadThrough, requests));
        hits.expect("every policy can insert")
    }
}

/// The results of `work` for all items, in their order.
fn on_all_cores<T: Sync>(items: &[T], work: impl Fn(&T) -> f64 + Sync) -> Vec<f64> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![0.0; items.len()]);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(index) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|i| *i < items.len())
                {
                    let result = work(&items[index]);
                    results.lock().unwrap_or_else(PoisonError::into_inner)[index] = result;
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}
