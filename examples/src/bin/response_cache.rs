//! A middleware that caches the responses of an axum service.
//!
//! Concurrent requests for a resource run its handler once. A response that is meant for one caller
//! is neither stored nor sent to another caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use cache_tokio::Cache;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

const PERSONAL: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::RANGE];
const UNCACHEABLE: [&str; 3] = ["no-cache", "no-store", "private"];

struct Stored {
    headers: HeaderMap,
    body: Bytes,
    since: Instant,
}

/// The key has every header of a request that may change the response.
type Responses = Cache<(Uri, Option<HeaderValue>), Arc<Stored>>;

fn is_public(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let control = text(header::CACHE_CONTROL)
        .unwrap_or_default()
        .to_lowercase();
    !headers.contains_key(header::SET_COOKIE)
        && text(header::VARY).is_none_or(|names| names.eq_ignore_ascii_case("accept"))
        && !UNCACHEABLE.iter().any(|word| control.contains(word))
}

async fn through_cache(State(cache): State<Responses>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if request.method() != Method::GET || PERSONAL.iter().any(|name| headers.contains_key(name)) {
        return next.run(request).await;
    }
    let key = (request.uri().clone(), headers.get(header::ACCEPT).cloned());
    let parts = request.into_parts().0;
    let own = next
        .clone()
        .run(Request::from_parts(parts.clone(), Body::empty()));
    let (keep, mut kept) = oneshot::channel();
    let load = || async move {
        let response = own.await;
        if response.status() != StatusCode::OK || !is_public(response.headers()) {
            let _ = keep.send(response);
            return None;
        }
        let (parts, body) = response.into_parts();
        let (headers, since) = (parts.headers, Instant::now());
        let body = to_bytes(body, usize::MAX).await.ok()?;
        Some(Arc::new(Stored {
            headers,
            body,
            since,
        }))
    };
    match (cache.optionally_get_with(key, load).await, kept.try_recv()) {
        (Some(stored), _) => {
            let age = [(header::AGE, stored.since.elapsed().as_secs().to_string())];
            (stored.headers.clone(), age, stored.body.clone()).into_response()
        }
        (None, Ok(response)) => response,
        // The handler ran for another caller, whose response is not for this one.
        (None, Err(_)) => next.run(Request::from_parts(parts, Body::empty())).await,
    }
}

// The middleware ends here. The rest is a service that uses it.

/// A page for all callers, and one that sets a cookie of its own for each caller.
fn service(cache: Responses) -> Router {
    let sessions = Arc::new(AtomicU32::new(0));
    let page = || async {
        sleep(Duration::from_millis(50)).await;
        "a page"
    };
    let account = move || async move {
        sleep(Duration::from_millis(50)).await;
        let session = sessions.fetch_add(1, Ordering::Relaxed);
        ([(header::SET_COOKIE, session.to_string())], "your account")
    };
    Router::new()
        .route("/page", get(page))
        .route("/account", get(account))
        .layer(from_fn_with_state(cache, through_cache))
}

async fn request(service: &Router, path: &str) -> HeaderMap {
    let request = Request::get(path).body(Body::empty());
    let request = request.expect("a valid request");
    let response = service.clone().oneshot(request).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::OK);
    response.headers().clone()
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    // The bound is 64 MiB of bodies.
    let cache: Responses = Cache::builder()
        .max_capacity(64 << 20)
        .weigher(|_, stored: &Arc<Stored>| stored.body.len().try_into().unwrap_or(u32::MAX))
        .time_to_live(Duration::from_secs(60))
        .build();
    let service = service(cache.clone());
    let page = || request(&service, "/page");
    let account = || request(&service, "/account");

    // Two requests at once: the handler runs once.
    let (first, second) = tokio::join!(page(), page());
    assert_eq!(first, second);
    assert_eq!(first[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    assert_eq!(cache.stats().loads, 1);

    sleep(Duration::from_secs(30)).await;
    assert_eq!(page().await[header::AGE], "30");

    // Two requests at once for a private page: each gets its own.
    let (first, second) = tokio::join!(account(), account());
    assert_ne!(first[header::SET_COOKIE], second[header::SET_COOKIE]);
    assert!(!account().await.contains_key(header::AGE));
    assert_eq!(cache.entry_count(), 1);
    println!("{:?}", cache.stats());
}
