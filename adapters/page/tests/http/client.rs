//! Requests to a page, and what is in their responses.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use cache_page::{Body, Page, Registry};
use cache_tokio::Cache;
use http::header::HeaderMap;
use http::{Method, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde_json::Value;

/// A registry with one cache of capacity 10: one hit, one miss, one entry.
pub(crate) fn registry() -> (Registry, Cache<u64, &'static str>) {
    let cache = Cache::builder().name("users").max_capacity(10).build();
    let registry = Registry::new();
    registry.register(&cache).expect("the name is free");
    cache.insert(1, "Ada");
    cache.get(&1);
    cache.get(&2);
    (registry, cache)
}

pub(crate) fn get(page: &Page, path: &str) -> Response<Body> {
    page.respond(&Method::GET, path, &HeaderMap::new())
}

pub(crate) fn events_after(page: &Page, id: &str) -> Response<Body> {
    let mut headers = HeaderMap::new();
    headers.insert("last-event-id", id.parse().expect("a valid header"));
    page.respond(&Method::GET, "/events", &headers)
}

/// The next chunk of the body, if it is ready: `None` if it is pending, `Some(None)` at the end.
pub(crate) fn next(response: &mut Response<Body>) -> Option<Option<String>> {
    let mut context = Context::from_waker(Waker::noop());
    match Pin::new(response.body_mut()).poll_frame(&mut context) {
        Poll::Pending => None,
        Poll::Ready(None) => Some(None),
        Poll::Ready(Some(Ok(frame))) => {
            let data: Bytes = frame.into_data().expect("there are no trailers");
            Some(Some(String::from_utf8(data.to_vec()).expect("UTF-8")))
        }
        Poll::Ready(Some(Err(error))) => match error {},
    }
}

pub(crate) fn event(response: &mut Response<Body>) -> String {
    let next = next(response).expect("an event is ready");
    next.expect("the stream has not ended")
}

pub(crate) fn id_of(event: &str) -> &str {
    let id = event.lines().find_map(|line| line.strip_prefix("id: "));
    id.expect("a sample has an id")
}

pub(crate) fn data_of(event: &str) -> Value {
    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(data.expect("an event has data")).expect("the data is JSON")
}

pub(crate) async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.expect("infallible");
    String::from_utf8(body.to_bytes().to_vec()).expect("UTF-8")
}
