//! What connections hold whose clients do not read.

use std::alloc::System;
use std::convert::Infallible;

use cache_page::{Page, Registry};
use cache_tokio::Cache;
use http::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::task::yield_now;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const READERS: usize = 1_000;

fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Connects a client, which requests the events and reads nothing.
async fn slow_reader(page: &Page) -> DuplexStream {
    let (mut client, server) = tokio::io::duplex(1_024);
    let page = page.clone();
    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
        let response = page.respond(request.method(), request.uri().path(), request.headers());
        async { Ok::<_, Infallible>(response) }
    });
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(server), answer));
    let request = b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n";
    client.write_all(request).await.expect("the request fits");
    client
}

async fn samples(page: &Page, number: usize) {
    for _ in 0..number {
        page.sample();
        // All tasks of the connections run once.
        yield_now().await;
    }
}

#[tokio::test]
async fn a_thousand_slow_connections_hold_bounded_memory() {
    let cache: Cache<u64, u64> = Cache::builder().name("users").build();
    let registry = Registry::new();
    registry.register(&cache).expect("the name is free");
    let page = Page::manual(registry);
    let before = held();
    let mut slow = Vec::new();
    for _ in 0..READERS {
        slow.push(slow_reader(&page).await);
    }
    while page.readers() < READERS {
        yield_now().await;
    }
    // An hour fills all buffers and the history.
    samples(&page, 3_600).await;
    let filled = held();
    let each = (filled - before) / READERS;
    assert!(each < 64 * 1_024, "{each} bytes for each reader");
    samples(&page, 3_600).await;
    let grown = held().saturating_sub(filled);
    assert!(grown < 64 * 1_024, "{grown} bytes more after another hour");

    drop(slow);
    while page.readers() > 0 {
        samples(&page, 1).await;
    }
}
