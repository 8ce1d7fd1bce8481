//! Entries with a lifetime of their own, from the insert to the purge.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::caches::{Entrant, Life, Settings, Work, entrants};
use super::keys::{Requests, keys};
use super::race::{Pace, Race};
use super::stint::Workers;
use super::{THREADS, UNIT, title};
use crate::measure::{Case, Goal, Progress, Report, Samples};

/// Measures inserting an entry with a lifetime of its own, and purging it after it has expired.
pub fn expiry(pace: Pace) -> Report {
    let progress = Progress::new("expiry", THREADS.len() + 1);
    let mut cases = inserts(pace, &progress);
    cases.push(purge(pace, &progress));
    Report {
        bench: "expiry".into(),
        work: format!("entries with a TTL of their own, u64 → u64, in a cache for {CAPACITY}"),
        unit: UNIT.into(),
        cases,
    }
}

const CAPACITY: usize = 50_000;

fn inserts(pace: Pace, progress: &Progress) -> Vec<Case> {
    const TTL: Duration = Duration::from_secs(3_600);
    let settings = Settings::new(CAPACITY, Life::OfEntry(TTL));
    let race = Race::new(entrants::<u64, u64>(), settings, &keys(CAPACITY), pace);
    let measure = |threads| {
        let workers = Workers::new(threads);
        let rows = race.run(&workers, Work::InsertFor(TTL), &Requests::New, progress);
        let work = "insert of a new key, evicting".to_owned();
        let mut case = Case::new([("work", work), ("threads", title(threads))], rows);
        let found = case.share_of_best();
        case.set_goal(Goal::at_most(0.6, "of the best peer's time", found));
        case
    };
    THREADS.map(measure).into()
}

fn purge(pace: Pace, progress: &Progress) -> Case {
    let entrants = entrants::<u64, u64>();
    let workers = Workers::new(1);
    let settings = Settings::new(CAPACITY, Life::OfEntry(TTL));
    let able = |subject: &Subject| workers.block_on(fill(&**subject, &[0])).is_some();
    let build = |entrant: &Entrant<u64>| (entrant.build)(settings).filter(able);
    let subjects: Vec<Option<Subject>> = entrants.iter().map(build).collect();
    let mut samples: Vec<_> = subjects
        .iter()
        .map(|subject| subject.as_ref().map(|_| Samples::default()))
        .collect();
    let keys = keys(CAPACITY);
    for round in 0..=pace.rounds {
        for subject in subjects.iter().flatten() {
            workers.block_on(fill(&**subject, &keys));
        }
        thread::sleep(TTL + LATE);
        for (subject, samples) in subjects.iter().zip(&mut samples) {
            if let (Some(subject), Some(samples)) = (subject, samples) {
                let (entries, elapsed) = workers.block_on(purge_all(&**subject));
                if round > 0 {
                    samples.add(entries, elapsed);
                }
            }
        }
    }
    progress.step();
    let rows = entrants.iter().zip(samples);
    let rows = rows.map(|(entrant, samples)| entrant.row(samples, Vec::new()));
    let work = "purge of all when they have expired, an entry".to_owned();
    let circumstances = [("work", work), ("threads", title(1))];
    let mut case = Case::new(circumstances, rows.collect());
    let found = case.share_of_best();
    case.set_goal(Goal::at_most(1.0, "of the best peer's time", found));
    case
}

type Subject = Arc<dyn super::caches::Subject<u64>>;

/// Inserts `keys` with a TTL. `None` if this cache has no lifetimes of single entries.
async fn fill(subject: &dyn super::caches::Subject<u64>, keys: &[u64]) -> Option<()> {
    subject.work(Work::InsertFor(TTL), keys).await?;
    subject.settle().await;
    Some(())
}

/// Purges all entries. Returns their number and the time that the purge took.
async fn purge_all(subject: &dyn super::caches::Subject<u64>) -> (u64, Duration) {
    let before = subject.len();
    let started = Instant::now();
    let mut left = before;
    while left > 0 {
        subject.settle().await;
        let now_left = subject.len();
        assert!(now_left < left, "{left} expired entries stay");
        left = now_left;
    }
    (before as u64, started.elapsed())
}

/// Long enough to fill every contender before the first entry expires.
const TTL: Duration = Duration::from_secs(2);

/// A delay after which every timer wheel has advanced past the expiry.
const LATE: Duration = Duration::from_millis(1_200);
