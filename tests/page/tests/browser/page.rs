//! The live page with caches that the test drives: every figure is known.

use std::future::{Future, pending};
use std::time::Duration;

use axum::Router;
use cache_page::{Page, Registry};
use cache_page_tests::{Browser, Look, Scheme, WIDTHS, looks};
use cache_tokio::Cache;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A program with a page at `/caches` of a port of its own.
struct Server {
    address: String,
    port: u16,
    page: Page,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(registry: &Registry, port: u16) -> Self {
        let page = Page::new(registry.clone());
        let app = Router::new().nest_service("/caches", page.router::<()>());
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.expect("the port is free");
        let port = listener.local_addr().expect("an address").port();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { _ = stopped.await };
        let server = axum::serve(listener, app).with_graceful_shutdown(shutdown);
        Self {
            address: format!("http://127.0.0.1:{port}/caches"),
            port,
            page,
            stop,
            task: tokio::spawn(async { server.await.expect("the server runs") }),
        }
    }

    /// Ends the server as a program does.
    async fn end(self) {
        self.page.close();
        let _ = self.stop.send(());
        self.task.await.expect("the server ends");
    }
}

fn registry(caches: &[&Cache<u64, u64>]) -> Registry {
    let registry = Registry::new();
    for cache in caches {
        registry.register(*cache).expect("the name is free");
    }
    registry
}

fn named(name: &str, capacity: u64) -> Cache<u64, u64> {
    Cache::builder().name(name).max_capacity(capacity).build()
}

fn figure(cache: &str, figure: &str) -> String {
    format!("[data-cache={cache}] [data-figure={figure}]")
}

/// The page of a server that sends the samples `first` and, a minute later, `second` of one cache.
async fn canned(first: &Value, second: &Value) -> (String, JoinHandle<()>) {
    let sample = |number: u32, cache: &Value| {
        let counters = json!({
            "name": "users", "entries": 1, "weight": 1, "capacity": null, "memory_bytes": 1,
            "in_flight": 0, "hits": 0, "misses": 0, "coalesced": 0, "insertions": 0, "loads": 0,
            "load_failures": 0, "loads_dropped": 0, "loads_fenced": 0, "batches": 0, "batched_keys": 0,
            "removed": { "explicit": 0, "replaced": 0, "size": 0, "expired": 0, "oversized": 0 },
        });
        let mut counters = counters.as_object().expect("an object").clone();
        counters.extend(cache.as_object().expect("an object").clone());
        let at = number * 60_000;
        let data = json!({ "run": "a", "at": at, "caches": [counters] });
        format!("id: a-{number}\ndata: {data}\n\n")
    };
    let hello = "event: hello\ndata: {\"run\":\"a\"}\n\n";
    let events = format!("{hello}{}{}", sample(1, first), sample(2, second));
    let page = Page::manual(Registry::new());
    let kind = [(axum::http::header::CONTENT_TYPE, "text/event-stream")];
    let app = Router::new()
        .route("/events", axum::routing::get(async move || (kind, events)))
        .fallback_service(page.router::<()>());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}/", listener.local_addr().expect("an address"));
    let server = axum::serve(listener, app).into_future();
    (
        address,
        tokio::spawn(async { server.await.expect("it runs") }),
    )
}

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

/// Runs `work` again and again, about every 50 ms, as often as the clock demands, until it is
/// dropped.
async fn twenty_times_a_second(work: impl AsyncFn()) {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    loop {
        ticks.tick().await;
        work().await;
    }
}

/// Waits for `check` while `load` runs.
async fn during(load: impl Future<Output = ()>, check: impl Future<Output = ()>) {
    tokio::select! {
        () = load => panic!("the load ended"),
        () = check => {}
    }
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

#[tokio::test]
async fn a_row_shows_its_lines_by_pointer_and_by_keyboard() {
    let (users, orders) = (named("users", 10), named("orders", 100));
    let registry = registry(&[&users, &orders]);
    let server = Server::start(&registry, 0).await;
    let browser = Browser::open(&format!("{}#users", server.address), Look::WIDE).await;
    let is_open = |cache: &str| {
        format!(
            "document.querySelector('[data-cache={cache}] button').ariaExpanded === 'true' && \
             document.querySelector('[data-cache={cache}] .chart').checkVisibility()"
        )
    };
    // A link to one cache opens it.
    browser.until(&is_open("users")).await;
    browser.until(&format!("!({})", is_open("orders"))).await;
    let line = "document.querySelector('[data-cache=users] .chart svg path').getAttribute('d')";
    browser.until(&format!("/^M.*L/.test({line})")).await;
    browser
        .until_text("[data-cache=users] .chart .legend", "hits 0")
        .await;

    browser
        .click("[data-cache=orders] [data-figure=fill]")
        .await;
    browser.until(&is_open("orders")).await;
    // The first stop of the keyboard is the first cache, in the order of the names.
    browser.eval("document.activeElement.blur()").await;
    browser.click("h1").await;
    browser.press("\u{e004}").await;
    let focused = "document.activeElement.innerText";
    assert_eq!(browser.eval(focused).await, "orders");
    browser.press("\u{e007}").await;
    browser.until(&format!("!({})", is_open("orders"))).await;
    browser.press("\u{e004}").await;
    assert_eq!(browser.eval(focused).await, "users");
    browser.press(" ").await;
    browser.until(&format!("!({})", is_open("users"))).await;
    browser.press("\u{e004}").await;
    assert_eq!(browser.eval("document.activeElement.id").await, "json");
    browser.close().await;
    server.end().await;
}

#[tokio::test]
async fn a_restart_of_the_server_is_shown_and_survived() {
    let cache = named("users", 100);
    let registry = registry(&[&cache]);
    let server = Server::start(&registry, 0).await;
    let browser = Browser::open(&server.address, Look::WIDE).await;
    cache.insert(1, 1);
    (0..50).for_each(|_| _ = cache.get(&1));
    browser.until_text("#link", "Live").await;
    browser
        .until_text(&figure("users", "fill"), "1 / 100")
        .await;

    let port = server.port;
    server.end().await;
    browser
        .until_text("#link", "No answer from the server, reconnecting")
        .await;
    browser
        .until("document.documentElement.classList.contains('stale')")
        .await;
    browser.screenshot("page-lost").await;
    // The figures are still there, and dimmed.
    assert!(
        browser
            .text(&figure("users", "fill"))
            .await
            .contains("1 / 100")
    );

    // A new process: its caches count from zero.
    drop(cache);
    let cache = named("users", 200);
    registry.register(&cache).expect("the name is free");
    let server = Server::start(&registry, port).await;
    browser
        .until_text("#link", "Live, the server restarted")
        .await;
    browser
        .until_text(&figure("users", "fill"), "0 / 200")
        .await;
    cache.insert(1, 1);
    browser
        .until_text(&figure("users", "fill"), "1 / 200")
        .await;
    browser
        .until("!document.documentElement.classList.contains('stale')")
        .await;
    // The only messages are the failed connections to this server.
    let own = format!("127.0.0.1:{port}");
    for message in browser.messages().await {
        assert!(
            message.contains(&own) && message.contains("net::ERR"),
            "{message}"
        );
    }
    browser.close().await;
    server.end().await;
}

#[tokio::test]
async fn caches_come_and_leave() {
    let registry = Registry::new();
    let server = Server::start(&registry, 0).await;
    let browser = Browser::open(&server.address, Look::WIDE).await;
    browser
        .until_text("#empty", "No cache is registered.")
        .await;
    let names =
        "[...document.querySelectorAll('[data-cache]')].map((row) => row.dataset.cache).join()";
    let users = named("users", 10);
    let awkward = named("<b>\"a'&amp;", 10);
    let orders = named("orders", 10);
    for cache in [&users, &awkward, &orders] {
        registry.register(cache).expect("the name is free");
    }
    browser
        .until(&format!("{names} === '<b>\"a\\'&amp;,orders,users'"))
        .await;
    assert_eq!(browser.text("[data-cache] button").await, "<b>\"a'&amp;");
    drop(orders);
    browser
        .until(&format!("{names} === '<b>\"a\\'&amp;,users'"))
        .await;
    drop((users, awkward));
    browser
        .until_text("#empty", "No cache is registered.")
        .await;
    browser.close().await;
    server.end().await;
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
