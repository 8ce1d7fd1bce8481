//! Chapter 5: what the caches counted themselves.

use cache_examples::figures::{count, percent, time};
use cache_tokio::{CacheStats, RemovalCause};

use crate::report::{self, Report};

/// The last word of one cache.
#[derive(Debug)]
pub(crate) struct Observed {
    name: String,
    stats: CacheStats,
    entries: u64,
}

impl Observed {
    pub(crate) fn new(name: &str, stats: CacheStats, entries: u64) -> Self {
        Self {
            name: name.to_owned(),
            stats,
            entries,
        }
    }
}

pub(crate) fn chapter(observed: &[Observed], report: &mut Report) {
    report.chapter("What the caches counted", TEXT);
    let names = observed.iter().map(|cache| cache.name.as_str());
    let mut table = report::table(1, [""].into_iter().chain(names));
    for (name, figure) in FIGURES {
        let figures = observed.iter().map(figure);
        table.add_row([(*name).to_owned()].into_iter().chain(figures));
    }
    report.table(&table);
}

type Figure = fn(&Observed) -> String;

const FIGURES: &[(&str, Figure)] = &[
    ("hits", |cache| count(cache.stats.hits)),
    ("misses", |cache| count(cache.stats.misses)),
    ("hit rate", |cache| percent(cache.stats.hit_rate())),
    ("loads", |cache| count(cache.stats.loads)),
    ("loads that failed", |cache| {
        count(cache.stats.load_failures)
    }),
    ("mean load time", |cache| mean_load_time(&cache.stats)),
    ("waited for another", |cache| count(cache.stats.coalesced)),
    ("evicted for room", |cache| {
        removed(cache, RemovalCause::Size)
    }),
    ("expired", |cache| removed(cache, RemovalCause::Expired)),
    ("invalidated", |cache| {
        removed(cache, RemovalCause::Explicit)
    }),
    ("entries left", |cache| count(cache.entries)),
];

fn removed(cache: &Observed, cause: RemovalCause) -> String {
    count(cache.stats.removals(cause))
}

fn mean_load_time(stats: &CacheStats) -> String {
    if stats.loads == 0 {
        "-".to_owned()
    } else {
        time(stats.mean_load_time())
    }
}

const TEXT: &str = "Every cache keeps these figures. One column for each cache of this tour: the herd's, those of the \
    read-through load by capacity, and the reader's. \"Waited for another\": requests that shared a load which \
    another request had begun.";
