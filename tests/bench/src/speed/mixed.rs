//! A cache in front of a backend: reads that load on a miss.

use super::caches::{Life, Settings, Work, entrants};
use super::keys::{Popularity, Requests, requests};
use super::race::{Pace, Race};
use super::stint::Workers;
use super::{THREADS, UNIT, title};
use crate::measure::{Case, Goal, Progress, Report};

/// Measures a read that loads on a miss. The loader is ready at once.
pub fn mixed(pace: Pace) -> Report {
    let settings = Settings::new(CAPACITY, Life::Unlimited);
    let progress = Progress::new("mixed", THREADS.len());
    let race = Race::new(entrants::<u64, u64>(), settings, &[], pace);
    let requests = requests(POPULARITY, KEYS, REQUESTS);
    race.warm_up(Work::Load, &requests[..REQUESTS / 2]);
    let requests = Requests::These(requests);
    let cases = THREADS.map(|threads| {
        let rows = race.run(&Workers::new(threads), Work::Load, &requests, &progress);
        let mut case = Case::new([("threads", title(threads))], rows);
        let throughput = case.share_of_best().map(f64::recip);
        let best = "of the best peer's throughput";
        case.set_goal(Goal::at_least(1.1, best, throughput));
        case
    });
    Report {
        bench: "mixed".into(),
        work: format!(
            "reads that load on a miss, u64 → u64, {} over {KEYS} keys, capacity {CAPACITY}",
            POPULARITY.title()
        ),
        unit: UNIT.into(),
        cases: cases.into(),
    }
}

const POPULARITY: Popularity = Popularity::Zipf(0.9);
const KEYS: usize = 1_000_000;
const CAPACITY: usize = 100_000;
/// The number of requests before the sequence repeats: large enough that a key that occurs once is
/// evicted by then.
const REQUESTS: usize = 2_000_000;
