//! Chapter 3: a read-through load in which some users are far more popular than others, at several
//! capacities.

mod promises;

use std::sync::Arc;

use cache_core::CacheStats;
use cache_examples::bar::Bar;
use cache_examples::figures::{count, counted, per_second, percent, times};
use cache_examples::report::{self, Report};
use cache_examples::shop::{Profile, Shop};

use crate::BoxError;
use crate::flags::Plan;
use crate::load::{Cached, Run, drive};
use crate::runtime::Cache;
use crate::stats::Observed;
use crate::traffic::Traffic;

pub(crate) async fn chapter(
    plan: &Plan,
    shop: &Shop,
    report: &mut Report,
) -> Result<Vec<Observed>, BoxError> {
    report.chapter("A read-through load", &introduction(plan));
    let traffic = Traffic::new(plan)?;
    let baseline = without_cache(plan, &traffic, shop).await?;
    let mut trials = Vec::new();
    for &capacity in &plan.capacities {
        trials.push(with_cache(capacity, plan, &traffic, shop).await?);
    }
    show(&baseline, &trials, report);
    promises::check(&baseline, &trials, report);
    Ok(trials.into_iter().map(Trial::into_observed).collect())
}

fn introduction(plan: &Plan) -> String {
    format!(
        "{} from {} read users' profiles, a join over that user's orders. Each client sends its \
         next request as soon as it has its answer. All share {}, and the time that a request \
         waits for one counts. Popularity follows Zipf's law with exponent {}. Every cache \
         starts empty and gets the same requests.",
        counted(plan.requests, "request", "requests"),
        counted(plan.clients, "client", "clients"),
        counted(
            plan.connections as u64,
            "database connection",
            "database connections"
        ),
        plan.zipf_exponent,
    )
}

/// The load without a cache.
#[derive(Debug)]
struct Baseline {
    run: Run,
    queries: u64,
}

/// The load with a cache of one capacity.
#[derive(Debug)]
struct Trial {
    capacity: u64,
    run: Run,
    queries: u64,
    entries: u64,
    stats: CacheStats,
}

impl Trial {
    fn into_observed(self) -> Observed {
        Observed::new(&count(self.capacity), self.stats, self.entries)
    }
}

async fn without_cache(plan: &Plan, traffic: &Traffic, shop: &Shop) -> Result<Baseline, BoxError> {
    let before = shop.queries_sent();
    let run = drive(traffic, shop, Bar::new(plan.requests, "no cache")).await?;
    Ok(Baseline {
        run,
        queries: shop.queries_sent() - before,
    })
}

async fn with_cache(
    capacity: u64,
    plan: &Plan,
    traffic: &Traffic,
    shop: &Shop,
) -> Result<Trial, BoxError> {
    let before = shop.queries_sent();
    let cache: Cache<u64, Arc<Profile>> = Cache::builder().max_capacity(capacity).build();
    let cached = Cached {
        cache,
        shop: shop.clone(),
    };
    let bar = Bar::new(plan.requests, &format!("a cache of {}", count(capacity)));
    let run = drive(traffic, &cached, bar).await?;
    let (entries, stats) = (cached.cache.entry_count(), cached.cache.stats());
    Ok(Trial {
        capacity,
        run,
        queries: shop.queries_sent() - before,
        entries,
        stats,
    })
}

fn show(baseline: &Baseline, trials: &[Trial], report: &Report) {
    let mut table = report::table(1, HEADER);
    let names = ["no cache".to_owned(), "-".to_owned()];
    table.add_row(
        names
            .into_iter()
            .chain(figures(baseline.queries, &baseline.run, baseline)),
    );
    for Trial {
        capacity,
        stats,
        queries,
        run,
        ..
    } in trials
    {
        let names = [count(*capacity), percent(stats.hit_rate())];
        table.add_row(names.into_iter().chain(figures(*queries, run, baseline)));
    }
    report.table(&table);
}

const HEADER: [&str; 7] = [
    "capacity",
    "hit rate",
    "queries",
    "p50",
    "p99",
    "requests/s",
    "speed-up",
];

fn figures(queries: u64, run: &Run, baseline: &Baseline) -> [String; 5] {
    let speed = |run: &Run| per_second(run.requests, run.elapsed);
    [
        count(queries),
        run.latencies.quantile(0.5),
        run.latencies.quantile(0.99),
        count(speed(run) as u64),
        times(speed(run) / speed(&baseline.run)),
    ]
}
