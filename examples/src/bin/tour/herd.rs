//! Chapter 2: a herd of requests for one key that has just expired.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_examples::bar::Bar;
use cache_examples::figures::{count, counted};
use cache_examples::report::{self, Report};
use cache_examples::shop::{CityReport, Shop};
use tokio::sync::Barrier;

use crate::BoxError;
use crate::flags::Plan;
use crate::latency::Latencies;
use crate::runtime::{Cache, sleep, spawn};
use crate::stats::Observed;

pub(crate) async fn chapter(
    plan: &Plan,
    shop: &Shop,
    report: &mut Report,
) -> Result<Observed, BoxError> {
    let truth = shop.city_report(&shop.city_of_last_order().await?).await?;
    report.chapter("A herd", &introduction(plan.herd, &truth));
    let without = without_cache(plan.herd, shop, &truth).await?;
    let cached = CachedReports::new(shop);
    cached.expire(&truth.city).await?;
    let with = with_cache(plan.herd, &cached, &truth).await?;
    show(&without, &with, report);
    promises(plan.herd, &without, &with, report);
    Ok(Observed::new(
        "herd",
        cached.cache.stats(),
        cached.cache.entry_count(),
    ))
}

fn introduction(herd: u64, truth: &CityReport) -> String {
    format!(
        "{} for one key arrive at the same moment: the sales report of {}, a join over {} of {}. \
         The report in the cache has just expired. Without a cache each request sends the query. \
         With the cache the first request sends it, and the others share its result. Half of the \
         requests complete within p50, 99 % of them within p99.",
        counted(herd, "request", "requests"),
        truth.city,
        counted(truth.orders, "order", "orders"),
        counted(truth.customers, "customer", "customers"),
    )
}

/// Sales reports behind a cache. The loader counts its calls.
#[derive(Clone, Debug)]
struct CachedReports {
    cache: Cache<String, Arc<CityReport>>,
    shop: Shop,
    loads: Arc<AtomicU64>,
}

impl CachedReports {
    fn new(shop: &Shop) -> Self {
        let cache = Cache::builder().max_capacity(100).time_to_live(TTL).build();
        Self {
            cache,
            shop: shop.clone(),
            loads: Arc::default(),
        }
    }

    async fn report(&self, city: &str) -> Result<Arc<CityReport>, BoxError> {
        let load = || {
            let (shop, city) = (self.shop.clone(), city.to_owned());
            self.loads.fetch_add(1, Ordering::Relaxed);
            async move { shop.city_report(&city).await.map(Arc::new) }
        };
        Ok(self.cache.try_get_with_by_ref(city, load).await?)
    }

    /// Loads the report once and waits until it has expired.
    async fn expire(&self, city: &str) -> Result<(), BoxError> {
        self.report(city).await?;
        while self.cache.contains_key(city) {
            sleep(TTL / 10).await;
        }
        self.loads.store(0, Ordering::Relaxed);
        Ok(())
    }
}

/// The cost of one herd.
#[derive(Debug)]
struct Cost {
    queries: u64,
    loads: Option<u64>,
    wrong: u64,
    latencies: Latencies,
}

async fn without_cache(herd: u64, shop: &Shop, truth: &CityReport) -> Result<Cost, BoxError> {
    let before = shop.queries_sent();
    let bar = Bar::new(herd, "the herd without a cache");
    let request = |city: String| {
        let shop = shop.clone();
        async move { Ok(Arc::new(shop.city_report(&city).await?)) }
    };
    let cost = stampede(herd, truth, bar, request).await?;
    Ok(Cost {
        queries: shop.queries_sent() - before,
        ..cost
    })
}

async fn with_cache(
    herd: u64,
    cached: &CachedReports,
    truth: &CityReport,
) -> Result<Cost, BoxError> {
    let before = cached.shop.queries_sent();
    let bar = Bar::new(herd, "the herd with the cache");
    let request = |city: String| {
        let cached = cached.clone();
        async move { cached.report(&city).await }
    };
    let cost = stampede(herd, truth, bar, request).await?;
    let loads = Some(cached.loads.load(Ordering::Relaxed));
    Ok(Cost {
        queries: cached.shop.queries_sent() - before,
        loads,
        ..cost
    })
}

/// Starts `herd` tasks at once and waits for all of them.
async fn stampede<F>(
    herd: u64,
    truth: &CityReport,
    bar: Bar,
    request: impl Fn(String) -> F,
) -> Result<Cost, BoxError>
where
    F: Future<Output = Result<Arc<CityReport>, BoxError>> + Send + 'static,
{
    let gate = Arc::new(Barrier::new(herd as usize + 1));
    let tasks: Vec<_> = (0..herd)
        .map(|_| spawn(one(Arc::clone(&gate), request(truth.city.clone()))))
        .collect();
    gate.wait().await;
    let mut cost = Cost {
        queries: 0,
        loads: None,
        wrong: 0,
        latencies: Latencies::new(),
    };
    for task in tasks {
        let (report, latency) = task.await??;
        cost.latencies.record(latency);
        cost.wrong += u64::from(*report != *truth);
        bar.add(1);
    }
    Ok(cost)
}

async fn one<T>(
    gate: Arc<Barrier>,
    request: impl Future<Output = Result<T, BoxError>>,
) -> Result<(T, Duration), BoxError> {
    gate.wait().await;
    let started = Instant::now();
    let answer = request.await?;
    Ok((answer, started.elapsed()))
}

fn show(without: &Cost, with: &Cost, report: &Report) {
    let mut table = report::table(1, ["", "queries", "loader calls", "p50", "p99", "slowest"]);
    for (name, cost) in [("no cache", without), ("with the cache", with)] {
        table.add_row([
            name.to_owned(),
            count(cost.queries),
            cost.loads.map_or_else(|| "-".to_owned(), count),
            cost.latencies.quantile(0.5),
            cost.latencies.quantile(0.99),
            cost.latencies.longest(),
        ]);
    }
    report.table(&table);
}

fn promises(herd: u64, without: &Cost, with: &Cost, report: &mut Report) {
    report.promise_count("queries without a cache", herd, without.queries);
    report.promise_count("loader calls with the cache", 1, with.loads.unwrap_or(0));
    report.promise_count("queries with the cache", 1, with.queries);
    report.promise_count("wrong answers", 0, without.wrong + with.wrong);
}

const TTL: Duration = Duration::from_millis(100);
