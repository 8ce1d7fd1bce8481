//! The HTTP side: routes, bad requests, and readers of the stream of events.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::Body as AxumBody;
use bytes::Bytes;
use cache_page::{Body, Page, Registry};
use cache_tokio::Cache;
use http::header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower::ServiceExt;

/// A registry with one cache of capacity 10: one hit, one miss, one entry.
fn registry() -> (Registry, Cache<u64, &'static str>) {
    let cache = Cache::builder().name("users").max_capacity(10).build();
    let registry = Registry::new();
    registry.register(&cache).expect("the name is free");
    cache.insert(1, "Ada");
    cache.get(&1);
    cache.get(&2);
    (registry, cache)
}

fn get(page: &Page, path: &str) -> Response<Body> {
    page.respond(&Method::GET, path, &HeaderMap::new())
}

fn events_after(page: &Page, id: &str) -> Response<Body> {
    let mut headers = HeaderMap::new();
    headers.insert("last-event-id", id.parse().expect("a valid header"));
    page.respond(&Method::GET, "/events", &headers)
}

/// The next chunk of the body, if it is ready: `None` if it is pending, `Some(None)` at the end.
fn next(response: &mut Response<Body>) -> Option<Option<String>> {
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

fn event(response: &mut Response<Body>) -> String {
    let next = next(response).expect("an event is ready");
    next.expect("the stream has not ended")
}

fn id_of(event: &str) -> &str {
    let id = event.lines().find_map(|line| line.strip_prefix("id: "));
    id.expect("a sample has an id")
}

fn data_of(event: &str) -> Value {
    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(data.expect("an event has data")).expect("the data is JSON")
}

async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.expect("infallible");
    String::from_utf8(body.to_bytes().to_vec()).expect("UTF-8")
}

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

#[test]
fn a_reader_receives_the_history_and_then_each_sample() {
    let (registry, cache) = registry();
    let page = Page::manual(registry);
    page.sample();
    cache.get(&1);
    page.sample();
    let mut stream = get(&page, "/events");
    assert_eq!(stream.headers()[CONTENT_TYPE], "text/event-stream");
    let hello = event(&mut stream);
    assert!(hello.starts_with("retry: 1000\nevent: hello\n"), "{hello}");
    let hits = |event: &str| data_of(event)["caches"][0]["hits"].as_u64().unwrap();
    assert_eq!(hits(&event(&mut stream)), 1);
    assert_eq!(hits(&event(&mut stream)), 2);
    assert_eq!(next(&mut stream), None);
    page.sample();
    assert_eq!(hits(&event(&mut stream)), 2);
    assert_eq!(next(&mut stream), None);
}

#[test]
fn a_waiting_reader_is_woken_by_a_sample() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Woken(AtomicBool);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let page = Page::manual(Registry::new());
    let mut stream = get(&page, "/events");
    event(&mut stream);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    assert!(
        Pin::new(stream.body_mut())
            .poll_frame(&mut context)
            .is_pending()
    );
    assert!(!woken.0.load(Ordering::SeqCst));
    page.sample();
    assert!(woken.0.load(Ordering::SeqCst));
}

#[test]
fn a_reader_continues_after_its_last_event() {
    let page = Page::manual(Registry::new());
    (0..5).for_each(|_| page.sample());
    let mut stream = get(&page, "/events");
    event(&mut stream);
    let ids: Vec<String> = (0..5)
        .map(|_| id_of(&event(&mut stream)).to_owned())
        .collect();
    let mut again = events_after(&page, &ids[2]);
    event(&mut again);
    assert_eq!(id_of(&event(&mut again)), ids[3]);
    assert_eq!(id_of(&event(&mut again)), ids[4]);
    assert_eq!(next(&mut again), None);
}

#[test]
fn an_id_of_another_run_or_no_id_at_all_gets_the_history() {
    let page = Page::manual(Registry::new());
    page.sample();
    let first = {
        let mut stream = get(&page, "/events");
        event(&mut stream);
        id_of(&event(&mut stream)).to_owned()
    };
    let future = first.replace("-1", "-9");
    let huge = format!("{first}{}", "9".repeat(10_000));
    for id in ["", "-", "1", "0123456789abcdef-1", "a-b-c", &future, &huge] {
        let mut stream = events_after(&page, id);
        event(&mut stream);
        assert_eq!(id_of(&event(&mut stream)), first, "{id}");
    }
}

#[test]
fn a_slow_reader_skips_samples() {
    let page = Page::manual(Registry::new());
    page.sample();
    let mut slow = get(&page, "/events");
    event(&mut slow);
    event(&mut slow);
    (0..100).for_each(|_| page.sample());
    assert!(id_of(&event(&mut slow)).ends_with("-101"));
    assert_eq!(next(&mut slow), None);
}

#[test]
fn a_thousand_readers_that_never_read_do_not_add_up() {
    let (registry, _cache) = registry();
    let page = Page::manual(registry);
    let mut idle: Vec<_> = (0..1_000).map(|_| get(&page, "/events")).collect();
    // A day. The idle readers hold a position and no event, so all of them receive what the page
    // still has: ten minutes, thinned.
    (0..86_400).for_each(|_| page.sample());
    assert_eq!(page.readers(), 1_000);
    for stream in [&mut idle[0], &mut get(&page, "/events")] {
        event(stream);
        let mut kept = Vec::new();
        while let Some(Some(event)) = next(stream) {
            kept.push(event.len());
        }
        assert!((100..=132).contains(&kept.len()), "{} events", kept.len());
        let bytes: usize = kept.iter().sum();
        assert!(bytes < 132 * 1_000, "{bytes} bytes");
    }
    drop(idle);
    assert_eq!(page.readers(), 0);
}

#[test]
fn readers_above_the_limit_are_turned_away_until_one_leaves() {
    let page = Page::with_max_readers(Registry::new(), 2);
    let (first, _second) = (get(&page, "/events"), get(&page, "/events"));
    assert_eq!(first.status(), StatusCode::OK);
    let third = get(&page, "/events");
    assert_eq!(third.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(third.headers()[RETRY_AFTER], "5");
    assert_eq!(get(&page, "/").status(), StatusCode::OK);
    drop((first, third));
    assert_eq!(get(&page, "/events").status(), StatusCode::OK);
    page.close();
}

#[test]
fn closing_ends_all_streams() {
    let page = Page::manual(Registry::new());
    let mut stream = get(&page, "/events");
    event(&mut stream);
    assert_eq!(next(&mut stream), None);
    page.close();
    assert_eq!(next(&mut stream), Some(None));
    assert_eq!(
        get(&page, "/events").status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(get(&page, "/stats.json").status(), StatusCode::OK);
}

#[tokio::test]
async fn the_thread_takes_samples_by_itself() {
    let page = Page::new(Registry::new());
    let mut body = get(&page, "/events").into_body();
    for _ in 0..2 {
        body.frame().await.expect("an event").expect("infallible");
    }
    page.close();
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn the_router_can_be_nested_under_any_path() {
    let (registry, _cache) = registry();
    let page = Page::manual(registry);
    let app: Router = Router::new()
        .nest_service("/internal/caches", page.router::<()>())
        .nest("/other", page.router());
    let status = async |path: &str| {
        let request = Request::get(path).body(AxumBody::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap().status()
    };
    for path in ["", "/", "/stats.json", "/events"] {
        let path = format!("/internal/caches{path}");
        assert_eq!(status(&path).await, StatusCode::OK, "{path}");
    }
    // axum does not pass the slash at the end to a router that is nested by `nest`.
    for path in ["/other", "/other/stats.json", "/other/events"] {
        assert_eq!(status(path).await, StatusCode::OK, "{path}");
    }
    for path in ["/internal/caches/unknown", "/other/unknown", "/stats.json"] {
        assert_eq!(status(path).await, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_router_answers_other_methods_as_the_page_does() {
    let root: Router = Page::manual(Registry::new()).router();
    let request = Request::post("/").body(AxumBody::empty()).unwrap();
    let response = root.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()[ALLOW], "GET, HEAD");
}

/// Connects a client to a server of hyper that serves `page`.
fn connection(page: &Page) -> DuplexStream {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let page = page.clone();
    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
        let response = page.respond(request.method(), request.uri().path(), request.headers());
        async { Ok::<_, std::convert::Infallible>(response) }
    });
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(server), answer));
    client
}

/// Sends `request` and returns the first line of the response.
async fn status_line(page: &Page, request: &str) -> String {
    let (mut read, mut write) = tokio::io::split(connection(page));
    let mut line = String::new();
    let receive = async {
        while !line.ends_with("\r\n") {
            line.push(char::from(read.read_u8().await.expect("a response")));
        }
    };
    // A server that rejects a request closes the connection before it has read all of it.
    let send = async { _ = write.write_all(request.as_bytes()).await };
    tokio::join!(send, receive);
    line.trim_end().to_owned()
}

#[tokio::test]
async fn a_server_of_hyper_answers_bad_requests() {
    let page = Page::manual(Registry::new());
    let huge = "a".repeat(1_000_000);
    for (request, status) in [
        (
            "GET /stats.json HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
            "200 OK",
        ),
        (
            "GET /none HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
            "404 Not Found",
        ),
        (
            "DELETE / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
            "405 Method Not Allowed",
        ),
        ("nonsense\r\n\r\n".to_owned(), "400 Bad Request"),
        (
            format!("GET / HTTP/1.1\r\nhost: a\r\nlast-event-id: {huge}\r\n\r\n"),
            "431 Request Header Fields Too Large",
        ),
        (
            format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", &huge[..70_000]),
            "414 URI Too Long",
        ),
    ] {
        let line = status_line(&page, &request).await;
        assert_eq!(
            line,
            format!("HTTP/1.1 {status}"),
            "{:?}",
            request.get(..20)
        );
    }
    assert_eq!(page.readers(), 0);
}
