//! A server with two caches that exports their metrics: one cache is in good health, the other has
//! every fault that `docs/grafana/alerts.yml` has a rule for.
//!
//! `cargo run -p cache-examples --bin metrics` prints its address and runs until it is stopped.
//! `/metrics` has the text format of Prometheus, `/openmetrics` what prometheus-client encodes.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use cache_metrics::{PrometheusCollector, Registry};
use cache_tokio::{BatchLoader, Cache};
use clap::Parser;

#[derive(Parser)]
struct Arguments {
    /// The port; 0 is any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let caches = Registry::new();
    let good: Cache<u64, u64> = Cache::builder().name("good").max_capacity(1_000).build();
    let bad: Cache<u64, u64> = Cache::builder().name("bad").max_capacity(10).build();
    caches.register(&good)?;
    caches.register(&bad)?;
    tokio::spawn(healthy(good));
    tokio::spawn(faulty(bad));

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}/metrics", listener.local_addr()?);
    axum::serve(listener, routes(caches)).await?;
    Ok(())
}

fn routes(caches: Registry) -> Router {
    let mut client = prometheus_client::registry::Registry::default();
    client.register_collector(Box::new(PrometheusCollector::new(caches.clone())));
    let client = Arc::new(client);
    let text = move || async move {
        let content_type = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
        (content_type, caches.prometheus_text("cache"))
    };
    let openmetrics = move || async move {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &client).expect("a string");
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        ([(CONTENT_TYPE, content_type)], text)
    };
    Router::new()
        .route("/metrics", get(text))
        .route("/openmetrics", get(openmetrics))
}

/// Calls `request` with the numbers 0, 1, 2, and so on, 200 times a second.
async fn every_five_milliseconds<Fut>(request: impl Fn(u64) -> Fut) -> Infallible
where
    Fut: Future + Send + 'static,
    Fut::Output: Send,
{
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let mut number = 0;
    loop {
        ticks.tick().await;
        tokio::spawn(request(number));
        number += 1;
    }
}

/// Requests few keys, so that most requests are hits. A key in forty is loaded again.
async fn healthy(cache: Cache<u64, u64>) -> Infallible {
    let view: BatchLoader<u64, u64> = cache.batching(|keys: Vec<u64>| async move { keys });
    every_five_milliseconds(move |number| {
        let (cache, view) = (cache.clone(), view.clone());
        async move {
            let key = number % 40;
            if key == 0 {
                cache.invalidate(&key);
                cache.get_with(key, || async { 0 }).await;
            } else {
                let _ = view.get(key).await;
            }
        }
    })
    .await
}

/// Requests a new key each time. Its loads take two seconds, and half of them fail.
async fn faulty(cache: Cache<u64, u64>) -> Infallible {
    every_five_milliseconds(move |number| {
        let cache = cache.clone();
        async move {
            let load = || async move {
                tokio::time::sleep(Duration::from_secs(2)).await;
                if number % 2 == 0 {
                    Ok(number)
                } else {
                    Err("the backend is down")
                }
            };
            let _ = cache.try_get_with(number, load).await;
        }
    })
    .await
}
