//! The chapters. Each calls a decorated function and counts the queries that reach the database.

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use cache_examples::bar::Bar;
use cache_examples::figures::{count, counted, percent, time, times};
use cache_examples::report::{self, Report};
use cache_examples::shop::{Shop, ShopError};

use crate::BoxError;
use crate::pages::{Reports, profile, regular};

/// Many requests for one page arrive at the same time.
pub(crate) async fn herd(size: u64, shop: &Shop, report: &mut Report) -> Result<(), BoxError> {
    report.chapter(
        "A herd",
        &format!(
            "{} for one user's page arrive at the same moment: the plain query, and the function \
             with #[cached(max_capacity = 1_000, ttl = \"5m\", skip(shop), result)].",
            counted(size, "request", "requests")
        ),
    );
    let plain = Measured::of(shop, together((0..size).map(|_| shop.profile(USER)))).await;
    let calls = (0..size).map(|_| profile(shop.clone(), USER));
    let cached = Measured::of(shop, together(calls)).await;

    let mut table = report::table(1, ["", "queries", "took"]);
    table.add_row(plain.row("a query each"));
    table.add_row(cached.row("#[cached]"));
    report.table(&table);

    let mut differ = 0;
    for (plain, cached) in plain.answer.into_iter().zip(cached.answer) {
        differ += u64::from(plain? != *cached?);
    }
    report.promise_count("queries without it", size, plain.queries);
    report.promise_count("queries with it", 1, cached.queries);
    report.promise_count("answers that differ", 0, differ);
    report.promise_count("requests that waited", size - 1, profile::stats().coalesced);
    Ok(())
}

/// The page is cached.
pub(crate) async fn hits(calls: u64, shop: &Shop, report: &mut Report) -> Result<(), BoxError> {
    report.chapter(
        "A hit",
        &format!(
            "The page is requested again, {}, one after the other. A hit looks up the borrowed \
             arguments: it creates no owned key and does not allocate.",
            counted(calls, "time", "times")
        ),
    );
    let queries = 200;
    let query = Measured::of(shop, async {
        for _ in 0..queries {
            shop.profile(USER).await?;
        }
        Ok::<_, ShopError>(())
    })
    .await;
    query.answer?;
    let before = profile::stats().hits;
    let bar = Bar::new(calls, "requesting the page again and again");
    let hits = Measured::of(shop, async {
        for call in 0..calls {
            profile(shop.clone(), USER).await?;
            if call % 10_000 == 0 {
                bar.set(call);
            }
        }
        Ok::<_, BoxError>(())
    })
    .await;
    drop(bar);
    hits.answer?;

    let (query_time, hit_time) = (each(query.took, queries), each(hits.took, calls));
    let mut table = report::table(1, ["", "a call", ""]);
    table.add_row(["a query".to_owned(), time(query_time), String::new()]);
    let faster = query_time.as_secs_f64() / hit_time.as_secs_f64().max(f64::EPSILON);
    let faster = format!("{} faster", times(faster));
    table.add_row(["a hit".to_owned(), time(hit_time), faster]);
    report.table(&table);

    report.promise_count("queries for all hits together", 0, hits.queries);
    report.promise_count("hits", calls, profile::stats().hits - before);
    Ok(())
}

/// The data in the database changes.
pub(crate) async fn reload(shop: &Shop, report: &mut Report) -> Result<(), BoxError> {
    report.chapter(
        "A forced reload",
        "The user moves. The page has the old city until it expires or until \
         profile::refresh(…) reloads it. After profile::invalidate(…) the next reader reloads it.",
    );
    let city = || async { Ok::<_, BoxError>(profile(shop.clone(), USER).await?.city.clone()) };
    let before = city().await?;
    let refreshed = Measured::of(shop, async {
        shop.move_to(USER, "Reykjavík").await?;
        let stale = city().await?;
        profile::refresh(shop.clone(), USER).await?;
        Ok::<_, BoxError>((stale, city().await?))
    })
    .await;
    let (stale, fresh) = refreshed.answer?;
    let invalidated = Measured::of(shop, async {
        shop.move_to(USER, &before).await?;
        profile::invalidate(USER);
        Ok::<_, BoxError>((city().await?, city().await?))
    })
    .await;
    let (first, second) = invalidated.answer?;

    promise_text(report, "city before the reload", &before, &stale);
    promise_text(report, "city after it", "Reykjavík", &fresh);
    promise_text(report, "city after the invalidation", &before, &first);
    promise_text(report, "city on the next call, a hit", &before, &second);
    report.promise_count("queries for the reload", 1, refreshed.queries);
    report.promise_count("queries after the invalidation", 1, invalidated.queries);
    Ok(())
}

/// A method whose caller is cancelled before the answer arrives.
pub(crate) async fn method(shop: &Shop, report: &mut Report) -> Result<(), BoxError> {
    report.chapter(
        "A method",
        "Two handlers share the result of Reports::of_city(&self, city): `self` is skipped. The \
         load has a clone of it, so when the handler that called first is cancelled, the load \
         continues for the other.",
    );
    let city = shop.city_of_last_order().await?;
    let handlers = [(); 2].map(|()| Reports { shop: shop.clone() });
    let measured = Measured::of(shop, async {
        let mut impatient = Box::pin(handlers[0].of_city(&city));
        let mut patient = Box::pin(handlers[1].of_city(&city));
        let answered = poll_fn(|cx| {
            let first = impatient.as_mut().poll(cx).is_ready();
            Poll::Ready(first || patient.as_mut().poll(cx).is_ready())
        });
        assert!(!answered.await, "the query is still running");
        drop(impatient);
        patient.await
    })
    .await;
    let sales = measured.answer?;
    report.text(&format!(
        "{}: {} of {}, {} spent most.",
        sales.city,
        counted(sales.orders, "order", "orders"),
        counted(sales.customers, "customer", "customers"),
        sales.best_customer,
    ));
    report.promise_count("queries for both handlers", 1, measured.queries);
    report.promise_count("loads", 1, Reports::of_city_stats().loads);
    report.promise_count("cached reports", 1, Reports::of_city_cache().entry_count());
    Ok(())
}

/// The requested user does not exist.
pub(crate) async fn errors(size: u64, shop: &Shop, report: &mut Report) -> Result<(), BoxError> {
    report.chapter(
        "An error",
        &format!(
            "{} arrive for a user that does not exist. All of them get one error, which is not \
             cached.",
            counted(size, "request", "requests")
        ),
    );
    let calls = (0..size).map(|_| profile(shop.clone(), MISSING_USER));
    let herd = Measured::of(shop, together(calls)).await;
    let again = Measured::of(shop, profile(shop.clone(), MISSING_USER)).await;
    let failed = herd.answer.into_iter().filter(|answer| {
        let error = answer.as_ref().err().and_then(|error| error.loader());
        matches!(error, Some(ShopError::NoSuchUser(MISSING_USER)))
    });
    report.promise_count("requests with that error", size, failed.count() as u64);
    report.promise_count("queries for all of them", 1, herd.queries);
    report.promise_count("queries of the next request", 1, again.queries);
    let kept = profile::cache().contains_key(&MISSING_USER);
    report.promise("nothing is cached", kept.then(|| "an entry".to_owned()));
    Ok(())
}

/// The cache is full.
pub(crate) async fn eviction(shop: &Shop, report: &mut Report) -> Result<(), BoxError> {
    report.chapter(
        "What is evicted first",
        "With max_capacity = 3, users 1, 2 and 3 are requested, 1 once more, then 4. Exactly the \
         least recently used entry is evicted: user 2.",
    );
    for user in [1, 2, 3, 1, 4] {
        regular(shop.clone(), user).await?;
    }
    let kept: Vec<_> = (1..=4)
        .filter(|user| regular::cache().contains_key(user))
        .map(|user| user.to_string())
        .collect();
    promise_text(report, "cached users", "1, 3, 4", &kept.join(", "));
    report.promise_count("queries", 4, regular::stats().loads);
    let found = percent(regular::stats().hit_rate());
    promise_text(report, "hit rate", "20.0 %", &found);
    regular::clear();
    report.promise_count(
        "entries after regular::clear()",
        0,
        regular::cache().entry_count(),
    );
    Ok(())
}

/// The output of a future, and the queries and the time that it took.
struct Measured<T> {
    answer: T,
    queries: u64,
    took: Duration,
}

impl<T> Measured<T> {
    async fn of(shop: &Shop, what: impl Future<Output = T>) -> Self {
        let (began, before) = (Instant::now(), shop.queries_sent());
        let answer = what.await;
        Self {
            answer,
            queries: shop.queries_sent() - before,
            took: began.elapsed(),
        }
    }

    fn row(&self, name: &str) -> [String; 3] {
        [name.to_owned(), count(self.queries), time(self.took)]
    }
}

fn each(span: Duration, number: u64) -> Duration {
    span.div_f64(number.max(1) as f64)
}

fn promise_text(report: &mut Report, what: &str, promised: &str, found: &str) {
    let differs = promised != found;
    report.promise(
        &format!("{what}: {promised}"),
        differs.then(|| found.to_owned()),
    );
}

/// Starts all calls before any of them can complete, and waits for all of them.
async fn together<F: Future>(calls: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    let mut answers: Vec<_> = calls.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (call, answer) in calls.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                *answer = match call.as_mut().poll(cx) {
                    Poll::Ready(ready) => Some(ready),
                    Poll::Pending => None,
                };
            }
        }
        if answers.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    answers.into_iter().flatten().collect()
}

/// The user whose page is requested.
const USER: u64 = 7;

/// A user that does not exist: users are numbered from 1.
const MISSING_USER: u64 = 0;
