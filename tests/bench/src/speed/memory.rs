//! The memory of an entry.

use std::sync::Arc;
use std::time::Duration;

use super::caches::{Entrant, Life, Settings, Subject, Work, entrants};
use super::keys::keys;
use super::stint::Workers;
use crate::measure::{Case, Goal, Progress, Report, Row, Samples};

/// Measures the bytes that a full cache has allocated for each entry, and an empty cache in total.
///
/// `allocated` returns the number of bytes that the whole program has allocated now.
pub fn memory(allocated: fn() -> usize) -> Report {
    let contents = [
        Contents::Full(100_000, Life::Unlimited),
        Contents::Full(100_000, TTL),
        Contents::Full(1_000_000, Life::Unlimited),
        Contents::Full(1_000_000, TTL),
        Contents::Empty(128),
    ];
    let progress = Progress::new("memory", contents.len());
    let mut cases = Vec::new();
    for contents in contents {
        let rows = contents.rows(allocated);
        let case = Case::new(contents.circumstances(), rows);
        let goals = contents.goals(&case, cases.last());
        cases.push(case);
        let case = cases.last_mut().expect("it was just pushed");
        goals.into_iter().for_each(|goal| case.set_goal(goal));
        progress.step();
    }
    Report {
        bench: "memory".into(),
        work: "what is allocated for u64 → u64; once, since it is the same each time".into(),
        unit: "bytes".into(),
        cases,
    }
}

/// A lifetime of each entry if the cache supports it, else one lifetime for all entries.
const TTL: Life = Life::OfEntry(Duration::from_secs(3_600));

#[derive(Clone, Copy, Debug)]
enum Contents {
    /// A cache with this many entries, filled to its capacity.
    Full(usize, Life),
    /// An empty cache of this capacity.
    Empty(usize),
}

impl Contents {
    fn rows(self, allocated: fn() -> usize) -> Vec<Row> {
        let workers = Workers::new(1);
        let measure = |entrant: Entrant<u64>| {
            let bytes = match self {
                Self::Full(entries, life) => {
                    workers.block_on(full(&entrant, entries, life, allocated))
                }
                Self::Empty(capacity) => empty(&entrant, capacity, allocated),
            };
            let samples = bytes.map(|bytes| {
                let mut samples = Samples::default();
                samples.add_figure(bytes);
                samples
            });
            entrant.row(samples, Vec::new())
        };
        entrants::<u64, u64>().into_iter().map(measure).collect()
    }

    fn circumstances(self) -> [(&'static str, String); 2] {
        let (entries, life) = match self {
            Self::Full(entries, Life::Unlimited) => (entries, "no TTL"),
            Self::Full(entries, _) => (entries, "TTL"),
            Self::Empty(capacity) => {
                let contents = "an empty cache of capacity";
                return [
                    ("contents", format!("{contents} {capacity}")),
                    ("life", "no TTL".to_owned()),
                ];
            }
        };
        [
            ("contents", format!("an entry, of {entries}")),
            ("life", life.to_owned()),
        ]
    }

    /// The goals of this cache in `case`. The case before is the same without a TTL. A million
    /// entries have no goal of their own.
    fn goals(self, case: &Case, before: Option<&Case>) -> Vec<Option<Goal>> {
        match self {
            Self::Full(1_000_000, _) => Vec::new(),
            Self::Full(_, Life::Unlimited) => vec![Goal::at_most(48.0, "bytes", case.ours())],
            Self::Full(..) => {
                let without = before.and_then(Case::ours);
                let more = case
                    .ours()
                    .zip(without)
                    .map(|(with, without)| with - without);
                vec![Goal::at_most(12.0, "bytes more than without a TTL", more)]
            }
            Self::Empty(_) => vec![Goal::at_most(2_048.0, "bytes", case.ours())],
        }
    }
}

/// Fills a cache and returns the bytes for each entry.
async fn full(
    entrant: &Entrant<u64>,
    capacity: usize,
    life: Life,
    allocated: fn() -> usize,
) -> Option<f64> {
    let keys = keys::<u64>(capacity);
    let before = allocated();
    let (subject, work) = build(entrant, capacity, life)?;
    if work == Work::Insert {
        subject.fill(&keys).await;
    } else {
        subject.work(work, &keys).await?;
        subject.settle().await;
    }
    Some((allocated() - before) as f64 / subject.len() as f64)
}

/// A cache with this lifetime, and the operation that stores its entries. A contender without
/// lifetimes of single entries gets one lifetime for all.
fn build(
    entrant: &Entrant<u64>,
    capacity: usize,
    life: Life,
) -> Option<(Arc<dyn Subject<u64>>, Work)> {
    let build = |life| (entrant.build)(Settings::new(capacity, life));
    match life {
        Life::OfEntry(ttl) => {
            let of_entry = build(life).map(|subject| (subject, Work::InsertFor(ttl)));
            of_entry.or_else(|| Some((build(Life::OfCache(ttl))?, Work::Insert)))
        }
        Life::Unlimited | Life::OfCache(_) => Some((build(life)?, Work::Insert)),
    }
}

fn empty(entrant: &Entrant<u64>, capacity: usize, allocated: fn() -> usize) -> Option<f64> {
    let before = allocated();
    let _subject = build(entrant, capacity, Life::Unlimited)?;
    Some((allocated() - before) as f64)
}
