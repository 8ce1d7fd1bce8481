//! Chapter 5: a page of orders with a customer's name in each line. The names are fetched one by
//! one and in batches.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::LoadError;
use cache_examples::figures::{count, counted, time};
use cache_examples::report::{self, Report};
use cache_examples::shop::{Shop, ShopError, User};

use crate::BoxError;
use crate::runtime::{Cache, sleep};
use crate::stats::Observed;

pub(crate) async fn chapter(shop: &Shop, report: &mut Report) -> Result<Observed, BoxError> {
    let orders = shop.latest_orders(1..=CUSTOMERS, LINES).await?;
    let lines: Vec<u64> = orders.iter().map(|order| order.user).collect();
    let distinct = lines.iter().collect::<HashSet<_>>().len() as u64;
    report.chapter("A page in batches", &introduction(&lines, distinct));
    let local = Visits::make(Backend::new(shop, Duration::ZERO), &lines).await?;
    let delayed = Visits::make(Backend::new(shop, DELAY), &lines).await?;
    show(&local, &delayed, report);
    promises([&local, &delayed], &lines, distinct, report);
    faster(&delayed, distinct, report);
    Ok(Observed::new(
        "page",
        local.cache.stats(),
        local.cache.entry_count(),
    ))
}

fn introduction(lines: &[u64], distinct: u64) -> String {
    format!(
        "A page lists the last {} of {}, and each line shows the customer's name. The list is one \
         query. If the lines load their names one after the other, each sends one more query. A \
         cache saves the queries for repeated names. Batches collect the keys that the lines \
         request concurrently, and send one query for at most a given number of keys. By default a \
         batch waits {} ms for more keys. A page that has requested all its keys may dispatch it \
         at once. The figures are for the local database, and for a delay of {} ms for each \
         query.",
        counted(lines.len() as u64, "order", "orders"),
        counted(distinct, "customer", "customers"),
        WINDOW.as_millis(),
        DELAY.as_millis(),
    )
}

/// The users' table, with a delay for each query.
#[derive(Clone, Debug)]
struct Backend {
    shop: Shop,
    delay: Duration,
}

impl Backend {
    fn new(shop: &Shop, delay: Duration) -> Self {
        Self {
            shop: shop.clone(),
            delay,
        }
    }

    async fn pause(&self) {
        if !self.delay.is_zero() {
            sleep(self.delay).await;
        }
    }

    async fn user(&self, user: u64) -> Result<Arc<User>, ShopError> {
        self.pause().await;
        self.shop.user(user).await
    }

    async fn users(&self, users: Vec<u64>) -> Result<HashMap<u64, Arc<User>>, ShopError> {
        self.pause().await;
        self.shop.users(users).await
    }
}

type Users = Cache<u64, Arc<User>>;

/// No cache: each line sends its query.
async fn one_by_one(backend: &Backend, lines: &[u64]) -> Result<Vec<Arc<User>>, BoxError> {
    let mut users = Vec::new();
    for &user in lines {
        users.push(backend.user(user).await?);
    }
    Ok(users)
}

/// The cache, with one load after the other.
async fn cached(
    cache: &Users,
    backend: &Backend,
    lines: &[u64],
) -> Result<Vec<Arc<User>>, BoxError> {
    let mut users = Vec::new();
    for &user in lines {
        let load = || {
            let backend = backend.clone();
            async move { backend.user(user).await }
        };
        users.push(cache.try_get_with(user, load).await?);
    }
    Ok(users)
}

/// The cache, with batches in their default settings.
async fn in_batches(
    cache: &Users,
    backend: &Backend,
    lines: &[u64],
) -> Result<Vec<Arc<User>>, BoxError> {
    let backend = backend.clone();
    let users = cache.batching(|users: Vec<u64>| async move { backend.users(users).await });
    all(users.get_all(lines.to_vec()).await, lines)
}

/// The cache, with batches of another size that are dispatched as soon as all lines have requested
/// their keys.
async fn dispatched(
    max: u64,
    cache: &Users,
    backend: &Backend,
    lines: &[u64],
) -> Result<Vec<Arc<User>>, BoxError> {
    let backend = backend.clone();
    let users = cache
        .batching_builder(|users: Vec<u64>| async move { backend.users(users).await })
        .max_batch_size(max as usize)
        .build();
    let (found, ()) = tokio::join!(biased; users.get_all(lines.to_vec()), async {
        users.dispatch();
    });
    all(found, lines)
}

type Found = Result<Option<Arc<User>>, LoadError<ShopError>>;

fn all(found: Vec<Found>, lines: &[u64]) -> Result<Vec<Arc<User>>, BoxError> {
    let found = found.into_iter().zip(lines);
    let users = found.map(|(user, line)| user?.ok_or_else(|| ShopError::NoSuchUser(*line).into()));
    users.collect()
}

/// The page, fetched in each way from one backend.
struct Visits {
    visits: Vec<Visit>,
    /// The cache of the batches with a window.
    cache: Users,
}

struct Visit {
    way: String,
    /// Maximum number of keys in one query; 0 for a page that is cached already.
    batch: u64,
    queries: u64,
    took: Duration,
    users: Vec<Arc<User>>,
}

impl Visits {
    async fn make(backend: Backend, lines: &[u64]) -> Result<Self, BoxError> {
        let empty = || Cache::new(1_000);
        let (single, windowed, large, small) = (empty(), empty(), empty(), empty());
        let mut all = Self {
            visits: Vec::new(),
            cache: windowed.clone(),
        };
        let visit = &backend;
        let way = "one by one, no cache";
        all.add(way, 1, visit, one_by_one(visit, lines)).await?;
        let way = "one by one, through the cache";
        all.add(way, 1, visit, cached(&single, visit, lines))
            .await?;
        let way = format!("batches of {BATCH}");
        all.add(&way, BATCH, visit, in_batches(&windowed, visit, lines))
            .await?;
        let way = "the same page again";
        all.add(way, 0, visit, in_batches(&windowed, visit, lines))
            .await?;
        for (max, cache) in [(BATCH, large), (SMALL_BATCH, small)] {
            let way = format!("batches of {max}, at once");
            all.add(&way, max, visit, dispatched(max, &cache, visit, lines))
                .await?;
        }
        Ok(all)
    }

    async fn add(
        &mut self,
        way: &str,
        batch: u64,
        backend: &Backend,
        page: impl Future<Output = Result<Vec<Arc<User>>, BoxError>>,
    ) -> Result<(), BoxError> {
        let (began, before) = (Instant::now(), backend.shop.queries_sent());
        let users = page.await?;
        self.visits.push(Visit {
            way: way.to_owned(),
            batch,
            queries: backend.shop.queries_sent() - before,
            took: began.elapsed(),
            users,
        });
        Ok(())
    }
}

fn show(local: &Visits, delayed: &Visits, report: &Report) {
    let with_delay = format!("with {} ms delay", DELAY.as_millis());
    let mut table = report::table(1, ["names are fetched", "queries", "local", &with_delay]);
    for (local, delayed) in local.visits.iter().zip(&delayed.visits) {
        table.add_row([
            local.way.clone(),
            count(local.queries),
            time(local.took),
            time(delayed.took),
        ]);
    }
    report.table(&table);
}

fn promises(places: [&Visits; 2], lines: &[u64], distinct: u64, report: &mut Report) {
    let [local, delayed] = places.map(|visits| &visits.visits);
    for (number, (local, delayed)) in local.iter().zip(delayed).enumerate() {
        let promised = match (number, local.batch) {
            (0, _) => lines.len() as u64,
            (_, 0) => 0,
            (_, max) => distinct.div_ceil(max),
        };
        let mut found = [local.queries, delayed.queries].into_iter();
        let wrong = found.find(|queries| *queries != promised);
        let what = format!("queries, {}", local.way);
        report.promise_count(&what, promised, wrong.unwrap_or(promised));
    }
    let truth = &local[0].users;
    let wrong = local
        .iter()
        .chain(delayed)
        .find(|visit| visit.users != *truth);
    report.promise(
        "every line shows the same customer in each way",
        wrong.map(|visit| format!("other customers, {}", visit.way)),
    );
}

/// Promised only if there are enough keys to collect.
fn faster(delayed: &Visits, distinct: u64, report: &mut Report) {
    let (single, batch) = (&delayed.visits[1], &delayed.visits[2]);
    if distinct >= 20 {
        let slower = batch.took >= single.took;
        report.promise(
            &format!("{} are faster than one by one, with the delay", batch.way),
            slower.then(|| format!("{} instead of {}", time(batch.took), time(single.took))),
        );
    }
}

/// The customers of the page: the users with the lowest numbers.
const CUSTOMERS: u64 = 30;
const LINES: u64 = 50;

/// The default settings of batches.
const BATCH: u64 = 100;
const WINDOW: Duration = Duration::from_millis(5);

const SMALL_BATCH: u64 = 10;

/// The delay of a database in the same building.
const DELAY: Duration = Duration::from_millis(1);
