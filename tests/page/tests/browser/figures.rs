//! The figures of the page are those of its caches.

use std::future::pending;

use cache_page_tests::{Browser, Look};
use serde_json::json;

use crate::server::{Server, canned, during, figure, named, registry, twenty_times_a_second};

#[tokio::test]
async fn quantiles_are_those_of_the_buckets_of_the_last_minute() {
    let [fast, middle, slow] = [(1, 90), (10, 9), (100, 1)]
        .map(|(ms, count)| json!([ms * 1_000_000, ms * 2_000_000, count]));
    let old = json!([100_000_000, 200_000_000, 1_000]);
    let slow = json!([slow[0], slow[1], 1_001]);
    let first = json!({ "load_times": [old] });
    let second = json!({ "load_times": [fast, middle, slow] });
    let (address, server) = canned(&first, &second).await;
    let browser = Browser::open(&format!("{address}#users"), Look::WIDE).await;
    let times = format!("{} .trio", figure("users", "time"));
    browser.until_text(&times, "p99").await;
    let shown = browser.text(&times).await;
    let shown: Vec<_> = shown.split_whitespace().collect();
    assert_eq!(shown.join(" "), "p50 1.6 ms p95 16 ms p99 20 ms");
    // A gap of a minute has no line.
    let line = "document.querySelectorAll('.chart svg')[3].querySelector('path').getAttribute('d')";
    assert_eq!(browser.eval(line).await, "");
    assert_eq!(
        browser
            .eval("document.querySelectorAll('thead th:not([hidden])').length")
            .await,
        10
    );
    browser.close().await;
    server.abort();
}

#[tokio::test]
async fn freshness_has_a_column_as_soon_as_a_cache_has_its_figures() {
    let figures = |refreshes, stale, failed| {
        json!({ "freshness": {
            "refreshes": refreshes, "stale_hits": stale, "refresh_failures": failed,
        } })
    };
    let (address, server) = canned(&figures(0, 0, 0), &figures(120, 30, 2)).await;
    let browser = Browser::open(&format!("{address}#users"), Look::WIDE).await;
    browser
        .until_text(&figure("users", "freshness"), "2 refreshes/s")
        .await;
    browser
        .until_text(&figure("users", "freshness"), "30 stale hits, 2 failed")
        .await;
    browser.until_text("thead", "Freshness").await;
    browser
        .until_text(".charts", "Refreshes and stale hits per second")
        .await;
    browser.close().await;
    server.abort();
}

#[tokio::test]
async fn rates_and_ratios_are_those_of_the_load() {
    let cache = named("users", 1_000);
    let registry = registry(&[&cache]);
    let server = Server::start(&registry, 0).await;
    let browser = Browser::open(&server.address, Look::WIDE).await;
    for key in 0..250 {
        cache.insert(key, key);
    }
    // 400 hits and 100 misses a second, and 20 loads that take no time.
    let key = std::cell::Cell::new(10_000);
    let load = twenty_times_a_second(async || {
        for hit in 0..20 {
            cache.get(&hit);
        }
        for miss in 0..4 {
            cache.get(&(5_000 + miss));
        }
        key.set(key.get() + 1);
        cache.get_with(key.get(), || async { 7 }).await;
        cache.invalidate(&key.get());
    });
    let check = async {
        browser
            .until_text(&figure("users", "fill"), "250 / 1,000")
            .await;
        browser.until_text(&figure("users", "fill"), "25 %").await;
        browser.until_text(&figure("users", "ratio"), "80 %").await;
        browser.until_text("[data-total=ratio]", "80 %").await;
        let answered = format!("{} small:last-child", figure("users", "ratio"));
        browser.until_text(&answered, "80 % without a load").await;
        let near = |css: &str, expected: f64| {
            let css = css.to_owned();
            let browser = &browser;
            async move {
                let number = format!(
                    "Math.abs(parseFloat(document.querySelector('{css}').innerText) - {expected}) \
                     < {expected} * 0.08"
                );
                browser.until(&number).await;
            }
        };
        near(&format!("{} b", figure("users", "requests")), 500.0).await;
        near("[data-total=requests]", 500.0).await;
        near(&format!("{} b", figure("users", "loads")), 20.0).await;
    };
    during(load, check).await;
    // Without a load the rates fall to zero, and the ratio of ten seconds has nothing to divide.
    browser
        .until_text(&format!("{} b", figure("users", "requests")), "0")
        .await;
    browser
        .until(&format!(
            "document.querySelector('{} b').innerText === '0'",
            figure("users", "requests")
        ))
        .await;
    browser
        .until(&format!(
            "document.querySelector('{} b').innerText === '–'",
            figure("users", "ratio")
        ))
        .await;
    browser.close().await;
    server.end().await;
}

#[tokio::test]
async fn loads_batches_evictions_and_failures_are_counted() {
    let (users, orders) = (named("users", 10), named("orders", 100));
    let registry = registry(&[&users, &orders]);
    let server = Server::start(&registry, 0).await;
    let browser = Browser::open(&server.address, Look::WIDE).await;
    browser
        .until("document.querySelector('[data-cache=users]')")
        .await;

    for key in 0..25 {
        users.insert(key, key);
    }
    browser
        .until_text(&figure("users", "evictions"), "15 in total")
        .await;
    for key in 100..103 {
        let failed = users
            .try_get_with(key, || async { Err::<u64, _>("no") })
            .await;
        assert!(failed.is_err());
    }
    browser
        .until_text(&figure("users", "failures"), "3 in total")
        .await;

    let waiting = tokio::spawn({
        let users = users.clone();
        async move { users.get_with(200, pending).await }
    });
    browser
        .until_text(&figure("users", "loads"), "1 in flight")
        .await;
    browser.until_text("[data-total=flight]", "1").await;
    // The load that is in flight is fenced by the write, and dropped with its caller.
    waiting.abort();
    browser
        .until_text(&figure("users", "loads"), "0 in flight")
        .await;

    let writer = users.clone();
    let load = async move {
        writer.insert(300, 1);
        2
    };
    let fenced = users.get_with(300, || load);
    assert_eq!(fenced.await, 2);
    browser.until_text(&figure("users", "fenced"), "1").await;

    let batches = orders.batching(|keys: Vec<u64>| async move { keys });
    let answers = batches.get_all(0..40).await;
    assert_eq!(answers.len(), 40);
    browser
        .until_text(&figure("orders", "batches"), "× 40 keys")
        .await;
    browser
        .until_text(&figure("orders", "fill"), "40 / 100")
        .await;
    assert_eq!(browser.text(&figure("users", "batches")).await.trim(), "–");
    browser.close().await;
    server.end().await;
}
