//! Each route, and requests that have none.

use std::time::Duration;

use cache_core::testing::MemoryTier;
use cache_core::tier::Tiered;
use cache_page::{Page, Registry};
use cache_tokio::{Cache, Tokio};
use http::header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap};
use http::{Method, StatusCode};
use serde_json::Value;

use crate::client::{data_of, event, get, registry, text};

#[tokio::test]
async fn the_page_is_one_document_with_a_strict_policy() {
    let page = Page::manual(Registry::new());
    for path in ["", "/"] {
        let response = get(&page, path);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = response.headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let html = text(response).await;
        assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
    }
}

#[tokio::test]
async fn the_counters_are_those_of_the_caches() {
    let (registry, cache) = registry();
    let page = Page::manual(registry);
    let response = get(&page, "/stats.json");
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    let stats: Value = serde_json::from_str(&text(response).await).unwrap();
    let users = &stats["caches"][0];
    assert_eq!(users["name"], "users");
    assert_eq!((&users["hits"], &users["misses"]), (&1.into(), &1.into()));
    assert_eq!(
        (&users["entries"], &users["capacity"]),
        (&1.into(), &10.into())
    );
    // As of now, without a sample in between.
    cache.invalidate(&1);
    let stats: Value = serde_json::from_str(&text(get(&page, "/stats.json")).await).unwrap();
    assert_eq!(stats["caches"][0]["removed"]["explicit"], 1);
}

#[tokio::test]
async fn a_tiered_cache_has_the_figures_of_its_second_tier() {
    let tier = MemoryTier::new(Tokio::default());
    let users: Tiered<u64, u64, _, _> = Cache::builder().name("users").tiered(tier);
    let plain: Cache<u64, u64> = Cache::builder().name("plain").build();
    let registry = Registry::new();
    registry.register(&users).unwrap();
    registry.register(&plain).unwrap();
    users.get_with(1, || async { 1 }).await;
    users.invalidate(&1).await.unwrap();
    let page = Page::manual(registry);
    let stats: Value = serde_json::from_str(&text(get(&page, "/stats.json")).await).unwrap();
    assert_eq!(stats["caches"][0]["name"], "plain");
    assert!(stats["caches"][0].get("tier").is_none());
    let tier = &stats["caches"][1]["tier"];
    let count = |name: &str| tier[name].as_u64().unwrap();
    assert_eq!((count("hits"), count("misses")), (0, 1));
    assert_eq!((count("fills_stored"), count("invalidations_sent")), (1, 1));
    assert_eq!(tier["breaker_open"], false);
    assert!(tier["horizon_lag_seconds"].is_number());
}

#[tokio::test]
async fn load_times_are_buckets_of_nanoseconds() {
    let (registry, cache) = registry();
    let page = Page::manual(registry);
    cache.get_with(3, || async { "Grace" }).await;
    let failed = cache
        .try_get_with(4, || async { Err::<&str, _>("no") })
        .await;
    assert!(failed.is_err());
    let stats: Value = serde_json::from_str(&text(get(&page, "/stats.json")).await).unwrap();
    let buckets = stats["caches"][0]["load_times"].as_array().unwrap();
    let count = |bucket: &Value| bucket[2].as_u64().unwrap();
    assert_eq!(buckets.iter().map(count).sum::<u64>(), 2);
    for bucket in buckets {
        let bounds = (bucket[0].as_u64().unwrap(), bucket[1].as_u64().unwrap());
        assert!(
            bounds.0 < bounds.1 && bounds.1 <= 60_000_000_000,
            "{bucket}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_figures_of_refreshes_are_there_as_soon_as_one_is_not_zero() {
    let cache: Cache<u64, u64> = Cache::builder()
        .name("users")
        .time_to_live(Duration::from_secs(300))
        .stale_while_revalidate(Duration::from_secs(60))
        .stale_if_error(Duration::from_secs(3_600))
        .build();
    let registry = Registry::new();
    registry.register(&cache).unwrap();
    let page = Page::manual(registry);
    let freshness = async || {
        let text = text(get(&page, "/stats.json")).await;
        let stats: Value = serde_json::from_str(&text).unwrap();
        stats["caches"][0].get("freshness").cloned()
    };
    let down = || async { Err::<u64, _>("down") };
    cache.insert(1, 10);
    assert_eq!(freshness().await, None);
    tokio::time::advance(Duration::from_secs(300)).await;
    assert_eq!(cache.try_get_with(1, down).await, Ok(10));
    while cache.stats().refresh_failures == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(cache.try_get_with(1, down).await, Ok(10));
    let expected = serde_json::json!({
        "refreshes": 1, "refresh_failures": 1, "refreshes_fenced": 0, "refreshes_skipped": 0,
        "stale_hits": 1, "stale_on_error": 1, "stale_on_slow": 0,
    });
    assert_eq!(freshness().await, Some(expected));
}

#[tokio::test]
async fn no_key_and_no_value_leaves_the_process() {
    let (registry, _cache) = registry();
    let page = Page::manual(registry);
    page.sample();
    let mut stream = get(&page, "/events");
    let sent = event(&mut stream) + &event(&mut stream) + &text(get(&page, "/stats.json")).await;
    assert!(!sent.contains("Ada"), "{sent}");
}

#[test]
fn a_name_of_any_characters_is_data() {
    let name = "a\"b\n\ndata: <script>\u{7}\u{2028}";
    let cache: Cache<u64, u64> = Cache::builder().name(name).build();
    let registry = Registry::new();
    registry.register(&cache).unwrap();
    let page = Page::manual(registry);
    page.sample();
    let mut stream = get(&page, "/events");
    event(&mut stream);
    let sample = event(&mut stream);
    assert_eq!(
        sample.matches('\n').count(),
        3,
        "one event of two lines: {sample}"
    );
    assert_eq!(data_of(&sample)["caches"][0]["name"], name);
}

#[test]
fn an_unknown_path_is_not_found() {
    let page = Page::manual(Registry::new());
    let long = format!("/{}", "a".repeat(100_000));
    for path in [
        "/favicon.ico",
        "//",
        "/events/",
        "/../stats.json",
        "/%00",
        "stats.json",
        &long,
    ] {
        assert_eq!(get(&page, path).status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn other_methods_are_not_allowed() {
    let page = Page::manual(Registry::new());
    for path in ["/", "/stats.json", "/events"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let response = page.respond(&method, path, &HeaderMap::new());
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(response.headers()[ALLOW], "GET, HEAD");
        }
    }
    assert_eq!(page.readers(), 0);
}

#[tokio::test]
async fn head_has_the_headers_and_no_body() {
    let page = Page::manual(Registry::new());
    for path in ["/", "/stats.json", "/events"] {
        let head = page.respond(&Method::HEAD, path, &HeaderMap::new());
        assert_eq!(head.headers(), get(&page, path).headers());
        assert_eq!(text(head).await, "");
    }
    assert_eq!(page.readers(), 0);
}
