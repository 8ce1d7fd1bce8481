//! Reads of present entries.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::caches::{Key, Life, Settings, Value, Work, entrants, this_cache};
use super::keys::{Popularity, Requests, keys, requests};
use super::race::{Pace, Race};
use super::stint::Workers;
use super::{THREADS, UNIT, title};
use crate::measure::{Case, Goal, Progress, Report};

/// Measures a hit by key type, popularity and method, with and without a lifetime.
pub fn hits(pace: Pace) -> Report {
    let settings = Settings::new(CAPACITY, Life::Unlimited);
    let mortal = Settings {
        life: Life::OfCache(Duration::from_secs(3_600)),
        ..settings
    };
    let progress = Progress::new("hits", THREADS.len() * (4 + 4 + 1));
    let mut cases = Vec::new();
    cases.extend(measure::<u64, u64>(settings, NUMBERS, pace, &progress));
    cases.extend(measure::<u64, u64>(mortal, NUMBERS, pace, &progress));
    cases.extend(measure::<String, Arc<str>>(
        settings, TEXTS, pace, &progress,
    ));
    set_goals(&mut cases);
    Report {
        bench: "hits".into(),
        work: format!("reads of {RESIDENTS} entries in a cache for {CAPACITY}"),
        unit: UNIT.into(),
        cases,
    }
}

const NUMBERS: &str = "u64 → u64";
const TEXTS: &str = "String → Arc<str>";
const POPULARITIES: [Popularity; 2] = [Popularity::Zipf(0.99), Popularity::Uniform];
const RESIDENTS: usize = 50_000;
/// Larger than the number of entries, or caches whose shards are not balanced would evict. Not much
/// larger, or caches that count uses only once they fill up would have an advantage.
const CAPACITY: usize = 65_536;
/// The number of requests before the sequence repeats.
const REQUESTS: usize = 1 << 18;

fn measure<K: Key, V: Value>(
    settings: Settings,
    types: &str,
    pace: Pace,
    progress: &Progress,
) -> Vec<Case> {
    let residents = keys(RESIDENTS);
    let (life, works, popularities) = match settings.life {
        Life::Unlimited => ("no TTL", &[Work::Get, Work::Load][..], &POPULARITIES[..]),
        Life::OfCache(_) | Life::OfEntry(_) => ("TTL", &[Work::Get][..], &POPULARITIES[..1]),
    };
    let mut cases = Vec::new();
    for &popularity in popularities {
        let requests = Requests::These(requests(popularity, RESIDENTS, REQUESTS));
        for &work in works {
            let mut race = Race::new(entrants::<K, V>(), settings, &residents, pace);
            if let Some(variant) = reference(settings.life, work) {
                let unlimited = Settings {
                    life: Life::Unlimited,
                    ..settings
                };
                race.add(
                    this_cache::<K, V>(variant),
                    unlimited,
                    &residents,
                    Work::Get,
                );
            }
            for threads in THREADS {
                let rows = race.run(&Workers::new(threads), work, &requests, progress);
                let method = if work == Work::Get { "get" } else { "get_with" };
                let circumstances = [
                    ("method", method.to_owned()),
                    ("types", types.to_owned()),
                    ("popularity", popularity.title()),
                    ("life", life.to_owned()),
                    ("threads", title(threads)),
                ];
                cases.push(Case::new(circumstances, rows));
            }
        }
    }
    cases
}

const BY_GET: &str = "by get";
const WITHOUT_TTL: &str = "without a TTL";

/// The further variant of this cache that runs in the same rounds for comparison.
fn reference(life: Life, work: Work) -> Option<&'static str> {
    match (life, work) {
        (Life::Unlimited, Work::Get) => None,
        (Life::Unlimited, _) => Some(BY_GET),
        _ => Some(WITHOUT_TTL),
    }
}

fn set_goals(cases: &mut [Case]) {
    let clock = clock_read();
    let goals: Vec<_> = cases.iter().map(|case| goals(case, cases, clock)).collect();
    for (case, goals) in cases.iter_mut().zip(goals) {
        goals.into_iter().for_each(|goal| case.set_goal(goal));
    }
}

/// The goals of this cache in `case`, compared with its peers and with the other `cases`.
fn goals(case: &Case, cases: &[Case], clock: f64) -> Vec<Option<Goal>> {
    let [method, types, popularity, life, threads] =
        ["method", "types", "popularity", "life", "threads"].map(|name| case.circumstance(name));
    let share = case.share_of("quick_cache");
    let throughput = share.map(f64::recip);
    let where_else = |name, value| {
        cases
            .iter()
            .find(|other| case.differs_in(other, name, value))
    };
    let zipf = popularity == POPULARITIES[0].title();
    let faster = |times| Goal::at_least(times, "of quick_cache's throughput", throughput);
    match (method, types, life, threads) {
        ("get_with", ..) => {
            let get = case.ours_otherwise(BY_GET);
            let found = case.ours().zip(get).map(|(load, get)| load / get);
            vec![Goal::at_most(1.3, "of its own get's time", found)]
        }
        ("get", _, "TTL", _) => {
            let without = case.ours_otherwise(WITHOUT_TTL);
            let found = case
                .ours()
                .zip(without)
                .map(|(with, without)| with - without);
            vec![Goal::at_most(
                clock,
                "ns more than without a TTL, as a read of the clock takes",
                found,
            )]
        }
        ("get", NUMBERS, _, "1 thread") if zipf => {
            vec![Goal::at_most(0.95, "of quick_cache's time", share)]
        }
        ("get", NUMBERS, _, "2 threads") if zipf => {
            let one = where_else("threads", "1 thread").and_then(Case::ours);
            let found = case.ours().zip(one).map(|(two, one)| 2.0 * one / two);
            vec![
                faster(2.5),
                Goal::at_least(1.7, "of one thread's throughput", found),
            ]
        }
        ("get", NUMBERS, _, "4 threads") if zipf => vec![faster(2.5)],
        ("get", TEXTS, _, "1 thread") if zipf => {
            vec![Goal::at_most(0.9, "of quick_cache's time", share)]
        }
        ("get", TEXTS, _, "2 threads") if zipf => vec![faster(1.5)],
        _ => Vec::new(),
    }
}

/// The time of one read of the runtime's clock, in nanoseconds.
fn clock_read() -> f64 {
    const TIMES: u32 = 1_000_000;
    let started = Instant::now();
    for _ in 0..TIMES {
        black_box(tokio::time::Instant::now());
    }
    started.elapsed().as_nanos() as f64 / f64::from(TIMES)
}
