//! Keys that were never requested before, in a full cache: every operation evicts.

use super::caches::{Life, Settings, Work, entrants};
use super::keys::{Requests, keys};
use super::race::{Pace, Race};
use super::stint::Workers;
use super::{THREADS, UNIT, title};
use crate::measure::{Case, Goal, Progress, Report};

/// Measures the insert of a new key.
pub fn insert(pace: Pace) -> Report {
    measure("insert", "insert", Work::Insert, pace)
}

/// Measures a single-flight load of a new key. The loader is ready at once.
pub fn miss(pace: Pace) -> Report {
    measure("miss", "single-flight load", Work::Load, pace)
}

fn measure(bench: &'static str, verb: &str, work: Work, pace: Pace) -> Report {
    let settings = Settings::new(CAPACITY, Life::Unlimited);
    let progress = Progress::new(bench, THREADS.len());
    let race = Race::new(entrants::<u64, u64>(), settings, &keys(CAPACITY), pace);
    let cases = THREADS.map(|threads| {
        let rows = race.run(&Workers::new(threads), work, &Requests::New, &progress);
        let mut case = Case::new([("threads", title(threads))], rows);
        let found = case.share_of("quick_cache");
        case.set_goal(Goal::at_most(1.0, "of quick_cache's time", found));
        case
    });
    Report {
        bench: bench.into(),
        work: format!("{verb} of a new key, u64 → u64, in a full cache of {CAPACITY} entries"),
        unit: UNIT.into(),
        cases: cases.into(),
    }
}

const CAPACITY: usize = 50_000;
