//! Chapter 4: a user moves several times while a reader reads the user's profile.

mod parts;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::LoadError;
use cache_examples::figures::{count, time};
use cache_examples::report::{self, Report};
use cache_examples::shop::{Profile, Shop, ShopError};
use comfy_table::Table;

use crate::BoxError;
use crate::runtime::Cache;
use crate::stats::Observed;

pub(crate) async fn chapter(shop: &Shop, report: &mut Report) -> Result<Observed, BoxError> {
    report.chapter("What a reader sees", &introduction());
    let first_city = shop.profile(USER).await?.city;
    let mut timeline = Timeline::new(shop, &first_city);
    let result = parts::run(&mut timeline).await;
    // Restores the city even after an error, so that the next tour finds the same data.
    shop.move_to(USER, &first_city).await?;
    result?;
    report.table(&timeline.table);
    for (promise, found) in timeline.promises {
        report.promise(&promise, found);
    }
    Ok(Observed::new(
        "reader",
        timeline.cache.stats(),
        timeline.cache.entry_count(),
    ))
}

fn introduction() -> String {
    format!(
        "A user moves in the database while a reader requests the profile. First the entry \
         expires, {} after it was loaded. Then the entry never expires, and is \
         invalidated. Last, the key is invalidated during a load, so the load's value is out \
         of date when the load ends.",
        time(TTL),
    )
}

/// The reader's cache, and the events with their times.
struct Timeline {
    shop: Shop,
    cache: Cache<u64, Arc<Profile>>,
    cities: Vec<&'static str>,
    began: Instant,
    table: Table,
    promises: Vec<(String, Option<String>)>,
}

/// The result of a read.
type Answer = Result<Arc<Profile>, LoadError<ShopError>>;

/// One read: the city that it returned, its queries and its time.
#[derive(Clone, Debug)]
struct Look {
    city: String,
    queries: u64,
    begun: Instant,
    ended: Instant,
}

impl Timeline {
    fn new(shop: &Shop, first_city: &str) -> Self {
        Self {
            shop: shop.clone(),
            cache: Cache::builder().max_capacity(100).time_to_live(TTL).build(),
            cities: DESTINATIONS
                .into_iter()
                .filter(|city| *city != first_city)
                .collect(),
            began: Instant::now(),
            table: report::table(3, ["at", "what happens", "the reader sees", "queries"]),
            promises: Vec::new(),
        }
    }

    /// Reads through the cache.
    async fn look(&self) -> Result<Look, BoxError> {
        let load = || {
            let shop = self.shop.clone();
            async move { shop.profile(USER).await.map(Arc::new) }
        };
        self.watch(self.cache.try_get_with(USER, load)).await
    }

    /// Records when a read runs and how many queries are sent meanwhile.
    async fn watch(&self, read: impl Future<Output = Answer>) -> Result<Look, BoxError> {
        let (begun, before) = (Instant::now(), self.shop.queries_sent());
        let city = read.await?.city.clone();
        let queries = self.shop.queries_sent() - before;
        Ok(Look {
            city,
            queries,
            begun,
            ended: Instant::now(),
        })
    }

    /// Moves the user in the database. The cache is not notified.
    async fn move_user(&mut self) -> Result<&'static str, BoxError> {
        let city = self.cities.pop().unwrap_or(DESTINATIONS[0]);
        self.shop.move_to(USER, city).await?;
        self.happens(&format!("the user moves to {city}"));
        Ok(city)
    }

    fn saw(&mut self, look: &Look, event: &str) {
        self.note(look.begun, event, &look.city, &count(look.queries));
    }

    fn happens(&mut self, event: &str) {
        self.note(Instant::now(), event, "", "");
    }

    fn note(&mut self, at: Instant, event: &str, sees: &str, queries: &str) {
        let at = format!("{} ms", at.duration_since(self.began).as_millis());
        self.table.add_row([at.as_str(), event, sees, queries]);
    }

    fn promise(&mut self, promise: &str, found: Option<String>) {
        self.promises.push((promise.to_owned(), found));
    }
}

/// The user whose profile is read.
const USER: u64 = 1;

/// The cities that the user may move to. There is one more than needed, as one of them may be the
/// user's city already.
const DESTINATIONS: [&str; 4] = ["Kyoto", "Lisbon", "Oslo", "Porto"];

/// The TTL of the entry.
const TTL: Duration = Duration::from_millis(250);
