//! Servers of the live page with caches that the test drives: every figure is known.

use std::future::{Future, IntoFuture};
use std::time::Duration;

use axum::Router;
use cache_page::{Page, Registry};
use cache_tokio::Cache;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A program with a page at `/caches` of a port of its own.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) port: u16,
    page: Page,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(registry: &Registry, port: u16) -> Self {
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
    pub(crate) async fn end(self) {
        self.page.close();
        let _ = self.stop.send(());
        self.task.await.expect("the server ends");
    }
}

pub(crate) fn registry(caches: &[&Cache<u64, u64>]) -> Registry {
    let registry = Registry::new();
    for cache in caches {
        registry.register(*cache).expect("the name is free");
    }
    registry
}

pub(crate) fn named(name: &str, capacity: u64) -> Cache<u64, u64> {
    Cache::builder().name(name).max_capacity(capacity).build()
}

pub(crate) fn figure(cache: &str, figure: &str) -> String {
    format!("[data-cache={cache}] [data-figure={figure}]")
}

/// The page of a server that sends the samples `first` and, a minute later, `second` of one cache.
pub(crate) async fn canned(first: &Value, second: &Value) -> (String, JoinHandle<()>) {
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

/// Runs `work` again and again, about every 50 ms, as often as the clock demands, until it is
/// dropped.
pub(crate) async fn twenty_times_a_second(work: impl AsyncFn()) {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    loop {
        ticks.tick().await;
        work().await;
    }
}

/// Waits for `check` while `load` runs.
pub(crate) async fn during(load: impl Future<Output = ()>, check: impl Future<Output = ()>) {
    tokio::select! {
        () = load => panic!("the load ended"),
        () = check => {}
    }
}
