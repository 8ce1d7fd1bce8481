//! Requests and their responses.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::body::Body;
use crate::html;
use crate::inner::Inner;

pub(crate) fn respond(
    inner: &Arc<Inner>,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Response<Body> {
    let route = match path {
        "" | "/" => Route::Page,
        "/stats.json" => Route::Stats,
        "/events" => Route::Events,
        _ => return plain(StatusCode::NOT_FOUND, NOT_FOUND),
    };
    match *method {
        Method::GET => route.get(inner, headers),
        // As for GET, without the body.
        Method::HEAD => match route {
            Route::Events => events(Body::text("")),
            _ => route.get(inner, headers).map(|_| Body::text("")),
        },
        _ => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED);
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, allowed);
            response
        }
    }
}

enum Route {
    Page,
    Stats,
    Events,
}

impl Route {
    fn get(&self, inner: &Arc<Inner>, headers: &HeaderMap) -> Response<Body> {
        match self {
            Self::Page => html::page(),
            Self::Stats => typed("application/json", inner.stats()),
            Self::Events => {
                let id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
                let sent = id.map_or(0, |id| inner.number_of(id));
                if inner.is_closed() {
                    return unavailable(CLOSED);
                }
                Body::events(inner, sent).map_or_else(|| unavailable(TOO_MANY), events)
            }
        }
    }
}

fn events(body: Body) -> Response<Body> {
    let mut response = response(StatusCode::OK, "text/event-stream", body);
    // nginx would collect events in a buffer.
    let unbuffered = HeaderValue::from_static("no");
    response
        .headers_mut()
        .insert("x-accel-buffering", unbuffered);
    response
}

fn unavailable(text: &'static str) -> Response<Body> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, text);
    let seconds = HeaderValue::from_static("5");
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    response(status, "text/plain; charset=utf-8", Body::text(text))
}

pub(crate) fn typed(content_type: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    response(StatusCode::OK, content_type, Body::text(text))
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("same-origin"),
    );
    response
}

const NOT_FOUND: &str = "Not found. The page of the caches has /, /stats.json and /events.\n";
const METHOD_NOT_ALLOWED: &str = "The page of the caches only answers GET and HEAD.\n";
const TOO_MANY: &str = "Too many readers of the events of the caches.\n";
const CLOSED: &str = "The page of the caches is closed.\n";
