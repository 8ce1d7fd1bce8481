//! Chapter 6: a cache that is warmed up before the first request, with the users that were
//! requested most on the day before.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::{CacheStats, LoadError, WarmProgress, WarmReport};
use cache_examples::bar::Bar;
use cache_examples::figures::{count, counted, per_second, percent, time};
use cache_examples::report::{self, Report};
use cache_examples::shop::{Shop, ShopError};

use crate::BoxError;
use crate::flags::Plan;
use crate::load::{Cached, Run, Source, drive};
use crate::runtime::Cache;
use crate::stats::Observed;
use crate::traffic::Traffic;

pub(crate) async fn chapter(
    plan: &Plan,
    shop: &Shop,
    report: &mut Report,
) -> Result<Observed, BoxError> {
    let traffic = Traffic::new(plan)?;
    let (yesterday, morning) = (traffic.part(0.0, 0.5), traffic.part(0.5, 0.6));
    let warm_list = WarmList::of(&yesterday, plan);
    report.chapter("A warm start", &introduction(&warm_list, &morning, plan));
    let cold = Morning::begin(empty(shop), &morning, "a cold start").await?;
    let cached = empty(shop);
    if let Some(early) = warm_list.early() {
        cached.answer(early).await?;
    }
    let warming = warm_up(&cached, &warm_list, plan).await;
    let warm = Morning::begin(cached.clone(), &morning, "a warm start").await?;
    show(&warming, &cold, &warm, report);
    warming.promises(&warm_list, report);
    promises(&warm_list, &morning, &cold, &warm, report);
    let (stats, entries) = (cached.cache.stats(), cached.cache.entry_count());
    Ok(Observed::new("warm", stats, entries))
}

fn introduction(warm_list: &WarmList, morning: &Traffic, plan: &Plan) -> String {
    format!(
        "A new server starts with an empty cache, and its first requests all wait for the \
         database. Warming up loads the {} that were requested most yesterday, {} at a time, \
         before the server starts. One of them is cached already, and one more was deleted \
         overnight: that load fails and stops no other load. Then the first {} of today go to a \
         cold cache and to the warm one.",
        counted(warm_list.popular.len() as u64, "user", "users"),
        count(plan.connections as u64),
        counted(morning.users().count() as u64, "request", "requests"),
    )
}

fn empty(shop: &Shop) -> Cached {
    Cached {
        cache: Cache::builder().build(),
        shop: shop.clone(),
    }
}

/// The users that are loaded before the first request.
struct WarmList {
    /// The most popular first.
    popular: Vec<u64>,
    /// A number that no user has.
    deleted: u64,
}

impl WarmList {
    fn of(yesterday: &Traffic, plan: &Plan) -> Self {
        let mut popularity: HashMap<u32, u64> = HashMap::new();
        for user in yesterday.users() {
            *popularity.entry(user).or_default() += 1;
        }
        let mut ranks: Vec<(u32, u64)> = popularity.into_iter().collect();
        ranks.sort_unstable_by_key(|(user, requests)| (Reverse(*requests), *user));
        ranks.truncate(plan.warm as usize);
        Self {
            popular: ranks.into_iter().map(|(user, _)| user.into()).collect(),
            deleted: plan.stock.users + 1,
        }
    }

    /// The user that is requested before the warm-up.
    fn early(&self) -> Option<u64> {
        self.popular.first().copied()
    }

    /// The popular users, and in the middle the deleted user.
    fn list(&self) -> Vec<u64> {
        let mut list = self.popular.clone();
        list.insert(list.len() / 2, self.deleted);
        list
    }
}

/// The result of the warm-up.
struct Warming {
    report: WarmReport<u64, ShopError>,
    /// The progress reports.
    steps: Vec<WarmProgress>,
    took: Duration,
}

async fn warm_up(cached: &Cached, warm_list: &WarmList, plan: &Plan) -> Warming {
    let list = warm_list.list();
    let loaders = list.iter().map(|&user| {
        let shop = cached.shop.clone();
        (user, move || async move {
            shop.profile(user).await.map(Arc::new)
        })
    });
    let bar = Bar::new(list.len() as u64, "warming up");
    let (began, mut steps) = (Instant::now(), Vec::new());
    let progress = |progress: WarmProgress| {
        bar.set(progress.done as u64);
        steps.push(progress);
    };
    let warming = cached
        .cache
        .warm_with_progress(plan.connections, loaders, progress);
    let report = warming.await;
    Warming {
        report,
        steps,
        took: began.elapsed(),
    }
}

impl Warming {
    fn promises(&self, warm_list: &WarmList, report: &mut Report) {
        let (found, present) = (&self.report, u64::from(warm_list.early().is_some()));
        let popular = warm_list.popular.len() as u64;
        report.promise_count(
            "users that were cached already",
            present,
            found.present as u64,
        );
        report.promise_count(
            "users that were loaded, in spite of one failing load",
            popular - present,
            found.loaded as u64,
        );
        let failures: Vec<String> = found.failures.iter().map(failure).collect();
        let deleted = failure(&(
            warm_list.deleted,
            LoadError::Loader(Arc::new(ShopError::NoSuchUser(warm_list.deleted))),
        ));
        let wrong = failures != [deleted];
        report.promise(
            "the report names the failed load and its error",
            wrong.then(|| failures.join(", ")),
        );
        let steps = self.steps.iter().map(|progress| progress.done as u64);
        let wrong = !steps.eq(1..=popular + 1);
        report.promise(
            "progress is reported for every user, up to the last",
            wrong.then(|| counted(self.steps.len() as u64, "step", "steps")),
        );
    }
}

fn failure((user, error): &(u64, LoadError<ShopError>)) -> String {
    format!("{user}: {error:?}")
}

/// The first requests of the day.
struct Morning {
    run: Run,
    queries: u64,
    hits: u64,
}

impl Morning {
    async fn begin(cached: Cached, morning: &Traffic, task: &str) -> Result<Self, BoxError> {
        let before = (cached.shop.queries_sent(), cached.cache.stats());
        let bar = Bar::new(morning.users().count() as u64, task);
        let run = drive(morning, &cached, bar).await?;
        let hits = |stats: CacheStats| stats.hits;
        Ok(Self {
            run,
            queries: cached.shop.queries_sent() - before.0,
            hits: hits(cached.cache.stats()) - hits(before.1),
        })
    }

    fn hit_rate(&self) -> f64 {
        self.hits as f64 / self.run.requests.max(1) as f64
    }
}

fn show(warming: &Warming, cold: &Morning, warm: &Morning, report: &Report) {
    let Warming {
        report: found,
        took,
        ..
    } = warming;
    let mut table = report::table(0, ["present", "loaded", "failed", "took", "loads/s"]);
    table.add_row([
        count(found.present as u64),
        count(found.loaded as u64),
        count(found.failures.len() as u64),
        time(*took),
        count(per_second(found.loaded as u64, *took) as u64),
    ]);
    report.table(&table);
    let mut table = report::table(1, ["", "hit rate", "queries", "p50", "p99", "took"]);
    for (name, morning) in [("a cold start", cold), ("a warm start", warm)] {
        table.add_row([
            name.to_owned(),
            percent(morning.hit_rate()),
            count(morning.queries),
            morning.run.latencies.quantile(0.5),
            morning.run.latencies.quantile(0.99),
            time(morning.run.elapsed),
        ]);
    }
    report.table(&table);
}

fn promises(
    warm_list: &WarmList,
    morning: &Traffic,
    cold: &Morning,
    warm: &Morning,
    report: &mut Report,
) {
    let all: HashSet<u64> = morning.users().map(u64::from).collect();
    let popular: HashSet<u64> = warm_list.popular.iter().copied().collect();
    let others = all.difference(&popular).count() as u64;
    report.promise_count("queries after a cold start", all.len() as u64, cold.queries);
    report.promise_count(
        "queries after a warm start, none for a warmed user",
        others,
        warm.queries,
    );
    let differs = warm.run.digest != cold.run.digest;
    report.promise(
        "the warm cache answers as the cold one does",
        differs.then(|| "another sum over all answers".to_owned()),
    );
}
