//! Chapter 8: the statistics of the caches.

use cache_core::{CacheStats, RemovalCause};
use cache_examples::figures::{count, percent, time};
use cache_examples::report::{self, Report};
use comfy_table::Table;

/// The final statistics of one cache.
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

    fn removed(&self, cause: RemovalCause) -> String {
        count(self.stats.removals(cause))
    }

    fn mean_load_time(&self) -> String {
        if self.stats.loads == 0 {
            "-".to_owned()
        } else {
            time(self.stats.mean_load_time())
        }
    }
}

pub(crate) fn chapter(observed: &[Observed], report: &mut Report) {
    report.chapter("The statistics of the caches", TEXT);
    for observed in observed.chunks(CACHES_PER_TABLE) {
        report.table(&table(observed));
    }
}

fn table(observed: &[Observed]) -> Table {
    let names = observed.iter().map(|cache| cache.name.as_str());
    let mut table = report::table(1, [""].into_iter().chain(names));
    for (name, figure) in FIGURES {
        let figures = observed.iter().map(figure);
        table.add_row([(*name).to_owned()].into_iter().chain(figures));
    }
    table
}

/// The number of caches whose columns fit on a terminal.
const CACHES_PER_TABLE: usize = 5;

type Figure = fn(&Observed) -> String;

const FIGURES: &[(&str, Figure)] = &[
    ("hits", |cache| count(cache.stats.hits)),
    ("misses", |cache| count(cache.stats.misses)),
    ("stale hits", |cache| count(cache.stats.stale_hits)),
    ("hit rate", |cache| percent(cache.stats.hit_rate())),
    ("loads", |cache| count(cache.stats.loads)),
    ("refreshes", |cache| count(cache.stats.refreshes)),
    ("failed loads", |cache| count(cache.stats.load_failures)),
    ("mean load time", Observed::mean_load_time),
    ("waited for another", |cache| count(cache.stats.coalesced)),
    ("batches", |cache| count(cache.stats.batches)),
    ("evicted", |cache| cache.removed(RemovalCause::Size)),
    ("expired", |cache| cache.removed(RemovalCause::Expired)),
    ("invalidated", |cache| cache.removed(RemovalCause::Explicit)),
    ("entries left", |cache| count(cache.entries)),
];

const TEXT: &str = "Every cache keeps these figures. The tables have a column for each cache of \
    this tour: the herd's, those of the read-through load by capacity, the reader's, the one of \
    the page in batches, the one that was warmed up, and the one that survived the outage. \
    \"Waited for another\": requests that joined a load in flight. \"Stale hits\": values that were \
    returned after their ttl. \"Refreshes\": loads in the background, which no request waited for.";
