//! The actions behind the buttons. Each compares requests without and with the cache, and counts
//! the queries of both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::backend::{Failure, Meter};
use crate::shopfront::Shopfront;

/// Requests of a herd, and of the readers during a refresh.
const HERD: u64 = 1_000;
/// Keys of a burst of misses. Each is requested twice.
const COLD: usize = 500;
/// Users that are loaded before the first request, and how many at a time.
const WARM: u64 = 1_000;
const WARM_AT_ONCE: usize = 16;

/// The result of an action.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    title: String,
    without: Option<Cost>,
    with: Option<Cost>,
    /// One sentence each.
    notes: Vec<String>,
}

/// The cost of one way to answer the requests.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    requests: u64,
    queries: u64,
    failed: u64,
    milliseconds: f64,
}

fn milliseconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e4).round() / 10.0
}

/// Sends the requests at once and waits for all of them.
async fn all<F, T, E>(requests: impl IntoIterator<Item = F>, meter: &Meter) -> Cost
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let (before, started) = (meter.count(), Instant::now());
    let mut tasks: JoinSet<_> = requests.into_iter().collect();
    let (mut requests, mut failed) = (0, 0);
    while let Some(ended) = tasks.join_next().await {
        requests += 1;
        failed += u64::from(!matches!(ended, Ok(Ok(_))));
    }
    Cost {
        requests,
        queries: meter.count() - before,
        failed,
        milliseconds: milliseconds(started.elapsed()),
    }
}

/// Many requests for one key that is not cached.
pub(crate) async fn herd(shop: &Shopfront) -> Outcome {
    let (direct, cached) = (Meter::default(), Meter::default());
    let without = all(
        (0..HERD).map(|_| {
            let (shop, meter) = (shop.clone(), direct.clone());
            async move { shop.backend.report(&shop.reserved_city, &meter).await }
        }),
        &direct,
    );
    let without = without.await;
    shop.reports.invalidate(&*shop.reserved_city);
    let with = all(
        (0..HERD).map(|_| {
            let (shop, meter) = (shop.clone(), cached.clone());
            async move { shop.report(&shop.reserved_city, &meter).await }
        }),
        &cached,
    );
    Outcome {
        title: "1,000 requests for one key".to_owned(),
        without: Some(without),
        with: Some(with.await),
        notes: vec![format!(
            "All of them want the sales report of {} at the same moment. The first one loads it, \
             the others share its load.",
            shop.reserved_city
        )],
    }
}

/// Many keys that are requested at the same time.
pub(crate) async fn batch(shop: &Shopfront) -> Outcome {
    let direct = Meter::default();
    let without = all(
        shop.reserved_products().map(|id| {
            let (shop, meter) = (shop.clone(), direct.clone());
            async move { shop.backend.products(vec![id], &meter).await }
        }),
        &direct,
    );
    let without = without.await;
    for id in shop.reserved_products() {
        shop.products.cache().invalidate(&id);
    }
    let with = all(
        shop.reserved_products().map(|id| {
            let shop = shop.clone();
            async move { shop.products.get(id).await }
        }),
        &shop.reserved_batches,
    );
    Outcome {
        title: "200 products from 200 tasks".to_owned(),
        without: Some(without),
        with: Some(with.await),
        notes: vec![
            "No task knows of the others. Keys that are missed within five milliseconds share one \
             query, at most 100 keys in each."
                .to_owned(),
        ],
    }
}

/// Keys that nothing has requested yet.
pub(crate) async fn misses(shop: &Shopfront) -> Outcome {
    let (direct, cached) = (Meter::default(), Meter::default());
    let users = || {
        let users = shop.reserved_users().take(COLD);
        users.clone().chain(users)
    };
    let without = all(
        users().map(|user| {
            let (shop, meter) = (shop.clone(), direct.clone());
            async move { shop.backend.profile(user, &meter).await }
        }),
        &direct,
    );
    let without = without.await;
    users().for_each(|user| shop.profiles.invalidate(&user));
    let with = all(
        users().map(|user| {
            let (shop, meter) = (shop.clone(), cached.clone());
            async move { shop.profile(user, &meter).await }
        }),
        &cached,
    );
    Outcome {
        title: "500 cold keys, each requested twice".to_owned(),
        without: Some(without),
        with: Some(with.await),
        notes: vec![
            "A cache cannot answer what nothing has requested before, so each key is loaded once. \
             The second request of a key joins its load, or is a hit."
                .to_owned(),
        ],
    }
}

/// A restart with an empty cache that is filled before the first request.
pub(crate) async fn warm(shop: &Shopfront) -> Outcome {
    let users = 1..=WARM;
    let (direct, warming, cached) = (Meter::default(), Meter::default(), Meter::default());
    let without = all(
        users.clone().map(|user| {
            let (shop, meter) = (shop.clone(), direct.clone());
            async move { shop.backend.profile(user, &meter).await }
        }),
        &direct,
    );
    let without = without.await;
    shop.profiles.invalidate_all();
    let started = Instant::now();
    let loaders = users.clone().map(|user| {
        let (shop, meter) = (shop.clone(), warming.clone());
        (user, move || shop.load_profile(user, &meter))
    });
    let report = shop.profiles.warm(WARM_AT_ONCE, loaders).await;
    let took = started.elapsed();
    let with = all(
        users.map(|user| {
            let (shop, meter) = (shop.clone(), cached.clone());
            async move { shop.profile(user, &meter).await }
        }),
        &cached,
    );
    let with = with.await;
    Outcome {
        title: "The first 1,000 requests after a restart".to_owned(),
        without: Some(without),
        with: Some(with),
        notes: vec![format!(
            "Before the first request, {} profiles were loaded, {WARM_AT_ONCE} at a time, in \
             {:.0} ms; {} failed, and {} were loaded by visitors meanwhile.",
            report.loaded,
            took.as_secs_f64() * 1e3,
            report.failures.len(),
            report.present + report.coalesced,
        )],
    }
}

/// A forced refresh of a value that is being read.
pub(crate) async fn refresh(shop: &Shopfront) -> Outcome {
    let user = shop.users;
    let (direct, cached) = (Meter::default(), Meter::default());
    let without = all(
        (0..HERD).map(|_| {
            let (shop, meter) = (shop.clone(), direct.clone());
            async move { shop.backend.profile(user, &meter).await }
        }),
        &direct,
    );
    let without = without.await;
    // The value that is stored when the refresh begins. Its load is not counted below.
    let stored = shop.profile(user, &Meter::default()).await;
    let refresh = {
        let (shop, meter) = (shop.clone(), cached.clone());
        tokio::spawn(async move {
            let load = || shop.load_profile(user, &meter);
            shop.profiles.refresh(user, load).await
        })
    };
    while cached.count() == 0 && !refresh.is_finished() {
        tokio::task::yield_now().await;
    }
    let readers = all(
        (0..HERD).map(|_| {
            let (shop, meter) = (shop.clone(), cached.clone());
            async move { shop.profile(user, &meter).await }
        }),
        &cached,
    );
    let mut with = readers.await;
    let refreshed = matches!(refresh.await, Ok(Ok(_)));
    with.queries = cached.count();
    let end = match (stored.is_ok(), refreshed) {
        (_, true) => "The refresh then replaced the value.",
        (true, false) => "The refresh failed, and the old value stays until it expires.",
        (false, false) => "The refresh failed, and there was no value to keep.",
    };
    Outcome {
        title: "1,000 reads while the value is refreshed".to_owned(),
        without: Some(without),
        with: Some(with),
        notes: vec![format!("The readers got the stored value at once. {end}")],
    }
}

/// A write while a load of the same key is in flight.
pub(crate) async fn write(shop: &Shopfront) -> Result<Outcome, Failure> {
    let user = shop.users - 1;
    let meter = Meter::default();
    shop.profiles.invalidate(&user);
    let (read, written) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let load = {
        let (shop, meter) = (shop.clone(), meter.clone());
        let (has_read, has_written) = (Arc::clone(&read), Arc::clone(&written));
        tokio::spawn(async move {
            let load = || {
                let query = shop.load_profile(user, &meter);
                async move {
                    let profile = query.await;
                    has_read.notify_one();
                    // The result is on its way back while the write happens.
                    has_written.notified().await;
                    profile
                }
            };
            shop.profiles.try_get_with(user, load).await
        })
    };
    read.notified().await;
    let before = shop.backend.profile(user, &meter).await;
    let city = match &before {
        Ok(profile) if profile.city == "Lima" => "Oslo",
        _ => "Lima",
    };
    let moved = shop.backend.move_to(user, city).await;
    shop.profiles.invalidate(&user);
    written.notify_one();
    let old = load.await;
    moved?;
    let stored = shop.profiles.peek(&user).is_some();
    let (started, queries) = (Instant::now(), meter.count());
    let new = shop.profile(user, &meter).await;
    let took: Duration = started.elapsed();
    let city_of = |profile: Option<String>| profile.unwrap_or_else(|| "an error".to_owned());
    let old = city_of(
        old.ok()
            .and_then(Result::ok)
            .map(|profile| profile.city.clone()),
    );
    let failed = u64::from(new.is_err());
    let new = city_of(new.ok().map(|profile| profile.city.clone()));
    Ok(Outcome {
        title: "A write during a load".to_owned(),
        without: None,
        with: Some(Cost {
            requests: 1,
            queries: meter.count() - queries,
            failed,
            milliseconds: milliseconds(took),
        }),
        notes: vec![
            format!(
                "A profile was loaded: the user lives in {old}. Before the load ended, the user \
                 moved to {city}."
            ),
            format!(
                "The old result {} stored. The next request got {new}.",
                if stored { "was" } else { "was not" }
            ),
        ],
    })
}
