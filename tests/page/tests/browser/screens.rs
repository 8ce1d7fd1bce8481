//! The page fits every screen, and a screen reader.

use cache_page_tests::{Browser, Look, Scheme, WIDTHS, looks};
use serde_json::json;

use crate::server::{Server, canned, during, named, registry, twenty_times_a_second};

#[tokio::test]
async fn large_figures_fit_the_table() {
    let second = json!({
        "name": "an_ordinary_name", "entries": 1_234_567, "weight": 1_234_567,
        "capacity": 2_000_000, "hits": 7_000_000, "misses": 900_000, "coalesced": 12_345,
        "loads": 880_000, "load_failures": 12_345, "loads_fenced": 54_321, "batches": 120_000,
        "batched_keys": 800_000, "load_times": [[100_000_000, 200_000_000, 1_000]],
        "removed": {
            "explicit": 0, "replaced": 0, "size": 98_765, "expired": 43_210, "oversized": 1_234,
        },
    });
    let (address, server) = canned(&json!({ "name": "an_ordinary_name" }), &second).await;
    let browser = Browser::open(&address, Look::WIDE).await;
    browser.until_text("[data-figure=fill]", "1.2M / 2M").await;
    for width in WIDTHS {
        let scheme = Scheme::Light;
        browser.look(Look { width, scheme }).await;
        browser.screenshot(&format!("large-{width}")).await;
        let hidden = "['#figures', 'html'].map((name) => document.querySelector(name)) \
            .map((node) => node.scrollWidth - node.clientWidth).join()";
        assert_eq!(browser.eval(hidden).await, "0,0", "{width}");
    }
    browser.close().await;
    server.abort();
}

#[tokio::test]
async fn the_page_fits_every_screen_and_fetches_nothing_from_elsewhere() {
    let (users, orders) = (
        named("users", 2_000),
        named("a long name of a cache with-hyphens", 100),
    );
    let registry = registry(&[&users, &orders]);
    let server = Server::start(&registry, 0).await;
    let browser = Browser::open(&format!("{}/#users", server.address), Look::WIDE).await;
    let load = twenty_times_a_second(async || {
        for key in 0..40 {
            users
                .get_with(key * 37 % 3_000, || async move { key })
                .await;
            orders.insert(key, key);
        }
    });
    let check = async {
        browser
            .until("/^M.*L/.test(document.querySelector('.chart svg path').getAttribute('d'))")
            .await;
        for look in looks() {
            browser.look(look).await;
            browser
                .until(&format!(
                    "document.documentElement.clientWidth === {}",
                    look.width
                ))
                .await;
            assert_eq!(browser.overflow().await, 0, "{look:?}");
            let ground = browser
                .eval("getComputedStyle(document.documentElement).backgroundColor")
                .await;
            let expected = match look.scheme {
                Scheme::Light => "rgb(244, 246, 249)",
                Scheme::Dark => "rgb(13, 17, 23)",
            };
            assert_eq!(ground, expected);
            browser.grow(look.width).await;
            browser
                .screenshot(&format!("page-{}-{:?}", look.width, look.scheme))
                .await;
        }
    };
    during(load, check).await;
    let requested = browser.requested().await;
    let own = format!("http://127.0.0.1:{}/caches/", server.port);
    let mut kinds: Vec<&str> = Vec::new();
    for address in &requested {
        match address.strip_prefix(&own) {
            Some(path) => kinds.push(path),
            None => assert!(address.starts_with("data:image/svg+xml"), "{address}"),
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["", "events"], "{requested:?}");
    let messages = browser.messages().await;
    assert!(messages.is_empty(), "{messages:?}");
    browser.close().await;
    server.end().await;
}

#[tokio::test]
async fn a_screen_reader_finds_a_table_at_every_width() {
    let (users, orders) = (named("users", 10), named("orders", 100));
    let registry = registry(&[&users, &orders]);
    let server = Server::start(&registry, 0).await;
    let browser = Browser::open(&format!("{}#users", server.address), Look::WIDE).await;
    browser
        .until("document.querySelector('[data-cache=users] .chart')")
        .await;
    for width in WIDTHS {
        let scheme = Scheme::Light;
        browser.look(Look { width, scheme }).await;
        let nodes = browser.accessible().await;
        let names = |role: &str| -> Vec<&str> {
            let nodes = nodes.iter().filter(|node| node.0 == role);
            nodes.map(|node| &*node.1).collect()
        };
        assert_eq!(names("table"), ["Caches"], "{width}");
        assert_eq!(names("rowheader"), ["orders", "users"], "{width}");
        let columns = names("columnheader");
        assert_eq!(columns.len(), 10, "{columns:?}");
        assert_eq!((columns[0], columns[3]), ("Cache", "Hit ratio"));
        assert_eq!(names("button"), ["orders", "users"]);
        assert!(names("status").len() == 1 && names("heading").contains(&"Caches"));
        let images = names("image");
        assert!(
            images[0].starts_with("Requests per second in the last 15 s. Now: hits"),
            "{images:?}"
        );
    }
    browser.close().await;
    server.end().await;
}
